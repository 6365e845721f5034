"""Paired differences, McNemar's test, matching of clips and of parameters, against values made otherwise."""

from fractions import Fraction
from math import comb

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, log_loss

from dawnchorus.evaluation import comparison
from dawnchorus.foundation.errors import InputError

IDS = ("07", "7", "x")


def some_predictions(n, seed, sharpness=2.0, ids=IDS):
    """Return predictions of n clips of n // 3 recordings; the truth is the same for every seed."""
    truth = np.random.default_rng(99).integers(len(ids), size=n)
    logits = np.random.default_rng(seed).normal(size=(n, len(ids)))
    logits[np.arange(n), truth] += sharpness
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = pd.DataFrame(
        {
            "annotation_id": range(n),
            "recording_id": [f"rec{i // 3}" for i in range(n)],
            "t_min_s": [i % 3 + 0.5 for i in range(n)],
            "t_max_s": [i % 3 + 0.9 for i in range(n)],
            "true_species_id": [ids[i] for i in truth],
            "true_name": [f"name {ids[i]}" for i in truth],
            "predicted_species_id": [ids[i] for i in scores.argmax(axis=1)],
            "predicted_name": [f"name {ids[i]}" for i in scores.argmax(axis=1)],
        }
    )
    return table.assign(**{f"score_{name}": scores[:, i] for i, name in enumerate(ids)})


def groups_of(table):
    return dict(zip(comparison.keys(table), table["recording_id"], strict=True))


def compared(a, b, common=False, n_draws=400):
    return comparison.compare(a, b, groups_of(b), common, 2, n_draws, np.random.default_rng(1))


def test_the_metrics_are_those_of_scikit_learn():
    a, b = some_predictions(90, 1), some_predictions(90, 2, sharpness=3.0)
    rows = {row["metric"]: row for row in compared(a, b)["metrics"]}
    for side, table in (("a", a), ("b", b)):
        truth, guess = table["true_species_id"], table["predicted_species_id"]
        assert rows["accuracy"][side] == pytest.approx((truth == guess).mean())
        assert rows["balanced_accuracy"][side] == pytest.approx(balanced_accuracy_score(truth, guess))
        assert rows["macro_f1"][side] == pytest.approx(f1_score(truth, guess, average="macro"))
        scores = table[[f"score_{name}" for name in IDS]].to_numpy()
        scores /= scores.sum(axis=1, keepdims=True)
        assert rows["loss"][side] == pytest.approx(log_loss(truth, scores, labels=list(IDS)), rel=1e-6)
    assert rows["accuracy"]["difference"] == pytest.approx(rows["accuracy"]["b"] - rows["accuracy"]["a"])


def test_a_run_against_itself_differs_by_nothing():
    a = some_predictions(60, 1)
    result = compared(a, a.copy())
    assert all(row["difference"] == row["low"] == row["high"] == 0 for row in result["metrics"])
    assert {row["verdict"] for row in result["metrics"]} == {"unclear"}
    assert result["mcnemar"] == {"became_right": 0, "became_wrong": 0, "p_value": 1.0}
    assert result["changed"] == []
    assert result["groups"] == 20


def test_a_clear_difference_is_predicted_by_its_direction():
    poor, good = some_predictions(150, 1, sharpness=0.0), some_predictions(150, 2, sharpness=6.0)
    verdicts = {row["metric"]: row["verdict"] for row in compared(poor, good)["metrics"]}
    assert verdicts["accuracy"] == verdicts["loss"] == "better"
    verdicts = {row["metric"]: row["verdict"] for row in compared(good, poor)["metrics"]}
    assert verdicts["accuracy"] == verdicts["loss"] == "worse"


def test_the_interval_is_of_paired_draws_of_whole_groups():
    """All of the difference is in one group of four: the draws hold it 0, 1, 2, ... times, never a part of it."""
    a = some_predictions(12, 1, sharpness=9.0)
    b = a.copy()
    wrong = b["recording_id"] == "rec0"
    b.loc[wrong, "predicted_species_id"] = "none of these"
    names = [f"score_{name}" for name in IDS]
    b.loc[wrong, names] = 1 - b.loc[wrong, names]
    accuracy = next(row for row in compared(a, b, n_draws=2000)["metrics"] if row["metric"] == "accuracy")
    assert accuracy["difference"] == -0.25
    # Four of four draws of that group have 1 chance in 256, none of it 81: the interval reaches 0 and passes -0.5.
    assert accuracy["high"] == pytest.approx(0.0, abs=0.02)
    assert -1.0 <= accuracy["low"] <= -0.5


def test_unpaired_noise_cancels():
    """Both models fail on the same clips: each accuracy is uncertain, their difference is not."""
    a = some_predictions(60, 1, sharpness=1.0)
    b = a.copy()
    row = next(row for row in compared(a, b)["metrics"] if row["metric"] == "accuracy")
    assert 0.3 < row["a"] < 0.95
    assert row["low"] == row["high"] == 0


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (5, 12), (12, 5), (7, 7), (40, 61), (700, 800)])
def test_mcnemar_is_the_binomial_test(gained, lost):
    """Twice the binomial tail: the chance that the smaller side has so few of the n clips that changed, or fewer."""
    n = gained + lost
    tail = Fraction(sum(comb(n, k) for k in range(min(gained, lost) + 1)), 2**n)
    assert comparison.mcnemar(gained, lost) == pytest.approx(float(min(Fraction(1), 2 * tail)))


def test_clips_are_matched_by_what_they_are_not_by_number_or_order():
    a = some_predictions(30, 1)
    b = some_predictions(30, 2).iloc[::-1].reset_index(drop=True)
    b["annotation_id"] = range(500, 530)
    b["t_min_s"] = b["t_min_s"] + 1e-8
    result = compared(a, b)
    assert result["clips"] == 30
    right = (a["true_species_id"] == a["predicted_species_id"]).mean()
    assert next(row["a"] for row in result["metrics"] if row["metric"] == "accuracy") == pytest.approx(right)


def test_clips_that_begin_a_few_milliseconds_apart_are_two_clips():
    a = some_predictions(3, 1).assign(recording_id="rec", true_species_id="7", true_name="name 7")
    a["t_min_s"], a["t_max_s"] = [1.001, 1.002, 1.003], [1.501, 1.502, 1.503]
    assert len({key[:4] for key in comparison.keys(a)}) == 3
    b = a.iloc[[1]].reset_index(drop=True)
    with pytest.raises(InputError, match="1 in both, 2 only in A, 0 only in B"):
        compared(a, b)
    row = next(row for row in compared(a, b, common=True)["metrics"] if row["metric"] == "accuracy")
    assert row["a"] == float(a["predicted_species_id"][1] == "7"), "its own clip, not another of the three"
    apart = a.assign(t_min_s=a["t_min_s"] + 0.0004)
    with pytest.raises(InputError, match="no test clip in common"):
        compared(a, apart, common=True)


def test_equal_clips_are_matched_one_by_one():
    a = some_predictions(6, 1)
    doubled = pd.concat([a, a.iloc[[0]]], ignore_index=True)
    assert compared(doubled, doubled.copy())["clips"] == 7


def test_other_test_clips_are_refused_or_left_out_when_asked():
    a, b = some_predictions(30, 1), some_predictions(30, 2)
    with pytest.raises(InputError, match="27 in both, 3 only in A, 0 only in B; --common"):
        compared(a, b.iloc[3:])
    result = compared(a, b.iloc[3:], common=True)
    assert (result["clips"], result["only_in_a"], result["only_in_b"]) == (27, 3, 0)
    with pytest.raises(InputError, match="no test clip in common"):
        compared(a, b.assign(recording_id="other"), common=True)


def test_a_clip_whose_species_was_corrected_is_another_clip():
    a, b = some_predictions(9, 1), some_predictions(9, 2)
    b.loc[4, "true_species_id"] = next(name for name in IDS if name != b.loc[4, "true_species_id"])
    with pytest.raises(InputError, match="8 in both, 1 only in A, 1 only in B"):
        compared(a, b)


def test_models_that_know_other_classes_can_be_compared():
    a, b = some_predictions(30, 1), some_predictions(30, 2)
    b["score_new"] = 0.0
    result = compared(a.drop(columns="score_x"), b)
    assert result["clips"] == 30
    assert all(row["a"] == row["a"] for row in result["metrics"])


def test_each_species_has_its_recall_and_average_precision_as_scikit_learn_says():
    a, b = some_predictions(90, 1), some_predictions(90, 2, sharpness=3.0)
    found = compared(a, b)["species"]
    assert sorted(of["species_id"] for of in found) == sorted(IDS)
    for of in found:
        rows = {row["metric"]: row for row in of["metrics"]}
        for side, table in (("a", a), ("b", b)):
            truth = table["true_species_id"] == of["species_id"]
            assert of["clips"] == truth.sum()
            expected = average_precision_score(truth, table[f"score_{of['species_id']}"])
            assert rows["average_precision"][side] == pytest.approx(expected)
            assert rows["recall"][side] == pytest.approx(
                (table["predicted_species_id"][truth] == of["species_id"]).mean()
            )
        for row in rows.values():
            assert row["low"] <= row["difference"] <= row["high"]
            assert row["difference"] == row["b"] - row["a"]


def test_the_interval_of_a_species_is_paired_and_asks_for_two_groups():
    a = some_predictions(90, 1)
    [*_, same] = (row for of in compared(a, a)["species"] for row in of["metrics"])
    assert (same["low"], same["high"], same["verdict"]) == (0, 0, "unclear")
    # All clips of species x are of one recording then, and the others stay as they are.
    alone = a[(a["true_species_id"] != "x") | (a["recording_id"] == "rec3")]
    if not (alone["true_species_id"] == "x").any():
        alone = pd.concat([alone, a[a["true_species_id"] == "x"].head(1)])
    of = {of["species_id"]: of["metrics"] for of in compared(alone, alone)["species"]}
    assert {row["low"] for row in of["x"]} == {None}
    assert {row["low"] for row in of["7"]} == {0}


def test_what_differs_in_every_clip_of_a_species_is_better_for_that_species_alone():
    a = some_predictions(90, 1, sharpness=0.5)
    b = a.copy()
    mine = b["true_species_id"] == "x"
    b.loc[mine, ["score_07", "score_7", "score_x"]] = [0.0, 0.0, 1.0]
    b.loc[mine, "predicted_species_id"] = "x"
    of = {of["species_id"]: {row["metric"]: row for row in of["metrics"]} for of in compared(a, b)["species"]}
    assert (of["x"]["recall"]["b"], of["x"]["recall"]["verdict"]) == (1, "better")
    assert of["7"]["recall"]["difference"] == 0
    assert of["7"]["recall"]["verdict"] == "unclear"


def test_a_single_clip_that_became_right_shows_nothing():
    """In a third of the draws its recording is not there, and the difference is 0: no interval may leave that out."""
    b = some_predictions(90, 1, sharpness=9.0)
    a = b.copy()
    [first, *_] = a.index[a["true_species_id"] == "x"]
    a.loc[first, ["score_07", "score_7", "score_x"]] = [1.0, 0.0, 0.0]
    a.loc[first, "predicted_species_id"] = "07"
    found = compared(a, b)
    of = {of["species_id"]: {row["metric"]: row for row in of["metrics"]} for of in found["species"]}
    for row in (of["x"]["recall"], of["x"]["average_precision"], found["metrics"][0]):
        assert row["difference"] > 0
        assert (row["low"], row["verdict"]) == (0, "unclear")
        assert row["high"] >= row["difference"]


@pytest.mark.parametrize(("n_groups", "verdict"), [(2, "unclear"), (5, "unclear"), (6, "better")])
def test_few_groups_on_one_side_are_chance(n_groups, verdict):
    """Five groups lie on one side in 2 of 32 cases where nothing differs, six in 2 of 64."""
    drawn = np.random.default_rng(0).uniform(0.1, 0.3, 500)
    found = comparison.difference("accuracy", 0.5, 0.7, drawn, n_groups)
    assert found["low"] > 0
    assert (found["verdict"], found["groups"]) == (verdict, n_groups)


def test_what_groups_are_is_said():
    a = some_predictions(60, 1)
    assert compared(a, a)["units"] == "recordings"
    pairs = {key: f"site{int(key[0][3:]) // 2}" for key in comparison.keys(a)}
    found = comparison.compare(a, a, pairs, False, 2, 50, np.random.default_rng(1))
    assert (found["units"], found["groups"]) == ("groups", 10)


def test_changed_clips():
    a, b = some_predictions(30, 1, sharpness=1.0), some_predictions(30, 2, sharpness=1.0)
    result = compared(a, b)
    was = (a["true_species_id"] == a["predicted_species_id"]).to_numpy()
    now = (b["true_species_id"] == b["predicted_species_id"]).to_numpy()
    assert result["mcnemar"]["became_right"] == (now & ~was).sum()
    assert result["mcnemar"]["became_wrong"] == (was & ~now).sum()
    first = result["changed"][0]
    row = int(np.flatnonzero(was != now)[0])
    assert first["became"] == ("right" if now[row] else "wrong")
    assert (first["recording_id"], first["t_min_s"]) == (b["recording_id"][row], b["t_min_s"][row])
    assert (first["predicted_by_a"], first["predicted_by_b"]) == (a["predicted_name"][row], b["predicted_name"][row])


def test_groups_that_cut_recordings_up_are_replaced_by_recordings():
    a, b = some_predictions(30, 1), some_predictions(30, 2)
    each_its_own = {key: str(number) for number, key in enumerate(comparison.keys(b))}
    result = comparison.compare(a, b, each_its_own, False, 2, 50, np.random.default_rng(1))
    assert result["groups"] == 10


def test_one_group_has_no_interval():
    a, b = some_predictions(3, 1), some_predictions(3, 2)
    assert all(row["low"] is None and row["verdict"] == "unclear" for row in compared(a, b)["metrics"])


def test_params_diff():
    a = {"seed": 1, "model": {"name": "lstm", "units": 8}, "data": {"f": None}}
    b = {"seed": 1, "model": {"name": "svm"}, "data": {"f": 1.5}, "new": {"x": False}}
    assert comparison.params_diff(a, b) == [
        {"name": "model.name", "a": "lstm", "b": "svm"},
        {"name": "model.units", "a": 8},
        {"name": "data.f", "a": None, "b": 1.5},
        {"name": "new.x", "b": False},
    ]
    assert [comparison.written(value) for value in (None, True, 0.5, "a", [1, 2])] == [
        "null",
        "true",
        "0.5",
        "a",
        "[1, 2]",
    ]
    assert comparison.params_diff(b, b) == []
