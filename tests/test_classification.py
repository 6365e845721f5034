"""Measures against plain scikit-learn and numbers computed by hand; weights against repeated rows."""

import math
import warnings

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    label_ranking_average_precision_score,
    log_loss,
    roc_auc_score,
    top_k_accuracy_score,
)

from dawnchorus.metrics import classification


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def some_scores(n_rows, n_classes, seed=0, decimals=None):
    """Return a truth in which every class occurs, and scores that know something of it."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n_rows) % n_classes)
    scores = rng.dirichlet(np.full(n_classes, 0.5), n_rows)
    scores[np.arange(n_rows), truth] += rng.uniform(0, 0.6, n_rows)
    scores /= scores.sum(axis=1, keepdims=True)
    return truth, scores if decimals is None else scores.round(decimals)


def measured(truth, scores, weights=None, top_k=3):
    weights = np.ones((1, len(truth))) if weights is None else weights
    return {name: values[0] for name, values in classification.compute(truth, scores, weights, top_k).items()}


@pytest.mark.parametrize("decimals", [None, 1], ids=["no ties", "many ties"])
@pytest.mark.parametrize("n_classes", [2, 3, 24])
def test_all_are_those_of_scikit_learn(n_classes, decimals):
    truth, scores = some_scores(240, n_classes, decimals=decimals)
    one_hot = np.eye(n_classes)[truth]
    found = measured(truth, scores)
    # RFCX weighs each clip by its number of labels.
    weights = one_hot.sum(axis=1)
    lwlrap = label_ranking_average_precision_score(one_hot, scores, sample_weight=weights)
    assert found["lwlrap"] == pytest.approx(lwlrap)
    assert found["macro_average_precision"] == pytest.approx(
        np.mean([average_precision_score(one_hot[:, c], scores[:, c]) for c in range(n_classes)])
    )
    assert found["macro_roc_auc"] == pytest.approx(
        np.mean([roc_auc_score(one_hot[:, c], scores[:, c]) for c in range(n_classes)])
    )
    answers = scores.argmax(axis=1)
    assert found["accuracy"] == accuracy_score(truth, answers)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, answers))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, answers, average="macro"))
    if decimals is None:
        if n_classes > 3:
            expected = top_k_accuracy_score(truth, scores, k=3, labels=np.arange(n_classes))
            assert found["top_3_accuracy"] == pytest.approx(expected)
        assert found["loss"] == pytest.approx(log_loss(truth, scores, labels=np.arange(n_classes)))


def test_ranks_by_hand():
    truth = np.array([0, 1, 2, 1])
    scores = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.5, 0.3, 0.2], [0.2, 0.4, 0.4]])
    first, last = classification.ranks_of_truth(truth, scores)
    assert first.tolist() == [1, 2, 3, 1]
    assert last.tolist() == [1, 2, 3, 2]
    found = measured(truth, scores, top_k=2)
    assert found["lwlrap"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert found["top_2_accuracy"] == 3 / 4
    assert measured(truth, scores, top_k=1)["top_1_accuracy"] == measured(truth, scores)["accuracy"] == 2 / 4
    assert measured(truth, scores, top_k=9)["top_9_accuracy"] == 1


def test_average_precision_and_area_by_hand():
    # In order of score: yes, no, yes and no together, no.
    positive = np.array([True, False, True, False, False])
    score = np.array([0.9, 0.8, 0.5, 0.5, 0.1])
    precision, area = classification.average_precision_and_roc_auc(positive, score, np.ones((1, 5)))
    assert precision[0] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 4)
    assert area[0] == pytest.approx((3 + 1 + 1 / 2) / 6)


@pytest.mark.parametrize("decimals", [None, 1], ids=["no ties", "many ties"])
def test_a_weight_is_a_row_that_comes_so_often(decimals):
    truth, scores = some_scores(60, 5, seed=1, decimals=decimals)
    weights = np.random.default_rng(2).integers(0, 4, size=(7, 60))
    found = classification.compute(truth, scores, weights, 2)
    for draw, weight in enumerate(weights):
        rows = np.repeat(np.arange(60), weight)
        for name, value in measured(truth[rows], scores[rows], top_k=2).items():
            assert found[name][draw] == pytest.approx(value, rel=1e-12), name


def test_a_class_missing_from_a_draw_is_left_out_of_that_draw():
    truth, scores = some_scores(30, 3, seed=3)
    weights = np.stack([np.ones(30), truth != 2, truth == 1, np.zeros(30)]).astype(int)
    found = classification.compute(truth, scores, weights, 1)
    two = truth != 2
    expected = [average_precision_score(truth[two] == c, scores[two, c]) for c in (0, 1)]
    assert found["macro_average_precision"][1] == pytest.approx(np.mean(expected))
    for name, values in found.items():
        assert np.isfinite(values[:2]).all(), name
        assert np.isnan(values[3]), name
    # A single class can be right or wrong, but nothing else is there to rank it against.
    assert found["accuracy"][2] == found["balanced_accuracy"][2]
    assert np.isnan(found["macro_average_precision"][2])
    assert np.isnan(found["macro_roc_auc"][2])


def test_draws_in_pieces_are_those_of_the_whole(monkeypatch):
    truth, scores = some_scores(40, 4)
    weights = np.random.default_rng(0).integers(0, 3, size=(23, 40))
    whole = classification.compute(truth, scores, weights, 3)
    monkeypatch.setattr(classification, "CHUNK", 200)
    pieces = classification.compute(truth, scores, weights, 3)
    for name in classification.names(3):
        np.testing.assert_array_equal(whole[name], pieces[name])


def test_loss_is_clipped_so_that_a_certain_mistake_is_finite():
    scores = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
    loss = measured(np.array([0, 1]), scores)["loss"]
    assert loss == pytest.approx((-math.log(1 - 1e-7) - math.log(1e-7)) / 2)
