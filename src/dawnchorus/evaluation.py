"""How well the scores of a classifier agree with the truth, partition by partition.

Everywhere: ``true_index`` (rows,) integer class index; ``scores`` (rows, classes) in [0, 1], softmax scores
in class order; ``partition`` (rows,) one of :data:`PARTITIONS`; ``classes`` the table class_index,
species_id, species_name in class order. The predicted class has the highest score, the first of equals.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)

from dawnchorus.errors import InputError

PARTITIONS = ("train", "validation", "test")
# keras.config.epsilon(): the loss here is then comparable with the one in the training history.
SCORE_EPSILON = 1e-7


def check_scores(scores: np.ndarray, n_rows: int, n_classes: int, source: str) -> None:
    """Raise :class:`InputError` naming ``source`` unless ``scores`` are (n_rows, n_classes) and in [0, 1]."""
    if scores.shape != (n_rows, n_classes):
        raise InputError(
            f"{source}: scores of shape {scores.shape}, expected {n_rows} rows and {n_classes} classes"
        )
    unusable = int((~np.isfinite(scores)).any(axis=1).sum())
    if unusable:
        raise InputError(
            f"{source}: scores of {unusable} of {n_rows} rows are not numbers; the training diverged"
        )
    if n_rows and (scores.min() < -1e-6 or scores.max() > 1 + 1e-6):
        raise InputError(
            f"{source}: scores from {scores.min():.3g} to {scores.max():.3g}, expected 0 to 1 (softmax)"
        )


def cross_entropy(true_index: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean of -log(score of the true class), scores clipped to [1e-7, 1 - 1e-7] as Keras does."""
    of_truth = scores[np.arange(len(true_index)), true_index].astype(np.float64)
    return float(-np.log(np.clip(of_truth, SCORE_EPSILON, 1 - SCORE_EPSILON)).mean())


def partition_metrics(true_index: np.ndarray, scores: np.ndarray) -> dict[str, float | int | None]:
    """Return accuracy, balanced_accuracy, macro_f1, loss and support (number of rows) of one partition.

    Both averages over classes run over the classes that have at least one row here: balanced accuracy is the
    mean of their recalls, macro F1 the mean of their F1 (0 for a class that is never predicted). A class
    without rows has no recall, so it neither counts nor dilutes. With no rows all but support is None.
    """
    if len(true_index) == 0:
        return {"accuracy": None, "balanced_accuracy": None, "macro_f1": None, "loss": None, "support": 0}
    predicted = scores.argmax(axis=1)
    over_present = {"labels": np.unique(true_index), "average": "macro", "zero_division": 0}
    return {
        "accuracy": float(accuracy_score(true_index, predicted)),
        "balanced_accuracy": float(recall_score(true_index, predicted, **over_present)),
        "macro_f1": float(f1_score(true_index, predicted, **over_present)),
        "loss": cross_entropy(true_index, scores),
        "support": len(true_index),
    }


def majority_class(true_index: np.ndarray, partition: np.ndarray) -> tuple[int | None, float | None]:
    """Return the commonest class of the training rows and the accuracy on test of always answering it.

    The first of equals; (None, None) when there are no training or no test rows.
    """
    of_train, of_test = true_index[partition == "train"], true_index[partition == "test"]
    if not len(of_train) or not len(of_test):
        return None, None
    commonest = int(np.bincount(of_train).argmax())
    return commonest, float((of_test == commonest).mean())


def metrics(true_index: np.ndarray, scores: np.ndarray, partition: np.ndarray) -> dict[str, dict]:
    """Return the metrics of each partition, the train/test gap, and what the majority class would score.

    ``gap``: accuracy is train minus test, loss is test minus train, so that overfitting is positive in both.
    ``majority_class``: the accuracy on test of always answering the commonest class of the training rows.
    Plain numbers or None; ready for JSON.
    """
    result = {
        name: partition_metrics(true_index[partition == name], scores[partition == name])
        for name in PARTITIONS
    }
    train, test = result["train"], result["test"]
    both = train["support"] and test["support"]
    result["gap"] = {
        "accuracy": train["accuracy"] - test["accuracy"] if both else None,
        "loss": test["loss"] - train["loss"] if both else None,
    }
    result["majority_class"] = {"accuracy": majority_class(true_index, partition)[1]}
    return result


def per_class(true_index: np.ndarray, scores: np.ndarray, classes: pd.DataFrame) -> pd.DataFrame:
    """Return species_id, species_name, support, precision, recall and f1, one row a class, in class order.

    Precision is 0 for a class that is never predicted; recall and f1 are NaN for a class without rows.
    """
    table = classes[["species_id", "species_name"]].reset_index(drop=True)
    if len(true_index) == 0:
        return table.assign(support=0, precision=np.nan, recall=np.nan, f1=np.nan)
    precision, recall, f1, support = precision_recall_fscore_support(
        true_index, scores.argmax(axis=1), labels=np.arange(len(classes)), zero_division=0
    )
    without = support == 0
    return table.assign(
        support=support,
        precision=precision,
        recall=np.where(without, np.nan, recall),
        f1=np.where(without, np.nan, f1),
    )


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
    """Return the few lines that a person wants at the end of a run; ``result`` as from :func:`metrics`."""
    train, test, gap = result["train"], result["test"], result["gap"]
    if not test["support"]:
        return ["no test clips, so nothing is known about new sound"]
    lines = [
        f"test accuracy {test['accuracy']:.3f}, balanced {test['balanced_accuracy']:.3f}, macro F1 "
        f"{test['macro_f1']:.3f}, loss {test['loss']:.3f} ({test['support']} clips)"
    ]
    if gap["accuracy"] is not None:
        share = result["majority_class"]["accuracy"]
        verdict = "; this model does no better" if test["accuracy"] <= share else ""
        lines += [
            f"train/test gap: accuracy {train['accuracy']:.3f} on train, {test['accuracy']:.3f} on test, gap "
            f"{gap['accuracy']:.3f}; loss {train['loss']:.3f} and {test['loss']:.3f}, gap {gap['loss']:.3f}",
            f"always answering the commonest class ({majority_name}) scores {share:.3f}{verdict}",
        ]
    return lines
