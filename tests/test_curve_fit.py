"""The fitted learning curve, on simulated ones: what it forecasts, and how often its interval holds what comes."""

import numpy as np
import pytest

from dawnchorus.evaluation import curve_fit

CHANCE = 1 - 1 / 12
# Errors by the labels of a class: the curve's own law, and others that it does not know of.
LAWS = {
    "from chance to a floor": lambda n: 0.02 + (CHANCE - 0.02) * (1 + n / 2.5) ** -1.0,
    "power law with a floor": lambda n: 0.05 + 0.6 * n**-0.5,
    "power law without": lambda n: 0.7 * n**-0.6,
    "slow": lambda n: 0.9 * n**-0.25,
    "Morgan, Mercer and Flodin": lambda n: (CHANCE * 8 + 0.05 * n**1.3) / (8 + n**1.3),
    "a high floor": lambda n: 0.25 + (CHANCE - 0.25) * (1 + n / 2) ** -1.5,
}


def simulated(law, sizes, n_all, n_draws, ahead, rng, relative=0.08, n_clips=300):
    """Return what would be measured, and the error of one training with ``ahead`` labels.

    Each label has a worth of its own; the error with n labels deviates by the mean worth of these, and each training by
    itself as much again.
    """
    worth = rng.normal(size=ahead)

    def error(labels):
        share = (np.sqrt(len(labels)) * worth[labels].mean() + rng.normal()) / np.sqrt(2)
        return round(float(np.clip(law(len(labels)) * (1 + relative * share), 0, 1)) * n_clips) / n_clips

    orders = [rng.permutation(n_all) for _ in range(n_draws)]
    errors = [np.array([error(order[:n]) for order in (orders if n < n_all else orders[:1])]) for n in sizes]
    measured = curve_fit.Measured(np.array(sizes, float), errors, n_all, CHANCE, n_clips)
    return measured, error(np.arange(ahead))


@pytest.mark.parametrize("law", LAWS)
def test_the_forecast_of_twice_the_labels_holds_what_is_then_measured(law):
    source, rng = np.random.default_rng(5), np.random.default_rng(1)
    held, widths = 0, []
    for _ in range(20):
        measured, then = simulated(LAWS[law], [1, 2, 5, 10, 16], 16, 5, 32, source)
        middle, low, high = curve_fit.forecast(curve_fit.fit(measured, rng), 32, rng)
        assert low <= middle <= high
        held += low <= then <= high
        widths.append(high - low)
    # Nine of ten are meant; 16 of 20 are eight of ten.
    assert held >= 16
    # An interval that says nothing would hold everything.
    assert np.mean(widths) < 0.7 * LAWS[law](16)


def test_from_half_the_labels_the_forecast_holds_all_of_them():
    source, rng = np.random.default_rng(8), np.random.default_rng(1)
    held = 0
    for _ in range(20):
        measured, then = simulated(LAWS["from chance to a floor"], [1, 2, 5, 10], 20, 5, 20, source)
        _, low, high = curve_fit.forecast(curve_fit.fit(measured, rng), 20, rng)
        held += low <= then <= high
    assert held >= 16


def test_without_deviations_the_curve_is_found_again():
    law, sizes = LAWS["from chance to a floor"], np.array([1.0, 2, 5, 10, 20, 32])
    errors = [law(n) * (1 + 1e-3 * np.array([-1, 1, 0, -1, 1])) for n in sizes]
    fitted = curve_fit.fit(curve_fit.Measured(sizes, errors, 32, CHANCE, 10_000), np.random.default_rng(0))
    middle, low, high = curve_fit.expected(fitted, np.array([3.0, 15, 32]))
    np.testing.assert_allclose(middle, law(np.array([3.0, 15, 32])), rtol=0.05)
    assert (low <= middle).all()
    assert (middle <= high).all()
    # Beyond what was measured the curves part.
    _, low, high = curve_fit.expected(fitted, np.array([32.0, 64, 1000]))
    assert (np.diff((high - low) / middle[-1]) > 0).all()


def test_curves_begin_at_chance_fall_and_end_at_their_floor():
    rng = np.random.default_rng(1)
    parts = rng.uniform(0, 0.3, 50), rng.uniform(0.1, 20, 50), rng.uniform(0.3, 3, 50)
    values = curve_fit.curve(np.array([0, 1, 2, 5, 100, 1e30]), CHANCE, *parts)
    np.testing.assert_allclose(values[:, 0], CHANCE)
    assert (np.diff(values, axis=1) < 0).all()
    np.testing.assert_allclose(values[:, -1], parts[0], atol=1e-6)


def test_more_draws_narrow_the_forecast_and_more_spread_widens_it():
    def width(n_draws, relative):
        found = []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            measured, _ = simulated(LAWS["slow"], [1, 2, 5, 10, 20], 40, n_draws, 40, rng, relative)
            _, low, high = curve_fit.forecast(curve_fit.fit(measured, rng), 40, rng)
            found.append(high - low)
        return np.mean(found)

    assert width(10, 0.08) < width(3, 0.08)
    assert width(5, 0.04) < width(5, 0.16)


def test_correlations_are_those_of_means_over_shared_labels():
    """Deviations that are means over labels, drawn many times out of few, vary together as is said."""
    rng, n_all, n_draws = np.random.default_rng(2), 8, 3
    sizes = np.array([1, 3, 8])
    found = []
    for _ in range(20_000):
        worth = rng.normal(size=n_all)
        orders = [rng.permutation(n_all) for _ in range(n_draws)]
        found.append([np.mean([np.sqrt(n) * worth[order[:n]].mean() for order in orders]) for n in sizes])
    expected = np.cov(np.array(found).T)
    n_of_size = np.array([3, 3, 3])
    said = curve_fit._correlations(sizes.astype(float), n_of_size, n_all)
    shared = (said - (1 - curve_fit.SHARED) * np.diag(1 / n_of_size)) / curve_fit.SHARED
    np.testing.assert_allclose(shared, expected, atol=0.03)


def test_the_same_generator_gives_the_same_forecast_and_no_error_is_no_problem():
    errors = [np.array([0.2, 0.3, 0.1]), np.array([0.0, 0.1, 0.0]), np.array([0.0])]
    measured = curve_fit.Measured(np.array([1.0, 2, 4]), errors, 4, CHANCE, 40)
    first, second = (
        curve_fit.forecast(curve_fit.fit(measured, rng), 8, rng) for rng in map(np.random.default_rng, (3, 3))
    )
    assert first == second
    middle, low, high = first
    assert 0 == low <= middle <= high < 0.15
