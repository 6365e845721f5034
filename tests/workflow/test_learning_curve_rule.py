"""The learning curve as a target: what it makes, what a change costs, and that the experiment stays untouched."""

import csv
import json

import pytest
from project import rules_of

pytestmark = pytest.mark.table
DRAW = "learning_curve_draw"


def test_a_training_for_each_draw_and_only_what_is_new(ran_project):
    ran_project.set("learning_curve.labels", [1, 2])
    ran_project.set("learning_curve.draws", 2)
    rules = rules_of(ran_project.run("snakemake", "--cores", "2", "learning_curve").stdout)
    assert rules == {DRAW: 4, "learning_curve": 1}
    reports = ran_project.path / "reports/learning_curve"
    with (reports / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["labels"] for row in rows] == ["1", "2", "all"]
    with (ran_project.path / "data/dataset/rows.csv").open(newline="") as file:
        n_train = sum(row["partition"] == "train" for row in csv.DictReader(file))
    assert [row["clips"] for row in rows] == ["3", "6", str(n_train)]
    # All labels are the run itself.
    metrics = json.loads((ran_project.path / "reports/metrics.json").read_text())["test"]
    assert float(rows[-1]["accuracy"]) == pytest.approx(metrics["accuracy"])
    assert float(rows[-1]["average_precision"]) == pytest.approx(metrics["macro_average_precision"])
    fit = json.loads((reports / "fit.json").read_text())
    assert fit["accuracy"]["twice"]["labels"] == pytest.approx(2 * n_train / 3)
    assert (reports / "learning_curve.png").stat().st_size > 10_000
    assert "With twice the labels" in (reports / "learning_curve.html").read_text()
    # Git is not bothered with what is made on demand.
    assert ran_project.run("git", "status", "--porcelain").stdout.split() == ["M", "params.yaml"]
    # A second run has nothing to do; a draw more, or a number of labels more, costs its own trainings.
    assert not ran_project.planned("learning_curve")
    ran_project.set("learning_curve.draws", 3)
    assert ran_project.planned("learning_curve") == {DRAW: 2, "learning_curve": 1}
    ran_project.set("learning_curve.labels", [1, 2, 3])
    assert ran_project.planned("learning_curve") == {DRAW: 5, "learning_curve": 1}
    ran_project.set("train.epochs", 6)
    assert ran_project.planned("learning_curve") == {DRAW: 9, "learning_curve": 1, "model": 1}
