"""Ridge regression of a column for each class, what networks share that differ in the vectors of clips."""

from dawnchorus.parameters.base import Block, value

# Strengths that are tried, from weak to strong, and factors by which fitted values become logits.
STRENGTHS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
FACTORS = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0)
# Of a training in which no class has a second row, so that nothing can be left out.
STRENGTH, FACTOR = 0.1, 8.0


class Strength(Block):
    """How much the coefficients are held back."""

    l2: float | None = value(
        None, "weight of the squared coefficients; null: the best one for rows that are left out", ge=1e-6, le=1e6
    )


def fit(vectors, y, n_classes, params, train, rng):
    """Yield the fitted arrays once: there are no epochs. ``y``: the class index of each row of ``vectors``, or -1."""
    import numpy as np

    targets = np.where(y[:, None] == np.arange(n_classes), 1.0, -1.0)
    mean_row, mean_target = vectors.mean(axis=0, dtype=np.float64), targets.mean(axis=0)
    left, singular, right = np.linalg.svd(vectors - mean_row, full_matrices=False)
    of_targets = left.T @ (targets - mean_target)
    strength, factor = _chosen(left, singular, of_targets, targets, y, params["l2"])
    weights = right.T @ (of_targets * (singular / (singular**2 + strength))[:, None])
    yield {"weights": factor * weights, "bias": factor * (mean_target - mean_row @ weights)}


def logits(arrays, vectors, n_classes):
    """Return the logits (rows, n_classes) of the vectors of clips."""
    return vectors @ arrays["weights"] + arrays["bias"]


def _chosen(left, singular, of_targets, targets, y, l2):
    """Return the strength and the factor with the least cross entropy of rows that are left out of the fit.

    A row's residual without it is its residual with it, divided by 1 - its leverage: the formula of leaving one out of
    any linear smoother (Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", equation 7.64). A row
    that is the only one of its class, or of none, says nothing here.
    """
    import numpy as np
    from scipy.special import log_softmax

    rows = np.flatnonzero((y >= 0) & (np.bincount(y + 1)[y + 1] > 1))
    if not len(rows):
        return l2 or STRENGTH, FACTOR
    best = (np.inf, STRENGTH, FACTOR)
    for strength in STRENGTHS if l2 is None else (l2,):
        kept = singular**2 / (singular**2 + strength)
        leverage = (left**2) @ kept + 1 / len(y)
        residual = targets - targets.mean(axis=0) - left @ (kept[:, None] * of_targets)
        without = (targets - residual / (1 - leverage)[:, None])[rows]
        for factor in FACTORS:
            loss = -log_softmax(factor * without, axis=1)[np.arange(len(rows)), y[rows]].mean()
            best = min(best, (float(loss), strength, factor))
    return best[1:]
