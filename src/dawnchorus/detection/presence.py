"""From the frame-wise scores of a presence model to events with bounds, to names of clips, and to whole recordings.

``scores`` (frames, classes) are sigmoids; frame k covers [starts_s[k], starts_s[k] + frame_s), and starts are evenly
spaced. A score stands for the middle of its frame, and between middles scores run straight.

A *decision* says how a class becomes events, one JSON-ready dict a class, see :data:`KEYS`. Scores are smoothed (mean
over ``smoothing_s``); an event is a stretch above ``off``, with gaps of up to ``gap_s`` in it, that lasts
``min_duration_s`` or more and reaches ``on`` somewhere (hysteresis). Its bounds are where the score crosses ``off``.
Two questions are asked of scores, and each has its own Platt map:

- ``slope``, ``offset``: is this event real? Of an event's peak they make the expected precision of events like it;
- ``presence_slope``, ``presence_offset``: is the species in these few seconds? So reads the highest score of a segment.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_softmax

from dawnchorus.detection.events import smoothed
from dawnchorus.metrics.classification import SCORE_EPSILON
from dawnchorus.metrics.events import TIME_DECIMALS
from dawnchorus.metrics.platt import logit

# What deciding needs of a class: thresholds are of smoothed scores of the network, before calibration.
KEYS = (
    "slope",
    "offset",
    "presence_slope",
    "presence_offset",
    "on",
    "off",
    "smoothing_s",
    "min_duration_s",
    "gap_s",
)
# Where nothing was learned: the scores as they are.
PLAIN = {
    "slope": 1.0,
    "offset": 0.0,
    "presence_slope": 1.0,
    "presence_offset": 0.0,
    "on": 0.5,
    "off": 0.5,
    "smoothing_s": 0.0,
    "min_duration_s": 0.0,
    "gap_s": 0.0,
}
# Scores that are so near to each other are the same, but for single precision.
SAME_LOGITS = 1e-5
Decisions = Sequence[Mapping[str, float]]


class Stretches(NamedTuple):
    """Stretches of time in which a score is high, (stretches,) each, by track and then by time.

    ``track``: what has the score, such as a class; ``start_s``, ``end_s``; ``peak``, the highest score, as in logits at
    most 1 - 1e-7, so that a threshold can be above all of them; ``peak_s``, the middle of the first frame that has it.
    """

    track: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    peak: np.ndarray
    peak_s: np.ndarray

    def where(self, kept: np.ndarray) -> "Stretches":
        """Return those at some positions, or for which ``kept`` (stretches,) is true."""
        return Stretches(*(values[kept] for values in self))

    @property
    def times_s(self) -> np.ndarray:
        """Starts and ends, (stretches, 2)."""
        return np.stack([self.start_s, self.end_s], axis=1)


NO_STRETCHES = Stretches(np.empty(0, int), *(np.empty(0) for _ in range(4)))


def column(decisions: Decisions, key: str) -> np.ndarray:
    """Return one value of each class, (classes,)."""
    return np.array([decision[key] for decision in decisions], np.float64)


def smoothing_frames(smoothing_s: np.ndarray, step_s: float) -> np.ndarray:
    """Return over how many frames, an odd number, each length of smoothing goes when frames begin ``step_s`` apart."""
    return 1 + 2 * np.round(np.maximum(0.0, np.asarray(smoothing_s) / step_s - 1) / 2).astype(int)


def step_of(starts_s: np.ndarray, frame_s: float) -> float:
    """Return how far apart frames begin, seconds."""
    return float(starts_s[-1] - starts_s[0]) / (len(starts_s) - 1) if len(starts_s) > 1 else frame_s


def smoothed_of_classes(scores: np.ndarray, n_frames: np.ndarray) -> np.ndarray:
    """Return scores smoothed over another odd number of frames for each class, (frames, classes)."""
    if (n_frames == 1).all():
        return scores
    made = np.empty(scores.shape, np.float64)
    for n in np.unique(n_frames).tolist():
        made[:, n_frames == n] = smoothed(scores[:, n_frames == n], n)
    return made


def stretches(
    scores: np.ndarray, starts_s: np.ndarray, frame_s: float, duration_s: float, off: np.ndarray
) -> Stretches:
    """Return every stretch of a recording in which a class scores at least ``off`` (classes,); the class is its track.

    A stretch begins and ends where the straight line between the middles of two frames crosses ``off``; at the first
    and the last frame with that frame. All is within the recording; a stretch of no length is none.
    """
    n, n_classes = scores.shape
    # The classes one after the other, and behind each a frame that reaches nothing.
    padded = np.full((n_classes, n + 1), -np.inf, scores.dtype)
    padded[:, :n] = scores.T
    above = (padded >= off[:, None]).ravel()
    flat = padded.ravel()
    before = np.concatenate([[False], above[:-1]])
    first, stop = np.flatnonzero(above & ~before), np.flatnonzero(before & ~above)
    if not len(first):
        return NO_STRETCHES
    track, begin, end = first // (n + 1), first % (n + 1), stop % (n + 1)
    middles_s = np.asarray(starts_s, np.float64) + frame_s / 2
    level = off[track]
    start_s = np.where(begin == 0, starts_s[0], _crossing(flat, first - 1, middles_s, begin - 1, level))
    end_s = np.where(end == n, starts_s[-1] + frame_s, _crossing(flat, stop - 1, middles_s, end - 1, level))
    inside = np.flatnonzero(above)
    of_stretch = np.repeat(np.arange(len(first)), stop - first)
    peak = np.maximum.reduceat(flat[inside], np.cumsum(stop - first) - (stop - first))
    at = np.flatnonzero(flat[inside] == peak[of_stretch])
    _, earliest = np.unique(of_stretch[at], return_index=True)
    peak_s = middles_s[inside[at[earliest]] % (n + 1)]
    start_s, end_s = np.clip(start_s, 0.0, duration_s), np.clip(end_s, 0.0, duration_s)
    peak = np.minimum(peak.astype(np.float64), 1 - SCORE_EPSILON)
    found = Stretches(track, start_s, end_s, peak, np.clip(peak_s, start_s, end_s))
    return found.where(end_s - start_s > 10.0**-TIME_DECIMALS)


def _crossing(
    flat: np.ndarray, position: np.ndarray, middles_s: np.ndarray, frame: np.ndarray, level: np.ndarray
) -> np.ndarray:
    """Return when the line from a frame to the next crosses a level; any time where there is no such pair of frames."""
    last = max(0, len(middles_s) - 2)
    there = (frame >= 0) & (frame <= last) & (len(middles_s) > 1)
    frame, position = np.where(there, frame, 0), np.where(there, position, 0)
    here, following = flat[position].astype(np.float64), flat[position + 1].astype(np.float64)
    change = np.where(there, following - here, 1.0)
    share = np.divide(level - here, change, out=np.zeros(len(level)), where=there & (change != 0))
    step_s = middles_s[np.minimum(frame + 1, len(middles_s) - 1)] - middles_s[frame]
    return middles_s[frame] + share * step_s


def bridged(found: Stretches, gap_s: np.ndarray) -> Stretches:
    """Return stretches with those of one track joined that are at most ``gap_s``, one value a stretch, apart."""
    if not len(found.track):
        return found
    apart = (found.track[1:] != found.track[:-1]) | (found.start_s[1:] - found.end_s[:-1] > gap_s[1:] + 1e-9)
    first = np.flatnonzero(np.concatenate([[True], apart]))
    last = np.concatenate([first[1:], [len(found.track)]]) - 1
    peak = np.maximum.reduceat(found.peak, first)
    of_joined = np.repeat(np.arange(len(first)), last - first + 1)
    at = np.flatnonzero(found.peak == peak[of_joined])
    _, earliest = np.unique(of_joined[at], return_index=True)
    return Stretches(found.track[first], found.start_s[first], found.end_s[last], peak, found.peak_s[at[earliest]])


def long_enough(found: Stretches, min_duration_s: np.ndarray) -> Stretches:
    """Return the stretches that last ``min_duration_s``, one value a stretch, or longer."""
    return found.where(found.end_s - found.start_s >= min_duration_s - 1e-9)


def candidates(
    scores: np.ndarray, starts_s: np.ndarray, frame_s: float, duration_s: float, decisions: Decisions
) -> Stretches:
    """Return what would be the events of a recording if ``on`` were as low as ``off``."""
    n_frames = smoothing_frames(column(decisions, "smoothing_s"), step_of(starts_s, frame_s))
    even = smoothed_of_classes(scores, n_frames)
    found = stretches(even, starts_s, frame_s, duration_s, column(decisions, "off"))
    joined = bridged(found, column(decisions, "gap_s")[found.track])
    return long_enough(joined, column(decisions, "min_duration_s")[joined.track])


def events(
    scores: np.ndarray, starts_s: np.ndarray, frame_s: float, duration_s: float, decisions: Decisions
) -> list[dict]:
    """Return the events of one recording, by class and then by time; those of a class do not overlap.

    An event has ``class_index``, ``start_s`` and ``end_s`` within the recording, ``peak_s``, the middle of the frame
    that scores highest, and ``peak_score``, the probability that an event with this peak is real.
    """
    if not len(scores):
        return []
    found = candidates(scores, starts_s, frame_s, duration_s, decisions)
    found = found.where(found.peak >= column(decisions, "on")[found.track])
    slope, offset = column(decisions, "slope")[found.track], column(decisions, "offset")[found.track]
    real = expit(slope * logit(found.peak) + offset)
    columns = [values.tolist() for values in (found.track, found.start_s, found.end_s, real, found.peak_s)]
    names = ("class_index", "start_s", "end_s", "peak_score", "peak_s")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def presence(scores: np.ndarray, starts_s: np.ndarray, frame_s: float, decisions: Decisions) -> np.ndarray:
    """Return how probable it is of each frame that the seconds around it hold the class: (frames, classes) float64.

    The highest value of a segment is the probability that the class is in the segment.
    """
    if not len(scores):
        return np.zeros(scores.shape)
    n_frames = smoothing_frames(column(decisions, "smoothing_s"), step_of(starts_s, frame_s))
    even = logit(smoothed_of_classes(scores, n_frames))
    return expit(column(decisions, "presence_slope") * even + column(decisions, "presence_offset"))


def thresholds(decisions: Decisions) -> np.ndarray:
    """Return the value of :func:`presence` from which on each class is an event, (classes,)."""
    on = logit(column(decisions, "on"))
    return expit(column(decisions, "presence_slope") * on + column(decisions, "presence_offset"))


def reached_by(score: float) -> float:
    """Return a threshold that a score of a table reaches, which is rounded."""
    return float(expit(logit(np.array(score)) - SAME_LOGITS))


def from_on(decision: Mapping[str, float], threshold: float) -> dict[str, float]:
    """Return ``on`` and ``off`` of a class that is an event from a value of :func:`presence` on.

    An event reaches as far as it did, but where the threshold is now below ``off``.
    """
    even = (logit(np.array(reached_by(threshold))) - decision["presence_offset"]) / decision["presence_slope"]
    on = float(expit(even))
    return {"on": on, "off": min(decision["off"], on)}


def clip_scores(scores: np.ndarray, starts_s: np.ndarray, frame_s: float, spans_s: np.ndarray) -> np.ndarray:
    """Return how probable each class is for annotated clips of exactly one: (clips, classes), rows that sum to 1.

    ``spans_s``: (clips, 2), seconds; a frame counts by how much of it is in the span, and the nearest one for a span
    beside all of them. A row is the softmax over classes of the mean logit over the frames.

    Why: let the classes of a frame be independent with P(c is there) = p_c, and equally frequent. That c is there and
    no other has the probability p_c * prod_{j != c} (1 - p_j) = p_c / (1 - p_c) * prod_j (1 - p_j), and the product
    over all j is the same for each c. So given that exactly one is there, it is c with a probability in proportion to
    the odds p_c / (1 - p_c) = exp(logit_c): the softmax of the logits. Frames of one call say much the same: n of them
    are taken for one observation, so their log odds are averaged (the geometric mean of the odds) instead of added, and
    a long call is no surer than a short one for its length alone.
    """
    logits = logit(scores)
    made = np.empty((len(spans_s), scores.shape[1]))
    for number, (start_s, end_s) in enumerate(np.asarray(spans_s, np.float64).reshape(-1, 2).tolist()):
        weights = np.minimum(starts_s + frame_s, end_s) - np.maximum(starts_s, start_s)
        inside = weights > 0
        if inside.any():
            made[number] = np.average(logits[inside], axis=0, weights=weights[inside])
        else:
            made[number] = logits[np.abs(starts_s + frame_s / 2 - (start_s + end_s) / 2).argmin()]
    return np.exp(log_softmax(made, axis=1))


def recording_scores(scores: np.ndarray, n_best: int = 1) -> np.ndarray:
    """Return one score of each class for a whole recording, (classes,): the mean of its ``n_best`` highest frames.

    1 is the maximum; with more a single odd frame counts less. 0 for a recording without frames.
    """
    if not len(scores):
        return np.zeros(scores.shape[1])
    n = min(n_best, len(scores))
    return np.partition(scores, len(scores) - n, axis=0)[len(scores) - n :].mean(axis=0, dtype=np.float64)
