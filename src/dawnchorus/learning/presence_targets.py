"""What the annotations say of every frame of a recording: each species present, absent, or unknown.

A frame of presence is ``pool_frames`` frames of features. Frame t of the features is centred at ``t * hop_s``, so frame
j of presence covers the time from ``(j * pool_frames - 1/2) * hop_s`` to ``((j + 1) * pool_frames - 1/2) * hop_s``.
"""

from collections.abc import Iterable, Sequence

import numpy as np

UNKNOWN = -1.0
# Of species_id in a span of unknown content: every species.
EVERY = -1
ROUNDING_S = 1e-9


def frame_edges_s(n_frames: int, hop_s: float, pool_frames: int) -> np.ndarray:
    """Return where the frames of presence begin and end, (n_frames + 1,), of ``n_frames`` frames of presence."""
    return (np.arange(n_frames + 1) * pool_frames - 0.5) * hop_s


def targets(
    times_s: np.ndarray,
    class_index: np.ndarray,
    unknown: Sequence[tuple[float, float, int]],
    n_frames: int,
    hop_s: float,
    pool_frames: int,
    n_classes: int,
    absent_elsewhere: bool,
) -> np.ndarray:
    """Return the target of each frame of presence and class: float32, (n_frames, n_classes).

    It is the share of the frame that an annotation of the class covers, and 1 for the frame in which the middle of an
    annotation lies, so that none is too short; 0 where the class is known to be absent; :data:`UNKNOWN` else.

    ``times_s``: (events, 2), ``class_index``: (events,). ``unknown``: spans (start_s, end_s, class or :data:`EVERY`) of
    which nothing is known; what is annotated in them is present all the same. ``absent_elsewhere``: whether sound
    outside the annotations holds none of the species.
    """
    edges_s = frame_edges_s(n_frames, hop_s, pool_frames)
    made = np.full((n_frames, n_classes), 0.0 if absent_elsewhere else UNKNOWN, np.float32)
    for start_s, end_s, index in unknown:
        first, stop = _touched(edges_s, start_s, end_s)
        made[first:stop, slice(None) if index == EVERY else index] = UNKNOWN
    for (start_s, end_s), index in zip(times_s, class_index, strict=True):
        first, stop = _touched(edges_s, start_s, end_s)
        if first >= stop:
            continue
        covered = np.minimum(edges_s[first + 1 : stop + 1], end_s) - np.maximum(edges_s[first:stop], start_s)
        share = np.clip(covered / (pool_frames * hop_s), 0.0, 1.0)
        middle = int(np.searchsorted(edges_s, (start_s + end_s) / 2, side="right")) - 1
        if first <= middle < stop:
            share[middle - first] = 1.0
        known = made[first:stop, index]
        # A frame that an annotation only touches is not known to be absent in the rest of it, where nothing is known.
        made[first:stop, index] = np.where(known == UNKNOWN, np.where(share >= 0.5, share, UNKNOWN), known + share)
    return np.minimum(made, 1.0)


def absent(spans: Iterable[tuple[float, float, int]], made: np.ndarray, hop_s: float, pool_frames: int) -> np.ndarray:
    """Set the unknown frames of spans (start_s, end_s, class), checked not to hold their class, to 0, in place."""
    edges_s = frame_edges_s(len(made), hop_s, pool_frames)
    for start_s, end_s, index in spans:
        inside = slice(*np.searchsorted(edges_s, [start_s, end_s]))
        column = made[inside.start : max(inside.start, inside.stop - 1), index]
        column[column == UNKNOWN] = 0.0
    return made


def touched(times_s: np.ndarray, n_frames: int, hop_s: float, pool_frames: int) -> np.ndarray:
    """Return which frames of presence the spans ``times_s`` (spans, 2) touch: (n_frames,) bool."""
    edges_s, found = frame_edges_s(n_frames, hop_s, pool_frames), np.zeros(n_frames, bool)
    for start_s, end_s in times_s:
        found[slice(*_touched(edges_s, start_s, end_s))] = True
    return found


def _touched(edges_s: np.ndarray, start_s: float, end_s: float) -> tuple[int, int]:
    """Return [first, stop) of the frames that a span touches."""
    # Times and edges that are meant to be the same differ by rounding.
    first = int(np.searchsorted(edges_s, start_s + ROUNDING_S, side="right")) - 1
    stop = int(np.searchsorted(edges_s, end_s - ROUNDING_S, side="left"))
    return max(0, first), min(len(edges_s) - 1, max(stop, first + 1))
