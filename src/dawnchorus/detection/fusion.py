"""Frames of presence beside windows of the network that names clips: what both say is what becomes events.

Presence says when something calls, and confuses species more often than a network that has only to tell them apart. So
the score of a frame is multiplied by the score of the windows around it, to a power that validation recordings chose;
see :mod:`dawnchorus.detection.fusion_fit`. The power 0 leaves presence alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dawnchorus.detection import score_store
from dawnchorus.detection.score_store import Entry

# No window says that a species cannot be there.
LEAST_WINDOW_SCORE = 1e-3


class Fusion(NamedTuple):
    """How windows count beside frames: the power of their scores, and how they lie, as ``detections`` says it."""

    weight: float = 0.0
    window_s: float | None = None
    step_s: float | None = None

    def windows(self) -> dict[str, float | None]:
        """Return the keys of the block ``detections`` that lay these windows."""
        return {"window_s": self.window_s, "step_s": self.step_s}


# Frames count alone.
ALONE = Fusion()


def at_frames(windows: Entry, starts_s: np.ndarray, frame_s: float) -> np.ndarray:
    """Return what windows say at frames: the mean of those that hold the middle of each, (frames, classes) float32.

    Where none does it is the nearest window. ``starts_s``: (frames,), of frames of ``frame_s``. There is a window.
    """
    middles_s = np.asarray(starts_s, np.float64) + frame_s / 2
    begins_s = np.asarray(windows.starts_s, np.float64)
    ends_s = begins_s + windows.window_s
    # Windows are in order, and of one length: those that hold a moment are neighbours, [first, stop).
    first = np.searchsorted(ends_s, middles_s, side="right")
    stop = np.searchsorted(begins_s, middles_s, side="right")
    before, after = np.maximum(first - 1, 0), np.minimum(first, len(begins_s) - 1)
    nearest = np.where(np.abs(middles_s - ends_s[before]) <= np.abs(begins_s[after] - middles_s), before, after)
    alone = stop <= first
    first = np.where(alone, nearest, first)
    stop = np.where(alone, nearest + 1, stop)
    made = np.empty((len(middles_s), windows.scores.shape[1]), np.float32)
    # A class at a time, for memory.
    for index, scores in enumerate(windows.scores.T):
        total = np.concatenate([[0.0], np.cumsum(scores, dtype=np.float64)])
        made[:, index] = (total[stop] - total[first]) / (stop - first)
    return made


def fused(frames: Entry, windows: Entry, weight: float) -> Entry:
    """Return the frames of a recording with what its windows say in their scores; they may say that it is bad."""
    if windows.problem is not None:
        return replace(frames, problem=windows.problem, starts_s=np.empty(0), scores=np.empty((0, 0), np.float32))
    if frames.problem is not None or weight == 0 or not len(windows.starts_s):
        return frames
    scores = at_frames(windows, frames.starts_s, frames.window_s)
    np.clip(scores, LEAST_WINDOW_SCORE, 1.0, out=scores)
    np.power(scores, weight, out=scores)
    return replace(frames, scores=np.multiply(scores, frames.scores, out=scores))


class Stores(score_store.Stores):
    """Stored frames, each recording with what its stored windows say in its scores."""

    def __init__(self, frames: Sequence[Path], windows: Sequence[Path], species_ids: Sequence[str], weight: float):
        super().__init__(frames, species_ids)
        self._windows, self._weight = score_store.Stores(windows, species_ids), weight

    def entry(self, name: str) -> Entry:
        frames = super().entry(name)
        # A recording that could not be decoded once is not tried again for its windows.
        return frames if frames.problem is not None else fused(frames, self._windows.entry(name), self._weight)


def stores(
    frames: Sequence[Path], windows: Sequence[Path], species_ids: Sequence[str], weight: float
) -> score_store.Stores:
    """Return the scores that become events, of the files of frames and, where those count, of windows."""
    return Stores(frames, windows, species_ids, weight) if weight else score_store.Stores(frames, species_ids)
