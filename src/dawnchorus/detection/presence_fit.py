"""What makes events of presence scores, learned on validation recordings: lengths, bounds, thresholds, probabilities.

A handful of recordings must not decide too much, so classes share what they can:

- smoothing, gap and shortest event are shares of a class's typical length; one set of them, and of ``off``, is the best
  for all classes together. A class has its own only where it has events enough and, chosen on other recordings than
  those it is measured on, gains clearly;
- the Platt map of a class is pulled towards the one of all classes, the more the fewer events it has;
- the pooled threshold is a probability, the best for the events of all classes together, and each class's map turns it
  into a score. A class has its own threshold under conditions like those above.

A detected event is real, here as in the metrics, when it is one of a pair with IoU >= 0.3.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import expit
from scipy.stats import binomtest, chi2

from dawnchorus.detection import presence
from dawnchorus.detection.measured import EVERY, LEAST_SHARE, Truth
from dawnchorus.detection.presence import Stretches
from dawnchorus.detection.score_store import Entry
from dawnchorus.metrics import classification, platt, ranked_hits, segments
from dawnchorus.metrics.events import TIME_DECIMALS
from dawnchorus.metrics.platt import Platt
from dawnchorus.metrics.psds import SECONDS_PER_HOUR

Span = tuple[float, float]
AIMS = 'f1, {"precision": p} with 0 < p < 1, or {"false_alarms_per_hour": x} with x > 0'

# What is tried: shares of the typical length of a class, and the score that bounds are cut at.
SMOOTHING, SHORTEST, GAP = (0.0, 0.2, 0.4), (0.0, 0.25, 0.5), (0.0, 0.2, 0.5)
OFF = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65)
# Of settings this close to the best in F1 the one that does least to the scores.
AS_GOOD = 0.002
# A class's own value needs so many annotated events in so many recordings ...
LEAST_EVENTS, LEAST_RECORDINGS = 20, 3
# ... and so much more F1 on recordings that did not choose it; each step of the grid away from all classes costs some.
LEAST_GAIN, GAIN_PER_STEP = 0.01, 0.005
FOLDS = 5
# The typical length of a class counts that of all classes like so many events of its own.
LENGTH_PRIOR = 5
# An estimated precision counts the calibrated probabilities like so many events.
PRECISION_PRIOR = 10
# Fewer detected events, or fewer false alarms allowed, than this say too little of one class.
LEAST_DETECTED, LEAST_ALARMS = 10, 5
LEVEL = 0.95
# Thresholds at which settings are compared: logits of peaks.
EDGES = np.arange(-8.0, 8.0, 0.25)


class Shape(NamedTuple):
    """What events look like: shares of a typical length, and the score at which they begin and end."""

    smoothing: float
    shortest: float
    gap: float
    off: float


SHAPES = [Shape(*values) for values in product(SMOOTHING, SHORTEST, GAP, OFF)]
# The place of each in the grid, (shapes, 4).
PLACES = np.array(list(product(*(range(len(values)) for values in (SMOOTHING, SHORTEST, GAP, OFF)))))


class Evidence(NamedTuple):
    """Detected events whose truth is known, (events,) each: where, the peak and its logit, and what they turned out."""

    class_index: np.ndarray
    recording: np.ndarray
    peak: np.ndarray
    logit: np.ndarray
    hit30: np.ndarray
    hit50: np.ndarray
    false_alarm: np.ndarray

    def where(self, kept: np.ndarray) -> "Evidence":
        """Return those for which ``kept`` (events,) is true, or in this order of positions."""
        return Evidence(*(values[kept] for values in self))


class Known(NamedTuple):
    """The validation recordings. Annotated events of which the truth is known: ``times_s`` (events, 2), ``track``.

    A track is a class in a recording: recording * n_classes + class. ``unknown``: spans of each recording, in order and
    disjoint, (spans, 2); ``folds`` (recordings,); ``hours`` (classes,): known sound without the class.
    """

    entries: Sequence[Entry]
    n_classes: int
    times_s: np.ndarray
    track: np.ndarray
    unknown: list[np.ndarray]
    folds: np.ndarray
    hours: np.ndarray

    @property
    def class_index(self) -> np.ndarray:
        """The class of each event."""
        return self.track % self.n_classes

    @property
    def recording(self) -> np.ndarray:
        """The recording of each event."""
        return self.track // self.n_classes


def fit(
    truths: Sequence[Truth],
    entries: Sequence[Entry],
    aim: str | Mapping[str, float],
    species_ids: Sequence[str],
    segment_s: float = 5.0,
    unknown: Sequence[Sequence[Span]] | None = None,
) -> dict:
    """Return how each class becomes events, learned on validation recordings; plain values, ready for JSON.

    ``truths`` and ``entries``: of the same recordings, in one order; ``aim``: what thresholds are for, ``"f1"``,
    ``{"precision": 0.9}`` or ``{"false_alarms_per_hour": 1}`` (of each class, where it is not annotated);
    ``unknown``: spans of each recording in which nothing is known, seconds: events that lie there by half or more do
    not count, nor do segments that reach into one, unless the class is annotated in them.

    ``decisions``: by species id, with the keys of :data:`dawnchorus.detection.presence.KEYS`, and beside them what
    they rest on (see :func:`_supported`; ``annotated_events``; whether shape and threshold are of the ``class`` or of
    ``all``; ``aim_reached``); ``pooled``: the species whose threshold is the one of all classes together. Without an
    annotated event nothing is learned, and the scores are taken as they are.

    Raises ValueError for an aim that is none.
    """
    kind, value = _of_aim(aim)
    known = _known(truths, entries, len(species_ids), unknown)
    none = np.zeros(known.n_classes, bool)
    decisions, shape_own, threshold_own, reached = [dict(presence.PLAIN) for _ in species_ids], none, none, none
    if len(known.track):
        typical_s = _typical_s(known)
        best, shape_own = _shapes(known, typical_s)
        decisions = [_shaped(SHAPES[at], typical_s[index]) for index, at in enumerate(best.tolist())]
    found = _evidence(known, _candidates(known, decisions))
    if len(known.track):
        maps = _near_common(found.logit, found.hit30, found.class_index, known.n_classes)
        of_segments = _near_common(*_segments(known, truths, decisions, segment_s), known.n_classes)
        on, threshold_own, reached = _thresholds(known, found, maps, kind, value)
        for decision, score, of_event, of_segment in zip(decisions, on.tolist(), maps, of_segments, strict=True):
            decision |= {"slope": of_event.slope, "offset": of_event.offset}
            decision |= {"presence_slope": of_segment.slope, "presence_offset": of_segment.offset}
            decision["on"] = max(score, decision["off"])
    made = {}
    for index, (key, support) in enumerate(zip(species_ids, _supported(known, found, decisions), strict=True)):
        made[key] = {**decisions[index], **support} | {
            "annotated_events": int((known.class_index == index).sum()),
            "shape_of": "class" if shape_own[index] else "all",
            "threshold_of": "class" if threshold_own[index] else "all",
            "aim_reached": bool(reached[index]),
        }
    return {
        "aim": aim if isinstance(aim, str) else dict(aim),
        "recordings": len(truths),
        "hours": sum(_known_s(truth) for truth in truths) / SECONDS_PER_HOUR,
        "annotated_events": len(known.track),
        "pooled": [key for key in species_ids if made[key]["threshold_of"] == "all"],
        "decisions": made,
    }


def segment_average_precision(
    truths: Sequence[Truth],
    entries: Sequence[Entry],
    n_classes: int,
    segment_s: float = 5.0,
    unknown: Sequence[Sequence[Span]] | None = None,
) -> float | None:
    """Return the mean over classes of the average precision of segments of validation recordings, by plain scores.

    Arguments are those of :func:`fit`. None where no class is there in some segments and not in others.
    """
    known = _known(truths, entries, n_classes, unknown)
    if not len(known.track):
        return None
    scores, there, classes = _segments(known, truths, [presence.PLAIN] * n_classes, segment_s)
    found = []
    for index in np.unique(classes[there]).tolist():
        of = classes == index
        once = np.ones((1, int(of.sum())))
        found.append(classification.average_precision_and_roc_auc(there[of], scores[of], once)[0][0])
    known_of = [value for value in found if np.isfinite(value)]
    return float(np.mean(known_of)) if known_of else None


def _of_aim(aim: str | Mapping[str, float]) -> tuple[str, float]:
    if aim == "f1":
        return "f1", 0.0
    if isinstance(aim, Mapping) and len(aim) == 1:
        [(kind, value)] = aim.items()
        if (kind == "precision" and 0 < value < 1) or (kind == "false_alarms_per_hour" and 0 < value < float("inf")):
            return kind, float(value)
    raise ValueError(f"aim {aim!r}; expected {AIMS}")


def _known(
    truths: Sequence[Truth], entries: Sequence[Entry], n_classes: int, unknown: Sequence[Sequence[Span]] | None
) -> Known:
    spans = [_disjoint(of) for of in (unknown if unknown is not None else [()] * len(truths))]
    times_s, tracks, hours = [np.empty((0, 2))], [np.empty(0, int)], np.zeros(n_classes)
    for number, (truth, _, of) in enumerate(zip(truths, entries, spans, strict=True)):
        of_truth = np.asarray(truth.times_s, np.float64).reshape(-1, 2)
        kept = _within_s(of, of_truth) < LEAST_SHARE * (of_truth[:, 1] - of_truth[:, 0])
        times_s.append(of_truth[kept])
        tracks.append(number * n_classes + np.asarray(truth.class_index, int)[kept])
        for index in range(n_classes):
            # Neither annotated nor unknown.
            taken = _disjoint([*map(tuple, of), *map(tuple, truth.of_class(index))]).clip(0.0, truth.duration_s)
            hours[index] += (truth.duration_s - (taken[:, 1] - taken[:, 0]).sum()) / SECONDS_PER_HOUR
    groups = np.array([truth.group for truth in truths])
    if len(np.unique(groups)) < 2:
        groups = np.arange(len(truths))
    folds = np.unique(groups, return_inverse=True)[1] % FOLDS
    return Known(entries, n_classes, np.concatenate(times_s), np.concatenate(tracks), spans, folds, hours)


def _disjoint(spans: Sequence[Span]) -> np.ndarray:
    """Return the union of spans as spans in order, (spans, 2)."""
    made: list[list[float]] = []
    for start_s, end_s in sorted(spans):
        if made and start_s <= made[-1][1]:
            made[-1][1] = max(made[-1][1], end_s)
        else:
            made.append([start_s, end_s])
    return np.array(made, np.float64).reshape(-1, 2)


def _known_s(truth: Truth) -> float:
    """Return how much of a recording is not said to be unknown of every class (s)."""
    whole = np.array([[0.0, truth.duration_s]])
    return truth.duration_s - float(_within_s(_disjoint(truth.unknown_of(EVERY).tolist()), whole)[0])


def _within_s(spans: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Return how much of each event, (events, 2), lies in disjoint spans: (events,) seconds."""
    if not len(spans):
        return np.zeros(len(times_s))
    total_s = np.concatenate([[0.0], np.cumsum(spans[:, 1] - spans[:, 0])])
    before = np.interp(times_s, spans.ravel(), np.repeat(total_s, 2)[1:-1])
    return before[:, 1] - before[:, 0]


def _typical_s(known: Known) -> np.ndarray:
    """Return the typical length (geometric mean) of events of each class, of few near that of all: (classes,)."""
    lengths = np.log(np.maximum(known.times_s[:, 1] - known.times_s[:, 0], 10.0**-TIME_DECIMALS))
    sums, n = (np.bincount(known.class_index, weights, known.n_classes) for weights in (lengths, None))
    return np.exp((sums + LENGTH_PRIOR * lengths.mean()) / (n + LENGTH_PRIOR))


def _shaped(shape: Shape, typical_s: float) -> dict:
    """Return the decision of a class with this shape and plain thresholds."""
    lengths = {
        "smoothing_s": shape.smoothing * typical_s,
        "min_duration_s": shape.shortest * typical_s,
        "gap_s": shape.gap * typical_s,
    }
    return {**presence.PLAIN, "off": shape.off, **{key: float(value) for key, value in lengths.items()}}


def _together(parts: Sequence[Stretches], n_classes: int) -> Stretches:
    """Return the stretches of all recordings, each by its track."""
    columns = [np.concatenate(of) for of in zip(presence.NO_STRETCHES, *parts, strict=True)]
    numbers = np.repeat(np.arange(len(parts)), [len(part.track) for part in parts])
    return Stretches(numbers * n_classes + columns[0], *columns[1:])


def _candidates(known: Known, decisions: presence.Decisions) -> Stretches:
    parts = [presence.candidates(e.scores, e.starts_s, e.window_s, e.duration_s, decisions) for e in known.entries]
    return _together(parts, known.n_classes)


def _all_candidates(known: Known, typical_s: np.ndarray) -> Iterator[tuple[int, Stretches]]:
    """Yield the candidates of every shape, by its place in :data:`SHAPES`."""
    places = {shape: number for number, shape in enumerate(SHAPES)}
    for smoothing in SMOOTHING:
        even = []
        for entry in known.entries:
            n_frames = presence.smoothing_frames(
                smoothing * typical_s, presence.step_of(entry.starts_s, entry.window_s)
            )
            even.append(presence.smoothed_of_classes(entry.scores, n_frames))
        for off in OFF:
            level = np.full(known.n_classes, off)
            parts = [
                presence.stretches(scores, entry.starts_s, entry.window_s, entry.duration_s, level)
                for scores, entry in zip(even, known.entries, strict=True)
            ]
            found = _together(parts, known.n_classes)
            for gap in GAP:
                joined = presence.bridged(found, gap * typical_s[found.track % known.n_classes])
                typical_of = typical_s[joined.track % known.n_classes]
                for shortest in SHORTEST:
                    shape = Shape(smoothing, shortest, gap, off)
                    yield places[shape], presence.long_enough(joined, shortest * typical_of)


def _evidence(known: Known, found: Stretches) -> Evidence:
    """Return what candidates turned out to be, of those that do not lie in unknown sound by half or more."""
    recording = found.track // known.n_classes
    in_unknown_s = np.zeros(len(recording))
    for number, spans in enumerate(known.unknown):
        if len(spans):
            of = slice(*np.searchsorted(recording, [number, number + 1]).tolist())
            in_unknown_s[of] = _within_s(spans, found.times_s[of])
    kept = in_unknown_s < LEAST_SHARE * (found.end_s - found.start_s)
    found, recording = found.where(kept), recording[kept]
    true, other, iou = ranked_hits.overlapping(known.times_s, known.track, found.times_s, found.track)
    hit30, hit50 = (
        ranked_hits.hits(true[allowed], other[allowed], found.peak)
        for allowed in (iou >= least - 1e-9 for least in (0.3, 0.5))
    )
    overlaps = np.zeros(len(recording), bool)
    overlaps[other] = True
    class_index, logits = found.track % known.n_classes, platt.logit(found.peak)
    return Evidence(class_index, recording, found.peak, logits, hit30, hit50, ~overlaps)


def _f1(counts: np.ndarray, n_true: np.ndarray) -> np.ndarray:
    """Return the mean of the F1 at IoU 0.3 and 0.5; ``counts`` (..., 3): detected, and hits at both."""
    return (counts[..., 1] + counts[..., 2]) / np.maximum(counts[..., 0] + n_true, 1)


def _shapes(known: Known, typical_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the place in :data:`SHAPES` of each class's shape, and which classes have their own: (classes,) each."""
    n_folds, n_classes, n_edges = int(known.folds.max()) + 1, known.n_classes, len(EDGES)
    size = (n_folds, n_classes, n_edges)
    counts = np.zeros((len(SHAPES), *size, 3))
    for number, found in _all_candidates(known, typical_s):
        seen = _evidence(known, found)
        at = np.clip(np.searchsorted(EDGES, seen.logit, side="right") - 1, 0, n_edges - 1)
        flat = np.ravel_multi_index((known.folds[seen.recording], seen.class_index, at), size)
        for kind, weights in enumerate((None, seen.hit30, seen.hit50)):
            # How many reach each edge.
            of_bin = np.bincount(flat, weights, int(np.prod(size))).reshape(size)
            counts[number, ..., kind] = of_bin[..., ::-1].cumsum(axis=-1)[..., ::-1]
    n_true = np.zeros((n_folds, n_classes))
    np.add.at(n_true, (known.folds[known.recording], known.class_index), 1)
    f1 = _f1(counts.sum(axis=(1, 2)), n_true.sum()).max(axis=1)
    effort = PLACES[:, :3].sum(axis=1)
    good = np.flatnonzero(f1 >= f1.max() - AS_GOOD)
    common = int(min(good, key=lambda number: (effort[number], -f1[number])))
    price = GAIN_PER_STEP * np.abs(PLACES - PLACES[common]).sum(axis=1)
    best, own = np.full(n_classes, common), np.zeros(n_classes, bool)
    for index in np.flatnonzero(_enough(known)).tolist():
        of_class, true = counts[:, :, index], n_true[:, index]
        gain = _gain(of_class, true, price) - _gain(of_class[[common]], true, price[[common]])
        if gain >= LEAST_GAIN:
            best[index] = int((_f1(of_class.sum(axis=1), true.sum()).max(axis=1) - price).argmax())
            own[index] = best[index] != common
    return best, own


def _gain(counts: np.ndarray, n_true: np.ndarray, price: np.ndarray) -> float:
    """Return the F1 of a class when shape and threshold are chosen on all folds but the one that they are measured on.

    ``counts``: (shapes, folds, edges, 3); ``n_true``: (folds,); ``price``: (shapes,).
    """
    total = np.zeros(3)
    for fold in range(len(n_true)):
        others = counts.sum(axis=1) - counts[:, fold]
        worth = _f1(others, n_true.sum() - n_true[fold]) - price[:, None]
        shape, edge = np.unravel_index(worth.argmax(), worth.shape)
        total += counts[shape, fold, edge]
    return float(_f1(total, n_true.sum()))


def _enough(known: Known) -> np.ndarray:
    """Return which classes have events enough, in recordings enough, to have values of their own: (classes,) bool."""
    n_events = np.bincount(known.class_index, minlength=known.n_classes)
    n_recordings = np.bincount(np.unique(known.track) % known.n_classes, minlength=known.n_classes)
    return (n_events >= LEAST_EVENTS) & (n_recordings >= LEAST_RECORDINGS) & (len(np.unique(known.folds)) > 1)


def _near_common(logits: np.ndarray, right: np.ndarray, class_index: np.ndarray, n_classes: int) -> list[Platt]:
    """Return the map of each class, pulled towards the one of all."""
    common = platt.fit(logits, right)
    of_class = (class_index == index for index in range(n_classes))
    return [platt.fit(logits[rows], right[rows], common) for rows in of_class]


def _segments(
    known: Known, truths: Sequence[Truth], decisions: presence.Decisions, segment_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the logit of each class's highest score in each segment, whether it is there, and which class it is."""
    logits, there, classes = [], [], []
    smoothing_s = presence.column(decisions, "smoothing_s")
    for truth, entry, unknown in zip(truths, known.entries, known.unknown, strict=True):
        edges_s = segments.edges(truth.duration_s, segment_s)
        n_frames = presence.smoothing_frames(smoothing_s, presence.step_of(entry.starts_s, entry.window_s))
        even = presence.smoothed_of_classes(entry.scores, n_frames)
        highest = segments.highest(even, entry.starts_s, entry.window_s, edges_s, LEAST_SHARE)
        present = segments.present(truth.times_s, truth.class_index, known.n_classes, edges_s)
        unsure = _within_s(unknown, np.stack([edges_s[:-1], edges_s[1:]], axis=1)) > 10.0**-TIME_DECIMALS
        kept = present | ~unsure[:, None]
        logits.append(platt.logit(highest)[kept])
        there.append(present[kept])
        classes.append(np.nonzero(kept)[1])
    return np.concatenate(logits), np.concatenate(there), np.concatenate(classes)


def _thresholds(
    known: Known, found: Evidence, maps: Sequence[Platt], kind: str, value: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the score from which each class is detected, whether it is its own, and whether it reaches the aim."""
    n_events = np.bincount(known.class_index, minlength=known.n_classes)
    slope, offset = (np.array(values)[found.class_index] for values in zip(*maps, strict=True))
    certain = slope * found.logit + offset
    pooled, pooled_reached = _cut(found, certain, certain, len(known.track), known.hours.sum(), kind, value)
    on, reached = np.empty(known.n_classes), np.full(known.n_classes, pooled_reached)
    own = _enough(known) if kind != "false_alarms_per_hour" else value * known.hours >= LEAST_ALARMS
    for index, of_event in enumerate(maps):
        rows = found.class_index == index
        of_class, sure = found.where(rows), certain[rows]
        shared = of_event.scores_of(pooled)
        on[index] = shared
        if not own[index]:
            continue
        if kind == "f1":
            fold, true = known.folds[of_class.recording], known.folds[known.recording[known.class_index == index]]
            own[index] = _threshold_gain(of_class, sure, fold, true, shared) >= LEAST_GAIN
        if own[index]:
            on[index], reached[index] = _cut(
                of_class, of_class.logit, sure, int(n_events[index]), float(known.hours[index]), kind, value
            )
    return expit(on), own, reached


def _threshold_gain(
    found: Evidence, certain: np.ndarray, fold: np.ndarray, fold_of_true: np.ndarray, shared: float
) -> float:
    """Return how much more F1 a class has with thresholds of its own, each chosen on the other folds."""
    totals = np.zeros((2, 3))
    for number in np.unique(np.concatenate([fold, fold_of_true])).tolist():
        others = found.where(fold != number)
        n_true = int((fold_of_true != number).sum())
        cut, _ = _cut(others, others.logit, certain[fold != number], n_true, 0.0, "f1", 0.0)
        for row, threshold in enumerate((cut, shared)):
            kept = (fold == number) & (found.logit >= threshold)
            totals[row] += kept.sum(), found.hit30[kept].sum(), found.hit50[kept].sum()
    own, pooled = _f1(totals, np.array(len(fold_of_true)))
    return float(own - pooled)


def _cut(
    found: Evidence, rank: np.ndarray, certain: np.ndarray, n_true: int, hours: float, kind: str, value: float
) -> tuple[float, bool]:
    """Return the rank from which events are kept for an aim, and whether it is reached where it was chosen.

    ``rank``: (events,), what the threshold is of; ``certain``: (events,), the logit of the probability of each.

    - f1: the highest F1, and of equals the fewest events;
    - precision: the most events whose precision is as high as asked for, where the precision of n events is their
      hits and the sum of 10 of their mean probability, by n + 10; where no number has it, the number with the highest;
    - false_alarms_per_hour: the most events with so few false alarms.

    The threshold is midway between the last event that is kept and the next one.
    """
    if not len(rank):
        return 0.0, False
    order = np.argsort(-rank, kind="stable")
    falling, ranked, probability = rank[order], found.where(order), expit(certain[order])
    # Where the threshold can lie: behind n events, but not between equals.
    n = np.flatnonzero(np.concatenate([[True], falling[1:] < falling[:-1], [True]]))
    hit30, hit50, alarms, probable = (
        np.concatenate([[0.0], np.cumsum(values)])[n]
        for values in (ranked.hit30, ranked.hit50, ranked.false_alarm, probability)
    )
    reached = True
    if kind == "f1":
        best = int(_f1(np.stack([n, hit30, hit50], axis=-1), np.array(n_true)).argmax())
    elif kind == "precision":
        precision = (hit30 + PRECISION_PRIOR * probable / np.maximum(n, 1)) / (n + PRECISION_PRIOR)
        enough = np.flatnonzero(precision >= value)
        reached = len(enough) > 0
        best = int(enough[-1] if reached else precision.argmax())
    else:
        best = int(np.flatnonzero(alarms <= value * hours + 1e-9)[-1])
    kept = int(n[best])
    if kept == len(falling):
        return -np.inf, reached
    if kept == 0:
        return float(falling[0]) + 0.5, reached
    return float(falling[kept - 1] + falling[kept]) / 2, reached


def _supported(known: Known, found: Evidence, decisions: presence.Decisions) -> list[dict]:
    """Return of each class what is known of events at its threshold.

    ``probability``: that an event which just reaches ``on`` is real; ``detected``, ``hits``: validation events from
    there on, and how many were real; ``expected_precision``: their share, with the ends of its 95 % interval
    (Wilson), of the class or, with fewer than 10 detected events, of all classes (``precision_of``);
    ``false_alarms_per_hour``: events that overlap none of the class, an hour of sound without it, with the ends of the
    exact interval (Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936).
    """
    kept = found.where(found.peak >= presence.column(decisions, "on")[found.class_index])
    n, hits, alarms = (
        np.bincount(kept.class_index, weights, known.n_classes).astype(int)
        for weights in (None, kept.hit30, kept.false_alarm)
    )
    of_all = _share(int(hits.sum()), int(n.sum()))
    made = []
    for index, decision in enumerate(decisions):
        own = n[index] >= LEAST_DETECTED
        estimate, low, high = _share(int(hits[index]), int(n[index])) if own else of_all
        rate, rate_low, rate_high = _rate(int(alarms[index]), float(known.hours[index]))
        at_least = Platt(decision["slope"], decision["offset"]).logits(platt.logit(decision["on"]))
        made.append(
            {
                "probability": float(expit(at_least)),
                "detected": int(n[index]),
                "hits": int(hits[index]),
                "precision_of": "class" if own else "all",
                "expected_precision": estimate,
                "expected_precision_low": low,
                "expected_precision_high": high,
                "false_alarms_per_hour": rate,
                "false_alarms_per_hour_low": rate_low,
                "false_alarms_per_hour_high": rate_high,
            }
        )
    return made


def _share(hits: int, n: int) -> tuple[float | None, float | None, float | None]:
    if n == 0:
        return None, None, None
    ends = binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
    return hits / n, float(ends.low), float(ends.high)


def _rate(count: int, hours: float) -> tuple[float | None, float | None, float | None]:
    if hours <= 0:
        return None, None, None
    outside = (1 - LEVEL) / 2
    low = chi2.ppf(outside, 2 * count) / 2 if count else 0.0
    return count / hours, float(low / hours), float(chi2.isf(outside, 2 * count + 2) / 2 / hours)
