"""Segments and the area under the curve of events: by hand, by brute force, and what holds of any scores."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from dawnchorus.detection import events as decisions
from dawnchorus.metrics import psds, segments
from dawnchorus.sound import windows


def test_the_last_segment_ends_with_the_recording_and_rounding_adds_none():
    assert segments.edges(12.0, 5.0).tolist() == [0, 5, 10, 12]
    assert segments.edges(0.1 + 0.2, 0.1).tolist() == [0, 0.1, 0.2, 0.3]
    assert segments.edges(0.0, 5.0).tolist() == [0]


def test_a_class_is_present_in_every_segment_that_its_event_touches():
    edges_s = segments.edges(15.0, 5.0)
    found = segments.present(np.array([[4.9, 5.1], [5.0, 10.0]]), np.array([0, 1]), 3, edges_s)
    assert found.tolist() == [[True, False, False], [True, True, False], [False, False, False]]
    assert not segments.present(np.empty((0, 2)), np.empty(0, int), 3, edges_s).any()


def test_a_window_counts_where_half_of_it_lies():
    # Windows of 6 s every 3 s over segments of 5 s.
    starts_s, scores = np.array([-1.0, 2.0, 5.0, 8.0]), np.array([[0.1], [0.9], [0.3], [0.5]])
    edges_s = segments.edges(13.0, 5.0)
    assert segments.highest(scores, starts_s, 6.0, edges_s, 0.5)[:, 0].tolist() == [0.9, 0.9, 0.5]
    assert segments.highest(scores[[0, 0, 2, 3]], starts_s, 6.0, edges_s, 0.5)[:, 0].tolist() == [0.1, 0.3, 0.5]


@pytest.mark.parametrize("step_s", [0.01, 0.7, 4.9, 5.0, 6.6, 30.0])
@pytest.mark.parametrize("duration_s", [0.4, 5.0, 21.3])
def test_no_segment_is_without_a_step(step_s, duration_s):
    starts_s = np.arange(0, duration_s, step_s)
    scores = np.ones((len(starts_s), 1))
    assert (segments.highest(scores, starts_s, step_s, segments.edges(duration_s, 5.0), 0.5) == 1).all()


def test_the_precision_recall_curve_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    positive, score = rng.random(60) < 0.3, rng.random(60).round(1)
    threshold, precision, recall = segments.precision_recall_curve(positive, score)
    wanted = precision_recall_curve(positive, score)
    np.testing.assert_allclose(threshold[::-1], wanted[2])
    np.testing.assert_allclose(precision[::-1], wanted[0][:-1])
    np.testing.assert_allclose(recall[::-1], wanted[1][:-1])
    assert [len(part) for part in segments.precision_recall_curve(np.zeros(3, bool), np.ones(3))] == [0, 0, 0]


@pytest.mark.parametrize("seed", range(10))
def test_scores_over_time_give_the_events_that_users_get(seed):
    rng = np.random.default_rng(seed)
    window_s, step_s, duration_s = 6.6, rng.choice([6.6, 3.3, 1.7]), 40.0
    starts_s = np.arange(-rng.uniform(0, 1), duration_s, step_s)
    scores = rng.random((len(starts_s), 1)).round(2)
    steps = psds.highest_at(scores, starts_s, window_s, duration_s)
    for threshold in (0.2, 0.5, 0.8):
        users = decisions.events(scores, starts_s, window_s, duration_s, np.array([threshold]), 0.0)
        turns = np.diff(np.pad(steps.scores[:, 0] >= threshold, 1).astype(int))
        mine = np.stack([steps.edges_s[turns == 1], steps.edges_s[turns == -1]], axis=1)
        np.testing.assert_allclose(mine, [(event["start_s"], event["end_s"]) for event in users], atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 24000, 32000, 48000, 384000])
def test_windows_that_touch_leave_no_gap_whatever_their_length(rate_hz):
    """Half a microsecond more or less is rounded to either side: of 24 kHz, frames of 159 samples had gaps."""
    for hop in range(30, 1200, 13):
        for pool in (1, 2, 4):
            n = 1000
            starts_s, window_s = (np.arange(n) * pool - 0.5) * hop / rate_hz, pool * hop / rate_hz
            steps = psds.highest_at(np.arange(n)[:, None], starts_s, window_s, n * window_s)
            assert steps.scores[:, 0].tolist() == list(range(n))
            np.testing.assert_allclose(steps.edges_s[1:-1], starts_s[1:], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("rate_hz", "n_samples"), [(16_000, 960_005), (48_000, 2_880_017)])
def test_the_last_window_of_a_recording_of_any_length_touches_the_one_before(rate_hz, n_samples):
    starts = np.array(windows.Plan(rate_hz, 3 * rate_hz, 3 * rate_hz).starts(n_samples)) / rate_hz
    steps = psds.highest_at(np.zeros((len(starts), 1)), starts, 3.0, n_samples / rate_hz)
    assert steps.edges_s[-1] == pytest.approx(n_samples / rate_hz, abs=1e-6)


def test_windows_that_leave_gaps_are_refused():
    with pytest.raises(ValueError, match="gaps"):
        psds.highest_at(np.ones((2, 1)), np.array([0.0, 5.0]), 4.0, 9.0)


def one_class(scores, true_s, step_s=1.0):
    steps = psds.Steps(np.arange(len(scores) + 1) * step_s, np.array(scores, float)[:, None])
    return psds.changes(steps, 0, np.array(true_s, float).reshape(-1, 2), 0.5, 0.5)


def area(scores, true_s, most_per_hour, weights=((1,),)):
    made = [one_class(scores, true_s)]
    return psds.area(made, np.array([len(true_s)]), np.array([float(len(scores))]), np.array(weights), most_per_hour)


def test_the_area_by_hand():
    # In 10 s the first call is found without a false alarm, the second after one: 360 an hour.
    scores, true_s = [0, 0.9, 0, 0.7, 0, 0.5, 0, 0, 0, 0], [(1, 2), (5, 6)]
    assert area(scores, true_s, 360.0)[0] == pytest.approx(0.5)
    assert area(scores, true_s, 720.0)[0] == pytest.approx(0.75)
    assert area([0, 0.9, 0, 0, 0, 0.5, 0, 0, 0, 0], true_s, 360.0)[0] == pytest.approx(1.0)


def test_an_event_that_reaches_too_far_is_a_false_alarm_and_finds_nothing():
    # At 0.4 the two steps merge into one event of 5 s, of which the call is a fifth.
    made = one_class([0.9, 0.4, 0.4, 0.4, 0.8], [(0, 1)])
    assert dict(zip(made.scores.tolist(), zip(made.found, made.false_alarms, strict=True), strict=True)) == {
        0.9: (1, 0),
        0.8: (0, 1),
        0.4: (-1, 0),
    }


def test_a_draw_without_calls_has_no_area_and_copies_change_nothing():
    values = area([0, 0.9, 0, 0.95, 0], [(1, 2)], 720.0, [[0], [1], [2]])
    assert np.isnan(values[0])
    assert values[1] == values[2]


def test_long_recordings_are_looked_at_at_some_thresholds():
    rng = np.random.default_rng(0)
    scores, true_s = rng.random(4000).cumsum() % 1, [(100, 120), (900, 905)]
    steps = psds.Steps(np.arange(4001.0), scores[:, None])
    coarse = psds.changes(steps, 0, np.array(true_s, float), 0.5, 0.5)
    assert len(coarse.scores) <= psds.MOST_THRESHOLDS
