"""What keeps a result honest: the majority class, a support vector machine, and the model on sound without calls.

``true_index`` (rows,), ``x`` (rows, frames, n_features) and ``n_frames`` (rows,) are those of the data set,
``statistics`` its statistics.json. Scores are (rows, classes) in class order.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from dawnchorus.evaluation import evaluation
from dawnchorus.learning import clip_svm, dataset
from dawnchorus.metrics import bootstrap, classification
from dawnchorus.tables.definitions import BASELINE_PREDICTIONS, SCORES

# The positions of the test rows that were answered, and the scores of these.
Answer = tuple[np.ndarray, np.ndarray]


def majority_scores(of_train: np.ndarray, n_rows: int, n_classes: int) -> np.ndarray:
    """Return the shares of the classes among the training rows as the scores of every row."""
    shares = np.bincount(of_train, minlength=n_classes) / max(1, len(of_train))
    return np.tile(shares, (n_rows, 1))


def svm_scores(
    x: np.ndarray,
    n_frames: np.ndarray,
    true_index: np.ndarray,
    train: np.ndarray,
    wanted: np.ndarray,
    statistics: dict,
    n_classes: int,
) -> np.ndarray | None:
    """Return the scores that :mod:`dawnchorus.learning.clip_svm`, fitted on the rows ``train``, gives ``wanted``.

    None when the training rows have fewer than two classes: there is nothing to tell apart.
    """
    machine = clip_svm.fit(x, n_frames, true_index, train, statistics, n_classes) if len(wanted) else None
    if machine is None:
        return None
    return machine.predict_on_batch(clip_svm.pooled_vectors(x[wanted], n_frames[wanted], statistics))


def context_clips(rows: pd.DataFrame, context_rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the ``rows`` whose recording has a clip without annotation, and the row of that clip.

    The rows of a recording take its clips in turn.
    """
    clips_of = context_rows.groupby("recording_id", sort=False).indices
    positions, clips = [], []
    for recording_id, of_recording in rows.reset_index(drop=True).groupby("recording_id", sort=False).indices.items():
        if recording_id in clips_of:
            positions += of_recording.tolist()
            clips += np.resize(clips_of[recording_id], len(of_recording)).tolist()
    return np.array(positions, dtype=int), np.array(clips, dtype=int)


def context_answers(
    predict: Callable[[np.ndarray], np.ndarray],
    rows: pd.DataFrame,
    context: np.ndarray,
    context_rows: pd.DataFrame,
    statistics: dict,
) -> Answer | None:
    """Return what the model says of each of ``rows`` from a clip of its recording without annotation, None of none.

    ``predict`` gives the scores of normalized and padded clips; ``context``, ``context_rows``: those of the data set.
    """
    positions, clips = context_clips(rows, context_rows)
    if not len(positions):
        return None
    used, of_position = np.unique(clips, return_inverse=True)
    n_frames = context_rows["n_frames"].to_numpy()
    x = np.stack([dataset.normalized(context[clip][: n_frames[clip]], statistics)[0] for clip in used])
    return positions, predict(x)[of_position]


def predictions(answers: dict[str, Answer | None], annotation_ids: pd.Series, species_ids: list[str]) -> pd.DataFrame:
    """Return the scores of all ``answers``: the table ``baseline_predictions.csv``."""
    columns = [f"{SCORES}{species_id}" for species_id in species_ids]
    tables = []
    for name, answer in answers.items():
        if answer is not None:
            of = {"model": name, "annotation_id": annotation_ids.to_numpy()[answer[0]]}
            tables.append(pd.DataFrame({**of, **dict(zip(columns, answer[1].T, strict=True))}))
    return (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=[*BASELINE_PREDICTIONS.names, *columns])
    )


def table(
    true_index: np.ndarray,
    model: tuple[str, np.ndarray],
    answers: dict[str, Answer | None],
    of_row: np.ndarray,
    weights: np.ndarray | None,
    top_k: int,
) -> list[dict]:
    """Return one row for the model and one for each of ``answers``: metrics with intervals.

    Args:
        true_index: class index of the test rows, (rows,).
        model: its name, and its scores of the test rows.
        answers: of the baselines by name, the positions of the test rows that were answered, and the scores of these;
            None for a baseline that could not be made.
        of_row: the group of each row, (rows,).
        weights: how often each row counts in each draw, from :func:`dawnchorus.metrics.bootstrap.draws`, or None.

    Returns:
        ``model``, ``clips``, ``groups``, then each metric with ``_low`` and ``_high``; not the loss, since
        not all scores are probabilities. ``advantage``: how much more accurate the model is on the same
        clips, with its interval from the same draws; None for the model itself.
    """
    model_name, model_scores = model
    model_hits, table = classification.correct(true_index, model_scores), []
    everything = np.arange(len(true_index))
    for number, (name, answer) in enumerate([(model_name, (everything, model_scores)), *answers.items()]):
        positions, scores = answer or (np.arange(0), model_scores[:0])
        truth, n_groups = true_index[positions], len(np.unique(of_row[positions]))
        drawn = None if weights is None else weights[:, positions]
        found = evaluation.metrics_with_intervals(truth, scores, top_k, drawn, n_groups)
        gain = model_hits[positions].astype(float) - classification.correct(truth, scores)
        estimate = float(gain.mean()) if number and len(gain) else None
        values = None if drawn is None else classification.mean_of_rows(gain, drawn)
        low, high = bootstrap.interval(values, estimate, n_groups)
        row = {"model": name, "clips": len(positions), "groups": n_groups}
        for metric in classification.names(top_k):
            if metric != "loss":
                row |= {key: found[key] for key in (metric, f"{metric}_low", f"{metric}_high")}
        table.append(row | {"advantage": estimate, "advantage_low": low, "advantage_high": high})
    return table
