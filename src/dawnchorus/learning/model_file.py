"""A saved model, opened: its card, and the model itself. No code of the file is run; how it was saved: saved_model."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from dawnchorus import networks
from dawnchorus.foundation import archives, keras_parts
from dawnchorus.foundation.errors import InputError, one_line
from dawnchorus.learning import device, model_card, pooled
from dawnchorus.learning.saved_model import ARRAYS, CARD, FORMAT

CARD_BYTES, ARRAYS_BYTES = 2**26, 2**32
SHOWN_CHARACTERS = 60


class Model(Protocol):
    """What gives scores: a Keras network, or a classifier on pooled statistics."""

    def predict_on_batch(self, x: np.ndarray, /) -> np.ndarray:
        """Return the scores (rows, classes) of normalized clips (rows, frames, n_features)."""


def read_card(path: str | Path, needs: Sequence[str] = ()) -> dict:
    """Return a model file's card, without loading Keras; no code of the file is run.

    ``needs``: what the card has to have besides its classes, see :func:`model_card.check`.

    Raises:
        InputError: no such file, not a model of dawnchorus, one of another format version, or one whose card has a
            value that cannot be.
    """
    try:
        with archives.opened(path) as archive:
            text = archives.member(archive, CARD, CARD_BYTES)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; expected a model that was trained (snakemake --cores 8 trains one)"
        ) from None
    except archives.DAMAGE as error:
        reason = "" if isinstance(error, (KeyError, zipfile.BadZipFile)) else f" ({_line(error)})"
        raise InputError(f"{path}: not a model made by dawnchorus{reason}; expected a models/model.keras") from None
    try:
        card = archives.strict_json(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: card: {_line(error)}; expected JSON as dawnchorus writes it") from None
    found = card.get("format") if isinstance(card, dict) else None
    if type(found) is not int or found != FORMAT:
        shown = repr(found)[:SHOWN_CHARACTERS]
        raise InputError(f"{path}: model format {shown}; expected {FORMAT}: train it again with this version")
    model_card.check(card, path, needs)
    return card


def load(path: str | Path, threads: int) -> tuple[Model, dict]:
    """Return the model and its card. Keras starts only if needed.

    Keras's safe mode and no pickle: no code from the file is run.

    Raises:
        InputError: not a model of dawnchorus, or its class list does not fit its output.
    """
    card = read_card(path)
    if "presence" not in card:
        model_card.check(card, path, ("model",))
    try:
        with archives.opened(path) as archive:
            if ARRAYS in archive.namelist():
                return _pooled(archive, card), card
            config = keras_parts.checked_config(archive)
            stored_bytes = keras_parts.stored_bytes(archive)
    except (*archives.DAMAGE, AttributeError, TypeError) as error:
        raise InputError(f"{path}: not a usable model: {_line(error)}") from None
    device.prepare(0, threads)
    import keras

    try:
        keras_parts.refuse_large(config, stored_bytes)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        shapes = tuple(model.input_shape[1:]), tuple(model.output_shape[1:])
    except Exception as error:  # whatever a damaged file makes Keras raise
        raise InputError(f"{path}: Keras cannot load this model: {_line(error)}") from None
    said = card.get("input_shape")
    if said is not None and list(shapes[0]) != said:
        raise InputError(f"{path}: card: input_shape: {said}: expected {list(shapes[0])}, as the network has")
    expected: tuple[int, ...] = (len(card["classes"]),)
    if "presence" in card:
        model_card.check_presence(card, path)
        expected = (shapes[0][0] // card["presence"]["pool_frames"], *expected)
    if shapes[1] != expected:
        found = f"outputs of the shape {shapes[1]} for {len(card['classes'])} classes"
        raise InputError(f"{path}: {found}; expected {expected}, one output a class")
    return model, card


def _pooled(archive: zipfile.ZipFile, card: dict) -> pooled.Classifier:
    """Return a classifier on pooled statistics; what cannot be one raises something of archives.DAMAGE or TypeError."""
    content = io.BytesIO(archives.member(archive, ARRAYS, ARRAYS_BYTES))
    with archives.opened(content):
        content.seek(0)
    with np.load(content, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    network, shape = networks.get(card["model"]["name"]), card.get("input_shape")
    classifier = pooled.Classifier.of_arrays(network, arrays, len(card["classes"]))
    if shape is not None:
        with np.errstate(all="ignore"):
            scores = classifier.predict_on_batch(np.ones((1, 1, shape[1]), np.float32))
        if scores.shape != (1, len(card["classes"])) or not np.isfinite(scores).all():
            raise ValueError(f"its scores have the shape {scores.shape}; expected a finite one for each class")
    return classifier


def _line(error: BaseException) -> str:
    """Return what an error says in one line, not more of it than a person reads."""
    return one_line(error.args[0] if isinstance(error, KeyError) and error.args else error, 200)
