"""What detections in whole recordings are worth: counts of each recording, and metrics of any draw of recordings.

A recording's annotated events are its :class:`Truth`; what a detector says of it, events and scores over time, is an
:class:`Answer`. Detectors of any step, and none at all (chance), are measured by the same functions.

Nothing counts where nobody knows whether a class is there: a detected event that overlaps no annotation of its class
and has its middle in an unknown span is neither hit nor false alarm; segments that such a span overlaps are left out
for the class; and sound of unknown content, if only of one class, is not call-free. What is annotated there counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dawnchorus.metrics import bootstrap, classification, events, label_ranking, psds, segments
from dawnchorus.metrics.psds import SECONDS_PER_HOUR

# Least IoU of a hit, by the end of the names of its metrics; any overlap suffices for 0.
CRITERIA = {"overlap": 0.0, "iou30": 0.3, "iou50": 0.5}
HIT = "iou30"
# The class of a span that is unknown for all of them.
EVERY = -1
# Half of the shorter of window and segment: a window that only reaches into a segment says little about it.
LEAST_SHARE = 0.5
# Shares and rate of the first scenario of DCASE's task 4.
DTC, GTC, MOST_PER_HOUR = 0.7, 0.7, 100.0
# Numbers of weights handled at a time, so that memory stays within some 100 MB.
CHUNK = 2_000_000

RATES = ("f1", "precision", "recall")
NAMES = (
    *(f"event_{rate}_iou30" for rate in RATES),
    "event_macro_f1_iou30",
    *(f"event_{rate}_iou50" for rate in RATES),
    "event_macro_f1_iou50",
    "event_f1_overlap",
    "segment_average_precision",
    "segment_roc_auc",
    "recording_lwlrap",
    "psds",
    "false_alarms_per_hour",
)
# What can be known where only some calls are annotated: whether those are found.
KNOWN_OF_BOXES = ("event_recall_iou30", "event_recall_iou50")
LOWER_IS_BETTER = ("false_alarms_per_hour",)


@dataclass(frozen=True)
class Truth:
    """The annotated events of a recording: ``times_s`` (events, 2), ``class_index`` (events,); and what is unknown.

    ``unknown_s`` (spans, 2): where nobody knows whether ``unknown_class`` (spans,) is there; -1 is every class.
    """

    recording_id: str
    group: str
    duration_s: float
    times_s: np.ndarray
    class_index: np.ndarray
    unknown_s: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    unknown_class: np.ndarray = field(default_factory=lambda: np.empty(0, int))

    def of_class(self, class_index: int) -> np.ndarray:
        """Return the times of the events of one class, (events, 2)."""
        return self.times_s[self.class_index == class_index]

    def unknown_of(self, class_index: int) -> np.ndarray:
        """Return the spans of which nobody knows whether a class is there, (spans, 2)."""
        return self.unknown_s[(self.unknown_class == class_index) | (self.unknown_class == EVERY)]


@dataclass(frozen=True)
class Answer:
    """What a detector says of a recording.

    ``times_s`` (events, 2), ``class_index``, ``score`` (events,): the events it detects, at its users' thresholds.
    ``scores`` (windows, classes), ``starts_s``, ``window_s``: its scores over time; of no windows where it has none.
    """

    times_s: np.ndarray
    class_index: np.ndarray
    score: np.ndarray
    scores: np.ndarray
    starts_s: np.ndarray
    window_s: float

    def of_class(self, class_index: int) -> np.ndarray:
        """Return the times of the events of one class, (events, 2)."""
        return self.times_s[self.class_index == class_index]


@dataclass(frozen=True)
class Measured:
    """What was counted in each recording, (recordings, ...), and each segment, (segments, ...); see :func:`measure`."""

    annotated: np.ndarray
    detected: np.ndarray
    hits: dict[str, np.ndarray]
    durations_s: np.ndarray
    known_s: np.ndarray
    call_free_s: np.ndarray
    call_free_alarms: np.ndarray
    edges_s: list[np.ndarray]
    of_segment: np.ndarray
    present: np.ndarray
    known: np.ndarray
    scores: np.ndarray
    changes: list[list[psds.Changes]]

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return self.present.shape[1]


def counting(truth: Truth, answer: Answer) -> np.ndarray:
    """Return which detected events count, as hits or as false alarms: (events,) bool."""
    counts = np.ones(len(answer.class_index), bool)
    if len(truth.unknown_s):
        for index in np.unique(answer.class_index).tolist():
            given = truth.of_class(index), answer.of_class(index), truth.unknown_of(index)
            counts[answer.class_index == index] = ~events.in_unknown(*given)
    return counts


def call_free(truth: Truth) -> np.ndarray:
    """Return the stretches of a recording that are known to hold no call of any class, (stretches, 2), seconds."""
    return events.call_free(np.concatenate([truth.times_s, truth.unknown_s]), truth.duration_s)


def in_call_free(truth: Truth, times_s: np.ndarray) -> np.ndarray:
    """Return which detected events lie there: they overlap no annotation, and their middle is not unknown."""
    return events.in_call_free(truth.times_s, times_s) & ~events.in_spans(times_s, truth.unknown_s)


def measure(truths: Sequence[Truth], answers: Sequence[Answer], n_classes: int, segment_s: float) -> Measured:
    """Count in each recording; ``truths`` and ``answers`` are of the same recordings, in one order.

    Returns ``annotated``, ``detected``, ``hits`` and ``known_s``, the seconds that are not unknown of a class,
    (recordings, classes); ``present``, ``known`` (whether the segment counts) and ``scores`` (segments, classes) with
    ``of_segment``, the recording of each; ``changes`` of each class in each recording.
    """
    n = len(truths)
    hits = {name: np.zeros((n, n_classes), int) for name in CRITERIA}
    annotated, detected = np.zeros((n, n_classes), int), np.zeros((n, n_classes), int)
    free_s, alarms = np.zeros(n), np.zeros(n, int)
    durations_s = np.array([truth.duration_s for truth in truths])
    known_s = np.repeat(durations_s[:, None], n_classes, axis=1)
    edges_s, scores = [], [np.zeros((0, n_classes))]
    present, known = [np.zeros((0, n_classes), bool)], [np.zeros((0, n_classes), bool)]
    changes: list[list[psds.Changes]] = [[] for _ in range(n_classes)]
    for number, (truth, answer) in enumerate(zip(truths, answers, strict=True)):
        annotated[number] = np.bincount(truth.class_index, minlength=n_classes)
        detected[number] = np.bincount(answer.class_index[counting(truth, answer)], minlength=n_classes)
        for index in np.flatnonzero(annotated[number] * detected[number]).tolist():
            for name, least_iou in CRITERIA.items():
                pairs = events.matched(truth.of_class(index), answer.of_class(index), least_iou)
                hits[name][number, index] = len(pairs.true)
        free_s[number] = np.diff(call_free(truth)).sum()
        alarms[number] = in_call_free(truth, answer.times_s).sum()
        edges_s.append(segments.edges(truth.duration_s, segment_s))
        present.append(segments.present(truth.times_s, truth.class_index, n_classes, edges_s[-1]))
        known.append(np.ones(present[-1].shape, bool))
        for index in range(n_classes) if len(truth.unknown_s) else ():
            unknown_s = truth.unknown_of(index)
            known_s[number, index] = np.diff(events.call_free(unknown_s, truth.duration_s)).sum()
            known[-1][:, index] = segments.known(unknown_s, edges_s[-1])
        if not len(answer.scores):
            scores.append(np.zeros(present[-1].shape))
            continue
        scores.append(segments.highest(answer.scores, answer.starts_s, answer.window_s, edges_s[-1], LEAST_SHARE))
        steps = psds.highest_at(answer.scores, answer.starts_s, answer.window_s, truth.duration_s)
        for index in range(n_classes):
            changes[index].append(psds.changes(steps, index, truth.of_class(index), DTC, GTC, truth.unknown_of(index)))
    of_segment = np.repeat(np.arange(n), [len(edges) - 1 for edges in edges_s])
    counted = annotated, detected, hits, durations_s, known_s, free_s, alarms
    of_segments = np.concatenate(present), np.concatenate(known), np.concatenate(scores)
    return Measured(*counted, edges_s, of_segment, *of_segments, changes)


def computed(measured: Measured, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return every metric of :data:`NAMES` in each draw: float64, (draws,), NaN where it is not defined.

    ``weights``: (draws, recordings), how often each recording counts.

    - ``event_*``: precision, recall and F1 of all events, and the mean F1 of the classes that call (macro);
    - ``segment_average_precision``, ``segment_roc_auc``: means over classes, of scores of segments;
    - ``recording_lwlrap``: how well the species of a recording are ranked, see :func:`of_whole_recordings`;
    - ``psds``: mean over classes that call, see :mod:`dawnchorus.metrics.psds`;
    - ``false_alarms_per_hour``: detected events that overlap no annotation, an hour of sound without annotation and
      without unknown content.
    """
    step = max(1, CHUNK // max(1, len(measured.of_segment)))
    parts = [_computed(measured, weights[first : first + step]) for first in range(0, len(weights), step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in NAMES}


def _computed(measured: Measured, weights: np.ndarray) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, hits in measured.hits.items():
        counts = np.stack([hits, measured.detected, measured.annotated], axis=2)
        of_class, _ = events.totals(counts, weights)
        found |= of_events(name, counts.sum(axis=1), weights)
        macro = events.macro(events.rates(*np.moveaxis(of_class, -1, 0)), of_class[..., 2])
        found[f"event_macro_f1_{name}"] = macro.f1
    found |= of_segments(measured.present, measured.known, measured.scores, weights[:, measured.of_segment])
    found |= of_whole_recordings(measured.present, measured.known, measured.scores, measured.of_segment, weights)
    found["psds"] = _mean_of_defined([areas(measured, index, weights) for index in range(measured.n_classes)])
    found["false_alarms_per_hour"] = alarm_rate(measured.call_free_alarms, measured.call_free_s, weights)
    return {name: found[name] for name in NAMES}


def of_events(criterion: str, counts: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision, recall and F1 of all events by the names of their metrics, (draws,) each.

    ``criterion``: of :data:`CRITERIA`; ``counts``: hits, detected and annotated events of each recording,
    (recordings, 3).
    """
    _, of_all = events.totals(counts[:, None, :], weights)
    found = events.rates(*np.moveaxis(of_all, -1, 0))
    return {f"event_{rate}_{criterion}": getattr(found, rate) for rate in RATES}


def of_segments(
    present: np.ndarray, known: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the metrics of segments, means over classes: (draws,) each.

    ``present``, ``known``, ``scores``: (segments, classes); ``weights``: (draws, segments).
    """
    ranked = [
        classification.average_precision_and_roc_auc(
            present[of, index], scores[of, index], weights[:, of].astype(np.float64)
        )
        for index, of in enumerate(known.T)
    ]
    return {
        "segment_average_precision": _mean_of_defined([precision for precision, _ in ranked]),
        "segment_roc_auc": _mean_of_defined([area for _, area in ranked]),
    }


def of_whole_recordings(
    present: np.ndarray, known: np.ndarray, scores: np.ndarray, of_segment: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the LWLRAP of recordings in each draw, (draws,): are the species that call ranked above the others?

    A species has the highest of its scores over time, in the single precision of a submission. Segments that do not
    count for a species are left out, and so is a species for which none of a recording counts.

    ``present``, ``known``, ``scores``: (segments, classes); ``of_segment``: the recording of each; ``weights``: (draws,
    recordings).
    """
    shape = weights.shape[1], present.shape[1]
    there, highest = np.zeros(shape, bool), np.full(shape, -np.inf, np.float32)
    np.logical_or.at(there, of_segment, present & known)
    np.maximum.at(highest, of_segment, np.where(known, scores, -np.inf).astype(np.float32))
    return {"recording_lwlrap": label_ranking.lwlrap(there, highest, weights)}


def alarm_rate(alarms: np.ndarray, free_s: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the false alarms an hour of call-free sound in each draw, (draws,).

    ``alarms``, ``free_s``: those of each recording, and its call-free seconds, (recordings,).
    """
    hours, drawn = weights @ free_s / SECONDS_PER_HOUR, (weights @ alarms).astype(np.float64)
    return np.divide(drawn, hours, out=np.full(len(hours), np.nan), where=hours > 0)


def areas(measured: Measured, class_index: int, weights: np.ndarray) -> np.ndarray:
    """Return the PSDS of one class in each draw; NaN for a detector without scores over time."""
    of_class = measured.changes[class_index]
    if len(of_class) != len(measured.durations_s):
        return np.full(len(weights), np.nan)
    n_true = measured.annotated[:, class_index]
    return psds.area(of_class, n_true, measured.known_s[:, class_index], weights, MOST_PER_HOUR)


def _mean_of_defined(values: Sequence[np.ndarray]) -> np.ndarray:
    stacked = np.stack(values, axis=1)
    defined = ~np.isnan(stacked)
    n = defined.sum(axis=1)
    return np.divide(np.where(defined, stacked, 0.0).sum(axis=1), n, out=np.full(len(n), np.nan), where=n > 0)


def with_intervals(
    measured: Measured, weights: np.ndarray | None, n_groups: int, annotated: str
) -> dict[str, float | None]:
    """Return every metric and the ends of its interval; None for what is not defined or cannot be known.

    ``weights``: (draws, recordings) of ``n_groups`` groups, or None; ``annotated``: ``data.annotated``.
    """
    n = len(measured.durations_s)
    plain = computed(measured, np.ones((1, n)))
    drawn = {} if weights is None or not n else computed(measured, weights)
    result: dict[str, float | None] = {}
    for name in NAMES:
        known = n > 0 and (annotated == "all" or name in KNOWN_OF_BOXES) and not np.isnan(plain[name][0])
        value = float(plain[name][0]) if known else None
        low, high = bootstrap.interval(drawn.get(name), value, n_groups) if known else (None, None)
        result |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return result
