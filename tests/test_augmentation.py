import numpy as np
import pytest

from dawnchorus.learning import augmentation

OFF = {
    "time_stretch": 1.0,
    "time_shift_frames": 0,
    "band_shift": 0.0,
    "equalizer_gain": 0.0,
    "equalizer_points": 4,
    "mixup_share": 0.0,
    "mixup_alpha": 0.4,
    "frequency_masks": 0,
    "frequency_mask_width": 4,
    "time_masks": 0,
    "time_mask_width": 4,
}
LENGTHS = np.array([20, 12, 7, 1])


def made(seed=0):
    """Clips of several lengths; no sounding value is 0."""
    rng = np.random.default_rng(seed)
    batch = np.zeros((4, 20, 8), np.float32)
    for clip, n in zip(batch, LENGTHS, strict=True):
        clip[:n] = rng.uniform(1, 2, size=(n, 8))
    return batch


def rng(seed=1):
    return np.random.default_rng(seed)


def test_the_frames_that_hold_sound_are_counted_to_the_last():
    batch = made()
    batch[1, 3] = 0
    assert augmentation.sounding_frames(batch).tolist() == LENGTHS.tolist()
    assert augmentation.sounding_frames(np.zeros((1, 5, 2), np.float32)).tolist() == [1]


def test_everything_off_changes_nothing():
    targets = np.array([0, 1, 2, 3])
    batch, same = augmentation.augment(made(), targets, OFF, rng())
    np.testing.assert_array_equal(batch, made())
    assert same is targets


@pytest.mark.parametrize(
    "change",
    [
        {"time_stretch": 1.3},
        {"time_shift_frames": 5},
        {"band_shift": 2.0},
        {"equalizer_gain": 0.5},
        {"mixup_share": 1.0},
        {"frequency_masks": 2},
        {"time_masks": 2},
    ],
)
def test_each_is_drawn_from_the_generator_alone_and_keeps_the_shape(change):
    targets = np.eye(4, dtype=np.float32)
    one, two, other = (augmentation.augment(made(), targets, {**OFF, **change}, rng(s))[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert (one.shape, one.dtype) == ((4, 20, 8), np.float32)
    assert np.isfinite(one).all()


def test_a_mixed_clip_and_its_target_are_mixed_by_one_weight_of_at_least_a_half():
    batch, targets = made(), np.eye(4, dtype=np.float32)
    mixed, mixed_targets = augmentation.mixup(batch.copy(), targets, rng(), 0.4, 1.0)
    np.testing.assert_allclose(mixed, np.einsum("ij,jfb->ifb", mixed_targets, batch), rtol=1e-5)
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)
    assert (mixed_targets.diagonal() >= 0.5).all()


def test_about_the_asked_share_of_clips_is_mixed():
    batch, targets = np.ones((2000, 1, 1), np.float32), np.arange(2000, dtype=np.float32)[:, None]
    _, mixed = augmentation.mixup(batch, targets, rng(), 0.4, 0.25)
    assert np.mean(mixed != targets) == pytest.approx(0.25, abs=0.03)


def test_band_masks_are_runs_of_bands_over_the_whole_clip():
    batch = augmentation.mask_bands(np.ones((200, 6, 10), np.float32), rng(), 1, 4)
    masked = (batch == 0).all(axis=1)
    assert ((batch == 0).any(axis=1) == masked).all()
    widths = masked.sum(axis=1)
    assert set(widths) == {0, 1, 2, 3, 4}
    # One run: the number of edges is at most two.
    assert (np.abs(np.diff(np.pad(masked, ((0, 0), (1, 1))).astype(int), axis=1)).sum(axis=1) <= 2).all()


def test_frame_masks_blot_out_at_most_a_fifth_of_a_clip():
    for seed in range(50):
        batch = augmentation.mask_frames(made(), LENGTHS, rng(seed), 1, 100)
        masked = [int((clip[:n] == 0).all(axis=1).sum()) for clip, n in zip(batch, LENGTHS, strict=True)]
        assert all(m <= n / 5 for m, n in zip(masked, LENGTHS, strict=True))


def test_a_turn_in_time_keeps_the_frames_and_the_padding():
    turned = augmentation.shift_frames(made(), LENGTHS, rng(), 6)
    assert (turned != made()).any()
    for clip, original, n in zip(turned, made(), LENGTHS, strict=True):
        assert (clip[n:] == 0).all()
        assert sorted(map(tuple, clip[:n])) == sorted(map(tuple, original[:n]))


def test_a_shift_in_frequency_moves_a_ridge_by_what_was_drawn():
    ridge = np.exp(-0.5 * ((np.arange(40) - 20) / 3.0) ** 2).astype(np.float32)
    batch = np.tile(ridge, (300, 2, 1))
    shifted = augmentation.shift_bands(batch.copy(), rng(), 4.0)
    centres = (shifted[:, 0] * np.arange(40)).sum(axis=1) / shifted[:, 0].sum(axis=1)
    drawn = rng().uniform(-4, 4, 300)
    np.testing.assert_allclose(centres - 20, drawn, atol=0.05)


def test_a_frequency_response_is_the_same_in_all_frames_of_a_clip_and_spares_the_padding():
    batch = augmentation.equalize(made(), LENGTHS, rng(), 0.7, 4)
    gains = batch - made()
    for gain, n in zip(gains, LENGTHS, strict=True):
        np.testing.assert_allclose(gain[:n], np.tile(gain[0], (n, 1)), atol=1e-6)
        assert np.abs(gain[:n]).max() <= 0.7 + 1e-6
        assert (gain[n:] == 0).all()


def test_powers_add_where_a_background_is_laid_under():
    clip, background = np.full((5, 3), -20, np.float32), np.full((2, 3), -20, np.float32)
    background[1] = -90
    mixed = augmentation.over_background(clip, background, 0.0)
    # Twice the power is 3.01 dB more; what lies 70 dB below changes nothing. Its 2 frames are repeated.
    np.testing.assert_allclose(mixed[[0, 2, 4]], -20 + 10 * np.log10(2), atol=1e-4)
    np.testing.assert_allclose(mixed[[1, 3]], -20, atol=1e-4)
    weaker = augmentation.over_background(clip, background, -10.0)
    np.testing.assert_allclose(weaker[0], -20 + 10 * np.log10(1.1), atol=1e-4)
    assert mixed.dtype == np.float32
    assert (clip == -20).all()


def test_a_clip_read_faster_is_shorter_and_holds_the_same_order():
    ramp = np.arange(1, 21, dtype=np.float32)[None, :, None]
    for seed in range(30):
        batch = np.zeros((1, 30, 1), np.float32)
        batch[:, :20] = ramp
        speed = 1.5 ** rng(seed).uniform(-1, 1)
        read = augmentation.stretch_frames(batch, np.array([20]), rng(seed), 1.5)[0, :, 0]
        n = min(30, round(20 / speed))
        assert np.count_nonzero(read) == n
        assert (np.diff(read[:n]) >= 0).all()
        assert (read[n:] == 0).all()
