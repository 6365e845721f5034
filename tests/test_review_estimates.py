"""What answers say of all windows: against plain implementations, and against surveys whose truth is known."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression

from dawnchorus.review import estimates, sampling


def test_wilson_is_where_the_score_test_no_longer_rejects():
    for yes, n in ((0, 10), (3, 17), (17, 17), (40, 100)):
        share = yes / n
        low, high = estimates.wilson(share, n)
        for end in (low, high):
            if 0 < end < 1:
                assert abs(share - end) / np.sqrt(end * (1 - end) / n) == pytest.approx(estimates.Z)
        assert low <= share <= high


def test_of_one_stratum_the_share_is_that_of_its_answers():
    found = estimates.stratified(np.array([1e9]), np.array([50]), np.array([20]))
    assert found.value == 0.4
    # One answer that is like the others is added: 20.4 of 51, and one degree of freedom is lost.
    variance = 0.4 * 0.6 / 49
    assert found[1:] == pytest.approx(estimates.wilson(0.4, 0.4 * 0.6 / variance), abs=1e-6)


def test_strata_count_by_their_windows():
    windows, answered, yes = np.array([900, 90, 10, 5]), np.array([9, 9, 10, 0]), np.array([0, 3, 8, 0])
    found = estimates.stratified(windows, answered, yes)
    assert found.value == pytest.approx((0 * 900 + 90 / 3 + 8) / 1000), "what nobody answered is left out"
    # All windows of the third were heard, so that it adds nothing to the variance.
    less_sure = estimates.stratified(np.array([900, 90, 1000]), answered[:3], yes[:3])
    assert found.high - found.low < less_sure.high - less_sure.low


def test_a_small_stratum_that_was_heard_to_its_end_says_little_of_those_that_nobody_heard():
    found = estimates.stratified(np.array([3, 493]), np.array([3, 0]), np.array([3, 0]))
    assert found.value == found.high == 1
    # Three draws of many that are all yes: Wilson's interval begins at 3 / (3 + 1.96^2).
    assert found.low == pytest.approx(3 / (3 + 1.96**2), abs=0.01)
    nearly = estimates.stratified(np.array([300, 1]), np.array([300, 0]), np.array([150, 0]))
    assert nearly.high - nearly.low < 0.01


def test_a_census_is_certain_and_no_answers_say_nothing():
    assert estimates.stratified(np.array([4, 6]), np.array([4, 6]), np.array([1, 3])) == (0.4, 0.4, 0.4)
    assert estimates.stratified(np.array([4]), np.array([0]), np.array([0])) is None
    sure = estimates.stratified(np.array([100, 100]), np.array([5, 5]), np.array([5, 5]))
    assert sure.value == sure.high == 1
    assert 0.6 < sure.low < 0.8, "ten of ten: Wilson says 0.72"


def answers(rng, n=400, n_groups=3):
    scores, groups = rng.uniform(0.01, 0.99, n), rng.integers(n_groups, size=n)
    yes = rng.random(n) < expit(0.3 + 1.2 * logit(scores) + np.array([0.0, 1.0, -1.0])[groups])
    return scores, groups, yes


def test_many_answers_give_the_curve_that_scikit_learn_fits():
    scores, groups, yes = answers(np.random.default_rng(1), 20_000, 1)
    curve = estimates.fit(scores, groups, yes, 1)
    plain = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(scores)[:, None], yes)
    assert curve.coefficients == pytest.approx([plain.intercept_[0], plain.coef_[0, 0]], abs=2e-3)


def test_the_slope_is_that_of_the_largest_penalized_likelihood():
    scores, groups, yes = answers(np.random.default_rng(2), 40)
    curve = estimates.fit(scores, groups, yes, 3)
    x = np.column_stack([np.ones(40), logit(scores), np.eye(3)[groups]])
    ridge = np.diag([0, 0, 1, 1, 1]) / estimates.GROUP_SPREAD**2

    def loss(values):
        p = expit(x @ values)
        information = x.T @ ((p * (1 - p))[:, None] * x) + ridge
        likelihood = np.log(np.where(yes, p, 1 - p)).sum() - values @ ridge @ values / 2
        return -likelihood - np.linalg.slogdet(information)[1] / 2

    # Where groups have a prior, the leverage is that of the penalized information (as Firth's is of the plain one).
    def gradient(values):
        p = expit(x @ values)
        w = p * (1 - p)
        leverage = w * np.diag(x @ np.linalg.inv(x.T @ (w[:, None] * x) + ridge) @ x.T)
        return -(x.T @ (yes - p + leverage * (0.5 - p)) - ridge @ values)

    plain = minimize(loss, np.zeros(5), jac=gradient, method="BFGS", options={"gtol": 1e-9})
    assert curve.coefficients[1:] == pytest.approx(plain.x[1:], abs=1e-5)
    assert expit(x @ curve.coefficients).sum() == pytest.approx(yes.sum(), abs=1e-6), "as many calls as answers say"
    shift = brentq(lambda level: expit(x @ plain.x + level).sum() - yes.sum(), -5, 5)
    assert curve.coefficients[0] == pytest.approx(plain.x[0] + shift, abs=1e-5)


@pytest.mark.parametrize("answer", [True, False])
def test_answers_that_are_all_alike_give_a_finite_curve(answer):
    scores = np.linspace(0.1, 0.9, 20)
    curve = estimates.fit(scores, np.zeros(20, int), np.full(20, answer), 1)
    assert np.isfinite(curve.coefficients).all()
    windows = scores, np.zeros(20, int), np.full(20, 100.0)
    found = estimates.share(curve, estimates.total(curve, windows, (scores, np.zeros(20, int), np.full(20, answer))))
    assert (found.low > 0.5 and found.high == 1) if answer else (found.high < 0.5 and found.low == 0)


def test_answers_that_a_score_divides_give_a_finite_curve():
    scores = np.linspace(0.1, 0.9, 20)
    curve = estimates.fit(scores, np.zeros(20, int), scores > 0.5, 1)
    assert 0 < curve.coefficients[1] < 20


def test_where_all_was_heard_the_total_is_what_was_heard():
    scores, groups, yes = answers(np.random.default_rng(3), 60)
    curve = estimates.fit(scores, groups, yes, 3)
    heard = scores, groups, yes
    of = estimates.total(curve, (scores, groups, np.ones(60)), heard)
    assert estimates.share(curve, of) == pytest.approx([yes.mean()] * 3)


def test_what_was_not_heard_is_what_the_curve_says():
    rng = np.random.default_rng(4)
    scores, groups, yes = answers(rng, 100)
    curve = estimates.fit(scores, groups, yes, 3)
    other, of_group = rng.uniform(0.01, 0.99, 500), rng.integers(3, size=500)
    windows = np.concatenate([scores, other]), np.concatenate([groups, of_group]), np.ones(600)
    of = estimates.total(curve, windows, (scores, groups, yes))
    p = expit(estimates.design(other, of_group, 3) @ curve.coefficients)
    assert of.value == pytest.approx(yes.sum() + p.sum())
    assert of.scatter == pytest.approx((p * (1 - p)).sum())
    # The gradient, by small steps.
    for k in range(5):
        moved = curve.coefficients + 1e-6 * np.eye(5)[k]
        shifted = estimates.Curve(moved, curve.covariances, 3)
        change = (estimates.total(shifted, windows, (scores, groups, yes)).value - of.value) / 1e-6
        assert of.gradient[k] == pytest.approx(change, rel=1e-3, abs=1e-3)


def test_the_threshold_is_the_lowest_with_the_wanted_precision():
    scores, groups, yes = answers(np.random.default_rng(5), 500, 1)
    curve = estimates.fit(scores, groups, yes, 1)
    lowest = np.sort(np.random.default_rng(6).uniform(0.01, 0.99, 300))
    windows = lowest, np.zeros(300, int), np.arange(1.0, 301.0)
    found = estimates.threshold_for(curve, windows, lowest, 0.9)
    p = expit(estimates.design(lowest, windows[1], 1) @ curve.coefficients)
    precision = [np.average(p[k:], weights=windows[2][k:]) for k in range(300)]
    assert found == lowest[np.argmax(np.array(precision) >= 0.9)]
    assert estimates.threshold_for(curve, windows, lowest, 0.9999) is None


def test_how_many_more_answers_are_needed():
    assert estimates.more_answers(None, 0, 1000, 0.1) == 97, "of which half may be right: 1.96 sqrt(0.25 / 97) = 0.1"
    assert estimates.more_answers(None, 0, 30, 0.1) == 30, "there are no more"
    wide = estimates.Estimate(0.5, 0.3, 0.7)
    assert estimates.more_answers(wide, 20, 1000, 0.1) == 60, "half as wide takes four times as many"
    assert estimates.more_answers(estimates.Estimate(0.9, 0.85, 0.94), 100, 1000, 0.1) == 0


# Surveys with known truth: four sites, whose densities differ fourfold; scores of calls and of others are normal in
# logits, with spreads that differ, so that the logistic curve is not exactly right.
DENSITIES, N, SIZE = (0.02, 0.04, 0.06, 0.08), 1000, 100
SPREADS, THRESHOLD = (1.2, 1.5), 0.5
SURVEYS = 200


def survey(rng):
    """Return (estimate, truth, what thresholded counts say) of each quantity, from one survey and its review."""
    groups = np.repeat(np.arange(4), N)
    calls = rng.random(4 * N) < np.repeat(DENSITIES, N)
    values = np.where(calls, rng.normal(0.5, SPREADS[1], 4 * N), rng.normal(-3, SPREADS[0], 4 * N))
    scores, detected = expit(values), expit(values) >= THRESHOLD
    drawn = sampling.draw(scores, detected, groups, SIZE, rng)
    heard, strata = drawn.positions, np.array(drawn.strata)
    of_detected = sorted(set(strata[detected[heard]]))
    counts = [[f(strata == name) for name in of_detected] for f in (
        lambda of: drawn.windows[of][0], lambda of: of.sum(), lambda of: calls[heard][of].sum())]  # fmt: skip
    curve = estimates.fit(scores[heard], groups[heard], calls[heard], 4)

    def total(of):
        parts = scores[of], groups[of], np.ones(of.sum())
        mine = heard[of[heard]]
        return estimates.total(curve, parts, (scores[mine], groups[mine], calls[mine]))

    everything = np.ones(4 * N, bool)
    found = {
        "precision": [(estimates.stratified(*map(np.array, counts)), calls[detected].mean(), 0)],
        "all": [(estimates.share(curve, total(everything)), calls.mean(), detected.mean())],
        "recall": [(estimates.recall(curve, total(detected), total(~detected)), detected[calls].mean(), 0)],
        "sites": [
            (estimates.share(curve, total(groups == k)), calls[groups == k].mean(), detected[groups == k].mean())
            for k in range(4)
        ],
    }
    return found


@pytest.fixture(scope="module")
def surveys():
    rng = np.random.default_rng(20)
    return [survey(rng) for _ in range(SURVEYS)]


@pytest.mark.parametrize("name", ["precision", "all", "recall", "sites"])
def test_intervals_hold_the_truth_in_95_of_100_surveys(surveys, name):
    held = [e.low <= truth <= e.high for of in surveys for e, truth, _ in of[name]]
    # From 93 to 97 % but for the luck of 200 surveys, one in twenty to either side; what 500 gave is in docs/review.md.
    assert binom.ppf(0.05, SURVEYS, 0.93) <= np.mean(held) * SURVEYS <= binom.ppf(0.95, SURVEYS, 0.97), np.mean(held)


def test_rates_of_sites_are_less_biased_than_counts_above_a_threshold(surveys):
    values, truth, counted = (
        np.array([[row[k] if k else row[0].value for row in of["sites"]] for of in surveys]) for k in range(3)
    )
    corrected = np.abs((values - truth).mean(axis=0)).mean()
    thresholded = np.abs((counted - truth).mean(axis=0)).mean()
    assert corrected <= thresholded / 2
