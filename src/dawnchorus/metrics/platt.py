"""From a score to a probability: sigmoid(slope * logit + offset), fitted on what turned out right.

Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999, with his
targets: of n+ rows that are right each counts as (n+ + 1) / (n+ + 2), of n- rows that are wrong each as 1 / (n- + 2),
so that rows that are all right do not make a score certain. Slopes are positive: a higher score stays the higher one.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from dawnchorus.metrics.classification import SCORE_EPSILON

SLOPES = (0.01, 100.0)
# How far a class may be from what all classes have in common, as standard deviations of a normal prior: of its slope,
# as a share of the common one, and in logits where the common map says one half.
SLOPE_SHARE, SHIFT = 0.5, 1.0
MOST_STEPS, RIDGE, TINY = 100, 1e-9, 1e-10


class Platt(NamedTuple):
    """The map logit -> slope * logit + offset, the logit of a probability."""

    slope: float
    offset: float

    def logits(self, logits: np.ndarray) -> np.ndarray:
        """Return the logit of the probability for each logit of a score."""
        return self.slope * np.asarray(logits, np.float64) + self.offset

    def scores_of(self, logits: float) -> float:
        """Return the logit of the score whose probability has this logit: the inverse of :meth:`logits`."""
        return (logits - self.offset) / self.slope


IDENTITY = Platt(1.0, 0.0)


def logit(scores: np.ndarray | float) -> np.ndarray:
    """Return the logits of scores from 0 to 1, which are clipped to [1e-7, 1 - 1e-7]: float64."""
    clipped = np.clip(np.asarray(scores, np.float64), SCORE_EPSILON, 1 - SCORE_EPSILON)
    return np.log(clipped) - np.log1p(-clipped)


def fit(logits: np.ndarray, right: np.ndarray, near: Platt | None = None) -> Platt:
    """Return the map under which rows that are right or wrong are the most likely; the identity without any.

    ``logits`` (rows,): of the scores; ``right`` (rows,) bool. With ``near``, the map that all classes have in common,
    the map is a compromise between it and the rows (maximum a posteriori, normal priors): few rows hardly move it, and
    none leave it as it is.
    """
    if len(right) == 0:
        return near or IDENTITY
    n_right = int(right.sum())
    targets = np.where(right, (n_right + 1) / (n_right + 2), 1 / (len(right) - n_right + 2))
    middle = 0.0 if near is None else float(np.clip(-near.offset / near.slope, *logit(np.array([0.0, 1.0]))))
    shifted = np.asarray(logits, np.float64) - middle
    common, weights = np.array([1.0, 0.0]), np.zeros(2)
    if near is not None:
        common = np.array([near.slope, near.offset + near.slope * middle])
        weights = 1 / np.array([SLOPE_SHARE * near.slope, SHIFT]) ** 2
    slope, shift = _most_likely(shifted, targets, common, weights, np.array([True, True]))
    if not SLOPES[0] <= slope <= SLOPES[1]:
        # The loss is convex: the best slope within bounds is then the nearer bound.
        begin = np.array([np.clip(slope, *SLOPES), common[1]])
        slope, shift = _most_likely(shifted, targets, begin, weights * [0, 1], np.array([False, True]))
    return Platt(float(slope), float(shift - slope * middle))


def _most_likely(
    logits: np.ndarray, targets: np.ndarray, common: np.ndarray, weights: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """Return slope and offset of the least loss, of those that are ``free`` (2,) bool; the others as in ``common``.

    The loss is the cross-entropy with ``targets`` and half of ``weights`` (2,) times the squared distance to ``common``
    (2,). Newton's method with halved steps (Lin, Lin and Weng, "A note on Platt's probabilistic outputs for support
    vector machines", Machine Learning 68, 2007). Sums, not matrix products: their order is the same for any threads.
    """

    def loss(values: np.ndarray) -> float:
        found = values[0] * logits + values[1]
        return float((np.logaddexp(0, found) - targets * found).sum() + (weights * (values - common) ** 2).sum() / 2)

    values, cost = common.copy(), loss(common)
    for _ in range(MOST_STEPS):
        probability = expit(values[0] * logits + values[1])
        wrong, bend = probability - targets, probability * (1 - probability)
        gradient = free * (np.array([(wrong * logits).sum(), wrong.sum()]) + weights * (values - common))
        across = (bend * logits).sum() * free.all()
        # Of logits that are all the same many maps are the best: one that is near.
        down = (np.array([(bend * logits**2).sum(), bend.sum()]) + weights) * (1 + RIDGE) + RIDGE
        step = np.array([down[1] * gradient[0] - across * gradient[1], down[0] * gradient[1] - across * gradient[0]])
        step = -(free * step) / (down[0] * down[1] - across**2)
        share = 1.0
        while share > TINY and not loss(values + share * step) <= cost + 1e-4 * share * (gradient * step).sum():
            share /= 2
        if share <= TINY or np.abs(step).max() < TINY:
            break
        values = values + share * step
        cost = loss(values)
    return values
