"""What DVC shows of two commits that differ in one value: a screen, not a list of all metrics and hashes."""

import csv
import json
import re
import shlex

import pytest
from project import ROOT

from dawnchorus.report import headline

pytestmark = pytest.mark.table
OF_EXPERIMENTS = {"Experiment", "rev", "typ", "Created", "parent", "State", "Executor"}
METRICS = {f"clips.{name}" for name in headline.OF_CLIPS} | {f"detection.{name}" for name in headline.OF_DETECTION}


def test_metrics_diff_and_exp_show_name_the_headline_and_what_was_changed(two_commits):
    shown = json.loads(two_commits.run("dvc", "metrics", "diff", "A", "B", "--json").stdout)
    assert shown.keys() == {"reports/headline.json"}
    assert set(shown["reports/headline.json"]) <= METRICS
    assert "clips.loss" in shown["reports/headline.json"]
    page = (ROOT / "docs/dvc.md").read_text()
    [command] = re.findall(r"^    (dvc exp show [^#\n]*)", page, re.MULTILINE)
    rows = two_commits.run(*shlex.split(command), "--csv", "--num", "2").stdout.splitlines()
    columns = set(next(csv.reader(rows)))
    assert "train.epochs" in columns
    assert columns <= OF_EXPERIMENTS | METRICS | {"train.epochs"}
