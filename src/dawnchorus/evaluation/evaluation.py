"""How well the scores of a classifier agree with the truth, partition by partition.

Everywhere: ``true_index`` (rows,) integer class index; ``scores`` (rows, classes) in [0, 1], softmax scores
in class order; ``partition`` (rows,) one of :data:`PARTITIONS`; ``classes`` the table class_index,
species_id, species_name in class order. The predicted class has the highest score, the first of equals.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from dawnchorus.foundation.errors import InputError
from dawnchorus.metrics import bootstrap, classification

PARTITIONS = ("train", "validation", "test")


def check_scores(scores: np.ndarray, n_rows: int, n_classes: int, source: str) -> None:
    """Raise :class:`InputError` naming ``source`` unless ``scores`` are (n_rows, n_classes) and in [0, 1]."""
    if scores.shape != (n_rows, n_classes):
        raise InputError(f"{source}: scores of shape {scores.shape}, expected {n_rows} rows and {n_classes} classes")
    unusable = int((~np.isfinite(scores)).any(axis=1).sum())
    if unusable:
        raise InputError(f"{source}: scores of {unusable} of {n_rows} rows are not numbers; the training diverged")
    if n_rows and (scores.min() < -1e-6 or scores.max() > 1 + 1e-6):
        raise InputError(f"{source}: scores from {scores.min():.3g} to {scores.max():.3g}, expected 0 to 1 (softmax)")


def partition_metrics(true_index: np.ndarray, scores: np.ndarray, top_k: int) -> dict[str, float | int | None]:
    """Return every measure of :func:`dawnchorus.metrics.classification.compute`, and support, the number of rows.

    None is what cannot be measured: everything without rows, the area under the ROC curve of a single class.
    """
    once = np.ones((1, len(true_index)))
    found = classification.compute(true_index, scores, once, top_k) if len(true_index) else {}
    plain = {name: float(found[name][0]) if name in found else np.nan for name in classification.names(top_k)}
    return {name: None if np.isnan(value) else value for name, value in plain.items()} | {"support": len(true_index)}


def metrics_with_intervals(
    true_index: np.ndarray, scores: np.ndarray, top_k: int, weights: np.ndarray | None, n_groups: int
) -> dict[str, float | int | None]:
    """Return :func:`partition_metrics`, each measure also with ``_low`` and ``_high``, and groups.

    ``weights``: (draws, rows), from :func:`dawnchorus.metrics.bootstrap.draws`, of ``n_groups`` groups; without them,
    or without rows, the ends of the intervals are None.
    """
    result = partition_metrics(true_index, scores, top_k)
    drawn = weights is not None and len(true_index) > 0
    values = classification.compute(true_index, scores, weights, top_k) if drawn else {}
    for name in classification.names(top_k):
        low, high = bootstrap.interval(values.get(name), result[name], n_groups)
        result |= {f"{name}_low": low, f"{name}_high": high}
    return result | {"groups": n_groups}


def majority_class(true_index: np.ndarray, partition: np.ndarray) -> tuple[int | None, float | None]:
    """Return the commonest class of the training rows and the accuracy on test of always answering it.

    The first of equals; (None, None) when there are no training or no test rows.
    """
    of_train, of_test = true_index[partition == "train"], true_index[partition == "test"]
    if not len(of_train) or not len(of_test):
        return None, None
    commonest = int(np.bincount(of_train).argmax())
    return commonest, float((of_test == commonest).mean())


def metrics(
    true_index: np.ndarray,
    scores: np.ndarray,
    partition: np.ndarray,
    top_k: int,
    weights: np.ndarray | None,
    n_groups: int,
) -> dict[str, dict]:
    """Return the metrics of each partition, the train/test gap, and what the majority class would score.

    ``weights``, ``n_groups``: of the test rows, see :func:`metrics_with_intervals`. ``gap``: accuracy is
    train minus test, loss is test minus train, so that overfitting is positive in both. ``majority_class``:
    the accuracy on test of always answering the commonest class of the training rows. Plain numbers or None;
    ready for JSON.
    """
    rows = {name: partition == name for name in PARTITIONS}
    result = {name: partition_metrics(true_index[of], scores[of], top_k) for name, of in rows.items()}
    of = rows["test"]
    result["test"] = metrics_with_intervals(true_index[of], scores[of], top_k, weights, n_groups)
    train, test = result["train"], result["test"]
    both = train["support"] and test["support"]
    result["gap"] = {
        "accuracy": train["accuracy"] - test["accuracy"] if both else None,
        "loss": test["loss"] - train["loss"] if both else None,
    }
    result["majority_class"] = {"accuracy": majority_class(true_index, partition)[1]}
    return result


def per_class(
    true_index: np.ndarray, scores: np.ndarray, classes: pd.DataFrame, thresholds: dict[str, float]
) -> pd.DataFrame:
    """Return what the model is worth class by class, in class order.

    Columns: species_id, species_name, support, precision, recall, f1, average_precision (of the scores of all
    rows, this class against all others), threshold (from ``thresholds``, by species_id; of scaled scores).
    Precision is 0 for a class that is never predicted; recall, f1 and average_precision are NaN for a class
    without rows.
    """
    table = classes[["species_id", "species_name"]].reset_index(drop=True)
    names = ["support", "precision", "recall", "f1", "average_precision"]
    if len(true_index) == 0:
        table = table.assign(**dict.fromkeys(names, np.nan)).assign(support=0)
    else:
        precision, recall, f1, support = precision_recall_fscore_support(
            true_index, scores.argmax(axis=1), labels=np.arange(len(classes)), zero_division=0
        )
        once = np.ones((1, len(true_index)))
        recall, f1 = (np.where(support == 0, np.nan, values) for values in (recall, f1))
        ranked = [
            classification.average_precision_and_roc_auc(true_index == number, scores[:, number], once)[0][0]
            for number in range(len(classes))
        ]
        table = table.assign(**dict(zip(names, [support, precision, recall, f1, ranked], strict=True)))
    return table.assign(threshold=[thresholds[key] for key in table["species_id"]])


def confusion(true_index: np.ndarray, scores: np.ndarray, classes: pd.DataFrame) -> pd.DataFrame:
    """Return true and predicted species_id and name with their count: all pairs, in class order."""
    n = len(classes)
    counts = np.zeros((n, n), dtype=int)
    if len(true_index):
        counts = confusion_matrix(true_index, scores.argmax(axis=1), labels=np.arange(n))
    ids, names = classes["species_id"].to_numpy(), classes["species_name"].to_numpy()
    return pd.DataFrame(
        {
            "true_species_id": np.repeat(ids, n),
            "true_name": np.repeat(names, n),
            "predicted_species_id": np.tile(ids, n),
            "predicted_name": np.tile(names, n),
            "count": counts.ravel(),
        }
    )


def predictions(
    rows: pd.DataFrame, annotations: pd.DataFrame, classes: pd.DataFrame, scores: np.ndarray
) -> pd.DataFrame:
    """Return truth, prediction and every score of each row, with the times of its annotation (s).

    ``rows``: annotation_id, recording_id, class_index, partition, in the order of ``scores``;
    ``annotations``: annotation_id, t_min_s, t_max_s. The columns are those of ``reports/predictions.csv``.
    Raises :class:`InputError` when a row's annotation is not in ``annotations``.
    """
    times = annotations.set_index("annotation_id")[["t_min_s", "t_max_s"]]
    unknown = rows["annotation_id"][~rows["annotation_id"].isin(times.index)]
    if len(unknown):
        raise InputError(
            f"annotation_id {unknown.iloc[0]} is in the data set but not in the annotations; make both again"
        )
    times = times.loc[rows["annotation_id"]]
    truth, guess = rows["class_index"].to_numpy(dtype=int), scores.argmax(axis=1)
    ids, names = classes["species_id"].to_numpy(), classes["species_name"].to_numpy()
    table = pd.DataFrame(
        {
            "annotation_id": rows["annotation_id"].to_numpy(),
            "recording_id": rows["recording_id"].to_numpy(),
            "t_min_s": times["t_min_s"].to_numpy(),
            "t_max_s": times["t_max_s"].to_numpy(),
            "partition": rows["partition"].to_numpy(),
            "true_species_id": ids[truth],
            "true_name": names[truth],
            "predicted_species_id": ids[guess],
            "predicted_name": names[guess],
        }
    )
    return pd.concat([table, pd.DataFrame(scores, columns=[f"score_{i}" for i in ids])], axis=1)


def summary(result: dict[str, dict], majority_name: str | None) -> list[str]:
    """Return the few lines that a person wants at the end of a run.

    ``result`` as from :func:`metrics`, with ``svm``, ``context_only``, ``calibration`` and ``false_positives`` as
    the stage adds them.
    """
    train, test, gap = result["train"], result["test"], result["gap"]
    if not test["support"]:
        return ["no test clips, so nothing is known about new sound"]
    named = {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced",
        "macro_f1": "macro F1",
        "lwlrap": "LWLRAP",
    }
    lines = [
        f"test {', '.join(f'{label} {with_ends(test, name)}' for name, label in named.items())}, loss "
        f"{test['loss']:.3f} ({test['support']} clips of {test['groups']} groups; 95 % intervals over groups)"
    ]
    if gap["accuracy"] is not None:
        share = result["majority_class"]["accuracy"]
        verdict = "; this model does no better" if test["accuracy"] <= share else ""
        lines += [
            f"train/test gap: accuracy {train['accuracy']:.3f} on train, {test['accuracy']:.3f} on test, gap "
            f"{gap['accuracy']:.3f}; loss {train['loss']:.3f} and {test['loss']:.3f}, gap {gap['loss']:.3f}",
            f"always answering the commonest class ({majority_name}) scores {share:.3f}{verdict}",
        ]
    svm, context, calibration = (result.get(name, {}) for name in ("svm", "context_only", "calibration"))
    if svm.get("accuracy") is not None:
        shown = svm["advantage_low"] is not None and svm["advantage_low"] > 0
        verdict = "" if shown else "; that is not shown to be better"
        lines.append(
            f"an SVM on pooled statistics scores {with_ends(svm, 'accuracy')}, this model "
            f"{with_ends(svm, 'advantage', '+')} to that{verdict}"
        )
    if context.get("accuracy") is not None:
        leak = context["accuracy_low"] is not None and context["accuracy_low"] > (
            result["majority_class"]["accuracy"] or 0
        )
        verdict = "; the background gives classes away" if leak else ""
        lines.append(
            "on sound of the same recordings without a call the model scores "
            f"{with_ends(context, 'accuracy')} ({context['clips']} clips){verdict}"
        )
    if absent := result.get("false_positives"):
        lines.append(
            f"in {absent['clips']} test boxes that were checked not to hold a species it is heard in "
            f"{absent['rate']:.3f} of them, in {absent['expected_at_chance']:.3f} of the boxes of all species"
        )
    if calibration.get("ece_before") is not None:
        lines.append(
            f"calibration error {calibration['ece_before']:.3f}, {calibration['ece_after']:.3f} after "
            f"temperature {calibration['temperature']:.2f}"
        )
    return lines


def with_ends(values: dict, name: str, sign: str = "") -> str:
    """Return a number with its interval, as text."""
    low, high = values[f"{name}_low"], values[f"{name}_high"]
    return f"{values[name]:{sign}.3f}" + ("" if low is None else f" [{low:{sign}.3f}, {high:{sign}.3f}]")
