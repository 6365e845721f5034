"""Values of options, held against the same types and ranges as those of params.yaml."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from dawnchorus.parameters import fields
from dawnchorus.parameters.base import Block

# As a number is written in params.yaml; Python would take 1_000, spaces and the digits of other scripts besides.
_NUMBER = re.compile(r"[-+]?(\d+|\d*\.\d+|\d+\.)([eE][-+]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d+", re.ASCII)


def typed(model: type[Block], key: str) -> Callable[[str], Any]:
    """Return what makes a value of a key of a block out of the text of an option, for argparse."""

    def parsed(given: str) -> Any:
        try:
            found = fields.parsed(model, key, given)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        form = _INTEGER if isinstance(found, int) else _NUMBER
        if isinstance(found, (int, float)) and not form.fullmatch(given):
            raise argparse.ArgumentTypeError(f"{given!r}: expected {fields.words(fields.rule_of(model, key))}")
        return found

    return parsed


def path(given: str) -> Path:
    """Return the path that an option names, for argparse.

    An empty text, as of a variable of the shell that is not set, is refused: Python takes it for the folder one is in.
    """
    if not given:
        raise argparse.ArgumentTypeError("'': expected the name of a file or a folder")
    return Path(given)


def path_as_given(given: str) -> str:
    """Return the text of :func:`path`."""
    path(given)
    return given


def whole_number(most: int, least: int = 1) -> Callable[[str], int]:
    """Return what makes a whole number from ``least`` to ``most`` out of the text of an option, for argparse."""

    def parsed(given: str) -> int:
        if not _INTEGER.fullmatch(given) or not least <= int(given) <= most:
            raise argparse.ArgumentTypeError(f"{given!r}: expected integer from {least} to {most}")
        return int(given)

    return parsed


def number(least: float, most: float) -> Callable[[str], float]:
    """Return what makes a number from ``least`` to ``most`` out of the text of an option, for argparse."""

    def parsed(given: str) -> float:
        if not _NUMBER.fullmatch(given) or not least <= float(given) <= most:
            raise argparse.ArgumentTypeError(f"{given!r}: expected number from {least:g} to {most:g}")
        return float(given)

    return parsed


def checked(model: type[Block], key: str, found: Any) -> Any:
    """Return a value that stands in a params.yaml for a key of a block; ValueError says what was expected."""
    field = model.model_fields[key]
    kind: Any = Annotated[field.annotation, field]
    try:
        return TypeAdapter(kind).validate_python(found, strict=True)
    except ValidationError:
        raise ValueError(f"{str(found)[:60]!r}: expected {fields.words(fields.rule_of(model, key))}") from None
