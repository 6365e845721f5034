"""Which windows to listen to: a stratified random sample of each species, with the inclusion probability of each.

Strata of a species are what the run detected, the lower and the upper half by score, and what it did not detect, cut at
the quantiles 3/4 and 15/16 of its scores: windows are dense where scores are low, and calls are where they are high
(Navine et al., "All thresholds barred: direct estimation of call density in bioacoustic data", Frontiers in Bird
Science 3, 2024, bin by halves for the same reason). Within each, every group is heard alike often, where there is room
for two windows of each; else the stratum is drawn from as a whole. Cochran, "Sampling Techniques", 1977, chapter 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dawnchorus.foundation.seeds import rng
from dawnchorus.metrics.platt import logit
from dawnchorus.review.windows import Windows

CUTS_UNDETECTED, CUTS_DETECTED = (3 / 4, 15 / 16), (1 / 2,)
NAMES = ("undetected, low", "undetected, middle", "undetected, high", "detected, low", "detected, high")
# Of the sample: what lies just below a threshold says most of what was missed, and so of how many calls there are.
SHARES = np.array([0.15, 0.25, 0.3, 0.15, 0.15])
FEWEST_OF_A_GROUP = 2
# Windows of one group are told to the summary in so many parts of equal size, by score.
PARTS = 50


class Drawn(NamedTuple):
    """A sample of one species: positions of windows, and of each the stratum, its size and how many were drawn."""

    positions: np.ndarray
    strata: list[str]
    windows: np.ndarray
    drawn: np.ndarray


def strata(scores: np.ndarray, detected: np.ndarray) -> np.ndarray:
    """Return the position in :data:`NAMES` of each window, (windows,) int."""
    found = np.zeros(len(scores), int)
    for of, cuts, first in ((~detected, CUTS_UNDETECTED, 0), (detected, CUTS_DETECTED, len(CUTS_UNDETECTED) + 1)):
        if of.any():
            found[of] = first + np.searchsorted(np.quantile(scores[of], cuts), scores[of], side="right")
    return found


def allocated(total: int, shares: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return how many to draw of each: by ``shares``, at most ``sizes``; what one lacks goes to the others."""
    found = np.zeros(len(sizes), int)
    total = min(total, int(sizes.sum()))
    while found.sum() < total:
        is_open, left = found < sizes, total - found.sum()
        wanted = left * np.where(is_open, shares, 0) / shares[is_open].sum()
        added = np.minimum(np.floor(wanted).astype(int), sizes - found)
        if not added.any():
            # The largest remainders, one each.
            order = np.lexsort((np.arange(len(sizes)), -wanted))
            added[[k for k in order if is_open[k]][:left]] = 1
        found += added
    return found


def draw(
    scores: np.ndarray, detected: np.ndarray, groups: np.ndarray, size: int, generator: np.random.Generator
) -> Drawn:
    """Return a sample of ``size`` windows of one species, or of all there are; ``groups`` (windows,) int."""
    of = strata(scores, detected)
    sizes = np.bincount(of, minlength=len(NAMES))
    positions, names, n_windows, n_drawn = [], [], [], []
    for number, n in enumerate(allocated(size, SHARES, sizes)):
        inside = np.flatnonzero(of == number)
        present = np.unique(groups[inside])
        is_divided = n >= FEWEST_OF_A_GROUP * len(present)
        cells = [inside[groups[inside] == group] for group in present] if is_divided else [inside]
        counts = allocated(int(n), np.ones(len(cells)), np.array([len(cell) for cell in cells], int))
        for k, (cell, count) in enumerate(zip(cells, counts, strict=True)):
            positions.append(np.sort(generator.choice(cell, count, replace=False)))
            names += [f"{NAMES[number]} {k + 1}" if is_divided else NAMES[number]] * count
            n_windows += [len(cell)] * count
            n_drawn += [count] * count
    return Drawn(np.concatenate(positions), names, np.array(n_windows, int), np.array(n_drawn, int))


def sample(windows: Windows, size: int, seed: int, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of :data:`dawnchorus.tables.definitions.SAMPLE`: species by species, each in a random order."""
    groups = np.unique(windows.groups, return_inverse=True)[1][windows.of_recording]
    rows = []
    for index, species_id in enumerate(windows.species_ids):
        if species_id not in chosen:
            continue
        generator = rng(seed, f"review sample of {species_id}")
        found = draw(windows.scores[:, index], windows.detected[:, index], groups, size, generator)
        for k in generator.permutation(len(found.positions)):
            said = {
                "stratum": found.strata[k],
                "windows": int(found.windows[k]),
                "drawn": int(found.drawn[k]),
                "inclusion_probability": float(found.drawn[k] / found.windows[k]),
            }
            rows.append(row_of(windows, int(found.positions[k]), index, said, seed))
    return rows


def row_of(windows: Windows, position: int, index: int, said: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return a row of sample.csv: a window, the species at an index, and what is ``said`` of the draw."""
    recording = windows.of_recording[position]
    start_s, end_s = (round(float(time_s), 6) for time_s in windows.spans_s[position])
    row = {
        "path": windows.paths[recording],
        "recording_id": windows.recording_ids[recording],
        "start_s": start_s,
        "end_s": end_s,
        "species_id": windows.species_ids[index],
        "species_name": windows.species_names[index],
        "group": windows.groups[recording],
        "score": float(windows.scores[position, index]),
        "detected": int(windows.detected[position, index]),
        **said,
    }
    return {"clip": name_of(row, seed), **row}


def name_of(row: Mapping[str, Any], seed: int) -> str:
    """Return what a clip is called: no clip of another run, window, species or seed is called so."""
    said = "\n".join(str(row[key]) for key in ("path", "start_s", "end_s", "species_id", "score", "stratum", "drawn"))
    return hashlib.sha256(f"{seed}\n{said}".encode()).hexdigest()[:16]


def population(windows: Windows, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of :data:`dawnchorus.tables.definitions.POPULATION`: all windows, in parts that score alike."""
    rows = []
    groups = np.array(windows.groups, object)[windows.of_recording]
    for index, species_id in enumerate(windows.species_ids):
        if species_id not in chosen:
            continue
        scores, detected = windows.scores[:, index].astype(np.float64), windows.detected[:, index]
        for group in sorted(set(windows.groups)):
            for is_detected in (0, 1):
                of = np.sort(scores[(groups == group) & (detected == is_detected)])
                for part in np.array_split(of, min(PARTS, len(of))) if len(of) else ():
                    rows.append(
                        {
                            "species_id": species_id,
                            "group": group,
                            "detected": is_detected,
                            "lowest_score": float(part[0]),
                            "score": float(1 / (1 + np.exp(-logit(part).mean()))),
                            "windows": len(part),
                        }
                    )
    return rows
