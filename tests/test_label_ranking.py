"""LWLRAP of recordings with any number of species: scikit-learn's, by hand, and in draws."""

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score

from dawnchorus.metrics import classification, label_ranking


@pytest.mark.parametrize("seed", range(5))
def test_it_is_that_of_scikit_learn_with_labels_as_weights(seed):
    rng = np.random.default_rng(seed)
    # Few distinct scores, so that many are equal.
    present, scores = rng.random((40, 6)) < 0.3, rng.random((40, 6)).round(1)
    weights = rng.integers(0, 3, (4, 40))
    wanted = [label_ranking_average_precision_score(present, scores, sample_weight=w * present.sum(1)) for w in weights]
    np.testing.assert_allclose(label_ranking.lwlrap(present, scores, weights), wanted)


def test_by_hand_and_without_a_label():
    present = np.array([[True, False, True], [False, False, False]])
    scores = np.array([[0.9, 0.5, 0.1], [0.3, 0.2, 0.1]])
    # The first is ahead of all, the other third with two of three right.
    found = label_ranking.lwlrap(present, scores, np.array([[1, 1], [0, 1]]))
    assert found[0] == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(found[1])


def test_of_one_class_a_row_it_is_that_of_clips():
    rng = np.random.default_rng(1)
    true, scores = rng.integers(0, 4, 30), rng.random((30, 4))
    wanted = classification.compute(true, scores, np.ones((1, 30)), 2)["lwlrap"]
    np.testing.assert_allclose(label_ranking.lwlrap(np.eye(4, dtype=bool)[true], scores, np.ones((1, 30))), wanted)
