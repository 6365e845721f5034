"""Cross-validation and the overfitting study as targets: what they make, and that the experiment stays untouched."""

import csv
import json

import pytest
from project import rules_of

pytestmark = pytest.mark.table


def test_folds_are_the_rules_again_and_cost_only_what_is_new(ran_project):
    ran_project.set("cross_validation.folds", 2)
    ran_project.set("split.group", "recording_id")
    rules = rules_of(ran_project.run("snakemake", "--cores", "2", "cross_validation").stdout)
    again = {"fold_dataset": 2, "fold_model": 2, "fold_evaluation": 2}
    again |= {"fold_presence": 2, "fold_recording_scores": 2, "fold_presence_calibration": 2}
    again |= {"fold_svm_scores": 2, "fold_detection_metrics": 2}
    assert rules == {"folds": 1, "cross_validation": 1, **again}
    reports = ran_project.path / "reports/cross_validation"
    with (reports / "predictions.csv").open(newline="") as file:
        tested = [row["annotation_id"] for row in csv.DictReader(file)]
    with (ran_project.path / "data/split/split.csv").open(newline="") as file:
        assert sorted(tested) == sorted(row["annotation_id"] for row in csv.DictReader(file))
    with (reports / "detection.csv").open(newline="") as file:
        [detected] = csv.DictReader(file)
    assert detected["recordings"] == "9"
    assert 0 <= float(detected["event_f1_iou30"]) <= 1
    found = json.loads((reports / "metrics.json").read_text())
    assert {"logistic_regression", "majority class", "SVM on pooled statistics"} <= set(found)
    # Git is not bothered with what is made on demand.
    assert ran_project.run("git", "status", "--porcelain").stdout.split() == ["M", "params.yaml"]
    # Which labels are likely wrong follows from the scores out of fold alone, and shows the recordings themselves.
    assert rules_of(ran_project.run("snakemake", "--cores", "2", "label_audit").stdout) == {"label_audit": 1}
    with (ran_project.path / "reports/label_audit/label_audit.csv").open(newline="") as file:
        audited = list(csv.DictReader(file))
    assert sorted(row["annotation_id"] for row in audited) == sorted(tested)
    assert [row["rank"] for row in audited] == [str(number) for number in range(1, len(tested) + 1)]
    page = (ran_project.path / "reports/label_audit/label_audit.html").read_text()
    assert page.count("<audio") == sum(row["likely_species_id"] != row["given_species_id"] for row in audited)
    assert ran_project.run("git", "status", "--porcelain").stdout.split() == ["M", "params.yaml"]
    assert not ran_project.planned("label_audit")
    ran_project.set("report.clips", 1)
    assert ran_project.planned("label_audit") == {"label_audit": 1}
    # A second run has nothing to do, one more seed costs its trainings, and the experiment itself is as it was.
    assert not ran_project.planned("cross_validation")
    ran_project.set("cross_validation.seeds", 2)
    planned = ran_project.planned("cross_validation")
    assert planned["fold_model"] == planned["fold_presence"] == 2
    assert not {"model", "presence"} & set(planned)


def test_a_study_without_validation_stops_before_it_trains(ran_project):
    ran_project.set("train.early_stopping_patience", None)
    ran_project.set("split.validation_fraction", 0.0)
    said = ran_project.run("snakemake", "--cores", "2", "overfitting_study", check=False)
    assert said.returncode == 1
    assert "error: params.yaml: split.validation_fraction: 0: expected more than 0" in said.stdout
    assert rules_of(said.stdout) == {}
    ran_project.set("split.validation_groups", ["a"])
    assert ran_project.planned("overfitting_study")["study_model"] > 0


def test_the_study_trains_every_step_and_nothing_else(ran_project):
    for key, value in {"units": 4, "dense": [3], "dropout": [0.5], "epochs": 2}.items():
        ran_project.set(f"overfitting_study.{key}", value)
    assert ran_project.planned("overfitting_study") == {"study_model": 3, "overfitting_study": 1}
    ran_project.set("overfitting_study.dropout", [])
    rules = rules_of(ran_project.run("snakemake", "--cores", "2", "overfitting_study").stdout)
    assert rules == {"study_model": 2, "overfitting_study": 1}
    with (ran_project.path / "reports/overfitting_study.csv").open(newline="") as file:
        assert [row["network"] for row in csv.DictReader(file)] == ["LSTM 4", "+ dense 3"]
    assert (ran_project.path / "reports/overfitting_study.png").stat().st_size > 10_000
    assert ran_project.run("git", "status", "--porcelain").stdout.split() == ["M", "params.yaml"]
