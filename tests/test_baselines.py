"""Baselines: the simple machine against plain scikit-learn on plain statistics; the table by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from dawnchorus.evaluation import baselines
from dawnchorus.learning import clip_svm, dataset
from dawnchorus.metrics import bootstrap


def clips_of_three_kinds(n_clips, seed=0, n_bands=5):
    """Return clips of unequal length, (n_frames, n_bands) in decibels, and their class."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n_clips) % 3
    made = []
    for kind in truth:
        clip = rng.normal(-40, 6, (int(rng.integers(4, 12)), n_bands))
        clip[:: kind + 1, kind] += 12
        made.append(clip.astype(np.float32))
    return made, truth


def plain_statistics(clip):
    """The recipe of the baseline, on a clip as it was before the data set normalized it."""
    clip = (clip - clip.mean()) / clip.std()
    parts = [clip.mean(axis=0), clip.std(axis=0), clip.max(axis=0), np.abs(np.diff(clip, axis=0)).mean(axis=0)]
    return np.concatenate(parts)


def as_data_set(made, normalization, padding, deltas=0):
    block = {"normalization": normalization, "clip_normalization": "none", "frames": 14, "padding": padding}
    statistics = dataset.fit_statistics(made, {**block, "features": {"deltas": deltas}})
    rows = [dataset.normalized(clip, statistics) for clip in made]
    return np.stack([row for row, _ in rows]), np.array([n for _, n in rows]), statistics


@pytest.mark.parametrize("normalization", ["per_feature", "min_max_std", "none"])
@pytest.mark.parametrize("padding", ["right", "centre"])
def test_vectors_are_those_of_the_clips_before_the_data_set(normalization, padding):
    made, _ = clips_of_three_kinds(6)
    found = clip_svm.pooled_vectors(*as_data_set(made, normalization, padding))
    np.testing.assert_allclose(found, [plain_statistics(clip) for clip in made], rtol=1e-3, atol=1e-4)


def test_vectors_leave_deltas_out_and_survive_silence():
    made, _ = clips_of_three_kinds(6)
    with_deltas = [np.hstack([clip, 100 + 0 * clip]) for clip in made]
    found = clip_svm.pooled_vectors(*as_data_set(with_deltas, "per_feature", "right", deltas=1))
    np.testing.assert_allclose(found, [plain_statistics(clip) for clip in made], rtol=1e-3, atol=1e-4)
    x, n_frames, statistics = as_data_set(made, "per_feature", "right")
    statistics |= {"offset": [0.0], "scale": [0.0]}
    assert not clip_svm.pooled_vectors(x, n_frames, statistics).any()


def test_the_machine_is_scikit_learns():
    made, truth = clips_of_three_kinds(60)
    x, n_frames, statistics = as_data_set(made, "per_feature", "right")
    train, test = np.arange(40), np.arange(40, 60)
    found = baselines.svm_scores(x, n_frames, truth, train, test, statistics, 4)
    vectors = np.array([plain_statistics(clip) for clip in made])
    scaler = StandardScaler().fit(vectors[train])
    machine = SVC(C=5, class_weight="balanced").fit(scaler.transform(vectors[train]), truth[train])
    decision = machine.decision_function(scaler.transform(vectors[test]))
    assert (found.argmax(axis=1) == decision.argmax(axis=1)).all()
    # The order of all classes too; the fourth had no training clip and comes last.
    assert (found[:, :3].argsort(axis=1) == decision.argsort(axis=1)).mean() > 0.95
    assert (found.argmin(axis=1) == 3).all()
    assert (found.argmax(axis=1) == truth[test]).mean() > 0.6


def test_a_clip_without_annotation_is_scored_by_its_sounding_frames_alone():
    """Its array is padded with zeros, which are far from silence in decibels: they must not reach the model."""
    made, _ = clips_of_three_kinds(4)
    _, _, statistics = as_data_set(made, "per_feature", "right")
    context = np.zeros((2, 14, 5), np.float32)
    for row, clip in enumerate(made[:2]):
        context[row, : len(clip)] = clip
    context_rows = pd.DataFrame({"recording_id": ["b", "a"], "n_frames": [len(clip) for clip in made[:2]]})
    rows = pd.DataFrame({"recording_id": ["a", "b", "b", "elsewhere"]}, index=[7, 8, 9, 10])
    taken = []

    def predict(x):
        taken.append(x)
        return x[:, 0, :3]

    positions, scores = baselines.context_answers(predict, rows, context, context_rows, statistics)
    (x,) = taken
    for clip, found in zip(made[:2], x, strict=True):
        expected = (clip - statistics["offset"]) / statistics["scale"]
        np.testing.assert_allclose(found[: len(clip)], expected, rtol=1e-5)
        assert not found[len(clip) :].any()
    assert positions.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(scores, x[[1, 0, 0], 0, :3])
    assert baselines.context_answers(predict, rows.iloc[3:], context, context_rows, statistics) is None


def test_the_clips_of_a_recording_are_taken_in_turn():
    rows = pd.DataFrame({"recording_id": list("abaaa")})
    context_rows = pd.DataFrame({"recording_id": list("acaa")})
    positions, clips = baselines.context_clips(rows, context_rows)
    assert (positions.tolist(), clips.tolist()) == ([0, 2, 3, 4], [0, 2, 3, 0])


def test_nothing_to_tell_apart_is_none():
    made, truth = clips_of_three_kinds(9)
    x, n_frames, statistics = as_data_set(made, "per_feature", "right")
    one_class, test = np.flatnonzero(truth == 1), np.arange(2)
    assert baselines.svm_scores(x, n_frames, truth, one_class, test, statistics, 3) is None
    assert baselines.svm_scores(x, n_frames, truth, np.arange(6), test[:0], statistics, 3) is None


def test_majority_scores_are_the_shares_of_the_training_rows():
    scores = baselines.majority_scores(np.array([1, 1, 1, 0]), 2, 3)
    assert scores.tolist() == [[0.25, 0.75, 0.0]] * 2


def test_comparison_by_hand():
    truth, groups = np.array([0, 1, 0, 1, 0, 1]), np.array(list("aabbcc"))
    right = np.eye(2)[truth]
    half_right = np.eye(2)[[0, 1, 0, 0, 1, 0]]
    weights = bootstrap.draws(groups, 500, np.random.default_rng(0))
    answers = {
        "simple": (np.arange(6), half_right),
        "context only": (np.array([1, 2, 3]), half_right[[1, 2, 3]]),
        "impossible": None,
    }
    table = baselines.table(truth, ("lstm", right), answers, groups, weights, 1)
    assert [row["model"] for row in table] == ["lstm", *answers]
    assert [row["clips"] for row in table] == [6, 6, 3, 0]
    assert [row["groups"] for row in table] == [3, 3, 2, 0]
    assert [row["accuracy"] for row in table] == [1, 0.5, 2 / 3, None]
    assert [row["advantage"] for row in table] == [None, 0.5, pytest.approx(1 / 3), None]
    # All rows of c and none of a are wrong: in draws, the gain is the share of b and c.
    assert 0 <= table[1]["advantage_low"] < 0.5 < table[1]["advantage_high"] <= 1
    assert table[0]["accuracy_low"] == table[0]["accuracy_high"] == 1
    assert table[3]["accuracy_low"] is None
    assert not any(name.startswith("loss") for name in table[0])
    without = baselines.table(truth, ("lstm", right), answers, groups, None, 1)
    assert [row["accuracy"] for row in without] == [row["accuracy"] for row in table]
    assert without[1]["advantage_low"] is None
