"""How well the species of whole recordings are ranked, and the submission that presence makes of the same scores."""

import csv

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import label_ranking_average_precision_score

from dawnchorus.detection import (
    detection_comparison,
    detection_folds,
    detection_metrics,
    detections,
    measured,
    presence,
)
from dawnchorus.detection.detection_comparison import Tables
from dawnchorus.detection.measured import Answer, Truth
from dawnchorus.detection.score_store import Entry
from dawnchorus.report import detection_section, findings

FEATURES = {"kind": "log_mel", "sample_rate_hz": 8000, "n_fft": 256, "n_mels": 8, "hop_length": 80, "deltas": 0}
FEATURES |= {"f_min_hz": 0.0, "f_max_hz": 4000.0, "mel_sample_rate_hz": None}
IDS = ["7", "9", "x"]
NAME = "recording_lwlrap"


def drawn(seed, n_recordings=30, n_frames=40):
    """Return recordings in which each species calls or not, and frames that know a little of it."""
    rng = np.random.default_rng(seed)
    truths, answers, present = [], [], rng.random((n_recordings, 3)) < 0.4
    for number, there in enumerate(present):
        classes = np.flatnonzero(there)
        onset_s = rng.uniform(0, n_frames - 2, len(classes))
        times_s = np.stack([onset_s, onset_s + 1.5], axis=1)
        truths.append(Truth(f"r{number}", f"g{number // 2}", float(n_frames), times_s, classes))
        scores = rng.random((n_frames, 3)) * np.where(there, 1.0, 0.99)
        answers.append(Answer(np.empty((0, 2)), np.empty(0, int), np.empty(0), scores, np.arange(float(n_frames)), 1.0))
    return truths, answers, present


def value(truths, answers, weights=None):
    counted = measured.measure(truths, answers, 3, 5.0)
    weights = np.ones((1, len(truths))) if weights is None else weights
    return measured.computed(counted, weights)[NAME], counted


@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_scikit_learn_of_the_highest_frames(seed):
    truths, answers, present = drawn(seed)
    weights = np.random.default_rng(seed).integers(0, 3, (4, len(truths)))
    highest = np.stack([presence.recording_scores(answer.scores) for answer in answers])
    n_labels = present.sum(axis=1)
    wanted = [label_ranking_average_precision_score(present, highest, sample_weight=w * n_labels) for w in weights]
    np.testing.assert_allclose(value(truths, answers, weights)[0], wanted)


def test_by_hand():
    """The first recording ranks its two species 1st and 3rd; the second its one 2nd; the third has none."""
    of = [([0, 2], [0.9, 0.5, 0.1]), ([1], [0.6, 0.5, 0.4]), ([], [1.0, 1.0, 1.0])]
    truths = [
        Truth(f"r{n}", f"r{n}", 5.0, np.tile([1.0, 2.0], (len(there), 1)), np.array(there, int))
        for n, (there, _) in enumerate(of)
    ]
    none = np.empty((0, 2)), np.empty(0, int), np.empty(0)
    answers = [Answer(*none, np.tile(scores, (5, 1)), np.arange(5.0), 1.0) for _, scores in of]
    assert value(truths, answers)[0] == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    assert np.isnan(value(truths[2:], answers[2:])[0])


def test_what_nobody_knows_neither_helps_nor_harms():
    """A species of which a recording says nothing is not ranked; the score of unknown seconds is not looked at."""
    none = np.empty((0, 2)), np.empty(0, int), np.empty(0)
    scores = np.array([[0.5, 0.2, 0.9]] * 5 + [[0.5, 0.8, 0.9]] * 5)
    answer = Answer(*none, scores, np.arange(10.0), 1.0)
    given = "r", "r", 10.0, np.array([[1.0, 2.0]]), np.array([0])
    everywhere, late = np.array([[0.0, 10.0]]), np.array([[6.0, 7.0]])
    # The frog is third of three; second where the last species is unknown; first where the late wren is too.
    assert value([Truth(*given)], [answer])[0] == pytest.approx(1 / 3)
    assert value([Truth(*given, everywhere, np.array([2]))], [answer])[0] == pytest.approx(1 / 2)
    both = np.concatenate([everywhere, late]), np.array([2, 1])
    assert value([Truth(*given, *both)], [answer])[0] == pytest.approx(1)


def test_comparison_and_folds_tell_it_from_the_segments():
    truths, answers, _ = drawn(5)
    (wanted,), counted = value(truths, answers)
    recordings = pd.DataFrame(detection_metrics.recordings(truths, counted))
    segments = pd.DataFrame(detection_metrics.of_segments(truths, counted, IDS))
    tables, rng = Tables(recordings, segments), np.random.default_rng(0)
    row = detection_folds.row([tables, tables], "m", "all", 100, rng)
    assert row[NAME] == pytest.approx(wanted)
    assert row[f"{NAME}_low"] < wanted < row[f"{NAME}_high"]
    names = [column for column in segments if column.startswith("score_")]
    worse = Tables(recordings, segments.assign(**dict.fromkeys(names, 0.5)))
    rows = detection_comparison.compare(worse, tables, "all", 100, rng)["metrics"]
    [found] = [row for row in rows if row["metric"] == NAME]
    assert found["b"] == pytest.approx(wanted)
    # With equal scores a recording's labels have the share of species that are in it.
    n_labels = np.array([len(truth.times_s) for truth in truths])
    assert found["a"] == pytest.approx((n_labels**2 / 3).sum() / n_labels.sum())
    assert findings.metric_name(NAME) == "Recordings: LWLRAP"


def test_it_is_known_only_where_all_calls_are_annotated():
    truths, answers, _ = drawn(6, 8)
    counted = measured.measure(truths, answers, 3, 5.0)
    weights = np.random.default_rng(0).integers(0, 3, (100, 8))
    of_all, of_boxes = (measured.with_intervals(counted, weights, 8, annotated) for annotated in ("all", "boxes"))
    assert of_all[f"{NAME}_low"] < of_all[NAME] < of_all[f"{NAME}_high"]
    assert (of_boxes[NAME], of_boxes[f"{NAME}_low"]) == (None, None)
    test = dict.fromkeys(key + end for key in detection_section.METRICS for end in ("", "_low", "_high"))
    shown = detection_section.headline({"test": {**test, NAME: 0.75}})
    assert [(row["name"], row["value"]) for row in shown] == [("LWLRAP of recordings", "0.750")]


def test_presence_makes_a_submission(tmp_path):
    """Each species of each recording has its highest frame, smoothed and calibrated as fitted for that species."""
    plain = {**presence.PLAIN}
    decisions = [plain, {**plain, "presence_slope": 0.5, "presence_offset": -1.0}, {**plain, "smoothing_s": 0.3}]
    block = {"channel": "mix", "sample_submission": None}
    by_frames = detections.OfPresence(
        IDS, ["Frog", "Wren", "Owl"], presence.thresholds(decisions), block, FEATURES, None, decisions
    )
    frames = np.zeros((2, 9, 3), np.float32) + np.float32(0.01)
    frames[0, 3], frames[1, 3:6] = [0.9, 0.9, 0.9], [0.3, 0.3, 0.3]
    facts = {"duration_s": 0.9, "sample_rate_hz": 8000, "window_s": 0.1, "starts_s": 0.1 * np.arange(9)}
    entries = [
        Entry(f"{name}.wav", f"{name}.wav", name, "", **facts, scores=scores)
        for name, scores in zip(("b", "a"), frames, strict=True)
    ]
    for folder in ("raven", "audacity"):
        (tmp_path / "results" / folder).mkdir(parents=True)
    found = detections.write_all(tmp_path / "results", entries, by_frames)
    sample = tmp_path / "sample_submission.csv"
    sample.write_text("recording_id,sx,s7,s9\na,0,0,0\nb,0,0,0\n")
    detections.write_submission(tmp_path / "submission.csv", str(sample), found, IDS)
    with (tmp_path / "submission.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["recording_id"] for row in rows] == ["a", "b"]
    given = [[float(row[f"s{key}"]) for key in IDS] for row in rows]
    wanted = [
        [0.3, expit(0.5 * logit(0.3) - 1), 0.3],
        [0.9, expit(0.5 * logit(0.9) - 1), (0.9 + 0.01 + 0.01) / 3],
    ]
    np.testing.assert_allclose(given, wanted, rtol=1e-5)
