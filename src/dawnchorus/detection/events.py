"""From window scores to decisions: smoothing, thresholds, and windows merged into events."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dawnchorus.foundation import archives
from dawnchorus.foundation.errors import InputError, listed, one_line

MOST_BYTES = 2**26
# The evaluation looks from 1/20 to 20.
TEMPERATURES = (1e-3, 1e3)


def read_calibration(path: Path, species_ids: Sequence[str]) -> tuple[float, np.ndarray]:
    """Return the temperature and the threshold of each class, in class order, as the evaluation found them.

    Raises :class:`InputError` for a file that is missing, or made for other classes.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a file")
        with path.open("rb") as file:
            found = archives.strict_json(file.read(MOST_BYTES))
        if not isinstance(found, dict):
            raise ValueError("expected an object")
        if not isinstance(found["thresholds"], dict):
            raise ValueError("thresholds: expected an object")
        temperature = number(found["temperature"], "temperature")
        thresholds = {key: number(value, f"thresholds.{key}") for key, value in found["thresholds"].items()}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected the calibration that the evaluation makes") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        expected = '{"temperature": number, "thresholds": {species_id: number}}'
        raise InputError(f"{path}: not a calibration ({one_line(error, 200)}); expected {expected}") from None
    if set(thresholds) != set(species_ids):
        odd = listed(sorted(set(thresholds) ^ set(species_ids)))
        raise InputError(f"{path}: thresholds for other classes than the model has ({odd}); evaluate the model again")
    for key, value in thresholds.items():
        if not 0 <= value <= 1:
            raise InputError(f"{path}: thresholds.{key}: {value:g}; expected a number from 0 to 1")
    low, high = TEMPERATURES
    if not low <= temperature <= high:
        raise InputError(f"{path}: temperature {temperature:g}; expected a number > 0, from {low:g} to {high:g}")
    return temperature, np.array([thresholds[key] for key in species_ids])


def number(found: Any, name: str) -> float:
    """Return a finite number of a file of JSON; anything else raises ValueError, which names it."""
    # A whole number may have more digits than any float.
    if type(found) not in (int, float) or not abs(found) <= sys.float_info.max:
        raise ValueError(f"{name}: {str(found)[:60]!r}, expected a finite number")
    return float(found)


def smoothed(scores: np.ndarray, n_windows: int) -> np.ndarray:
    """Return the mean over ``n_windows`` (odd) windows around each, of as many as there are at the edges."""
    reach = n_windows // 2
    total = np.concatenate([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0, dtype=np.float64)])
    index = np.arange(len(scores))
    low, high = np.maximum(0, index - reach), np.minimum(len(scores), index + reach + 1)
    return scores.copy() if reach == 0 else (total[high] - total[low]) / (high - low)[:, None]


def runs(passes: np.ndarray, starts_s: np.ndarray, window_s: float, gap_s: float) -> list[tuple[int, int]]:
    """Return [first, stop) of the windows of each event: those that pass, and those between them.

    Two windows that pass are of one event when the second starts at most ``gap_s`` after the end of the
    first; so windows that overlap or touch always are.
    """
    found: list[tuple[int, int]] = []
    for index in np.flatnonzero(passes):
        if found and starts_s[index] - (starts_s[found[-1][1] - 1] + window_s) <= gap_s + 1e-9:
            found[-1] = found[-1][0], int(index) + 1
        else:
            found.append((int(index), int(index) + 1))
    return found


def events(
    scores: np.ndarray,
    starts_s: np.ndarray,
    window_s: float,
    duration_s: float,
    thresholds: np.ndarray,
    gap_s: float,
) -> list[dict]:
    """Return the events of one recording, by class and then by time.

    ``scores``: (windows, classes), calibrated and smoothed; ``thresholds``: one a class, a score that reaches
    it passes. An event has ``class_index``, ``start_s`` and ``end_s`` (of its windows, within the recording),
    ``peak_score``, and ``peak_s``, the middle of the window that has it.
    """
    found = []
    for class_index in range(scores.shape[1]):
        column = scores[:, class_index]
        for first, stop in runs(column >= thresholds[class_index], starts_s, window_s, gap_s):
            peak = first + int(column[first:stop].argmax())
            found.append(
                {
                    "class_index": class_index,
                    "start_s": max(0.0, float(starts_s[first])),
                    "end_s": min(duration_s, float(starts_s[stop - 1] + window_s)),
                    "peak_score": float(column[peak]),
                    "peak_s": min(duration_s, max(0.0, float(starts_s[peak] + window_s / 2))),
                }
            )
    return found
