"""PSDS, the area under the curve of detected events over false alarms an hour, whatever the thresholds.

Bilen et al., "A framework for the robust evaluation of sound event detection", ICASSP 2020: a detected event is
relevant when annotated events of its class cover at least the share ``dtc`` of it, else it is a false alarm; an
annotated event is found when relevant ones cover at least the share ``gtc`` of it. The curve is exact, not of some
thresholds (Ebbers et al., "Threshold-independent evaluation of sound event detection scores", ICASSP 2022). Cross
triggers are not punished more than other false alarms, nor that classes differ (alpha_ct = alpha_st = 0), so that the
score is the mean of the areas of the classes.
"""

from typing import NamedTuple

import numpy as np

from dawnchorus.metrics.events import TIME_DECIMALS, in_unknown

# Of more distinct scores than this in one recording, as many evenly spaced ranks are looked at.
MOST_THRESHOLDS = 1000
SECONDS_PER_HOUR = 3600.0
NO_SPANS = np.empty((0, 2))


class Steps(NamedTuple):
    """Scores as a function of time: ``scores`` (steps, classes) between ``edges_s`` (steps + 1,), seconds."""

    edges_s: np.ndarray
    scores: np.ndarray


class Changes(NamedTuple):
    """How the counts of one class change when the threshold falls to each score: (changes,) each."""

    scores: np.ndarray
    found: np.ndarray
    false_alarms: np.ndarray


def highest_at(scores: np.ndarray, starts_s: np.ndarray, window_s: float, duration_s: float) -> Steps:
    """Return the highest score of the windows over each moment of a recording.

    ``scores``: (windows, classes); ``starts_s``: (windows,) sorted; the windows cover the recording. Where this reaches
    a threshold is just where some window does, so its events are those of the windows.
    """
    begin_s, end_s = (
        np.clip(values, 0.0, duration_s).round(TIME_DECIMALS) for values in (starts_s, starts_s + window_s)
    )
    # The end of a window is the start of another one but for the last bit: rounding may have parted the two.
    same_s = 1.5 * 10.0**-TIME_DECIMALS
    near = begin_s[np.minimum(np.searchsorted(begin_s, end_s - same_s), len(begin_s) - 1)]
    end_s = np.where(np.abs(near - end_s) <= same_s, near, end_s)
    edges_s = np.unique(np.concatenate([begin_s, end_s]))
    first = np.searchsorted(end_s, edges_s[:-1], side="right")
    stop = np.searchsorted(begin_s, edges_s[:-1], side="right")
    if (first >= stop).any():
        raise ValueError("windows with gaps between them; expected that they cover the recording")
    if (stop - first == 1).all():
        return Steps(edges_s, scores[first])
    bounds = np.stack([first, stop], axis=1).ravel()
    padded = np.concatenate([scores, np.full((1, scores.shape[1]), -np.inf)])
    return Steps(edges_s, np.maximum.reduceat(padded, bounds, axis=0)[::2])


def changes(
    steps: Steps, class_index: int, true_s: np.ndarray, dtc: float, gtc: float, unknown_s: np.ndarray = NO_SPANS
) -> Changes:
    """Return how the counts of one class in one recording change with the threshold.

    ``true_s``: its annotated events, (events, 2), seconds. ``unknown_s``: where nobody knows whether it calls, (spans,
    2): what is detected there is no false alarm, see :func:`dawnchorus.metrics.events.in_unknown`.
    """
    values = steps.scores[:, class_index]
    thresholds = np.unique(values)
    if len(thresholds) > MOST_THRESHOLDS:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, MOST_THRESHOLDS).round().astype(int)]
    passes = np.pad(values[None, :] >= thresholds[:, None], ((0, 0), (1, 1)))
    turns = np.diff(passes.astype(np.int8), axis=1)
    row, first = np.nonzero(turns == 1)
    _, stop = np.nonzero(turns == -1)
    onset_s, offset_s = steps.edges_s[first], steps.edges_s[stop]
    shared_s = np.minimum(offset_s[:, None], true_s[None, :, 1]) - np.maximum(onset_s[:, None], true_s[None, :, 0])
    shared_s = np.maximum(shared_s, 0.0)
    relevant = _reaches(shared_s.sum(axis=1), dtc * (offset_s - onset_s))
    false = ~relevant
    if len(unknown_s):
        false &= ~in_unknown(true_s, np.stack([onset_s, offset_s], axis=1), unknown_s)
    false_alarms = np.bincount(row[false], minlength=len(thresholds))
    covered_s = np.zeros((len(thresholds), len(true_s)))
    np.add.at(covered_s, row[relevant], shared_s[relevant])
    found = _reaches(covered_s, gtc * (true_s[:, 1] - true_s[:, 0])).sum(axis=1)
    gained = [counts - np.concatenate([counts[1:], [0]]) for counts in (found, false_alarms)]
    kept = (gained[0] != 0) | (gained[1] != 0)
    return Changes(thresholds[kept], gained[0][kept], gained[1][kept])


def _reaches(value_s: np.ndarray, least_s: np.ndarray) -> np.ndarray:
    return np.round(value_s, TIME_DECIMALS) >= np.round(least_s, TIME_DECIMALS)


def area(
    of_recording: list[Changes], n_true: np.ndarray, durations_s: np.ndarray, weights: np.ndarray, most_per_hour: float
) -> np.ndarray:
    """Return the area under the curve of one class in each draw, from 0 to 1: (draws,).

    Args:
        of_recording: the changes in each recording.
        n_true: how many annotated events of the class each has, (recordings,).
        durations_s: how long each is, less what is unknown of the class, (recordings,).
        weights: how often each counts, (draws, recordings).
        most_per_hour: the rate of false alarms at which the curve ends.

    Returns:
        NaN in a draw without an annotated event.
    """
    weights = weights.astype(np.float64)
    true, hours = weights @ n_true, weights @ durations_s / SECONDS_PER_HOUR
    recording = np.repeat(np.arange(len(of_recording)), [len(of.scores) for of in of_recording])
    scores, found, false_alarms = (
        np.concatenate([np.empty(0), *(values[kind] for values in of_recording)]) for kind in range(3)
    )
    order = np.argsort(-scores, kind="stable")
    falling, recording = scores[order], recording[order]
    # Changes at one score happen together.
    last = np.flatnonzero(np.concatenate([falling[1:] != falling[:-1], [True]])) if len(falling) else np.empty(0, int)
    drawn = weights[:, recording]
    share, rate = (
        np.divide(
            np.cumsum(drawn * gained[order], axis=1)[:, last],
            below[:, None],
            out=np.zeros((len(weights), len(last))),
            where=below[:, None] > 0,
        )
        for gained, below in ((found, true), (false_alarms, hours))
    )
    by_rate = np.argsort(rate, axis=1, kind="stable")
    rate, share = (np.take_along_axis(values, by_rate, axis=1) for values in (rate, share))
    best = np.maximum.accumulate(share, axis=1)
    ends = np.concatenate([rate, np.full((len(weights), 1), np.inf)], axis=1).clip(max=most_per_hour)
    areas = (best * np.diff(ends, axis=1)).sum(axis=1) / most_per_hour
    return np.where(true > 0, areas, np.nan)
