"""The registry of networks: `model.name` in params.yaml is the name of a file in this folder.

To add a network, write one file here with

    class Params(Block):                                            # its own keys of the block `model`
        units: int = value(64, "units of the layer", ge=1, le=4096)

    def build(input_shape, n_classes, params): ...                                # -> keras.Model

`input_shape` is (frames, n_features); `params` is the block `model` as a dict, `params["units"]`. The network takes
normalized features of shape (batch, frames, n_features) and gives softmax scores of shape (batch, n_classes). Frames
past the end of a clip are all zero (but with `dataset.normalization: min_max_std`), which is how a network can know the
padding. Keras is imported inside `build`, so that the parameters can be checked without waiting for it. `Block` and
`value` are those of dawnchorus.parameters.base.

A classifier on pooled statistics (see dawnchorus.learning.pooled) has, instead of `build`,

    def fit(vectors, y, n_classes, params, train, rng): ...   # yields what is fitted after each epoch
    def logits(fitted, vectors, n_classes): ...               # -> (rows, n_classes)

`vectors` (rows, columns) are standardized, unless the file makes them itself of clips (rows, frames, n_features):

    def vectors(x): ...                                   # -> (rows, columns) float32

by what it learned, if it does, from the sound of training clips without their labels (arrays named in ``LEARNED``):

    def learn(clips, params, rng): ...                    # a list of (frames, n_features) -> dict of arrays
    def vectors(x, learned): ...                          # -> (rows, columns) float32

With `takes_background = True` the last rows may be those of clips that hold no annotation; their `y` is -1.

What `fit` yields is a dict of arrays, a new one each time. It may be anything else if there are also

    def to_arrays(fitted): ...                                # -> dict of arrays, as the model file holds it
    def of_arrays(arrays): ...                                # -> fitted
"""

import importlib
import re
from pathlib import Path
from types import ModuleType

from dawnchorus.foundation.errors import InputError


def names() -> list[str]:
    """Return the names of all networks."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def get(name: str) -> ModuleType:
    """Return the module of a network; an unknown name raises :class:`InputError`."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name)) or name not in names():
        raise InputError(f"model.name: {name!r}: expected one of {', '.join(names())}")
    return importlib.import_module(f"dawnchorus.networks.{name}")
