"""The article's first, simplest network: one LSTM over the coefficients, then the softmax."""

from dawnchorus.parameters.base import Block, value


class Params(Block):
    """The size of the one layer."""

    units: int = value(128, "LSTM units", ge=1, le=65_536)


def build(input_shape, n_classes, params):
    """Build LSTM - softmax, the coefficients as steps (see the network ``article``)."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input(input_shape),
            layers.Permute((2, 1), name="coefficients_as_steps"),
            layers.LSTM(params["units"], name="lstm"),
            layers.Dense(n_classes, activation="softmax", dtype="float32", name="scores"),
        ],
        name="simplest_lstm",
    )
