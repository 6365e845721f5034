"""The average precision of each class by itself, and how far it would move had other groups been drawn.

Everywhere: ``positive``, ``known`` (bool) and ``scores``: (rows, classes); a row of which a class is not known does not
count for that class. ``weights``: (draws, rows), how often each row counts in each draw of groups.
"""

import numpy as np

from dawnchorus.metrics import bootstrap, classification


def of_classes(positive: np.ndarray, scores: np.ndarray, known: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the average precision of each class in each draw, (draws, classes); NaN where it is not defined."""
    step = max(1, classification.CHUNK // max(1, len(scores)))
    found = np.full((len(weights), scores.shape[1]), np.nan)
    for first in range(0, len(weights), step):
        part = weights[first : first + step].astype(np.float64)
        for index, of in enumerate(known.T):
            ranked = classification.average_precision_and_roc_auc(positive[of, index], scores[of, index], part[:, of])
            found[first : first + step, index] = ranked[0]
    return found


def with_intervals(
    positive: np.ndarray, scores: np.ndarray, known: np.ndarray, of_row: np.ndarray, weights: np.ndarray | None
) -> np.ndarray:
    """Return the average precision of each class and the ends of its 95 % interval, (classes, 3); NaN for none.

    ``of_row``: (rows,), the group of each row. The average precision of a class varies with the groups that hold it:
    their number stands behind the interval, and a class of one group alone has none.
    """
    plain = of_classes(positive, scores, known, np.ones((1, len(scores))))[0]
    drawn = None if weights is None else of_classes(positive, scores, known, weights)
    found = np.full((len(plain), 3), np.nan)
    for index in np.flatnonzero(~np.isnan(plain)).tolist():
        n_groups = len(np.unique(of_row[positive[:, index] & known[:, index]]))
        ends = bootstrap.interval(None if drawn is None else drawn[:, index], float(plain[index]), n_groups)
        found[index] = [plain[index], *(np.nan if end is None else end for end in ends)]
    return found
