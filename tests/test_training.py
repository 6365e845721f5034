"""The training loop: batches, the loss, its options together, and a training that is killed and resumed."""

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from dawnchorus.learning import device, drawing, training
from training_clips import CLASSES, DEFAULT, FEATURES, FRAMES, TRAIN, clips, tiny_network


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
    other = training.Batches(x, y, rows, 4, TRAIN, seed=1)
    assert other.served.tolist() != training.Batches(x, y, rows, 4, TRAIN, seed=0).served.tolist()
    plain = training.Batches(x, y, rows, 4)
    assert np.concatenate([plain[n][1] for n in range(4)]).tolist() == y[rows].tolist()


def fitted(seed=1, threads=1, **changes):
    x, y, _ = clips()
    model = tiny_network(seed)
    parts, params = (np.arange(40), np.arange(40, 60)), {**TRAIN, **changes}
    return model, training.fit(model, x, y, *parts, params, 5, lambda text: None, threads=threads), x


def test_training_is_the_same_for_one_seed_and_learns(eager):
    (model, history, x), (again, same, _) = fitted(epochs=2), fitted(epochs=2)
    assert history == same
    np.testing.assert_array_equal(model(x), again(x))
    assert history[-1]["loss"] < history[0]["loss"]


def test_batches_drawn_ahead_by_several_threads_are_the_same():
    (model, history, x), (ahead, same, _) = fitted(epochs=3), fitted(epochs=3, threads=3)
    assert history == same
    np.testing.assert_array_equal(model(x), ahead(x))


def test_what_was_drawn_ahead_for_an_epoch_is_not_served_in_the_next():
    epoch = [0]
    ahead = drawing.Ahead(lambda number: (epoch[0], number), 5, 2)
    assert [ahead.batch(number) for number in range(3)] == [(0, 0), (0, 1), (0, 2)]
    epoch[0] = 1
    ahead.restart()
    assert [ahead.batch(number) for number in (0, 0, *range(5))] == [(1, 0), (1, 0), *((1, n) for n in range(5))]


def test_batches_are_drawn_ahead_where_a_gpu_computes():
    assert device.drawing_threads("GPU: NVIDIA H200", 8) == 8
    assert device.drawing_threads(device.prepare(0, 8), 8) == 1


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
        "epochs": 4,
    }
    (model, history, x), (_, again, _) = fitted(**options), fitted(**options)
    assert history == again
    assert history[-1]["learning_rate"] < 0.02 * TRAIN["learning_rate"]
    assert max(row["learning_rate"] for row in history) <= TRAIN["learning_rate"]
    # Kept are the weights of the epoch with the lowest validation loss.
    y = clips()[1][40:]
    smooth = np.eye(CLASSES)[y] * 0.9 + 0.1 / CLASSES
    found = -(smooth * np.log(model(x[40:]))).sum(axis=1).mean()
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
def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, options, eager):
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL_S", 0.0)
    x, y, _ = clips()
    params = {**TRAIN, "epochs": 5, "mixup_share": 0.5, **options}
    said = []

    def run(checkpoint, dies_after=None):
        def say(text):
            said.append(text)
            if dies_after and text.startswith(f"epoch {dies_after}/"):
                raise Killed

        model = tiny_network(3)
        parts = np.arange(40), np.arange(40, 60)
        return model, training.fit(model, x, y, *parts, params, 5, say, checkpoint=checkpoint)

    whole, history = run(None)
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        run((path, "a"), dies_after=3)
    assert path.exists()
    found, same = run((path, "a"))
    assert f"resuming after epoch 2, from {path}" in said
    assert same == history
    np.testing.assert_array_equal(found(x), whole(x))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_is_of_no_use_is_ignored(tmp_path, monkeypatch, eager):
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL_S", 0.0)
    (x, y, _), model, path = clips(), tiny_network(), tmp_path / "checkpoint.npz"

    def dying(text):
        if text.startswith("epoch 2/"):
            raise Killed

    with pytest.raises(Killed):
        training.fit(model, x, y, np.arange(40), np.arange(0), TRAIN, 5, dying, checkpoint=(path, "a"))

    def resumed_at(key):
        report = training.Report(4, print)
        epoch = training.Checkpoint(path, key, report, None).restore(model)
        assert len(report.rows) == epoch
        return epoch

    assert (resumed_at("a"), resumed_at("of another training")) == (1, 0)
    whole = path.read_bytes()
    for damaged in (whole[:-100], b"no arrays", b""):
        path.write_bytes(damaged)
        assert resumed_at("a") == 0
    path.unlink()
    assert resumed_at("a") == 0


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


def test_what_was_checked_not_to_be_a_species_is_learned_and_nothing_else(eager):
    """Clips that look like class 0, checked not to be it: its score falls there, and no other class is named."""
    x, y, _ = clips()
    looks_like_it = x[:40][y[:40] == 0]
    n, scores = len(looks_like_it), {}
    for given in (False, True):
        model = tiny_network(3)
        negatives = (looks_like_it, np.arange(n), np.zeros(n, int)) if given else None
        params = {**TRAIN, "epochs": 6, "negative_share": 2.0, "learning_rate": 0.03}
        training.fit(model, x, y, np.arange(40), np.arange(0), params, 5, lambda text: None, negatives=negatives)
        scores[given] = np.asarray(model(looks_like_it))[:, 0].mean()
    assert scores[True] < 0.7 * scores[False]


def test_class_weights_count_rare_classes_as_much(eager):
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
        params = {**TRAIN, "class_weights": True, "epochs": 1}
        training.fit(tiny_network(), x, y, np.arange(40), np.arange(0), params, 5, lambda text: None)
    (weights,) = found
    # scikit-learn's "balanced": each class weighs n / classes in all.
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", y), rtol=1e-5)
    batches = training.Batches(x, np.eye(2, dtype=np.float32)[y], np.arange(40), 40, TRAIN, row_weights=weights)
    _, targets, served = batches[0]
    np.testing.assert_allclose(served @ targets, [20, 20], rtol=1e-5)


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


def test_weight_decay_spares_biases_and_normalization():
    """With gradients of 0 decay alone moves a weight: by the rate times the decay, each step."""
    model = tiny_network()
    for weight in model.trainable_variables:
        weight.assign(np.full(weight.shape, 2.0))
    params = {**TRAIN, "optimizer": "adamw", "weight_decay": 0.1, "learning_rate": 0.5}
    made = training.optimizer(params, 1)
    made.build(model.trainable_variables)
    made.apply([np.zeros(weight.shape, np.float32) for weight in model.trainable_variables])
    found = {weight.name: np.unique(weight.numpy()).tolist() for weight in model.trainable_variables}
    assert found == {"gamma": [2], "beta": [2], "kernel": [pytest.approx(2 * (1 - 0.5 * 0.1))], "bias": [2]}
