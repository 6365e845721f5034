"""What answers say of all windows: precision, recall and windows with calls, each with a 95 % interval.

**Precision of what was detected** is a stratified mean of answers (Cochran, "Sampling Techniques", 1977, chapter 5;
the Horvitz-Thompson estimator over the known number of windows) with Wilson's interval at the effective size of the
sample (Wilson 1927; Korn and Graubard, "Confidence intervals for proportions with small expected number of positive
counts estimated from survey data", Survey Methodology 24, 1998; Franco et al., "Comparative study of confidence
intervals for proportions in complex sample surveys", Journal of Survey Statistics and Methodology 7, 2019). It assumes
nothing but the draw.

**Windows with calls**, in all and in each group, and **recall** cannot come from that alone: calls among the many
windows of low score are so few that a stratum mostly has none. They come from a logistic curve of the score with a
level for each group, which is what Navine et al. ("All thresholds barred", Frontiers in Bird Science 3, 2024) assume
where they go from a study to its sites: that calls score alike everywhere, and sites differ in how many there are. The
curve is fitted by Firth's penalized likelihood ("Bias reduction of maximum likelihood estimates", Biometrika 80, 1993),
which answers that are all alike do not drive to infinity (Heinze and Schemper, Statistics in Medicine 21, 2002), its
level then moved so that it expects as many calls among the answers as there are (FLIC: Puhr et al., "Firth's logistic
regression with rare events", Statistics in Medicine 36, 2017). Answers stand for themselves and the curve for all other
windows (the prediction estimator: Valliant, Dorfman and Royall, "Finite Population Sampling and Inference", 2000). The
variance is the larger one of what the curve says and of the sandwich (MacKinnon and White, HC3, Journal of Econometrics
29, 1985), which is larger where the curve does not fit; intervals are symmetric in logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

LEVEL = 0.95
Z = float(norm.ppf((1 + LEVEL) / 2))
# Scores beyond say no more: a network's 1e-9 is not surer than its 1e-4.
LOWEST_SCORE = 1e-4
# Standard deviation of the prior of a group's level, in logits; twelvefold odds lie within one.
GROUP_SPREAD = 2.5
MOST_STEPS, LONGEST_STEP, TINY = 100, 2.0, 1e-9


class Estimate(NamedTuple):
    """A share of windows and the ends of its interval."""

    value: float
    low: float
    high: float


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share that was seen in ``n`` independent draws."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    # Of none and of all the ends are exact, and rounding would miss them.
    return (0.0 if share == 0 else float(middle - half)), (1.0 if share == 1 else float(middle + half))


def stratified(windows: np.ndarray, answered: np.ndarray, yes: np.ndarray) -> Estimate | None:
    """Return the share of windows with a call; None without any answer.

    ``windows``, ``answered``, ``yes`` (strata,): how many there are, were answered, and have a call. Strata without an
    answer are left out. Since the others stand for these too, no stratum counts as heard to a larger share than the
    strata with answers are of all. In the variance the share of a stratum is drawn to that of all by one answer: few
    answers that are all alike are no certainty.
    """
    left_out = float(windows[answered == 0].sum() / max(1, windows.sum()))
    windows, answered, yes = (part[answered > 0].astype(np.float64) for part in (windows, answered, yes))
    if not len(windows):
        return None
    weights = windows / windows.sum()
    share = float(weights @ (yes / answered))
    drawn = (yes + share) / (answered + 1)
    unseen = np.maximum(left_out, 1 - answered / windows)
    variance = float((weights**2 * unseen * drawn * (1 - drawn) / np.maximum(answered - 1, 1)).sum())
    if not unseen.any():
        return Estimate(share, share, share)
    n = share * (1 - share) / variance if variance > 0 else 1 / float((weights**2 * unseen / answered).sum())
    return Estimate(share, *wilson(share, n))


@dataclass(frozen=True)
class Curve:
    """The probability of a call by score and group: ``coefficients`` of 1, the logit of the score, and each group.

    ``covariances``: that of the curve, and the sandwich, (coefficients, coefficients) each.
    """

    coefficients: np.ndarray
    covariances: tuple[np.ndarray, np.ndarray]
    n_groups: int

    def design(self, scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return what the coefficients are multiplied by, (rows, coefficients)."""
        return design(scores, groups, self.n_groups)

    def variance(self, gradient: np.ndarray) -> float:
        """Return the variance of what has this gradient to the coefficients: the larger one of both."""
        return max(float(gradient @ covariance @ gradient) for covariance in self.covariances)


def logits(scores: np.ndarray) -> np.ndarray:
    """Return the logits of scores within :data:`LOWEST_SCORE` and 1 minus it."""
    return logit(np.clip(np.asarray(scores, np.float64), LOWEST_SCORE, 1 - LOWEST_SCORE))


def design(scores: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """Return a one, the logit of the score and the group (one-hot; none of a single one): (rows, coefficients)."""
    of_groups = np.eye(n_groups)[groups] if n_groups > 1 else np.empty((len(groups), 0))
    return np.column_stack([np.ones(len(groups)), logits(scores), of_groups])


def fit(scores: np.ndarray, groups: np.ndarray, yes: np.ndarray, n_groups: int) -> Curve:
    """Return the curve of answers: ``scores``, ``groups`` int and ``yes`` bool, (answers,) each."""
    x, y = design(scores, groups, n_groups), yes.astype(np.float64)
    penalty = np.zeros(x.shape[1])
    penalty[2:] = 1 / GROUP_SPREAD**2
    found = np.zeros(x.shape[1])
    for _ in range(MOST_STEPS):
        expected = expit(x @ found)
        covariance, leverage = _covariance(x, expected, penalty)
        step = covariance @ (x.T @ (y - expected + leverage * (0.5 - expected)) - penalty * found)
        step *= min(1.0, LONGEST_STEP / max(TINY, float(np.abs(step).max())))
        found = found + step
        if np.abs(step).max() < TINY:
            break
    found[0] += _shift(x @ found, float(y.sum()))
    expected = expit(x @ found)
    covariance, leverage = _covariance(x, expected, penalty)
    residuals = (y - expected) / (1 - np.minimum(leverage, 0.99))
    sandwich = covariance @ (x.T @ (residuals[:, None] ** 2 * x)) @ covariance
    return Curve(found, (covariance, sandwich), n_groups)


def _covariance(x: np.ndarray, expected: np.ndarray, penalty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the inverse of the penalized information, and the leverage of each row."""
    weights = expected * (1 - expected)
    inverse = np.linalg.inv(x.T @ (weights[:, None] * x) + np.diag(penalty + TINY))
    return inverse, weights * np.einsum("ij,jk,ik->i", x, inverse, x)


def _shift(linear: np.ndarray, n_yes: float) -> float:
    """Return what to add to these logits so that they expect ``n_yes`` calls; nothing where all answers are alike."""
    if not 0 < n_yes < len(linear):
        return 0.0
    low, high = -50.0, 50.0
    while high - low > TINY:
        middle = (low + high) / 2
        low, high = (middle, high) if expit(linear + middle).sum() < n_yes else (low, middle)
    return (low + high) / 2


class Total(NamedTuple):
    """Windows with calls among ``windows``: how many are expected, and what makes that uncertain.

    ``gradient``: of the number to the coefficients of the curve; ``scatter``: the variance of windows that nobody heard
    around the curve; ``least``, ``most``: what answers alone say.
    """

    value: float
    windows: float
    gradient: np.ndarray
    scatter: float
    least: float
    most: float


def total(
    curve: Curve,
    windows: tuple[np.ndarray, np.ndarray, np.ndarray],
    answers: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> Total:
    """Return how many windows have a call.

    ``windows``: score, group and number of windows that score so, (parts,) each; ``answers``: score, group and yes of
    those of them that were answered, (answers,) each.
    """
    scores, groups, n = windows
    x, x_heard = curve.design(scores, groups), curve.design(*answers[:2])
    expected, of_heard = expit(x @ curve.coefficients), expit(x_heard @ curve.coefficients)
    bend, bend_heard = n * expected * (1 - expected), of_heard * (1 - of_heard)
    yes, n_all = float(answers[2].sum()), float(n.sum())
    least, most = yes, n_all - (len(answers[2]) - yes)
    value = float((n * expected).sum() + yes - of_heard.sum())
    gradient, scatter = x.T @ bend - x_heard.T @ bend_heard, max(0.0, float(bend.sum() - bend_heard.sum()))
    return Total(min(max(value, least), most), n_all, gradient, scatter, least, most)


def share(curve: Curve, of: Total) -> Estimate:
    """Return the share of windows with a call."""
    value, least, most = (number / of.windows for number in (of.value, of.least, of.most))
    spread = np.sqrt(curve.variance(of.gradient) + of.scatter) / of.windows
    return _open_ended(_within_logits(value, float(spread), least, most), of.least == 0, of.most == of.windows)


def recall(curve: Curve, detected: Total, undetected: Total) -> Estimate | None:
    """Return which share of the windows with a call was detected; None where nobody heard one."""
    if detected.least + undetected.least == 0:
        return None
    both = detected.value + undetected.value
    value = detected.value / both
    # Of d / (d + u): what changes d by itself, less what changes both.
    gradient = (detected.gradient * undetected.value - undetected.gradient * detected.value) / both**2
    scatter = (detected.scatter * undetected.value**2 + undetected.scatter * detected.value**2) / both**4
    least = detected.least / (detected.least + undetected.most) if detected.least else 0.0
    most = detected.most / (detected.most + undetected.least) if detected.most else 0.0
    found = _within_logits(value, float(np.sqrt(curve.variance(gradient) + scatter)), least, most)
    return _open_ended(found, detected.least == 0, undetected.least == 0)


def precision_at(curve: Curve, score: float, windows_of_groups: np.ndarray) -> Estimate:
    """Return how probable a call is in a window of a score, where groups are mixed as in ``windows_of_groups``."""
    n = len(windows_of_groups)
    x = curve.design(np.full(n, score), np.arange(n))
    expected, weights = expit(x @ curve.coefficients), windows_of_groups / windows_of_groups.sum()
    gradient = x.T @ (weights * expected * (1 - expected))
    return _within_logits(float(weights @ expected), float(np.sqrt(curve.variance(gradient))), 0.0, 1.0)


def _within_logits(value: float, spread: float, least: float, most: float) -> Estimate:
    """Return an estimate with an interval that is symmetric in logits, within what is possible."""
    if not 0 < value < 1:
        return Estimate(value, max(least, value - Z * spread), min(most, value + Z * spread))
    half = Z * spread / (value * (1 - value))
    low, high = expit(logit(value) - half), expit(logit(value) + half)
    return Estimate(value, float(min(value, max(low, least))), float(max(value, min(high, most))))


def _open_ended(found: Estimate, down: bool, up: bool) -> Estimate:
    """Return an estimate whose interval reaches 0 or 1 where no answer says that it does not: logits never do."""
    return Estimate(found.value, 0.0 if down else found.low, 1.0 if up else found.high)


def threshold_for(
    curve: Curve, windows: tuple[np.ndarray, np.ndarray, np.ndarray], lowest: np.ndarray, wanted: float
) -> float | None:
    """Return the lowest score from which on windows have a call with the ``wanted`` precision; None where none has.

    ``windows``: as in :func:`total`; ``lowest`` (parts,): the lowest score of each part, which may be the threshold.
    """
    scores, groups, n = windows
    order = np.argsort(-lowest, kind="stable")
    expected = expit(curve.design(scores, groups) @ curve.coefficients)[order]
    counted = np.cumsum(n[order])
    passes = np.cumsum(n[order] * expected) / counted >= wanted
    # Of parts with one lowest score the last counts: a threshold takes all of them.
    is_last = np.append(np.diff(lowest[order]) != 0, True)
    found = np.flatnonzero(passes & is_last)
    return float(lowest[order][found[-1]]) if len(found) else None


def more_answers(found: Estimate | None, answered: int, windows: int, half_width: float) -> int:
    """Return how many more of the detected windows to answer until the interval is ``half_width`` to either side.

    An interval narrows with the square root of the answers; without any, half of the windows are taken to be right.
    """
    if found is None or answered < 2:
        wanted = ceil(Z**2 / 4 / half_width**2)
    else:
        wanted = ceil(answered * ((found.high - found.low) / 2 / half_width) ** 2)
    return max(0, min(wanted, windows) - answered)
