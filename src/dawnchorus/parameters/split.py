"""The block `split`: which annotations train, validate and test."""

from typing import Annotated, Literal

from pydantic import Field

from dawnchorus.parameters.base import Block, value

# The folds are of the same groups, and boxes without a row join the partition of theirs.
GROUPING = ("split", "dataset", "presence", "recording_scores", "folds", "report")
Groups = Annotated[list[str | int], Field(min_length=1)]


class Split(Block):
    """How groups of annotations are dealt to the partitions."""

    meaning = "which annotations train, validate and test"
    follows = "features"
    read_by = ("split", "report")

    method: Literal["grouped", "article"] = value(
        "grouped",
        "grouped keeps each group in one partition; article draws single rows, as the article does",
        read_by=GROUPING,
    )
    group: str = value(
        "recording_id",
        "recording_id, or another column of the annotations or of data.recordings_table",
        min_length=1,
        read_by=GROUPING,
    )
    test_fraction: float = value(0.25, "share of all rows", gt=0, le=0.8)
    validation_fraction: float = value(
        0.2,
        "share of all rows, with 0 the last fifth of each training recording validates presence; with method article, "
        "share of the rows that are not test",
        ge=0,
        le=0.8,
    )
    test_groups: Groups | None = value(
        None, "the groups that are the test partition, instead of a drawn share; or null"
    )
    validation_groups: Groups | None = value(
        None, "the groups that are the validation partition, instead of a drawn share; or null"
    )
