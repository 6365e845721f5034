"""params.yaml, held against the models of its blocks: every key known, every value in range, one line a problem."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError, create_model

from dawnchorus import networks
from dawnchorus.features import kinds
from dawnchorus.foundation import strict_yaml
from dawnchorus.foundation.errors import InputError, shown
from dawnchorus.parameters import fields
from dawnchorus.parameters.base import Block, meaning_of
from dawnchorus.parameters.recipe import RECIPE
from dawnchorus.workflow import named_files
from dawnchorus.workflow.contradictions import contradictions

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from snakemake.path_modifier import PathModifier


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


def handed_to(stage: str, params: dict, **others: Any) -> str:
    """Return the values that a stage reads, and ``others``, as the one text that it is handed and known by."""
    return fields.as_text({**read_by(stage, params), **others})


# So many problems are listed; whoever has more has another problem.
MOST_LINES = 20
COMPLETE = "presets/default.yaml has them all"
NO_LINES: Mapping[str, int] = {}


def load(path: str | os.PathLike, with_files: bool = False) -> dict[str, Any]:
    """Read a params file and return its values in canonical form: the one way from params.yaml to what uses it.

    Anything wrong raises :class:`InputError`, one line a problem: ``params.yaml:40: train.epochs: 0: expected ...``.
    ``with_files``: a path that it names without a file that can be read is a problem too.
    """
    document = strict_yaml.read(path)
    values = canonical(document.values, path, document.lines)
    if with_files and (missing := list(named_files.faults(values))):
        raise _error(path, document.lines, missing)
    return values


def canonical(
    params: dict, source: str | os.PathLike = "params.yaml", lines: Mapping[str, int] = NO_LINES
) -> dict[str, Any]:
    """Return the values in their one canonical form, in which equal values are the same text, or raise InputError.

    There is one line for each value that its model or the other values rule out. ``lines``: where each key stands.
    """
    if not (problems := list(_problems(params))):
        values = model_of(params).model_validate(params).model_dump(exclude_unset=True)
        if not (problems := list(contradictions(values))):
            return values
    raise _error(source, lines, problems)


def _error(source: str | os.PathLike, lines: Mapping[str, int], problems: list[str]) -> InputError:
    placed = []
    for problem in problems:
        key = problem.split(":")[0].split(" ")[0]
        while key and key not in lines:
            key = key.rpartition(".")[0]
        placed.append((lines[key], f"{source}:{lines[key]}: {problem}") if key else (0, f"{source}: {problem}"))
    # From the top of the file to its end, as they will be mended.
    said = [line for _, line in sorted(placed, key=lambda place: place[0])][:MOST_LINES]
    if len(problems) > MOST_LINES:
        said.append(f"{source}: {len(problems) - MOST_LINES} problems more")
    return InputError(*said)


def refuse_overrides(config: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Raise :class:`InputError` if Snakemake was given values by ``--config`` or ``--configfile``.

    They would be invisible to DVC, which would then lock a model under parameters that it was not trained with.
    """
    if config:
        keys = ", ".join(shown(str(key), quotes=False) for key in sorted(config, key=str))
        raise InputError(
            f"{keys}: given by --config or --configfile, or by a module's config; expected all values in {path}, where "
            "DVC sees them too "
            "(edit it, copy a preset over it, or use `dvc exp run -S`)"
        )


def refuse_prefix(modifier: PathModifier) -> None:
    """Raise :class:`InputError` where a module's paths are to be others than those of ``params.yaml`` and of DVC."""
    if modifier.prefix or modifier._prefix_replacements:
        raise InputError(
            "a module with prefix or replace_prefix: expected neither; run Snakemake in a folder of its own"
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
        if block in chosen or not isinstance(params.get(block), dict):
            continue
        # Which other keys there are, nobody knows without the file.
        found = [problem for problem in found if problem["loc"][0] != block or problem["loc"][1:] == (key,)]
        if key in params[block]:
            found = [problem for problem in found if problem["loc"] != (block, key)]
            names = ", ".join(json.dumps(name) for name in registry.names())
            meaning = meaning_of(fields.block(RECIPE, block).model_fields[key])
            yield f"{block}.{key}: {shown(params[block][key])}: expected one of {names} ({meaning})"
    # A value that several choices rule out, or a list with several wrong items, is one problem.
    lines: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    lacking = {".".join(map(str, problem["loc"])) for problem in found if problem["type"] == "missing"}
    meant = set()
    for problem in sorted(found, key=lambda problem: [str(part) for part in problem["loc"]]):
        where, line, nearest = _line(model, params, problem, lacking)
        lines.setdefault(where, line)
        # A misspelt key is one problem, not another that is missing.
        meant.add(nearest)
        if problem["type"] == "missing":
            missing.setdefault(where.rpartition(".")[0], []).append(where)
    lines = {where: line for where, line in lines.items() if where not in meant & lacking}
    missing = {owner: [key for key in keys if key not in meant] for owner, keys in missing.items()}
    for owner, keys in missing.items():
        if len(keys) > 1:
            names = ", ".join(key.rpartition(".")[2] for key in keys[:6])
            more = f" and {len(keys) - 6} more" if len(keys) > 6 else ""
            lines = {where: line for where, line in lines.items() if where not in keys}
            lines[owner] = f"{owner}{': ' * bool(owner)}{len(keys)} keys missing: {names}{more}; {COMPLETE}"
    yield from lines.values()


def _line(
    model: type[Block], values: Any, problem: ErrorDetails, lacking: Collection[str]
) -> tuple[str, str, str | None]:
    """Return where a problem of pydantic is, as a key of params.yaml, the line that says it, and the key that is meant.

    ``lacking``: the keys that are missing; an unknown key sooner means one of these. None: no other key is meant.
    """
    path, rest = [], list(problem["loc"])
    while True:
        name = str(rest.pop(0))
        path.append(name)
        where = ".".join(path)
        field = model.model_fields.get(name)
        if field is None:
            prefix = where.removesuffix(name)
            wanted = [key for key in model.model_fields if prefix + key in lacking]
            close = difflib.get_close_matches(name, wanted, n=1) or difflib.get_close_matches(
                name, model.model_fields, n=1
            )
            hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(model.model_fields)}"
            return where, f"{shown(where, quotes=False)}: unknown key; {hint}", prefix + close[0] if close else None
        inner = fields.block_of(field)
        if inner is None or not rest:
            break
        model, values = inner, values[name]
    said = problem["msg"].removeprefix("Value error, ")
    if said.startswith("expected"):
        # A rule of the model's own, which says what it wants.
        return where, f"{where}: {shown(values[name])}: {said}", None
    expected = "block of keys and values" if inner else fields.words(fields.rule_of(model, name))
    expected += f" ({meaning_of(field)})"
    if problem["type"] == "missing":
        return where, f"{where}: missing; expected {expected}", None
    return where, f"{where}: {shown(values[name])}: expected {expected}", None
