"""For every key of params.yaml: which rules run when it changes, by either tool, as the table in README.md says."""

import re
import shutil
from pathlib import Path

import dag
import pytest
import yaml
from dvc.repo import Repo
from networkx import ancestors
from project import IDS, ROOT, Project

pytestmark = pytest.mark.table

# A small simulated set, for the keys of the blocks that only it has.
SIMULATED = {
    "species": 3,
    "recordings": 9,
    "sites": 2,
    "recording_duration_s": 4.0,
    "sample_rate_hz": 16000,
    "species_per_recording": 2,
    "calls_per_species": 2,
}

# Another value for each key that no rule below finds one for.
OTHER = {
    "data.format": "raven",
    "data.columns": {"species_id": "Call"},
    "data.on_bad_recording": "quarantine",
    "features.kind": "pcen",
    "features.sample_rate_hz": 6000,
    "features.f_max_hz": 3500.0,
    "features.mel_sample_rate_hz": 7000.0,
    "features.deltas": 1,
    "features.clip": "window",
    "dataset.clip_normalization": "median",
    "split.method": "article",
    "split.group": "species_id",
    "split.test_groups": [IDS[1]],
    "split.validation_groups": [IDS[2]],
    "dataset.frames": 20,
    "dataset.padding": "centre",
    "dataset.normalization": "per_feature",
    "dataset.fit_on": "all",
    "train.early_stopping_patience": 3,
    "train.ema_momentum": 0.9,
    "report.media_mb": 10.0,
    "detections.recordings": "elsewhere",
    "detections.window_s": 3.0,
    "detections.step_s": 1.0,
    "detections.channel": 0,
    "detections.smoothing_windows": 3,
    "detections.on_bad_recording": "stop",
    "detections.sample_submission": "sample_submission.csv",
    "train.optimizer": "adam",
    "train.schedule": "constant",
    "train.class_weights": True,
    "train.mixup_share": 0.25,
    "model.widths": [4, 8],
    "cross_validation.column": "species_id",
    "overfitting_study.dense": [64],
    "overfitting_study.dropout": [0.5],
}
PATHS = {"data.annotations", "data.false_positives", "data.recordings_table", "data.species_table", "data.audio_dir"}


def declared() -> dict[str, set[str]]:
    """Return the README's table: rules by key."""
    text = (ROOT / "README.md").read_text()
    table = text.split("<!-- reruns -->")[1].split("<!-- /reruns -->")[0]
    found = {}
    for row in table.strip().splitlines()[2:]:
        keys, rules = (re.findall(r"`([\w.]+)`", cell) for cell in row.strip("|").split("|"))
        for key in keys:
            assert key not in found, f"{key} stands twice in the table"
            found[key] = set(rules)
    return found


def all_keys() -> list[str]:
    keys = []
    waiting = list(yaml.safe_load((ROOT / "params.yaml").read_text()).items())
    while waiting:
        name, value = waiting.pop(0)
        if isinstance(value, dict) and value:
            waiting += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            keys.append(name)
    return keys


DECLARED = declared()


def test_every_key_of_params_stands_in_the_table_and_no_other():
    assert set(DECLARED) == set(all_keys())


def changed(key: str, value):
    """Return another valid value."""
    if key in OTHER:
        return OTHER[key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.25 if value else 1.0
    raise AssertionError(f"{key}: {value!r}: say another value in OTHER")


@pytest.fixture(scope="module")
def on_table(finished, tmp_path_factory) -> Project:
    return Project(Path(shutil.copytree(finished / "project", tmp_path_factory.mktemp("table") / "project")))


@pytest.fixture(scope="module")
def on_simulated(tmp_path_factory) -> Project:
    """A finished project on a simulated set."""
    project = Project.create(tmp_path_factory.mktemp("simulated") / "project", n_recordings=1)
    params, default = project.params(), yaml.safe_load((ROOT / "params.yaml").read_text())
    params["data"] = default["data"]
    params["simulate"] = {"set": {**default["simulate"]["set"], **SIMULATED}}
    params["model"], params["train"] = default["model"], {**default["train"], "epochs": 1, "background_share": 0.0}
    project.write_params(params)
    project.dvc_repro()
    assert project.run("dvc", "status").stdout.count("up to date") == 1
    project.commit("A")
    return project


def dvc_would_run(project: Project) -> set[str]:
    """Return the stages that DVC finds changed, and those that depend on them."""
    repo = Repo(project.path)
    try:
        by_address = {stage.addressing: stage for stage in repo.index.stages}
        found = set()
        for address in repo.status():
            stage = by_address[address]
            # An edge of DVC's graph leads from a stage to what it needs.
            ran = {stage, *ancestors(repo.index.graph, stage)}
            found |= {other.name.partition("@")[0] for other in ran}
        return found
    finally:
        repo.close()


@pytest.mark.parametrize("key", DECLARED)
def test_the_rules_that_run_when_a_key_changes(request, key):
    simulated = not key.startswith("data.") and not (key.startswith("split.") and key.endswith("_groups"))
    project = request.getfixturevalue("on_simulated" if simulated else "on_table")
    before = (project.path / "params.yaml").read_text()
    params = project.params()
    block, _, name = key.rpartition(".")
    if key == "model.name":
        params["model"] = {"name": "logistic_regression", "l2": 0.0}
    elif key == "data.source":
        default = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["data"], params["simulate"] = default["data"], default["simulate"]
    elif key in PATHS:
        # The same content under another name.
        old = project.path / params["data"][name]
        new = old.with_name(f"other-{old.name}")
        (shutil.copytree if old.is_dir() else shutil.copy)(old, new)
        params["data"][name] = str(new.relative_to(project.path))
    else:
        owner = params
        for part in block.split(".") if block else []:
            owner = owner[part]
        owner[name] = changed(key, owner[name])
        if key == "data.columns":
            owner["format"] = "raven"  # RFCX's columns have RFCX's names
    try:
        project.write_params(params)
        rules = set(dag.planned(project.path))
        stages = dvc_would_run(project)
    finally:
        (project.path / "params.yaml").write_text(before)
    # Nothing is simulated on a table.
    expected = DECLARED[key] if simulated or key == "data.source" else DECLARED[key] - {"simulate"}
    assert rules == expected
    assert stages == expected
    assert set(dag.planned(project.path)) == set()
