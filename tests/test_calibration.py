"""Temperature, reliability and thresholds: what is put in is found again; small cases by hand."""

import json

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score

from dawnchorus.metrics import calibration


def calibrated(n_rows=20_000, n_classes=6, seed=0):
    """Return scores, and a truth drawn from them: they are right by construction."""
    rng = np.random.default_rng(seed)
    scores = softmax(rng.normal(0, 2, (n_rows, n_classes)), axis=1)
    truth = (rng.uniform(size=(n_rows, 1)) > scores.cumsum(axis=1)).sum(axis=1)
    return np.minimum(truth, n_classes - 1), scores


def test_scores_that_are_right_have_temperature_1():
    truth, scores = calibrated()
    assert calibration.temperature(truth, scores) == pytest.approx(1, abs=0.06)
    assert calibration.expected_error(calibration.reliability(truth, scores, 15)) < 0.02


@pytest.mark.parametrize("distortion", [0.5, 2.5])
def test_a_temperature_is_found_again(distortion):
    truth, scores = calibrated(seed=1)
    # Logits times `distortion` are undone by that temperature.
    distorted = softmax(distortion * np.log(scores), axis=1)
    found = calibration.temperature(truth, distorted)
    assert found == pytest.approx(distortion * calibration.temperature(truth, scores), rel=1e-2)
    # Scores below 1e-7 are clipped, so of the smallest not all comes back.
    np.testing.assert_allclose(calibration.scaled(distorted, distortion), scores, atol=1e-2)
    before, after = (
        calibration.expected_error(calibration.reliability(truth, values, 15))
        for values in (distorted, calibration.scaled(distorted, found))
    )
    assert before > 0.08 > 0.02 > after


def test_the_temperature_has_the_lowest_loss():
    truth, scores = calibrated(300, seed=2)
    scores = softmax(1.7 * np.log(scores), axis=1)
    best = calibration.temperature(truth, scores)
    # The truth counts as 301 / 302, the other five classes share the rest.
    wanted = np.full((300, 6), 1 / 302 / 5)
    wanted[np.arange(300), truth] = 301 / 302
    scaled = [calibration.scaled(scores, best * factor) for factor in (0.99, 1, 1.01)]
    losses = [-(wanted * np.log(of)).sum(axis=1).mean() for of in scaled]
    assert losses[1] == min(losses)


@pytest.mark.parametrize("n_rows", [8, 150])
def test_rows_that_are_all_right_do_not_make_the_model_certain(n_rows):
    truth = np.arange(n_rows) % 3
    scores = 0.2 + 0.4 * np.eye(3)[truth]
    scaled = calibration.scaled(scores, calibration.temperature(truth, scores))
    np.testing.assert_allclose(scaled[np.arange(n_rows), truth], (n_rows + 1) / (n_rows + 2), rtol=1e-3)


def test_extreme_scores_stay_finite():
    certain, truth = np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 0])
    assert 1 / 20 <= calibration.temperature(truth, certain) < 20
    assert calibration.temperature((truth + 1) % 3, certain) == pytest.approx(20, rel=1e-3)
    assert np.isfinite(calibration.scaled(certain, 1 / 20)).all()
    assert calibration.temperature(truth[:0], certain[:0]) == 1


def test_scaling_keeps_the_order():
    _, scores = calibrated(50)
    for temperature in (0.3, 1, 4):
        found = calibration.scaled(scores.astype(np.float32), temperature)
        assert (found.argsort(axis=1) == scores.argsort(axis=1)).all()
        np.testing.assert_allclose(found.sum(axis=1), 1)


def test_reliability_by_hand():
    scores = np.array([[0.5, 0.5], [0.6, 0.4], [0.25, 0.75], [0.1, 0.9], [0.0, 1.0]])
    table = calibration.reliability(np.array([0, 1, 1, 1, 0]), scores, 4)
    assert table["lower"].tolist() == [0, 0.25, 0.5, 0.75]
    assert table["upper"].tolist() == [0.25, 0.5, 0.75, 1]
    # A score on an edge belongs to the bin below it.
    assert table["n"].tolist() == [0, 1, 2, 2]
    assert table["mean_score"].tolist()[1:] == pytest.approx([0.5, 0.675, 0.95])
    assert table["accuracy"].tolist()[1:] == [1, 0.5, 0.5]
    assert table.loc[0, ["mean_score", "accuracy"]].isna().all()
    expected = (1 * 0.5 + 2 * 0.175 + 2 * 0.45) / 5
    assert calibration.expected_error(table) == pytest.approx(expected)
    assert calibration.expected_error(calibration.reliability(np.array([], int), scores[:0], 4)) is None


def test_a_threshold_by_hand():
    positive = np.array([True, True, False, True, False, False])
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.3, 0.1])
    # F1 from the top: 2/4, 4/5, 4/6, 6/7, 6/8, 6/9.
    assert calibration.threshold(positive, score) == pytest.approx((0.6 + 0.3) / 2)


def test_of_equal_thresholds_the_highest_is_taken():
    # F1 is 2/3 with one detected, 2/4 with two, 4/6 with four: the same as the first.
    positive, score = np.array([True, False, False, True]), np.array([0.9, 0.8, 0.7, 0.6])
    assert calibration.threshold(positive, score) == pytest.approx((0.9 + 0.8) / 2)


def test_a_threshold_where_all_scores_are_equal_or_none_is_positive():
    assert calibration.threshold(np.array([True, False]), np.array([0.4, 0.4])) == 0.4
    assert calibration.threshold(np.array([False, False]), np.array([0.4, 0.5])) is None


def test_no_other_threshold_has_a_higher_f1():
    rng = np.random.default_rng(0)
    for decimals in (1, 8):
        positive = rng.uniform(size=80) < 0.2
        score = np.clip(rng.normal(0.3, 0.2, 80) + 0.25 * positive, 0, 1).round(decimals)
        found = f1_score(positive, score >= calibration.threshold(positive, score))
        assert found == pytest.approx(max(f1_score(positive, score >= value) for value in np.unique(score)))


def test_fit_says_what_it_was_fitted_on():
    truth, scores = np.array([0, 0, 2]), np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    fitted = calibration.fit(truth, scores, ["a", "007", "c"], 0.4)
    assert json.loads(json.dumps(fitted, allow_nan=False)) == fitted
    assert fitted["without_rows"] == ["007"]
    assert fitted["thresholds"]["007"] == fitted["default_threshold"] == 0.4
    assert fitted["fitted_on"] == {"rows": 3, "rows_of_class": {"a": 2, "007": 0, "c": 1}}
    scaled = calibration.scaled(scores, fitted["temperature"])
    assert (scaled[:2, 0] >= fitted["thresholds"]["a"]).all()
    assert scaled[2, 0] < fitted["thresholds"]["a"]
    nothing = calibration.fit(truth[:0], scores[:0], ["a", "b", "c"], 0.4)
    assert nothing["temperature"] == 1
    assert nothing["without_rows"] == ["a", "b", "c"]


def test_reliability_of_presence_takes_each_score_by_itself():
    present = np.array([[True, False], [True, True], [False, False]])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.0]])
    table = calibration.reliability_of_presence(present, scores, 2)
    assert table["n"].tolist() == [3, 3]
    assert table["mean_score"].tolist() == pytest.approx([0.1, 0.8])
    assert table["accuracy"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert calibration.expected_error(table) == pytest.approx((1 / 3 - 0.1 + 0.8 - 2 / 3) / 2)
