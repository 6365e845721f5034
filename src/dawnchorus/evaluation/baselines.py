"""What keeps a result honest: the majority class, a simple machine, and the model on sound without calls.

``true_index`` (rows,), ``x`` (rows, frames, n_features) and ``n_frames`` (rows,) are those of the data set,
``statistics`` its statistics.json. Scores are (rows, classes) in class order.
"""

import numpy as np

from dawnchorus.evaluation import evaluation
from dawnchorus.learning import pooled
from dawnchorus.metrics import bootstrap, classification
from dawnchorus.networks import svm

# The obvious recipe that a network has to beat, always the same, so that results can be compared.
SVM = {"c": 5.0}


def majority_scores(of_train: np.ndarray, n_rows: int, n_classes: int) -> np.ndarray:
    """Return the shares of the classes among the training rows as the scores of every row."""
    shares = np.bincount(of_train, minlength=n_classes) / max(1, len(of_train))
    return np.tile(shares, (n_rows, 1))


def pooled_vectors(x: np.ndarray, n_frames: np.ndarray, statistics: dict) -> np.ndarray:
    """Return each clip's mean, deviation, maximum and mean absolute difference of every band over its frames.

    The bands are those of the clip normalized by itself (mean 0, deviation 1 over all of it), as they were
    before the data set's own normalization, without deltas and without padding. float32, (rows, 4 * bands).
    """
    offset, scale = np.array(statistics["offset"]), np.array(statistics["scale"])
    bands = x.shape[2] // (1 + statistics["features"]["deltas"])
    vectors = np.zeros((len(x), pooled.POOLS * bands), dtype=np.float32)
    for row, n in enumerate(n_frames):
        before = (x.shape[1] - n) // 2 if statistics["padding"] == "centre" else 0
        clip = (np.asarray(x[row, before : before + n], dtype=np.float64) * scale + offset)[:, :bands]
        deviation = clip.std()
        clip = (clip - clip.mean()) / (deviation if deviation > 0 else 1.0)
        vectors[row] = pooled.pool(clip[None])[0]
    return vectors


def svm_scores(
    x: np.ndarray,
    n_frames: np.ndarray,
    true_index: np.ndarray,
    train: np.ndarray,
    wanted: np.ndarray,
    statistics: dict,
    n_classes: int,
) -> np.ndarray | None:
    """Return the scores that a support vector machine fitted on the rows ``train`` gives the rows ``wanted``.

    Radial basis function, C 5, balanced, on standardized pooled statistics. Its scores rank classes and are
    no probabilities. None when the training rows have fewer than two classes: there is nothing to tell apart.
    """
    if len(np.unique(true_index[train])) < 2 or len(wanted) == 0:
        return None
    known, unknown = (pooled_vectors(x[rows], n_frames[rows], statistics) for rows in (train, wanted))
    scaling = pooled.standardizer(known)
    known, unknown = ((vectors - scaling["offset"]) / scaling["scale"] for vectors in (known, unknown))
    (arrays,) = svm.fit(known, true_index[train], n_classes, SVM, None, None)
    return pooled.softmax(svm.logits(arrays, unknown, SVM))


def table(
    true_index: np.ndarray,
    answers: dict[str, tuple[np.ndarray, np.ndarray] | None],
    of_row: np.ndarray,
    weights: np.ndarray | None,
    top_k: int,
) -> list[dict]:
    """Return one row for each of ``answers``, the first being the model on all rows: measures with intervals.

    Args:
        true_index: class index of the test rows, (rows,).
        answers: by name, the positions of the test rows that were answered, and the scores of these; None
            for a baseline that could not be made.
        of_row: the group of each row, (rows,).
        weights: how often each row counts in each draw, from :func:`dawnchorus.metrics.bootstrap.draws`, or None.

    Returns:
        ``model``, ``clips``, ``groups``, then each measure with ``_low`` and ``_high``; not the loss, since
        not all scores are probabilities. ``advantage``: how much more accurate the model is on the same
        clips, with its interval from the same draws; None for the model itself.
    """
    _, model_scores = next(iter(answers.values()))
    model_hits, table = classification.correct(true_index, model_scores), []
    for number, (name, answer) in enumerate(answers.items()):
        positions, scores = answer or (np.arange(0), model_scores[:0])
        truth, n_groups = true_index[positions], len(np.unique(of_row[positions]))
        drawn = None if weights is None else weights[:, positions]
        found = evaluation.metrics_with_intervals(truth, scores, top_k, drawn, n_groups)
        gain = model_hits[positions].astype(float) - classification.correct(truth, scores)
        estimate = float(gain.mean()) if number and len(gain) else None
        values = None if drawn is None else classification.mean_of_rows(gain, drawn)
        low, high = bootstrap.interval(values, estimate, n_groups)
        row = {"model": name, "clips": len(positions), "groups": n_groups}
        for measure in classification.names(top_k):
            if measure != "loss":
                row |= {key: found[key] for key in (measure, f"{measure}_low", f"{measure}_high")}
        table.append(row | {"advantage": estimate, "advantage_low": low, "advantage_high": high})
    return table
