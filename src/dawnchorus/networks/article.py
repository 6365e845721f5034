"""The network of the tutorial that dawnchorus grew from: an LSTM whose steps are the MFCC coefficients.

The coefficients, not the frames, are the sequence: step k is coefficient k over all frames. Together with
centred padding this hides time from the recurrence; it is kept to be compared with, not to be recommended.
"""

from typing import Annotated

from pydantic import Field

from dawnchorus.parameters.base import Block, value

Units = Annotated[int, Field(ge=1, le=65_536)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Params(Block):
    """The article's numbers are the defaults."""

    units: int = value(128, "LSTM units", ge=1, le=65_536)
    dense: list[Units] = value([128, 64, 48], "units of the layers that follow", max_length=10)
    dropout: list[Share] = value(
        [0.2, 0.0, 0.4, 0.4], "share dropped after the LSTM and after each of these layers", max_length=11
    )


def build(input_shape, n_classes, params):
    """Build LSTM - dense layers with ReLU - softmax, with dropout where it is not 0; with no dense layers the simplest.

    ``dropout`` may be shorter than the layers: the rest have none.
    """
    from keras import Input, Sequential, layers

    made = [
        Input(input_shape),
        layers.Permute((2, 1), name="coefficients_as_steps"),
        layers.LSTM(params["units"], name="lstm"),
    ]
    rates = [*params["dropout"], *[0.0] * (1 + len(params["dense"]))]
    for number, rate in enumerate(rates[: 1 + len(params["dense"])]):
        if number:
            made.append(layers.Dense(params["dense"][number - 1], activation="relu", name=f"dense_{number}"))
        if rate:
            made.append(layers.Dropout(rate, name=f"dropout_{number}"))
    made.append(layers.Dense(n_classes, activation="softmax", dtype="float32", name="scores"))
    return Sequential(made, name="article")
