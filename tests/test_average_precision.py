"""Average precision class by class, and its interval, against scikit-learn called draw by draw."""

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.metrics import average_precision_score

from dawnchorus.metrics import average_precision, bootstrap


def some_rows(n_groups=12, rows_each=5, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    of_row = np.repeat([f"g{number}" for number in range(n_groups)], rows_each)
    truth = rng.integers(n_classes, size=len(of_row))
    scores = rng.random((len(of_row), n_classes)) + 0.4 * np.eye(n_classes)[truth]
    return np.eye(n_classes, dtype=bool)[truth], scores, of_row


def test_each_draw_is_what_scikit_learn_says_of_its_rows():
    positive, scores, of_row = some_rows()
    weights = bootstrap.draws(of_row, 20, np.random.default_rng(1))
    known = np.random.default_rng(2).random(positive.shape) < 0.8
    found = average_precision.of_classes(positive, scores, known, weights)
    for draw, of_draw in zip(weights, found, strict=True):
        rows = np.repeat(np.arange(len(draw)), draw)
        for index in range(3):
            counted = rows[known[rows, index]]
            expected = average_precision_score(positive[counted, index], scores[counted, index])
            assert of_draw[index] == pytest.approx(expected)


def test_draws_are_the_same_in_chunks(monkeypatch):
    positive, scores, of_row = some_rows()
    weights = bootstrap.draws(of_row, 20, np.random.default_rng(1))
    whole = average_precision.of_classes(positive, scores, np.ones_like(positive), weights)
    monkeypatch.setattr("dawnchorus.metrics.classification.CHUNK", 200)
    np.testing.assert_array_equal(
        average_precision.of_classes(positive, scores, np.ones_like(positive), weights), whole
    )


def test_the_interval_is_that_of_the_groups_that_hold_the_class():
    """By hand: the quantiles of the draws, as far apart as Student's t asks for so many groups, around the value."""
    positive, scores, of_row = some_rows()
    positive[:, 0] &= np.isin(of_row, ["g0", "g1", "g2", "g3"])
    weights = bootstrap.draws(of_row, 500, np.random.default_rng(1))
    value, low, high = average_precision.with_intervals(positive, scores, np.ones_like(positive), of_row, weights)[0]
    assert value == pytest.approx(average_precision_score(positive[:, 0], scores[:, 0]))
    drawn = []
    for draw in weights:
        rows = np.repeat(np.arange(len(draw)), draw)
        if positive[rows, 0].any():
            drawn.append(average_precision_score(positive[rows, 0], scores[rows, 0]))
    n = len(set(of_row[positive[:, 0]]))
    assert 2 <= n <= 4
    wide = student.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))
    ends = np.quantile(drawn, norm.cdf([-wide, wide])) - (np.mean(drawn) - value)
    ends = np.clip(ends, min(drawn), max(drawn))
    assert (low, high) == (pytest.approx(min(ends[0], value)), pytest.approx(max(ends[1], value)))
    assert low < value < high


def test_a_class_of_one_group_and_one_of_none_have_no_interval():
    positive, scores, of_row = some_rows()
    positive[:, 0] &= of_row == "g0"
    positive[:, 1] = False
    weights = bootstrap.draws(of_row, 100, np.random.default_rng(1))
    alone, nowhere, everywhere = average_precision.with_intervals(
        positive, scores, np.ones_like(positive), of_row, weights
    )
    assert np.isnan(alone).tolist() == [False, True, True]
    assert np.isnan(nowhere).all()
    assert not np.isnan(everywhere).any()
    without = average_precision.with_intervals(positive, scores, np.ones_like(positive), of_row, None)
    assert np.isnan(without[:, 1:]).all()
