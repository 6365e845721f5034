"""What a person wants to know at the end of a run: what it is worth, what was left out, what to open, what is next."""

from __future__ import annotations

import json
import math
from pathlib import Path

from dawnchorus.evaluation import summary
from dawnchorus.foundation.display_names import escaped
from dawnchorus.partitioning.groups import ARTICLE
from dawnchorus.tables import made
from dawnchorus.tables.definitions import DETECTION_BASELINES

TESTED = "In test recordings that no training heard"
REPORT = Path("reports/report.html")
METRICS, DETECTION = Path("reports/metrics.json"), Path("reports/detection_baselines.csv")
WRITTEN = "models/ (the networks), data/ (clean tables, features, scores), reports/ (metrics, tables, figures)"


def of_run(left_out: str | None, split_method: str) -> list[str]:
    """Return the last lines of a run that made the report; nothing where what they are read from is not there.

    ``left_out``: what the audit left out, as a line; None where it left out nothing. ``split_method``: split.method.
    """
    if not all(path.exists() for path in (REPORT, METRICS, DETECTION)):
        return []
    metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    heard = "In test clips of recordings that also trained" if split_method == ARTICLE else TESTED
    ends = ", with 95 % intervals" if metrics["test"].get("accuracy_low") is not None else ""
    return [
        "",
        f"{heard}{ends}:",
        *_beside_each_other("naming clips", of_clips(metrics)),
        *_beside_each_other("finding calls", of_calls(made.read(DETECTION, DETECTION_BASELINES))),
        *_beside_each_other("left out", [escaped(left_out) if left_out else "nothing"]),
        "",
        f"open     {REPORT}",
        f"written  {WRITTEN}",
        "next     change a value in params.yaml and run again: only what depends on it runs",
        "         dawnchorus detect --model models FOLDER: find calls in other recordings",
        "         dawnchorus compare: set this result beside another",
    ]


def of_clips(metrics: dict) -> list[str]:
    """Return what naming clips is worth, and its baselines; ``metrics``: the content of metrics.json."""
    test = metrics["test"]
    if not test["support"]:
        return ["no test clips, so nothing is known about new sound"]
    others = {name: metrics.get(name, {}).get("accuracy") for name in ("presence", "svm", "context_only")}
    beside = {"commonest species": metrics["majority_class"]["accuracy"]}
    beside |= {summary.BASELINES[name]: value for name, value in others.items()}
    clips = f"{test['support']:,} clips in {test['groups']:,} {test['units']}"
    said = f"accuracy {summary.with_ends(test, 'accuracy')}, {clips}"
    return [said, *_others(beside)]


def of_calls(rows: list[dict]) -> list[str]:
    """Return what finding calls is worth, and its baselines; ``rows``: those of detection_baselines.csv.

    Where only some calls are annotated, nobody knows what is a false alarm, and recall is all that there is.
    """
    if not rows or not rows[0]["recordings"]:
        return ["no whole test recordings, so nothing is known"]
    first, *others = [{key: value if _known(value) else None for key, value in row.items()} for row in rows]
    name, words = (
        ("event_f1_iou30", "event F1") if first["event_f1_iou30"] is not None else ("event_recall_iou30", "recall")
    )
    if first[name] is None:
        return ["no calls in whole test recordings, so nothing is known"]
    said = f"{words} {summary.with_ends(first, name)} at IoU >= 0.3, {first['recordings']:,} recordings"
    return [f"{said}; by {first['model']}", *_others({str(row["model"]): row[name] for row in others})]


def _known(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _others(values: dict[str, float | None]) -> list[str]:
    known = [f"{name} {value:.3f}" for name, value in values.items() if value is not None]
    return [f"beside it: {', '.join(known)}"] if known else []


def _beside_each_other(name: str, lines: list[str]) -> list[str]:
    """Return lines after a name, below each other."""
    return [f"  {name if not number else '':14} {line}" for number, line in enumerate(lines)]
