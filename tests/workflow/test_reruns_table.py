"""The table of what runs when a value changes: as the workflow says it, and right where a hand can say it."""

import pytest
from project import ROOT

from dawnchorus.parameters import fields
from dawnchorus.parameters.recipe import RECIPE
from dawnchorus.workflow import reruns


@pytest.fixture(scope="module")
def rules():
    return reruns.rules(ROOT)


def test_the_table_is_current():
    assert (ROOT / "docs/dvc.md").read_text() == reruns.text(ROOT), "docs/dvc.md is out of date: make generated"


def test_who_reads_a_value_is_a_rule(rules):
    assert set(fields.readers(RECIPE)) <= {rule.name for rule in rules}


def test_what_runs_follows_from_what_is_read_and_from_the_dag(rules):
    stale = {key: set(names) for key, names in reruns.reruns(rules).items()}
    assert stale["report.clips"] == {"report", "label_audit"}
    assert stale["report.detection_examples"] == {"report"}
    assert stale["figures.example_species"] == {"figures", "report"}
    measured = {"detection_metrics", "figures", "report", "fold_detection_metrics", "cross_validation"}
    measured |= {"label_audit"}
    assert stale["detections.merge_gap_s"] == {"detections", *measured}
    # Windows and frames are scored by one rule, whose frames name clips and are calibrated.
    scored = {"recording_scores", "svm_scores", "evaluation", "presence_calibration"}
    scored |= {f"fold_{name}" for name in scored} | {"window_scores"}
    assert stale["detections.step_s"] == {*scored, "detections", *measured}
    # Whether windows are scored beside frames is learned there; nothing that is scored is scored again.
    aimed = {"presence_calibration", "fold_presence_calibration", "window_scores"}
    assert stale["presence_calibration.aim"] == {*aimed, "detections", *measured}
    trained = {"presence", "fold_presence", *scored, "detections", *measured}
    assert stale["presence.epochs"] == trained
    assert stale["presence.network"] == {*stale["features.n_fft"]} >= trained | {"features"}
    assert "presence" not in stale["model.name"] | stale["train.epochs"]
    assert stale["detections.pictures"] == {"detections"}
    assert stale["cross_validation.seeds"] == {"cross_validation", "label_audit"}
    folded = {"fold_dataset", "fold_model", "fold_evaluation", "cross_validation", "label_audit"}
    folded |= {"fold_presence", "fold_recording_scores", "fold_svm_scores", "fold_presence_calibration"}
    folded |= {"fold_detection_metrics"}
    assert stale["cross_validation.column"] == {"folds", *folded}
    assert stale["learning_curve.draws"] == {"learning_curve"}
    curve = {"learning_curve_draw", "learning_curve"}
    assert curve <= stale["train.epochs"] & stale["model.name"] & stale["split.group"]
    assert not curve & (trained | stale["cross_validation.column"] | stale["evaluation.top_k"])
    assert stale["overfitting_study.epochs"] == {"study_model", "overfitting_study"}
    run = {"dataset", "model", "evaluation", "figures", "report", "window_scores", "detections"}
    run |= {"presence", "recording_scores", "svm_scores", "presence_calibration", "detection_metrics"}
    assert stale["split.test_fraction"] == {"split", *run, *curve, "study_model", "overfitting_study"}
    assert stale["split.group"] == stale["split.test_fraction"] | {"folds", *folded}
    assert stale["seed"] == {rule.name for rule in rules}
    assert stale["data.audio_dir"] == stale["seed"] - {"simulate"}
