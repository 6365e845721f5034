"""Clips pooled over time, and the classifiers on such vectors, beside scikit-learn called plainly."""

import io
import json
import zipfile

import numpy as np
import pytest
from scipy.special import logit, softmax
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from dawnchorus import networks
from dawnchorus.learning import pooled
from dawnchorus.networks import _ridge
from training_clips import CLASSES, TRAIN, clips


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


def test_columns_are_standardized_as_the_formula_says():
    vectors = np.random.default_rng(0).normal(-40, [1.0, 8.0, 0.0], (50, 3)).astype(np.float32)
    found = pooled.standardizer(vectors)
    exact = vectors.astype(np.float64)
    np.testing.assert_allclose(found["offset"], exact.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["scale"], [*exact.std(axis=0)[:2], 1], rtol=1e-6)
    assert found["offset"].dtype == found["scale"].dtype == np.float32


def machine_on(x, y, rows, n_classes=CLASSES):
    block = {"model": {"name": "svm", "c": 5.0}, "train": TRAIN}
    rng = np.random.default_rng(0)
    return pooled.fit(networks.get("svm"), x, y, rows, rows[:0], n_classes, block, rng, print)


def test_the_svm_decides_as_scikit_learns():
    x, y, _ = clips(80)
    classifier, history = machine_on(x, y, np.arange(60))
    scaler = StandardScaler().fit(pooled.pool(x[:60]))
    machine = SVC(C=5.0, class_weight="balanced").fit(scaler.transform(pooled.pool(x[:60])), y[:60])
    expected = machine.decision_function(scaler.transform(pooled.pool(x[60:])))
    scores = classifier.predict_on_batch(x[60:])
    np.testing.assert_allclose(scores, softmax(expected, axis=1), rtol=1e-4, atol=1e-6)
    assert len(history) == 1


def test_an_svm_of_two_classes_out_of_four_names_these_two():
    x, y, _ = clips(80)
    rows = np.flatnonzero(y != 1)
    classifier, _ = machine_on(x, y, rows[:40], n_classes=4)
    scores = classifier.predict_on_batch(x[rows[40:]])
    vectors = StandardScaler().fit(pooled.pool(x[rows[:40]]))
    machine = SVC(C=5.0, class_weight="balanced").fit(vectors.transform(pooled.pool(x[rows[:40]])), y[rows[:40]])
    expected = machine.predict(vectors.transform(pooled.pool(x[rows[40:]])))
    assert scores.shape == (len(rows) - 40, 4)
    assert scores.argmax(axis=1).tolist() == expected.tolist()
    np.testing.assert_array_equal(scores[:, 1], scores[:, 3])
    assert (scores[:, [1, 3]].max(axis=1) < scores[:, [0, 2]].min(axis=1)).all()


def test_a_saved_svm_is_the_machine_itself_and_nothing_else_is_loaded():
    x, y, _ = clips()
    svm = networks.get("svm")
    classifier, _ = machine_on(x, y, np.arange(60))
    arrays = svm.to_arrays(classifier.fitted)
    vectors = pooled.pool(x)
    np.testing.assert_array_equal(
        svm.of_arrays(arrays).decision_function(vectors), classifier.fitted.decision_function(vectors)
    )

    def changed(old, new):
        content = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(arrays["machine"].tobytes())) as source, zipfile.ZipFile(content, "w") as copy:
            for name in source.namelist():
                copy.writestr(name, source.read(name).replace(old, new) if name == "schema.json" else source.read(name))
        return {"machine": np.frombuffer(content.getvalue(), np.uint8)}

    with pytest.raises(ValueError, match=r"it holds os\.SVC; expected the parts of a support vector machine alone"):
        svm.of_arrays(changed(b'"sklearn.svm._classes"', b'"os"'))
    schema = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {}, "key_types": None}
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        empty = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}
        archive.writestr("schema.json", json.dumps({**schema, "key_types": empty, "protocol": 2}))
    with pytest.raises(ValueError, match="dict: expected a support vector machine"):
        svm.of_arrays({"machine": np.frombuffer(file.getvalue(), np.uint8)})


def test_logistic_regression_is_scikit_learns_epoch_by_epoch():
    x, y, _ = clips(80)
    block = {"model": {"l2": 0.01}, "train": TRAIN}
    network, rng = networks.get("logistic_regression"), np.random.default_rng(3)
    classifier, history = pooled.fit(network, x, y, np.arange(60), np.arange(60, 80), CLASSES, block, rng, print)
    vectors = StandardScaler().fit(pooled.pool(x[:60])).transform(pooled.pool(x))
    plain = MLPClassifier((), alpha=0.01, batch_size=20, learning_rate_init=0.01,
                          random_state=int(np.random.default_rng(3).integers(2**31)))  # fmt: skip
    for _ in range(4):
        plain.partial_fit(vectors[:60], y[:60], classes=range(CLASSES))
    np.testing.assert_allclose(classifier.predict_on_batch(x[60:]), plain.predict_proba(vectors[60:]), atol=1e-3)
    assert history[-1]["val_loss"] == pytest.approx(log_loss(y[60:], plain.predict_proba(vectors[60:])), rel=1e-2)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]


RIDGE = networks.get("ridge")


def test_a_ridge_takes_the_roots_of_the_mean_of_a_clips_windows():
    # Windows 1, 2, 3 of which the first and the last stand for several frames, and padding.
    windows = np.array([[1.0, -4.0, 0.0], [4.0, -4.0, 0.0], [7.0, 2.0, 0.0]], np.float32)
    x = np.zeros((3, 7, 3), np.float32)
    x[0, :6] = windows[[0, 0, 0, 1, 2, 2]]
    x[1, :1] = [9.0, -16.0, 0.0]
    found = RIDGE.vectors(x)
    np.testing.assert_allclose(found[0], np.array([2.0, -(2.0**0.5), 0.0]) / 6**0.5, rtol=1e-6)  # of the mean 4, -2, 0
    np.testing.assert_allclose(found[1], [0.6, -0.8, 0.0], rtol=1e-6)
    assert found[2].tolist() == [0, 0, 0]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(RIDGE.vectors(np.pad(x, ((0, 0), (0, 5), (0, 0)))), found)
    # How loud a model's values are does not matter.
    np.testing.assert_allclose(RIDGE.vectors(100 * x), found, rtol=1e-6)


def ridge_on(x, y, rows, l2, n_classes=CLASSES):
    block = {"model": {"name": "ridge", "l2": l2}, "train": TRAIN}
    made, history = pooled.fit(RIDGE, x, y, rows, rows[:0], n_classes, block, np.random.default_rng(0), print)
    assert len(history) == 1
    return made


def test_the_ridge_is_scikit_learns_on_targets_of_one_and_minus_one():
    x, y, _ = clips(80)
    vectors = RIDGE.vectors(x)
    scores = ridge_on(x, y, np.arange(60), 0.3).predict_on_batch(x[60:])
    plain = Ridge(alpha=0.3, solver="cholesky").fit(vectors[:60], np.where(y[:60, None] == range(CLASSES), 1, -1))
    fitted = plain.predict(vectors[60:])
    # Scores are a softmax of a multiple of the fitted values: differences of logarithms are that many times as large.
    logarithms = np.log(scores.astype(np.float64))
    found, expected = (values - values[:, :1] for values in (logarithms, fitted))
    factor = found[:, 1:] / expected[:, 1:]
    np.testing.assert_allclose(factor, np.median(factor), rtol=1e-3)
    assert min(abs(np.median(factor) - np.array(_ridge.FACTORS))) < 1e-3


@pytest.mark.parametrize("l2", [None, 0.05])
@pytest.mark.parametrize("n", [14, 50])
def test_strength_and_factor_are_the_best_for_rows_that_are_left_out(l2, n):
    """Each row is left out by fitting without it, plainly."""
    x, y, _ = clips(n, seed=4)
    vectors, targets = RIDGE.vectors(x).astype(np.float64), np.where(y[:, None] == range(CLASSES), 1.0, -1.0)
    loss = {}
    for strength in _ridge.STRENGTHS if l2 is None else [l2]:
        without = np.zeros((n, CLASSES))
        for row in range(n):
            others = np.arange(n) != row
            plain = Ridge(alpha=strength, solver="cholesky").fit(vectors[others], targets[others])
            without[row] = plain.predict(vectors[[row]])[0]
        loss |= {(strength, factor): log_loss(y, softmax(factor * without, axis=1)) for factor in _ridge.FACTORS}
    strength, factor = min(loss, key=loss.__getitem__)
    [fitted] = RIDGE.fit(vectors, y, CLASSES, {"l2": l2}, TRAIN, None)
    whole = Ridge(alpha=strength, solver="cholesky").fit(vectors, targets)
    np.testing.assert_allclose(fitted["weights"], factor * whole.coef_.T, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted["bias"], factor * whole.intercept_, rtol=1e-6, atol=1e-9)


def test_sound_without_a_call_is_a_row_that_is_of_no_class():
    x, y, _ = clips(40)
    background = clips(12, seed=9)[0]
    block = {"model": {"name": "ridge", "l2": 0.2}, "train": TRAIN}
    parts = np.arange(30), np.arange(0)
    made, _ = pooled.fit(RIDGE, x, y, *parts, CLASSES, block, np.random.default_rng(0), print, background)
    vectors = RIDGE.vectors(np.concatenate([x[:30], background])).astype(np.float64)
    targets = np.concatenate([np.where(y[:30, None] == range(CLASSES), 1.0, -1.0), np.full((12, CLASSES), -1.0)])
    plain = Ridge(alpha=0.2, solver="cholesky").fit(vectors, targets)
    loss = {}
    for factor in _ridge.FACTORS:
        without = np.zeros((30, CLASSES))
        for row in range(30):
            others = np.arange(42) != row
            left = Ridge(alpha=0.2, solver="cholesky").fit(vectors[others], targets[others])
            without[row] = left.predict(vectors[[row]])[0]
        loss[factor] = log_loss(y[:30], softmax(factor * without, axis=1))
    factor = min(loss, key=loss.__getitem__)
    np.testing.assert_allclose(made.fitted["weights"], factor * plain.coef_.T, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(made.fitted["bias"], factor * plain.intercept_, rtol=1e-5, atol=1e-7)


def test_a_ridge_of_one_row_a_class_has_nothing_to_leave_out():
    x, y, _ = clips(60)
    rows = np.array([np.flatnonzero(y == label)[0] for label in range(CLASSES)])
    scores = ridge_on(x, y, rows, None, n_classes=CLASSES + 1).predict_on_batch(x)
    assert scores.argmax(axis=1)[rows].tolist() == [0, 1, 2]
    assert (scores[:, CLASSES] < scores.max(axis=1)).all()
    plain = Ridge(alpha=_ridge.STRENGTH).fit(RIDGE.vectors(x[rows]), 2 * np.eye(CLASSES) - 1)
    assert scores[:, :CLASSES].argmax(axis=1).tolist() == plain.predict(RIDGE.vectors(x)).argmax(axis=1).tolist()


MLP = networks.get("mlp")


@pytest.mark.parametrize("n_classes", [CLASSES, 2, 1])
def test_an_mlp_is_the_mean_of_networks_of_scikit_learns_epoch_by_epoch(n_classes):
    x, y, _ = clips(80)
    y = np.minimum(y, n_classes - 1)
    background = clips(12, seed=9)[0]
    block = {"model": {"units": 6, "l2": 0.01, "members": 2}, "train": TRAIN}
    rows, rng = np.arange(60), np.random.default_rng(3)
    made, history = pooled.fit(MLP, x, y, rows, np.arange(60, 80), n_classes, block, rng, print, background)
    vectors = MLP.vectors(np.concatenate([x[:60], background])) * np.sqrt(x.shape[2])
    # Of one class scikit-learn takes none: there is a second that never calls.
    targets = np.zeros((72, max(2, n_classes)), int)
    targets[rows, y[:60]] = 1
    seeds = np.random.default_rng(3)
    odds = []
    for _ in range(2):
        plain = MLPClassifier((6,), alpha=0.01, batch_size=20, learning_rate_init=0.01,
                              random_state=int(seeds.integers(2**31)))  # fmt: skip
        for _ in range(4):
            plain.partial_fit(vectors, targets, classes=np.arange(targets.shape[1]))
        odds.append(logit(plain.predict_proba(MLP.vectors(x[60:]) * np.sqrt(x.shape[2]))))
    expected = np.mean(odds, axis=0)[:, :n_classes]
    np.testing.assert_allclose(MLP.logits(made.fitted, MLP.vectors(x[60:]), n_classes), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(made.predict_on_batch(x[60:]), softmax(expected, axis=1), atol=1e-3)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    again = pooled.Classifier.of_arrays(MLP, made.arrays(), n_classes)
    np.testing.assert_array_equal(again.predict_on_batch(x), made.predict_on_batch(x))


@pytest.mark.parametrize(
    ("n_validation", "patience", "expected"),
    [(2, 2, (6, 0.0)), (2, None, (9, -5.0)), (0, 2, (9, -5.0))],
    ids=["patience", "no patience", "no validation rows"],
)
def test_patience_keeps_the_best_epoch_where_there_is_one(n_validation, patience, expected):
    """Best is the fourth of nine epochs."""

    class Worsening:
        @staticmethod
        def fit(vectors, y, n_classes, params, train, rng):
            for epoch in range(9):
                yield {"bias": np.array([-abs(epoch - 3.0), 0.0])}

        @staticmethod
        def logits(arrays, vectors, n_classes):
            return np.tile(arrays["bias"], (len(vectors), 1))

    x, y = np.ones((4, 2, 1), np.float32), np.zeros(4, int)
    block = {"model": {}, "train": {**TRAIN, "early_stopping_patience": patience}}
    parts = np.arange(2), np.arange(2, 2 + n_validation)
    kept, history = pooled.fit(Worsening, x, y, *parts, 2, block, np.random.default_rng(0), print)
    assert (len(history), kept.fitted["bias"][0]) == expected
