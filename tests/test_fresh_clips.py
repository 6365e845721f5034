"""Training clips drawn anew: where they start, what lies under them, and that nothing else is changed."""

import numpy as np
import pytest

from dawnchorus.learning import dataset, fresh_clips

BLOCK = {
    "normalization": "none",
    "clip_normalization": "standard",
    "frames": 6,
    "padding": "right",
    "features": {"deltas": 0, "clip": "window", "jitter_s": 0.5},
}
STATISTICS = dataset.fit_statistics([], BLOCK)
PARAMS = {"background_share": 0.0, "background_min_db": -10.0, "background_max_db": -10.0}


LOUD = {"background_min_db": 60.0, "background_max_db": 60.0}


def drawn(table, params=PARAMS, background_frames=(4,)):
    """Return clips of two frames counted from 0 in steps of 1 dB, and what draws them."""
    training = np.zeros((2, 9, 3), np.float32)
    training[:] = np.arange(9)[:, None]
    training[1] -= 50
    backgrounds = np.full((len(background_frames), 6, 3), -70, np.float32)
    usable = np.array(list(enumerate(background_frames)), dtype=int).reshape(-1, 2)
    made = fresh_clips.FreshClips(training, np.array(table), backgrounds, usable, STATISTICS, {**PARAMS, **params})
    return training, made


def test_windows_start_everywhere_they_may_and_nowhere_else():
    # Ramps look alike once they are normalized: here they are not.
    training, _ = drawn([(4, 1, 3)])
    rng = np.random.default_rng(0)
    statistics = {**STATISTICS, "clip_normalization": "none"}
    plain = fresh_clips.FreshClips(
        training, np.array([(4, 1, 3)]), training[:0], np.zeros((0, 2), int), statistics, PARAMS
    )
    starts = [int(plain.draw(0, rng)[0, 0]) for _ in range(300)]
    assert set(starts) == {1, 2, 3}
    assert min(starts.count(start) for start in (1, 2, 3)) > 60


def test_a_clip_without_room_to_move_is_that_of_the_data_set():
    training, made = drawn([(4, 0, 0), (9, 0, 0)])
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(made.draw(0, rng), dataset.normalized(training[0, :4], STATISTICS)[0])
    # One that is longer than the network's input keeps its middle, as in the data set.
    np.testing.assert_array_equal(made.draw(1, rng), dataset.normalized(training[1], STATISTICS)[0])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_backgrounds_are_laid_under_the_asked_share_of_clips(share):
    training, made = drawn([(4, 0, 0), (4, 0, 0)], {"background_share": share, **LOUD})
    rng = np.random.default_rng(0)
    plain = dataset.normalized(training[1, :4], STATISTICS)[0]
    changed = [not np.allclose(made.draw(1, rng), plain, atol=1e-3) for _ in range(400)]
    assert np.mean(changed) == pytest.approx(share, abs=0.08)


def test_without_any_background_none_is_laid_under():
    training, made = drawn([(4, 0, 0)], {"background_share": 1.0, **LOUD}, background_frames=())
    np.testing.assert_array_equal(
        made.draw(0, np.random.default_rng(0)), dataset.normalized(training[0, :4], STATISTICS)[0]
    )


def test_a_background_is_turned_round_to_start_at_any_of_its_frames():
    statistics = {**STATISTICS, "clip_normalization": "none"}
    # Loud in its first frame alone: where it is loud says where the background starts.
    background = np.full((1, 4, 3), -200, np.float32)
    background[0, 0] = 50
    made = fresh_clips.FreshClips(
        np.zeros((1, 4, 3), np.float32), np.array([(4, 0, 0)]), background, np.array([(0, 4)]), statistics,
        {"background_share": 1.0, "background_min_db": 0.0, "background_max_db": 0.0},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    loud = [np.flatnonzero(made.draw(0, rng)[:, 0] > 25).tolist() for _ in range(200)]
    assert {len(frames) for frames in loud} == {1}
    counts = np.bincount([frames[0] for frames in loud], minlength=4)
    assert counts.min() > 30


def test_only_the_frames_of_a_background_that_hold_sound_are_used():
    training, made = drawn([(4, 0, 0)], {"background_share": 1.0})
    made.backgrounds[0, 4:] = 1000
    assert np.isfinite(made.draw(0, np.random.default_rng(0))).all()
    np.testing.assert_allclose(
        made.draw(0, np.random.default_rng(0)), dataset.normalized(training[0, :4], STATISTICS)[0], atol=1e-3
    )


@pytest.mark.parametrize(
    ("features", "share", "expected"),
    [
        ({"clip": "window", "jitter_s": 0.5}, 0.0, True),
        ({"clip": "window", "jitter_s": 0.0}, 0.0, False),
        ({"clip": "annotation", "jitter_s": 0.5}, 0.0, False),
        ({"clip": "annotation", "jitter_s": 0.5}, 0.1, True),
    ],
)
def test_clips_are_drawn_anew_only_where_that_is_asked_for(features, share, expected):
    assert fresh_clips.wanted({"features": features}, {"background_share": share}) == expected
