"""From frames to events: by hand, against a naive loop, and what holds of any scores; clips and recordings."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from dawnchorus.detection import presence

FRAME_S = 0.1


def decision(**values):
    return {**presence.PLAIN, **values}


def of(column, duration_s=None, first_s=0.0, frame_s=FRAME_S, **values):
    column = np.array(column, float)
    starts_s = first_s + frame_s * np.arange(len(column))
    until_s = first_s + frame_s * len(column) if duration_s is None else duration_s
    return presence.events(column[:, None], starts_s, frame_s, until_s, [decision(**values)])


def spans(found):
    return [(round(event["start_s"], 6), round(event["end_s"], 6)) for event in found]


def test_bounds_of_a_sharp_event_are_those_of_its_frames():
    assert spans(of([0, 0, 1, 1, 1, 0])) == [(0.2, 0.5)]
    assert spans(of([1, 1, 0, 1])) == [(0.0, 0.2), (0.3, 0.4)]


def test_bounds_on_a_ramp_are_where_it_crosses_off():
    # Middles at 0.05, 0.15, ...; the score at time t is t up to 0.65 and falls to 0 within a frame.
    ramp = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.0]
    [event] = of(ramp, off=0.3, on=0.6)
    assert event["start_s"] == pytest.approx(0.3)
    assert event["end_s"] == pytest.approx(0.65 + 0.1 * (0.65 - 0.3) / 0.65)
    assert event["peak_s"] == pytest.approx(0.65)
    assert event["peak_score"] == pytest.approx(0.65)


def test_an_event_reaches_on_somewhere_and_ends_at_off():
    scores = [0.1, 0.4, 0.9, 0.4, 0.1, 0.4, 0.4, 0.1]
    assert len(of(scores, off=0.3, on=0.8)) == 1
    assert len(of(scores, off=0.3, on=0.4)) == 2
    assert of(scores, off=0.3, on=0.95) == []


def test_gaps_are_bridged_before_the_shortest_event_is_asked_for():
    scores = [0, 1, 0, 1, 0, 0, 0, 1, 0]
    assert spans(of(scores, gap_s=0.1, min_duration_s=0.2)) == [(0.1, 0.4)]
    assert spans(of(scores, gap_s=0.1)) == [(0.1, 0.4), (0.7, 0.8)]
    assert spans(of(scores, gap_s=0.3)) == [(0.1, 0.8)]


def test_the_peak_of_a_bridged_event_is_the_highest_of_its_parts():
    [event] = of([0, 0.6, 0, 0.9, 0, 0.9, 0], gap_s=1.0)
    assert (event["peak_score"], event["peak_s"]) == (pytest.approx(0.9), pytest.approx(0.35))


def test_events_end_with_the_recording():
    assert spans(of([1, 1, 1], duration_s=0.25)) == [(0.0, 0.25)]
    assert spans(of([1, 0, 0, 0, 1], duration_s=0.35)) == [(0.0, 0.1)]
    assert spans(of([1, 1], first_s=-0.05, duration_s=0.1)) == [(0.0, 0.1)]
    assert spans(of([1], duration_s=0.04)) == [(0.0, 0.04)]


def test_smoothing_is_a_mean_over_an_odd_number_of_frames():
    assert presence.smoothing_frames(np.array([0, 0.1, 0.19, 0.3, 0.5]), 0.1).tolist() == [1, 1, 1, 3, 5]
    # Means over three frames: 0.3, 0.3, 0.3, and so an event where one frame alone was no more than half of 0.3.
    [event] = of([0, 0, 0.9, 0, 0], off=0.2, on=0.25, smoothing_s=0.3)
    assert event["peak_score"] == pytest.approx(0.3)
    assert spans([event]) == [(round(0.05 + 0.1 * 2 / 3, 6), round(0.35 + 0.1 / 3, 6))]


def test_each_class_has_its_own_decision_and_classes_overlap():
    scores = np.array([[0.0, 0.0, 0.2], [0.4, 0.9, 0.9], [0.4, 0.2, 0.9], [0.0, 0.0, 0.2]])
    found = presence.events(
        scores, 0.1 * np.arange(4), 0.1, 0.4, [decision(on=0.3, off=0.2), decision(on=0.95), decision()]
    )
    assert [event["class_index"] for event in found] == [0, 2]
    assert json.loads(json.dumps(found)) == found


def test_the_score_of_an_event_is_the_probability_that_it_is_real():
    [event] = of([0, 0.8, 0], slope=2.0, offset=-1.0)
    assert event["peak_score"] == pytest.approx(1 / (1 + np.exp(1 - 2 * np.log(4))))


def test_a_threshold_can_be_above_scores_that_are_all_certain():
    scores = np.ones((3, 1), np.float32)
    above = [decision(on=float(expit(16.6)))]
    assert presence.events(scores, 0.1 * np.arange(3), 0.1, 0.3, above) == []
    assert len(presence.events(scores, 0.1 * np.arange(3), 0.1, 0.3, [decision(on=0.9999999)])) == 1


def test_no_frames_are_no_events():
    assert presence.events(np.empty((0, 2), np.float32), np.empty(0), 0.1, 0.0, [decision()] * 2) == []


def naive(column, starts_s, frame_s, duration_s, one):
    """Hysteresis, bounds, gaps and lengths as one would write them down, a frame at a time."""
    middles = [start + frame_s / 2 for start in starts_s]
    parts, open_since, peak = [], None, (0.0, 0.0)
    for k in range(len(column) + 1):
        above = k < len(column) and column[k] >= one["off"]
        if above and open_since is None:
            open_since, peak = starts_s[0], (column[k], middles[k])
            if k > 0:
                share = (one["off"] - column[k - 1]) / (column[k] - column[k - 1])
                open_since = middles[k - 1] + share * (middles[k] - middles[k - 1])
        if above and column[k] > peak[0]:
            peak = column[k], middles[k]
        if not above and open_since is not None:
            end = starts_s[-1] + frame_s
            if k < len(column):
                share = (column[k - 1] - one["off"]) / (column[k - 1] - column[k])
                end = middles[k - 1] + share * (middles[k] - middles[k - 1])
            start, end = max(0.0, min(duration_s, open_since)), max(0.0, min(duration_s, end))
            if end - start > 1e-6:
                parts.append([start, end, peak[0], min(end, max(start, peak[1]))])
            open_since = None
    joined = []
    for part in parts:
        if joined and part[0] - joined[-1][1] <= one["gap_s"] + 1e-9:
            joined[-1][1] = part[1]
            if part[2] > joined[-1][2]:
                joined[-1][2:] = part[2:]
        else:
            joined.append(list(part))
    return [part for part in joined if part[1] - part[0] >= one["min_duration_s"] - 1e-9 and part[2] >= one["on"]]


DECISIONS = st.builds(
    lambda off, above, gap, shortest, smoothing: decision(
        off=off, on=min(1.0, off + above), gap_s=gap, min_duration_s=shortest, smoothing_s=smoothing
    ),
    st.sampled_from([0.1, 0.25, 0.5]),
    st.sampled_from([0.0, 0.2, 0.4]),
    st.sampled_from([0.0, 0.1, 0.25]),
    st.sampled_from([0.0, 0.15, 0.3]),
    st.sampled_from([0.0, 0.3, 0.5]),
)
# Scores on a coarse grid, so that many just reach a threshold.
TRACKS = st.lists(st.integers(0, 20), min_size=1, max_size=40).map(lambda values: np.array(values) / 20)


@settings(max_examples=150, deadline=None)
@given(track=TRACKS, one=DECISIONS, cut=st.floats(-0.1, 0.1), first_s=st.sampled_from([-0.05, 0.0, 0.02]))
def test_events_are_those_of_a_naive_loop(track, one, cut, first_s):
    starts_s = first_s + FRAME_S * np.arange(len(track))
    duration_s = max(0.01, starts_s[-1] + FRAME_S + cut)
    n = presence.smoothing_frames(np.array([one["smoothing_s"]]), FRAME_S)
    even = presence.smoothed_of_classes(track[:, None], n)[:, 0]
    wanted = naive(even.tolist(), starts_s.tolist(), FRAME_S, duration_s, one)
    found = presence.events(track[:, None], starts_s, FRAME_S, duration_s, [one])
    np.testing.assert_allclose(
        [[e["start_s"], e["end_s"], e["peak_score"], e["peak_s"]] for e in found] or np.empty((0, 4)),
        np.reshape(wanted, (-1, 4)),
        atol=1e-6,
    )


@settings(max_examples=60, deadline=None)
@given(first=TRACKS, second=TRACKS, one=DECISIONS, other=DECISIONS, later_s=st.floats(0, 1000), more=st.floats(0, 0.5))
def test_what_holds_of_any_events(first, second, one, other, later_s, more):
    n = min(len(first), len(second))
    scores, starts_s = np.stack([first[:n], second[:n]], axis=1).astype(np.float32), FRAME_S * np.arange(n)
    duration_s = FRAME_S * n
    found = presence.events(scores, starts_s, FRAME_S, duration_s, [one, other])
    keys = [(event["class_index"], event["start_s"]) for event in found]
    assert keys == sorted(keys)
    for event in found:
        assert 0 <= event["start_s"] <= event["peak_s"] <= event["end_s"] <= duration_s
        assert event["start_s"] < event["end_s"]
        assert 0 <= event["peak_score"] <= 1
    for before, after in pairwise(found):
        assert before["class_index"] < after["class_index"] or before["end_s"] < after["start_s"]
    # A higher threshold leaves some of the same events.
    stricter = [{**values, "on": values["on"] + more} for values in (one, other)]
    assert all(event in found for event in presence.events(scores, starts_s, FRAME_S, duration_s, stricter))
    # Later sound gives the same events later, but for what the start of the recording cuts.
    moved = presence.events(scores, starts_s + later_s, FRAME_S, duration_s + later_s, [one, other])
    assert len(moved) == len(found)
    for event, before in zip(moved, found, strict=True):
        assert event["start_s"] - later_s == pytest.approx(before["start_s"], abs=1e-6)
        assert event["end_s"] - later_s == pytest.approx(before["end_s"], abs=1e-6)
        assert event["peak_score"] == before["peak_score"]


def test_presence_is_smoothed_and_calibrated_for_segments():
    scores = np.array([[0.0], [0.9], [0.0]])
    found = presence.presence(scores, 0.1 * np.arange(3), 0.1, [decision(smoothing_s=0.3, presence_offset=1.0)])
    np.testing.assert_allclose(found[1], 1 / (1 + np.exp(-(np.log(0.3 / 0.7) + 1))))
    assert presence.presence(np.empty((0, 2)), np.empty(0), 0.1, [decision()] * 2).shape == (0, 2)


def test_a_clip_of_one_frame_has_the_posterior_of_independent_classes():
    p = np.array([0.7, 0.2, 0.05])
    joint = [p[c] * np.prod(np.delete(1 - p, c)) for c in range(3)]
    found = presence.clip_scores(p[None], np.zeros(1), 0.1, np.array([[0.0, 0.1]]))
    np.testing.assert_allclose(found[0], np.array(joint) / sum(joint))


def test_frames_of_a_clip_count_by_what_is_in_it():
    scores = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]])
    starts_s = 0.1 * np.arange(3)
    found = presence.clip_scores(scores, starts_s, 0.1, np.array([[0.0, 0.3], [0.05, 0.2], [5.0, 6.0], [0.15, 0.15]]))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[0], [0.5, 0.5])
    # A third of log(9) - log(1 / 9) between the two classes.
    np.testing.assert_allclose(found[1, 0], expit(2 * np.log(9) / 3))
    np.testing.assert_allclose(found[2, 1], expit(2 * np.log(9)))
    np.testing.assert_allclose(found[3], [0.5, 0.5])


def test_a_recording_has_its_highest_frames():
    scores = np.array([[0.1, 0.9], [0.5, 0.2], [0.3, 0.7]])
    assert presence.recording_scores(scores).tolist() == [0.5, 0.9]
    np.testing.assert_allclose(presence.recording_scores(scores, 2), [0.4, 0.8])
    np.testing.assert_allclose(presence.recording_scores(scores, 99), scores.mean(axis=0))
    assert presence.recording_scores(np.empty((0, 2))).tolist() == [0, 0]
