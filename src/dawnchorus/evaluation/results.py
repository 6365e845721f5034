"""What one model is worth on one data set: every table and number of stage evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dawnchorus.evaluation import baselines, evaluation, summary
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.seeds import rng
from dawnchorus.learning.dataset import Dataset
from dawnchorus.metrics import bootstrap
from dawnchorus.partitioning import groups
from dawnchorus.tables.definitions import PARTITIONS

if TYPE_CHECKING:
    from dawnchorus.learning.model_file import Model

NOTHING: Mapping[str, baselines.Answer | None] = {}
ABSENT = ("absent_clips", "detected_share_where_absent")


@dataclass(frozen=True)
class Results:
    """``tables`` by the name of their file, without ending; the content of metrics.json and calibration.json; and the
    lines that sum it all up.
    """

    tables: dict[str, pd.DataFrame]
    metrics: dict
    calibration: dict
    lines: list[str]


def of_model(
    model: Model,
    card: dict,
    data: Dataset,
    seed: int,
    params: dict,
    source: str,
    others: Mapping[str, baselines.Answer | None] = NOTHING,
) -> Results:
    """Score every clip of a data set with a model, compute the metrics, and set the model beside its baselines.

    ``others``: what else named the test clips, by the names of metrics.json. ``model`` has ``predict_on_batch``;
    ``params``: the block ``evaluation``; ``source``: what errors call the model.
    A model of other classes than the data set's, or one whose scores are no softmax, raises :class:`InputError`.
    """
    ids = data.classes["species_id"].to_list()
    if [of["species_id"] for of in card["classes"]] != ids:
        raise InputError(f"{source}: trained for other classes than those of the data set; train it again")

    def predict(x: np.ndarray) -> np.ndarray:
        scores = _scores(model, x, params["batch_size"])
        evaluation.check_scores(scores, len(x), len(ids), source)
        return scores

    truth, partition = data.class_index, data.rows["partition"].to_numpy(dtype=str)
    train, validation, test = (data.rows_of(name) for name in PARTITIONS)
    scores, test_rows = predict(data.x), data.rows.iloc[test].reset_index(drop=True)
    of_test = truth[test], scores[test]
    group = np.array(groups.resampled(test_rows["group"].to_list(), test_rows["recording_id"].to_list()), dtype=str)
    weights = bootstrap.draws(group, params["bootstrap_draws"], rng(seed, "bootstrap"))
    metrics = evaluation.metrics(truth, scores, partition, params["top_k"], weights, len(np.unique(group)))
    metrics["test"]["units"] = groups.units_of(group.tolist(), test_rows["recording_id"].to_list())
    of_validation = truth[validation], scores[validation]
    fitted, metrics["calibration"], reliability = evaluation.calibrated(of_validation, of_test, ids, params)

    everything, n_frames = np.arange(len(test)), data.rows["n_frames"].to_numpy()
    majority = baselines.majority_scores(truth[train], len(test), len(ids))
    machine = baselines.svm_scores(data.x, n_frames, truth, train, test, data.statistics, len(ids))
    answers: dict[str, baselines.Answer | None] = {
        summary.BASELINES["majority_class"]: (everything, majority) if len(train) else None,
        summary.BASELINES["svm"]: None if machine is None else (everything, machine),
        summary.BASELINES["context_only"]: baselines.context_answers(
            predict, test_rows, data.context, data.context_rows, data.statistics
        ),
        **{summary.BASELINES[name]: answer for name, answer in others.items()},
    }
    beside = baselines.table(
        truth[test], (card["model"]["name"], scores[test]), answers, group, weights, params["top_k"]
    )
    for name in ("svm", "context_only", *others):
        row = next(row for row in beside if row["model"] == summary.BASELINES[name])
        metrics[name] = {key: row[key] for key in row if key.startswith(("accuracy", "advantage")) or key == "clips"}

    per_class = evaluation.per_class(*of_test, data.classes, fitted["thresholds"], group, weights)
    absent = _where_absent(predict, data, fitted, ids)
    per_class = per_class.assign(**{name: None if absent is None else absent[name] for name in ABSENT})
    if absent is not None:
        checked = absent[absent["absent_clips"] > 0]
        means = checked[["detected_share_where_absent", "expected_at_chance"]].mean()
        metrics["checked_absent"] = {"absent_clips": int(checked["absent_clips"].sum()), **means.to_dict()}

    predicted = evaluation.predictions(data.rows, data.classes, scores)
    tables = {
        "predictions": predicted[partition == "test"],
        "predictions_seen": predicted[partition != "test"],
        "per_class": per_class,
        "confusion": evaluation.confusion(*of_test, data.classes),
        "reliability": reliability,
        "baselines": pd.DataFrame(beside),
        "baseline_predictions": baselines.predictions(answers, test_rows["annotation_id"], ids),
    }
    commonest, _ = evaluation.majority_class(truth, partition)
    lines = summary.of_metrics(metrics, None if commonest is None else data.classes["species_name"][commonest])
    if fitted["without_rows"]:
        n, threshold = len(fitted["without_rows"]), fitted["default_threshold"]
        lines.append(f"{n} of {len(ids)} classes have no validation clip: threshold {threshold:g}")
    return Results(tables, metrics, fitted, lines)


def of_test(model: Model, data: Dataset, batch_size: int, source: str) -> pd.DataFrame:
    """Return what a model says of the test clips, predictions.csv; scores that are none raise :class:`InputError`.

    ``source``: what errors call the model.
    """
    test, n_classes = data.rows_of("test"), len(data.classes)
    scores = _scores(model, data.x[test], batch_size) if len(test) else np.zeros((0, n_classes), np.float32)
    evaluation.check_scores(scores, len(test), n_classes, source)
    return evaluation.predictions(data.rows.iloc[test], data.classes, scores)


def _scores(model: Model, x: np.ndarray, batch_size: int) -> np.ndarray:
    """Return the scores (rows, classes) float32 of ``x`` (rows, frames, n_features), which is read batch by batch."""
    batches = [
        np.asarray(model.predict_on_batch(np.asarray(x[start : start + batch_size])), dtype=np.float32)
        for start in range(0, len(x), batch_size)
    ]
    return np.concatenate(batches)


def _where_absent(
    predict: Callable[[np.ndarray], np.ndarray], data: Dataset, fitted: dict, species_ids: list[str]
) -> pd.DataFrame | None:
    """Return :func:`evaluation.detected_where_absent` of the test clips that were checked, None without any."""
    rows = np.flatnonzero(data.negative_rows["partition"] == "test")
    if not len(rows):
        return None
    absent_index = data.negative_rows["class_index"].to_numpy()[rows]
    return evaluation.detected_where_absent(absent_index, predict(data.negatives[rows]), fitted, species_ids)
