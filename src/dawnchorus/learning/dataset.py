"""Clips of unequal length as one array: padded, normalized, written row by row so that memory stays flat."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dawnchorus.foundation.errors import InputError


def fit_frames(clip: np.ndarray, frames: int, padding: str) -> tuple[np.ndarray, int]:
    """Return the clip as exactly ``frames`` frames, and how many of them hold sound.

    Args:
        clip: features of shape (n_frames, n_features), float32.
        frames: the length wanted. A longer clip keeps its middle.
        padding: ``right`` puts zeros after the clip; ``centre`` puts half of them (rounded down) before it.

    Returns:
        An array of shape (frames, n_features) of the clip's dtype, and ``min(n_frames, frames)``.
    """
    n_frames = len(clip)
    if n_frames >= frames:
        start = (n_frames - frames) // 2
        return clip[start : start + frames], frames
    before = (frames - n_frames) // 2 if padding == "centre" else 0
    padded = np.zeros((frames, clip.shape[1]), dtype=clip.dtype)
    padded[before : before + n_frames] = clip
    return padded, n_frames


@dataclass
class Moments:
    """Minimum, maximum, mean and variance of columns, taken in one pass over pieces, in float64.

    Pieces are merged by the pairwise update of Chan, Golub and LeVeque (1979), which does not lose digits
    where the mean is large beside the spread.
    """

    count: int = 0
    mean: np.ndarray | float = 0.0
    squares: np.ndarray | float = 0.0
    minimum: np.ndarray | float = field(default=np.inf)
    maximum: np.ndarray | float = field(default=-np.inf)

    def add(self, piece: np.ndarray) -> None:
        """Take in a piece of shape (n, n_features); n may be 0."""
        if len(piece) == 0:
            return
        piece = piece.astype(np.float64)
        n, mean = len(piece), piece.mean(axis=0)
        squares = ((piece - mean) ** 2).sum(axis=0)
        total, shift = self.count + n, mean - self.mean
        self.squares = self.squares + squares + shift**2 * self.count * n / total
        self.mean = self.mean + shift * n / total
        self.count = total
        self.minimum = np.minimum(self.minimum, piece.min(axis=0))
        self.maximum = np.maximum(self.maximum, piece.max(axis=0))

    @property
    def std(self) -> np.ndarray:
        """Population standard deviation of each column."""
        return np.sqrt(self.squares / self.count)


def clip_normalized(clip: np.ndarray, method: str, deltas: int) -> np.ndarray:
    """Return one clip of shape (n_frames, n_features) without what is steady in it.

    ``none``: as it is. ``median``: each feature less its median over the frames. ``standard``: mean 0 and standard
    deviation 1 over all frames and features. The ``deltas`` orders of differences that follow the features are those of
    the result: they are scaled with them, and have no mean of their own taken away.
    """
    if method == "none" or len(clip) == 0:
        return clip
    base = clip[:, : clip.shape[1] // (1 + deltas)]
    offset, scale = np.zeros(clip.shape[1], clip.dtype), 1.0
    if method == "median":
        offset[: base.shape[1]] = np.median(base, axis=0)
    elif method == "standard":
        deviation = base.std(dtype=np.float64)
        offset[: base.shape[1]], scale = base.mean(dtype=np.float64), deviation if deviation > 0 else 1.0
    else:
        raise InputError(f"dataset.clip_normalization: {method!r}: expected none, median or standard")
    return ((clip - offset) / scale).astype(clip.dtype)


def fit_statistics(clips: Iterable[np.ndarray], block: dict) -> dict:
    """Fit the normalization on an iterable of clips, each of shape (n_frames, n_features), as they were extracted.

    ``block``: the block ``dataset`` with ``frames`` a number, and the block ``features`` under that key. Each clip is
    first normalized by itself (:func:`clip_normalized`); then its ``normalization`` is

    - ``per_feature``: mean and standard deviation of each feature over the frames that hold sound;
    - ``min_max_std``: the article's: one minimum and maximum over all padded values, and the standard deviation of the
      values after scaling to [0, 1];
    - ``none``: nothing is changed.

    Returns:
        All of ``block``, ``offset`` and ``scale``; normalized = (value - offset) / scale, each list with one number a
        feature, or with one number for all.
    """
    normalization = block["normalization"]
    if normalization == "none":
        return {**block, "offset": [0.0], "scale": [1.0]}
    moments = Moments()
    for raw in clips:
        clip = clip_normalized(raw, block["clip_normalization"], block["features"]["deltas"])
        if normalization == "per_feature":
            moments.add(clip)
        else:
            moments.add(fit_frames(clip, block["frames"], block["padding"])[0].reshape(-1, 1))
    if moments.count == 0:
        raise InputError("dataset: no clip to fit the normalization on; expected rows in the partition train")
    if normalization == "per_feature":
        offset = np.asarray(moments.mean)
        # A feature that never varies is left at 0 after its mean is taken away.
        scale = np.where(moments.std > 0, moments.std, 1.0)
    else:
        span = moments.maximum - moments.minimum
        if not np.all(span > 0):
            raise InputError("dataset: all feature values are equal; expected sound that varies")
        # (x - min) / span, divided by its own standard deviation std(x) / span, is (x - min) / std(x).
        offset, scale = moments.minimum, moments.std
    return {**block, "offset": offset.tolist(), "scale": scale.tolist()}


def normalized(clip: np.ndarray, statistics: dict) -> tuple[np.ndarray, int]:
    """Return an extracted clip normalized and padded as float32 of shape (frames, n_features), and its sounding frames.

    ``statistics``: from :func:`fit_statistics`. With ``min_max_std`` padding comes before the data set's normalization,
    as in the article, so padded frames take the value of a scaled zero; else it comes last, so padded frames are
    exactly 0 and can be masked.
    """
    frames, padding = statistics["frames"], statistics["padding"]
    clip = clip_normalized(clip, statistics["clip_normalization"], statistics["features"]["deltas"])
    offset, scale = np.array(statistics["offset"]), np.array(statistics["scale"])
    if statistics["normalization"] == "min_max_std":
        padded, n_frames = fit_frames(clip, frames, padding)
        return ((padded - offset) / scale).astype(np.float32), n_frames
    return fit_frames(((clip - offset) / scale).astype(np.float32), frames, padding)
