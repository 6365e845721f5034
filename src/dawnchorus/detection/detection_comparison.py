"""Whether two runs differ in what they detect in the same whole recordings: paired intervals over groups.

Everywhere: ``a`` and ``b`` are the tables detection_recordings.csv and detection_segments.csv of two runs; a difference
is the value of b minus that of a.
"""

import json
from typing import NamedTuple

import numpy as np
import pandas as pd

from dawnchorus.detection import measured
from dawnchorus.evaluation import comparison
from dawnchorus.metrics import bootstrap
from dawnchorus.partitioning import groups

# What detection_segments.csv says of a segment, apart from scores.
SAID = ("present", "unknown")


class Tables(NamedTuple):
    """What a run says of its test recordings, and of their segments."""

    recordings: pd.DataFrame
    segments: pd.DataFrame


def compare(a: Tables, b: Tables, annotated: str, n_draws: int, rng: np.random.Generator) -> dict:
    """Return the metrics of both runs on the recordings that both have, with the intervals of their differences.

    ``annotated``: ``data.annotated``: of boxes only recall is known. ``metrics`` is as
    :func:`dawnchorus.evaluation.comparison.differences` gives it; segments are compared where both runs have the same.
    """
    ids = [name for name in b.recordings["recording_id"] if name in set(a.recordings["recording_id"])]
    only = {f"only_in_{side}": len(of.recordings) - len(ids) for side, of in (("a", a), ("b", b))}
    if not ids:
        return {"recordings": 0, "groups": 0, **only, "metrics": []}
    of_a, of_b = (of.recordings.set_index("recording_id").loc[ids] for of in (a, b))
    units = np.array(groups.resampled(of_b["group"].to_list(), ids), dtype=str)
    weights, n_groups = bootstrap.draws(units, n_draws, rng), len(np.unique(units))
    segments = _same_segments(a.segments, b.segments, ids)

    def of_both(weights: np.ndarray) -> list[dict[str, np.ndarray]]:
        found = [of_recordings(of, weights) for of in (of_a, of_b)]
        if segments is None:
            return found
        present, known, scores, of_segment = segments
        for of_run, of in zip(found, scores, strict=True):
            of_run |= measured.of_segments(present, known, of, weights[:, of_segment])
            of_run |= measured.of_whole_recordings(present, known, of, of_segment, weights)
        return found

    plain = of_both(np.ones((1, len(ids))))
    drawn = [] if weights is None else of_both(weights)
    known = measured.NAMES if annotated == "all" else measured.KNOWN_OF_BOXES
    rows = []
    for name in known:
        if any(name not in found or np.isnan(found[name][0]) for found in plain):
            continue
        in_a, in_b = (float(found[name][0]) for found in plain)
        gains = drawn[1][name] - drawn[0][name] if drawn else None
        low, high = bootstrap.interval(gains, in_b - in_a, n_groups)
        verdict = "unclear"
        if low is not None and high is not None and (low > 0 or high < 0):
            verdict = "better" if (low > 0) != (name in measured.LOWER_IS_BETTER) else "worse"
        row = {"metric": name, "a": in_a, "b": in_b, "difference": in_b - in_a}
        rows.append(row | {"low": low, "high": high, "verdict": verdict})
    return {"recordings": len(ids), "groups": n_groups, **only, "metrics": rows}


def of_recordings(table: pd.DataFrame, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of events and of false alarms in each draw, (draws,) each.

    ``table``: detection_recordings.csv; ``weights``: (draws, recordings).
    """
    found: dict[str, np.ndarray] = {}
    for name in measured.CRITERIA:
        counts = table[[f"hits_{name}", "detected", "annotated"]].to_numpy()
        found |= measured.of_events(name, counts, weights)
    alarms, free_s = table["call_free_alarms"].to_numpy(), table["call_free_s"].to_numpy()
    return found | {"false_alarms_per_hour": measured.alarm_rate(alarms, free_s, weights)}


def _same_segments(
    a: pd.DataFrame, b: pd.DataFrame, ids: list[str]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray] | None:
    """Return presence, whether it is known, the scores of both runs and the recording of each segment.

    None where segments differ.
    """
    of_a, of_b = (table[table["recording_id"].isin(ids)] for table in (a, b))
    keys = ["recording_id", "start_s", "end_s"]
    of_a, of_b = (table.sort_values(keys, ignore_index=True) for table in (of_a, of_b))
    if len(of_a) != len(of_b) or not of_a[[*keys, *SAID]].equals(of_b[[*keys, *SAID]]):
        return None
    species_ids = comparison.classes_of(of_a, of_b)
    present, known, of_segment = presence(of_b, species_ids, ids)
    return present, known, [comparison.scores_of(of, species_ids) for of in (of_a, of_b)], of_segment


def presence(table: pd.DataFrame, species_ids: list[str], ids: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which species are present in each segment, and of which that is known, (segments, classes) bool each.

    And the position of its recording, (segments,).

    ``table``: detection_segments.csv; ``ids``: of the recordings, in their order.
    """
    position = {name: number for number, name in enumerate(ids)}
    present, unknown = (
        np.array([[key in of for key in species_ids] for of in map(json.loads, table[name])], bool).reshape(
            len(table), len(species_ids)
        )
        for name in SAID
    )
    return present, ~unknown, np.array([position[name] for name in table["recording_id"]], int)
