"""Which detected events are hits at every threshold at once.

The sets of detected events that can all be paired with annotated ones are the independent sets of a (transversal)
matroid. So when events are taken from the highest score to the lowest, and each is a hit when the pairs so far can be
rearranged to make one more, then at any threshold the hits above it are as many as an optimal matching of the events
above it has pairs (Edmonds, "Matroids and the greedy algorithm", Mathematical Programming 1, 1971).
"""

import numpy as np

from dawnchorus.metrics.events import TIME_DECIMALS


def overlapping(
    true_s: np.ndarray, true_track: np.ndarray, found_s: np.ndarray, found_track: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which annotated and detected events of one track overlap: positions of both of each pair, and its IoU.

    ``true_s``, ``found_s``: (events, 2), seconds; ``..._track``: (events,) integers, such as the class. Detected events
    are sorted by track and then by time, and disjoint within a track.
    """
    if not len(true_s) or not len(found_s):
        return np.empty(0, int), np.empty(0, int), np.empty(0)
    # All tracks one after the other on one line, far enough apart.
    length_s = 1.0 + max(true_s.max(), found_s.max()) - min(true_s.min(), found_s.min())
    true_at, found_at = true_s + length_s * true_track[:, None], found_s + length_s * found_track[:, None]
    first = np.searchsorted(found_at[:, 1], true_at[:, 0], side="right")
    stop = np.maximum(first, np.searchsorted(found_at[:, 0], true_at[:, 1], side="left"))
    n = stop - first
    true = np.repeat(np.arange(len(true_s)), n)
    found = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + first[true]
    shared_s = np.minimum(true_s[true, 1], found_s[found, 1]) - np.maximum(true_s[true, 0], found_s[found, 0])
    shared_s = np.maximum(shared_s, 0.0).round(TIME_DECIMALS)
    union_s = (true_s[true, 1] - true_s[true, 0]) + (found_s[found, 1] - found_s[found, 0]) - shared_s
    kept = shared_s > 0
    return true[kept], found[kept], shared_s[kept] / union_s[kept]


def hits(true: np.ndarray, found: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return which detected events are hits, at any threshold that they reach: (found,) bool.

    ``true``, ``found``: positions of the events of each pair that may be; ``score``: of every detected event.
    """
    hit = np.zeros(len(score), bool)
    if not len(true):
        return hit
    alone = (np.bincount(true)[true] == 1) & (np.bincount(found)[found] == 1)
    hit[found[alone]] = True
    choices: dict[int, list[int]] = {}
    for one, other in zip(true[~alone].tolist(), found[~alone].tolist(), strict=True):
        choices.setdefault(other, []).append(one)
    taken_by: dict[int, int] = {}
    holds: dict[int, int] = {}
    for event in sorted(choices, key=lambda event: (-score[event], event)):
        hit[event] = _placed(event, choices, taken_by, holds)
    return hit


def _placed(event: int, choices: dict[int, list[int]], taken_by: dict[int, int], holds: dict[int, int]) -> bool:
    """Pair one more detected event by an augmenting path; False, and nothing changes, when there is none.

    ``taken_by``: the detected event of each annotated one that is taken; ``holds``: the same the other way round.
    """
    asked_by: dict[int, int] = {}
    waiting = [event]
    while waiting:
        asking = waiting.pop()
        for one in choices[asking]:
            if one in asked_by:
                continue
            asked_by[one] = asking
            if one in taken_by:
                waiting.append(taken_by[one])
                continue
            # Along the path back each detected event takes what it asked for and leaves what it held.
            free: int | None = one
            while free is not None:
                taker = asked_by[free]
                left = holds.get(taker)
                taken_by[free], holds[taker] = taker, free
                free = left
            return True
    return False
