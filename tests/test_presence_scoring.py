"""Frames of presence over a recording: where they lie, and that nothing but the sound decides their scores."""

import dataclasses
from types import SimpleNamespace

import librosa
import numpy as np
import pytest
import soundfile
from scipy.special import expit

from dawnchorus.detection import presence_scoring
from dawnchorus.detection.presence_scoring import Recipe
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import stretches

RATE_HZ = 8000
FEATURES = {
    "kind": "log_mel",
    "sample_rate_hz": RATE_HZ,
    "n_fft": 256,
    "hop_length": 80,
    "deltas": 0,
    "n_mels": 8,
    "f_min_hz": 0.0,
    "f_max_hz": 4000.0,
    "mel_sample_rate_hz": None,
}
PRESENCE = {"pool_frames": 2, "stretch_s": 0.6, "margin_s": 0.1, "background_quantile": 0.5}
DETECTIONS = {"channel": "mix", "batch_size": 4}


def recipe(**presence) -> Recipe:
    block = {**PRESENCE, **presence}
    n_frames, margin = stretches.n_frames_of(block, FEATURES)
    return Recipe(FEATURES, block, n_frames, margin, ("a", "b"), ("A", "B"))


class Levels:
    """A network that gives the mean level of a frame of presence, and that of its highest band."""

    def predict_on_batch(self, x):
        pooled = x.reshape(len(x), -1, 2, x.shape[2]).mean(axis=2)
        return np.stack([pooled.mean(axis=2), pooled.max(axis=2)], axis=2)


def sound(path, duration_s=3.0, rate_hz=RATE_HZ, seed=0) -> np.ndarray:
    y = 0.01 * np.random.default_rng(seed).standard_normal(int(duration_s * rate_hz)).astype(np.float32)
    soundfile.write(path, y, rate_hz, subtype="FLOAT")
    return y


def test_a_burst_is_where_it_is(tmp_path):
    y = 0.001 * np.random.default_rng(0).standard_normal(4 * RATE_HZ)
    y[int(1.3 * RATE_HZ) : int(1.5 * RATE_HZ)] += 0.3 * np.random.default_rng(1).standard_normal(int(0.2 * RATE_HZ))
    soundfile.write(tmp_path / "a.wav", y, RATE_HZ)
    found = presence_scoring.score(tmp_path / "a.wav", Levels(), recipe(), DETECTIONS, 2)
    assert found.window_s == pytest.approx(0.02)
    assert found.starts_s[:3] == pytest.approx([-0.005, 0.015, 0.035])
    assert (found.duration_s, found.sample_rate_hz) == (4.0, RATE_HZ)
    middles_s = found.starts_s + found.window_s / 2
    loud = found.scores[:, 0] > expit(1.0)
    assert loud[(middles_s > 1.32) & (middles_s < 1.48)].all()
    assert not loud[(middles_s < 1.28) | (middles_s > 1.52)].any()


def test_scores_are_those_of_the_frames_of_the_whole_recording(tmp_path):
    y = sound(tmp_path / "a.wav")
    whole = recipe(background_quantile=0.0)
    found = presence_scoring.score(tmp_path / "a.wav", Levels(), whole, DETECTIONS, 1)
    power = np.abs(librosa.stft(y, n_fft=256, hop_length=80)) ** 2
    mel = librosa.filters.mel(sr=RATE_HZ, n_fft=256, n_mels=8, fmin=0.0, fmax=4000.0)
    decibels = librosa.power_to_db(mel @ power, top_db=None).T
    n = 1 + len(y) // 80
    assert len(found.scores) == -(-n // 2)
    # In the middle of the recording a stretch has the frames of the whole, above the lowest of the stretch.
    step, margin = whole.n_frames - 2 * whole.margin, whole.margin
    for number in (1, 2):
        first = number * step - margin
        of = decibels[first : first + whole.n_frames]
        expected = ((of - of.min(axis=0)) / 10).clip(-8, 8)[margin : margin + step]
        frames = found.scores[number * step // 2 : (number + 1) * step // 2, 0]
        assert frames == pytest.approx(expit(expected.reshape(-1, 2, 8).mean(axis=(1, 2))), abs=2e-4)


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (3, 2), (64, 4)])
def test_batches_and_threads_change_nothing(tmp_path, batch_size, threads):
    sound(tmp_path / "a.wav", 5.0)
    one = presence_scoring.score(tmp_path / "a.wav", Levels(), recipe(), DETECTIONS, 1)
    other = presence_scoring.score(
        tmp_path / "a.wav", Levels(), recipe(), {**DETECTIONS, "batch_size": batch_size}, threads
    )
    assert (one.scores == other.scores).all()
    assert (one.starts_s == other.starts_s).all()


@pytest.mark.parametrize("duration_s", [0.05, 0.3, 0.4, 0.41, 2.0])
def test_every_frame_of_a_recording_of_any_length_is_scored_once(tmp_path, duration_s):
    y = sound(tmp_path / "a.wav", duration_s)
    found = presence_scoring.score(tmp_path / "a.wav", Levels(), recipe(), DETECTIONS, 1)
    assert found.scores.shape == (-(-(1 + len(y) // 80) // 2), 2)
    assert np.allclose(np.diff(found.starts_s), 0.02)
    assert found.starts_s[-1] + found.window_s >= duration_s - 0.01


def test_sound_of_another_rate_is_resampled(tmp_path):
    sound(tmp_path / "a.wav", 2.0, rate_hz=44_100)
    found = presence_scoring.score(tmp_path / "a.wav", Levels(), recipe(), DETECTIONS, 1)
    assert found.duration_s == pytest.approx(2.0)
    assert len(found.scores) == 101


@pytest.mark.parametrize("wrong", [lambda x: np.full((len(x), 30, 2), np.nan), lambda x: np.zeros((len(x), 30, 3))])
def test_a_network_that_gives_something_else_is_one_line(tmp_path, wrong):
    sound(tmp_path / "a.wav")
    with pytest.raises(InputError, match="expected one finite score for each frame and each of its 2 classes"):
        model = SimpleNamespace(predict_on_batch=wrong)
        presence_scoring.score(tmp_path / "a.wav", model, recipe(), DETECTIONS, 1)


def test_stretches_that_take_all_memory_are_refused():
    longest = dataclasses.replace(recipe(), n_frames=4_000_000)
    with pytest.raises(InputError, match=r"presence.stretch_s: 0.6: .* GiB; expected at most 4"):
        presence_scoring.check(longest, DETECTIONS)


def test_silence_can_be_tried():
    assert presence_scoring.try_out(Levels(), recipe()).shape == (30, 2)
