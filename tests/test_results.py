"""All that stage evaluation says of a model: a classifier with invented weights on a made-up data set."""

import csv
import hashlib
import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, label_ranking_average_precision_score

import data_sets
from dawnchorus import networks
from dawnchorus.detection import score_store
from dawnchorus.evaluation import results
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import pooled, saved_model
from dawnchorus.stages import evaluation as stage
from dawnchorus.tables.definitions import PARTITIONS

CLASSES = pd.DataFrame(
    {
        "class_index": [0, 1, 2],
        "species_id": ["7", "NA", "007"],
        "species_name": ["wren, winter", 'the "crake"', "$x_1$"],
    }
)
PARAMS = {"batch_size": 4, "top_k": 2, "bootstrap_draws": 60, "calibration_bins": 15, "default_threshold": 0.5}
CARD = {"classes": CLASSES.to_dict("records"), "model": {"name": "logistic_regression", "l2": 0.01}}
N_ROWS, N_TEST = 43, 15


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def a_data_set(boxes=()):
    """Return 43 clips of three classes; ``boxes``: class index and partition of the clips that lack that class."""
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=N_ROWS)
    x = rng.normal(size=(N_ROWS, 6, 4)).astype(np.float32)
    x[np.arange(N_ROWS), :, truth] += 0.5
    partition = np.repeat(["train", "validation", "test"], [20, 8, N_TEST])
    # Recordings of two clips, so that the last but one of test has a clip without annotation and the last has none.
    of_test = [f"site/{number:03}" for number in range(14, 20)]
    context_rows = {"row": range(6), "recording_id": of_test, "partition": "test", "n_frames": 6}
    lacking = pd.DataFrame(boxes, columns=["class_index", "partition"])
    lacking = lacking.assign(row=lacking.index, annotation_id=lacking.index, recording_id="r", n_frames=6)
    return data_sets.data_set(
        x,
        truth,
        partition,
        CLASSES,
        annotation_id=rng.permutation(N_ROWS),
        context=rng.normal(size=(6, 6, 4)).astype(np.float32),
        context_rows=pd.DataFrame(context_rows),
        negatives=(3 * np.random.default_rng(8).normal(size=(len(boxes), 6, 4))).astype(np.float32),
        negative_rows=lacking,
    )


def a_model():
    rng = np.random.default_rng(4)
    fitted = {"weights": rng.normal(size=(16, 3)), "bias": rng.normal(size=3)}
    scaling = {"offset": np.zeros(16), "scale": np.ones(16)}
    return pooled.Classifier(networks.get("logistic_regression"), fitted, scaling, 3)


def found_of(data, seed=3):
    return results.of_model(a_model(), CARD, data, seed, PARAMS, "model.keras")


def a_project(folder, data):
    """Write the files of a data set and the model, and return the stage's arguments."""
    saved_model.save(a_model(), CARD, folder / "model.keras")
    # Without a presence network nothing is scored frame by frame.
    with score_store.write_store(folder / "presence.parquet", CLASSES["species_id"].to_list()):
        pass
    words = ["--dataset", *data_sets.write(data, folder / "dataset"), "--model", str(folder / "model.keras")]
    words += ["--presence-scores", str(folder / "presence.parquet")]
    words += ["--params", json.dumps({"seed": 3, "evaluation": PARAMS}), "--threads", "1"]
    outputs = {name: f"{folder}/reports/{name}.csv" for name in stage.TABLES}
    outputs |= {"metrics": f"{folder}/reports/metrics.json", "calibration": f"{folder}/models/calibration.json"}
    return [*words, *(f"--{name.replace('_', '-')}={path}" for name, path in outputs.items())]


def table_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_stage_writes_what_the_model_says(tmp_path, capsys):
    data, model = a_data_set(), a_model()
    stage.main(a_project(tmp_path, data))
    reports, expected, rows = tmp_path / "reports", model.predict_on_batch(data.x), data.rows
    names = "baseline_predictions baselines confusion metrics per_class predictions predictions_seen reliability"
    assert sorted(path.stem for path in reports.iterdir()) == names.split()
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
    test, truth = (rows["partition"] == "test").to_numpy(), data.class_index
    assert found["test"]["support"] == test.sum() == N_TEST
    assert found["test"]["groups"] == rows["recording_id"][test].nunique() == 8
    assert found["test"]["units"] == "recordings"
    assert found["test"]["accuracy"] == accuracy_score(truth[test], expected[test].argmax(axis=1))
    assert found["test"]["accuracy_low"] < found["test"]["accuracy"] < found["test"]["accuracy_high"]
    for name in PARTITIONS:
        of = (rows["partition"] == name).to_numpy()
        lwlrap = label_ranking_average_precision_score(np.eye(3)[truth[of]], expected[of])
        assert found[name]["lwlrap"] == pytest.approx(lwlrap)
    loss = -np.log(expected[test, :][np.arange(N_TEST), truth[test]]).mean()
    assert found["test"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["gap"]["accuracy"] == found["train"]["accuracy"] - found["test"]["accuracy"]
    assert pd.read_csv(reports / "confusion.csv")["count"].sum() == N_TEST
    assert pd.read_csv(reports / "reliability.csv").groupby("temperature")["n"].sum().tolist() == [15, 15]

    beside = pd.read_csv(reports / "baselines.csv").set_index("model")
    assert beside.index.tolist() == [
        "logistic_regression",
        "majority class",
        "SVM on pooled statistics",
        "context only",
    ]
    assert beside["clips"].tolist() == [15, 15, 15, 12]
    assert beside["accuracy"].iloc[0] == pytest.approx(found["test"]["accuracy"])
    assert beside["accuracy"].iloc[1] == pytest.approx(found["majority_class"]["accuracy"])
    assert beside["macro_roc_auc"].iloc[1] == 0.5
    answers = model.predict_on_batch(data.context).argmax(axis=1)[np.arange(12) // 2]
    share = (answers == truth[test][:12]).mean()
    assert found["context_only"]["accuracy"] == pytest.approx(share)
    assert beside["accuracy"].iloc[3] == pytest.approx(share)
    of_baselines = pd.read_csv(reports / "baseline_predictions.csv")
    assert of_baselines["model"].value_counts().to_dict() == dict(zip(beside.index[1:], [15, 15, 12], strict=True))

    calibration = json.loads((tmp_path / "models/calibration.json").read_text())
    assert calibration["fitted_on"]["rows"] == 8
    assert list(calibration["thresholds"]) == sorted(CLASSES["species_id"])
    assert calibration["model_sha256"] == hashlib.sha256((tmp_path / "model.keras").read_bytes()).hexdigest()
    assert found["calibration"]["temperature"] == calibration["temperature"]
    assert "evaluation: train/test gap" in capsys.readouterr().out
    # Nobody checked any test clip to lack a species.
    assert "checked_absent" not in found
    assert {
        row["absent_clips"] + row["detected_share_where_absent"] for row in table_of(reports / "per_class.csv")
    } == {""}


def test_clips_of_test_that_lack_a_species_are_counted():
    # More than two batches of test clips, none of class 1; those of train and validation count for nothing.
    boxes = [(0, "test")] * 5 + [(0, "train")] * 3 + [(2, "test")] * 4 + [(1, "validation"), (1, "train")]
    data = a_data_set(boxes)
    found = found_of(data)
    test = [n for n, (_, partition) in enumerate(boxes) if partition == "test"]
    scores = a_model().predict_on_batch(data.negatives).astype(float)[test]
    scores = scores ** (1 / found.calibration["temperature"])
    scores /= scores.sum(axis=1, keepdims=True)
    detected = scores >= [found.calibration["thresholds"][of] for of in CLASSES["species_id"]]
    shares = {0: detected[:5, 0].mean(), 2: detected[5:, 2].mean()}
    assert 0 < sum(shares.values()) < 2
    table = found.tables["per_class"]
    assert table["absent_clips"].tolist() == [5, 0, 4]
    np.testing.assert_array_equal(table["detected_share_where_absent"], [shares[0], np.nan, shares[2]])
    assert found.metrics["checked_absent"] == pytest.approx(
        {
            "absent_clips": 9,
            "detected_share_where_absent": np.mean(list(shares.values())),
            "expected_at_chance": detected[:, [0, 2]].mean(),
        }
    )
    assert any("9 test clips were checked and lack a species: it is detected in " in line for line in found.lines)


def test_clips_that_lack_a_species_elsewhere_than_in_test_say_nothing():
    assert "checked_absent" not in found_of(a_data_set([(0, "train"), (1, "validation")])).metrics


def test_the_same_twice_and_another_seed_moves_intervals_alone():
    data = a_data_set()
    one, two, other = found_of(data), found_of(data), found_of(data, seed=4)
    assert (one.metrics, one.calibration) == (two.metrics, two.calibration)
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, two.tables[name])
        assert table.equals(other.tables[name]) == (name not in ("baselines", "per_class"))
    values = [name for name in one.tables["per_class"] if not name.endswith(("_low", "_high"))]
    pd.testing.assert_frame_equal(one.tables["per_class"][values], other.tables["per_class"][values])
    assert one.metrics["test"]["accuracy"] == other.metrics["test"]["accuracy"]
    assert one.metrics["test"]["accuracy_low"] != other.metrics["test"]["accuracy_low"]
    assert one.calibration == other.calibration


def test_without_validation_test_or_context():
    data = a_data_set()
    data.rows["partition"] = data.rows["partition"].replace("validation", "train")
    found = found_of(replace(data, context=data.context[:0], context_rows=data.context_rows.iloc[:0]))
    assert found.metrics["context_only"]["accuracy"] is None
    assert found.metrics["validation"]["support"] == 0
    assert found.metrics["calibration"]["temperature"] == 1
    assert set(found.calibration["thresholds"].values()) == {0.5}
    assert found.calibration["without_rows"] == CLASSES["species_id"].tolist()
    assert found.lines[-1] == "3 of 3 classes have no validation clip: threshold 0.5"
    data.rows["partition"] = "train"
    found = found_of(data)
    assert found.metrics["test"]["accuracy"] is None
    assert "no test clips" in found.lines[0]
    assert len(found.tables["predictions"]) == 0


def test_a_model_of_other_classes_is_one_line():
    data = a_data_set()
    with pytest.raises(InputError, match=r"model\.keras: trained for other classes than those of the data set"):
        found_of(replace(data, classes=CLASSES.iloc[::-1].reset_index(drop=True)))
