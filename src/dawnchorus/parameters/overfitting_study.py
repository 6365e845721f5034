"""The block `overfitting_study`: the article's network, grown step by step."""

from typing import Annotated

from pydantic import Field

from dawnchorus.parameters.base import Block, value

Units = Annotated[int, Field(ge=1, le=65_536)]
Share = Annotated[float, Field(ge=0, lt=1)]

STUDY_MODEL = ("study_model",)


class OverfittingStudy(Block):
    """The steps, and how long each is trained: rule study_model makes blocks `model` and `train` of it."""

    meaning = "the article's network, grown step by step; made on demand"
    follows = "learning_curve"
    read_by = ("overfitting_study",)

    units: int = value(128, "units of the LSTM, the first step", ge=1, le=4096)
    dense: list[Units] = value([128, 64, 48], "units of the layers that follow it, one more a step", max_length=10)
    dropout: list[Share] = value(
        [0.2, 0.0, 0.4, 0.4],
        "share dropped after the LSTM and after each layer, in the last step; [] leaves that step out",
        max_length=11,
    )
    epochs: int = value(40, "epochs of every step", ge=2, le=100_000, read_by=STUDY_MODEL)
    batch_size: int = value(32, "clips a step of the optimizer", ge=1, le=65_536, read_by=STUDY_MODEL)
    learning_rate: float = value(0.001, "of Adam, constant", gt=0, le=10, read_by=STUDY_MODEL)
