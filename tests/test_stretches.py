"""Stretches of recordings: cut, laid over each other, above their background; drawn the same for the same seed."""

import numpy as np
import pytest

from dawnchorus.learning import stretches
from dawnchorus.learning.presence_targets import UNKNOWN
from dawnchorus.learning.stretches import Sounding, Stretches

PLAIN = {
    "network": "crnn",
    "pool_frames": 2,
    "batch_size": 4,
    "overlay_share": 0.0,
    "overlay_gain_db": 0.0,
    "band_shift": 0.0,
    "background_quantile": 0.5,
    "equalizer_db": 0.0,
    "equalizer_points": 4,
    "frequency_masks": 0,
    "frequency_mask_width": 0,
}


def recording(n_frames=20, bands=3, seed=0) -> Sounding:
    rng = np.random.default_rng(seed)
    frames = rng.normal(-60, 10, (n_frames, bands)).astype(np.float32)
    return Sounding(frames, (rng.random((n_frames // 2, 2)) > 0.5).astype(np.float32))


def test_levels_are_given_above_the_quantile_of_each_band():
    frames = np.array([[0, 10], [10, 10], [20, 200], [30, 10], [40, 10]], np.float32)
    assert stretches.above_background(frames, 0.5)[:, 0].tolist() == [-2, -1, 0, 1, 2]
    assert stretches.above_background(frames, 0.0)[:, 0].tolist() == [0, 1, 2, 3, 4]
    # What lies further above is cut off.
    assert stretches.above_background(frames, 0.5)[:, 1].tolist() == [0, 0, 8, 0, 0]


def test_a_gain_of_the_recording_changes_nothing():
    frames = recording().frames
    assert stretches.above_background(frames + 12, 0.3) == pytest.approx(
        stretches.above_background(frames, 0.3), abs=1e-5
    )


def test_a_cut_has_the_frames_and_targets_of_its_place():
    of = recording()
    frames, targets = stretches.cut(of, 4, 6, 2)
    assert (frames == of.frames[4:10]).all()
    assert (targets == of.targets[2:5]).all()
    frames[:] = 0
    assert of.frames.any(), "the recording itself stays as it is"


def test_a_short_recording_is_mirrored_with_its_presence():
    of = recording(n_frames=6)
    frames, targets = stretches.cut(of, 0, 10, 2)
    assert (frames[6:] == of.frames[5:1:-1]).all()
    assert (targets[3:] == of.targets[2:0:-1]).all()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (0.25, 0, 0.25),
        (1, UNKNOWN, 1),
        (0, UNKNOWN, UNKNOWN),
        (0.25, UNKNOWN, UNKNOWN),
        (UNKNOWN, UNKNOWN, UNKNOWN),
    ],
)
def test_over_each_other_lies_what_is_in_either(one, other, expected):
    one, other = np.array([[one]], np.float32), np.array([[other]], np.float32)
    assert stretches.union(one, other).tolist() == [[expected]]
    assert stretches.union(other, one).tolist() == [[expected]]


def test_a_batch_depends_on_seed_epoch_and_number_alone():
    of = [recording(seed=n) for n in range(3)]
    params = {
        **PLAIN,
        "overlay_share": 0.5,
        "band_shift": 1.0,
        "equalizer_db": 3.0,
        "frequency_masks": 1,
        "frequency_mask_width": 2,
    }
    one, same = Stretches(of, 8, params, 1), Stretches(of, 8, params, 1)
    same.batch(5, 1)
    for (a, b), (c, d) in zip([one.batch(2, 3), one.batch(0, 0)], [same.batch(2, 3), same.batch(0, 0)], strict=True):
        assert (a == c).all()
        assert (b == d).all()
    assert not (one.batch(2, 3)[0] == one.batch(2, 4)[0]).all()
    assert not (one.batch(2, 3)[0] == one.batch(3, 3)[0]).all()


def test_recordings_are_drawn_in_proportion_to_their_length():
    short, long = recording(20), recording(60, seed=1)
    short.targets[:], long.targets[:] = 0, 1
    drawn = Stretches([short, long], 4, PLAIN, 3)
    shares = [drawn.batch(0, number)[1].mean() for number in range(100)]
    assert np.mean(shares) == pytest.approx(0.75, abs=0.06)


def test_overlaid_stretches_have_the_power_and_the_labels_of_both():
    one = Sounding(np.full((8, 2), -50.0, np.float32), np.tile(np.float32([1, 0]), (4, 1)))
    other = Sounding(np.full((8, 2), -50.0, np.float32), np.tile(np.float32([0, 1]), (4, 1)))
    one.frames[::2] = -20.0
    other.frames[::2] = -20.0
    drawn = Stretches([one, other], 8, {**PLAIN, "overlay_share": 1.0, "batch_size": 64}, 0)
    batch, targets = drawn.batch(0, 0)
    # The sum of two equal powers is 3 dB more in every frame, so levels above the background stay.
    assert batch[:, 0] - batch[:, 1] == pytest.approx(3.0, abs=1e-4)
    both = (targets == 1).all(axis=(1, 2))
    assert 0.3 < both.mean() < 0.7, "half of all pairs are of two recordings"
    assert ((targets == 1).any(axis=2)).all()


def test_stretch_and_margin_are_whole_frames_of_presence():
    features = {"hop_length": 480, "sample_rate_hz": 24_000}
    params = {"pool_frames": 4, "stretch_s": 10.0, "margin_s": 1.0}
    assert stretches.n_frames_of(params, features) == (500, 48)
    # A stretch that its margins would leave nothing of is longer.
    assert stretches.n_frames_of({**params, "stretch_s": 0.1}, features) == (100, 48)
