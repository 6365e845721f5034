"""Clips: inside the recording, around their annotation, or away from all of them."""

import itertools

import numpy as np
import pytest

from dawnchorus.features import clips
from dawnchorus.foundation.errors import InputError

WINDOW = {"clip": "window", "window_s": 5.0, "jitter_s": 0.5}


def test_the_annotation_is_the_clip():
    annotations = [(3.0, 4.5), (0.0, 0.2), (3.0, 4.5)]
    assert clips.spans(annotations, 60.0, {**WINDOW, "clip": "annotation"}) == annotations


@pytest.mark.parametrize(
    ("annotation", "duration_s", "expected"),
    [
        ((20.0, 22.0), 60.0, (18.5, 23.5)),
        ((0.5, 1.5), 60.0, (0.0, 5.0)),
        ((59.0, 60.0), 60.0, (55.0, 60.0)),
        ((10.0, 30.0), 60.0, (17.5, 22.5)),
        ((1.0, 2.0), 4.0, (0.0, 4.0)),
        ((1.0, 2.0), 5.0, (0.0, 5.0)),
    ],
)
def test_window_by_hand(annotation, duration_s, expected):
    assert clips.spans([annotation], duration_s, WINDOW) == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("annotation", "duration_s", "margin", "starts"),
    [
        # In the middle of a recording the window moves half a second to both sides.
        ((20.0, 22.0), 60.0, (18.0, 24.0), (0.0, 1.0)),
        # At an edge, where the annotation does not lie in the middle, it never leaves a part of it behind.
        ((0.2, 0.4), 60.0, (0.0, 6.0), (0.0, 0.2)),
        ((59.6, 59.9), 60.0, (54.0, 60.0), (0.9, 1.0)),
        ((0.0, 0.4), 60.0, (0.0, 6.0), (0.0, 0.0)),
        # A call longer than the window loses at both ends; the window stays within it.
        ((10.0, 30.0), 60.0, (17.0, 23.0), (0.0, 1.0)),
        # No room to move.
        ((1.0, 2.0), 5.0, (0.0, 5.0), (0.0, 0.0)),
        ((1.0, 2.0), 3.0, (0.0, 3.0), (0.0, 0.0)),
    ],
)
def test_margin_and_starts_by_hand(annotation, duration_s, margin, starts):
    assert clips.margins([annotation], duration_s, WINDOW) == [pytest.approx(margin)]
    assert clips.jitter(annotation, margin, WINDOW) == pytest.approx(starts)


def test_no_margins_without_jitter_or_windows():
    assert clips.margins([(1.0, 2.0)], 60.0, {**WINDOW, "clip": "annotation"}) == []
    assert clips.margins([(1.0, 2.0)], 60.0, {**WINDOW, "jitter_s": 0.0}) == []


def test_a_moved_window_stays_in_its_margin_and_loses_nothing_more_of_the_annotation():
    for rng, duration_s, annotations in random_cases(400, seed=5):
        params = {"clip": "window", "window_s": rng.uniform(0.2, 8), "jitter_s": rng.uniform(0.01, 2)}
        of_all = clips.spans(annotations, duration_s, params), clips.margins(annotations, duration_s, params)
        for (t_min_s, t_max_s), window, margin in zip(annotations, *of_all, strict=True):
            length_s = window[1] - window[0]
            held_s = min(t_max_s, window[1]) - max(t_min_s, window[0])
            first_s, last_s = clips.jitter((t_min_s, t_max_s), margin, params)
            assert -1e-9 <= first_s <= window[0] - margin[0] + 1e-9
            assert window[0] - margin[0] - 1e-9 <= last_s <= margin[1] - margin[0] - length_s + 1e-9
            for start_s in (margin[0] + first_s, margin[0] + last_s):
                assert abs(start_s - window[0]) <= params["jitter_s"] + 1e-9
                assert min(t_max_s, start_s + length_s) - max(t_min_s, start_s) >= held_s - 1e-9


def test_unknown_policy_is_an_input_error():
    with pytest.raises(InputError, match=r"features\.clip: 'centre': expected annotation or window"):
        clips.spans([(0.0, 1.0)], 60.0, {**WINDOW, "clip": "centre"})


def random_cases(n, seed):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        duration_s = float(rng.uniform(0.5, 90))
        edges = np.sort(rng.uniform(0, duration_s, (int(rng.integers(0, 7)), 2)), axis=1)
        yield rng, duration_s, [tuple(edge) for edge in edges.tolist()]


def test_window_stays_inside_keeps_its_length_and_holds_the_centre():
    for rng, duration_s, annotations in random_cases(400, seed=1):
        params = {"clip": "window", "window_s": rng.uniform(0.2, 8), "jitter_s": rng.uniform(0, 2)}
        length_s = params["window_s"]
        found = clips.spans(annotations, duration_s, params)
        assert len(found) == len(annotations)
        for (t_min_s, t_max_s), (start_s, stop_s) in zip(annotations, found, strict=True):
            assert 0 <= start_s < stop_s <= duration_s
            assert stop_s - start_s == pytest.approx(min(length_s, duration_s))
            middle_s = (t_min_s + t_max_s) / 2
            assert start_s - 1e-9 <= middle_s <= stop_s + 1e-9
            if length_s / 2 <= middle_s <= duration_s - length_s / 2:
                assert (start_s + stop_s) / 2 == pytest.approx(middle_s)


def test_the_window_without_jitter_lies_in_the_window_with_it():
    for rng, duration_s, annotations in random_cases(400, seed=2):
        short_s, jitter_s = rng.uniform(0.2, 8), rng.uniform(0, 2)
        for annotation in annotations:
            inner = clips.centred(annotation, duration_s, short_s)
            outer = clips.centred(annotation, duration_s, short_s + 2 * jitter_s)
            assert outer[0] - 1e-9 <= inner[0] <= inner[1] <= outer[1] + 1e-9


def distance_s(span, annotations):
    """Seconds between a span and the nearest annotation, negative when they overlap."""
    return min((max(t_min - span[1], span[0] - t_max) for t_min, t_max in annotations), default=np.inf)


def test_context_keeps_its_distance_and_never_overlaps():
    for rng, duration_s, annotations in random_cases(500, seed=3):
        length_s, gap_s, n = rng.uniform(0.1, 6), rng.uniform(0, 2), int(rng.integers(0, 12))
        found = clips.context_spans(annotations, duration_s, length_s, gap_s, n)
        assert len(found) <= n
        assert found == clips.context_spans(annotations[::-1], duration_s, length_s, gap_s, n)
        for span in found:
            assert span[0] >= -1e-9
            assert span[1] <= duration_s + 1e-9
            assert span[1] - span[0] == pytest.approx(length_s)
            assert distance_s(span, annotations) >= gap_s - 1e-9
        for before, after in itertools.pairwise(found):
            assert before[1] <= after[0] + 1e-9


def test_context_finds_room_wherever_there_is_some():
    for rng, duration_s, annotations in random_cases(60, seed=4):
        length_s, gap_s = rng.uniform(0.3, 3), rng.uniform(0, 1)
        starts = np.arange(0, duration_s - length_s - 0.05, 0.01)
        free = [s for s in starts if distance_s((s, s + length_s + 0.05), annotations) >= gap_s]
        if free:
            assert clips.context_spans(annotations, duration_s, length_s, gap_s, 1)


def test_context_is_as_long_as_what_it_stands_for():
    annotations = [(10.0, 11.0), (20.0, 22.0), (30.0, 33.0), (40.0, 45.0)]
    params = {**WINDOW, "clip": "annotation", "context_clips": 3, "context_gap_s": 1.0}
    found = clips.context(annotations, 60.0, 0.1, params)
    assert [stop_s - start_s for start_s, stop_s in found] == pytest.approx([2.0] * 3)
    assert found == clips.context_spans(annotations, 60.0, 2.0, 1.0, 3)
    (span,) = clips.context(annotations[:1], 60.0, 1.5, params)
    assert span[1] - span[0] == pytest.approx(1.5)
    (span,) = clips.context(annotations[:1], 60.0, 0.1, {**params, "clip": "window"})
    assert span[1] - span[0] == pytest.approx(5.0)
    assert clips.context(annotations, 60.0, 0.1, {**params, "context_clips": 0}) == []
    assert clips.context([], 60.0, 0.1, params) == []


def test_context_by_hand():
    # Free: 0 to 9 (room for 4 of 2 s) and 21 to 30 (4 more).
    annotations = [(10.0, 15.0), (12.0, 20.0)]
    everything = clips.context_spans(annotations, 30.0, 2.0, 1.0, 100)
    assert np.allclose(everything, [(s, s + 2) for s in (0.125, 2.375, 4.625, 6.875)] + [
        (s, s + 2) for s in (21.125, 23.375, 25.625, 27.875)
    ])  # fmt: skip
    assert clips.context_spans(annotations, 30.0, 2.0, 1.0, 2) == [everything[2], everything[6]]
    assert clips.context_spans(annotations, 30.0, 10.0, 1.0, 2) == []
    assert clips.context_spans([], 10.0, 10.0, 1.0, 3) == [(0.0, 10.0)]
    assert clips.context_spans([(0.0, 60.0)], 60.0, 1.0, 0.0, 3) == []
