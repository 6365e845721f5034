"""Detection measured in segments: is a class in these seconds of a recording, and how high does it score there.

A recording is cut into segments of one length from its start; the last one may be shorter. Scores over time are those
of steps of any length: ``starts_s`` (steps,) sorted, each step ``step_s`` long, ``scores`` (steps, classes). Steps may
overlap and reach beyond the recording; together they cover it.
"""

from itertools import pairwise

import numpy as np

from dawnchorus.metrics.events import TIME_DECIMALS


def edges(duration_s: float, segment_s: float) -> np.ndarray:
    """Return where segments begin and end: (segments + 1,), seconds; of a recording that has no length, none."""
    n = int(np.ceil(round(duration_s / segment_s, TIME_DECIMALS)))
    return np.minimum(np.arange(n + 1) * segment_s, duration_s).round(TIME_DECIMALS)


def present(true_s: np.ndarray, class_index: np.ndarray, n_classes: int, edges_s: np.ndarray) -> np.ndarray:
    """Return in which segments each class is annotated, for however short a time: (segments, classes) bool.

    ``true_s``: (events, 2), seconds; ``class_index``: (events,).
    """
    found = np.zeros((len(edges_s) - 1, n_classes), dtype=bool)
    times_s = np.asarray(true_s, np.float64).reshape(-1, 2).round(TIME_DECIMALS)
    for (onset_s, offset_s), index in zip(times_s, class_index, strict=True):
        found[(edges_s[:-1] < offset_s) & (edges_s[1:] > onset_s), index] = True
    return found


def known(unknown_s: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """Return which segments no span overlaps of which nobody knows what it holds: (segments,) bool.

    ``unknown_s``: (spans, 2), seconds.
    """
    return ~present(unknown_s, np.zeros(len(unknown_s), int), 1, edges_s)[:, 0]


def highest(
    scores: np.ndarray, starts_s: np.ndarray, step_s: float, edges_s: np.ndarray, least_share: float
) -> np.ndarray:
    """Return the highest score of each class among the steps of each segment: (segments, classes).

    A step is of a segment when they share at least ``least_share``, at most 1/2, of the shorter of the two: a long
    window that only reaches into a segment says little about it. Steps that cover the recording leave no segment
    without one.
    """
    found = np.zeros((len(edges_s) - 1, scores.shape[1]))
    for number, (start_s, end_s) in enumerate(pairwise(edges_s)):
        shared_s = np.minimum(starts_s + step_s, end_s) - np.maximum(starts_s, start_s)
        least_s = least_share * min(step_s, end_s - start_s)
        of_segment = (shared_s > 10.0**-TIME_DECIMALS) & (shared_s >= least_s - 10.0**-TIME_DECIMALS)
        found[number] = scores[of_segment].max(axis=0, initial=0.0)
    return found


def precision_recall_curve(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return threshold, precision and recall of one class at each distinct score, the highest first.

    ``positive``, ``score``: (segments,). A segment is detected when its score is at least the threshold. Empty without
    positive segments: there is no recall then.
    """
    if not positive.any():
        return np.empty(0), np.empty(0), np.empty(0)
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    last = np.flatnonzero(np.concatenate([falling[1:] != falling[:-1], [True]]))
    hits = np.cumsum(positive[order])[last]
    return falling[last], hits / (last + 1), hits / positive.sum()
