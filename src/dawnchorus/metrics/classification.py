"""Metrics of scores against the truth, each row counted as often as its weight says.

One set of weights, all 1, gives the metrics themselves; many sets, one for each draw, give their bootstrap.

Everywhere: ``true_index`` (rows,) integer class index; ``scores`` (rows, classes); ``weights`` (draws, rows),
not negative; a result is float64, (draws,), NaN where a metric is not defined. The predicted class has the
highest score, the first of equals. Averages over classes run over those that have rows in the draw: a class
without rows neither counts nor dilutes.
"""

import numpy as np

# What scores are clipped to where their logarithm is taken. It is keras.config.epsilon(): the loss here is then
# comparable with the one in the training history.
SCORE_EPSILON = 1e-7
# Numbers of weights handled at a time, so that memory stays within some 100 MB.
CHUNK = 2_000_000


def names(top_k: int) -> list[str]:
    """Return the names of all metrics, in the order of tables."""
    ranked = ["lwlrap", "macro_average_precision", "macro_roc_auc", f"top_{top_k}_accuracy", "loss"]
    return ["accuracy", "balanced_accuracy", "macro_f1", *ranked]


def compute(true_index: np.ndarray, scores: np.ndarray, weights: np.ndarray, top_k: int) -> dict[str, np.ndarray]:
    """Return every metric of :func:`names` in each draw.

    - ``balanced_accuracy``, ``macro_f1``: means of recall and F1 over classes;
    - ``lwlrap``: label-weighted label-ranking average precision. A clip has one label here, so it is the mean
      of 1 / rank of the true class; among equal scores the true class comes last, as in scikit-learn;
    - ``macro_average_precision``, ``macro_roc_auc``: means over classes, each against all others, of those
      that have rows and leave rows to the others;
    - ``top_<k>_accuracy``: share of rows whose true class is among the k highest scores;
    - ``loss``: mean of -log(score of the true class), scores clipped to [1e-7, 1 - 1e-7] as Keras does.
    """
    step = max(1, CHUNK // max(1, len(true_index)))
    parts = [
        _metrics(true_index, scores, weights[start : start + step].astype(np.float64), top_k)
        for start in range(0, len(weights), step)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in names(top_k)}


def correct(true_index: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return whether the predicted class of each row is the true one."""
    return scores.argmax(axis=1) == true_index


def cross_entropy(true_index: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return -log(score of the true class) of each row, the score clipped to [1e-7, 1 - 1e-7] as Keras does."""
    of_truth = scores[np.arange(len(true_index)), true_index].astype(np.float64)
    return -np.log(np.clip(of_truth, SCORE_EPSILON, 1 - SCORE_EPSILON))


def mean_of_rows(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of a value a row in each draw."""
    # A sum, not a matrix product: its order does not depend on the number of threads.
    return _ratio((weights * values).sum(axis=1), weights.sum(axis=1))


def _metrics(true_index: np.ndarray, scores: np.ndarray, weights: np.ndarray, top_k: int) -> dict:
    n_classes = scores.shape[1]
    truth = np.eye(n_classes)[true_index]
    hit = correct(true_index, scores)
    # These products are of whole numbers, exact in any order.
    support = weights @ truth
    hits = weights @ (truth * hit[:, None])
    answers = weights @ np.eye(n_classes)[scores.argmax(axis=1)]
    f1 = np.where(support > 0, _ratio(2 * hits, answers + support), np.nan)
    first_rank, last_rank = ranks_of_truth(true_index, scores)
    ranked = [average_precision_and_roc_auc(true_index == c, scores[:, c], weights) for c in range(n_classes)]
    values = [
        mean_of_rows(hit, weights),
        _mean_of_defined(_ratio(hits, support)),
        _mean_of_defined(f1),
        mean_of_rows(1 / last_rank, weights),
        _mean_of_defined(np.stack([precision for precision, _ in ranked], axis=1)),
        _mean_of_defined(np.stack([area for _, area in ranked], axis=1)),
        mean_of_rows(first_rank <= top_k, weights),
        mean_of_rows(cross_entropy(true_index, scores), weights),
    ]
    return dict(zip(names(top_k), values, strict=True))


def ranks_of_truth(true_index: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank of the true class among the scores of its row, 1 for the highest, (rows,) integers.

    Of equal scores the first counts in class order in the first result (rank 1 is then the predicted class);
    in the second all equals come before the true class.
    """
    of_truth = scores[np.arange(len(true_index)), true_index][:, None]
    before = np.arange(scores.shape[1]) < np.asarray(true_index)[:, None]
    higher = (scores > of_truth).sum(axis=1)
    return 1 + higher + ((scores == of_truth) & before).sum(axis=1), higher + (scores == of_truth).sum(axis=1)


def average_precision_and_roc_auc(
    positive: np.ndarray, score: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return average precision and area under the ROC curve of one class in each draw.

    ``positive``, ``score``: (rows,). As in scikit-learn, average precision is the sum over thresholds of
    precision times the gain in recall, rows of equal score passing together; the area is the probability that
    a positive row scores higher than a negative one, equals counting half. NaN unless both kinds have weight.
    """
    order = np.argsort(-score, kind="stable")
    falling, positive = -score[order], positive[order]
    at = np.flatnonzero(positive)
    # How many rows, and how many positive ones, score higher than each positive row, and at least as high.
    n_above, n_upto = (np.searchsorted(falling, falling[at], side=side) for side in ("left", "right"))
    n_positive = np.concatenate([[0], np.cumsum(positive)])
    sums, positive_sums = _running_sums(weights[:, order]), _running_sums(weights[:, order[at]])
    above, upto = sums[:, n_above], sums[:, n_upto]
    hits_above, hits_upto = positive_sums[:, n_positive[n_above]], positive_sums[:, n_positive[n_upto]]
    n_hits, gained = positive_sums[:, -1], np.diff(positive_sums, axis=1)
    n_negatives = sums[:, -1] - n_hits
    precision = _ratio(
        (gained * np.divide(hits_upto, upto, out=np.zeros_like(upto), where=upto > 0)).sum(axis=1), n_hits
    )
    negatives_above = (above - hits_above + upto - hits_upto) / 2
    area = _ratio((gained * (n_negatives[:, None] - negatives_above)).sum(axis=1), n_hits * n_negatives)
    return np.where(n_negatives > 0, precision, np.nan), area


def _running_sums(weights: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0, 1, ... columns: (draws, columns + 1)."""
    return np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)], axis=1)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return a quotient, NaN where the divisor is 0."""
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean over classes, (draws,), of what is not NaN in (draws, classes)."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1))
