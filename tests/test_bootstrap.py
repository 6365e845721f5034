"""Intervals over groups: where they lie, how wide they are, and how often they hold the truth."""

from statistics import NormalDist

import numpy as np
import pytest

from dawnchorus.metrics import bootstrap, classification


def test_a_draw_takes_whole_groups_with_replacement():
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    weights = bootstrap.draws(groups, 4000, np.random.default_rng(0))
    assert weights.shape == (4000, 6)
    for name in "abc":
        assert (weights[:, groups == name][:, 0] == weights[:, groups == name].T).all()
    of_group = weights[:, [1, 0, 3]]
    assert (of_group.sum(axis=1) == 3).all()
    # How often a group comes in 3 draws out of 3 is binomial (3, 1/3).
    np.testing.assert_allclose(of_group.mean(axis=0), 1, atol=0.05)
    assert (of_group == 0).mean() == pytest.approx((2 / 3) ** 3, abs=0.02)


def test_one_group_or_none_has_no_interval():
    assert bootstrap.draws(np.array(["a", "a"]), 10, np.random.default_rng(0)) is None
    assert bootstrap.draws(np.array([], dtype=str), 10, np.random.default_rng(0)) is None
    assert bootstrap.interval(None, 0.5, 1) == (None, None)
    assert bootstrap.interval(np.full(5, np.nan), 0.5, 5) == (None, None)
    assert bootstrap.interval(np.ones(5), None, 5) == (None, None)


def test_the_same_generator_gives_the_same_draws():
    groups = np.arange(9) % 4
    first, second, other = (bootstrap.draws(groups, 50, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != other).any()


def interval_of_mean(values, groups, n_draws=2000):
    weights = bootstrap.draws(groups, n_draws, np.random.default_rng(5))
    drawn = classification.mean_of_rows(values, weights)
    return bootstrap.interval(drawn, values.mean(), len(np.unique(groups)))


def test_the_interval_of_a_mean_is_that_of_student():
    values = np.random.default_rng(0).normal(size=60)
    low, high = interval_of_mean(values, np.arange(60))
    half = 2.001 * values.std(ddof=1) / np.sqrt(60)
    assert low == pytest.approx(values.mean() - half, abs=0.12 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.12 * half)


def test_more_groups_are_narrower():
    rng = np.random.default_rng(1)
    widths = []
    for n_groups in (10, 40, 160):
        low, high = interval_of_mean(rng.integers(0, 2, n_groups * 3).astype(float), np.arange(n_groups * 3) // 3)
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 2.25 * widths[2]


def test_clips_of_a_group_that_are_alike_count_once():
    """Eight copies of a clip say no more than one; drawn one by one they would seem to."""
    of_group = np.random.default_rng(2).integers(0, 2, 30).astype(float)
    copies, groups = np.repeat(of_group, 8), np.repeat(np.arange(30), 8)
    by_group, once = interval_of_mean(copies, groups), interval_of_mean(of_group, np.arange(30))
    by_clip = interval_of_mean(copies, np.arange(240))
    assert by_group == pytest.approx(once)
    assert by_group[1] - by_group[0] > 2.5 * (by_clip[1] - by_clip[0])


def test_an_interval_holds_its_measure_and_stays_within_the_draws():
    values = np.random.default_rng(3).uniform(0.6, 0.8, 500)
    for estimate in (0.55, 0.65, 0.7, 0.75):
        low, high = bootstrap.interval(values, estimate, 30)
        assert min(values.min(), estimate) <= low <= estimate <= high <= max(values.max(), estimate)
    assert bootstrap.interval(np.ones(100), 1.0, 30) == (1.0, 1.0)
    with_gaps = np.where(np.arange(500) % 5 == 0, np.nan, values)
    assert bootstrap.interval(with_gaps, 0.7, 30) == bootstrap.interval(with_gaps[~np.isnan(with_gaps)], 0.7, 30)


def test_average_precision_is_inside_though_resampling_lifts_it():
    rng = np.random.default_rng(4)
    truth = np.arange(120) % 12
    scores = rng.uniform(size=(120, 12))
    scores[np.arange(120), truth] += 0.3
    weights = bootstrap.draws(np.arange(120) // 3, 1000, rng)
    drawn = classification.compute(truth, scores, weights, 3)
    once = classification.compute(truth, scores, np.ones((1, 120)), 3)
    assert drawn["macro_average_precision"].mean() > once["macro_average_precision"][0] + 0.005
    for name, values in drawn.items():
        low, high = bootstrap.interval(values, once[name][0], 40)
        assert low < once[name][0] < high, name


def test_ninety_five_of_a_hundred_hold_the_truth():
    rng, n_held = np.random.default_rng(6), 0
    for _ in range(200):
        of_group = rng.beta(2, 1, 25)
        values = (rng.uniform(size=(25, 4)) < of_group[:, None]).astype(float).ravel()
        low, high = interval_of_mean(values, np.repeat(np.arange(25), 4), n_draws=300)
        n_held += low <= 2 / 3 <= high
    assert 0.9 <= n_held / 200 <= 0.99


def test_few_groups_widen_the_interval_to_that_of_students_mean():
    """Draws of a mean that lie as a normal distribution does: with the deviation that 5 groups have by n, not n - 1."""
    draws = NormalDist(0.5, 0.1)
    values = np.array([draws.inv_cdf((number + 0.5) / 20_000) for number in range(20_000)])
    low, high = bootstrap.interval(values, 0.5, 5)
    # 2.776: Student's t of 4 degrees of freedom, 97.5 %, from a printed table.
    half = 2.776 * 0.1 * np.sqrt(5 / 4)
    assert (low, high) == (pytest.approx(0.5 - half, rel=5e-3), pytest.approx(0.5 + half, rel=5e-3))
