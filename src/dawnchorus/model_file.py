"""The model artifact: a Keras archive that also holds, inside, everything it was trained with."""

import json
import zipfile
from pathlib import Path

from dawnchorus.errors import InputError
from dawnchorus.files import path_for_whole

FORMAT = 1
_MEMBER = "dawnchorus.json"


def save(model, card: dict, path: str | Path) -> None:
    """Write a Keras model with its card: classes, parameters, statistics, versions. Whole or not at all."""
    with path_for_whole(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_MEMBER, json.dumps({"format": FORMAT, **card}, indent=1, sort_keys=True))


def read_card(path: str | Path) -> dict:
    """Return what a model file says of itself, without loading Keras; no code of the file is run.

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


def load(path: str | Path):
    """Return the Keras model and its card. Keras's safe mode: no code from the file is run.

    Raises:
        InputError: not a model of dawnchorus, or its class list does not fit its output.
    """
    card = read_card(path)
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: Keras cannot load this model: {reason}") from None
    if model.output_shape[-1] != len(card["classes"]):
        raise InputError(
            f"{path}: {model.output_shape[-1]} outputs, but a list of {len(card['classes'])} classes; expected as many"
        )
    return model, card
