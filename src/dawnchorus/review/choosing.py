"""Which windows to listen to so that the answers teach most: uncertain ones, unlike each other, of many places.

Of each species the windows whose score says least (the highest entropy: "Active learning literature survey", Settles,
2009, uncertainty sampling) are a pool :data:`POOL` times as large as wanted, and of these the ones are taken that are
least alike (Zhdanov, "Diverse mini-batch active learning", 2019, filters so; the choice is farthest-first, Gonzalez,
"Clustering to minimize the maximum intercluster distance", Theoretical Computer Science 38, 1985). How alike two
windows are is told by the scores of all species in them, the only thing that a run keeps of its sound. The group of
which the fewest are taken is next, and in it the recording of which the fewest are.

What is chosen so is no sample: nothing can be estimated from it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dawnchorus.annotations import reviews
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.seeds import rng
from dawnchorus.metrics.platt import logit
from dawnchorus.review.sampling import allocated, row_of
from dawnchorus.review.windows import Windows
from dawnchorus.tables import cells
from dawnchorus.tables.users import number, read_rows

# The stratum of what was chosen.
CHOSEN = "chosen to teach"
POOL = 10
# Scores beyond say no more, see review.estimates.
LOWEST_SCORE = 1e-4

Heard = dict[tuple[str, str], list[tuple[float, float]]]


def entropy(scores: np.ndarray) -> np.ndarray:
    """Return how much is not known of a call of these probabilities, in bits from 0 to 1."""
    p = np.clip(scores.astype(np.float64), LOWEST_SCORE, 1 - LOWEST_SCORE)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def heard(paths: Iterable[Path]) -> Heard:
    """Return the spans that were answered, by recording and species; a recording by its path, and by its id if that is
    all that a table has.
    """
    found: Heard = {}
    for table in (table for path in paths for table in reviews.tables_of(path)):
        _, rows, _ = read_rows(table, reviews.REQUIRED_COLUMNS, cell=cells.original)
        for row in rows:
            try:
                span = number(row.cells["start_s"]), number(row.cells["end_s"])
            except ValueError:
                raise InputError(str(row.problem("start_s", "a finite number of seconds, as end_s"))) from None
            of = _place(row.cells.get("path", ""), row.cells["recording_id"])
            found.setdefault((of, row.cells["species_id"]), []).append(span)
    return found


def _place(path: str, recording_id: str) -> str:
    return f"path {os.path.abspath(path)}" if path else f"id {recording_id}"


def is_heard(windows: Windows, species_id: str, spans: Heard) -> np.ndarray:
    """Return which windows share some time with an answered span of a species, (windows,) bool."""
    found = np.zeros(len(windows.spans_s), bool)
    for position, (path, recording_id) in enumerate(zip(windows.paths, windows.recording_ids, strict=True)):
        places = _place(path, recording_id), _place("", recording_id)
        of = [span for place in places for span in spans.get((place, species_id), ())]
        if of:
            inside = windows.of_recording == position
            starts_s, ends_s = windows.spans_s[inside].T
            # Spans that only touch, but for the rounding of tables, share none.
            shared = [
                (starts_s < end_s - reviews.SAME_S) & (ends_s > start_s + reviews.SAME_S) for start_s, end_s in of
            ]
            found[inside] = np.any(shared, axis=0)
    return found


def farthest_first(
    points: np.ndarray, uncertainty: np.ndarray, groups: np.ndarray, recordings: np.ndarray, n: int
) -> list[int]:
    """Return the positions of ``n`` of the pool, in the order in which they are chosen.

    ``points`` (pool, values); ``uncertainty``, ``groups``, ``recordings`` (pool,). The first is the most uncertain one
    of all. Of those that are equally far from what was chosen the more uncertain one is taken, then the earlier.
    """
    left = np.ones(len(points), bool)
    distance = np.full(len(points), np.inf)
    of_group, of_recording = np.zeros(groups.max() + 1, int), np.zeros(recordings.max() + 1, int)
    chosen: list[int] = []
    for _ in range(min(n, len(points))):
        open_ = np.flatnonzero(left)
        for counts, of in ((of_group, groups), (of_recording, recordings)):
            taken = counts[of[open_]]
            open_ = open_[taken == taken.min()] if chosen else open_
        best = int(open_[np.lexsort((-uncertainty[open_], -distance[open_]))[0]])
        chosen.append(best)
        left[best] = False
        of_group[groups[best]] += 1
        of_recording[recordings[best]] += 1
        distance = np.minimum(distance, np.linalg.norm(points - points[best], axis=1))
    return chosen


def choice(windows: Windows, size: int, seed: int, species: Sequence[str], spans: Heard) -> list[dict[str, Any]]:
    """Return ``size`` rows of :data:`dawnchorus.tables.definitions.SAMPLE`, as many of each species as there can be.

    ``spans``: of :func:`heard`; what shares time with one of the species is not chosen again. In order of species, and
    of each the clips as they were chosen.
    """
    groups = np.unique(windows.groups, return_inverse=True)[1][windows.of_recording]
    points = logit(np.clip(windows.scores.astype(np.float64), LOWEST_SCORE, 1 - LOWEST_SCORE))
    indices = [windows.species_ids.index(species_id) for species_id in species]
    fresh = [np.flatnonzero(~is_heard(windows, species_id, spans)) for species_id in species]
    shares = allocated(size, np.ones(len(species)), np.array([len(of) for of in fresh], int))
    rows = []
    for species_id, index, of, n in zip(species, indices, fresh, shares, strict=True):
        if not n:
            continue
        # Of windows that are equally uncertain, chance says which are in the pool.
        of = rng(seed, f"review next of {species_id}").permutation(of)
        uncertainty = entropy(windows.scores[of, index])
        pool = of[np.argsort(-uncertainty, kind="stable")[: POOL * int(n)]]
        uncertain = entropy(windows.scores[pool, index])
        for position in farthest_first(points[pool], uncertain, groups[pool], windows.of_recording[pool], int(n)):
            said = {"stratum": CHOSEN, "windows": len(of), "drawn": int(n), "inclusion_probability": math.nan}
            rows.append(row_of(windows, int(pool[position]), index, said, seed))
    return rows


def is_choice(sample: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether the rows of a sample.csv were chosen, and not drawn."""
    return any(row["stratum"] == CHOSEN for row in sample)
