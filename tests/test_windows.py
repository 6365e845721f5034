import numpy as np
import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound import windows

FEATURES = {"clip": "annotation", "window_s": 5.0, "jitter_s": 0.5, "hop_length": 100, "n_fft": 256}


def blocks_of(y, size):
    return (y[start : start + size] for start in range(0, len(y), size))


def by_hand(y, start, stop):
    """The sound continued by its mirror image, without end, looked up sample by sample."""
    period = 2 * len(y)
    index = np.arange(start, stop) % period
    return y[np.where(index < len(y), index, period - 1 - index)]


@pytest.mark.parametrize(
    ("n", "length", "step"), [(60, 5, 5), (61, 10, 5), (7, 10, 5), (1, 4, 1), (100, 10, 3), (23, 10, 10)]
)
def test_the_grid_covers_the_recording_with_the_fewest_windows_and_equal_edges(n, length, step):
    starts = list(windows.grid(n, length, step))
    before, after = -starts[0], starts[-1] + length - n
    assert np.all(np.diff(starts) == step)
    assert 0 <= before <= after <= before + 1
    assert len(starts) == 1 or (len(starts) - 2) * step + length < n


@pytest.mark.parametrize("n", [3, 40, 61, 100, 103, 977])
@pytest.mark.parametrize("unit", [1, 4, 7, 50])
def test_windows_that_start_at_multiples_cover_the_recording_with_as_few(n, unit):
    plain, starts = windows.grid(n, 40, 15), windows.grid(n, 40, 15, unit)
    assert len(starts) == len(plain)
    assert np.all(np.diff(starts) == 15)
    assert starts[0] % unit == 0
    assert 0 <= starts[0] - plain[0] < unit
    assert starts[0] <= 0
    assert starts[-1] + 40 >= n


def test_a_recording_played_backwards_has_the_same_windows_backwards():
    forward = [(start, start + 10) for start in windows.grid(61, 10, 3)]
    assert sorted((61 - stop, 61 - start) for start, stop in forward) == forward


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("n", [3, 50, 201])
def test_samples_are_those_of_the_whole_whatever_the_blocks(size, n):
    y = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    plan = windows.Plan(rate_hz=100, length_samples=40, step_samples=15)
    ranges = plan.ranges(n)
    found = list(windows.cut(blocks_of(y, size), ranges, n))
    assert len(found) == len(plan.starts(n))
    for (start, stop), window in zip(ranges, found, strict=True):
        assert stop - start == 40
        np.testing.assert_array_equal(window, by_hand(y, start, stop))


def test_ranges_may_leave_gaps_longer_than_a_block():
    y = np.arange(100, dtype=np.float32)
    ranges = [(2, 5), (40, 44), (43, 50), (90, 96)]
    found = list(windows.cut(blocks_of(y, 6), ranges, 100))
    for (start, stop), window in zip(ranges, found, strict=True):
        np.testing.assert_array_equal(window, y[start:stop])


def test_a_stream_of_another_length_is_cut_or_filled_with_zeros():
    long, short = np.ones(12, np.float32), np.ones(7, np.float32)
    assert next(windows.cut([long], [(0, 10)], 10)).tolist() == [1] * 10
    assert [*windows.cut([short], [(0, 6), (8, 10)], 10)][1].tolist() == [0, 0]
    assert next(windows.cut([short], [(4, 10)], 10)).tolist() == [1, 1, 1, 0, 0, 0]


def test_lengths_default_to_what_the_model_was_trained_on():
    whole = windows.plan(FEATURES, 73, 8000, None, None)
    assert (whole.length_samples, whole.step_samples) == (7200, 3600)
    cut = windows.plan({**FEATURES, "clip": "window"}, 73, 8000, None, None)
    assert (cut.length_samples, cut.step_samples) == (40_000, 20_000)
    given = windows.plan(FEATURES, 73, 8000, 2.0, 0.5)
    assert (given.length_samples, given.step_samples) == (16_000, 4000)


@pytest.mark.parametrize(
    ("window_s", "step_s", "expected"), [(0.01, None, "window_s"), (1.0, 2.0, "step_s"), (1.0, 0.0, "step_s")]
)
def test_lengths_that_make_no_sense_are_named(window_s, step_s, expected):
    with pytest.raises(InputError, match=f"detections.{expected}"):
        windows.plan(FEATURES, 73, 8000, window_s, step_s)
