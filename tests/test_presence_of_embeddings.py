"""Presence on embeddings, from sound to events: learned from whole recordings, and heard at the right times."""

import numpy as np
import pandas as pd
import pytest
import soundfile

import embedding_models
from dawnchorus.detection import presence as events_of_presence
from dawnchorus.detection import presence_scoring, scoring
from dawnchorus.features import extraction, runtimes
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import model_file, presence, saved_model

RATE_HZ, N_SAMPLES, DIMENSIONS, HOP = 8000, 3200, 64, 800
TONES_HZ = (600.0, 1700.0)
DURATION_S = 24.0
CLASSES = [{"class_index": n, "species_id": name, "species_name": name.upper()} for n, name in enumerate("ab")]
BLOCK = {
    **{"network": "gru", "stretch_s": 3.0, "margin_s": 0.5, "pool_frames": 1, "units": 12, "dropout": 0.0},
    **{"epochs": 8, "steps": 20, "batch_size": 8, "learning_rate": 0.02, "weight_decay": 0.0, "ema_momentum": 0.5},
    **{"background_quantile": 0.5, "widths": [8], "overlay_share": 0.0, "overlay_gain_db": 0.0, "band_shift": 0.0},
    **{"frequency_masks": 0, "frequency_mask_width": 0, "equalizer_db": 0.0, "equalizer_points": 4},
    **{"pseudo_label_rounds": 0, "mixed_precision": False},
}
DETECTIONS = {"channel": "mix", "batch_size": 4}


def recording(path, seed: int) -> pd.DataFrame:
    """Write noise in which tones call, never two at once, and return when: a row a call."""
    rng = np.random.default_rng(seed)
    y = rng.normal(0, 0.01, round(DURATION_S * RATE_HZ))
    rows, start_s = [], rng.uniform(0.3, 1.0)
    while start_s < DURATION_S - 2:
        species, end_s = int(rng.integers(2)), start_s + rng.uniform(0.5, 1.2)
        first, stop = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
        y[first:stop] += 0.3 * np.sin(2 * np.pi * TONES_HZ[species] * np.arange(stop - first) / RATE_HZ)
        rows.append({"class_index": species, "t_min_s": start_s, "t_max_s": end_s})
        start_s = end_s + rng.uniform(0.6, 1.5)
    soundfile.write(path, y, RATE_HZ, subtype="FLOAT")
    return pd.DataFrame(rows).assign(recording_id=path.stem, partition="train")


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Return a saved network of presence, and the folder in which it and the model of embeddings are."""
    folder = tmp_path_factory.mktemp("presence")
    model = embedding_models.write_keras(folder / "model.keras", embedding_models.projection(N_SAMPLES, DIMENSIONS))
    features = {
        **{"kind": "embedding", "sample_rate_hz": RATE_HZ, "n_fft": 16, "hop_length": HOP, "deltas": 0, "output": None},
        **{"model": str(model), "model_name": None, "model_licence": None, "model_window_s": N_SAMPLES / RATE_HZ},
        **{"model_peak": None, "dimensions": DIMENSIONS, "clip": "window", "window_s": 0.4},
    }
    names = ["r1", "r2", "r3"]
    rows = pd.concat([recording(folder / f"{name}.wav", seed) for seed, name in enumerate(names)])

    def frames_of(name):
        return extraction.extract(soundfile.read(folder / f"{name}.wav", dtype="float32")[0], RATE_HZ, features)

    params = {"seed": 1, "presence": BLOCK, "features": features}
    of_training = presence.soundings(
        frames_of, [{"recording_id": name, "partition": "train"} for name in names], rows, ["train"], [], [],
        ["a", "b"], {**params, "data": {"annotated": "all"}},
    )  # fmt: skip
    network, _, card = presence.train(of_training, [], CLASSES, params, 1, lambda line: None)
    saved_model.save(network, card, folder / "presence.keras")
    return folder


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_are_found_when_they_are(learned, threads):
    network, card = model_file.load(learned / "presence.keras", 1)
    recipe = presence_scoring.Recipe.of_card(card, learned / "presence.keras")
    truth = recording(learned / "new.wav", seed=9)
    scored = presence_scoring.score(learned / "new.wav", network, recipe, DETECTIONS, threads)
    found = events_of_presence.events(
        scored.scores, scored.starts_s, scored.window_s, scored.duration_s, [events_of_presence.PLAIN] * 2
    )
    late_s = []
    for call in truth.itertuples():
        same = [event for event in found if event["class_index"] == call.class_index]
        shared_s = [min(event["end_s"], call.t_max_s) - max(event["start_s"], call.t_min_s) for event in same]
        if max(shared_s, default=0) > 0:
            event = same[int(np.argmax(shared_s))]
            late_s.append((event["start_s"] - call.t_min_s, event["end_s"] - call.t_max_s))
    assert len(late_s) >= 0.8 * len(truth)
    assert len(found) <= 1.5 * len(truth)
    # A window is 400 ms long: times of its start or its end would be 200 ms off.
    assert np.abs(np.median(late_s, axis=0)).max() < 0.1
    assert abs(np.median(np.mean(late_s, axis=1))) < 0.05


def test_batches_change_no_score(learned):
    network, card = model_file.load(learned / "presence.keras", 1)
    recipe = presence_scoring.Recipe.of_card(card, learned / "presence.keras")
    recording(learned / "batches.wav", seed=4)
    one, *others = (
        presence_scoring.score(
            learned / "batches.wav", network, recipe, {**DETECTIONS, "batch_size": size}, threads
        ).scores
        for size, threads in ((1, 1), (3, 2), (32, 2))
    )
    for scores in others:
        np.testing.assert_array_equal(scores, one)


class Loudest:
    """Stands for a network that names clips: scores are the largest of two dimensions."""

    def predict_on_batch(self, x):
        return np.asarray(x)[:, :, :2].max(axis=1)


def test_sound_that_frames_and_windows_need_is_embedded_once(learned, monkeypatch):
    network, card = model_file.load(learned / "presence.keras", 1)
    frames = presence_scoring.Recipe.of_card(card, learned / "presence.keras")
    n_frames, n_clip = 13, 9600  # clips of 1.2 s, six hops from each to the next
    features = {**frames.features, "window_s": n_clip / RATE_HZ}
    plain = {"offset": [0.0] * DIMENSIONS, "scale": [1.0] * DIMENSIONS, "frames": n_frames, "padding": 0.0}
    statistics = {"features": features, "clip_normalization": "none", "normalization": "none", **plain}
    windows = scoring.Recipe(features, statistics, n_frames, ("a", "b"), ("A", "B"))
    params = {**DETECTIONS, "window_s": None, "step_s": None}
    path = learned / "once.wav"
    y = np.random.default_rng(5).normal(0, 0.1, 24 * RATE_HZ - 1234).astype(np.float32)
    soundfile.write(path, y, RATE_HZ, subtype="FLOAT")
    heard = []

    def made(self, window, of=runtimes.Embedder._made):
        heard.append(window.tobytes())
        return of(self, window)

    monkeypatch.setattr(runtimes.Embedder, "_made", made)
    alone = (
        presence_scoring.score(path, network, frames, params, 2).scores,
        scoring.score(path, Loudest(), windows, params, 2).scores,
    )
    n_alone = len(heard)
    heard.clear()
    with runtimes.HEARD.meanwhile():
        by_frames = presence_scoring.score(path, network, frames, params, 2).scores
        n_of_frames = len(heard)
        by_windows = scoring.score(path, Loudest(), windows, params, 2).scores
    np.testing.assert_array_equal(by_frames, alone[0])
    np.testing.assert_array_equal(by_windows, alone[1])
    assert len(heard) == len(set(heard))
    # Only at the ends of the recording windows are given other sound: mirrored, where frames move into it.
    assert n_of_frames == 1 + (len(y) - N_SAMPLES) // HOP + 1
    assert n_alone > 1.9 * n_of_frames
    assert len(heard) - n_of_frames <= 12
    # What was heard is forgotten, and where the memory is full after 50 of some 200 the others are made again.
    monkeypatch.setattr(runtimes.HEARD, "MOST_BYTES", 50 * 4 * DIMENSIONS)
    heard.clear()
    with runtimes.HEARD.meanwhile():
        presence_scoring.score(path, network, frames, params, 1)
        np.testing.assert_array_equal(scoring.score(path, Loudest(), windows, params, 1).scores, alone[1])
    assert n_alone > len(heard) > n_of_frames + 100
    assert max(map(heard.count, heard[50:n_of_frames])) > 1
    assert set(map(heard.count, heard[:50])) == {1}


def test_a_card_that_does_not_fit_is_one_line(learned, tmp_path):
    network, card = model_file.load(learned / "presence.keras", 1)
    saved_model.save(network, {**card, "presence": {**BLOCK, "pool_frames": 2}}, tmp_path / "presence.keras")
    with pytest.raises(InputError, match=r"presence.keras: .*expected "):
        model_file.load(tmp_path / "presence.keras", 1)
