"""The model file: what goes in comes out, nothing in it is run, and what is no model is one clear line."""

import json
import zipfile

import keras
import numpy as np
import pytest

from dawnchorus import networks
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import model_file, pooled
from training_clips import CLASSES, TRAIN, clips, tiny_network

CARD = {"classes": [{"class_index": 0, "species_id": "7", "species_name": "<b>owl</b>"}] * CLASSES}


def test_a_model_file_gives_back_the_model_and_all_it_was_trained_with(tmp_path):
    model, (x, _, _) = tiny_network(), clips()
    path = tmp_path / "model.keras"
    model_file.save(model, {**CARD, "train": TRAIN}, path)
    card = model_file.read_card(path)
    assert card["train"] == TRAIN
    assert card["classes"] == CARD["classes"]
    # A plain Keras file, for anybody's Keras.
    plain = keras.saving.load_model(path, compile=False, safe_mode=True)
    np.testing.assert_array_equal(plain(x), model(x))


@pytest.mark.parametrize("block", [{"name": "svm", "c": 5.0}, {"name": "logistic_regression", "l2": 0.01}])
def test_a_pooled_model_file_gives_back_the_same_scores(tmp_path, block):
    x, y, _ = clips()
    block, name = {"model": block, "train": TRAIN}, block["name"]
    rng = np.random.default_rng(0)
    model, _ = pooled.fit(networks.get(name), x, y, np.arange(40), np.arange(40, 60), CLASSES, block, rng, print)
    model_file.save(model, {**CARD, **block}, tmp_path / "model.keras")
    loaded, _ = model_file.load(tmp_path / "model.keras", threads=1)
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file"),
        (b"", "not a model made by dawnchorus"),
        (b"PK\x03\x04 half", "not a model made by dawnchorus"),
        ({"dawnchorus.json": "[]"}, "model format None; expected 1"),
        ({"dawnchorus.json": '{"format": 99}'}, "model format 99; expected 1"),
        ({"config.json": "{}"}, "not a model made by dawnchorus"),
        (
            {"dawnchorus.json": '{"format": 1, "classes": [], "model": {"name": "svm"}}', "arrays.npz": "x"},
            "not a usable",
        ),
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
    with pytest.raises(InputError, match=expected) as caught:
        model_file.load(path, threads=1)
    assert "\n" not in str(caught.value)


def test_arrays_that_are_pickles_are_refused(tmp_path):
    path = tmp_path / "model.keras"
    evil = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "arrays.npz", weights=evil)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "arrays.npz", "arrays.npz")
        card = {"format": 1, "classes": [], "model": {"name": "svm", "c": 1.0}}
        archive.writestr("dawnchorus.json", json.dumps(card))
    with pytest.raises(InputError, match="not a usable model"):
        model_file.load(path, threads=1)
