import json
import threading

import librosa
import numpy as np
import pytest
import soundfile

from dawnchorus.detection import scoring
from dawnchorus.features import extraction
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import dataset, pooled
from dawnchorus.networks import logistic_regression
from dawnchorus.sound import audio, decoding

RATE_HZ = 16_000
LOG_MEL = {
    "kind": "log_mel", "sample_rate_hz": RATE_HZ, "n_fft": 512, "hop_length": 200, "n_mels": 24, "n_mfcc": 12,
    "f_min_hz": 50.0, "f_max_hz": 7000.0, "mel_sample_rate_hz": None, "deltas": 0, "clip": "annotation",
    "window_s": 1.0, "jitter_s": 0.1,
}  # fmt: skip
KINDS = [
    (LOG_MEL, "none"),
    ({**LOG_MEL, "kind": "mfcc", "deltas": 1}, "standard"),
    ({**LOG_MEL, "kind": "pcen"}, "median"),
    ({**LOG_MEL, "clip": "window", "sample_rate_hz": None}, "standard"),
]
PARAMS = {"window_s": None, "step_s": None, "channel": "mix", "batch_size": 8}


def card_of(block, frames=40, padding="right", clip_normalization="none"):
    n = extraction.n_features(block)
    rng = np.random.default_rng(1)
    statistics = {
        "normalization": "per_feature", "offset": rng.normal(0, 5, n).tolist(), "scale": rng.uniform(3, 9, n).tolist(),
        "frames": frames, "padding": padding, "fit_on": "train", "features": block,
        "clip_normalization": clip_normalization,
    }  # fmt: skip
    classes = [{"class_index": str(k), "species_id": f"s{k}", "species_name": f"species {k}"} for k in range(3)]
    model = {"name": "logistic_regression", "l2": 0.0}
    return {"format": 1, "classes": classes, "model": model, "dataset": statistics, "input_shape": [frames, n]}


def model_of(recipe, x=None):
    """A classifier with invented weights, its scaling fitted on the clips ``x`` as in training."""
    n = pooled.POOLS * extraction.n_features(recipe.features)
    rng = np.random.default_rng(2)
    arrays = {"weights": rng.normal(0, 0.5, (n, 3)).astype(np.float32), "bias": np.zeros(3, np.float32)}
    unscaled = {"offset": np.zeros(n, np.float32), "scale": np.ones(n, np.float32)}
    scaling = unscaled if x is None else pooled.standardizer(pooled.pool(x))
    return pooled.Classifier(logistic_regression, arrays, scaling, 3)


def noise_with_tones(duration_s, rate_hz, channels=1, seed=3):
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    tone = np.sin(time_s) ** 4 * np.sin(2 * np.pi * np.cumsum(1500 + 1300 * np.sin(1.7 * time_s)) / rate_hz)
    y = 0.1 * tone[:, None] * rng.uniform(0.3, 1, channels) + 0.02 * rng.standard_normal((len(time_s), channels))
    return y.astype(np.float32)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "a.flac"
    soundfile.write(path, noise_with_tones(7.3, 44_100, 2), 44_100)
    return path


@pytest.mark.parametrize(
    ("block", "method"), KINDS, ids=lambda value: value if isinstance(value, str) else value["kind"]
)
@pytest.mark.parametrize("padding", ["right", "centre"])
def test_training_clips_score_the_same_through_windows(recording, block, method, padding):
    """The path of the data set (read_cuts, extract, normalized) against the path of the detections."""
    card = card_of(block, padding=padding, clip_normalization=method)
    recipe = scoring.Recipe.of_card(card, "m")
    rate_hz = block["sample_rate_hz"] or 44_100
    clips = [(0.0, 0.7), (0.5, 1.1), (1.234, 2.4), (5.0, 5.35), (6.9, 7.3)]
    made = dict(extraction.of_recording(recording, clips, 44_100, block))
    x = np.stack([dataset.normalized(made[k], card["dataset"])[0] for k in range(len(clips))])
    model = model_of(recipe, x)
    wanted = model.predict_on_batch(x)
    spans = [(round(a * rate_hz), round(b * rate_hz)) for a, b in clips]
    native_hz, n_native = decoding.measure(recording)
    n_samples = audio.resampled_length(n_native, native_hz, rate_hz)
    found = scoring.score_ranges(recording, model, recipe, PARAMS, 2, spans, rate_hz, n_samples)
    assert np.ptp(wanted, axis=0).max() > 0.05, "the clips differ, else this says nothing"
    np.testing.assert_allclose(found, wanted, atol=1e-4, rtol=0)


def test_windows_of_a_recording_are_those_of_the_whole_loaded_by_librosa(recording):
    block = {**LOG_MEL, "clip": "window"}
    recipe = scoring.Recipe.of_card(card_of(block, frames=81), "m")
    model = model_of(recipe)
    y = librosa.load(recording, sr=RATE_HZ)[0]
    scored = scoring.score(recording, model, recipe, PARAMS, 1)
    assert (scored.duration_s, scored.sample_rate_hz, scored.window_s) == (7.3, 44_100, 1.0)
    np.testing.assert_allclose(np.diff(scored.starts_s), 0.5)
    inside = [k for k, start in enumerate(scored.starts_s) if start >= 0 and start + 1 <= 7.3]
    assert len(inside) == len(scored.starts_s) - 2
    for k in inside:
        start = round(scored.starts_s[k] * RATE_HZ)
        x = recipe.prepared(y[start : start + RATE_HZ], RATE_HZ)
        np.testing.assert_allclose(scored.scores[k], model.predict_on_batch(x[None])[0], atol=1e-5)


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (3, 2), (64, 4)])
def test_scores_depend_neither_on_batches_nor_on_workers(recording, batch_size, threads):
    recipe = scoring.Recipe.of_card(card_of(LOG_MEL), "m")
    one = scoring.score(recording, model_of(recipe), recipe, PARAMS, 1).scores
    shares, block = [], {**PARAMS, "batch_size": batch_size}
    other = scoring.score(recording, model_of(recipe), recipe, block, threads, shares.append).scores
    np.testing.assert_allclose(other, one, atol=1e-6, rtol=0)
    assert shares == [min(1, n * batch_size / len(one)) for n in range(1, 1 - (-len(one) // batch_size))]


@pytest.mark.parametrize(
    ("suffix", "subtype", "rate_hz"),
    [
        ("wav", "PCM_16", 48_000),
        ("ogg", "VORBIS", 44_100),
        ("opus", "OPUS", 48_000),
        ("mp3", "MPEG_LAYER_III", 22_050),
        ("aiff", "FLOAT", 11_025),
    ],
)
def test_blocks_are_the_sound_of_any_format_and_rate(tmp_path, suffix, subtype, rate_hz):
    path = tmp_path / f"a.{suffix}"
    options = {"format": "OGG"} if suffix == "opus" else {}
    soundfile.write(path, noise_with_tones(6.1, rate_hz, 2), rate_hz, subtype=subtype, **options)
    whole = librosa.load(path, sr=RATE_HZ)[0]
    native_hz, n_native = decoding.measure(path)
    found = np.concatenate(list(decoding.decoded(path, "mix", RATE_HZ)))
    assert len(whole) == audio.resampled_length(n_native, native_hz, RATE_HZ)
    n = min(len(found), len(whole))
    assert abs(len(found) - len(whole)) <= 1
    np.testing.assert_allclose(found[:n], whole[:n], atol=2e-6)


def test_a_channel_can_be_chosen(recording):
    y = soundfile.read(recording, dtype="float32")[0]
    np.testing.assert_array_equal(np.concatenate(list(decoding.decoded(recording, 1, 44_100))), y[:, 1])
    with pytest.raises(InputError, match=r"a\.flac: detections.channel: 2: expected mix or .* 0 to 1"):
        list(decoding.decoded(recording, 2, 44_100))


@pytest.mark.parametrize("what", ["missing", "text", "empty", "cut", "nan"])
def test_a_bad_file_is_one_line_with_its_name(tmp_path, what):
    path = tmp_path / "bad.flac"
    sound = noise_with_tones(6.0, 16_000)
    if what == "nan":
        path, sound[50_000] = tmp_path / "bad.wav", np.nan
        soundfile.write(path, sound, 16_000, subtype="FLOAT")
    elif what == "text":
        path.write_text("no sound")
    elif what != "missing":
        soundfile.write(path, sound if what == "cut" else sound[:0], 16_000)
    if what == "cut":
        path.write_bytes(path.read_bytes()[:60_000])
    recipe = scoring.Recipe.of_card(card_of(LOG_MEL), "m")
    with pytest.raises(InputError, match=r"bad\.\w+: ") as caught:
        scoring.score(path, model_of(recipe), recipe, PARAMS, 2)
    assert "\n" not in str(caught.value)


def test_a_sound_shorter_than_a_window_is_one_window(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise_with_tones(0.05, RATE_HZ), RATE_HZ)
    recipe = scoring.Recipe.of_card(card_of(LOG_MEL), "m")
    scored = scoring.score(tmp_path / "a.wav", model_of(recipe), recipe, PARAMS, 1)
    assert scored.scores.shape == (1, 3)
    assert -scored.starts_s[0] == pytest.approx(scored.starts_s[0] + scored.window_s - 0.05)


@pytest.mark.parametrize("lacking", ["features", "frames", "offset", "padding", "clip_normalization"])
def test_a_card_that_lacks_something_says_what(lacking):
    card = json.loads(json.dumps(card_of(LOG_MEL)))
    del card["dataset"][lacking]
    with pytest.raises(InputError, match=f"m.keras: card: dataset.{lacking}: missing; expected "):
        scoring.Recipe.of_card(card, "m.keras")


def test_a_card_whose_features_do_not_fit_its_input_is_refused():
    with pytest.raises(InputError, match=r"m.keras: card: input_shape: \[40, 24\]: expected \[40, 12\]"):
        card = card_of(LOG_MEL)
        card["dataset"]["features"] = {**LOG_MEL, "kind": "mfcc"}
        scoring.Recipe.of_card(card, "m.keras")


ABSURD = [
    ("dataset.features.sample_rate_hz", 1e12, "expected integer from 1000 to 500000 or null"),
    ("dataset.features.sample_rate_hz", 10**12, "expected integer from 1000 to 500000 or null"),
    ("dataset.features.sample_rate_hz", "24000", "expected integer"),
    ("dataset.features.hop_length", 0, "0: expected integer from 1"),
    ("dataset.features.n_mels", 10**9, "expected integer from 2 to 1024"),
    ("dataset.features.window_s", -1.0, "expected number"),
    ("dataset.features.clip", "x", "expected one of"),
    ("dataset.features.kind", "../../x", "expected one of embedding, log_mel"),
    ("dataset.features", 7, "7: expected"),
    ("dataset.frames", True, "true: expected integer"),
    ("dataset.frames", 10**9, "expected integer from 1 to 100000"),
    ("dataset.offset", [], "expected list of at least 1"),
    ("dataset.offset", [0.0, 1.0], "2 numbers; expected one, or 24"),
    ("dataset.scale", [0.0], "expected numbers to divide by"),
    ("dataset.scale", [float("nan")], "expected list"),
    ("dataset.padding", "left", "expected one of"),
    ("dataset", None, "missing"),
    ("model.name", "../evil", "expected one of article"),
    ("model", "svm", "expected"),
    ("input_shape", [40], "expected list of 2 to 2"),
    ("input_shape", [40, 10**9], "expected list of 2 to 2: integer from 1 to 1000000"),
    ("classes", [], "expected list of 1 to 100000: "),
    ("classes", {"a": 1}, "expected list"),
    ("epochs_trained", -1, "expected integer >= 0"),
    ("versions", {"numpy": 2}, "expected .*null"),
]


@pytest.mark.parametrize(("field", "found", "expected"), ABSURD)
def test_a_card_with_an_absurd_value_names_the_field(field, found, expected):
    card = json.loads(json.dumps(card_of(LOG_MEL)))
    *blocks, key = field.split(".")
    within = card
    for block in blocks:
        within = within[block]
    within[key] = found
    with pytest.raises(InputError, match=expected) as caught:
        scoring.Recipe.of_card(card, "m.keras")
    assert str(caught.value).startswith(f"m.keras: card: {field}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("bands_hz", "said"),
    [
        (7, "bands_hz: 7: expected"),
        ([[1, 2]], "bands_hz: 1 bands; expected 3, one a class"),
        ([None, [2.0, 1.0], None], r"bands_hz.1: \[2.0, 1.0\]: expected null, or two numbers >= 0"),
        ([None, None, [-1, 1]], r"bands_hz.2: \[-1, 1\]: expected null"),
        ([[0, float("inf")], None, None], r"bands_hz.0: \[0, Infinity\]: expected null"),
        ([["0", "1"], None, None], r'bands_hz.0: \["0", "1"\]: expected null'),
        ([[True, 2], None, None], r"bands_hz.0: \[true, 2\]: expected null"),
        ([[1, 2, 3], None, None], r"bands_hz.0: \[1, 2, 3\]: expected null"),
    ],
)
def test_bands_of_a_card_are_two_edges_a_class(bands_hz, said):
    scoring.Recipe.of_card({**card_of(LOG_MEL), "bands_hz": [[0, 100.5], None, [20, 30]]}, "m.keras")
    with pytest.raises(InputError, match=f"m.keras: card: {said}"):
        scoring.Recipe.of_card({**card_of(LOG_MEL), "bands_hz": bands_hz}, "m.keras")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"species_id": "s0"}, 'classes: species "s0" is there twice'),
        ({"species_id": 1}, "classes.1.species_id: 1: expected string"),
        ({"species_name": None}, "classes.1.species_name: null: expected string"),
        ({"class_index": 2}, "classes.1.class_index: 2: expected 1"),
    ],
)
def test_classes_of_a_card_are_in_order_and_each_once(change, field):
    card = card_of(LOG_MEL)
    card["classes"][1] |= change
    with pytest.raises(InputError, match=f"m.keras: card: {field}"):
        scoring.Recipe.of_card(card, "m.keras")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"step_s": 1e-9}, "detections.step_s: 0: expected more than 0"),
        ({"step_s": 0.0001}, "detections.step_s: 0.000125: .* windows .* over each other; expected at most 1000"),
        ({"window_s": 600.0, "batch_size": 4096}, "detections.window_s: 600: .* take 146.8 GiB; expected at most 4"),
        ({"window_s": 1e-6}, "detections.window_s: 0: expected one FFT frame at least"),
        ({"window_s": 2.0, "step_s": 3.0}, "detections.step_s: 3: expected more than 0 and at most the window"),
    ],
)
def test_absurd_windows_are_refused(changes, expected):
    recipe = scoring.Recipe.of_card(card_of(LOG_MEL), "m")
    with pytest.raises(InputError, match=expected):
        scoring.planned(recipe, {**PARAMS, **changes}, RATE_HZ)


def test_a_model_whose_spectra_fill_the_memory_is_refused():
    recipe = scoring.Recipe.of_card(card_of({**LOG_MEL, "n_fft": 65_536, "hop_length": 1}), "m")
    with pytest.raises(InputError, match=r"features.n_fft 65536 are .* numbers; expected at most"):
        scoring.planned(recipe, {**PARAMS, "window_s": 60.0}, RATE_HZ)


def test_more_windows_of_a_recording_than_anybody_reads_are_refused(recording, monkeypatch):
    monkeypatch.setattr(scoring, "MOST_WINDOWS", 10)
    recipe = scoring.Recipe.of_card(card_of(LOG_MEL), "m")
    with pytest.raises(InputError, match=r"a.flac: .* windows; expected at most 10: a longer detections.step_s"):
        scoring.score(recording, model_of(recipe), recipe, PARAMS, 1)


def test_what_is_taken_ahead_is_bounded_and_ends_with_its_reader():
    taken, before = [], threading.active_count()

    def items():
        for k in range(100):
            taken.append(k)
            yield k

    reader = scoring.ahead(items(), 3)
    assert [next(reader) for _ in range(5)] == [0, 1, 2, 3, 4]
    reader.close()
    assert len(taken) <= 5 + 3 + 2
    assert threading.active_count() == before


def test_errors_of_the_thread_come_through():
    def items():
        yield 1
        raise InputError("here")

    reader = scoring.ahead(items(), 2)
    assert next(reader) == 1
    with pytest.raises(InputError, match="here"):
        next(reader)
