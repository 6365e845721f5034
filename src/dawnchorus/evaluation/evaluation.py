"""How well the scores of a classifier agree with the truth, partition by partition.

Everywhere: ``true_index`` (rows,) integer class index; ``scores`` (rows, classes) in [0, 1], softmax scores
in class order; ``partition`` (rows,) train, validation or test; ``classes`` the table class_index,
species_id, species_name in class order. The predicted class has the highest score, the first of equals.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from dawnchorus.foundation.errors import InputError
from dawnchorus.metrics import average_precision, bootstrap, calibration, classification
from dawnchorus.tables.definitions import PARTITIONS, SCORES


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
    """Return every metric of :func:`dawnchorus.metrics.classification.compute`, and support, the number of rows.

    None stands for what is not defined: everything without rows, the area under the ROC curve of a single class.
    """
    once = np.ones((1, len(true_index)))
    found = classification.compute(true_index, scores, once, top_k) if len(true_index) else {}
    plain = {name: float(found[name][0]) if name in found else np.nan for name in classification.names(top_k)}
    return {name: None if np.isnan(value) else value for name, value in plain.items()} | {"support": len(true_index)}


def metrics_with_intervals(
    true_index: np.ndarray, scores: np.ndarray, top_k: int, weights: np.ndarray | None, n_groups: int
) -> dict[str, float | int | None]:
    """Return :func:`partition_metrics`, each metric also with ``_low`` and ``_high``, and groups.

    ``weights``: (draws, rows), from :func:`dawnchorus.metrics.bootstrap.draws`, of ``n_groups`` groups; without them,
    or without rows, the ends of the intervals are None.
    """
    result = partition_metrics(true_index, scores, top_k)
    values = {}
    if weights is not None and len(true_index):
        values = classification.compute(true_index, scores, weights, top_k)
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
    the accuracy on test, and on train, of always answering the commonest class of the training rows. Plain numbers or
    None; ready for JSON.
    """
    rows = {name: partition == name for name in PARTITIONS}
    result = {name: partition_metrics(true_index[of], scores[of], top_k) for name, of in rows.items()}
    of = rows["test"]
    result["test"] = metrics_with_intervals(true_index[of], scores[of], top_k, weights, n_groups)
    train, test = result["train"], result["test"]
    result["gap"] = {
        "accuracy": _difference(train["accuracy"], test["accuracy"]),
        "loss": _difference(test["loss"], train["loss"]),
    }
    commonest, accuracy = majority_class(true_index, partition)
    of_train = None if commonest is None else float((true_index[rows["train"]] == commonest).mean())
    result["majority_class"] = {"accuracy": accuracy, "train_accuracy": of_train}
    return result


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def per_class(
    true_index: np.ndarray,
    scores: np.ndarray,
    classes: pd.DataFrame,
    thresholds: dict[str, float],
    of_row: np.ndarray,
    weights: np.ndarray | None,
) -> pd.DataFrame:
    """Return what the model is worth class by class, in class order.

    Columns: species_id, species_name, support, precision, recall, f1, average_precision (of the scores of all
    rows, this class against all others) with the ends of its interval, threshold (from ``thresholds``, by species_id;
    of scaled scores). Precision is 0 for a class that is never predicted; recall, f1 and average_precision are NaN for
    a class without rows.

    ``of_row``: (rows,), the group of each row; ``weights``: (draws, rows), how often it counts in each draw of groups,
    or None. A class whose rows are all of one group has no interval: nothing is known of how it varies.
    """
    table = classes[["species_id", "species_name"]].reset_index(drop=True)
    ends = ["average_precision_low", "average_precision_high"]
    names = ["support", "precision", "recall", "f1", "average_precision", *ends]
    if len(true_index) == 0:
        table = table.assign(**dict.fromkeys(names, np.nan)).assign(support=0)
    else:
        precision, recall, f1, support = precision_recall_fscore_support(
            true_index, scores.argmax(axis=1), labels=np.arange(len(classes)), zero_division=0
        )
        recall, f1 = (np.where(support == 0, np.nan, values) for values in (recall, f1))
        truth = np.eye(len(classes), dtype=bool)[true_index]
        ranked = average_precision.with_intervals(truth, scores, np.ones_like(truth), of_row, weights)
        values = [support.astype(int), precision, recall, f1, *ranked.T]
        table = table.assign(**dict(zip(names, values, strict=True)))
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


def predictions(rows: pd.DataFrame, classes: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """Return truth, prediction and every score of each row: the table ``predictions.csv``.

    ``rows``: those of ``rows.csv``, in the order of ``scores``.
    """
    truth, guess = rows["class_index"].to_numpy(), scores.argmax(axis=1)
    ids, names = classes["species_id"].to_numpy(), classes["species_name"].to_numpy()
    table = rows[["annotation_id", "recording_id", "t_min_s", "t_max_s", "partition"]].reset_index(drop=True)
    table = table.assign(
        true_species_id=ids[truth],
        true_name=names[truth],
        predicted_species_id=ids[guess],
        predicted_name=names[guess],
    )
    return pd.concat([table, pd.DataFrame(scores, columns=[f"{SCORES}{i}" for i in ids])], axis=1)


def calibrated(
    of_validation: tuple[np.ndarray, np.ndarray],
    of_test: tuple[np.ndarray, np.ndarray],
    species_ids: list[str],
    params: dict,
) -> tuple[dict, dict, pd.DataFrame]:
    """Return the calibration, its numbers for metrics.json, and the table of reliability before and after it.

    ``of_validation``, ``of_test``: class index and scores of their rows; ``params``: the block ``evaluation``.
    """
    truth, scores = of_test
    fitted = calibration.fit(*of_validation, species_ids, params["default_threshold"])
    after = calibration.scaled(scores, fitted["temperature"])
    tables = {
        "before": calibration.reliability(truth, scores, params["calibration_bins"]),
        "after": calibration.reliability(truth, after, params["calibration_bins"]),
    }
    numbers = {f"ece_{when}": calibration.expected_error(table) for when, table in tables.items()}
    numbers["temperature"] = fitted["temperature"]
    numbers["loss_after"] = partition_metrics(truth, after, params["top_k"])["loss"]
    table = pd.concat([table.assign(temperature=when) for when, table in tables.items()], ignore_index=True)
    return fitted, numbers, table


def detected_where_absent(
    absent_index: np.ndarray, scores: np.ndarray, fitted: dict, species_ids: list[str]
) -> pd.DataFrame:
    """Return how often each species is detected in clips that were checked and lack it, one row a class.

    That is no false-positive rate: the clips are those that somebody took for the species, not a sample of all clips
    without it.

    Args:
        absent_index: index of the class that each clip lacks, (clips,).
        scores: (clips, classes), as the model gives them.
        fitted: the calibration, :func:`dawnchorus.metrics.calibration.fit`. A score detects from the threshold on.

    Returns:
        ``absent_clips``: how many clips lack the class; ``detected_share_where_absent``: the share of these in which it
        is detected, NaN of none; ``expected_at_chance``: the share of all the clips in which it is detected, which is
        what to expect if being mistaken for the class once did not matter.
    """
    thresholds = np.array([fitted["thresholds"][species_id] for species_id in species_ids])
    detected = calibration.scaled(scores, fitted["temperature"]) >= thresholds
    lacking = np.asarray(absent_index)[:, None] == np.arange(len(species_ids))
    n = lacking.sum(axis=0)
    share = np.divide((detected & lacking).sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    return pd.DataFrame(
        {"absent_clips": n, "detected_share_where_absent": share, "expected_at_chance": detected.mean(axis=0)}
    )
