"""A Keras file of a stranger's, looked at before Keras opens it: no part of it may hold code, or be absurd."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dawnchorus.foundation import archives

CONFIG, CONFIG_BYTES = "config.json", 2**26
WEIGHTS = "model.weights.h5"
# Parts of a Keras network that hold code, or load a program from elsewhere.
RUNS_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
LARGEST = 2**24  # of a number in the configuration of a network, which has none such
MOST_OUTPUTS = 2**28  # numbers that a layer may give for one clip: 1 GiB


def checked_config(archive: zipfile.ZipFile) -> dict:
    """Return the configuration of a network.

    A part that is not Keras's own, could run code of the file, or is absurd raises ValueError. What is no network at
    all raises one of :data:`archives.DAMAGE`, AttributeError or TypeError.
    """
    config = archives.strict_json(archives.member(archive, CONFIG, CONFIG_BYTES))
    _refuse(config)
    return config


def stored_bytes(archive: zipfile.ZipFile) -> int:
    """Return the size of the parameters that a file holds; KeyError where it holds none."""
    return archive.getinfo(WEIGHTS).file_size


def refuse_large(config: dict, stored: int) -> None:
    """Raise ValueError for a network with more parameters than its file holds, or with a layer that fills the memory.

    Numbers that are all small enough can have a product that is not. ``stored``: of :func:`stored_bytes`.
    """
    import keras
    import numpy as np

    with _without_memory():
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        n_bytes = sum(math.prod(weight.shape) * np.dtype(weight.dtype).itemsize for weight in model.weights)
    if n_bytes > stored:
        raise ValueError(f"a network of {n_bytes} bytes of parameters, of which the file holds {stored}")
    for layer in _layers(model):
        for output in keras.tree.flatten(layer.output):
            if (n := math.prod(size or 1 for size in output.shape)) > MOST_OUTPUTS:
                raise ValueError(f"layer {layer.name} gives {n} numbers for a clip; expected at most {MOST_OUTPUTS}")


@contextmanager
def _without_memory() -> Iterator[None]:
    """Let networks that are made inside have the shapes of their parameters, and no room for them."""
    import keras

    if keras.backend.backend() != "tensorflow":
        # Others have no such place; what is made in them takes its room.
        yield
        return
    import tensorflow as tf

    with tf.Graph().as_default():
        yield


def _layers(model: Any) -> Iterator[Any]:
    """Yield every part of a network that computes something, those of networks within it too."""
    # A Sequential has layers alone; in another network operations stand between them.
    for part in getattr(model, "operations", getattr(model, "layers", ())):
        yield part
        yield from _layers(part)


def _refuse(node: Any, key: str = "") -> None:
    if isinstance(node, dict):
        kind, module = node.get("class_name"), node.get("module")
        if kind in RUNS_CODE or (module is not None and str(module).split(".")[0] != "keras"):
            raise ValueError(f"{CONFIG} has a part {module}.{kind}, which could run code; expected Keras's own")
        for name, inner in node.items():
            _refuse(inner, name)
    elif isinstance(node, list):
        for inner in node:
            _refuse(inner, key)
    elif isinstance(node, int) and abs(node) > LARGEST and not key.endswith(("_id", "seed")):
        raise ValueError(f"{CONFIG}: {key}: {node}: expected at most {LARGEST}")
