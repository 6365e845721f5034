"""params.yaml, held against the models of its blocks: every key known, every value in range, one line a problem."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError, create_model

from dawnchorus import networks
from dawnchorus.features import kinds
from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters import fields
from dawnchorus.parameters.base import Block, meaning_of
from dawnchorus.parameters.recipe import RECIPE
from dawnchorus.workflow.contradictions import contradictions

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class _UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice; YAML's own rule is to keep the last in silence."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise InputError(f"line {key_node.start_mark.line + 1}: {key}: given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(path: str | os.PathLike) -> dict:
    """Read a params file; an unreadable one or a key given twice raises :class:`InputError`."""
    try:
        with open(path, encoding="utf-8") as file:
            params = yaml.load(file, Loader=_UniqueKeyLoader)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected blocks of keys and values, found {type(params).__name__}")
    return params


# Blocks with a key that chooses a file, whose ``Params`` are the other keys of the block.
CHOICES = {"features": ("kind", kinds), "model": ("name", networks)}


@lru_cache
def joined(block: str, choice: str) -> type[Block]:
    """Return the model of a block that chooses a file: the keys that are always there, and what the file declares."""
    common = fields.block(RECIPE, block)
    return create_model(f"{common.__name__}_{choice}", __base__=(CHOICES[block][1].get(choice).Params, common))


def model_of(params: dict) -> type[Block]:
    """Return the model of a whole params file: that of the recipe, joined with what the chosen files declare."""
    return _recipe_with(tuple(_chosen(params).items()))


@lru_cache
def _recipe_with(chosen: tuple[tuple[str, str], ...]) -> type[Block]:
    blocks: dict[str, Any] = {block: (joined(block, choice), RECIPE.model_fields[block]) for block, choice in chosen}
    return create_model("Params", __base__=RECIPE, **blocks)


def _chosen(params: dict) -> dict[str, str]:
    """Return what is chosen in each block that chooses a file, as far as there are such files."""
    found = {}
    for block, (key, registry) in CHOICES.items():
        choice = params[block].get(key) if isinstance(params.get(block), dict) else None
        if isinstance(choice, str) and choice in registry.names():
            found[block] = choice
    return found


def defaults(**chosen: str) -> dict[str, Any]:
    """Return the default recipe, complete. ``chosen``: other files, ``model="lstm"``, with the keys of theirs."""
    found = fields.defaults(RECIPE)
    for block, (key, _) in CHOICES.items():
        choice = chosen.get(block, found[block][key])
        found[block] = {**fields.defaults(joined(block, choice)), key: choice}
    return found


def read_by(stage: str, params: dict) -> dict[str, Any]:
    """Return those of the values that a stage reads, by block."""
    return fields.read_by(stage, model_of(params), params)


def check(params: dict, source: str | os.PathLike = "params.yaml") -> None:
    """Raise :class:`InputError` with one line for each value that its model or the other values rule out."""
    lines = list(_problems(params)) or list(contradictions(params))
    if lines:
        raise InputError("\n".join(f"{source}: {line}" for line in lines))


def check_config(config: dict, path: str | os.PathLike) -> None:
    """Check the values that Snakemake is about to use: valid, and those of the params file and no others.

    A value given by ``--config`` or ``--configfile`` would be invisible to DVC, which would then lock a model
    under parameters that it was not trained with; so it is refused.
    """
    params = load(path)
    check(params, path)
    if config != params:
        keys = sorted(key for key in {*config, *params} if config.get(key) != params.get(key))
        raise InputError(
            f"{', '.join(keys)}: given by --config or --configfile; expected all values in {path}, where DVC "
            "sees them too (edit it, copy a preset over it, or use `dvc exp run -S`)"
        )


def changed_since(path: str | os.PathLike, config: dict) -> list[str]:
    """Return the blocks and values at the top of a params file that are not those of ``config`` any more."""
    params = load(path)
    return sorted(key for key in {*config, *params} if config.get(key) != params.get(key))


def _problems(params: dict) -> Iterator[str]:
    """Yield a line for each key that is unknown, missing, or has a value that its model does not allow."""
    model, chosen = model_of(params), _chosen(params)
    try:
        model.model_validate(params)
        found: list[ErrorDetails] = []
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
    for block, (key, registry) in CHOICES.items():
        if block not in chosen and isinstance(params.get(block), dict) and key in params[block]:
            # Which other keys there are, nobody knows without the file.
            found = [problem for problem in found if problem["loc"][0] != block]
            names = ", ".join(json.dumps(name) for name in registry.names())
            meaning = meaning_of(fields.block(RECIPE, block).model_fields[key])
            yield f"{block}.{key}: {json.dumps(params[block][key])}: expected one of {names} ({meaning})"
    # A value that several choices rule out, or a list with several wrong items, is one problem.
    lines: dict[str, str] = {}
    for problem in sorted(found, key=lambda problem: [str(part) for part in problem["loc"]]):
        where, line = _line(model, params, problem)
        lines.setdefault(where, line)
    yield from lines.values()


def _line(model: type[Block], values: Any, problem: ErrorDetails) -> tuple[str, str]:
    """Return where a problem of pydantic is, as a key of params.yaml, and the line that says it."""
    path, rest = [], list(problem["loc"])
    while True:
        name = str(rest.pop(0))
        path.append(name)
        where = ".".join(path)
        field = model.model_fields.get(name)
        if field is None:
            close = difflib.get_close_matches(name, model.model_fields, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(model.model_fields)}"
            return where, f"{where}: unknown key; {hint}"
        inner = fields.block_of(field)
        if inner is None or not rest:
            break
        model, values = inner, values[name]
    said = problem["msg"].removeprefix("Value error, ")
    if said.startswith("expected"):
        # A rule of the model's own, which says what it wants.
        return where, f"{where}: {json.dumps(values[name])}: {said}"
    expected = "block of keys and values" if inner else fields.words(fields.rule_of(model, name))
    expected += f" ({meaning_of(field)})"
    if problem["type"] == "missing":
        return where, f"{where}: missing; expected {expected}"
    return where, f"{where}: {json.dumps(values[name], default=str)}: expected {expected}"
