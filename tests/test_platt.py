"""Platt maps: those of scikit-learn, the pull of what classes have in common, and rows that say little."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import _SigmoidCalibration

from dawnchorus.metrics import platt
from dawnchorus.metrics.platt import Platt


def drawn(n, slope, offset, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, n)
    return logits, rng.random(n) < expit(slope * logits + offset)


@pytest.mark.parametrize(("n", "slope", "offset"), [(30, 1.0, 0.0), (400, 0.5, -2.0), (400, 3.0, 1.0)])
def test_the_map_is_that_of_scikit_learn(n, slope, offset):
    logits, right = drawn(n, slope, offset)
    wanted = _SigmoidCalibration().fit(logits, right)
    found = platt.fit(logits, right)
    # Theirs is 1 / (1 + exp(a * score + b)).
    assert found.slope == pytest.approx(-wanted.a_, rel=1e-3)
    assert found.offset == pytest.approx(-wanted.b_, abs=1e-3)


def test_a_map_is_found_again_and_turns_back():
    found = platt.fit(*drawn(50_000, 0.7, -1.0))
    assert found == pytest.approx((0.7, -1.0), abs=0.05)
    assert found.scores_of(float(found.logits(np.array(0.3)))) == pytest.approx(0.3)


@pytest.mark.parametrize("n", [1, 5, 200])
def test_rows_that_are_all_right_are_not_certain(n):
    logits = np.full(n, 2.0)
    assert expit(platt.fit(logits, np.ones(n, bool)).logits(logits[:1])) == pytest.approx((n + 1) / (n + 2), abs=1e-4)
    assert expit(platt.fit(logits, np.zeros(n, bool)).logits(logits[:1])) == pytest.approx(1 / (n + 2), abs=1e-4)


def test_slopes_are_positive_so_that_no_order_is_turned_round():
    logits, right = drawn(500, 2.0, 0.0)
    assert platt.fit(-logits, right).slope == pytest.approx(platt.SLOPES[0])


def test_a_class_is_pulled_towards_what_is_common_the_more_the_fewer_rows_it_has():
    common = Platt(1.0, 1.0)
    none, few, many = (platt.fit(*drawn(n, 1.6, -1.0, seed=3), common) for n in (0, 8, 20_000))
    assert none == common
    assert many == pytest.approx((1.6, -1.0), abs=0.1)
    assert many.offset < few.offset < common.offset


def test_the_compromise_has_the_highest_posterior():
    common, (logits, right) = Platt(0.8, 0.4), drawn(40, 2.0, -1.0, seed=4)
    n = right.sum()
    targets = np.where(right, (n + 1) / (n + 2), 1 / (len(right) - n + 2))

    def log_posterior(slope, offset):
        p = expit(slope * logits + offset)
        # The common map says one half at -0.5: there the class may be one logit away, and its slope by half.
        shift = slope * -0.5 + offset
        prior = -((slope - 0.8) ** 2) / (2 * 0.4**2) - shift**2 / 2
        return (targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum() + prior

    found = platt.fit(logits, right, common)
    best = log_posterior(*found)
    for away in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert log_posterior(*np.add(found, away)) < best


def test_logits_of_certain_scores_are_finite():
    np.testing.assert_allclose(platt.logit(np.array([0.0, 0.5, 1.0], np.float32)), [-16.118, 0, 16.118], atol=1e-3)
    assert platt.fit(np.empty(0), np.empty(0, bool)) == platt.IDENTITY
