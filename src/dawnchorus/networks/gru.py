"""A gated recurrent unit over time, in one direction or both, with the padding masked."""

from dawnchorus.networks import _layers


class Params(_layers.Recurrence):
    """Nothing but the recurrence."""


def build(input_shape, n_classes, params):
    """Build Masking - GRU over frames - Dropout - softmax."""
    from keras import layers

    return _layers.recurrent(input_shape, n_classes, params, layers.GRU(params["units"], name="gru"), "gru")
