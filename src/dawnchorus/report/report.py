"""What the report says, as plain values for its template: from tables, without files, sound or HTML.

Everywhere: ``clips`` is what :func:`test_clips` returns, in which a class is its index; ``classes`` the table
class_index, species_id, species_name in class order, or their number.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

TOP_SCORES = 5
METRICS = {
    "accuracy": ("Accuracy", "clips whose highest score is the right species"),
    "balanced_accuracy": ("Balanced accuracy", "the same, each species counting alike"),
    "macro_f1": ("Macro F1", "F1, the mean over species"),
    "lwlrap": ("LWLRAP", "mean of 1 / rank of the right species"),
    "macro_average_precision": ("Average precision", "each species against all others, the mean"),
    "macro_roc_auc": ("ROC AUC", "each species against all others, the mean"),
    "loss": ("Loss", "cross-entropy of the scores; lower is better"),
}
CONTROL_NOTES = {
    "majority class": "always answers the commonest species",
    "SVM on pooled statistics": "the obvious recipe, which a network has to beat",
    "context only": "this model on sound of the same recordings, without a call",
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
    """Return the confusion matrix: None for an empty cell, else ``count`` and ``share`` of the true class."""
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
    """Return the metrics of the test clips with their intervals: name, meaning, value, low, high."""
    test = metrics["test"]
    return [
        {
            "name": name,
            "meaning": meaning,
            "value": test[key],
            "low": test[f"{key}_low"],
            "high": test[f"{key}_high"],
        }
        for key, (name, meaning) in METRICS.items()
        if test[key] is not None
    ]


def headline_note(test: dict) -> str:
    """Say of what the metrics are, and what their intervals mean or why there are none."""
    clips = f"Of {test['support']} test clips"
    if test["accuracy_low"] is None:
        return f"{clips} of one group, so there are no 95 % intervals: they need two test groups or more."
    return (
        f"{clips} of {test['groups']} groups. Small numbers are 95 % intervals: how far the measure would move had "
        "other groups been drawn."
    )


def baselines(table: Sequence[dict]) -> list[dict]:
    """Return the accuracy on test of the model, which comes first, beside that of what is simpler.

    ``table``: rows of reports/baselines.csv as numbers, None where there is none. Each: ``name``,
    ``note``, ``value``, ``low``, ``high``, ``main`` for the model; ``value`` None for what could not be made.
    """
    return [
        {
            "name": row["model"][:1].upper() + row["model"][1:] if number else "This model",
            "note": CONTROL_NOTES.get(row["model"]) if number else None,
            "value": row["accuracy"],
            "low": row["accuracy_low"],
            "high": row["accuracy_high"],
            "main": not number,
        }
        for number, row in enumerate(table)
    ]


def baseline_verdicts(metrics: dict) -> list[str]:
    """Say what the baselines mean: whether the model beats the SVM, and whether the background tells the species."""
    sentences = []
    svm, context = metrics["svm"], metrics["context_only"]
    if svm["accuracy"] is not None:
        low, high = svm["advantage_low"], svm["advantage_high"]
        if low is None:
            ends, verdict = "", "and without an interval nothing says whether that is chance"
        else:
            ends = f" (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"
            unclear = "which does not show that either is better"
            verdict = (
                "so the network is worth its effort" if low > 0 else "so the SVM is better" if high < 0 else unclear
            )
        more = "more" if svm["advantage"] >= 0 else "less"
        sentences.append(
            f"On the same clips the model is {100 * abs(svm['advantage']):.1f} points {more} accurate than an SVM on "
            f"pooled statistics{ends}, {verdict}."
        )
    if context["accuracy"] is None:
        sentences.append("There was no sound without a call to try the model on.")
    else:
        share = metrics["majority_class"]["accuracy"] or 0.0
        leak = context["accuracy_low"] is not None and context["accuracy_low"] > share
        verdict = (
            "more than the commonest species would explain: the background gives species away"
            if leak
            else "which is not shown to be more than the commonest species explains"
        )
        sentences.append(
            f"Given sound of the same recordings without a call, it still answers the species of the call in "
            f"{context['accuracy']:.1%} of {context['clips']} cases, {verdict}."
        )
    return sentences


def gap(metrics: dict) -> dict:
    """Say in one sentence whether the model overfits, by the numbers.

    Returns ``verdict`` (a word for the page's colour: good, fair, poor) and ``text``. A gap of accuracy between
    train and test counts when it is larger than 0.05 and than half the interval of the test accuracy. Of a model
    that names no more training clips right than one that always answers the commonest species, that is said instead.
    """
    train, validation, test = metrics["train"], metrics["validation"], metrics["test"]
    if not train["support"] or not test["support"]:
        return {"verdict": "fair", "text": "Without training and test clips there is no gap to measure."}
    difference = train["accuracy"] - test["accuracy"]
    known = test["accuracy_low"] is not None
    noise = (test["accuracy_high"] - test["accuracy_low"]) / 2 if known else 0.0
    drawn = f", of which the choice of test groups alone can make {100 * noise:.1f}" if known else ""
    counts, commonest = max(SMALL_GAP, noise), metrics["majority_class"]["accuracy"] or 0.0
    if train["accuracy"] <= commonest + SMALL_GAP:
        verdict, word = "poor", f"it learned next to nothing (the commonest species alone gives {commonest:.1%})"
    elif difference > max(counts, LARGE_GAP):
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
        f"{test['accuracy']:.1%} of the test clips: a gap of {100 * difference:.1f} points between train and test"
        f"{drawn}: {word}."
    )
    return {"verdict": verdict, "text": text}


def partitions(rows: pd.DataFrame, n_classes: int) -> list[dict[str, int]]:
    """Count the clips of each class: ``train``, ``validation``, ``test`` and ``all``, in class order."""
    counts = [{"train": 0, "validation": 0, "test": 0, "all": 0} for _ in range(n_classes)]
    for class_index, partition in zip(rows["class_index"].astype(int), rows["partition"], strict=True):
        counts[class_index][partition] += 1
        counts[class_index]["all"] += 1
    return counts


def example_positions(rows: pd.DataFrame, n_classes: int) -> list[int | None]:
    """Return for each class the position in ``rows`` of a training clip of median duration.

    ``rows``: class_index, partition, duration_s. Of an even number the shorter median; of a class without
    training clips any other clip; None for a class without clips.
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


def flat(params: dict, prefix: str = "") -> list[tuple[str, object]]:
    """Return every value of nested blocks with its dotted name, in the order given."""
    values: list[tuple[str, object]] = []
    for name, value in params.items():
        if isinstance(value, dict) and value:
            values += flat(value, f"{prefix}{name}.")
        else:
            values.append((prefix + name, value))
    return values
