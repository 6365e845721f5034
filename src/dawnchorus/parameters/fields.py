"""What the models of params.yaml say: defaults, who reads a key, and in words what a key may be."""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from dawnchorus.parameters.base import Block, said_of

_LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def block_of(field: FieldInfo) -> type[Block] | None:
    """Return the model of a key that is a block itself, else None."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Block) else None


def block(model: type[Block], key: str) -> type[Block]:
    """Return the model of a key that is a block itself; any other key raises TypeError."""
    inner = block_of(model.model_fields[key])
    if inner is None:
        raise TypeError(f"{model.__name__}.{key}: expected a block")
    return inner


def defaults(model: type[Block]) -> dict[str, Any]:
    """Return the default of every key of a model, the blocks in it included; keys without one are left out."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if inner := block_of(field):
            found[name] = defaults(inner)
        elif "default" in said_of(field):
            found[name] = said_of(field)["default"]
    return found


def read_by(stage: str, model: type[Block], values: dict, readers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return those of the values that a stage reads, by block; a block that it reads as a whole even if it is empty.

    ``readers``: the stages that read the block, where its model does not say.
    """
    found = {}
    for name, field in model.model_fields.items():
        if name not in values:
            continue
        own = said_of(field)["read_by"]
        if inner := block_of(field):
            of_inner = inner.read_by or readers
            part = read_by(stage, inner, values[name], of_inner)
            if part or stage in of_inner:
                found[name] = part
        elif stage in (readers if own is None else own):
            found[name] = values[name]
    return found


def readers(model: type[Block]) -> Iterator[str]:
    """Yield the name of every stage that a model or one of its keys names."""
    yield from model.read_by
    for field in model.model_fields.values():
        yield from said_of(field)["read_by"] or ()
        if inner := block_of(field):
            yield from readers(inner)


def keys(values: dict, prefix: str = "") -> Iterator[str]:
    """Yield every key, as DVC names it: ``train.epochs``; a block that is empty is a key itself."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def value_of(values: dict, key: str) -> Any:
    """Return the value of a key, as DVC names it."""
    found: Any = values
    for name in key.split("."):
        found = found[name]
    return found


_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def as_text(values: dict) -> str:
    """Return canonical values as one text, JSON: equal values are the same text. It is what a stage is handed.

    Braces within a text are escaped: Snakemake would take `{fold}` for a wildcard.
    """
    made = json.dumps(values, sort_keys=True, allow_nan=False)
    return _TEXT.sub(lambda match: match[0].replace("{", "\\u007b").replace("}", "\\u007d"), made)


def rule_of(model: type[Block], key: str) -> dict[str, Any]:
    """Return the JSON schema of a key, with its unit."""
    return _rules(model)[key]


@lru_cache
def _rules(model: type[Block]) -> dict[str, Any]:
    return schema_of(model, keep=("unit",))["properties"]


def schema_of(model: type[Block], keep: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the JSON schema of a model; what only this package reads of its keys is left out, but for ``keep``."""
    return _plain(model.model_json_schema(), keep)


def _plain(rule: Any, keep: tuple[str, ...]) -> Any:
    if isinstance(rule, list):
        return [_plain(inner, keep) for inner in rule]
    if not isinstance(rule, dict):
        return rule
    own = {"title", "read_by", "off", "unit"} - set(keep)
    if rule.get("default", "") is None and "anyOf" not in rule:
        own.add("default")
    # A key of params.yaml that has one of these names is a dict.
    return {name: _plain(inner, keep) for name, inner in rule.items() if name not in own or isinstance(inner, dict)}


def words(rule: dict[str, Any], shown: Callable[[Any], str] = json.dumps) -> str:
    """Say in words what a JSON schema of a key accepts: "integer from 1 to 100 or null". ``shown`` writes a value."""
    if "anyOf" in rule:
        text = " or ".join(words(choice, shown) for choice in rule["anyOf"])
    elif "enum" in rule:
        text = "one of " + ", ".join(shown(choice) for choice in rule["enum"])
    elif "const" in rule:
        text = shown(rule["const"])
    elif rule.get("type") == "array":
        text = f"list of {_within(rule, 'minItems', 'maxItems')}{words(rule['items'], shown)}"
    else:
        kind = "true or false" if rule.get("type") == "boolean" else rule.get("type", "block of keys and values")
        kind = f"odd {kind}" if rule.get("not") == {"multipleOf": 2} else kind
        text = f"{kind} {_limits(rule)}".strip()
    return f"{text} {rule['unit']}" if rule.get("unit") else text


def _limits(rule: dict[str, Any]) -> str:
    if "minimum" in rule and "maximum" in rule:
        return f"from {_number(rule['minimum'])} to {_number(rule['maximum'])}"
    return " and ".join(f"{sign} {_number(rule[key])}" for key, sign in _LIMITS.items() if key in rule)


def _within(rule: dict[str, Any], least: str, most: str) -> str:
    if least in rule and most in rule:
        return f"{rule[least]} to {rule[most]}: "
    return f"at least {rule[least]}: " if least in rule else f"at most {rule[most]}: " if most in rule else ""


def _number(limit: float) -> str:
    return f"{limit:.10g}"


def parsed(model: type[Block], key: str, text: str) -> Any:
    """Return the value of a key that a person typed as text; raise ValueError, which says what was expected."""
    field = model.model_fields[key]
    kind: Any = Annotated[field.annotation, field]
    try:
        return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False)).validate_python(text)
    except ValidationError:
        raise ValueError(f"{text!r}: expected {words(rule_of(model, key))}") from None
