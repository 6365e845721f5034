"""The block `dataset`: how clips of unequal length become one normalized array."""

from typing import Literal

from dawnchorus.parameters.base import Block, value


class Dataset(Block):
    """Length, padding and normalization of the rows."""

    meaning = "clips of unequal length as one normalized array"
    follows = "split"
    read_by = ("dataset", "report")

    frames: int | None = value(
        None, "length of every row; a longer clip keeps its middle; null takes the longest clip", ge=2, le=100_000
    )
    clip_normalization: Literal["none", "median", "standard"] = value(
        "standard",
        "median takes each band's median over the clip away; standard makes each clip mean 0, deviation 1",
    )
    padding: Literal["right", "centre"] = value(
        "right", "where a short clip gets its zeros; right suits masking, cuDNN and augmentation over time"
    )
    normalization: Literal["per_feature", "min_max_std", "none"] = value(
        "none",
        "per_feature is mean 0 and deviation 1 a feature; min_max_std is the article's; none changes nothing",
    )
    fit_on: Literal["train", "all"] = value(
        "train", "the rows that the normalization is fitted on; all is the article's, and lets the test rows in"
    )
