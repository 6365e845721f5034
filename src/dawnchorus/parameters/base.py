"""What every block of params.yaml is made of: a typed model whose fields say type, range, unit, default and meaning."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Block(BaseModel):
    """A block of params.yaml. Its keys are its fields: a key more is refused, and no value is turned into another type.

    The one conversion is that of a whole number where a float is asked for: 5 is 5.0.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def value(
    default: Any = ..., meaning: str = "", *, unit: str = "", read_by: tuple[str, ...] | None = None, **bounds: Any
) -> Any:
    """Declare one key of a block.

    Args:
        default: of the default recipe; ``...`` where there is none.
        meaning: one line, as a person reads it beside the key in params.yaml.
        unit: of a number, where the name does not end in it.
        read_by: the stages that read this key; None for those that read the block.
        bounds: ``ge``, ``gt``, ``le``, ``lt``, ``min_length``, ``pattern``, ... as pydantic names them.
    """
    return Field(default, description=meaning, json_schema_extra={"unit": unit, "read_by": read_by}, **bounds)
