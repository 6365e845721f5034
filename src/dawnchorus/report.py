"""What the report says, as plain values for its template: from tables and numbers, without files, sound or HTML.

Everywhere: ``clips`` is what :func:`test_clips` returns, in which a class is its index; ``classes`` the table
class_index, species_id, species_name in class order, or their number.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from dawnchorus.report_charts import Series, line_chart

TOP_SCORES = 5
METRICS = {
    "accuracy": "clips whose highest score is the right species",
    "balanced_accuracy": "the same, each species counting alike",
    "macro_f1": "F1, the mean over species",
    "loss": "cross-entropy of the scores; lower is better",
}
# A gap between train and test that is smaller than this is nothing to act on.
SMALL_GAP = 0.05
LARGE_GAP = 0.2


def test_clips(table: pd.DataFrame, ids: Sequence[str]) -> list[dict]:
    """Return one dictionary a clip of ``reports/predictions.csv``, in its order.

    ``true``, ``guess``: class indices; ``confidence``: the highest score; ``margin``: how far the second is
    below it; ``top``: [class, score] of the highest scores, the true class always among them.
    """
    index = {species_id: i for i, species_id in enumerate(ids)}
    scores = table[[f"score_{species_id}" for species_id in ids]].to_numpy(dtype=float)
    clips = []
    for row, of_classes in zip(table.to_dict("records"), scores, strict=True):
        order = np.argsort(-of_classes, kind="stable")
        true = index[row["true_species_id"]]
        top = list(order[:TOP_SCORES])
        top = top if true in top else [*top[:-1], true]
        second = of_classes[order[1]] if len(order) > 1 else 0.0
        clips.append(
            {
                "annotation": str(row["annotation_id"]),
                "recording": str(row["recording_id"]),
                "start_s": float(row["t_min_s"]),
                "end_s": float(row["t_max_s"]),
                "true": true,
                "guess": int(order[0]),
                "confidence": round(float(of_classes[order[0]]), 4),
                "margin": round(float(of_classes[order[0]] - second), 4),
                "top": [[int(i), round(float(of_classes[i]), 4)] for i in top],
            }
        )
    return clips


def cells(clips: Sequence[dict]) -> dict[tuple[int, int], list[int]]:
    """Return the positions of the clips of each cell (true, guess) of the confusion matrix that has any.

    In a cell of errors the most confidently wrong come first, in one of the diagonal the least certain.
    """
    found: dict[tuple[int, int], list[int]] = {}
    for position, clip in enumerate(clips):
        found.setdefault((clip["true"], clip["guess"]), []).append(position)
    for (true, guess), positions in found.items():
        if true == guess:
            positions.sort(key=lambda position: clips[position]["margin"])
        else:
            positions.sort(key=lambda position: -clips[position]["confidence"])
    return found


def confidently_wrong(clips: Sequence[dict]) -> list[int]:
    """Return the positions of the clips that were called wrong, the highest score first."""
    wrong = [position for position, clip in enumerate(clips) if clip["true"] != clip["guess"]]
    return sorted(wrong, key=lambda position: -clips[position]["confidence"])


def least_certain(clips: Sequence[dict]) -> list[int]:
    """Return the positions of all clips, the smallest difference between the two highest scores first."""
    return sorted(range(len(clips)), key=lambda position: clips[position]["margin"])


def embedding_order(clips: Sequence[dict], by_cell: dict, n_highlights: int) -> list[int]:
    """Return the positions of all clips in the order in which they deserve a place in the page.

    First the two lists at the top of the page, then the first clip of every cell, then the second, ...; of
    one rank the errors before the others.
    """
    ranked = sorted(
        (rank, true == guess, position)
        for (true, guess), positions in by_cell.items()
        for rank, position in enumerate(positions)
    )
    order = [*confidently_wrong(clips)[:n_highlights], *least_certain(clips)[:n_highlights]]
    return list(dict.fromkeys([*order, *(position for *_, position in ranked)]))


def matrix(by_cell: dict, n_classes: int) -> list[list[dict | None]]:
    """Return the confusion matrix: None for an empty cell, else ``count`` and its ``share`` of the true class."""
    totals = [sum(len(of) for (true, _), of in by_cell.items() if true == i) for i in range(n_classes)]
    rows: list[list[dict | None]] = [[None] * n_classes for _ in range(n_classes)]
    for (true, guess), positions in by_cell.items():
        rows[true][guess] = {"count": len(positions), "share": round(len(positions) / totals[true], 3)}
    return rows


def confused_pairs(by_cell: dict, most: int) -> list[dict]:
    """Return the cells of errors with the most clips: ``true``, ``guess``, ``count``."""
    errors = [
        {"true": true, "guess": guess, "count": len(of)} for (true, guess), of in by_cell.items() if true != guess
    ]
    return sorted(errors, key=lambda pair: (-pair["count"], pair["true"], pair["guess"]))[:most]


def headline(metrics: dict) -> list[dict]:
    """Return the metrics of the test clips with their interval, where metrics.json has one."""
    test = metrics["test"]
    return [
        {
            "name": name.replace("_", " ").capitalize().replace("f1", "F1"),
            "meaning": meaning,
            "value": test[name],
            "low": test.get(f"{name}_low"),
            "high": test.get(f"{name}_high"),
        }
        for name, meaning in METRICS.items()
        if test.get(name) is not None
    ]


def gap(metrics: dict) -> dict:
    """Say in one sentence whether the model overfits, by the numbers.

    Returns ``verdict`` (a word for the page's colour: good, fair, poor) and ``text``. The gap of accuracy
    between train and test counts when it is larger than 0.05 and than two standard errors of the test
    accuracy, sqrt(p (1 - p) / n).
    """
    train, validation, test = metrics["train"], metrics["validation"], metrics["test"]
    if not train["support"] or not test["support"]:
        return {"verdict": "fair", "text": "Without training and test clips there is no gap to measure."}
    difference = train["accuracy"] - test["accuracy"]
    noise = 2 * math.sqrt(test["accuracy"] * (1 - test["accuracy"]) / test["support"])
    counts = max(SMALL_GAP, noise)
    if difference > max(counts, LARGE_GAP):
        verdict, word = "poor", "it overfits strongly"
    elif difference > counts:
        verdict, word = "fair", "it overfits somewhat"
    elif difference < -counts:
        verdict, word = "fair", "test clips are easier than training clips, so look at the split"
    else:
        verdict, word = "good", "no sign of overfitting"
    middle = f", {validation['accuracy']:.1%} of the validation clips" if validation["support"] else ""
    text = (
        f"The model names {train['accuracy']:.1%} of the training clips right{middle} and "
        f"{test['accuracy']:.1%} of the test clips: a gap of {100 * difference:.1f} points between train and "
        f"test, where chance alone makes about {100 * noise:.1f}: {word}."
    )
    return {"verdict": verdict, "text": text}


def partitions(rows: pd.DataFrame, n_classes: int) -> list[dict[str, int]]:
    """Count the clips of each class by partition: ``train``, ``validation``, ``test`` and ``all``, in class order."""
    counts = [{"train": 0, "validation": 0, "test": 0, "all": 0} for _ in range(n_classes)]
    for class_index, partition in zip(rows["class_index"].astype(int), rows["partition"], strict=True):
        counts[class_index][partition] += 1
        counts[class_index]["all"] += 1
    return counts


def example_positions(rows: pd.DataFrame, n_classes: int) -> list[int | None]:
    """Return for each class the position in ``rows`` of a clip to show: of median duration, from the training clips.

    ``rows``: class_index, partition, duration_s. Of an even number the shorter median; of a class without
    training clips any other; None for a class without clips.
    """
    durations = rows["duration_s"].to_numpy(dtype=float)
    of_class = rows["class_index"].to_numpy(dtype=int)
    in_train = (rows["partition"] == "train").to_numpy()
    chosen: list[int | None] = []
    for class_index in range(n_classes):
        mine = np.flatnonzero((of_class == class_index) & in_train)
        mine = mine if len(mine) else np.flatnonzero(of_class == class_index)
        order = mine[np.argsort(durations[mine], kind="stable")]
        chosen.append(int(order[(len(order) - 1) // 2]) if len(order) else None)
    return chosen


def training(history: pd.DataFrame, early_stopping: bool) -> dict:
    """Return the two charts of the training, and which epoch was kept.

    ``history``: numbers, NaN where nothing was measured. With ``early_stopping`` the kept epoch is that of the
    lowest validation loss, the first of equals; else, or without validation, the last.
    """
    epochs = history["epoch"].astype(int).to_list()
    validated = "val_loss" in history and history["val_loss"].notna().any()
    kept = int(history["epoch"][history["val_loss"].idxmin()]) if early_stopping and validated else epochs[-1]
    charts = []
    for quantity in ("loss", "accuracy"):
        columns = [("training", "train", quantity), ("validation", "validation", f"val_{quantity}")]
        series = [
            Series(name, kind, epochs, history[column].to_list())
            for name, kind, column in columns
            if column in history and history[column].notna().any()
        ]
        if series:
            top = 1.0 if quantity == "accuracy" else max(y for one in series for y in one.y if y == y) * 1.05
            charts.append(
                line_chart(
                    quantity.capitalize(),
                    series,
                    (epochs[0], max(epochs[-1], epochs[0] + 1)),
                    (0.0, top or 1.0),
                    ("epoch", quantity),
                    (kept, f"epoch {kept}, kept"),
                    whole_x=True,
                )
            )
    row = history[history["epoch"] == kept].iloc[0].to_dict()
    return {"charts": charts, "kept": kept, "epochs": len(epochs), "at_kept": row, "early_stopping": early_stopping}


def reliability_bins(confidence: np.ndarray, right: np.ndarray, n_bins: int) -> list[dict]:
    """Return, for bins of equal width, ``confidence`` (mean highest score), ``accuracy`` and ``count``; empty ones left out."""
    which = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    return [
        {
            "confidence": float(confidence[which == i].mean()),
            "accuracy": float(right[which == i].mean()),
            "count": int((which == i).sum()),
        }
        for i in range(n_bins)
        if (which == i).any()
    ]


def reliability(bins: Sequence[dict]) -> dict | None:
    """Return the chart of the bins, and their expected calibration error; None without clips."""
    total = sum(one["count"] for one in bins)
    if not total:
        return None
    error = sum(one["count"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / total
    over = sum(one["count"] * (one["confidence"] - one["accuracy"]) for one in bins) / total
    chart = line_chart(
        "Reliability",
        [
            Series("as sure as right", "ideal", (0.0, 1.0), (0.0, 1.0)),
            Series("this model", "test", [b["confidence"] for b in bins], [b["accuracy"] for b in bins]),
        ],
        (0.0, 1.0),
        (0.0, 1.0),
        ("highest score", "share of clips that are right"),
    )
    return {"chart": chart, "bins": list(bins), "error": error, "over": over}


def flat(params: dict, prefix: str = "") -> list[tuple[str, object]]:
    """Return every value of nested blocks with its dotted name, in the order given."""
    values: list[tuple[str, object]] = []
    for name, value in params.items():
        if isinstance(value, dict) and value:
            values += flat(value, f"{prefix}{name}.")
        else:
            values.append((prefix + name, value))
    return values
