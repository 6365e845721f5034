"""From a sample and its answers to the tables of a summary, species by species."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dawnchorus.review import estimates
from dawnchorus.review.answers import Answer, agreements, disagreements, merged
from dawnchorus.review.estimates import Curve, Estimate

# Answers without which there is no curve.
FEWEST_ANSWERS = 10
CURVE_AT = (0.01, 0.02, 0.05, *(k / 10 for k in range(1, 10)), 0.95, 0.98, 0.99)


class Clips(NamedTuple):
    """The clips of one species that have an answer: (clips,) each; ``groups``: positions among those of all windows."""

    scores: np.ndarray
    groups: np.ndarray
    detected: np.ndarray
    yes: np.ndarray

    def of(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return score, group and answer of some."""
        return self.scores[chosen], self.groups[chosen], self.yes[chosen]


class Parts(NamedTuple):
    """All windows of one species, in parts that score alike: (parts,) each."""

    scores: np.ndarray
    lowest: np.ndarray
    groups: np.ndarray
    detected: np.ndarray
    windows: np.ndarray

    def of(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return score, group and number of windows of some."""
        return self.scores[chosen], self.groups[chosen], self.windows[chosen]


def summary(
    sample: Sequence[Mapping[str, Any]],
    population: Sequence[Mapping[str, Any]],
    answers: Sequence[Answer],
    precision: float,
    half_width: float,
) -> dict[str, Any]:
    """Return ``species`` and ``groups``, rows of their tables, ``curves`` of each species, ``thresholds`` with what
    they are worth, and who agrees with whom.

    ``precision``: the wanted one, for thresholds; ``half_width``: of the interval of precision that is narrow enough.
    """
    found, disputed = merged(answers), set(disagreements(answers))
    species, groups, curves, thresholds = [], [], {}, {}
    names = {row["species_id"]: row["species_name"] for row in sample}
    for species_id, name in names.items():
        of = [row for row in sample if row["species_id"] == species_id]
        row, rows, curve, precise = _of_species(
            of, [row for row in population if row["species_id"] == species_id], found, precision, half_width
        )
        disputes = sum(row["clip"] in disputed for row in of)
        species.append({"species_id": species_id, "species_name": name, **row, "disagreements": disputes})
        groups += [{"species_id": species_id, **row} for row in rows]
        curves[species_id] = curve
        if precise is not None:
            of_answers = {"answers": row["answered"], "wanted_precision": precision}
            thresholds[species_id] = {
                **{"threshold": row["threshold"], **of_answers},
                **_named("expected_precision", precise),
            }
    return {
        "species": species,
        "groups": groups,
        "curves": curves,
        "thresholds": thresholds,
        "reviewers": sorted({answer.reviewer for answer in answers}),
        "agreement": [_with_none(pair._asdict()) for pair in agreements(answers)],
        "disagreements": sorted(disputed),
        "wanted_precision": precision,
        "wanted_half_width": half_width,
    }


def _of_species(
    sample: Sequence[Mapping],
    population: Sequence[Mapping],
    found: Mapping[str, bool | None],
    wanted: float,
    half: float,
) -> tuple[dict, list[dict], list[dict], Estimate | None]:
    """Return what summary.csv says of a species, its rows of groups.csv, its precision by score, and that from the
    threshold on; None without one.
    """
    names = sorted({row["group"] for row in population})
    number_of = {name: number for number, name in enumerate(names)}
    parts = Parts(
        _column(population, "score"),
        _column(population, "lowest_score"),
        np.array([number_of[row["group"]] for row in population], int),
        _column(population, "detected") == 1,
        _column(population, "windows"),
    )
    heard = [row for row in sample if found.get(row["clip"]) is not None]
    clips = Clips(
        _column(heard, "score"),
        np.array([number_of[row["group"]] for row in heard], int),
        _column(heard, "detected") == 1,
        np.array([found[row["clip"]] for row in heard], bool),
    )
    curve = None
    if len(heard) >= FEWEST_ANSWERS:
        curve = estimates.fit(clips.scores, clips.groups, clips.yes, len(names))
    precise = _precision(sample, heard, found)
    n_detected, heard_detected = int(parts.windows[parts.detected].sum()), int(clips.detected.sum())
    row = {
        **_with_calls(curve, parts, clips, np.ones(len(parts.scores), bool), np.ones(len(heard), bool)),
        "yes": int(clips.yes.sum()),
        "no": int((~clips.yes).sum()),
        "open": sum(row["clip"] in found for row in sample) - len(heard),
        **_named("precision", precise),
        **_named("recall", _recall(curve, parts, clips)),
        "threshold": None,
        "more_answers": estimates.more_answers(precise, heard_detected, n_detected, half),
    }
    groups = [
        {"group": name, **_with_calls(curve, parts, clips, parts.groups == number, clips.groups == number)}
        for number, name in enumerate(names)
    ]
    if curve is None:
        return row, groups, [], None
    all_parts = parts.of(np.ones(len(parts.scores), bool))
    row["threshold"] = estimates.threshold_for(curve, all_parts, parts.lowest, wanted)
    of_groups = np.bincount(parts.groups, weights=parts.windows, minlength=len(names))
    points = [(score, estimates.precision_at(curve, score, of_groups)) for score in CURVE_AT]
    said = [{"score": score, **_named("precision", at)} for score, at in points]
    if row["threshold"] is None:
        return row, groups, said, None
    above, heard_above = parts.lowest >= row["threshold"], clips.scores >= row["threshold"]
    return row, groups, said, estimates.share(curve, estimates.total(curve, parts.of(above), clips.of(heard_above)))


def _precision(
    sample: Iterable[Mapping], heard: Iterable[Mapping], found: Mapping[str, bool | None]
) -> Estimate | None:
    """Return the precision of what was detected, by the strata it was drawn from."""
    sizes = {row["stratum"]: row["windows"] for row in sample if row["detected"]}
    answered, yes = dict.fromkeys(sizes, 0), dict.fromkeys(sizes, 0)
    for row in heard:
        if row["detected"]:
            answered[row["stratum"]] += 1
            yes[row["stratum"]] += bool(found[row["clip"]])
    return estimates.stratified(*(np.array(list(of.values())) for of in (sizes, answered, yes)))


def _recall(curve: Curve | None, parts: Parts, clips: Clips) -> Estimate | None:
    """Return which share of windows with calls was detected; None where nobody heard windows without detections."""
    if curve is None or clips.detected.all():
        return None
    in_detected, in_others = (
        estimates.total(curve, parts.of(of), clips.of(heard))
        for of, heard in ((parts.detected, clips.detected), (~parts.detected, ~clips.detected))
    )
    return estimates.recall(curve, in_detected, in_others)


def _with_calls(curve: Curve | None, parts: Parts, clips: Clips, of: np.ndarray, heard: np.ndarray) -> dict:
    """Return the columns of windows with calls; empty without a curve, and where no window of these was answered."""
    n = int(parts.windows[of].sum())
    found = None
    if curve is not None and heard.any():
        found = estimates.share(curve, estimates.total(curve, parts.of(of), clips.of(heard)))
        found = Estimate(*(n * value for value in found))
    return {
        "windows": n,
        "windows_detected": int(parts.windows[of & parts.detected].sum()),
        "answered": int(heard.sum()),
        **_named("windows_with_calls", found),
    }


def _column(rows: Iterable[Mapping], key: str) -> np.ndarray:
    return np.array([row[key] for row in rows], np.float64)


def _named(name: str, found: Estimate | None) -> dict[str, float | None]:
    value, low, high = found or (None, None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _with_none(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON says it: nothing where a number is not defined."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
