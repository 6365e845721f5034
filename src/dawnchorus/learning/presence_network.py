"""A network that says of every frame which species are present: of bands by convolutions, then recurrence over time.

Only layers and operations of Keras, so that a saved network is one that anybody's Keras loads, on any backend.
"""

import math

_KERNEL = 3
_RARE_LOGIT = -3.0


def build(input_shape, n_classes, params):
    """Build the network that ``params``, the block ``presence``, names: a logit for each frame and class.

    ``input_shape``: (frames, bands) of a stretch, as :func:`dawnchorus.learning.stretches.given` makes it. The output
    is (stretches, frames / pool_frames, classes): logits, whose sigmoid is the score of presence.
    """
    from keras import Input, Model, initializers, layers

    inputs = Input(input_shape, name="stretch")
    x = inputs if params["network"] == "gru" else _convolved(inputs, params)
    x = layers.Dropout(params["dropout"], name="dropout_bands")(x)
    x = layers.Dense(2 * params["units"], activation="relu", name="projection")(x)
    seen = layers.Bidirectional(layers.GRU(params["units"], return_sequences=True), name="gru")(x)
    x = layers.Concatenate(name="both")([x, seen])
    x = layers.Dropout(params["dropout"], name="dropout")(x)
    # Most frames hold no call of most species: a network that starts by saying so learns from the others at once.
    rare = initializers.Constant(_RARE_LOGIT)
    logits = layers.Dense(n_classes, dtype="float32", name="logits", bias_initializer=rare)(x)
    return Model(inputs, logits, name="presence")


def _convolved(inputs, params):
    """Return what blocks of convolutions make of stretches, (stretches, frames / pool_frames, values)."""
    from keras import layers, ops

    frames, bands = inputs.shape[1:]
    halvings = round(math.log2(params["pool_frames"]))
    ramp = ops.cumsum(ops.ones_like(inputs), axis=-1)
    x = ops.stack([inputs, (ramp - 1) * (2 / max(1, bands - 1)) - 1], axis=-1)
    for number, width in enumerate(params["widths"], start=1):
        in_time, in_bands = 2 if number <= halvings else 1, 2 if bands > 1 else 1
        x = layers.Conv2D(
            width, _KERNEL, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"convolution_{number}"
        )(x)
        x = layers.MaxPooling2D((in_time, in_bands), padding="same", name=f"pooling_{number}")(x)
        x = layers.BatchNormalization(momentum=0.95, name=f"normalization_{number}")(x)
        x = layers.Activation("relu", name=f"activation_{number}")(x)
        bands = -(-bands // in_bands)
    return layers.Reshape((frames // params["pool_frames"], bands * params["widths"][-1]), name="bands")(x)
