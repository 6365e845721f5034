"""Targets of presence, against numbers worked out by hand and against a walk over single instants."""

import numpy as np
import pytest

from dawnchorus.learning import presence_targets
from dawnchorus.learning.presence_targets import EVERY, UNKNOWN


def of(times_s, classes, unknown=(), n_frames=5, absent_elsewhere=True, n_classes=2):
    times_s = np.array(times_s, float).reshape(-1, 2)
    index = np.array(classes, int)
    # Frames of presence are 0.4 s long and begin at -0.05, 0.35, 0.75, 1.15, 1.55 s.
    return presence_targets.targets(times_s, index, unknown, n_frames, 0.1, 4, n_classes, absent_elsewhere)


def test_a_frame_has_the_share_that_an_annotation_covers():
    made = of([[0.25, 1.05]], [1])
    assert made[:, 0].tolist() == [0, 0, 0, 0, 0]
    assert made[:, 1] == pytest.approx([0.25, 1, 0.75, 0, 0])


def test_a_call_shorter_than_a_frame_is_present_in_the_frame_of_its_middle():
    assert of([[0.72, 0.80]], [0])[:, 0] == pytest.approx([0, 0.03 / 0.4, 1, 0, 0])
    assert of([[0.5, 0.5]], [0])[:, 0].tolist() == [0, 1, 0, 0, 0]


def test_calls_of_two_species_overlap_and_those_of_one_add_up():
    made = of([[0.35, 0.75], [0.35, 0.75], [0.75, 0.85], [0.95, 1.15]], [0, 1, 0, 0])
    assert made[1].tolist() == [1, 1]
    # 0.1 s and 0.2 s of it are covered; the middles of both lie in it.
    assert made[2].tolist() == [1, 0]


@pytest.mark.parametrize(("index", "expected"), [(EVERY, [UNKNOWN, UNKNOWN]), (1, [0, UNKNOWN])])
def test_spans_of_unknown_content_are_unknown_but_for_what_is_annotated_in_them(index, expected):
    made = of([[1.15, 1.55]], [1], [(0.35, 2.0, index)])
    assert made[0].tolist() == [0, 0]
    assert made[1].tolist() == expected
    assert made[3, 1] == 1
    assert made[4].tolist() == expected


def test_where_only_some_calls_are_annotated_the_rest_is_unknown():
    made = of([[0.35, 1.0]], [0], absent_elsewhere=False)
    assert made[1].tolist() == [1, UNKNOWN]
    assert made[2, 0] == pytest.approx(0.25 / 0.4)
    assert (made[3:] == UNKNOWN).all()
    # Of a frame that an annotation covers for less than half nothing is known.
    assert of([[0.35, 0.8]], [0], absent_elsewhere=False)[2, 0] == UNKNOWN


def test_boxes_that_were_checked_not_to_hold_their_species_are_absence():
    made = of([[0.35, 0.75]], [0], absent_elsewhere=False)
    presence_targets.absent([(0.3, 1.6, 0), (0.0, 1.6, 1)], made, 0.1, 4)
    assert made[:, 0].tolist() == [UNKNOWN, 1, 0, 0, UNKNOWN]
    assert made[:, 1].tolist() == [UNKNOWN, 0, 0, 0, UNKNOWN]


def test_random_annotations_agree_with_a_walk_over_instants():
    rng = np.random.default_rng(1)
    for _ in range(20):
        starts = np.sort(rng.choice(60, 4, replace=False)) / 20
        times_s = np.stack([starts, starts + 0.05], axis=1) + rng.uniform(0, 0.02)
        made = of(times_s, [0] * 4, n_frames=8)
        instants = -0.05 + (np.arange(8 * 4000) + 0.5) / 10_000
        inside = ((instants[:, None] >= times_s[:, 0]) & (instants[:, None] < times_s[:, 1])).any(axis=1)
        share = inside.reshape(8, 4000).mean(axis=1)
        middles = np.floor((times_s.mean(axis=1) + 0.05) / 0.4).astype(int)
        share[middles] = 1
        assert made[:, 0] == pytest.approx(share, abs=1e-3)
        assert not made[:, 1].any()


def test_what_lies_beyond_the_recording_is_left_out():
    assert not of([[3.0, 4.0]], [0]).any()
    assert of([[1.8, 9.0]], [0])[4, 0] == pytest.approx(0.15 / 0.4)
