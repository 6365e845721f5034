"""Hits at every threshold at once: as many as an optimal matching finds at each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawnchorus.metrics import events, ranked_hits


def times(*pairs):
    return np.array(pairs, float).reshape(-1, 2)


def test_pairs_are_of_one_track_and_overlap():
    true, found, iou = ranked_hits.overlapping(
        times((0, 2), (5, 6), (0, 2)), np.array([0, 0, 1]), times((1, 3), (3, 4), (0, 1)), np.array([0, 0, 1])
    )
    assert list(zip(true.tolist(), found.tolist(), strict=True)) == [(0, 0), (2, 2)]
    np.testing.assert_allclose(iou, [1 / 3, 1 / 2])
    assert [len(of) for of in ranked_hits.overlapping(times(), np.empty(0, int), times((0, 1)), np.zeros(1, int))] == [
        0
    ] * 3


def test_an_annotated_event_is_a_hit_of_the_highest_score_alone():
    assert ranked_hits.hits(np.array([0, 0]), np.array([0, 1]), np.array([0.4, 0.9])).tolist() == [False, True]


def test_pairs_are_rearranged_for_one_more():
    # The higher one may have either, the other only the first.
    hit = ranked_hits.hits(np.array([0, 1, 0]), np.array([0, 0, 1]), np.array([0.9, 0.4]))
    assert hit.tolist() == [True, True]


@st.composite
def scenes(draw):
    """Annotated events that may overlap, and detected ones of two tracks that do not within one."""
    true = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=12))
    found, scores = [], []
    for track in (0, 1):
        edges = sorted(draw(st.sets(st.integers(0, 50), max_size=20)))
        found += [(track, a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    scores = draw(st.lists(st.integers(0, 5), min_size=len(found), max_size=len(found)))
    true_s = times(*((start, start + length) for _, start, length in true))
    return (
        true_s,
        np.array([t for t, *_ in true]),
        times(*((a, b) for _, a, b in found)),
        found,
        np.array(scores, float),
    )


@settings(max_examples=200, deadline=None)
@given(scene=scenes(), least=st.sampled_from([0.0, 0.1, 0.3, 0.5]))
def test_hits_above_any_threshold_are_as_many_as_an_optimal_matching_has(scene, least):
    true_s, true_track, found_s, found, scores = scene
    found_track = np.array([track for track, *_ in found], int)
    true, other, iou = ranked_hits.overlapping(true_s, true_track, found_s, found_track)
    hit = ranked_hits.hits(true[iou >= least - 1e-9], other[iou >= least - 1e-9], scores)
    for threshold in np.unique(scores):
        kept = scores >= threshold
        wanted = sum(
            len(events.matched(true_s[true_track == t], found_s[kept & (found_track == t)], least).true) for t in (0, 1)
        )
        assert hit[kept].sum() == wanted


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_to_pair_is_no_hit(n):
    assert ranked_hits.hits(np.empty(0, int), np.empty(0, int), np.zeros(n)).tolist() == [False] * n
