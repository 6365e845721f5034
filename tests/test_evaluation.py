"""Metrics against numbers computed by hand and by plain scikit-learn; the stage with a tiny network."""

import csv
import hashlib
import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, label_ranking_average_precision_score

from dawnchorus import networks
from dawnchorus.evaluation import evaluation
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import model_file, pooled
from dawnchorus.metrics import bootstrap

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
    table = evaluation.per_class(truth, scores, CLASSES, THRESHOLDS)
    assert table["support"].tolist() == [2, 2, 0]
    assert table["precision"].tolist() == [1.0, 1.0, 0.0]
    assert table["recall"].tolist()[:2] == [0.5, 1.0]
    assert table[["recall", "f1", "average_precision"]].iloc[2].isna().all()
    expected = [average_precision_score(truth == c, scores[:, c]) for c in (0, 1)]
    assert table["average_precision"].tolist()[:2] == pytest.approx(expected)
    assert table["threshold"].tolist() == [0.3, 0.2, 0.5]


def test_a_class_that_is_never_answered_has_precision_and_f1_zero():
    table = evaluation.per_class(np.array([0, 1, 2]), scores_of([0, 1, 1]), CLASSES, THRESHOLDS)
    assert table.loc[2, ["precision", "recall", "f1"]].tolist() == [0, 0, 0]
    assert table["species_id"].tolist() == ["7", "NA", "007"]


def test_one_row_in_each_partition():
    result = metrics(np.array([0, 1, 2]), scores_of([0, 1, 0]), np.array(["train", "validation", "test"]))
    assert result["train"]["accuracy"] == result["validation"]["balanced_accuracy"] == 1.0
    assert result["test"]["accuracy"] == result["test"]["macro_f1"] == 0.0
    assert result["gap"]["accuracy"] == 1.0
    assert result["gap"]["loss"] == pytest.approx(math.log(0.7 / 0.15), rel=1e-6)
    assert result["majority_class"]["accuracy"] == 0.0


def test_an_empty_validation_partition_is_null():
    result = metrics(np.array([0, 1]), scores_of([0, 1]), np.array(["train", "test"]))
    assert result["validation"].pop("support") == 0
    assert set(result["validation"]) == set(result["train"]) - {"support"}
    assert set(result["validation"].values()) == {None}
    result["validation"]["support"] = 0
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert len(evaluation.summary(result, "wren")) == 3


def test_an_empty_test_partition_is_null_and_said():
    truth, scores = np.array([0, 1]), scores_of([0, 1])
    result = metrics(truth, scores, np.array(["train", "train"]))
    assert result["gap"] == {"accuracy": None, "loss": None}
    assert result["majority_class"] == {"accuracy": None}
    assert evaluation.summary(result, None) == ["no test clips, so nothing is known about new sound"]
    nothing = (truth[:0], scores[:0], CLASSES)
    assert evaluation.per_class(*nothing, THRESHOLDS)["support"].tolist() == [0, 0, 0]
    assert evaluation.confusion(*nothing)["count"].sum() == 0


def test_majority_class_is_that_of_the_training_rows():
    truth = np.array([1, 1, 0, 0, 0, 1])
    partition = np.array(["train", "train", "train", "test", "test", "test"])
    assert evaluation.majority_class(truth, partition) == (1, 1 / 3)
    result = metrics(truth, scores_of([1, 1, 0, 0, 1, 0], 2), partition)
    assert result["test"]["accuracy"] == pytest.approx(1 / 3)
    assert evaluation.summary(result, "wren")[-1].endswith("scores 0.333; this model does no better")


def test_confusion_sums_to_support_in_class_order():
    truth, scores, _ = some_rows(3, 50)
    table = evaluation.confusion(truth, scores, CLASSES)
    assert len(table) == 9
    assert table["true_species_id"].tolist() == ["7"] * 3 + ["NA"] * 3 + ["007"] * 3
    assert table["predicted_species_id"].tolist() == ["7", "NA", "007"] * 3
    support = evaluation.per_class(truth, scores, CLASSES, THRESHOLDS)["support"]
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
    ends = {"accuracy_low": 0.1, "accuracy_high": 0.9, "advantage_low": -0.1, "advantage_high": 0.2}
    result["svm"] = {"accuracy": 0.5, "advantage": 0.0, **ends}
    result["context_only"] = {"accuracy": 0.7, "clips": 2, **ends, "accuracy_low": 0.6}
    result["calibration"] = {"ece_before": 0.2, "ece_after": 0.1, "temperature": 1.5}
    *_, svm, context, calibration = evaluation.summary(result, "wren")
    assert svm.endswith(
        "0.500 [0.100, 0.900], this model +0.000 [-0.100, +0.200] to that; that is not shown to be better"
    )
    assert context.endswith("0.700 [0.600, 0.900] (2 clips); the background gives classes away")
    assert calibration == "calibration error 0.200, 0.100 after temperature 1.50"
    result["svm"]["advantage_low"], result["context_only"]["accuracy_low"] = 0.01, 0.3
    *_, svm, context, _ = evaluation.summary(result, "wren")
    assert "not shown" not in svm
    assert "gives" not in context


PARAMS = {"batch_size": 4, "top_k": 2, "bootstrap_draws": 60, "calibration_bins": 15, "default_threshold": 0.5}


def a_project(folder, n_rows=43, boxes=()):
    """Write a made-up data set, its tables and a small model; return the stage's arguments.

    ``boxes``: class index and partition of the clips that were checked not to hold that class.
    """
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=n_rows)
    x = rng.normal(size=(n_rows, 6, 4)).astype(np.float32)
    x[np.arange(n_rows), :, truth] += 0.5
    rows = pd.DataFrame(
        {
            "row": range(n_rows),
            "annotation_id": rng.permutation(n_rows),
            "recording_id": [f"site/{i // 2:03}" for i in range(n_rows)],
            "class_index": truth,
            "partition": np.repeat(["train", "validation", "test"], [20, 8, n_rows - 28]),
            "n_frames": 6,
        }
    )
    split = rows[["annotation_id", "recording_id", "partition"]].assign(group=rows["recording_id"])
    of_test = rows[rows["partition"] == "test"].iloc[:-3]
    ids = of_test["recording_id"].unique()
    context = pd.DataFrame({"row": range(len(ids)), "recording_id": ids, "partition": "test", "n_frames": 6})
    negatives = pd.DataFrame(boxes, columns=["class_index", "partition"])
    write_csv(folder / "dataset/rows.csv", rows)
    write_csv(folder / "dataset/classes.csv", CLASSES)
    write_csv(folder / "dataset/context_rows.csv", context)
    write_csv(folder / "dataset/negative_rows.csv", negatives)
    write_csv(folder / "split.csv", split)
    write_csv(
        folder / "annotations.csv", pd.DataFrame({"annotation_id": range(n_rows), "t_min_s": 0.1, "t_max_s": 0.7})
    )
    statistics = {
        "offset": [0.0],
        "scale": [1.0],
        "normalization": "none",
        "clip_normalization": "none",
        "frames": 6,
        "padding": "right",
        "features": {"deltas": 0},
    }
    (folder / "dataset/statistics.json").write_text(json.dumps(statistics))
    np.save(folder / "dataset/x.npy", x)
    np.save(folder / "dataset/context.npy", rng.normal(size=(len(ids), 6, 4)).astype(np.float32))
    negative_x = 3 * np.random.default_rng(8).normal(size=(len(negatives), 6, 4))
    np.save(folder / "dataset/negatives.npy", negative_x.astype(np.float32))
    network, block = networks.get("logistic_regression"), {"name": "logistic_regression", "l2": 0.01}
    arrays = {
        "weights": rng.normal(size=(16, 3)),
        "bias": rng.normal(size=3),
        "offset": np.zeros(16),
        "scale": np.ones(16),
    }
    model = pooled.Classifier(network, arrays, 3, block)
    model_file.save(model, {"classes": CLASSES.to_dict("records"), "model": block}, folder / "model.keras")
    arguments = {
        "--dataset": folder / "dataset",
        "--annotations": folder / "annotations.csv",
        "--split": folder / "split.csv",
        "--model": folder / "model.keras",
        "--params": json.dumps({"seed": 3, "evaluation": PARAMS}),
        "--threads": 1,
        "--output": folder / "reports",
        "--calibration": folder / "models/calibration.json",
    }
    return [str(word) for pair in arguments.items() for word in pair], model, x, rows


def test_stage_writes_what_the_network_says(tmp_path, capsys):
    from dawnchorus.stages import evaluation as stage

    arguments, model, x, rows = a_project(tmp_path)
    stage.main(arguments)
    reports = tmp_path / "reports"
    names = "baseline_predictions baselines confusion metrics per_class predictions predictions_seen reliability"
    assert sorted(path.stem for path in reports.iterdir()) == names.split()
    expected = model.predict_on_batch(x)
    written = [*table_of(reports / "predictions_seen.csv"), *table_of(reports / "predictions.csv")]
    assert [row["partition"] for row in written] == rows["partition"].tolist()
    assert {row["partition"] for row in table_of(reports / "predictions.csv")} == {"test"}
    assert [row["recording_id"] for row in written] == rows["recording_id"].tolist()
    assert [row["annotation_id"] for row in written] == rows["annotation_id"].astype(str).tolist()
    read = np.array([[row[f"score_{i}"] for i in CLASSES["species_id"]] for row in written]).astype(np.float32)
    np.testing.assert_allclose(read, expected, rtol=1e-5)
    names = CLASSES["species_name"].to_numpy()
    assert [row["predicted_name"] for row in written] == names[expected.argmax(axis=1)].tolist()

    found = json.loads((reports / "metrics.json").read_text(encoding="utf-8"))
    test = (rows["partition"] == "test").to_numpy()
    truth = rows["class_index"].to_numpy()
    assert found["test"]["support"] == test.sum() == 15
    assert found["test"]["groups"] == rows["recording_id"][test].nunique() == 8
    assert found["test"]["accuracy"] == accuracy_score(truth[test], expected[test].argmax(axis=1))
    assert found["test"]["accuracy_low"] < found["test"]["accuracy"] < found["test"]["accuracy_high"]
    for name in evaluation.PARTITIONS:
        of = (rows["partition"] == name).to_numpy()
        lwlrap = label_ranking_average_precision_score(np.eye(3)[truth[of]], expected[of])
        assert found[name]["lwlrap"] == pytest.approx(lwlrap)
    loss = -np.log(expected[test, :][np.arange(15), truth[test]]).mean()
    assert found["test"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["gap"]["accuracy"] == found["train"]["accuracy"] - found["test"]["accuracy"]
    assert pd.read_csv(reports / "confusion.csv")["count"].sum() == 15
    assert pd.read_csv(reports / "reliability.csv").groupby("temperature")["n"].sum().tolist() == [15, 15]

    comparison = pd.read_csv(reports / "baselines.csv").set_index("model")
    assert comparison.index.tolist() == [
        "logistic_regression",
        "majority class",
        "SVM on pooled statistics",
        "context only",
    ]
    assert comparison["clips"].tolist() == [15, 15, 15, 12]
    assert comparison["accuracy"].iloc[0] == pytest.approx(found["test"]["accuracy"])
    assert comparison["accuracy"].iloc[1] == pytest.approx(found["majority_class"]["accuracy"])
    assert comparison["macro_roc_auc"].iloc[1] == 0.5
    context = np.load(tmp_path / "dataset/context.npy")
    answers = model.predict_on_batch(context).argmax(axis=1)[np.arange(12) // 2]
    share = (answers == truth[test][:12]).mean()
    assert found["context_only"]["accuracy"] == pytest.approx(share)
    assert comparison["accuracy"].iloc[3] == pytest.approx(share)

    calibration = json.loads((tmp_path / "models/calibration.json").read_text())
    assert calibration["fitted_on"]["rows"] == 8
    assert list(calibration["thresholds"]) == sorted(CLASSES["species_id"])
    assert calibration["model_sha256"] == hashlib.sha256((tmp_path / "model.keras").read_bytes()).hexdigest()
    assert found["calibration"]["temperature"] == calibration["temperature"]
    assert "train/test gap" in capsys.readouterr().out


def test_stage_counts_what_is_heard_in_test_boxes_that_do_not_hold_it(tmp_path, capsys):
    from dawnchorus.stages import evaluation as stage

    # More than two batches of test boxes, none of class 1; those of train and validation count for nothing.
    boxes = [(0, "test")] * 5 + [(0, "train")] * 3 + [(2, "test")] * 4 + [(1, "validation"), (1, "train")]
    arguments, model, *_ = a_project(tmp_path, boxes=boxes)
    stage.main(arguments)
    calibration = json.loads((tmp_path / "models/calibration.json").read_text())
    test = [n for n, (_, partition) in enumerate(boxes) if partition == "test"]
    scores = model.predict_on_batch(np.load(tmp_path / "dataset/negatives.npy")).astype(float)[test]
    scores = scores ** (1 / calibration["temperature"])
    scores /= scores.sum(axis=1, keepdims=True)
    heard = scores >= [calibration["thresholds"][of] for of in CLASSES["species_id"]]
    rates = {0: heard[:5, 0].mean(), 2: heard[5:, 2].mean()}
    assert 0 < sum(rates.values()) < 2
    table = table_of(tmp_path / "reports/per_class.csv")
    assert [row["false_positive_clips"] for row in table] == ["5", "0", "4"]
    assert [row["false_positive_rate"] for row in table] == [f"{rates[0]:.9g}", "", f"{rates[2]:.9g}"]
    found = json.loads((tmp_path / "reports/metrics.json").read_text())["false_positives"]
    expected = {"clips": 9, "rate": np.mean(list(rates.values())), "expected_at_chance": heard[:, [0, 2]].mean()}
    assert found == pytest.approx(expected)
    assert "in 9 test boxes that were checked not to hold a species" in capsys.readouterr().out


@pytest.mark.parametrize("boxes", [(), [(0, "train"), (1, "validation")]])
def test_without_boxes_of_the_test_nothing_is_said_of_false_positives(tmp_path, boxes):
    from dawnchorus.stages import evaluation as stage

    arguments, *_ = a_project(tmp_path, boxes=boxes)
    stage.main(arguments)
    assert "false_positives" not in json.loads((tmp_path / "reports/metrics.json").read_text())
    assert "false_positive_rate" not in table_of(tmp_path / "reports/per_class.csv")[0]


def test_stage_says_the_same_twice_and_another_seed_moves_intervals_only(tmp_path):
    from dawnchorus.stages import evaluation as stage

    arguments, *_ = a_project(tmp_path)
    made = []
    for _ in range(2):
        stage.main(arguments)
        files = [*(tmp_path / "reports").iterdir(), tmp_path / "models/calibration.json"]
        made.append({path.name: path.read_bytes() for path in files})
    assert made[0] == made[1]
    place = arguments.index("--params") + 1
    arguments[place] = json.dumps({"seed": 4, "evaluation": PARAMS})
    stage.main(arguments)
    changed = {path.name for path in (tmp_path / "reports").iterdir() if path.read_bytes() != made[0][path.name]}
    assert changed == {"metrics.json", "baselines.csv"}
    before, after = json.loads(made[0]["metrics.json"]), json.loads((tmp_path / "reports/metrics.json").read_text())
    assert before["test"]["accuracy"] == after["test"]["accuracy"]


def test_stage_without_validation_test_or_context(tmp_path, capsys):
    from dawnchorus.stages import evaluation as stage

    arguments, _, _, rows = a_project(tmp_path)
    np.save(tmp_path / "dataset/context.npy", np.zeros((0, 6, 4), np.float32))
    write_csv(tmp_path / "dataset/context_rows.csv", pd.DataFrame(columns=["row", "recording_id", "n_frames"]))
    write_csv(tmp_path / "dataset/rows.csv", rows.assign(partition=rows["partition"].replace("validation", "train")))
    stage.main(arguments)
    found = json.loads((tmp_path / "reports/metrics.json").read_text())
    assert found["context_only"]["accuracy"] is None
    assert found["validation"]["support"] == 0
    assert found["calibration"]["temperature"] == 1
    calibration = json.loads((tmp_path / "models/calibration.json").read_text())
    assert set(calibration["thresholds"].values()) == {0.5}
    assert calibration["without_rows"] == CLASSES["species_id"].tolist()
    assert "3 of 3 classes have no validation clip: threshold 0.5" in capsys.readouterr().out

    write_csv(tmp_path / "dataset/rows.csv", rows.assign(partition="train"))
    stage.main(arguments)
    assert json.loads((tmp_path / "reports/metrics.json").read_text())["test"]["accuracy"] is None
    assert "no test clips" in capsys.readouterr().out


def test_tables_that_do_not_fit_are_one_clear_line(tmp_path):
    from dawnchorus.stages import evaluation as stage

    arguments, _, _, rows = a_project(tmp_path)
    split = pd.read_csv(tmp_path / "split.csv", dtype=str)
    write_csv(tmp_path / "split.csv", split.iloc[:-1])
    with pytest.raises(InputError, match=r"split.csv: expected the annotations of the data set"):
        stage.main(arguments)
    write_csv(tmp_path / "split.csv", split)
    context = pd.read_csv(tmp_path / "dataset/context_rows.csv", dtype=str)
    write_csv(tmp_path / "dataset/context_rows.csv", context.iloc[:-1])
    with pytest.raises(InputError, match=r"6 rows in context.npy, 5 in context_rows.csv"):
        stage.main(arguments)
    write_csv(tmp_path / "dataset/classes.csv", CLASSES.iloc[::-1])
    with pytest.raises(InputError, match="trained for other classes"):
        stage.main(arguments)
    write_csv(tmp_path / "dataset/rows.csv", rows.iloc[:-1])
    with pytest.raises(InputError, match=r"43 rows in x.npy, 42 in rows.csv"):
        stage.main(arguments)
