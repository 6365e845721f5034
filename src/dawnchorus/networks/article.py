"""The network of the tutorial that dawnchorus grew from: an LSTM whose steps are the MFCC coefficients.

The coefficients, not the frames, are the sequence: step k is coefficient k over all frames. Together with
centred padding this hides time from the recurrence; it is kept to be compared with, not to be recommended.
"""

PARAMS = {
    "units": {"type": "integer", "minimum": 1, "description": "LSTM units; the article has 128"},
}


def build(input_shape, n_classes, params):
    """Build LSTM - Dropout 0.2 - Dense 128, 64 - Dropout 0.4 - Dense 48 - Dropout 0.4 - softmax."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input(input_shape),
            layers.Permute((2, 1), name="coefficients_as_steps"),
            layers.LSTM(params["units"], name="lstm"),
            layers.Dropout(0.2, name="dropout_1"),
            layers.Dense(128, activation="relu", name="dense_1"),
            layers.Dense(64, activation="relu", name="dense_2"),
            layers.Dropout(0.4, name="dropout_2"),
            layers.Dense(48, activation="relu", name="dense_3"),
            layers.Dropout(0.4, name="dropout_3"),
            layers.Dense(n_classes, activation="softmax", dtype="float32", name="scores"),
        ],
        name="article",
    )
