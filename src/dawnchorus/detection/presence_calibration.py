"""How presence becomes events: what is fitted on validation recordings, kept in models/presence_calibration.json."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dawnchorus.detection import presence
from dawnchorus.detection.events import MOST_BYTES, number
from dawnchorus.detection.fusion import ALONE, Fusion
from dawnchorus.detection.measured import Truth
from dawnchorus.foundation import archives
from dawnchorus.foundation.errors import InputError, listed, one_line
from dawnchorus.metrics import events

Taken = TypeVar("Taken")

LONGEST_S = 3600.0
# What a threshold is expected to be worth, as far as the validation recordings could say.
EXPECTED = ("expected_precision", "expected_precision_low", "expected_precision_high")
LENGTHS, SCORES, SLOPES = ("smoothing_s", "min_duration_s", "gap_s"), ("on", "off"), ("slope", "presence_slope")
# How much windows may count beside frames, and how long they may be.
MOST_WEIGHT, LONGEST_WINDOW_S = 10.0, 600.0


def aim_of(params: dict) -> str | dict[str, float]:
    """Return what thresholds are for, as :func:`dawnchorus.detection.presence_fit.fit` takes it, of the block."""
    aim = str(params["aim"])
    return aim if aim == "f1" else {aim: params[aim]}


def unknown_of(truth: Truth, annotated: str) -> list[tuple[float, float]]:
    """Return the spans of a recording in which nobody knows of some species whether it calls.

    ``annotated``: ``data.annotated``; where it is of boxes, nothing is known of what lies outside them.
    """
    spans = truth.unknown_s
    if annotated == "boxes":
        spans = np.concatenate([spans, events.call_free(truth.times_s, truth.duration_s)])
    return [(float(start_s), float(end_s)) for start_s, end_s in spans]


def lines(fitted: dict, parted: bool = False) -> list[str]:
    """Return what a person wants to know of a calibration; ``parted``: on the last parts of training recordings."""
    n, of = fitted["annotated_events"], fitted["decisions"]
    if not n:
        where = "held-back part of a training recording" if parted else "validation recording"
        return [f"no {where} has a call: scores are taken as they are, with thresholds of 0.5"]
    where = "validation recordings"
    if parted:
        where = "training recordings, in their last parts, which presence did not learn from"
    made = [f"fitted on {n} calls in {fitted['recordings']} {where} ({60 * fitted['hours']:.1f} minutes)"]
    if fitted["pooled"]:
        made.append(f"{len(fitted['pooled'])} of {len(of)} species have a threshold of all species together")
    aim = fitted["aim"]
    # One false alarm is more than the aim allows the hours of all species together.
    if "false_alarms_per_hour" in aim and aim["false_alarms_per_hour"] * fitted["hours"] * len(of) < 1:
        minutes, allowed = 60 * fitted["hours"], aim["false_alarms_per_hour"]
        made.append(
            f"{minutes:.1f} minutes are too few to tell {allowed:g} false alarms an hour from none, so none pass, at "
            "the price of calls; presence_calibration.aim: f1 weighs both"
        )
    made += _of_fusion(fitted["fusion"])
    missed = [key for key, decision in of.items() if not decision["aim_reached"]]
    if missed:
        made.append(f"the aim is not reached for {len(missed)} species: {', '.join(missed[:10])}")
    return made


def _of_fusion(fusion: dict) -> list[str]:
    """Return whether windows count beside frames, and what says so; nothing where that was not tried."""
    worth, weight = fusion["segment_average_precision"], f"{fusion['weight']:g}"
    others = [key for key in worth if key != "0"]
    if not others:
        return []
    if fusion["weight"]:
        return [
            f"frames count times what the network that names clips says of the windows around them to the power "
            f"{weight}: cmAP of segments {worth[weight]:.3f}, {worth['0']:.3f} by frames alone"
        ]
    best = max(others, key=lambda key: worth[key])
    return [
        f"frames count alone: with windows of the network that names clips cmAP of segments is {worth[best]:.3f}, "
        f"{worth['0']:.3f} without"
    ]


def read(path: Path, species_ids: Sequence[str]) -> list[dict[str, float]]:
    """Return how each class becomes events, in class order: what was fitted for presence.

    Raises :class:`InputError` for a file that is missing, or made for other classes, or with a value that cannot be.
    """
    made = _read(path, _decisions)
    if set(made) != set(species_ids):
        odd = listed(sorted(set(made) ^ set(species_ids)))
        raise InputError(f"{path}: of other classes than the model has ({odd}); make it again")
    for species_id, of in made.items():
        for key in SCORES:
            if not 0 <= of[key] <= 1:
                raise InputError(f"{path}: decisions.{species_id}.{key}: {of[key]:g}; expected a score from 0 to 1")
        for key in SLOPES:
            if not of[key] > 0:
                raise InputError(f"{path}: decisions.{species_id}.{key}: {of[key]:g}; expected a number > 0")
        for key in LENGTHS:
            if not 0 <= of[key] <= LONGEST_S:
                raise InputError(f"{path}: decisions.{species_id}.{key}: {of[key]:g}; expected 0 to {LONGEST_S:g} s")
    return [made[species_id] for species_id in species_ids]


def read_fusion(path: Path) -> Fusion:
    """Return how much windows of the network that names clips count beside frames; not at all where nothing says so.

    Raises :class:`InputError` as :func:`read` does.
    """
    made = _read(path, _fusion)
    if not 0 <= made.weight <= MOST_WEIGHT:
        raise InputError(f"{path}: fusion.weight: {made.weight:g}; expected 0 to {MOST_WEIGHT:g}")
    for key, length_s in made.windows().items():
        if length_s is not None and not 0 < length_s <= LONGEST_WINDOW_S:
            expected = f"more than 0 and at most {LONGEST_WINDOW_S:g} s"
            raise InputError(f"{path}: fusion.{key}: {length_s:g}; expected {expected}")
    return made


def _read(path: Path, taken: Callable[[Any], Taken]) -> Taken:
    """Return what is taken out of a file; one that it cannot be taken out of raises :class:`InputError`."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a file")
        with path.open("rb") as file:
            return taken(archives.strict_json(file.read(MOST_BYTES)))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected what rule presence_calibration makes") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not a calibration of presence ({one_line(error, 200)}); make it again") from None


def _decisions(found: Any) -> dict[str, dict[str, float]]:
    return {
        species_id: {
            **{key: number(of[key], f"decisions.{species_id}.{key}") for key in presence.KEYS},
            **{key: number(of[key], f"decisions.{species_id}.{key}") for key in EXPECTED if of[key] is not None},
        }
        for species_id, of in found["decisions"].items()
    }


def _fusion(found: Any) -> Fusion:
    if "fusion" not in found:
        return ALONE
    of = found["fusion"]
    lengths_s = (None if of[key] is None else number(of[key], f"fusion.{key}") for key in ("window_s", "step_s"))
    return Fusion(number(of["weight"], "fusion.weight"), *lengths_s)
