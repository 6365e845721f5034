"""Rounds of pseudo-labels: what nobody knows of the training recordings, a network that was trained on the rest says.

The scores of its sigmoid become soft targets of the unknown frames, and the next network learns from these as from what
is annotated. What is known stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import expit

from dawnchorus.foundation import archives
from dawnchorus.foundation.files import path_for_whole
from dawnchorus.learning import stretches
from dawnchorus.learning.presence_targets import UNKNOWN

if TYPE_CHECKING:
    import keras


def open_frames(of: stretches.Sounding) -> np.ndarray:
    """Return which targets of a recording are to be filled, of the shape of its targets: the unknown ones.

    But for those where other partitions are annotated: nothing may be learned of these.
    """
    unknown = of.targets == UNKNOWN
    return unknown if of.closed is None else unknown & ~of.closed[:, None]


def scores(model: keras.Model, of: stretches.Sounding, n_frames: int, margin: int, params: dict) -> np.ndarray:
    """Return the scores of a recording by a network that gives logits: float32, of the shape of its targets.

    ``n_frames``, ``margin``: of a stretch, in frames of features; ``params``: the block ``presence``. As when
    recordings are scored, no score is of the margin of a stretch, but at the ends of the recording.
    """
    pool, n = params["pool_frames"], len(of.targets)
    step, last = (n_frames - 2 * margin) // pool, max(0, n - n_frames // pool)
    begins = range(0, n, step)
    firsts = [min(max(begin - margin // pool, 0), last) for begin in begins]
    made = np.empty(of.targets.shape, np.float32)
    for batch in range(0, len(firsts), params["batch_size"]):
        part = slice(batch, batch + params["batch_size"])
        cuts = np.stack([stretches.cut(of, pool * first, n_frames, pool)[0] for first in firsts[part]])
        logits = np.asarray(model.predict_on_batch(stretches.given(cuts, params)))
        for begin, first, of_stretch in zip(begins[part], firsts[part], logits, strict=True):
            made[begin : begin + step] = expit(of_stretch[begin - first :][: min(step, n - begin)])
    return made


def labelled(
    recordings: Sequence[stretches.Sounding], model: keras.Model, n_frames: int, margin: int, params: dict
) -> list[stretches.Sounding]:
    """Return recordings with the scores of a network as the targets that are open; see :func:`scores`."""
    made = []
    for of in recordings:
        unknown = open_frames(of)
        if unknown.any():
            filled = np.where(unknown, scores(model, of, n_frames, margin, params), of.targets)
            made.append(stretches.Sounding(of.frames, filled.astype(np.float32), of.closed))
        else:
            made.append(of)
    return made


class Training(NamedTuple):
    """One training that is done: its history, a row an epoch, and the weights of the network."""

    history: list[dict]
    weights: list[np.ndarray]


def save(path: Path, key: str, trainings: Sequence[Training]) -> None:
    """Save trainings, the first and those of its rounds, without pickle, under a key that names what is trained."""
    state = json.dumps([[done.history, len(done.weights)] for done in trainings])
    arrays: dict[str, Any] = {
        f"weights_{number}_{index}": array
        for number, done in enumerate(trainings)
        for index, array in enumerate(done.weights)
    }
    with path_for_whole(path) as temporary:
        np.savez(temporary, key=key, state=state, **arrays)


def restored(path: Path, key: str) -> list[Training]:
    """Return what :func:`save` was given; nothing where there is no file, a damaged one, or one of another key."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return []
            return [
                Training(history, [stored[f"weights_{number}_{index}"] for index in range(n_weights)])
                for number, (history, n_weights) in enumerate(json.loads(str(stored["state"])))
            ]
    except (*archives.DAMAGE, TypeError):
        return []
