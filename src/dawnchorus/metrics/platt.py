"""From a score to a probability: sigmoid(slope * logit + offset), fitted on what turned out right.

Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999, with his
targets: of n+ rows that are right each counts as (n+ + 1) / (n+ + 2), of n- rows that are wrong each as 1 / (n- + 2),
so that rows that are all right do not make a score certain. Slopes are positive: a higher score stays the higher one.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from dawnchorus.metrics.classification import SCORE_EPSILON

SLOPES = (0.01, 100.0)
# How far a class may be from what all classes have in common, as standard deviations of a normal prior: of its slope,
# as a share of the common one, and in logits where the common map says one half.
SLOPE_SHARE, SHIFT = 0.5, 1.0


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
    common = None if near is None else np.array([near.slope, near.offset + near.slope * middle])
    widths = np.array([1.0, SHIFT]) if near is None else np.array([SLOPE_SHARE * near.slope, SHIFT])

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        slope, shift = values
        found = slope * shifted + shift
        wrong = expit(found) - targets
        cost = float((np.logaddexp(0, found) - targets * found).sum())
        gradient = np.array([wrong @ shifted, wrong.sum()])
        if common is not None:
            away = (values - common) / widths
            cost, gradient = cost + float(away @ away) / 2, gradient + away / widths
        # By row, so that the precision asked for does not depend on their number.
        return cost / len(right), gradient / len(right)

    begin = np.array([1.0, 0.0]) if common is None else common
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    slope, shift = minimize(
        loss, begin, jac=True, method="L-BFGS-B", bounds=[SLOPES, (None, None)], options=options
    ).x.tolist()
    return Platt(slope, shift - slope * middle)
