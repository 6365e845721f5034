"""Metrics against numbers computed by hand and by plain scikit-learn; the stage with a tiny network."""

import csv
import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from dawnchorus import evaluation
from dawnchorus.errors import InputError

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


def scores_of(predicted, n_classes=3, confidence=0.7):
    """Return scores that give ``confidence`` to the predicted class and share the rest evenly."""
    scores = np.full((len(predicted), n_classes), (1 - confidence) / (n_classes - 1), dtype=np.float32)
    scores[np.arange(len(predicted)), predicted] = confidence
    return scores


def some_rows(n_classes, n, seed=5):
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(n_classes), n).astype(np.float32)
    return rng.integers(n_classes, size=n), scores, rng.choice(["train", "validation", "test"], n)


def test_partition_metrics_by_hand():
    # Truth 0 0 0 0 1 1, answers 0 0 0 1 1 0: recall 3/4 and 1/2, precision 3/4 and 1/2.
    result = evaluation.partition_metrics(np.array([0, 0, 0, 0, 1, 1]), scores_of([0, 0, 0, 1, 1, 0], 2, 0.8))
    assert result["accuracy"] == pytest.approx(4 / 6)
    assert result["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert result["macro_f1"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert result["loss"] == pytest.approx((-4 * math.log(0.8) - 2 * math.log(0.2)) / 6, rel=1e-6)
    assert result["support"] == 6


@pytest.mark.parametrize("n_classes", [2, 3, 24])
def test_partition_metrics_are_those_of_scikit_learn(n_classes):
    truth, scores, _ = some_rows(n_classes, 2000)
    predicted = scores.argmax(axis=1)
    result = evaluation.partition_metrics(truth, scores)
    assert result["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert result["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert result["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    exact = scores.astype(np.float64) / scores.sum(axis=1, keepdims=True, dtype=np.float64)
    assert result["loss"] == pytest.approx(log_loss(truth, exact, labels=range(n_classes)), rel=1e-5)


def test_loss_is_clipped_so_that_a_certain_mistake_is_finite():
    scores = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    loss = evaluation.cross_entropy(np.array([0, 1]), scores)
    assert loss == pytest.approx((-math.log(1 - 1e-7) - math.log(1e-7)) / 2)


def test_a_class_without_rows_neither_counts_nor_warns():
    truth, scores = np.array([0, 0, 1, 1]), scores_of([0, 2, 1, 1])
    result = evaluation.partition_metrics(truth, scores)
    # Recall 1/2 and 1; F1 2/3 (precision 1, recall 1/2) and 1. Class 2 was answered once but has no rows.
    assert result["balanced_accuracy"] == pytest.approx(3 / 4)
    assert result["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    table = evaluation.per_class(truth, scores, CLASSES)
    assert table["support"].tolist() == [2, 2, 0]
    assert table["precision"].tolist() == [1.0, 1.0, 0.0]
    assert table["recall"].tolist()[:2] == [0.5, 1.0]
    assert table[["recall", "f1"]].iloc[2].isna().all()


def test_a_class_that_is_never_answered_has_precision_and_f1_zero():
    table = evaluation.per_class(np.array([0, 1, 2]), scores_of([0, 1, 1]), CLASSES)
    assert table.loc[2, ["precision", "recall", "f1"]].tolist() == [0, 0, 0]
    assert table["species_id"].tolist() == ["7", "NA", "007"]


def test_one_row_in_each_partition():
    result = evaluation.metrics(
        np.array([0, 1, 2]), scores_of([0, 1, 0]), np.array(["train", "validation", "test"])
    )
    assert result["train"]["accuracy"] == result["validation"]["balanced_accuracy"] == 1.0
    assert result["test"]["accuracy"] == result["test"]["macro_f1"] == 0.0
    assert result["gap"]["accuracy"] == 1.0
    assert result["gap"]["loss"] == pytest.approx(math.log(0.7 / 0.15), rel=1e-6)
    assert result["majority_class"]["accuracy"] == 0.0


def test_an_empty_validation_partition_is_null():
    result = evaluation.metrics(np.array([0, 1]), scores_of([0, 1]), np.array(["train", "test"]))
    assert result["validation"] == {
        "accuracy": None,
        "balanced_accuracy": None,
        "macro_f1": None,
        "loss": None,
        "support": 0,
    }
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert len(evaluation.summary(result, "wren")) == 3


def test_an_empty_test_partition_is_null_and_said():
    truth, scores = np.array([0, 1]), scores_of([0, 1])
    result = evaluation.metrics(truth, scores, np.array(["train", "train"]))
    assert result["gap"] == {"accuracy": None, "loss": None}
    assert result["majority_class"] == {"accuracy": None}
    assert evaluation.summary(result, None) == ["no test clips, so nothing is known about new sound"]
    nothing = (truth[:0], scores[:0], CLASSES)
    assert evaluation.per_class(*nothing)["support"].tolist() == [0, 0, 0]
    assert evaluation.confusion(*nothing)["count"].sum() == 0


def test_majority_class_is_that_of_the_training_rows():
    truth = np.array([1, 1, 0, 0, 0, 1])
    partition = np.array(["train", "train", "train", "test", "test", "test"])
    assert evaluation.majority_class(truth, partition) == (1, 1 / 3)
    result = evaluation.metrics(truth, scores_of([1, 1, 0, 0, 1, 0], 2), partition)
    assert result["test"]["accuracy"] == pytest.approx(1 / 3)
    assert evaluation.summary(result, "wren")[-1].endswith("scores 0.333; this model does no better")


def test_confusion_sums_to_support_in_class_order():
    truth, scores, _ = some_rows(3, 50)
    table = evaluation.confusion(truth, scores, CLASSES)
    assert len(table) == 9
    assert table["true_species_id"].tolist() == ["7"] * 3 + ["NA"] * 3 + ["007"] * 3
    assert table["predicted_species_id"].tolist() == ["7", "NA", "007"] * 3
    support = evaluation.per_class(truth, scores, CLASSES)["support"]
    assert table["count"].to_numpy().reshape(3, 3).sum(axis=1).tolist() == support.tolist()
    for (i, j), count in np.ndenumerate(table["count"].to_numpy().reshape(3, 3)):
        assert count == sum((truth == i) & (scores.argmax(axis=1) == j))


def test_predictions_join_times_by_annotation_not_by_position():
    rows = pd.DataFrame(
        {
            "annotation_id": ["5", "2"],
            "recording_id": ["b", "a"],
            "class_index": ["2", "0"],
            "partition": ["test", "train"],
        }
    )
    annotations = pd.DataFrame(
        {"annotation_id": ["2", "3", "5"], "t_min_s": ["0.1", "9", "1.25"], "t_max_s": ["0.30", "10", "2"]}
    )
    table = evaluation.predictions(rows, annotations, CLASSES, scores_of([1, 0]))
    assert table["t_min_s"].tolist() == ["1.25", "0.1"]
    assert table["t_max_s"].tolist() == ["2", "0.30"]
    assert table["true_species_id"].tolist() == ["007", "7"]
    assert table["predicted_species_id"].tolist() == ["NA", "7"]
    assert table.columns.tolist()[-3:] == ["score_7", "score_NA", "score_007"]
    with pytest.raises(InputError, match="annotation_id 5 is in the data set but not in the annotations"):
        evaluation.predictions(rows, annotations.iloc[:2], CLASSES, scores_of([1, 0]))


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


def write_csv(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def table_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def a_project(folder, n_rows=23):
    """Write a made-up data set, its annotations and an untrained network; return the stage's arguments."""
    import keras

    from dawnchorus import model_file

    rng = np.random.default_rng(3)
    x = rng.normal(size=(n_rows, 6, 4)).astype(np.float32)
    rows = pd.DataFrame(
        {
            "row": range(n_rows),
            "annotation_id": rng.permutation(n_rows),
            "recording_id": [f"site/{i:03}" for i in range(n_rows)],
            "class_index": rng.integers(3, size=n_rows),
            "partition": np.repeat(["train", "validation", "test"], [10, 5, n_rows - 15]),
        }
    )
    annotations = pd.DataFrame({"annotation_id": range(n_rows), "t_min_s": 0.1, "t_max_s": 0.7})
    write_csv(folder / "dataset/rows.csv", rows)
    write_csv(folder / "dataset/classes.csv", CLASSES)
    write_csv(folder / "annotations.csv", annotations)
    np.save(folder / "dataset/x.npy", x)
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Input((6, 4)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model_file.save(model, {"classes": CLASSES.to_dict("records")}, folder / "model.keras")
    arguments = {
        "--dataset": folder / "dataset",
        "--annotations": folder / "annotations.csv",
        "--model": folder / "model.keras",
        "--params": json.dumps({"evaluation": {"batch_size": 4}}),
        "--threads": 1,
        "--output": folder / "reports",
    }
    return [str(word) for pair in arguments.items() for word in pair], model, x, rows


def test_stage_writes_what_the_network_says(tmp_path, capsys, monkeypatch):
    warnings.simplefilter("default")
    from dawnchorus.stages import evaluation as stage

    # TensorFlow takes a number of threads only before its first operation, which another test may have run.
    monkeypatch.setattr(stage.model_file.device, "prepare", lambda seed, threads: "")
    arguments, model, x, rows = a_project(tmp_path)
    stage.main(arguments)
    reports = tmp_path / "reports"
    assert sorted(path.name for path in reports.iterdir()) == [
        "confusion.csv",
        "metrics.json",
        "per_class.csv",
        "predictions.csv",
        "predictions_seen.csv",
    ]
    expected = np.asarray(model(x))
    written = [*table_of(reports / "predictions_seen.csv"), *table_of(reports / "predictions.csv")]
    assert [row["partition"] for row in written] == rows["partition"].tolist()
    assert {row["partition"] for row in table_of(reports / "predictions.csv")} == {"test"}
    assert [row["recording_id"] for row in written] == rows["recording_id"].tolist()
    assert [row["annotation_id"] for row in written] == rows["annotation_id"].astype(str).tolist()
    read = np.array([[row[f"score_{i}"] for i in CLASSES["species_id"]] for row in written]).astype(
        np.float32
    )
    np.testing.assert_allclose(read, expected, rtol=1e-5)
    names = CLASSES["species_name"].to_numpy()
    assert [row["predicted_name"] for row in written] == names[expected.argmax(axis=1)].tolist()

    metrics = json.loads((reports / "metrics.json").read_text(encoding="utf-8"))
    test = (rows["partition"] == "test").to_numpy()
    truth = rows["class_index"].to_numpy()[test]
    assert metrics["test"]["support"] == test.sum() == 8
    assert metrics["test"]["accuracy"] == accuracy_score(truth, expected[test].argmax(axis=1))
    loss = -np.log(expected[test, :][np.arange(8), truth]).mean()
    assert metrics["test"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["gap"]["accuracy"] == metrics["train"]["accuracy"] - metrics["test"]["accuracy"]
    assert pd.read_csv(reports / "confusion.csv")["count"].sum() == 8
    assert "train/test gap" in capsys.readouterr().out

    first = (reports / "metrics.json").read_bytes()
    stage.main(arguments)
    assert (reports / "metrics.json").read_bytes() == first

    write_csv(tmp_path / "dataset/classes.csv", CLASSES.iloc[::-1])
    with pytest.raises(InputError, match="trained for other classes"):
        stage.main(arguments)
    write_csv(tmp_path / "dataset/rows.csv", rows.iloc[:-1])
    with pytest.raises(InputError, match=r"23 rows in x.npy, 22 in rows.csv"):
        stage.main(arguments)


def test_scores_of_float32_survive_the_table(tmp_path):
    from dawnchorus.stages import evaluation as stage

    scores = np.random.default_rng(0).dirichlet(np.ones(5), 400).astype(np.float32)
    stage.write_table(pd.DataFrame(scores), tmp_path / "scores.csv")
    assert (pd.read_csv(tmp_path / "scores.csv").to_numpy(dtype=np.float32) == scores).all()
