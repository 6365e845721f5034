"""The article's first, simplest network: one LSTM over the coefficients, then the softmax."""

PARAMS = {
    "units": {"type": "integer", "minimum": 1, "description": "LSTM units"},
}


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
