"""Which stretch of a recording is cut for each annotation: numbers in, numbers out, all in seconds."""

import math
from collections.abc import Iterable, Sequence
from statistics import median_low

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound.spans import Span

# The longest clip is far from the others where it is so many times as long as what this share of the clips fit into.
_FAR, WHOLE_SHARE = 2, 0.98


def length_without_outliers(lengths: Iterable[float]) -> float | None:
    """Return a length that :data:`WHOLE_SHARE` of the clips fit into; None where the longest is not far above it."""
    ordered = sorted(lengths)
    usual = ordered[math.ceil(WHOLE_SHARE * len(ordered)) - 1]
    return usual if ordered[-1] > _FAR * usual else None


def spans(annotations: Sequence[Span], duration_s: float, params: dict) -> list[Span]:
    """Return the clip of each annotation (t_min_s, t_max_s) of one recording, in the same order.

    ``params`` is the block ``features``. Its ``clip`` is ``annotation`` (the clip is the annotation) or
    ``window`` (``window_s`` around the annotation's centre).
    """
    if params["clip"] == "annotation":
        return list(annotations)
    if params["clip"] == "window":
        return [centred(annotation, duration_s, params["window_s"]) for annotation in annotations]
    raise InputError(f"features.clip: {params['clip']!r}: expected annotation or window")


def margins(annotations: Sequence[Span], duration_s: float, params: dict) -> list[Span]:
    """Return the window of each annotation with ``jitter_s`` more on both sides; nothing where windows do not jitter.

    Training draws a window from this stretch in each epoch.
    """
    if params["clip"] != "window" or params["jitter_s"] == 0:
        return []
    length_s = params["window_s"] + 2 * params["jitter_s"]
    return [centred(annotation, duration_s, length_s) for annotation in annotations]


def jitter(annotation: Span, margin: Span, params: dict) -> Span:
    """Return the earliest and the latest start of a window within its ``margin``, from the margin's own start.

    Up to ``jitter_s`` to both sides of where the window lies around its annotation, and never so far that it loses
    a part of the annotation that it holds there (at an edge of the recording a window does not lie in the middle).
    """
    window_s, jitter_s = params["window_s"], params["jitter_s"]
    (low_s, high_s), (t_min_s, t_max_s) = margin, annotation
    latest_s = max(low_s, high_s - window_s)
    start_s = min(max(low_s, (t_min_s + t_max_s - window_s) / 2), latest_s)
    # Between these two starts a window holds as much of the annotation as any window can.
    one_s, other_s = sorted((t_min_s, t_max_s - window_s))
    first_s = max(low_s, start_s - jitter_s, min(start_s, one_s))
    last_s = min(latest_s, start_s + jitter_s, max(start_s, other_s))
    return first_s - low_s, last_s - low_s


def centred(span: Span, duration_s: float, length_s: float) -> Span:
    """Return ``length_s`` around the middle of a span, shifted (never padded) to lie in [0, ``duration_s``].

    A recording shorter than ``length_s`` is returned whole. Of two lengths around one span the longer holds
    the shorter: a window lies in its margin.
    """
    if duration_s <= length_s:
        return 0.0, duration_s
    start_s = min(max(0.0, (span[0] + span[1] - length_s) / 2), duration_s - length_s)
    return start_s, min(start_s + length_s, duration_s)


def context(annotations: Sequence[Span], duration_s: float, shortest_s: float, params: dict) -> list[Span]:
    """Return the clips of one recording that hold no annotation, for the baseline `context only`, in order.

    Up to ``context_clips`` of the block ``features``, and no more than there are annotations. They keep
    ``context_gap_s`` away from every annotation, and are as long as what they stand for: a ``window`` as long
    as the windows are, else the median (the lower of two) of the annotations' own lengths, ``shortest_s`` at
    least.
    """
    n = min(params["context_clips"], len(annotations))
    if n == 0:
        return []
    if params["clip"] == "window":
        length_s = params["window_s"]
    else:
        length_s = max(shortest_s, median_low(t_max_s - t_min_s for t_min_s, t_max_s in annotations))
    return context_spans(annotations, duration_s, length_s, params["context_gap_s"], n)


def free_stretches(annotations: Iterable[Span], duration_s: float, gap_s: float) -> list[Span]:
    """Return, in order, what of [0, ``duration_s``] is at least ``gap_s`` away from every annotation."""
    free, end_s = [], 0.0
    for t_min_s, t_max_s in sorted(annotations):
        if t_min_s - gap_s > end_s:
            free.append((end_s, min(t_min_s - gap_s, duration_s)))
        end_s = max(end_s, t_max_s + gap_s)
        if end_s >= duration_s:
            return free
    return [*free, (end_s, duration_s)]


def context_spans(annotations: Iterable[Span], duration_s: float, length_s: float, gap_s: float, n: int) -> list[Span]:
    """Return up to ``n`` spans of ``length_s`` at least ``gap_s`` away from every annotation, in order.

    They never overlap and are spread evenly over the free sound; the same input gives the same spans. Where
    there is room for fewer than ``n``, all that fit are returned.
    """
    slots = []
    for start_s, stop_s in free_stretches(annotations, duration_s, gap_s):
        n_slots = math.floor((stop_s - start_s) / length_s)
        for slot in range(n_slots):
            slack_s = (stop_s - start_s) / n_slots - length_s
            slot_s = start_s + slot * (length_s + slack_s) + slack_s / 2
            slots.append((slot_s, slot_s + length_s))
    n = min(n, len(slots))
    return [slots[(2 * index + 1) * len(slots) // (2 * n)] for index in range(n)]
