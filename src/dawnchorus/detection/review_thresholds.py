"""Thresholds that a review found: models/review_thresholds.json, a file of its own beside what the workflow makes.

It holds for one model and one calibration, by their content, and stands above the thresholds of that calibration. The
calibration itself is a product: whoever wrote into it would have a damaged one, which the next run makes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawnchorus.detection.detections import Decision
from dawnchorus.detection.events import MOST_BYTES, number
from dawnchorus.detection.presence_calibration import EXPECTED
from dawnchorus.foundation import archives
from dawnchorus.foundation.errors import InputError, listed, one_line
from dawnchorus.foundation.files import open_regular, sha256_of, write_json

NAME = "review_thresholds.json"
# What is said of a threshold: the score, what precision it was asked for, and what answers say it has.
KEYS = ("threshold", "wanted_precision", *EXPECTED)


def write(folder: Path, model: Path, calibration: Path, species: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write the thresholds of species, :data:`KEYS` and ``answers`` of each, and return where."""
    for path in (model, calibration):
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected the model that found what was reviewed")
    of = {"model": model.name, "model_sha256": sha256_of(model), "calibration_sha256": sha256_of(calibration)}
    write_json(folder / NAME, {**of, "species": species})
    return folder / NAME


def applied(decision: Decision, path: Path, model: Path, calibration: Path) -> Decision:
    """Return a decision with the thresholds of a file in place of its own; of what reads frames when it is of those.

    Thresholds of windows are none of frames, and the other way round: then the decision stays as it is. A file that is
    none, of another model or calibration, or of other species raises :class:`InputError`.
    """
    try:
        with open_regular(path) as file:
            found = archives.strict_json(file.read(MOST_BYTES))
        name, of = found["model"], (found["model_sha256"], found["calibration_sha256"])
        species = {
            str(key): {name: number(said[name], f"species.{key}.{name}") for name in KEYS}
            for key, said in found["species"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not thresholds of a review ({one_line(error, 200)}); write or delete it") from None
    if name != model.name:
        return decision
    if of != (sha256_of(model), sha256_of(calibration)):
        expected = f"those of a review of {model} and {calibration.name}; review what that finds, or delete the file"
        raise InputError(f"{path}: thresholds of another model or calibration; expected {expected}")
    if odd := sorted(species.keys() - set(decision.species_ids)):
        raise InputError(f"{path}: thresholds of species that the model does not know ({listed(odd)})")
    for key, said in species.items():
        if not 0 <= said["threshold"] <= 1:
            raise InputError(f"{path}: species.{key}.threshold: {said['threshold']:g}; expected a score from 0 to 1")
    return decision.with_thresholds(species)
