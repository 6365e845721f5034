"""What a score is worth: temperature, reliability, and the threshold from which a class counts as detected.

``true_index``: (rows,) integer class index; ``scores``: (rows, classes), softmax, in class order. Temperature
and thresholds are fitted on validation rows, and saved with the model.
"""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from dawnchorus.metrics.classification import SCORE_EPSILON

# Temperatures looked at, on both sides of 1; a fit that reaches an end says that the scores rank nothing.
WIDEST_TEMPERATURE = 20.0


def _logits(scores: np.ndarray) -> np.ndarray:
    return np.log(np.clip(scores.astype(np.float64), SCORE_EPSILON, 1))


def temperature(true_index: np.ndarray, scores: np.ndarray) -> float:
    """Return T in [1/20, 20] for which softmax(log(scores) / T) has the lowest cross-entropy with the truth.

    Above 1 the model was too sure of itself. 1 without rows. Guo et al., "On calibration of modern neural
    networks", ICML 2017. Of n rows the truth counts as (n + 1) / (n + 2) and the rest is spread over the other classes
    (Platt, "Probabilistic outputs for support vector machines", 1999): rows that are all right do not make it certain.
    """
    if len(true_index) == 0:
        return 1.0
    logits, rows = _logits(scores), np.arange(len(true_index))

    doubt = 1 / (len(true_index) + 2)

    # The loss is convex in 1 / T, so it falls and then rises in log T too.
    def loss(log_temperature: float) -> float:
        log_scores = log_softmax(logits / np.exp(log_temperature), axis=1)
        of_truth = log_scores[rows, true_index]
        of_others = (log_scores.sum(axis=1) - of_truth) / max(1, scores.shape[1] - 1)
        return -((1 - doubt) * of_truth + doubt * of_others).mean()

    limit = np.log(WIDEST_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-6}).x))


def scaled(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(log(scores) / temperature), float64: other scores, in the same order in each row."""
    return softmax(_logits(scores) / temperature, axis=1)


def reliability(true_index: np.ndarray, scores: np.ndarray, n_bins: int) -> pd.DataFrame:
    """Return, for equal-width bins of the top score, what was scored and what was right.

    Columns: bin (from 0), lower, upper (a score of exactly ``upper`` is in the bin; 0 is in the first), n,
    mean_score, accuracy (both NaN in an empty bin).
    """
    return _binned(scores.max(axis=1), scores.argmax(axis=1) == true_index, n_bins)


def reliability_of_presence(present: np.ndarray, scores: np.ndarray, n_bins: int) -> pd.DataFrame:
    """Return :func:`reliability` of scores that each say by themselves whether a class is there.

    ``present``: bool, ``scores``: of the same shape, such as (segments, classes). ``accuracy`` is here the share of the
    scores of a bin whose class is present.
    """
    return _binned(scores.ravel(), present.ravel(), n_bins)


def _binned(score: np.ndarray, right: np.ndarray, n_bins: int) -> pd.DataFrame:
    edges = np.linspace(0, 1, n_bins + 1)
    of_row = np.clip(np.searchsorted(edges, score, side="left") - 1, 0, n_bins - 1)
    n = np.bincount(of_row, minlength=n_bins)
    score_sums, hits = (np.bincount(of_row, weights=values, minlength=n_bins) for values in (score, right))
    empty = np.full(n_bins, np.nan)
    return pd.DataFrame(
        {
            "bin": range(n_bins),
            "lower": edges[:-1],
            "upper": edges[1:],
            "n": n,
            "mean_score": np.divide(score_sums, n, out=empty.copy(), where=n > 0),
            "accuracy": np.divide(hits, n, out=empty.copy(), where=n > 0),
        }
    )


def expected_error(table: pd.DataFrame) -> float | None:
    """Return the expected calibration error: the mean over rows of their bin's |accuracy - mean score|.

    None when the table has no rows in any bin.
    """
    filled = table[table["n"] > 0]
    if filled.empty:
        return None
    return float(np.average((filled["accuracy"] - filled["mean_score"]).abs(), weights=filled["n"]))


def threshold(positive: np.ndarray, score: np.ndarray) -> float | None:
    """Return the threshold of one class, against all others, with the highest F1; None without positive rows.

    A row is detected when its score is at least the threshold. Of thresholds with equal F1 the highest is
    taken: the fewest false alarms. It lies midway between the lowest score that is detected and the next one
    below.

    ``positive``, ``score``: (rows,).
    """
    n_positive = int(positive.sum())
    if n_positive == 0:
        return None
    candidates = np.unique(score)[::-1]
    detected = np.searchsorted(np.sort(-score), -candidates, side="right")
    hits = np.searchsorted(np.sort(-score[positive]), -candidates, side="right")
    # F1 as a fraction of whole numbers; argmax takes the first of equals, the highest threshold.
    best = int((2 * hits / (detected + n_positive)).argmax())
    below = candidates[best + 1] if best + 1 < len(candidates) else candidates[best]
    return float((candidates[best] + below) / 2)


def fit(true_index: np.ndarray, scores: np.ndarray, species_ids: list[str], default_threshold: float) -> dict:
    """Return what detection needs, fitted on the given rows; plain values, ready for JSON.

    ``temperature``; ``thresholds`` by species id, of the scaled scores; ``default_threshold``, which the
    classes ``without_rows`` have; ``fitted_on``: how many rows each class had.
    """
    found = temperature(true_index, scores)
    score = scaled(scores, found)
    fitted = {key: threshold(true_index == number, score[:, number]) for number, key in enumerate(species_ids)}
    counts = np.bincount(true_index, minlength=len(species_ids)).tolist()
    return {
        "temperature": found,
        "thresholds": {key: default_threshold if value is None else value for key, value in fitted.items()},
        "default_threshold": default_threshold,
        "without_rows": [key for key, value in fitted.items() if value is None],
        "fitted_on": {"rows": len(true_index), "rows_of_class": dict(zip(species_ids, counts, strict=True))},
    }
