"""Detection measured event by event: which detected event is which annotated one, and how many were found.

Everywhere: the events of one class in one recording are (events, 2) float64, onset and offset in seconds. An annotated
event is detected once and a detected event detects one: the pairs are an optimal bipartite matching.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

# Times that are equal but for rounding are equal: intersections and tolerances are compared to the microsecond.
TIME_DECIMALS = 6


class Pairs(NamedTuple):
    """``true``, ``found``: positions of the events that belong together; ``iou``: of each pair, how much they agree."""

    true: np.ndarray
    found: np.ndarray
    iou: np.ndarray


def intersections_s(true_s: np.ndarray, found_s: np.ndarray) -> np.ndarray:
    """Return how long each annotated event and each detected one last at the same time: (true, found), seconds."""
    shared = np.minimum(true_s[:, None, 1], found_s[None, :, 1]) - np.maximum(true_s[:, None, 0], found_s[None, :, 0])
    return np.maximum(shared, 0.0).round(TIME_DECIMALS)


def iou(true_s: np.ndarray, found_s: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each annotated event with each detected one: (true, found), 0 to 1."""
    shared = intersections_s(true_s, found_s)
    union = (true_s[:, 1] - true_s[:, 0])[:, None] + (found_s[:, 1] - found_s[:, 0])[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def within_collars(true_s: np.ndarray, found_s: np.ndarray, collar_s: float, share: float | None = None) -> np.ndarray:
    """Return which events have onsets, and offsets, that are at most ``collar_s`` apart: (true, found), bool.

    ``share``: offsets may also be this share of the annotated event's length apart; None compares onsets alone, as for
    events that are points in time. The criterion of sed_eval (Mesaros et al., "Metrics for polyphonic sound event
    detection", Applied Sciences 6(6), 2016).
    """
    apart_s = np.abs(true_s[:, None, :] - found_s[None, :, :]).round(TIME_DECIMALS)
    near = apart_s[:, :, 0] <= collar_s
    if share is None:
        return near
    allowed_s = np.maximum(collar_s, share * (true_s[:, 1] - true_s[:, 0])).round(TIME_DECIMALS)
    return near & (apart_s[:, :, 1] <= allowed_s[:, None])


def optimal(allowed: np.ndarray, agreement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the matching with the most pairs, and of those with as many the one with the highest sum of agreement.

    ``allowed``: (true, found) bool; ``agreement``: (true, found), 0 to 1. Returns positions along both axes.
    """
    # One pair more outweighs all agreement.
    worth = np.where(allowed, 1.0 + min(allowed.shape) + agreement, 0.0)
    true, found = linear_sum_assignment(worth, maximize=True)
    kept = allowed[true, found]
    return true[kept], found[kept]


def matched(true_s: np.ndarray, found_s: np.ndarray, least_iou: float) -> Pairs:
    """Return the optimal matching of the events whose IoU is ``least_iou`` or more; any overlap suffices for 0.

    Events can be of one pair only where they overlap, so stretches of sound without an event divide the problem, and
    the work grows with the length of a recording, not with its square.
    """
    parts = [
        (true, found, *_pairs(true_s[true], found_s[found], least_iou)) for true, found in _stretches(true_s, found_s)
    ]
    return Pairs(
        np.concatenate([np.empty(0, int), *(true[of_true] for true, _, of_true, _, _ in parts)]),
        np.concatenate([np.empty(0, int), *(found[of_found] for _, found, _, of_found, _ in parts)]),
        np.concatenate([np.empty(0), *(agreement for *_, agreement in parts)]),
    )


def _pairs(true_s: np.ndarray, found_s: np.ndarray, least_iou: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    agreement = iou(true_s, found_s)
    # Half of 0.6 may come out as 0.29999999999999993.
    allowed = (agreement > 0) & (agreement >= least_iou - 1e-9)
    true, found = optimal(allowed, agreement)
    return true, found, agreement[true, found]


def _stretches(true_s: np.ndarray, found_s: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the positions of the annotated and of the detected events of each stretch that holds both."""
    events_s = np.concatenate([true_s.reshape(-1, 2), found_s.reshape(-1, 2)])
    if not len(true_s) or not len(found_s):
        return []
    order = np.argsort(events_s[:, 0], kind="stable")
    latest_s = np.maximum.accumulate(events_s[order, 1])
    begins = np.flatnonzero(np.concatenate([[True], events_s[order[1:], 0] >= latest_s[:-1]]))
    parts = (np.sort(part) for part in np.split(order, begins[1:]))
    divided = ((part[part < len(true_s)], part[part >= len(true_s)] - len(true_s)) for part in parts)
    return [(true, found) for true, found in divided if len(true) and len(found)]


class Rates(NamedTuple):
    """Precision, recall and F1, float64; NaN where there is nothing to be right about."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def rates(hits: np.ndarray, found: np.ndarray, true: np.ndarray) -> Rates:
    """Return the rates of counts of any shape: ``hits`` of ``found`` detected and of ``true`` annotated events."""
    return Rates(_ratio(hits, found), _ratio(hits, true), _ratio(2 * hits, found + true))


def totals(counts: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return counts of recordings added up in each draw: those of each class, and those of all classes.

    ``counts``: (recordings, classes, kinds of counts); ``weights``: (draws, recordings), how often each counts.
    Returns (draws, classes, kinds) and (draws, kinds). Whole numbers, exact in any order.
    """
    n, n_classes, kinds = counts.shape
    of_class = (weights.astype(np.float64) @ counts.reshape(n, n_classes * kinds)).reshape(-1, n_classes, kinds)
    return of_class, of_class.sum(axis=1)


def macro(of_class: Rates, true: np.ndarray) -> Rates:
    """Return the means over the classes that have annotated events in the draw: (draws,) of (draws, classes).

    A class of which nothing was detected has no precision, and counts as 0 there.
    """
    present = true > 0
    n = present.sum(axis=-1)
    means = (_ratio(np.where(present, np.nan_to_num(values), 0.0).sum(axis=-1), n) for values in of_class)
    return Rates(*means)


def call_free(true_s: np.ndarray, duration_s: float) -> np.ndarray:
    """Return the stretches of a recording in which nothing is annotated, in order: (stretches, 2), seconds.

    ``true_s``: all annotated events of the recording, of any class.
    """
    order = np.argsort(true_s[:, 0], kind="stable")
    onsets_s, latest_s = true_s[order, 0], np.maximum.accumulate(true_s[order, 1])
    free = np.stack([np.concatenate([[0.0], latest_s]), np.concatenate([onsets_s, [duration_s]])], axis=1)
    free = np.clip(free, 0.0, duration_s)
    return free[free[:, 1] - free[:, 0] > 10.0**-TIME_DECIMALS]


def in_call_free(true_s: np.ndarray, found_s: np.ndarray) -> np.ndarray:
    """Return which detected events overlap no annotated event of any class: (found,) bool."""
    return (intersections_s(true_s, found_s) == 0).all(axis=0)


def in_spans(found_s: np.ndarray, spans_s: np.ndarray) -> np.ndarray:
    """Return which events have their middle in one of the spans: (found,) bool. ``spans_s``: (spans, 2), seconds."""
    middle_s = found_s.mean(axis=1)[:, None]
    return ((middle_s >= spans_s[None, :, 0]) & (middle_s < spans_s[None, :, 1])).any(axis=1)


def in_unknown(true_s: np.ndarray, found_s: np.ndarray, unknown_s: np.ndarray) -> np.ndarray:
    """Return of which detected events nobody knows whether they are right: (found,) bool.

    They overlap no annotated event, and their middle lies in one of the spans ``unknown_s``, (spans, 2), of which
    nobody knows what they hold. All are of one class.
    """
    return in_spans(found_s, unknown_s) & in_call_free(true_s, found_s)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)
