"""The data set: how clips of unequal length are padded and normalized, and how the finished files are opened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dawnchorus.foundation.errors import InputError
from dawnchorus.tables import made
from dawnchorus.tables.definitions import CLASSES, CONTEXT_ROWS, NEGATIVE_ROWS, PARTITIONS, ROWS, TRAINING_ROWS

if TYPE_CHECKING:
    import pandas as pd

TABLES = {table.name: table for table in (ROWS, CLASSES, TRAINING_ROWS, CONTEXT_ROWS, NEGATIVE_ROWS)}
# Each array with the table that says what its rows are.
ARRAYS = {
    "x.npy": ROWS.name,
    "training.npy": TRAINING_ROWS.name,
    "context.npy": CONTEXT_ROWS.name,
    "negatives.npy": NEGATIVE_ROWS.name,
}
STATISTICS = "statistics.json"
FILES = (*ARRAYS, *TABLES, STATISTICS)


@dataclass(frozen=True)
class Dataset:
    """A data set, opened: arrays memory-mapped, float32 of shape (rows, frames, n_features), and their tables.

    ``x``: every clip, normalized and padded, with ``rows``. ``training``: the training clips as extracted, with their
    margins, and ``training_rows``. ``context``: clips that hold no annotation, as extracted. ``negatives``: clips that
    were checked not to hold the class they are listed with, normalized and padded. ``statistics``: how clips are
    normalized, see :func:`fit_statistics`. The columns of the tables: :mod:`dawnchorus.tables.definitions`.
    """

    x: np.ndarray
    rows: pd.DataFrame
    classes: pd.DataFrame
    statistics: dict
    training: np.ndarray
    training_rows: pd.DataFrame
    context: np.ndarray
    context_rows: pd.DataFrame
    negatives: np.ndarray
    negative_rows: pd.DataFrame

    @property
    def class_index(self) -> np.ndarray:
        """The class of each row, (rows,) int."""
        return self.rows["class_index"].to_numpy()

    def rows_of(self, partition: str) -> np.ndarray:
        """Return the positions of the rows of a partition, one of :data:`tables.definitions.PARTITIONS`."""
        if partition not in PARTITIONS:
            raise ValueError(f"{partition!r}: expected one of {', '.join(PARTITIONS)}")
        return np.flatnonzero(self.rows["partition"] == partition)


def files_by_name(paths: Iterable[str | os.PathLike]) -> dict[str, Path]:
    """Return the files of a data set by their names, :data:`FILES`; another set of names is an :class:`InputError`."""
    files = {Path(path).name: Path(path) for path in paths}
    if set(files) != set(FILES):
        raise InputError(f"data set: {', '.join(sorted(files))}: expected the files {', '.join(FILES)}")
    return files


def open_dataset(paths: Iterable[str | os.PathLike]) -> Dataset:
    """Open the files of a data set, those of :data:`FILES`.

    A file that is missing or damaged, an array with another number of rows than its table, or a data set without rows
    raises :class:`InputError`.
    """
    files = files_by_name(paths)
    tables = {name: made.frame(files[name], table) for name, table in TABLES.items()}
    arrays = {}
    for name, table in ARRAYS.items():
        try:
            arrays[name] = np.load(files[name], mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{files[name]}: not a usable array: {error}") from None
        if len(arrays[name]) != len(tables[table]):
            found = f"{len(arrays[name])} rows, but {len(tables[table])} in {table}"
            raise InputError(f"{files[name]}: {found}; expected the same number, make the data set again")
    if not len(arrays["x.npy"]):
        raise InputError(f"{files[ROWS.name]}: no rows; expected clips")
    try:
        statistics = json.loads(files[STATISTICS].read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{files[STATISTICS]}: expected JSON: {error}") from None
    named = {Path(name).stem: content for name, content in (*arrays.items(), *tables.items())}
    return Dataset(statistics=statistics, **named)


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
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    deviation, extent, n_clips = StandardScaler(), MinMaxScaler(), 0
    for raw in clips:
        n_clips += 1
        clip = clip_normalized(raw, block["clip_normalization"], block["features"]["deltas"])
        if normalization == "per_feature":
            deviation.partial_fit(clip.astype(np.float64))
        else:
            padded = fit_frames(clip, block["frames"], block["padding"])[0].reshape(-1, 1).astype(np.float64)
            deviation.partial_fit(padded)
            extent.partial_fit(padded)
    if not n_clips:
        raise InputError("dataset: no clip to fit the normalization on; expected rows in the partition train")
    if normalization == "per_feature":
        # scikit-learn leaves a feature that never varies at 0 after its mean is taken away.
        offset, scale = deviation.mean_, deviation.scale_
    else:
        if not np.all(extent.data_range_ > 0):
            raise InputError("dataset: all feature values are equal; expected sound that varies")
        # (x - min) / range, divided by its own standard deviation std(x) / range, is (x - min) / std(x).
        offset, scale = extent.data_min_, np.sqrt(deviation.var_)
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
