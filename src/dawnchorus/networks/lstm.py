"""An LSTM over time, with the padding masked."""

PARAMS = {
    "units": {"type": "integer", "minimum": 1, "description": "LSTM units"},
    "dropout": {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": 1,
        "description": "share of values dropped before the softmax",
    },
}


def build(input_shape, n_classes, params):
    """Build Masking - LSTM over frames - Dropout - softmax; runs on cuDNN (right padding, default activations)."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input(input_shape),
            layers.Masking(0.0, name="padding"),
            layers.LSTM(params["units"], name="lstm"),
            layers.Dropout(params["dropout"], name="dropout"),
            layers.Dense(n_classes, activation="softmax", dtype="float32", name="scores"),
        ],
        name="lstm",
    )
