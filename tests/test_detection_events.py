"""Matching and rates of events: against numbers computed by hand, and what holds of any events."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from dawnchorus.metrics import events


def spans(*pairs):
    return np.array(pairs, float).reshape(-1, 2)


def some_events(rng, n, duration_s=60.0):
    onset_s = rng.uniform(0, duration_s, n)
    return np.stack([onset_s, onset_s + rng.uniform(0.1, 4, n)], axis=1).round(3)


def test_iou_is_shared_time_over_time_of_either():
    true_s, found_s = spans((0, 2), (5, 6)), spans((1, 3), (5.25, 5.75), (6, 8))
    np.testing.assert_allclose(events.iou(true_s, found_s), [[1 / 3, 0, 0], [0, 0.5, 0]])


def test_one_long_event_is_one_call_however_many_lie_in_it():
    pairs = events.matched(spans((0, 1), (2, 3), (4, 6)), spans((0, 6)), 0.3)
    assert (pairs.true.tolist(), pairs.found.tolist(), pairs.iou.tolist()) == ([2], [0], [pytest.approx(1 / 3)])
    assert len(events.matched(spans((0, 1), (2, 3), (4, 6)), spans((0, 6)), 0.5).true) == 0


def test_the_greedy_choice_is_not_the_optimal_one():
    # The first detected event agrees best with the second call, but is the only one that can be the first.
    true_s, found_s = spans((0, 2), (1, 3)), spans((0.9, 2.9), (2.0, 4.0))
    pairs = events.matched(true_s, found_s, 0.3)
    assert sorted(zip(pairs.true.tolist(), pairs.found.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_of_equally_many_pairs_those_that_agree_most_are_taken():
    pairs = events.matched(spans((0, 2)), spans((0, 1), (0, 1.9)), 0.3)
    assert pairs.found.tolist() == [1]


def test_a_criterion_reached_exactly_is_reached():
    assert len(events.matched(spans((0.1, 0.4)), spans((0.1, 0.19)), 0.3).true) == 1
    assert len(events.matched(spans((0, 1)), spans((0.7, 1.7)), 0.0).true) == 1
    assert len(events.matched(spans((0, 1)), spans((1, 2)), 0.0).true) == 0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("least_iou", [0.0, 0.3, 0.5])
def test_the_matching_is_as_large_as_any_and_divides_nothing_wrongly(seed, least_iou):
    rng = np.random.default_rng(seed)
    true_s, found_s = some_events(rng, 40), some_events(rng, 50)
    pairs = events.matched(true_s, found_s, least_iou)
    agreement = events.iou(true_s, found_s)
    allowed = (agreement > 0) & (agreement >= least_iou)
    largest = maximum_bipartite_matching(csr_array(allowed.astype(int)), perm_type="column")
    assert len(pairs.true) == (largest >= 0).sum()
    assert len(set(pairs.true)) == len(set(pairs.found)) == len(pairs.true)
    assert allowed[pairs.true, pairs.found].all()
    np.testing.assert_array_equal(pairs.iou, agreement[pairs.true, pairs.found])


@pytest.mark.parametrize("seed", range(5))
def test_the_matching_is_the_same_both_ways_and_shrinks_as_more_is_asked(seed):
    rng = np.random.default_rng(seed)
    true_s, found_s = some_events(rng, 30), some_events(rng, 30)
    sizes = [len(events.matched(true_s, found_s, least).true) for least in (0, 0.1, 0.3, 0.5, 0.9)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(events.matched(found_s, true_s, 0.3).true) == sizes[2]
    assert len(events.matched(true_s, true_s, 1.0).true) == len(true_s)


def test_nothing_detected_or_nothing_annotated_is_no_pair():
    for true_s, found_s in ((spans(), spans((0, 1))), (spans((0, 1)), spans()), (spans(), spans())):
        assert [len(part) for part in events.matched(true_s, found_s, 0.3)] == [0, 0, 0]


def test_a_long_recording_costs_no_square_of_its_events():
    onset_s = np.arange(30_000) * 2.0
    true_s = np.stack([onset_s, onset_s + 1], axis=1)
    assert len(events.matched(true_s, true_s + 0.2, 0.5).true) == 30_000


def test_rates_by_hand_and_where_there_are_none():
    found = events.rates(np.array([3, 0, 0, 0]), np.array([4, 2, 0, 0]), np.array([6, 0, 5, 0]))
    np.testing.assert_allclose(found.precision, [0.75, 0, np.nan, np.nan])
    np.testing.assert_allclose(found.recall, [0.5, np.nan, 0, np.nan])
    np.testing.assert_allclose(found.f1, [0.6, 0, 0, np.nan])


def test_macro_leaves_out_classes_that_never_call_and_counts_silence_as_no_precision():
    counts = np.array([[3, 4, 6], [0, 2, 0], [0, 0, 5]])
    means = events.macro(events.rates(*counts.T), counts[:, 2])
    assert [float(value) for value in means] == pytest.approx([0.375, 0.25, 0.3])


def test_recordings_drawn_twice_count_twice():
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, (6, 3, 3))
    weights = np.array([[1, 1, 1, 1, 1, 1], [0, 2, 1, 0, 3, 0]])
    of_class, of_all = events.totals(counts, weights)
    np.testing.assert_array_equal(of_class[1], counts[[1, 1, 2, 4, 4, 4]].sum(axis=0))
    np.testing.assert_array_equal(of_all, of_class.sum(axis=1))


def test_call_free_sound_is_what_no_annotation_of_any_class_covers():
    true_s = spans((1, 2), (4, 9), (5, 6), (9, 9.5), (19, 21))
    np.testing.assert_allclose(events.call_free(true_s, 20.0), [[0, 1], [2, 4], [9.5, 19]])
    np.testing.assert_allclose(events.call_free(spans(), 20.0), [[0, 20]])
    assert events.call_free(spans((0, 30)), 20.0).shape == (0, 2)
    assert events.in_call_free(true_s, spans((2, 4), (3, 4.1), (10, 11))).tolist() == [True, False, True]
    assert events.in_call_free(spans(), spans((2, 4))).tolist() == [True]


def test_points_in_time_match_within_a_collar():
    true_s, found_s = spans((1, 1), (1.015, 1.015), (5, 5)), spans((1.01, 1.01), (1.02, 1.02), (5.011, 5.011))
    near = events.within_collars(true_s, found_s, 0.01)
    assert near.tolist() == [[True, False, False], [True, True, False], [False, False, False]]
    assert len(events.optimal(near, np.zeros(near.shape))[0]) == 2
