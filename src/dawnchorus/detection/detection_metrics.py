"""The tables and numbers of stage detection_metrics: detections in held-out recordings, and baselines beside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dawnchorus.detection import detection_baselines, detections, measured
from dawnchorus.detection.measured import HIT, Answer, Measured, Truth
from dawnchorus.evaluation import summary
from dawnchorus.foundation.seeds import rng
from dawnchorus.metrics import average_precision, bootstrap, calibration, classification, segments
from dawnchorus.metrics import events as event_metrics
from dawnchorus.partitioning import groups, held_back
from dawnchorus.tables.definitions import SCORES

if TYPE_CHECKING:
    import pandas as pd

    from dawnchorus.detection.score_store import Entry

HELD_OUT = ("validation", "test")
CURVE_POINTS = 200
REASONS = {
    "boxes": "data.annotated is boxes: what lies outside them may be a call, so no detection there can be called false",
    "none": "no recording has all its annotations in the test partition",
}


class Detector(NamedTuple):
    """What detects: its name, its scores of the held-out recordings, and how events are made of them."""

    name: str
    entries: Sequence[Entry]
    decision: detections.Decision


@dataclass(frozen=True)
class Results:
    """``tables`` by the name of their file, without ending; the content of the metrics; and lines that sum it up."""

    tables: dict[str, list[dict]]
    metrics: dict
    lines: list[str]


def truths(
    entries: Iterable[Entry],
    held_out: Sequence[dict],
    rows: pd.DataFrame,
    unknown: Sequence[dict],
    species_ids: Sequence[str],
) -> dict[str, list[Truth]]:
    """Return what is annotated, and what is unknown, in the scored recordings of each partition.

    ``held_out``: recording_id, group and partition of the recordings; ``rows``: recording_id, class_index, t_min_s,
    t_max_s of the annotations; ``unknown``: the rows of unknown.csv. What was learned from in a training recording is
    unknown and its events are left out: only its last part validates (:mod:`dawnchorus.partitioning.held_back`).
    """
    class_of = {"": measured.EVERY, **{species_id: number for number, species_id in enumerate(species_ids)}}
    spans: dict[str, list[dict]] = {}
    for row in unknown:
        spans.setdefault(row["recording_id"], []).append(row)
    of_recording = dict(list(rows.groupby("recording_id", sort=False)))
    about = {row["recording_id"]: row for row in held_out}
    found: dict[str, list[Truth]] = {name: [] for name in ("train", *HELD_OUT)}
    for entry in entries:
        row, name = about[entry.recording_id], entry.recording_id
        of = of_recording.get(name, rows.iloc[:0])
        times_s, index = of[["t_min_s", "t_max_s"]].to_numpy(float), of["class_index"].to_numpy(int)
        unknown_s = [(span["t_min_s"], span["t_max_s"]) for span in spans.get(name, ())]
        unknown_class = [class_of[span["species_id"]] for span in spans.get(name, ())]
        if row["partition"] == "train":
            learned = held_back.learned_s(entry.duration_s)
            unknown_s.append(learned)
            unknown_class.append(measured.EVERY)
            unseen = times_s.mean(axis=1) > learned[1]
            times_s, index = times_s[unseen], index[unseen]
        not_known = np.array(unknown_s, float).reshape(-1, 2), np.array(unknown_class, int)
        found[row["partition"]].append(Truth(name, row["group"], entry.duration_s, times_s, index, *not_known))
    return found


def answer_of(entry: Entry, decision: detections.Decision) -> Answer:
    """Return what the model says of a recording, as its users get it."""
    found = detections.events_of(entry, decision)
    index = {species_id: number for number, species_id in enumerate(decision.species_ids)}
    return Answer(
        np.array([(event["start_s"], event["end_s"]) for event in found], float).reshape(-1, 2),
        np.array([index[event["species_id"]] for event in found], int),
        np.array([event["peak_score"] for event in found], float),
        decision.tracks(entry),
        entry.starts_s,
        entry.window_s,
    )


def results(
    detectors: Sequence[Detector],
    of_energy: Sequence[Entry],
    held_out: Sequence[dict],
    rows: pd.DataFrame,
    unknown: Sequence[dict],
    params: dict,
) -> Results:
    """Measure the first of the detectors in the held-out recordings, and set the others and baselines beside it.

    ``of_energy``: scores of the same recordings as those of the detectors; ``held_out``, ``rows``, ``unknown``: as
    :func:`truths` takes them; ``params``: seed, and the blocks ``evaluation``, ``detection_metrics`` and ``data``.
    """
    (model_name, of_model, decision), *others = detectors
    annotated, block = params["data"]["annotated"], params["detection_metrics"]
    n_classes = len(decision.species_ids)
    truth = truths(of_model, held_out, rows, unknown, decision.species_ids)
    by_id = {entry.recording_id: answer_of(entry, decision) for entry in of_model}
    answers = {name: [by_id[of.recording_id] for of in truth[name]] for name in HELD_OUT}
    counted = {name: measured.measure(truth[name], answers[name], n_classes, block["segment_s"]) for name in HELD_OUT}

    test = truth["test"]
    units = np.array(groups.resampled([of.group for of in test], [of.recording_id for of in test]), dtype=str)
    n_groups = len(np.unique(units))
    weights = bootstrap.draws(units, params["evaluation"]["bootstrap_draws"], rng(params["seed"], "detections"))
    table = calibration.reliability_of_presence(
        counted["test"].present[counted["test"].known],
        counted["test"].scores[counted["test"].known],
        params["evaluation"]["calibration_bins"],
    )
    metrics: dict = {name: _metrics(counted[name], None, 0, annotated) for name in HELD_OUT}
    metrics["test"] = _metrics(counted["test"], weights, n_groups, annotated)
    metrics["test"]["units"] = groups.units_of(units.tolist(), [of.recording_id for of in test])
    metrics["test"]["presence_calibration_error"] = calibration.expected_error(table) if annotated == "all" else None
    metrics["left_out"] = sum(row["partition"] == groups.MIXED for row in held_out)
    metrics["why_unknown"] = REASONS["none"] if not test else REASONS["boxes"] if annotated == "boxes" else None

    energy = {entry.recording_id: entry for entry in of_energy}
    beside = {
        other.name: [answer_of(entry, other.decision) for entry in _in_order(other.entries, test)] for other in others
    }
    beside |= detection_baselines.answers(truth, energy, held_out, rows, n_classes, params["seed"])
    baselines = [{"model": model_name, "recordings": len(test), "groups": n_groups, **_only(metrics["test"])}]
    for name, given in beside.items():
        of = measured.measure(test, given, n_classes, block["segment_s"])
        values = measured.with_intervals(of, weights, n_groups, annotated)
        baselines.append({"model": name, "recordings": len(test), "groups": n_groups, **values})
    known = annotated == "all"
    tables = {
        "detection_per_class": per_class(counted["test"], decision, known, units, weights),
        "detection_events": [
            row
            for of, answer in zip(test, answers["test"], strict=True)
            for row in outcomes(of, answer, decision, known)
        ],
        "detection_recordings": recordings(test, counted["test"]),
        "detection_segments": of_segments(test, counted["test"], decision.species_ids),
        "detection_curves": curves(counted["test"], decision) if known else [],
        "detection_reliability": table.rename(columns={"accuracy": "present"}).to_dict("records") if known else [],
        "detection_baselines": baselines,
    }
    return Results(tables, metrics, lines(metrics, baselines))


def _in_order(entries: Iterable[Entry], truth: Sequence[Truth]) -> list[Entry]:
    by_id = {entry.recording_id: entry for entry in entries}
    return [by_id[of.recording_id] for of in truth]


def _metrics(counted: Measured, weights: np.ndarray | None, n_groups: int, annotated: str) -> dict:
    values = measured.with_intervals(counted, weights, n_groups, annotated)
    if weights is None and not n_groups:
        values = {name: values[name] for name in measured.NAMES}
    return {
        "recordings": len(counted.durations_s),
        "groups": n_groups,
        "hours": float(counted.durations_s.sum() / measured.SECONDS_PER_HOUR),
        "call_free_hours": float(counted.call_free_s.sum() / measured.SECONDS_PER_HOUR) if annotated == "all" else None,
        "annotated_events": int(counted.annotated.sum()),
        "detected_events": int(counted.detected.sum()),
        **values,
    }


def _only(values: dict) -> dict:
    return {name + end: values.get(name + end) for name in measured.NAMES for end in ("", "_low", "_high")}


def per_class(
    counted: Measured,
    decision: detections.Decision,
    known: bool,
    units: np.ndarray,
    weights: np.ndarray | None,
) -> list[dict]:
    """Return the rows of detection_per_class.csv.

    ``known``: whether all calls are annotated; ``units``: what each recording is resampled with, ``weights``: (draws,
    recordings).
    """
    once = np.ones((1, len(counted.durations_s)))
    ranked = average_precision.with_intervals(
        counted.present,
        counted.scores,
        counted.known,
        units[counted.of_segment],
        None if weights is None else weights[:, counted.of_segment],
    )
    annotated, detected = counted.annotated.sum(axis=0), counted.detected.sum(axis=0)
    rates = {name: event_metrics.rates(hits.sum(axis=0), detected, annotated) for name, hits in counted.hits.items()}
    made = []
    for index, (species_id, name) in enumerate(zip(decision.species_ids, decision.species_names, strict=True)):
        of = counted.known[:, index]
        _, area = classification.average_precision_and_roc_auc(
            counted.present[of, index], counted.scores[of, index], np.ones((1, of.sum()))
        )
        uncertain = {
            "precision": rates[HIT].precision[index],
            "f1": rates[HIT].f1[index],
            "f1_iou50": rates["iou50"].f1[index],
            "f1_overlap": rates["overlap"].f1[index],
            "segment_average_precision": ranked[index, 0],
            "segment_average_precision_low": ranked[index, 1],
            "segment_average_precision_high": ranked[index, 2],
            "segment_roc_auc": area[0],
            "psds": measured.areas(counted, index, once)[0],
        }
        made.append(
            {"species_id": species_id, "species_name": name, "annotated": annotated[index], "detected": detected[index]}
            | {key: value if known else None for key, value in uncertain.items()}
            | {"recall": rates[HIT].recall[index], "threshold": float(decision.thresholds[index])}
            | decision.expected(index)
        )
    return made


def outcomes(truth: Truth, answer: Answer, decision: detections.Decision, known: bool) -> list[dict]:
    """Return what became of every annotated and detected event of a recording, in order of time."""
    free, counts, made = measured.in_call_free(truth, answer.times_s), measured.counting(truth, answer), []
    for index, (species_id, name) in enumerate(zip(decision.species_ids, decision.species_names, strict=True)):
        true, found = (np.flatnonzero(of.class_index == index) for of in (truth, answer))
        pairs = event_metrics.matched(truth.times_s[true], answer.times_s[found], measured.CRITERIA[HIT])
        about = {"recording_id": truth.recording_id, "species_id": species_id, "species_name": name}
        hit_of = dict(zip(pairs.found.tolist(), zip(pairs.true.tolist(), pairs.iou.tolist(), strict=True), strict=True))
        for number, position in enumerate(found):
            event = {"start_s": answer.times_s[position, 0], "end_s": answer.times_s[position, 1]}
            event |= {"score": answer.score[position], "call_free": int(free[position]) if known else None}
            if number in hit_of:
                t_min_s, t_max_s = truth.times_s[true[hit_of[number][0]]]
                event |= {"outcome": "hit", "t_min_s": t_min_s, "t_max_s": t_max_s, "iou": hit_of[number][1]}
            else:
                outcome = "false_alarm" if known and counts[position] else "unknown"
                event |= {"outcome": outcome, "t_min_s": None, "t_max_s": None, "iou": None}
            made.append({**about, **event})
        for number, position in enumerate(true):
            if number not in set(pairs.true.tolist()):
                t_min_s, t_max_s = truth.times_s[position]
                overlaps = (answer.starts_s < t_max_s) & (answer.starts_s + answer.window_s > t_min_s)
                score = answer.scores[overlaps, index].max(initial=0.0)
                event = {"outcome": "miss", "t_min_s": t_min_s, "t_max_s": t_max_s, "score": float(score)}
                made.append({**about, **event, "start_s": None, "end_s": None, "iou": None, "call_free": None})
    return sorted(made, key=lambda row: (_onset_s(row), row["species_id"], row["outcome"]))


def _onset_s(row: dict) -> float:
    return row["t_min_s"] if row["start_s"] is None else row["start_s"]


def recordings(truth: Sequence[Truth], counted: Measured) -> list[dict]:
    """Return the rows of detection_recordings.csv: what intervals and comparisons are drawn from."""
    return [
        {
            "recording_id": of.recording_id,
            "group": of.group,
            "duration_s": of.duration_s,
            "call_free_s": counted.call_free_s[number],
            "annotated": counted.annotated[number].sum(),
            "detected": counted.detected[number].sum(),
            **{f"hits_{name}": hits[number].sum() for name, hits in counted.hits.items()},
            "call_free_alarms": counted.call_free_alarms[number],
        }
        for number, of in enumerate(truth)
    ]


def of_segments(truth: Sequence[Truth], counted: Measured, species_ids: Sequence[str]) -> list[dict]:
    """Return the rows of detection_segments.csv."""
    made, position = [], 0
    for of, edges_s in zip(truth, counted.edges_s, strict=True):
        for start_s, end_s in zip(edges_s[:-1].tolist(), edges_s[1:].tolist(), strict=True):
            said = {"present": counted.present[position], "unknown": ~counted.known[position]}
            listed = {
                key: json.dumps([species_ids[index] for index in np.flatnonzero(of_classes).tolist()])
                for key, of_classes in said.items()
            }
            scores = dict(zip(species_ids, counted.scores[position].astype(np.float32), strict=True))
            made.append(
                {"recording_id": of.recording_id, "start_s": start_s, "end_s": end_s}
                | listed
                | {f"{SCORES}{key}": value for key, value in scores.items()}
            )
            position += 1
    return made


def curves(counted: Measured, decision: detections.Decision) -> list[dict]:
    """Return the rows of detection_curves.csv: precision and recall of the segments of each species, by threshold."""
    made = []
    for index, (species_id, name) in enumerate(zip(decision.species_ids, decision.species_names, strict=True)):
        of = counted.known[:, index]
        points = segments.precision_recall_curve(counted.present[of, index], counted.scores[of, index])
        kept = np.unique(np.linspace(0, max(0, len(points[0]) - 1), CURVE_POINTS).round().astype(int))
        for threshold, precision, recall in zip(
            *(values[kept] if len(values) else values for values in points), strict=True
        ):
            row = {"threshold": threshold, "precision": precision, "recall": recall}
            made.append({"species_id": species_id, "species_name": name, **row})
    return made


def lines(metrics: dict, baselines: Sequence[dict]) -> list[str]:
    """Return the few lines that a person wants at the end of a run."""
    test, found = metrics["test"], []
    if not test["recordings"]:
        found.append(f"nothing is measured: {metrics['why_unknown']}")
    elif metrics["why_unknown"]:
        recall = summary.with_ends(test, "event_recall_iou30")
        found.append(f"{recall} of {test['annotated_events']} annotated events are detected (IoU >= 0.3)")
        found.append(f"precision, F1, cmAP, PSDS and false alarms are unknown: {metrics['why_unknown']}")
    else:
        found.append(
            f"event F1 {summary.with_ends(test, 'event_f1_iou30')} at IoU >= 0.3: {test['detected_events']} events for "
            f"{test['annotated_events']} calls in {test['recordings']} test recordings"
        )
        found.append(
            f"event F1 {test['event_f1_iou50']:.3f} at IoU >= 0.5, {test['event_f1_overlap']:.3f} for any overlap"
        )
        if test["false_alarms_per_hour"] is not None:
            found.append(
                f"{test['false_alarms_per_hour']:.0f} false alarms an hour of sound without a call "
                f"({60 * test['call_free_hours']:.1f} minutes of it)"
            )
        for row in baselines[1:]:
            found.append(f"{row['model']}: F1 {row['event_f1_iou30'] or 0:.3f} at IoU >= 0.3")
    if metrics["left_out"]:
        found.append(f"{metrics['left_out']} recordings have annotations in several partitions and are not measured")
    return found
