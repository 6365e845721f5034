"""How well the species of a recording are ranked above the others, when several may be in it."""

import numpy as np


def lwlrap(present: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the label-weighted label-ranking average precision in each draw: (draws,), NaN without a label.

    ``present`` (rows, classes) bool; ``scores`` (rows, classes); ``weights`` (draws, rows). Of each class that is
    present in a row: the share of present classes among those that score at least as high there; the mean over all of
    them. It is scikit-learn's label_ranking_average_precision_score with the number of labels of a row as its weight,
    and for rows of one class each the ``lwlrap`` of :mod:`dawnchorus.metrics.classification`.
    """
    sums = np.zeros(len(present))
    for row in np.flatnonzero(present.any(axis=1)).tolist():
        of_row, there = scores[row], present[row]
        as_high = of_row[None, :] >= of_row[there][:, None]
        sums[row] = (as_high[:, there].sum(axis=1) / as_high.sum(axis=1)).sum()
    n_labels = (weights * present.sum(axis=1)).sum(axis=1)
    above = (weights * sums).sum(axis=1)
    return np.divide(above, n_labels, out=np.full(len(weights), np.nan), where=n_labels > 0)
