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
from dawnchorus.metrics import average_precision, bootstrap
from dawnchorus.partitioning import groups

# What detection_segments.csv says of a segment, apart from scores.
SAID = ("present", "unknown")
# What an outcome of detection_events.csv adds to hits, detected and annotated events.
OUTCOMES = {"hit": (1, 1, 1), "false_alarm": (0, 1, 0), "miss": (0, 0, 1)}
# Presence and whether it is known, the scores of both runs, and the recording of each segment.
Segments = tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]


class Tables(NamedTuple):
    """What a run says of its test recordings, and of their segments."""

    recordings: pd.DataFrame
    segments: pd.DataFrame


def compare(
    a: Tables,
    b: Tables,
    annotated: str,
    n_draws: int,
    rng: np.random.Generator,
    events: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> dict:
    """Return the metrics of both runs on the recordings that both have, with the intervals of their differences.

    ``annotated``: ``data.annotated``: of boxes only recall is known. ``metrics`` is as
    :func:`dawnchorus.evaluation.comparison.differences` gives it, ``species`` the same for each species that calls;
    segments are compared where both runs have the same. ``events``: detection_events.csv of both.
    """
    others = set(a.recordings["recording_id"])
    ids = [name for name in b.recordings["recording_id"] if name in others]
    only = {f"only_in_{side}": len(of.recordings) - len(ids) for side, of in (("a", a), ("b", b))}
    if not ids:
        return {"recordings": 0, "groups": 0, "units": groups.RECORDINGS, **only, "metrics": [], "species": []}
    of_a, of_b = (of.recordings.set_index("recording_id").loc[ids] for of in (a, b))
    units = np.array(groups.resampled(of_b["group"].to_list(), ids), dtype=str)
    weights, n_groups = bootstrap.draws(units, n_draws, rng), len(np.unique(units))
    species_ids = comparison.classes_of(a.segments, b.segments)
    segments = _same_segments(a.segments, b.segments, species_ids, ids)

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
        rows.append(comparison.difference(name, in_a, in_b, gains, n_groups, name in measured.LOWER_IS_BETTER))
    species = [] if events is None else by_species(events, ids, species_ids, segments, annotated, units, weights)
    said = {"groups": n_groups, "units": groups.units_of(units.tolist(), ids)}
    return {"recordings": len(ids), **said, **only, "metrics": rows, "species": species}


def by_species(
    events: tuple[pd.DataFrame, pd.DataFrame],
    ids: list[str],
    species_ids: list[str],
    segments: Segments | None,
    annotated: str,
    units: np.ndarray,
    weights: np.ndarray | None,
) -> list[dict]:
    """Return what differs of each species that calls: F1 of events and average precision of segments.

    ``ids``: of the recordings; ``units``: what each is resampled with, ``weights``: (draws, recordings). Where only
    boxes are annotated neither is known, but the recall of events is.
    """
    of_event, value = ("event_f1_iou30", _f1) if annotated == "all" else ("event_recall_iou30", _recall)
    counts = [of_events(table, ids, species_ids) for table in events]
    names = dict(zip(events[1]["species_id"], events[1]["species_name"], strict=True))
    ranked: list[tuple[np.ndarray, np.ndarray | None]] = []
    if segments is not None and annotated == "all":
        present, known, scores, of_segment = segments
        once = np.ones((1, len(present)))
        for of in scores:
            drawn = None
            if weights is not None:
                drawn = average_precision.of_classes(present, of, known, weights[:, of_segment])
            ranked.append((average_precision.of_classes(present, of, known, once)[0], drawn))
    found = []
    for index, species_id in enumerate(species_ids):
        calls = counts[1][:, index, 2]
        if not calls.any():
            continue
        n_groups, rows = len(np.unique(units[calls > 0])), []
        in_a, in_b = (float(value(of[:, index].sum(axis=0)[None])[0]) for of in counts)
        gains = None
        if weights is not None:
            gains = value(weights @ counts[1][:, index]) - value(weights @ counts[0][:, index])
        # Of a species with neither calls nor events in A nothing is known there.
        if not np.isnan(in_a) and not np.isnan(in_b):
            rows.append(comparison.difference(of_event, in_a, in_b, gains, n_groups))
        if ranked and not any(np.isnan(plain[index]) for plain, _ in ranked):
            (plain_a, drawn_a), (plain_b, drawn_b) = ranked
            gains = None if drawn_a is None or drawn_b is None else drawn_b[:, index] - drawn_a[:, index]
            ends = float(plain_a[index]), float(plain_b[index])
            rows.append(comparison.difference("segment_average_precision", *ends, gains, n_groups))
        if not rows:
            continue
        about = {"species_id": species_id, "species": names.get(species_id, species_id), "calls": int(calls.sum())}
        found.append({**about, "metrics": rows})
    return found


def of_events(table: pd.DataFrame, ids: list[str], species_ids: list[str]) -> np.ndarray:
    """Return hits, detected and annotated events of each species in each recording: (recordings, classes, 3).

    ``table``: detection_events.csv; events of sound of which nobody knows what it holds do not count.
    """
    counts = np.zeros((len(ids), len(species_ids), 3))
    recording = {name: number for number, name in enumerate(ids)}
    species = {name: number for number, name in enumerate(species_ids)}
    for name, key, outcome in zip(table["recording_id"], table["species_id"], table["outcome"], strict=True):
        if name in recording and key in species and outcome in OUTCOMES:
            counts[recording[name], species[key]] += OUTCOMES[outcome]
    return counts


def _f1(counts: np.ndarray) -> np.ndarray:
    """Return the F1 of hits, detected and annotated events, (draws, 3); NaN without any."""
    return _ratio(2 * counts[:, 0], counts[:, 1] + counts[:, 2])


def _recall(counts: np.ndarray) -> np.ndarray:
    return _ratio(counts[:, 0], counts[:, 2])


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)


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


def _same_segments(a: pd.DataFrame, b: pd.DataFrame, species_ids: list[str], ids: list[str]) -> Segments | None:
    """Return presence, whether it is known, the scores of both runs and the recording of each segment.

    None where segments differ.
    """
    of_a, of_b = (table[table["recording_id"].isin(ids)] for table in (a, b))
    keys = ["recording_id", "start_s", "end_s"]
    of_a, of_b = (table.sort_values(keys, ignore_index=True) for table in (of_a, of_b))
    if len(of_a) != len(of_b) or not of_a[[*keys, *SAID]].equals(of_b[[*keys, *SAID]]):
        return None
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
