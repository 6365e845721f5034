"""The registry, the training loop and the model file."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight

from dawnchorus import networks
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import model_file, pooled, training

DEFAULT = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())
ALL_OFF = {
    "optimizer": "adam",
    "schedule": "constant",
    "label_smoothing": 0.0,
    "early_stopping_patience": None,
} | dict.fromkeys(("mixup_share", "frequency_masks", "time_masks", "band_shift", "equalizer_gain"), 0)
ALL_OFF["time_stretch"] = 1.0
FRAMES, FEATURES, CLASSES = 12, 5, 3
TRAIN = {**DEFAULT["train"], **ALL_OFF, "epochs": 4, "batch_size": 8, "learning_rate": 0.01}


def clips(n=60, seed=0):
    """Clips of unequal length whose class raises one feature."""
    rng = np.random.default_rng(seed)
    y = rng.integers(CLASSES, size=n)
    x = np.zeros((n, FRAMES, FEATURES), np.float32)
    lengths = rng.integers(4, FRAMES + 1, size=n)
    for row, (label, length) in enumerate(zip(y, lengths, strict=True)):
        x[row, :length] = rng.normal(size=(length, FEATURES))
        x[row, :length, label] += 1.5
    return x, y, lengths


def test_pooling_leaves_the_padding_out():
    x, _, lengths = clips(5)
    expected = [
        np.concatenate([c.mean(0), c.std(0), c.max(0), np.abs(np.diff(c, axis=0)).mean(0)])
        for c in (clip[:n].astype(np.float64) for clip, n in zip(x, lengths, strict=True))
    ]
    np.testing.assert_allclose(pooled.pool(x), expected, rtol=1e-5, atol=1e-6)


def test_a_clip_of_padding_alone_or_of_one_frame_pools_to_numbers():
    x = np.zeros((2, 4, 2), np.float32)
    x[1, 0] = 3
    assert pooled.pool(x).tolist() == [[0] * 8, [3, 3, 0, 0, 3, 3, 0, 0]]


def test_the_svm_decides_as_scikit_learns():
    x, y, _ = clips(80)
    classifier, history = pooled.fit(
        networks.get("svm"), x, y, np.arange(60), np.arange(60, 80), CLASSES, {"model": {"c": 5.0}, "train": TRAIN},
        np.random.default_rng(0), print,
    )  # fmt: skip
    scaler = StandardScaler().fit(pooled.pool(x[:60]))
    machine = SVC(C=5.0, class_weight="balanced").fit(scaler.transform(pooled.pool(x[:60])), y[:60])
    expected = machine.decision_function(scaler.transform(pooled.pool(x[60:])))
    scores = classifier.predict_on_batch(x[60:])
    np.testing.assert_allclose(scores, pooled.softmax(expected), rtol=1e-3, atol=1e-5)
    assert len(history) == 1


def test_logistic_regression_is_scikit_learns_epoch_by_epoch():
    x, y, _ = clips(80)
    block = {"model": {"l2": 0.01}, "train": TRAIN}
    network, rng = networks.get("logistic_regression"), np.random.default_rng(3)
    classifier, history = pooled.fit(network, x, y, np.arange(60), np.arange(60, 80), CLASSES, block, rng, print)
    vectors = StandardScaler().fit(pooled.pool(x[:60])).transform(pooled.pool(x))
    plain = MLPClassifier((), alpha=0.01, batch_size=8, learning_rate_init=0.01,
                          random_state=int(np.random.default_rng(3).integers(2**31)))  # fmt: skip
    for _ in range(4):
        plain.partial_fit(vectors[:60], y[:60], classes=range(CLASSES))
    np.testing.assert_allclose(classifier.predict_on_batch(x[60:]), plain.predict_proba(vectors[60:]), atol=1e-3)
    assert history[-1]["val_loss"] == pytest.approx(log_loss(y[60:], plain.predict_proba(vectors[60:])), rel=1e-2)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]


def test_patience_keeps_the_best_epoch_and_stops():
    class Worsening:
        @staticmethod
        def fit(vectors, y, n_classes, params, train, rng):
            for epoch in range(50):
                yield {"bias": np.array([-abs(epoch - 3.0), 0.0])}

        @staticmethod
        def logits(arrays, vectors, params):
            return np.tile(arrays["bias"], (len(vectors), 1))

    x, y = np.ones((4, 2, 1), np.float32), np.zeros(4, int)
    block = {"model": {}, "train": {**TRAIN, "early_stopping_patience": 2}}
    rng = np.random.default_rng(0)
    kept, history = pooled.fit(Worsening, x, y, np.arange(2), np.arange(2, 4), 2, block, rng, print)
    assert kept.arrays["bias"].tolist() == [0.0, 0.0]
    assert len(history) == 6


def test_batches_read_each_row_once_an_epoch_in_a_new_order():
    x, y, _ = clips(20)
    rows = np.arange(3, 17)
    batches = training.Batches(x, y, rows, 4, TRAIN, seed=0)
    orders = []
    for _ in range(2):
        served = [batches[n] for n in range(len(batches))]
        assert [len(labels) for _, labels, _ in served] == [4, 4, 4, 2]
        got = np.concatenate([values for values, _, _ in served])
        orders.append([int(np.flatnonzero((x == row).all(axis=(1, 2)))[0]) for row in got])
        batches.on_epoch_end()
    assert sorted(orders[0]) == sorted(orders[1]) == list(rows)
    assert orders[0] != orders[1]
    plain = training.Batches(x, y, rows, 4)
    assert np.concatenate([plain[n][1] for n in range(4)]).tolist() == y[rows].tolist()


SMALL = {
    "lstm": {"units": 6, "bidirectional": False, "dropout": 0.2},
    "gru": {"units": 6, "bidirectional": True, "dropout": 0.2},
    "cnn": {"widths": [4, 8], "position": True, "contrast": True, "dropout": 0.2},
    "crnn": {"widths": [4], "position": True, "contrast": False, "dropout": 0.2, "units": 5, "pooling": "attention"},
    "simplest_lstm": {"units": 6},
    "article": {"units": 6, "dense": [5, 4], "dropout": [0.2, 0.0, 0.4]},
}


def fitted(seed=1, name="lstm", **changes):
    x, y, _ = clips()
    keras.utils.set_random_seed(seed)
    model = networks.get(name).build((FRAMES, FEATURES), CLASSES, SMALL[name])
    history = training.fit(model, x, y, np.arange(40), np.arange(40, 60), {**TRAIN, **changes}, 5, lambda text: None)
    return model, history, x


def test_training_is_the_same_for_one_seed_and_learns():
    (model, history, x), (again, same, _), (other, _, _) = fitted(), fitted(), fitted(2)
    assert history == same
    np.testing.assert_array_equal(model.predict_on_batch(x), again.predict_on_batch(x))
    assert np.abs(model.predict_on_batch(x) - other.predict_on_batch(x)).max() > 1e-3
    assert history[-1]["loss"] < history[0]["loss"]


@pytest.mark.parametrize("name", SMALL)
def test_every_network_gives_scores_learns_and_is_a_plain_keras_file(tmp_path, name):
    model, history, x = fitted(name=name, epochs=15)
    scores = model.predict_on_batch(x)
    assert scores.shape == (len(x), CLASSES)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert history[-1]["loss"] < history[0]["loss"]
    model_file.save(model, CARD, tmp_path / "model.keras")
    plain = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(plain.predict_on_batch(x), scores)


def test_every_network_of_keras_is_tried():
    assert set(SMALL) == {name for name in networks.names() if hasattr(networks.get(name), "build")}


@pytest.mark.parametrize("name", ["lstm", "gru", "cnn", "crnn"])
def test_a_network_over_time_does_not_see_the_padding(name):
    model, _, x = fitted(name=name)
    longer = np.zeros((len(x), FRAMES + 8, FEATURES), np.float32)
    longer[:, :FRAMES] = x
    wider = networks.get(name).build((FRAMES + 8, FEATURES), CLASSES, SMALL[name])
    wider.set_weights(model.get_weights())
    np.testing.assert_allclose(wider.predict_on_batch(longer), model.predict_on_batch(x), rtol=1e-3, atol=1e-5)


def test_every_option_of_training_works_together_and_repeats():
    options = {
        "optimizer": "adamw",
        "schedule": "cosine",
        "label_smoothing": 0.1,
        "mixup_share": 0.5,
        "ema_momentum": 0.9,
        "balanced_sampling": True,
        "class_weights": False,
        "frequency_masks": 1,
        "time_masks": 1,
        "time_stretch": 1.1,
        "early_stopping_patience": 50,
        "epochs": 6,
    }
    (model, history, x), (_, again, _) = fitted(**options), fitted(**options)
    assert history == again
    assert history[-1]["learning_rate"] < 0.02 * TRAIN["learning_rate"]
    assert max(row["learning_rate"] for row in history) <= TRAIN["learning_rate"]
    # Kept are the weights of the epoch with the lowest validation loss.
    y = clips()[1][40:]
    smooth = np.eye(CLASSES)[y] * 0.9 + 0.1 / CLASSES
    found = -(smooth * np.log(model.predict_on_batch(x[40:]))).sum(axis=1).mean()
    assert found == pytest.approx(min(row["val_loss"] for row in history), rel=1e-3)


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping_patience": None},
        {"early_stopping_patience": 2, "ema_momentum": 0.9, "optimizer": "adamw", "schedule": "cosine"},
    ],
    ids=["plain", "averaged"],
)
def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, options):
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL_S", 0.0)
    x, y, _ = clips()
    params = {**TRAIN, "epochs": 9, "mixup_share": 0.5, **options}
    said = []

    def run(checkpoint, dies_after=None):
        def say(text):
            said.append(text)
            if dies_after and text.startswith(f"epoch {dies_after}/"):
                raise Killed

        keras.utils.set_random_seed(3)
        model = networks.get("cnn").build((FRAMES, FEATURES), CLASSES, SMALL["cnn"])
        parts = np.arange(40), np.arange(40, 60)
        return model, training.fit(model, x, y, *parts, params, 5, say, checkpoint=checkpoint)

    whole, history = run(None)
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        run((path, "a"), dies_after=4)
    assert path.exists()
    found, same = run((path, "a"))
    assert f"going on after epoch 3, from {path}" in said
    assert same == history
    np.testing.assert_array_equal(found.predict_on_batch(x), whole.predict_on_batch(x))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["of another training", "cut", "text"])
def test_a_checkpoint_that_is_of_no_use_is_left_out_of_account(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL_S", 0.0)
    x, y, _ = clips()
    params, path = {**TRAIN, "epochs": 3, "early_stopping_patience": None}, tmp_path / "checkpoint.npz"

    def run(key, say):
        keras.utils.set_random_seed(3)
        model = networks.get("lstm").build((FRAMES, FEATURES), CLASSES, SMALL["lstm"])
        return training.fit(model, x, y, np.arange(40), np.arange(0), params, 5, say, checkpoint=(path, key))

    def dying(text):
        if text.startswith("epoch 2/"):
            raise Killed

    with pytest.raises(Killed):
        run("a", dying)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "text":
        path.write_text("no arrays")
    said = []
    assert len(run("b" if damage == "of another training" else "a", said.append)) == 3
    assert not any("going on" in text for text in said)


def test_clips_that_are_drawn_anew_take_the_place_of_those_in_the_array():
    x, y, _ = clips(20)
    rows = np.array([3, 7, 11, 15])
    batches = training.Batches(x, y, rows, 4, TRAIN, 0, lambda place, rng: np.full((FRAMES, FEATURES), place + 1.0))
    served, labels, weights = batches[0]
    assert weights.tolist() == [1] * 4
    assert sorted(served[:, 0, 0].tolist()) == [1, 2, 3, 4]
    assert labels.tolist() == [y[rows[int(place) - 1]] for place in served[:, 0, 0]]


def test_the_loss_is_keras_own_and_of_a_negative_only_its_class():
    rng = np.random.default_rng(0)
    scores, y = rng.dirichlet(np.ones(4), 6).astype(np.float32), np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0, 1]]
    mixed = 0.7 * y + 0.3 * y[::-1]
    for smoothing in (0.0, 0.1):
        for targets in (y, mixed):
            expected = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)(targets, scores)
            np.testing.assert_allclose(training.Loss(smoothing)(targets, scores), expected, rtol=1e-5)
        negative = np.array([[0, 0, -1, 0]], np.float32)
        found = training.Loss(smoothing)(negative, scores[:1])
        np.testing.assert_allclose(found, -np.log(1 - scores[0, 2]), rtol=1e-5)


def test_accuracy_is_that_of_known_species_alone():
    targets = np.array([[1, 0, 0], [0, 0.3, 0.7], [0, -1, 0], [-1, 0, 0]], np.float32)
    scores = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.9, 0, 0.1], [0, 0.9, 0.1]], np.float32)
    metric = training.Accuracy()
    metric.update_state(targets, scores, np.ones(4))
    assert float(metric.result()) == 0.5


def test_negatives_come_with_each_batch_unmixed_each_with_its_class():
    x, y, _ = clips(20)
    # Clip k is full of k, and only the even ones are to be served.
    stored = np.tile(np.arange(5, dtype=np.float32)[:, None, None] + 10, (1, FRAMES, FEATURES))
    class_of = {10: 2, 12: 0, 14: 1}
    negatives = stored.copy(), np.array([0, 2, 4]), np.array([2, 0, 1])
    params = {**TRAIN, "negative_share": 2.0, "mixup_share": 1.0}
    targets = np.eye(CLASSES, dtype=np.float32)[y]
    batches = training.Batches(x, targets, np.arange(20), 8, params, negatives=negatives)
    served, labels, weights = batches[0]
    assert (len(served), len(labels), len(weights)) == (24, 24, 24)
    assert (labels[:8] >= 0).all()
    for clip, label in zip(served[8:], labels[8:], strict=True):
        assert (clip == clip[0, 0]).all()
        assert label.tolist() == [-float(k == class_of[int(clip[0, 0])]) for k in range(CLASSES)]
    assert {int(clip[0, 0]) for clip in served[8:]} == set(class_of)
    np.testing.assert_array_equal(negatives[0], stored)


def test_what_was_checked_not_to_be_a_species_is_learned_and_nothing_else():
    """Clips that look like class 0, checked not to be it: its score falls there, and no other class is named."""
    x, y, _ = clips()
    looks_like_it = x[:40][y[:40] == 0]
    scores = {}
    for given in (False, True):
        keras.utils.set_random_seed(3)
        model = networks.get("lstm").build((FRAMES, FEATURES), CLASSES, SMALL["lstm"])
        n = len(looks_like_it)
        negatives = (looks_like_it, np.arange(n), np.zeros(n, int)) if given else None
        params = {**TRAIN, "epochs": 20, "negative_share": 2.0}
        training.fit(model, x, y, np.arange(40), np.arange(0), params, 5, lambda text: None, negatives=negatives)
        scores[given] = model.predict_on_batch(looks_like_it)[:, 0].mean()
    assert scores[True] < 0.7 * scores[False]


def test_class_weights_count_rare_classes_as_much():
    x, _, _ = clips(40)
    y = np.array([0] * 30 + [1] * 10)
    found = []

    class Spy(training.Batches):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            if self.row_weights is not None:
                found.append(self.row_weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Batches", Spy)
        model = networks.get("lstm").build((FRAMES, FEATURES), CLASSES, SMALL["lstm"])
        params = {**TRAIN, "class_weights": True, "epochs": 1}
        training.fit(model, x, y, np.arange(40), np.arange(0), params, 5, lambda text: None)
    (weights,) = found
    # scikit-learn's "balanced": each class weighs n / classes in all.
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", y), rtol=1e-5)
    batches = training.Batches(x, np.eye(2, dtype=np.float32)[y], np.arange(40), 40, TRAIN, row_weights=weights)
    _, targets, served = batches[0]
    np.testing.assert_allclose(served @ targets, [20, 20], rtol=1e-5)


def a_data_set(folder, negatives=0):
    """Write the files that the stage `model` reads: 60 clips that jitter, backgrounds, and negatives of class 1."""
    x, y, _ = clips()
    rng = np.random.default_rng(0)
    block = {"kind": "log_mel", "deltas": 0, "clip": "window", "window_s": 1.0, "jitter_s": 0.1, "context_clips": 1}
    statistics = {"normalization": "none", "clip_normalization": "standard", "padding": "right", "offset": [0.0],
                  "scale": [1.0], "frames": FRAMES, "features": block}  # fmt: skip
    parts = np.repeat(["train", "validation"], [40, 20])
    tables = {
        "rows": [("class_index", "partition"), *zip(y, parts, strict=True)],
        "classes": [
            ("class_index", "species_id", "species_name"),
            *((k, f"s{k}", f"bird {k}") for k in range(CLASSES)),
        ],
        "training_rows": [("n_frames", "first_start", "last_start"), *[(FRAMES, 0, 2)] * 40],
        "context_rows": [("partition", "n_frames"), ("train", FRAMES), ("test", FRAMES)],
        "negative_rows": [("class_index", "partition"), *[(1, "train"), (0, "test")] * negatives],
    }
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    (folder / "statistics.json").write_text(json.dumps(statistics))
    np.save(folder / "x.npy", x)
    np.save(folder / "training.npy", np.concatenate([x[:40], x[:40, :3]], axis=1))
    np.save(folder / "context.npy", rng.normal(size=(2, FRAMES, FEATURES)).astype(np.float32))
    np.save(folder / "negatives.npy", rng.normal(size=(2 * negatives, FRAMES, FEATURES)).astype(np.float32))
    train = {**DEFAULT["train"], "epochs": 3, "background_share": 0.5}
    return {"seed": 1, "model": {"name": "cnn", **SMALL["cnn"]}, "train": train}


@pytest.mark.parametrize("negatives", [0, 3])
def test_stage_trains_on_all_that_the_data_set_has_and_saves_the_network_alone(
    tmp_path, capsys, monkeypatch, negatives
):
    from dawnchorus.learning import device
    from dawnchorus.stages import model as stage

    # TensorFlow takes its number of threads once a process.
    monkeypatch.setattr(device, "prepare", lambda seed, threads: keras.utils.set_random_seed(seed) or "CPU")
    (tmp_path / "data").mkdir()
    params = a_data_set(tmp_path / "data", negatives)
    words = ["--dataset", str(tmp_path / "data"), "--params", json.dumps(params), "--threads", "1", "--output"]
    for name in ("a", "b"):
        stage.main([*words, str(tmp_path / name)])
    assert ("3 clips that were checked not to hold a species" in capsys.readouterr().out) == (negatives == 3)
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"model.keras", "history.csv", "classes.csv"}
    assert (tmp_path / "a/history.csv").read_text() == (tmp_path / "b/history.csv").read_text()
    plain = keras.saving.load_model(tmp_path / "a/model.keras")
    assert getattr(plain, "optimizer", None) is None
    found, card = model_file.load(tmp_path / "a/model.keras", 1)
    x = np.load(tmp_path / "data/x.npy")
    np.testing.assert_array_equal(found.predict_on_batch(x), plain.predict_on_batch(x))
    assert card["epochs_trained"] == 3


def test_half_precision_is_used_while_training_and_not_in_what_is_saved(tmp_path, monkeypatch):
    from dawnchorus.learning import device
    from dawnchorus.stages import model as stage

    policies = []
    fit = training.fit
    monkeypatch.setattr(device, "prepare", lambda seed, threads: "GPU: pretended")
    monkeypatch.setattr(training, "fit", lambda *args: policies.append(args[0].layers[-2].compute_dtype) or fit(*args))
    (tmp_path / "data").mkdir()
    params = a_data_set(tmp_path / "data")
    words = ["--dataset", str(tmp_path / "data"), "--threads", "1", "--output", str(tmp_path / "out"), "--params"]
    for mixed in (True, False):
        params["train"]["mixed_precision"] = mixed
        stage.main([*words, json.dumps(params)])
        saved = keras.saving.load_model(tmp_path / "out/model.keras")
        assert {layer.compute_dtype for layer in saved.layers} == {"float32"}
    assert policies == ["float16", "float32"]
    assert keras.config.dtype_policy().name == "float32"


def test_balanced_sampling_serves_rare_classes_as_often():
    y = np.array([0] * 90 + [1] * 10)
    x = np.zeros((100, 1, 1), np.float32)
    batches = training.Batches(x, y, np.arange(100), 100, {**TRAIN, "balanced_sampling": True})
    counts = np.zeros(2)
    for _ in range(30):
        counts += np.bincount(batches[0][1], minlength=2)
        batches.on_epoch_end()
    assert counts[1] / counts.sum() == pytest.approx(0.5, abs=0.05)


def test_augmentation_never_writes_into_the_data_set():
    x, y, _ = clips()
    before = x.copy()
    batches = training.Batches(x, np.eye(CLASSES, dtype=np.float32)[y], np.arange(60), 16, DEFAULT["train"])
    changed = [batches[n][0] for n in range(len(batches))]
    np.testing.assert_array_equal(x, before)
    assert (np.concatenate(changed) != 0).any()


CARD = {"classes": [{"class_index": "0", "species_id": "7", "species_name": "<b>owl</b>"}] * CLASSES}


def test_a_model_file_gives_back_the_model_and_all_it_was_trained_with(tmp_path):
    model, _, x = fitted()
    path = tmp_path / "model.keras"
    model_file.save(model, {**CARD, "train": TRAIN}, path)
    card = model_file.read_card(path)
    assert card["train"] == TRAIN
    assert card["classes"] == CARD["classes"]
    # A plain Keras file, for anybody's Keras.
    plain = keras.saving.load_model(path, compile=False, safe_mode=True)
    np.testing.assert_array_equal(plain.predict_on_batch(x), model.predict_on_batch(x))


def test_a_pooled_model_file_gives_back_the_same_scores(tmp_path):
    x, y, _ = clips()
    block = {"model": {"name": "svm", "c": 5.0}, "train": TRAIN}
    rng = np.random.default_rng(0)
    model, _ = pooled.fit(networks.get("svm"), x, y, np.arange(40), np.arange(40, 60), CLASSES, block, rng, print)
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


def test_an_unknown_network_names_the_known_ones():
    with pytest.raises(InputError, match="expected one of article, "):
        networks.get("../evil")
