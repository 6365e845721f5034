"""What every block of params.yaml is made of: a typed model whose fields say type, range, unit, default and meaning."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Block(BaseModel):
    """A block of params.yaml. Its keys are its fields: a key more is refused, and no value is turned into another type.

    The one conversion is that of a whole number where a float is asked for: 5 is 5.0. ``read_by`` names the stages that
    read the block; a key that only some of them read, or others too, says so itself. The report shows every value of a
    run, so it reads the block of each rule that `rule all` asks for: ``read_by = ("split", "report")``. ``meaning``:
    what stands above the block in params.yaml; ``follows``: the block that it stands after.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    read_by: ClassVar[tuple[str, ...]] = ()
    meaning: ClassVar[str] = ""
    follows: ClassVar[str] = ""


def value(
    default: Any = ...,
    meaning: str = "",
    *,
    unit: str = "",
    read_by: tuple[str, ...] | None = None,
    off: Any = ...,
    required: bool = True,
    **bounds: Any,
) -> Any:
    """Declare one key of a block. params.yaml holds every key, so the default is that of the recipe, not of the model.

    Args:
        default: of the default recipe; ``...`` where there is none.
        meaning: one line, as a person reads it beside the key in params.yaml.
        unit: of a number, where neither its name nor its meaning says it.
        read_by: the stages that read this key; None for those that read the block.
        off: of a technique of the training: the value that turns it off, where that is not the default.
        required: whether params.yaml has to have the key.
        bounds: ``ge``, ``gt``, ``le``, ``lt``, ``min_length``, ``pattern``, ... as pydantic names them.
    """
    extra: dict[str, Any] = {"unit": unit, "read_by": read_by}
    extra |= {name: given for name, given in (("default", default), ("off", off)) if given is not ...}
    absent: Any = ... if required else None
    return Field(absent, description=meaning, json_schema_extra=extra, **bounds)


def said_of(field: FieldInfo) -> dict[str, Any]:
    """Return what :func:`value` says of a key: ``unit``, ``read_by``, and ``default`` and ``off`` where it has them."""
    if not isinstance(field.json_schema_extra, dict):
        raise TypeError(f"{field!r}: expected a key declared by parameters.base.value")
    return field.json_schema_extra


def meaning_of(field: FieldInfo) -> str:
    """Return the meaning of a key in one line, empty where it says none."""
    return field.description or ""
