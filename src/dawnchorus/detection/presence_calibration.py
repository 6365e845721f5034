"""How presence becomes events: what is fitted on validation recordings, kept in models/presence_calibration.json."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dawnchorus.detection import presence
from dawnchorus.detection.events import MOST_BYTES, number
from dawnchorus.detection.measured import Truth
from dawnchorus.foundation import archives
from dawnchorus.foundation.errors import InputError
from dawnchorus.metrics import events

LONGEST_S = 3600.0
# What a threshold is expected to be worth, as far as the validation recordings could say.
EXPECTED = ("expected_precision", "expected_precision_low", "expected_precision_high")
LENGTHS, SCORES = ("smoothing_s", "min_duration_s", "gap_s"), ("on", "off")


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


def lines(fitted: dict) -> list[str]:
    """Return what a person wants to know of a calibration."""
    n, of = fitted["annotated_events"], fitted["decisions"]
    if not n:
        return ["no validation recording has a call: scores are taken as they are, with thresholds of 0.5"]
    made = [f"fitted on {n} calls in {fitted['recordings']} validation recordings ({60 * fitted['hours']:.1f} minutes)"]
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
    missed = [key for key, decision in of.items() if not decision["aim_reached"]]
    if missed:
        made.append(f"the aim is not reached for {len(missed)} species: {', '.join(missed[:10])}")
    return made


def read(path: Path, species_ids: Sequence[str]) -> list[dict[str, float]]:
    """Return how each class becomes events, in class order: what was fitted for presence.

    Raises :class:`InputError` for a file that is missing, or made for other classes, or with a value that cannot be.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a file")
        with path.open("rb") as file:
            found = archives.strict_json(file.read(MOST_BYTES))["decisions"]
        made = {
            species_id: {
                **{key: number(of[key], f"decisions.{species_id}.{key}") for key in presence.KEYS},
                **{key: number(of[key], f"decisions.{species_id}.{key}") for key in EXPECTED if of[key] is not None},
            }
            for species_id, of in found.items()
        }
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected what rule presence_calibration makes") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a calibration of presence ({reason}); make it again") from None
    if set(made) != set(species_ids):
        odd = ", ".join(sorted(set(made) ^ set(species_ids)))
        raise InputError(f"{path}: of other classes than the model has ({odd}); make it again")
    for species_id, of in made.items():
        for key in SCORES:
            if not 0 <= of[key] <= 1:
                raise InputError(f"{path}: decisions.{species_id}.{key}: {of[key]:g}; expected a score from 0 to 1")
        for key in LENGTHS:
            if not 0 <= of[key] <= LONGEST_S:
                raise InputError(f"{path}: decisions.{species_id}.{key}: {of[key]:g}; expected 0 to {LONGEST_S:g} s")
    return [made[species_id] for species_id in species_ids]
