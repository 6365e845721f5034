"""The model artifact: one archive of the weights and, inside it, everything they were trained with.

A Keras network is a plain .keras file with one more member. A classifier on pooled statistics is an archive of arrays
instead. Nothing in either is a pickle.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dawnchorus import networks
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import path_for_whole
from dawnchorus.learning import device, pooled

if TYPE_CHECKING:
    import keras

FORMAT = 1
_MEMBER = "dawnchorus.json"
_ARRAYS = "arrays.npz"


class Model(Protocol):
    """What gives scores: a Keras network, or a classifier on pooled statistics."""

    def predict_on_batch(self, x: np.ndarray, /) -> np.ndarray:
        """Return the scores (rows, classes) of normalized clips (rows, frames, n_features)."""


def save(model: pooled.Classifier | keras.Model, card: dict, path: str | Path) -> None:
    """Write a model with its card: classes, parameters, statistics, versions. Whole or not at all."""
    with path_for_whole(path) as temporary:
        if isinstance(model, pooled.Classifier):
            arrays = io.BytesIO()
            # Any: numpy's stub would take each array for an option of savez as well.
            named: dict[str, Any] = model.arrays()
            np.savez(arrays, **named)
            with zipfile.ZipFile(temporary, "w") as archive:
                archive.writestr(_ARRAYS, arrays.getvalue())
        else:
            model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_MEMBER, json.dumps({"format": FORMAT, **card}, indent=1, sort_keys=True))


def read_card(path: str | Path) -> dict:
    """Return a model file's card, without loading Keras; no code of the file is run.

    Raises:
        InputError: no such file, not a model of dawnchorus, or one of another format version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            card = json.loads(archive.read(_MEMBER))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a model made by dawnchorus") from None
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        raise InputError(f"{path}: not a model made by dawnchorus; expected a models/model.keras") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise InputError(f"{path}: model format {found!r}; expected {FORMAT}: train it again with this version")
    return card


def load(path: str | Path, threads: int) -> tuple[Model, dict]:
    """Return the model and its card. Keras starts only if needed.

    Keras's safe mode and no pickle: no code from the file is run.

    Raises:
        InputError: not a model of dawnchorus, or its class list does not fit its output.
    """
    card = read_card(path)
    with zipfile.ZipFile(path) as archive:
        if _ARRAYS in archive.namelist():
            return _load_pooled(archive, card, path), card
    device.prepare(0, threads)
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: Keras cannot load this model: {reason}") from None
    if model.output_shape[-1] != len(card["classes"]):
        raise InputError(
            f"{path}: {model.output_shape[-1]} outputs for {len(card['classes'])} classes; expected one output a class"
        )
    return model, card


def _load_pooled(archive: zipfile.ZipFile, card: dict, path: str | Path) -> pooled.Classifier:
    try:
        with np.load(io.BytesIO(archive.read(_ARRAYS)), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        network = networks.get(card["model"]["name"])
        return pooled.Classifier.of_arrays(network, arrays, len(card["classes"]))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a usable model: {error}") from None
