"""What the report says of detections in whole recordings: numbers, tables, and the worst errors to see and hear.

Everywhere: ``metrics`` is what detection_metrics.json holds.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dawnchorus.report import excerpts, interval_words

METRICS = {
    "event_f1_iou30": ("Event F1", "events that share at least 0.3 of their joint time with a call (IoU)"),
    "event_precision_iou30": ("Precision", "share of the detected events that are a call"),
    "event_recall_iou30": ("Recall", "share of the calls that are detected"),
    "event_f1_iou50": ("Event F1, IoU 0.5", "bounds closer to those annotated"),
    "event_f1_overlap": ("Event F1, any overlap", "bounds do not matter"),
    "segment_average_precision": ("cmAP of segments", "is a species in a stretch? mean over species"),
    "segment_roc_auc": ("ROC AUC of segments", "the same, mean over species"),
    "recording_lwlrap": ("LWLRAP of recordings", "are the species of a recording ranked above the others?"),
    "psds": ("PSDS", "detected events over false alarms, whatever the threshold"),
    "false_alarms_per_hour": ("False alarms an hour", "of sound in which no species calls; lower is better"),
}
BASELINE_COLUMNS = (
    "event_f1_iou30",
    "event_precision_iou30",
    "event_recall_iou30",
    "segment_average_precision",
    "false_alarms_per_hour",
)
PER_CLASS = {
    "annotated": "Calls",
    "detected": "Events",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "f1_iou50": "F1, IoU 0.5",
    "segment_average_precision": "AP of segments",
    "psds": "PSDS",
    "threshold": "Threshold",
    "expected_precision": "Precision expected",
}
COUNTS = ("annotated", "detected")
CARD_IMAGE = (300, 110)
CONTEXT_S = 1.0


def shown(name: str, value: float | None) -> str:
    """Return a metric as text: rates an hour without decimals."""
    if value is None or np.isnan(value):
        return "–"
    return f"{value:.0f}" if name in (*COUNTS, "false_alarms_per_hour") else f"{value:.3f}"


def headline(metrics: dict) -> list[dict]:
    """Return the metrics of the test recordings that are known: key, name, meaning, value, low, high, as text."""
    test = metrics["test"]
    return [
        {"key": key, "name": name, "meaning": meaning, "value": shown(key, test[key])}
        | {end: None if test[f"{key}_{end}"] is None else shown(key, test[f"{key}_{end}"]) for end in ("low", "high")}
        for key, (name, meaning) in METRICS.items()
        if test[key] is not None
    ]


def sentences(metrics: dict, segment_s: float, split: interval_words.Split) -> list[str]:
    """Say what was measured, over what intervals are drawn, what is not known, and what was left out."""
    test, left_out = metrics["test"], metrics["left_out"]
    made = []
    if test["recordings"]:
        made.append(
            f"In {test['recordings']} whole test recordings ({60 * test['hours']:.1f} minutes) "
            f"{test['annotated_events']} calls are annotated, and {test['detected_events']} events were detected by "
            f"the code that users run, dawnchorus detect. Segments are {segment_s:g} s long."
        )
        made.append(interval_words.note(test, split))
    if metrics["why_unknown"]:
        made.append(f"What is missing here cannot be known: {metrics['why_unknown']}.")
    if left_out:
        were = "recording was left out: its" if left_out == 1 else "recordings were left out: their"
        made.append(f"{left_out} {were} annotations lie in several partitions.")
    return made


def fusion(calibration: dict) -> str | None:
    """Say how much the network that names clips counts beside presence; None without a network of presence.

    ``calibration``: what presence_calibration.json holds; its key ``fusion`` is of
    :func:`dawnchorus.detection.fusion_fit.fit`.
    """
    fitted = calibration.get("fusion")
    if fitted is None:
        return None
    weight, worth = fitted["weight"], fitted["segment_average_precision"]
    if weight:
        return (
            "A moment of presence counts times what the network that names clips says of the windows around it, to the "
            f"power {weight:g}, which the validation recordings chose: there the average precision of segments is "
            f"{worth[f'{weight:g}']:.3f}, and {worth['0']:.3f} by presence alone."
        )
    others = [value for power, value in worth.items() if power != "0"]
    if not others:
        return (
            "Presence counts alone (power 0): with one species, few validation calls, or no recording that validates, "
            "nothing is gained or known by hearing the network that names clips beside it."
        )
    return (
        "Presence counts alone (power 0): in the validation recordings the average precision of segments is "
        f"{worth['0']:.3f} so, and {max(others):.3f} at best with the network that names clips beside it."
    )


def baselines(table: pd.DataFrame) -> dict:
    """Return columns and rows of detection_baselines.csv as text; no rows where nothing of it is known."""
    present = [name for name in BASELINE_COLUMNS if name in table and table[name].notna().any()]
    rows = []
    for row in table.to_dict("records"):
        rows.append({"name": row["model"], "cells": [_with_ends(name, row) for name in present]})
    return {"columns": [METRICS[name][0] for name in present], "rows": rows if present else []}


def per_class(table: pd.DataFrame) -> dict:
    """Return columns and rows of detection_per_class.csv as text, in class order; empty columns are left out."""
    present = [name for name in PER_CLASS if table[name].notna().any()]
    rows = [[_with_ends(name, row) for name in present] for row in table.to_dict("records")]
    return {"columns": [PER_CLASS[name] for name in present], "rows": rows}


def _with_ends(name: str, row: dict) -> str:
    """Return a value of a row as text, with the ends of its interval where it has them."""
    low, high = (row.get(f"{name}_{end}", np.nan) for end in ("low", "high"))
    ends = "" if np.isnan(low) else f" ({shown(name, low)} to {shown(name, high)})"
    return shown(name, row[name]) + ends


def worst(events: pd.DataFrame, n: int) -> tuple[list[dict], list[dict]]:
    """Return the ``n`` false alarms with the highest scores, and the ``n`` misses with the lowest."""
    alarms = events[events["outcome"] == "false_alarm"].sort_values("score", ascending=False, kind="stable")
    misses = events[events["outcome"] == "miss"].sort_values("score", kind="stable")
    return alarms.head(n).to_dict("records"), misses.head(n).to_dict("records")


def cards(rows: Sequence[dict], recordings: Mapping[str, dict], audio_dir: Path, params: dict) -> list[dict]:
    """Return picture and sound of events, in their order: a card of :mod:`dawnchorus.report.excerpts` and what it is.

    ``recordings``: path, duration_s and sample_rate_hz by id; ``params``: the block ``report``.
    """
    places = []
    for row in rows:
        recording = recordings[row["recording_id"]]
        marked_s = (row["t_min_s"], row["t_max_s"]) if row["outcome"] == "miss" else (row["start_s"], row["end_s"])
        longest_s = max(params["longest_clip_s"], 2 * CONTEXT_S)
        stretch_s = excerpts.stretch(marked_s, recording["duration_s"], CONTEXT_S, longest_s)
        places.append(
            excerpts.Place(audio_dir / recording["path"], int(recording["sample_rate_hz"]), stretch_s, marked_s)
        )
    made = dict(excerpts.cards(places, params["sound_rate_hz"], CARD_IMAGE, with_mfcc=True))
    return [{**made[number], "marked_s": places[number].marked_s, "event": row} for number, row in enumerate(rows)]


def description(curves: dict) -> str:
    """Say in words what the figure shows; ``curves``: the metrics of the test recordings."""
    if curves["segment_average_precision"] is None:
        return "Precision, recall and reliability are not known."
    return (
        "Precision against recall of the segments, a curve a species and their mean: the mean area is "
        f"{curves['segment_average_precision']:.3f}. Beside it, the share of segments in which a species is present by "
        f"its score; the calibration error is {curves['presence_calibration_error']:.3f}."
    )
