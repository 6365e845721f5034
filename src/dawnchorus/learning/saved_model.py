"""How a model is saved: one archive of the weights and, inside it, everything they were trained with.

A Keras network is a plain .keras file with one more member. A classifier on pooled statistics is an archive of arrays
instead. Nothing in either is a pickle.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawnchorus.foundation.files import path_for_whole
from dawnchorus.learning import pooled

if TYPE_CHECKING:
    import keras

FORMAT = 1
CARD, ARRAYS = "dawnchorus.json", "arrays.npz"


def save(model: pooled.Classifier | keras.Model, card: dict, path: str | Path) -> None:
    """Write a model with its card: classes, parameters, statistics, versions. Whole or not at all."""
    with path_for_whole(path) as temporary:
        if isinstance(model, pooled.Classifier):
            arrays = io.BytesIO()
            # Any: numpy's stub would take each array for an option of savez as well.
            named: dict[str, Any] = model.arrays()
            np.savez(arrays, **named)
            with zipfile.ZipFile(temporary, "w") as archive:
                archive.writestr(ARRAYS, arrays.getvalue())
        else:
            model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(CARD, json.dumps({"format": FORMAT, **card}, indent=1, sort_keys=True))


def save_card(card: dict, path: str | Path) -> None:
    """Write a card without a model: what was asked for, where that is no model. Whole or not at all."""
    with path_for_whole(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(CARD, json.dumps({"format": FORMAT, **card}, indent=1, sort_keys=True))
