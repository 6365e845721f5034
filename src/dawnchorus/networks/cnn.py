"""A small convolutional network over time and frequency, pooled over the frames that hold sound.

The position of each band is an input plane of its own, because a call is known by where it lies in frequency as much as
by its shape; a convolution alone cannot tell.
"""

from dawnchorus.networks import _layers


class Params(_layers.Convolutions):
    """Nothing but the convolutions."""


def build(input_shape, n_classes, params):
    """Build convolution blocks - mean and maximum over time - Dropout - softmax."""
    from keras import Input, Model, layers

    inputs = Input(input_shape)
    x, mask = _layers.convolutions(inputs, params)
    x = layers.Dropout(params["dropout"], name="dropout")(_layers.mean_and_maximum(x, mask))
    scores = layers.Dense(n_classes, activation="softmax", dtype="float32", name="scores")(x)
    return Model(inputs, scores, name="cnn")
