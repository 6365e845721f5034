"""The block `learning_curve`: what the recipe is worth with fewer labels, and what more would bring."""

from typing import Annotated

from pydantic import Field, field_validator

from dawnchorus.parameters.base import Block, value

Labels = Annotated[int, Field(ge=1, le=1_000_000)]


class LearningCurve(Block):
    """How many labels are drawn, and how often. All labels there are end the curve: the run itself."""

    meaning = "what the recipe is worth with fewer labels, and what twice as many would bring; made on demand"
    follows = "cross_validation"
    read_by = ("learning_curve",)

    labels: list[Labels] = value(
        [1, 2, 5, 10, 20],
        "labels of each class that are trained on, in rising order; a class that has fewer gives all it has",
        min_length=2,
        max_length=20,
    )
    draws: int = value(5, "trainings with each number of labels, each on labels drawn anew", ge=2, le=100)

    @field_validator("labels")
    @classmethod
    def _rise(cls, given: list[int]) -> list[int]:
        if sorted(set(given)) != given:
            raise ValueError("expected whole numbers in rising order")
        return given
