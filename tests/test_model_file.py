"""The model file: what goes in comes out, nothing in it is run, and what is no model is one clear line."""

import contextlib
import io
import json
import os
import tracemalloc
import warnings
import zipfile

import keras
import numpy as np
import pytest

from dawnchorus import networks
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import device, model_file, pooled, saved_model
from dawnchorus.parameters import fields
from test_networks import SMALL
from training_clips import CLASSES, TRAIN, clips, tiny_network

CARD = {
    "classes": [
        {"class_index": number, "species_id": str(number), "species_name": "<b>owl</b>"} for number in range(CLASSES)
    ],
    "model": {"name": "article"},
}
POOLED = [
    {"name": "svm", "c": 5.0},
    {"name": "logistic_regression", "l2": 0.01},
    {"name": "ridge", "l2": None},
    {"name": "patches", "patch_frames": 3, "patch_bands": 2, "kinds": 4, "l2": None},
]


@pytest.fixture(autouse=True)
def _threads_as_they_are(monkeypatch):
    """Leave TensorFlow alone, which takes its number of threads once."""
    monkeypatch.setattr(device, "prepare", lambda seed, threads: "CPU")


def test_a_model_file_gives_back_the_model_and_all_it_was_trained_with(tmp_path):
    model, (x, _, _) = tiny_network(), clips()
    path = tmp_path / "model.keras"
    saved_model.save(model, {**CARD, "train": TRAIN}, path)
    card = model_file.read_card(path)
    assert card["train"] == TRAIN
    assert card["classes"] == CARD["classes"]
    # A plain Keras file, for anybody's Keras.
    plain = keras.saving.load_model(path, compile=False, safe_mode=True)
    np.testing.assert_array_equal(plain(x), model(x))


def save_pooled(path, name, **arrays):
    """Save a classifier fitted on random clips with its card, some of its arrays changed; return model and clips."""
    x, y, _ = clips()
    block = {"model": next(block for block in POOLED if block["name"] == name), "train": TRAIN}
    rng = np.random.default_rng(0)
    model, _ = pooled.fit(networks.get(name), x, y, np.arange(40), np.arange(40, 60), CLASSES, block, rng, print)
    saved_model.save(model, {**CARD, **block, "input_shape": list(x.shape[1:])}, path)
    return model, x


@pytest.mark.parametrize("name", [block["name"] for block in POOLED])
def test_a_pooled_model_file_gives_back_the_same_scores(tmp_path, name):
    model, x = save_pooled(tmp_path / "model.keras", name)
    loaded, _ = model_file.load(tmp_path / "model.keras", threads=1)
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))


GOOD = json.dumps({"format": 1, **CARD})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file"),
        (b"", "not a model made by dawnchorus"),
        (b"PK\x03\x04 half", "not a model made by dawnchorus"),
        ({"dawnchorus.json": "[]"}, "model format None; expected 1"),
        ({"dawnchorus.json": '{"format": 99}'}, "model format 99; expected 1"),
        ({"dawnchorus.json": '{"format": true}'}, "model format True; expected 1"),
        ({"dawnchorus.json": '{"format": "' + "x" * 1000 + '"}'}, "model format 'x{59}; expected 1"),
        ({"dawnchorus.json": "{"}, "card: .*; expected JSON as dawnchorus writes it"),
        ({"dawnchorus.json": b"\xff\xfe\xfa"}, "card: .*; expected JSON as dawnchorus writes it"),
        ({"dawnchorus.json": "[" * 100_000}, "card: .*; expected JSON as dawnchorus writes it"),
        ({"dawnchorus.json": GOOD[:-1] + ', "format": 1}'}, "card: 'format' is given twice"),
        ({"dawnchorus.json": GOOD[:-1] + ', "epochs_trained": NaN}'}, "card: NaN; expected finite numbers"),
        ({"dawnchorus.json": GOOD[:-1] + ', "training_time_s": 1e999}'}, "card: training_time_s: Infinity: expected"),
        ({"dawnchorus.json": '{"format": 1}'}, "card: classes: missing; expected list"),
        ({"dawnchorus.json": '{"format": 1, "classes": [7]}'}, "card: classes: .*: expected list"),
        ({"dawnchorus.json": '{"format": 1, "classes": []}'}, "card: classes: .*: expected list of 1 to 100000: "),
        ({"dawnchorus.json": GOOD.replace('"article"', '"../x"')}, 'card: model.name: "../x": expected one of'),
        ({"dawnchorus.json": GOOD.replace('"model"', '"other"')}, "card: model: missing"),
        ({"config.json": "{}"}, "not a model made by dawnchorus"),
        ({"dawnchorus.json": GOOD}, "not a usable model: .*config.json"),
        ({"dawnchorus.json": GOOD, "arrays.npz": "x"}, "not a usable"),
    ],
)
def test_a_file_that_is_no_model_is_one_line(tmp_path, content, expected):
    path = tmp_path / "model.keras"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in content.items():
                archive.writestr(name, text)
    assert_one_line(path, expected)


def assert_one_line(path, expected):
    with pytest.raises(InputError, match=expected) as caught:
        model_file.load(path, threads=1)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


def test_members_that_are_there_twice_are_refused(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr("dawnchorus.json", GOOD)
    assert_one_line(path, "member 'dawnchorus.json' is there twice")


@pytest.mark.long
@pytest.mark.parametrize("name", ["dawnchorus.json", "arrays.npz", "other"])
def test_a_bomb_is_not_unpacked(tmp_path, name):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in {"dawnchorus.json", name}:
            archive.writestr(member, " " * 2**28 if member == name else GOOD)
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    assert_one_line(path, "not a model made by dawnchorus .2684.* bytes when unpacked")
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


@pytest.mark.parametrize("what", ["folder", "pipe", "device", "dangling"])
def test_what_is_no_file_is_one_line(tmp_path, what):
    path = tmp_path / "model.keras"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if what == "device" else "nowhere")
    assert_one_line(path, "no such file" if what == "dangling" else "not a file")


@pytest.mark.parametrize("name", ["article", "svm", "logistic_regression", "ridge", "patches"])
def test_a_damaged_model_file_is_one_line_or_a_model(tmp_path, name):
    """Cut off, or with a byte changed, anywhere: no other error, and no crash of what reads it."""
    path = tmp_path / "model.keras"
    if name == "article":
        saved_model.save(tiny_network(), CARD, path)
    else:
        save_pooled(path, name)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    refused = 0
    for trial in range(40 if name != "article" else 16):
        damaged = bytearray(whole)
        if trial % 2:
            del damaged[int(rng.integers(len(whole))) :]
        else:
            damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            model_file.load(path, threads=1)
            continue
        refused += 1
    assert refused >= 8


def test_arrays_that_are_pickles_are_refused(tmp_path):
    path = tmp_path / "model.keras"
    evil = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "arrays.npz", weights=evil)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "arrays.npz", "arrays.npz")
        archive.writestr("dawnchorus.json", json.dumps({"format": 1, **CARD, "model": POOLED[0]}))
    assert_one_line(path, "not a usable model")


def with_arrays(path, change):
    """Change the arrays of a pooled model file."""
    with zipfile.ZipFile(path) as archive:
        card = archive.read("dawnchorus.json")
        with np.load(io.BytesIO(archive.read("arrays.npz"))) as stored:
            arrays = change(dict(stored))
    content = io.BytesIO()
    np.savez(content, **arrays)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dawnchorus.json", card)
        archive.writestr("arrays.npz", content.getvalue())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("logistic_regression", lambda arrays: {**arrays, "weights": arrays["weights"][:5]}),
        ("logistic_regression", lambda arrays: {**arrays, "weights": arrays["weights"] * np.nan}),
        ("logistic_regression", lambda arrays: {**arrays, "bias": arrays["bias"].astype("U9")}),
        ("logistic_regression", lambda arrays: {**arrays, "scale": np.zeros(0)}),
        ("logistic_regression", lambda arrays: {name: arrays[name] for name in arrays if name != "bias"}),
        ("ridge", lambda arrays: {**arrays, "weights": arrays["weights"][:, :2]}),
        ("ridge", lambda arrays: {**arrays, "bias": arrays["bias"] * np.inf}),
        ("ridge", lambda arrays: {"bias": arrays["bias"]}),
        ("patches", lambda arrays: {name: arrays[name] for name in arrays if name != "filters"}),
        ("patches", lambda arrays: {**arrays, "filters": arrays["filters"][:2]}),
        ("patches", lambda arrays: {**arrays, "mean": np.zeros((10**6, 1)), "filters": np.zeros((10**6, 1, 4))}),
        ("patches", lambda arrays: {**arrays, "mean": arrays["mean"][0], "filters": arrays["filters"][0]}),
        ("patches", lambda arrays: {**arrays, "scale": arrays["scale"] * np.nan}),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_one_line(tmp_path, name, change):
    save_pooled(tmp_path / "model.keras", name)
    with_arrays(tmp_path / "model.keras", change)
    assert_one_line(tmp_path / "model.keras", "not a usable model")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("_n_support", np.array([10**6] * CLASSES, np.int32)),
        ("support_vectors_", np.zeros((3, 2))),
        ("_dual_coef_", np.zeros((1, 1))),
        ("_gamma", float("nan")),
        ("kernel", "precomputed"),
        ("classes_", np.array([0, 1, 10**6])),
        ("n_features_in_", 3),
    ],
)
def test_a_machine_whose_arrays_do_not_fit_never_reaches_libsvm(tmp_path, attribute, value):
    path = tmp_path / "model.keras"
    model, _ = save_pooled(path, "svm")
    setattr(model.fitted, attribute, value)
    with_arrays(path, lambda arrays: {**arrays, **networks.get("svm").to_arrays(model.fitted)})
    assert_one_line(path, "not a usable model")


def save_network(path, layers, card=CARD):
    saved_model.save(keras.Sequential([keras.Input((12, 4)), keras.layers.Flatten(), *layers]), card, path)


def test_a_network_that_holds_code_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    save_network(path, [keras.layers.Dense(CLASSES), keras.layers.Lambda(lambda x: x)])
    assert_one_line(path, r"not a usable model: config.json has a part keras.layers.Lambda, which could run code")


def with_config(path, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(change(json.loads(members["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"module": "keras.layers"', '"module": "os"', "config.json has a part os."),
        ('"module": "keras"', '"module": "builtins"', "config.json has a part builtins."),
        (f'"units": {CLASSES}', '"units": 1000000000000', "config.json: units: 1000000000000: expected at most"),
        (f'"units": {CLASSES}', f'"units": {CLASSES + 1}', "Keras cannot load this model"),
        ('"class_name": "Dense"', '"class_name": "Dens"', "Keras cannot load this model"),
        ('"class_name": "Sequential"', '"class_name": "x\\ny"', "Keras cannot load this model"),
    ],
)
def test_a_network_that_is_absurd_is_one_line(tmp_path, old, new, expected):
    path = tmp_path / "model.keras"
    save_network(path, [keras.layers.Dense(CLASSES)])

    def change(config):
        assert old in json.dumps(config)
        return json.loads(json.dumps(config).replace(old, new))

    with_config(path, change)
    assert_one_line(path, expected)


@pytest.mark.parametrize(
    ("layers", "changed", "expected"),
    [
        # 2 ** 18 units after 2 ** 18 are 256 GiB; each of the numbers is one that a network may have.
        (
            [keras.layers.Dense(7), keras.layers.Dense(CLASSES)],
            {'"units": 7': f'"units": {2**18}', "[null, 7]": f"[null, {2**18}]"},
            "Keras cannot load this model: a network of [0-9]+ bytes of parameters, of which the file holds",
        ),
        (
            [keras.layers.RepeatVector(7), keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(CLASSES)],
            {'"n": 7': f'"n": {2**24}'},
            "Keras cannot load this model: layer .* gives 805306368 numbers for a clip; expected at most",
        ),
    ],
)
def test_a_network_that_would_fill_the_memory_is_one_line(tmp_path, monkeypatch, layers, changed, expected):
    path = tmp_path / "model.keras"
    save_network(path, layers)
    text = json.dumps(json.loads(zipfile.ZipFile(path).read("config.json")))
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    with_config(path, lambda config: json.loads(text))
    # If it comes so far, the machine is lost.
    monkeypatch.setattr(keras.saving, "load_model", lambda *args, **named: pytest.fail("the network is made"))
    assert_one_line(path, expected)


@pytest.mark.parametrize(
    ("units", "shape", "expected"),
    [
        (CLASSES + 1, [12, 4], rf"outputs of the shape \({CLASSES + 1},\) for {CLASSES} classes"),
        (CLASSES, [12, 5], r"card: input_shape: \[12, 5\]: expected \[12, 4\], as the network has"),
    ],
)
def test_a_card_of_another_network_is_one_line(tmp_path, units, shape, expected):
    save_network(tmp_path / "model.keras", [keras.layers.Dense(units)], {**CARD, "input_shape": shape})
    assert_one_line(tmp_path / "model.keras", expected)


@pytest.mark.parametrize("name", [name for name in networks.names() if hasattr(networks.get(name), "build")])
def test_every_network_is_loaded(tmp_path, name):
    network = networks.get(name)
    model = network.build((20, 16), CLASSES, {**fields.defaults(network.Params), **SMALL.get(name, {})})
    saved_model.save(model, {**CARD, "model": {"name": name}, "input_shape": [20, 16]}, tmp_path / "model.keras")
    loaded, _ = model_file.load(tmp_path / "model.keras", threads=1)
    x = np.random.default_rng(0).normal(size=(2, 20, 16)).astype(np.float32)
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))
