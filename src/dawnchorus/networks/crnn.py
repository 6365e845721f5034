"""Convolution blocks, then a bidirectional GRU over time, pooled by attention or by mean and maximum."""

from typing import Literal

from dawnchorus.networks import _layers
from dawnchorus.parameters.base import value


class Params(_layers.Convolutions):
    """The convolutions, and what follows them."""

    units: int = value(64, "GRU units in each direction", ge=1, le=4096)
    pooling: Literal["attention", "mean_max"] = value(
        "attention", "how frames become a clip: each class's own attention over time, or mean plus maximum"
    )


def build(input_shape, n_classes, params):
    """Build convolution blocks - bidirectional GRU - Dropout - pooling - softmax; runs on cuDNN."""
    from keras import Input, Model, layers, ops

    inputs = Input(input_shape)
    x, mask = _layers.convolutions(inputs, params)
    x = layers.Bidirectional(layers.GRU(params["units"], return_sequences=True), name="gru")(
        x, mask=ops.squeeze(mask, -1) > 0
    )
    x = layers.Dropout(params["dropout"], name="dropout")(x)
    if params["pooling"] == "mean_max":
        logits = layers.Dense(n_classes, name="logits")(_layers.mean_and_maximum(x, mask))
    else:
        attention = layers.Dense(n_classes, name="attention")(x) + (mask - 1.0) * 1e4
        of_frames = layers.Dense(n_classes, name="logits")(x)
        logits = ops.sum(ops.softmax(attention, axis=1) * of_frames, axis=1)
    scores = layers.Activation("softmax", dtype="float32", name="scores")(logits)
    return Model(inputs, scores, name="crnn")
