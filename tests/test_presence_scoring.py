"""Frames of presence over a recording: where they lie, and that nothing but the sound decides their scores."""

import dataclasses
import math
from types import SimpleNamespace

import librosa
import numpy as np
import pytest
import soundfile
from scipy.special import expit

from dawnchorus.detection import presence_scoring
from dawnchorus.detection.presence_scoring import Recipe
from dawnchorus.features import extraction, runtimes
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import stretches
from dawnchorus.sound import windows

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
PRESENCE = {"network": "crnn", "pool_frames": 2, "stretch_s": 0.6, "margin_s": 0.1, "background_quantile": 0.5}
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
    shares, block = [], {**DETECTIONS, "batch_size": batch_size}
    other = presence_scoring.score(tmp_path / "a.wav", Levels(), recipe(), block, threads, shares.append)
    n_stretches = len(recipe().firsts(round(5.0 * recipe().features["sample_rate_hz"])))
    assert len(shares) == -(-n_stretches // batch_size)
    assert shares == sorted(set(shares)), "more with each batch"
    assert shares[-1] == 1
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


# of embeddings

N_SAMPLES, DIMENSIONS, HOP = 800, 4, 400
OF_VECTORS = {
    **{"kind": "embedding", "sample_rate_hz": RATE_HZ, "n_fft": 16, "hop_length": HOP, "deltas": 0},
    **{"model": "weights/any.tflite", "model_window_s": N_SAMPLES / RATE_HZ, "model_peak": None},
    **{"dimensions": DIMENSIONS, "output": None},
}


def recipe_of_vectors(stretch_s=1.0, margin_s=0.2) -> Recipe:
    block = {"network": "gru", "pool_frames": 1, "stretch_s": stretch_s, "margin_s": margin_s}
    n_frames, margin = stretches.n_frames_of(block, OF_VECTORS)
    return Recipe(OF_VECTORS, block, n_frames, margin, ("a", "b"), ("A", "B"))


@pytest.fixture
def heard(monkeypatch):
    """Have a model whose vector is of the first, middle and last sample of a window, and remember its windows."""
    asked = []

    def opened(path, n_samples, dimensions, output):
        def model(window):
            asked.append(window.tobytes())
            return np.array([*window[[0, n_samples // 2, -1]], 0.01], np.float32)

        return model

    monkeypatch.setattr(runtimes, "opened", opened)
    return asked


class Neighbours:
    """A network that gives two of the values of a frame, and adds those of the frame before to those of the one after.

    At both ends of a stretch it gives nonsense: these scores must be left out.
    """

    def predict_on_batch(self, x):
        made = np.full((*x.shape[:2], 2), 99.0, np.float32)
        made[:, 1:-1, 0] = x[:, 1:-1, 0]
        made[:, 1:-1, 1] = x[:, :-2, 1] + x[:, 2:, 2]
        return made


def roots_one_by_one(vectors):
    for vector in vectors.tolist():
        made = [math.copysign(math.sqrt(abs(value)), value) for value in vector]
        length = math.sqrt(sum(value**2 for value in made))
        yield [value * math.sqrt(DIMENSIONS) / length for value in made]


@pytest.mark.parametrize("duration_s", [0.05, 0.0999, 0.1, 0.12, 0.5, 1.0, 1.01, 3.33])
def test_a_frame_of_embeddings_is_scored_with_the_windows_around_it_and_each_is_made_once(tmp_path, heard, duration_s):
    y = sound(tmp_path / "a.wav", duration_s)
    found = presence_scoring.score(tmp_path / "a.wav", Neighbours(), recipe_of_vectors(), DETECTIONS, 2)
    n = 1 + len(y) // HOP
    lacking = max(0, N_SAMPLES - len(y))
    padded = np.pad(y, (lacking // 2, lacking - lacking // 2))
    # Beyond the ends of a recording windows do not move on.
    starts = [min(max(frame * HOP - N_SAMPLES // 2, 0), len(padded) - N_SAMPLES) for frame in range(-1, n + 1)]
    vectors = np.array([[padded[s], padded[s + N_SAMPLES // 2], padded[s + N_SAMPLES - 1], 0.01] for s in starts])
    given = np.array(list(roots_one_by_one(vectors)))
    expected = expit(np.stack([given[1:-1, 0], given[:-2, 1] + given[2:, 2]], axis=1))
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    assert len(heard) == len(set(heard)) == len(set(starts))
    # The middle of a frame is the middle of its window.
    np.testing.assert_allclose(found.starts_s + found.window_s / 2, np.arange(n) * HOP / RATE_HZ, atol=1e-9)
    assert found.window_s == pytest.approx(HOP / RATE_HZ)


@pytest.mark.parametrize(("batch_size", "threads", "stretch_s"), [(1, 1, 1.0), (3, 2, 0.7), (64, 4, 5.0)])
def test_batches_threads_and_stretches_change_no_score_of_embeddings(tmp_path, heard, batch_size, threads, stretch_s):
    sound(tmp_path / "a.wav", 5.0)
    one = presence_scoring.score(tmp_path / "a.wav", Neighbours(), recipe_of_vectors(), DETECTIONS, 1)
    block = {**DETECTIONS, "batch_size": batch_size}
    other = presence_scoring.score(tmp_path / "a.wav", Neighbours(), recipe_of_vectors(stretch_s), block, threads)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_frames_of_detection_are_those_of_training(tmp_path, heard):
    """In training the frames are made of the whole recording at once."""
    y = sound(tmp_path / "a.wav", 3.0)
    whole = extraction.extract(y, RATE_HZ, OF_VECTORS)
    of = recipe_of_vectors(margin_s=0.0)
    blocks = windows.cut([y], of.ranges(len(y)), len(y))
    laid = np.concatenate(list(of.laid_out((of.made(cut, RATE_HZ) for cut in blocks), len(y))))
    expected = stretches.given(whole, of.presence)
    np.testing.assert_array_equal(laid[: len(whole)], expected)
    np.testing.assert_array_equal(laid[len(whole) :], np.tile(expected[-1], (len(laid) - len(whole), 1)))


def test_silence_can_be_tried_of_embeddings(heard):
    assert presence_scoring.try_out(Neighbours(), recipe_of_vectors()).shape == (20, 2)


def test_embeddings_that_take_all_memory_are_refused():
    longest = dataclasses.replace(recipe_of_vectors(), n_frames=80_000_000)
    with pytest.raises(InputError, match=r"presence.stretch_s: 1 and features.model_window_s 0.1: .* GiB; expected at"):
        presence_scoring.check(longest, DETECTIONS)
