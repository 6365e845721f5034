"""A learning curve fitted and continued: what more labels would bring, with an interval.

Errors (1 - accuracy, 1 - average precision) fall with the labels a class as an inverse power law towards a floor: C.
Cortes and others, "Learning curves: asymptotic values and rate of convergence", NIPS 6 (1993); T. Viering and M. Loog,
"The shape of learning curves: a review", IEEE TPAMI 45(6) (2023). Here it starts from what guessing errs without any
label, which keeps the law from bending at one or two labels, where it does not hold by itself:

    error(n) = floor + (chance - floor) (1 + n / offset) ^ -exponent

The three numbers are not searched for but integrated over, on a grid, as T. Domhan, J. T. Springenberg and F. Hutter
continue learning curves ("Speeding up automatic hyperparameter optimization of deep neural networks by extrapolation of
learning curves", IJCAI 2015): how little six sizes say about a floor is then within the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.90
# The largest exponents, with as large an offset, are an exponential fall.
EXPONENTS, OFFSETS = np.geomspace(0.1, 20.0, 36), np.geomspace(0.05, 500.0, 48)
# The highest floor, in deviations of a training above the lowest error that was measured.
N_FLOORS, HIGHEST_FLOOR = 40, 3.0
N_SAMPLES = 20_000
# Of the variance of a training's error, the share that comes from which labels were drawn: the larger of two nested
# draws shares it. The rest (the start of the weights, the order of clips) is each training's own.
SHARED = 0.5
# Deviation of an error that is measured in steps of one clip, and what an error of 0 counts as, in clips.
STEP_DEVIATION, LEAST_CLIPS = 12**-0.5, 0.5


@dataclass(frozen=True)
class Measured:
    """What is measured: ``labels`` (sizes,), of a class, in rising order, drawn out of ``all_labels``.

    ``errors``: of each size those of its draws, (draws,), the labels of each holding those of the draw at the same
    place of the size before; ``chance``: the error of guessing; ``n_clips``: how many clips an error is a mean of.
    """

    labels: np.ndarray
    errors: Sequence[np.ndarray]
    all_labels: float
    chance: float
    n_clips: int

    @property
    def means(self) -> np.ndarray:
        """The mean error of each size, (sizes,)."""
        return np.array([of.mean() for of in self.errors])


@dataclass(frozen=True)
class Fitted:
    """Curves that could have been, ``floor``, ``offset`` and ``exponent``, each (samples,), drawn as likely as they
    are; ``deviation``: that of a training's error, as a share of it; ``freedom``: degrees of freedom behind it.
    """

    measured: Measured
    floor: np.ndarray
    offset: np.ndarray
    exponent: np.ndarray
    deviation: float
    freedom: int


def curve(labels: np.ndarray, chance: float, floor: np.ndarray, offset: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Return the error of each curve with each number of labels, (curves, labels)."""
    falls = (1 + np.asarray(labels) / offset[:, None]) ** -exponent[:, None]
    return floor[:, None] + (chance - floor[:, None]) * falls


def fit(measured: Measured, rng: np.random.Generator) -> Fitted:
    """Return curves drawn from all those on the grid, each as often as it is likely, given what was measured.

    Deviations are taken to be normal, in proportion to the error, and correlated as :func:`_correlations` says; their
    size is estimated from the draws, so that the likelihood is Student's.
    """
    means, n_draws = measured.means, np.array([len(of) for of in measured.errors])
    share, freedom = _deviation(measured)
    # The floor may lie above what was measured, as far as that may deviate. Beforehand its square root is as likely
    # here as there: were the floor itself, most floors would be high ones, and forecasts too low.
    highest = min(means.min() * (1 + HIGHEST_FLOOR * share), measured.chance)
    floors = highest * np.linspace(0, 1, N_FLOORS) ** 2
    floor, offset, exponent = (of.ravel() for of in np.meshgrid(floors, OFFSETS, EXPONENTS, indexing="ij"))
    residuals = means - curve(measured.labels, measured.chance, floor, offset, exponent)
    precision = np.linalg.inv(_covariance(measured, n_draws, share))
    distance = (residuals @ precision * residuals).sum(axis=1)
    likelihood = -(freedom + len(means)) / 2 * np.log1p(distance / freedom)
    weight = np.exp(likelihood - likelihood.max())
    drawn = rng.choice(len(weight), size=N_SAMPLES, p=weight / weight.sum())
    return Fitted(measured, floor[drawn], offset[drawn], exponent[drawn], share, freedom)


def expected(fitted: Fitted, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the median error of the curves with each number of labels, and the ends of their 90 % interval."""
    measured = fitted.measured
    values = curve(labels, measured.chance, fitted.floor, fitted.offset, fitted.exponent)
    low, middle, high = np.quantile(values, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2], axis=0)
    return middle, low, high


def forecast(fitted: Fitted, labels: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the error of one training with so many labels, those that there are among them, and its 90 % interval.

    ``labels``: as many as there are, or more. It deviates from its curve as other trainings do, and in part as the
    last of them did, whose labels it shares.
    """
    measured = fitted.measured
    n_draws = np.array([len(of) for of in measured.errors])
    numbers = np.append(measured.labels, labels)
    on_curves = curve(numbers, measured.chance, fitted.floor, fitted.offset, fitted.exponent)
    residuals, ahead = measured.means - on_curves[:, :-1], on_curves[:, -1]
    scale = fitted.deviation * _scale(measured)
    own = fitted.deviation * np.maximum(ahead, LEAST_CLIPS / measured.n_clips)
    shared = SHARED * np.sqrt(measured.labels / labels) * scale
    weights = np.linalg.solve(_covariance(measured, n_draws, fitted.deviation), shared)
    left = np.sqrt(np.clip(1 - weights @ shared, 0, None))
    noise = rng.standard_t(fitted.freedom, size=len(ahead)) * own * left
    values = np.clip(ahead + own * (residuals @ weights) + noise, 0, 1)
    low, middle, high = np.quantile(values, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    return float(middle), float(low), float(high)


def _scale(measured: Measured) -> np.ndarray:
    """Return what deviations are in proportion to, (sizes,): the error, or half a clip where that is less."""
    return np.maximum(measured.means, LEAST_CLIPS / measured.n_clips)


def _deviation(measured: Measured) -> tuple[float, int]:
    """Return the deviation of one training's error as a share of it, and its degrees of freedom.

    Draws of nearly all labels are nearly the same, so that their spread is less than that of other labels would be.
    """
    scale, part = _scale(measured), measured.labels / measured.all_labels
    several = [number for number, of in enumerate(measured.errors) if len(of) > 1]
    variance = [
        (measured.errors[number].var(ddof=1) + (STEP_DEVIATION / measured.n_clips) ** 2)
        / scale[number] ** 2
        / (1 - SHARED * part[number])
        for number in several
    ]
    return float(np.sqrt(np.mean(variance))), max(len(measured.errors[number]) for number in several) - 1


def _covariance(measured: Measured, n_draws: np.ndarray, share: float) -> np.ndarray:
    """Return the covariance of the mean errors, (sizes, sizes)."""
    scale = share * _scale(measured)
    return scale[:, None] * scale * _correlations(measured.labels, n_draws, measured.all_labels)


def _correlations(labels: np.ndarray, n_draws: np.ndarray, all_labels: float) -> np.ndarray:
    """Return the covariance of the means over draws of deviations that are 1 for one draw, (sizes, sizes).

    What comes from the labels is as a mean over them: it has the correlation sqrt(n / m) between n labels and the m
    that hold them, and sqrt(n m) / all between two draws of n and of m out of all.
    """
    of_one = np.sqrt(np.minimum.outer(labels, labels) / np.maximum.outer(labels, labels))
    between = np.sqrt(np.outer(labels, labels)) / all_labels
    draws = np.maximum.outer(n_draws, n_draws)
    shared = of_one / draws + (1 - 1 / draws) * between
    return SHARED * shared + (1 - SHARED) * np.diag(1 / n_draws)
