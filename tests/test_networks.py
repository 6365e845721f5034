"""The registry, and every network of Keras: trained, saved, and padded further."""

from functools import cache

import keras
import numpy as np
import pytest

from dawnchorus import networks
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import training
from training_clips import CLASSES, FEATURES, FRAMES, TRAIN, clips

SMALL = {
    "lstm": {"units": 6, "bidirectional": False, "dropout": 0.2},
    "gru": {"units": 6, "bidirectional": True, "dropout": 0.2},
    "cnn": {"widths": [4, 8], "position": True, "contrast": True, "dropout": 0.2},
    "crnn": {"widths": [4], "position": True, "contrast": False, "dropout": 0.2, "units": 5, "pooling": "attention"},
    "simplest_lstm": {"units": 6},
    "article": {"units": 6, "dense": [5, 4], "dropout": [0.2, 0.0, 0.4]},
}


@cache
def trained(name):
    """Return a network of :data:`SMALL` and its history: trained once for all tests, which takes seconds."""
    x, y, _ = clips()
    keras.utils.set_random_seed(1)
    model = networks.get(name).build((FRAMES, FEATURES), CLASSES, SMALL[name])
    params = {**TRAIN, "epochs": 8, "learning_rate": 0.02}
    return model, training.fit(model, x, y, np.arange(60), np.arange(0), params, 5, lambda text: None)


@pytest.mark.parametrize("name", SMALL)
def test_every_network_gives_scores_learns_and_is_a_plain_keras_file(tmp_path, name):
    (model, history), (x, _, _) = trained(name), clips()
    scores = np.asarray(model(x))
    assert scores.shape == (len(x), CLASSES)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert history[-1]["loss"] < history[0]["loss"]
    model.save(tmp_path / "model.keras")
    plain = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(plain(x), scores)


def test_every_network_of_keras_is_tried():
    of_keras = {name for name in networks.names() if hasattr(networks.get(name), "build")}
    assert not of_keras - set(SMALL), f"tests/test_networks.py: SMALL lacks {', '.join(of_keras - set(SMALL))}"
    assert not set(SMALL) - of_keras, f"tests/test_networks.py: SMALL: no network {', '.join(set(SMALL) - of_keras)}"


@pytest.mark.parametrize("name", ["lstm", "gru", "cnn", "crnn"])
def test_a_network_over_time_does_not_see_the_padding(name):
    (model, _), (x, _, _) = trained(name), clips()
    longer = np.zeros((len(x), FRAMES + 8, FEATURES), np.float32)
    longer[:, :FRAMES] = x
    wider = networks.get(name).build((FRAMES + 8, FEATURES), CLASSES, SMALL[name])
    wider.set_weights(model.get_weights())
    np.testing.assert_allclose(wider(longer), model(x), rtol=1e-3, atol=1e-5)


def test_an_unknown_network_names_the_known_ones():
    with pytest.raises(InputError, match="expected one of article, "):
        networks.get("../evil")
