"""The block `cross_validation`: what the recipe is worth on all recordings."""

from dawnchorus.parameters.base import Block, value


class CrossValidation(Block):
    """Folds and seeds. The report of a run knows nothing of it."""

    meaning = "what the recipe is worth on all recordings; made on demand"
    follows = "detections"

    folds: int = value(5, "trainings, each tested on a part that the others train on", ge=2, le=100, read_by=("folds",))
    column: str | None = value(
        None,
        "column of the annotations or of data.recordings_table whose values are the folds; null draws groups",
        min_length=1,
        read_by=("folds",),
    )
    # The folds do not read it: one more seed leaves them as they are.
    seeds: int = value(
        1, "trainings of each fold, with the seeds seed, seed + 1, ...", ge=1, le=100, read_by=("cross_validation",)
    )
    validation_fraction: float = value(
        0.0,
        "share of all rows that each fold keeps for validation; with 0 all that is not tested trains, see split",
        ge=0,
        le=0.8,
        read_by=("folds",),
    )
