"""Metrics against numbers computed by hand and by plain scikit-learn."""

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from dawnchorus.evaluation import evaluation, summary
from dawnchorus.foundation.errors import InputError
from dawnchorus.metrics import bootstrap
from dawnchorus.tables import definitions

CLASSES = pd.DataFrame(
    {
        "class_index": ["0", "1", "2"],
        "species_id": ["7", "NA", "007"],
        "species_name": ["wren, winter", 'the "crake"', "$x_1$"],
    }
)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


THRESHOLDS = {"007": 0.5, "7": 0.3, "NA": 0.2}


def scores_of(predicted, n_classes=3, confidence=0.7):
    """Return scores that give ``confidence`` to the predicted class and share the rest evenly."""
    scores = np.full((len(predicted), n_classes), (1 - confidence) / (n_classes - 1), dtype=np.float32)
    scores[np.arange(len(predicted)), predicted] = confidence
    return scores


def metrics(truth, scores, partition):
    return evaluation.metrics(truth, scores, partition, 2, None, 1)


def per_class(truth, scores):
    return evaluation.per_class(truth, scores, CLASSES, THRESHOLDS, np.arange(len(truth)).astype(str), None)


def some_rows(n_classes, n, seed=5):
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(n_classes), n).astype(np.float32)
    return rng.integers(n_classes, size=n), scores, rng.choice(["train", "validation", "test"], n)


def test_partition_metrics_by_hand():
    # Truth 0 0 0 0 1 1, answers 0 0 0 1 1 0: recall 3/4 and 1/2, precision 3/4 and 1/2.
    result = evaluation.partition_metrics(np.array([0, 0, 0, 0, 1, 1]), scores_of([0, 0, 0, 1, 1, 0], 2, 0.8), 1)
    assert result["accuracy"] == pytest.approx(4 / 6)
    assert result["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert result["macro_f1"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert result["loss"] == pytest.approx((-4 * math.log(0.8) - 2 * math.log(0.2)) / 6, rel=1e-6)
    assert result["support"] == 6


def test_a_class_without_rows_neither_counts_nor_warns():
    truth, scores = np.array([0, 0, 1, 1]), scores_of([0, 2, 1, 1])
    result = evaluation.partition_metrics(truth, scores, 2)
    # Recall 1/2 and 1; F1 2/3 (precision 1, recall 1/2) and 1. Class 2 was answered once but has no rows.
    assert result["balanced_accuracy"] == pytest.approx(3 / 4)
    assert result["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    table = per_class(truth, scores)
    assert table["support"].tolist() == [2, 2, 0]
    assert table["precision"].tolist() == [1.0, 1.0, 0.0]
    assert table["recall"].tolist()[:2] == [0.5, 1.0]
    assert table[["recall", "f1", "average_precision"]].iloc[2].isna().all()
    expected = [average_precision_score(truth == c, scores[:, c]) for c in (0, 1)]
    assert table["average_precision"].tolist()[:2] == pytest.approx(expected)
    assert table["threshold"].tolist() == [0.3, 0.2, 0.5]


def test_a_class_that_is_never_answered_has_precision_and_f1_zero():
    table = per_class(np.array([0, 1, 2]), scores_of([0, 1, 1]))
    assert table.loc[2, ["precision", "recall", "f1"]].tolist() == [0, 0, 0]
    assert table["species_id"].tolist() == ["7", "NA", "007"]


def test_counts_are_whole_numbers_when_no_row_is_right():
    table = per_class(np.array([0, 1, 1]), scores_of([1, 0, 2]))
    assert [str(count) for count in table["support"]] == ["1", "2", "0"]


def test_one_row_in_each_partition():
    result = metrics(np.array([0, 1, 2]), scores_of([0, 1, 0]), np.array(["train", "validation", "test"]))
    assert result["train"]["accuracy"] == result["validation"]["balanced_accuracy"] == 1.0
    assert result["test"]["accuracy"] == result["test"]["macro_f1"] == 0.0
    assert result["gap"]["accuracy"] == 1.0
    assert result["gap"]["loss"] == pytest.approx(math.log(0.7 / 0.15), rel=1e-6)
    assert result["majority_class"] == {"accuracy": 0.0, "train_accuracy": 1.0}


def test_an_empty_validation_partition_is_null():
    result = metrics(np.array([0, 1]), scores_of([0, 1]), np.array(["train", "test"]))
    assert result["validation"].pop("support") == 0
    assert set(result["validation"]) == set(result["train"]) - {"support"}
    assert set(result["validation"].values()) == {None}
    result["validation"]["support"] = 0
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert len(summary.of_metrics(result, "wren")) == 4


def test_an_empty_test_partition_is_null_and_said():
    truth, scores = np.array([0, 1]), scores_of([0, 1])
    result = metrics(truth, scores, np.array(["train", "train"]))
    assert result["gap"] == {"accuracy": None, "loss": None}
    assert result["majority_class"] == {"accuracy": None, "train_accuracy": None}
    assert summary.of_metrics(result, None) == ["no test clips, so nothing is known about new sound"]
    nothing = (truth[:0], scores[:0], CLASSES)
    assert per_class(*nothing[:2])["support"].tolist() == [0, 0, 0]
    assert evaluation.confusion(*nothing)["count"].sum() == 0


def test_majority_class_is_that_of_the_training_rows():
    truth = np.array([1, 1, 0, 0, 0, 1])
    partition = np.array(["train", "train", "train", "test", "test", "test"])
    assert evaluation.majority_class(truth, partition) == (1, 1 / 3)
    result = metrics(truth, scores_of([1, 1, 0, 0, 1, 0], 2), partition)
    assert result["test"]["accuracy"] == pytest.approx(1 / 3)
    assert summary.of_metrics(result, "wren")[-1].endswith("scores 0.333; this model does no better")


def test_confusion_sums_to_support_in_class_order():
    truth, scores, _ = some_rows(3, 50)
    table = evaluation.confusion(truth, scores, CLASSES)
    assert len(table) == 9
    assert table["true_species_id"].tolist() == ["7"] * 3 + ["NA"] * 3 + ["007"] * 3
    assert table["predicted_species_id"].tolist() == ["7", "NA", "007"] * 3
    support = per_class(truth, scores)["support"]
    assert table["count"].to_numpy().reshape(3, 3).sum(axis=1).tolist() == support.tolist()
    for (i, j), count in np.ndenumerate(table["count"].to_numpy().reshape(3, 3)):
        assert count == sum((truth == i) & (scores.argmax(axis=1) == j))


def test_predictions_carry_what_the_rows_say():
    rows = pd.DataFrame(
        {
            "annotation_id": [5, 2],
            "recording_id": ["b", "a"],
            "class_index": [2, 0],
            "partition": ["test", "train"],
            "t_min_s": [1.25, 0.1],
            "t_max_s": [2.0, 0.3],
            "group": ["g", "g"],
        }
    )
    table = evaluation.predictions(rows, CLASSES, scores_of([1, 0]))
    assert table["t_min_s"].tolist() == [1.25, 0.1]
    assert table["true_species_id"].tolist() == ["007", "7"]
    assert table["predicted_species_id"].tolist() == ["NA", "7"]
    assert table.columns.tolist() == [*definitions.PREDICTIONS.names, "score_7", "score_NA", "score_007"]
    np.testing.assert_allclose(table["score_NA"], [0.7, 0.15], rtol=1e-6)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (np.zeros((2, 4)), r"shape \(2, 4\), expected 2 rows and 3 classes"),
        (np.array([[0.1, np.nan, 0.2], [0.1, 0.2, 0.7]]), "1 of 2 rows are not numbers"),
        (np.array([[-2.0, 3.0, 0.0], [0.1, 0.2, 0.7]]), "from -2 to 3, expected 0 to 1"),
    ],
)
def test_unusable_scores_are_one_clear_line(scores, expected):
    with pytest.raises(InputError, match=f"^model.keras: .*{expected}"):
        evaluation.check_scores(scores, 2, 3, "model.keras")


def test_intervals_are_those_of_the_draws():
    truth, scores, _ = some_rows(3, 60)
    weights = bootstrap.draws(np.arange(60) // 4, 400, np.random.default_rng(0))
    result = evaluation.metrics_with_intervals(truth, scores, 2, weights, 15)
    plain = evaluation.partition_metrics(truth, scores, 2)
    assert result["groups"] == 15
    for name, value in plain.items():
        assert result[name] == value
        if name != "support":
            assert result[f"{name}_low"] < value < result[f"{name}_high"], name
    hits = scores.argmax(axis=1) == truth
    drawn = np.array([np.average(hits, weights=weight) for weight in weights])
    assert result["accuracy_high"] - result["accuracy_low"] == pytest.approx(4 * drawn.std(), rel=0.25)
    empty = evaluation.metrics_with_intervals(truth[:0], scores[:0], 2, None, 0)
    assert empty["accuracy_low"] is empty["accuracy"] is None


def test_summary_says_what_is_not_shown():
    truth, scores = np.array([0, 1, 0, 1]), scores_of([0, 1, 0, 0], 2)
    result = metrics(truth, scores, np.array(["train", "train", "test", "test"]))
    result["test"]["groups"] = 6
    ends = {"accuracy_low": 0.1, "accuracy_high": 0.9, "advantage_low": -0.1, "advantage_high": 0.2}
    result["svm"] = {"accuracy": 0.5, "advantage": 0.0, **ends}
    result["context_only"] = {"accuracy": 0.7, "clips": 2, **ends, "accuracy_low": 0.6}
    result["calibration"] = {"ece_before": 0.2, "ece_after": 0.1, "temperature": 1.5}
    *_, svm, context, calibration = summary.of_metrics(result, "wren")
    assert "scores 0.500 [0.100, 0.900]; this model's advantage over it is +0.000 [-0.100, +0.200]" in svm
    assert svm.endswith("; that is not shown to be better")
    assert context.endswith("0.700 [0.600, 0.900] (2 clips); the background gives classes away")
    assert calibration == "calibration error 0.200, 0.100 after temperature 1.50"
    result["svm"]["advantage_low"], result["context_only"]["accuracy_low"] = 0.01, 0.3
    *_, svm, context, _ = summary.of_metrics(result, "wren")
    assert "not shown" not in svm
    assert "gives" not in context
    # Five groups lie on one side in 1 of 16 cases where nothing differs.
    result["test"]["groups"] = 5
    assert "not shown to be better" in summary.of_metrics(result, "wren")[-3]


def test_detection_where_a_species_is_absent_counts_each_class_in_its_own_clips():
    scores = np.array([[0.9, 0.9, 0.0], [0.9, 0.5, 0.0], [0.0, 0.4, 0.0], [0.0, 0.6, 0.9]]) + 1e-3
    scores /= scores.sum(axis=1, keepdims=True)
    # Class 0 lacks in the first clip, where it has 0.5; class 1 in the others, where it has 0.36, 0.99 and 0.4.
    fitted = {"temperature": 1.0, "thresholds": {"a": 0.45, "b": 0.38, "c": 0.5}}
    table = evaluation.detected_where_absent(np.array([0, 1, 1, 1]), scores, fitted, ["a", "b", "c"])
    assert table["absent_clips"].tolist() == [1, 3, 0]
    assert table["detected_share_where_absent"].tolist()[:2] == [1.0, 2 / 3]
    assert math.isnan(table["detected_share_where_absent"][2])
    assert table["expected_at_chance"].tolist() == [0.5, 0.75, 0.25]
    # A temperature of 2 takes the square root of the odds: class 1 in the second clip has 0.42 then.
    cooler = {**fitted, "temperature": 2.0}
    table = evaluation.detected_where_absent(np.array([0, 1, 1, 1]), scores, cooler, ["a", "b", "c"])
    assert table["detected_share_where_absent"].tolist()[:2] == [1.0, 1.0]
