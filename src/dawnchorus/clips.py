"""Which stretch of a recording is cut for each annotation: numbers in, numbers out, all in seconds."""

import math
from collections.abc import Iterable, Sequence
from statistics import median_low

from dawnchorus.errors import InputError

Span = tuple[float, float]


def spans(annotations: Sequence[Span], duration_s: float, params: dict) -> list[Span]:
    """Return the clip of each annotation (t_min_s, t_max_s) of one recording, in the same order.

    ``params`` is the block ``features``. Its ``clip`` is ``annotation`` (the clip is the annotation) or
    ``window`` (``window_s`` around the annotation's centre, with ``jitter_s`` more on both sides).
    """
    if params["clip"] == "annotation":
        return list(annotations)
    if params["clip"] == "window":
        length_s = params["window_s"] + 2 * params["jitter_s"]
        return [centred(annotation, duration_s, length_s) for annotation in annotations]
    raise InputError(f"features.clip: {params['clip']!r}: expected annotation or window")


def centred(span: Span, duration_s: float, length_s: float) -> Span:
    """Return ``length_s`` around the middle of a span, shifted (never padded) to lie in [0, ``duration_s``].

    A recording shorter than ``length_s`` is returned whole. Of two lengths around one span the longer holds
    the shorter: ``centred(annotation, duration_s, window_s)`` lies in the clip that has a margin for jitter.
    """
    if duration_s <= length_s:
        return 0.0, duration_s
    start_s = min(max(0.0, (span[0] + span[1] - length_s) / 2), duration_s - length_s)
    return start_s, min(start_s + length_s, duration_s)


def context(annotations: Sequence[Span], duration_s: float, shortest_s: float, params: dict) -> list[Span]:
    """Return the clips of one recording that hold no annotation, for the control `context only`, in order.

    Up to ``context_clips`` of the block ``features``, and no more than there are annotations. They keep
    ``context_gap_s`` away from every annotation, and are as long as what they stand for: a ``window`` as long
    as the windows are, else the median (the lower of two) of the annotations' own lengths, ``shortest_s`` at
    least.
    """
    n = min(params["context_clips"], len(annotations))
    if n == 0:
        return []
    if params["clip"] == "window":
        length_s = params["window_s"] + 2 * params["jitter_s"]
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
