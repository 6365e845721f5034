"""What every block of params.yaml is made of: a typed model whose fields say type, range, unit, default and meaning."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo


class Block(BaseModel):
    """A block of params.yaml. Its keys are its fields: a key more is refused, and no value is turned into another type.

    The one conversion is between numbers that are equal, as DVC compares them: for a key that is a float 5 is 5.0, for
    one that is a whole number 5.0 is 5, and -0.0 is 0.0. ``read_by`` names the stages that read the block; a key that
    only some of them read, or others too, says so itself. The report shows every value of a run, so it reads the block
    of each rule that `rule all` asks for: ``read_by = ("split", "report")``. ``meaning``: what stands above the block
    in params.yaml; ``follows``: the block that it stands after.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    read_by: ClassVar[tuple[str, ...]] = ()
    meaning: ClassVar[str] = ""
    follows: ClassVar[str] = ""

    @field_validator("*", mode="before")
    @classmethod
    def _equal_number(cls, given: Any, info: ValidationInfo) -> Any:
        return _canonical(given, set(_types_in(cls.model_fields[str(info.field_name)].annotation)))


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


def _types_in(annotation: Any) -> Iterator[Any]:
    """Yield the plain types that an annotation is made of: of ``Literal["a"] | list[int]`` list's int."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _types_in(inner[0])
    elif origin is not Literal:
        for part in inner:
            yield from _types_in(part)
        if not inner:
            yield annotation


def _canonical(given: Any, types: set[Any]) -> Any:
    if isinstance(given, list):
        return [_canonical(item, types) for item in given]
    if not isinstance(given, float):
        return given
    # Where text is allowed too, 5.0 may be meant as the text.
    if given.is_integer() and int in types and not types & {float, str}:
        return int(given)
    return given + 0.0
