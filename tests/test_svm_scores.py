"""The machine that names clips, on windows: plain scikit-learn on plain statistics of plainly cut sound."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.special import softmax
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from data_sets import data_set, write
from dawnchorus.detection import detection_metrics, detections, score_store
from dawnchorus.features import extraction
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import sha256_of
from dawnchorus.learning import dataset
from dawnchorus.metrics import calibration
from dawnchorus.stages import svm_scores
from dawnchorus.tables import definitions, made
from test_baselines import plain_statistics
from test_detection_metrics import PARAMS
from test_scoring import LOG_MEL, RATE_HZ

IDS = ["frog", "wren", "owl"]
CLASSES = pd.DataFrame({"class_index": range(3), "species_id": IDS, "species_name": ["Frog", "Wren", "Owl"]})
TONES_HZ = (500, 2000, 5000)
BLOCK = {**LOG_MEL, "clip": "window"}
DETECTIONS = {"window_s": None, "step_s": None, "channel": "mix", "batch_size": 4}
DECIDING = {"smoothing_windows": 1, "merge_gap_s": 0.0}
N_TRAIN, N_VALIDATION = 24, 12


def sound(seed, kinds, second_s=1.0, level=0.1):
    """Return noise with a tone of a class in each second; -1 is none."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(second_s * RATE_HZ)) / RATE_HZ
    parts = []
    for kind in kinds:
        noise = rng.normal(0, rng.uniform(0.02, 0.05), len(time_s))
        tone = level * np.sin(2 * np.pi * TONES_HZ[kind] * time_s) if kind >= 0 else 0
        parts.append(noise + tone)
    return np.concatenate(parts).astype(np.float32)


def clips():
    """Return clips of a second, in decibels, and their classes."""
    truth = np.arange(N_TRAIN + N_VALIDATION) % 3
    return [extraction.extract(sound(n, [kind]), RATE_HZ, BLOCK) for n, kind in enumerate(truth)], truth


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A data set of clips, and a recording of each partition, with a species in its 2nd and in its 5th second."""
    monkeypatch.chdir(tmp_path)
    made_of, truth = clips()
    normalizing = {"normalization": "per_feature", "clip_normalization": "none", "padding": "right"}
    statistics = dataset.fit_statistics(made_of, {**normalizing, "frames": len(made_of[0]), "features": BLOCK})
    x = np.stack([dataset.normalized(clip, statistics)[0] for clip in made_of])
    partition = ["train"] * N_TRAIN + ["validation"] * N_VALIDATION
    write(data_set(x, truth, partition, CLASSES, statistics=statistics), tmp_path / "dataset")
    held_out, recordings = [], []
    facts = {"duration_s": 6.0, "sample_rate_hz": RATE_HZ, "channels": 1, "n_samples": 6 * RATE_HZ}
    for number, name in enumerate(("train", "validation", "test")):
        soundfile.write(tmp_path / f"{name}.wav", sound(99 + number, [-1, 0, -1, -1, 1, -1]), RATE_HZ, subtype="FLOAT")
        held_out.append({"recording_id": name, "path": f"{name}.wav", "group": name, "partition": name})
        recordings.append({"recording_id": name, "path": f"{name}.wav", **facts, "inspected_with": ""})
        recordings[-1]["sha256"] = sha256_of(f"{name}.wav")
    made.write("held_out.csv", definitions.HELD_OUT, held_out)
    made.write("recordings.csv", definitions.RECORDINGS, recordings)
    return tmp_path


def score(capsys):
    params = {"detections": DETECTIONS, "evaluation": {"default_threshold": 0.7}}
    svm_scores.main(
        ["--dataset", *(f"dataset/{name}" for name in dataset.FILES), "--held-out", "held_out.csv",
         "--recordings", "recordings.csv", "--audio-dir", ".", "--params", json.dumps(params), "--threads", "2",
         "--scores", "svm.parquet", "--calibration", "svm_calibration.json"]
    )  # fmt: skip
    return capsys.readouterr().out


def entries():
    return list(score_store.Stores(["svm.parquet"], IDS))


def machine():
    """Return what gives plain vectors their scores, fitted with plain scikit-learn on the training clips."""
    made_of, truth = clips()
    vectors = np.array([plain_statistics(clip) for clip in made_of])
    scaler = StandardScaler().fit(vectors[:N_TRAIN])
    fitted = SVC(C=5, class_weight="balanced").fit(scaler.transform(vectors[:N_TRAIN]), truth[:N_TRAIN])

    def scores(vectors):
        return softmax(fitted.decision_function(scaler.transform(vectors)), axis=1)

    return scores, vectors[N_TRAIN:], truth[N_TRAIN:]


def test_windows_have_the_scores_of_scikit_learn(project, capsys):
    assert "2 computed, 0 kept" in score(capsys)
    validation, test = sorted(entries(), key=lambda entry: entry.recording_id, reverse=True)
    assert (validation.recording_id, test.recording_id) == ("validation", "test")
    scores, *_ = machine()
    for entry in (validation, test):
        y, _ = soundfile.read(f"{entry.recording_id}.wav", dtype="float32")
        # Away from the ends of the recording a window is a stretch of it.
        inside = (entry.starts_s >= 0) & (entry.starts_s + entry.window_s <= entry.duration_s)
        assert inside.sum() >= 9
        vectors = []
        for start_s in entry.starts_s[inside]:
            first = round(start_s * RATE_HZ)
            window = y[first : first + round(entry.window_s * RATE_HZ)]
            vectors.append(plain_statistics(extraction.extract(window, RATE_HZ, BLOCK)))
        np.testing.assert_allclose(entry.scores[inside], scores(np.array(vectors)), atol=2e-3)
        assert entry.scores[np.abs(entry.starts_s - 1).argmin()].argmax() == 0
        assert entry.scores[np.abs(entry.starts_s - 4).argmin()].argmax() == 1


def test_it_decides_by_the_validation_clips(project, capsys):
    score(capsys)
    found = json.loads((project / "svm_calibration.json").read_text())
    scores, vectors, truth = machine()
    wanted = calibration.fit(truth, scores(vectors), IDS, 0.7)
    assert found["temperature"] == pytest.approx(wanted["temperature"], rel=0.02)
    assert found["thresholds"] == pytest.approx(wanted["thresholds"], abs=0.02)
    assert found["fitted_on"]["rows"] == N_VALIDATION


def test_it_stands_beside_the_network_in_the_table(project, capsys):
    """As a detector like the others: the two calls of the test recording are found in windows of a second."""
    score(capsys)
    found = json.loads((project / "svm_calibration.json").read_text())
    thresholds = np.array([found["thresholds"][key] for key in IDS])
    by_svm = detections.OfWindows(IDS, CLASSES["species_name"], thresholds, DECIDING, BLOCK, None, found["temperature"])
    table = pd.DataFrame(
        [(name, index, t_min_s, t_min_s + 1) for name in ("validation", "test") for index, t_min_s in ((0, 1), (1, 4))],
        columns=["recording_id", "class_index", "t_min_s", "t_max_s"],
    )
    held_out = made.read("held_out.csv", definitions.HELD_OUT)
    of_svm = detection_metrics.Detector("SVM on windows", entries(), by_svm)
    network = of_svm._replace(name="network on windows")
    rows = detection_metrics.results([network, of_svm], entries(), held_out, table, [], PARAMS).tables
    of_network, of_machine = rows["detection_baselines"][:2]
    assert [row["model"] for row in rows["detection_baselines"][:2]] == ["network on windows", "SVM on windows"]
    assert of_machine["recordings"] == 1
    assert of_machine["event_recall_iou30"] == 1
    assert {**of_network, "model": ""} == {**of_machine, "model": ""}


def test_what_holds_is_kept_and_other_clips_score_everything_again(project, capsys):
    score(capsys)
    before = (project / "svm.parquet").read_bytes()
    assert "0 computed, 2 kept" in score(capsys)
    assert (project / "svm.parquet").read_bytes() == before
    x = np.load("dataset/x.npy")
    x[0, :, 0] += 1
    np.save("dataset/x.npy", x)
    assert "2 computed, 0 kept" in score(capsys)


def test_with_one_class_there_is_none(project, capsys):
    rows = made.frame("dataset/rows.csv", definitions.ROWS)
    made.write("dataset/rows.csv", definitions.ROWS, rows.assign(class_index=1))
    assert "fewer than two classes" in score(capsys)
    assert entries() == []
    assert json.loads((project / "svm_calibration.json").read_text())["thresholds"] == dict.fromkeys(IDS, 0.7)


def test_a_recording_that_is_another_than_the_audit_knew_is_not_scored(project, capsys):
    score(capsys)
    before = Path("svm.parquet").read_bytes()
    soundfile.write("test.wav", sound(7, [0, -1, -1, -1, 1, -1]), RATE_HZ, subtype="FLOAT")
    with pytest.raises(InputError, match=r"test\.wav: changed since the audit"):
        score(capsys)
    assert Path("svm.parquet").read_bytes() == before
