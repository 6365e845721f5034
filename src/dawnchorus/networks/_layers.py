"""What networks are built from: convolutions over time and frequency, recurrence over time, pooling that knows padding.

Keras is imported inside the functions: the parameters can be checked without waiting for it. Only layers and operations
of Keras are used, none of our own, so that a saved network is one that anybody's Keras loads.
"""

from typing import Annotated

from pydantic import Field

from dawnchorus.parameters.base import Block, value

Channels = Annotated[int, Field(ge=1, le=2048)]


class Convolutions(Block):
    """The keys of :func:`convolutions`, and of the dropout that follows it."""

    widths: list[Channels] = value(
        [24, 48, 96, 160],
        "channels of each convolution; each halves time and frequency",
        min_length=1,
        max_length=6,
    )
    position: bool = value(True, "give the place of each band as an input plane")
    contrast: bool = value(True, "give the clip less each band's mean over time as an input plane")
    dropout: float = value(0.3, "share of values dropped before the softmax", ge=0, lt=1)


class Recurrence(Block):
    """The keys of :func:`recurrent` and of its layer."""

    units: int = value(64, "units in each direction", ge=1, le=4096)
    bidirectional: bool = value(True, "read the clip forwards and backwards")
    dropout: float = value(0.3, "share of values dropped before the softmax", ge=0, lt=1)


def planes(inputs, mask, position, contrast):
    """Return (clips, frames, bands, planes): the clip, and what else is asked for."""
    from keras import ops

    found = [inputs]
    if position:
        bands = inputs.shape[-1]
        ramp = ops.cast(ops.expand_dims(ops.cumsum(ops.ones_like(inputs), axis=-1), -1)[..., 0], inputs.dtype)
        found.append(mask * ((ramp - 1) * (2 / max(1, bands - 1)) - 1))
    if contrast:
        count = ops.maximum(ops.sum(mask, axis=1, keepdims=True), 1.0)
        found.append((inputs - ops.sum(inputs, axis=1, keepdims=True) / count) * mask)
    return ops.stack(found, axis=-1)


def convolutions(inputs, params):
    """Return (clips, frames / 2^blocks, channels) and the mask of its frames, (clips, frames / 2^blocks, 1)."""
    from keras import layers, ops

    mask = ops.cast(ops.any(ops.not_equal(inputs, 0.0), axis=-1, keepdims=True), "float32")
    x = planes(inputs, mask, params["position"], params["contrast"])
    for number, width in enumerate(params["widths"], start=1):
        x = layers.Conv2D(
            width, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"convolution_{number}"
        )(x)
        # Pooling before the normalization costs the normalization a quarter.
        x = layers.MaxPooling2D(2, padding="same", name=f"pooling_{number}")(x)
        x = layers.BatchNormalization(momentum=0.95, name=f"normalization_{number}")(x)
        x = layers.Activation("relu", name=f"activation_{number}")(x)
        mask = layers.MaxPooling1D(2, padding="same", name=f"mask_{number}")(mask)
        # Frames of padding stay 0, as the sound beyond an edge is: how much padding there is changes nothing.
        x = x * ops.expand_dims(mask, -1)
    return ops.mean(x, axis=2), mask


def mean_and_maximum(x, mask):
    """Pool (clips, frames, channels) over the frames that hold sound: mean plus maximum."""
    from keras import ops

    mean = ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)
    return mean + ops.max(x * mask + (mask - 1.0) * 1e4, axis=1)


def recurrent(input_shape, n_classes, params, layer, name):
    """Build Masking - a recurrent layer over frames - Dropout - softmax; cuDNN's conditions are met."""
    from keras import Input, Sequential, layers

    if params["bidirectional"]:
        layer = layers.Bidirectional(layer, name=f"bidirectional_{name}")
    return Sequential(
        [
            Input(input_shape),
            layers.Masking(0.0, name="padding"),
            layer,
            layers.Dropout(params["dropout"], name="dropout"),
            layers.Dense(n_classes, activation="softmax", dtype="float32", name="scores"),
        ],
        name=name,
    )
