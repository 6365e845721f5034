"""The obvious recipe that a network has to beat: a support vector machine on pooled statistics of clips.

Always the same, so that results can be compared. ``x`` (rows, frames, n_features) and ``n_frames`` (rows,) are clips as
the data set holds them, ``statistics`` its statistics.json.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from dawnchorus.learning import pooled
from dawnchorus.networks import svm

if TYPE_CHECKING:
    from sklearn.svm import SVC

SVM = {"c": 5.0}


def pooled_vectors(x: np.ndarray, n_frames: np.ndarray, statistics: dict) -> np.ndarray:
    """Return each clip's mean, deviation, maximum and mean absolute difference of every band over its frames.

    The bands are those of the clip normalized by itself (mean 0, deviation 1 over all of it), as they were
    before the data set's own normalization, without deltas and without padding. float32, (rows, 4 * bands).
    """
    offset, scale = np.array(statistics["offset"]), np.array(statistics["scale"])
    bands = x.shape[2] // (1 + statistics["features"]["deltas"])
    vectors = np.zeros((len(x), pooled.POOLS * bands), dtype=np.float32)
    for row, n in enumerate(n_frames):
        before = (x.shape[1] - n) // 2 if statistics["padding"] == "centre" else 0
        clip = (np.asarray(x[row, before : before + n], dtype=np.float64) * scale + offset)[:, :bands]
        deviation = clip.std()
        clip = (clip - clip.mean()) / (deviation if deviation > 0 else 1.0)
        vectors[row] = pooled.pool(clip[None])[0]
    return vectors


@dataclass(frozen=True)
class Machine:
    """A fitted machine: radial basis function, C 5, balanced, on standardized vectors of :func:`pooled_vectors`."""

    fitted: SVC
    scaling: dict[str, np.ndarray]
    n_classes: int

    def predict_on_batch(self, vectors: np.ndarray) -> np.ndarray:
        """Return the scores (rows, classes) of vectors (rows, columns): they rank classes, and are no probabilities."""
        return softmax(svm.logits(self.fitted, pooled.standardized(vectors, self.scaling), self.n_classes), axis=1)

    def digest(self) -> str:
        """Return one hash of all that the scores depend on."""
        parts = self.fitted.classes_, self.fitted.support_vectors_, self.fitted.dual_coef_, self.fitted.intercept_
        bytes_of = b"".join(np.ascontiguousarray(part).tobytes() for part in (*parts, *self.scaling.values()))
        numbers = json.dumps([self.n_classes, float(self.fitted._gamma)])
        return hashlib.sha256(numbers.encode() + bytes_of).hexdigest()


def fit(
    x: np.ndarray, n_frames: np.ndarray, true_index: np.ndarray, train: np.ndarray, statistics: dict, n_classes: int
) -> Machine | None:
    """Return the machine of the rows ``train``; None where these have fewer than two classes: nothing to tell apart.

    ``true_index`` (rows,): the class index of each row of ``x``.
    """
    if len(np.unique(true_index[train])) < 2:
        return None
    known = pooled_vectors(x[train], n_frames[train], statistics)
    scaling = pooled.standardizer(known)
    (fitted,) = svm.fit(pooled.standardized(known, scaling), true_index[train], n_classes, SVM, None, None)
    return Machine(fitted, scaling, n_classes)
