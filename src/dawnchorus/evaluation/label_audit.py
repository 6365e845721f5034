"""Which labels are likely wrong, by the scores of models that never heard these clips: confident learning.

What is confident, and what is likely wrong, follows Northcutt, Jiang and Chuang, "Confident learning: estimating
uncertainty in dataset labels", Journal of Artificial Intelligence Research 70, 2021: a class has a threshold, the mean
score that it gets on the clips labelled so, and a clip that reaches the threshold of another class is confidently of
that class. So a class of few labels, whose scores are lower throughout, is held against itself.

Everywhere: ``given`` (rows,): class index of each label; ``scores`` (rows, classes) in [0, 1]: out of fold, in class
order.
"""

import numpy as np
import pandas as pd

from dawnchorus.foundation.errors import InputError
from dawnchorus.metrics.classification import SCORE_EPSILON
from dawnchorus.tables.definitions import SCORES


def thresholds(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the mean score that each class gets on the clips labelled so, (classes,); 1 for a class without labels."""
    labelled = given[:, None] == np.arange(scores.shape[1])
    n = labelled.sum(axis=0)
    return np.where(n > 0, (scores * labelled).sum(axis=0) / np.maximum(n, 1), 1.0)


def likely_wrong(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return which labels another class outscores with a score that reaches its threshold, (rows,) bool.

    These are the clips of the paper's confident joint, off its diagonal, whose highest score of all classes is that of
    the other class: a clip that only passes the low threshold of a class that is hard to tell is none.
    """
    likely = scores.argmax(axis=1)
    return (likely != given) & (scores.max(axis=1) >= thresholds(given, scores)[likely])


def margins(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return how well each label fits, (rows,): below 0 another class fits better.

    The log of the label's score over the threshold of its class, minus the highest of the same of another class. It is
    the paper's normalized margin of scores that are relative to what their class usually gets.
    """
    fit = np.log(np.maximum(scores, SCORE_EPSILON)) - np.log(np.maximum(thresholds(given, scores), SCORE_EPSILON))
    labelled = given[:, None] == np.arange(scores.shape[1])
    return fit[labelled] - np.where(labelled, -np.inf, fit).max(axis=1)


def order(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the positions of the rows, the label that is most likely wrong first; of equal ones the first.

    Those whose highest score is that of another class, by their margins; then the others by theirs.
    """
    return np.lexsort((margins(given, scores), scores.argmax(axis=1) == given))


def unlearned(predictions: pd.DataFrame) -> dict[str, str]:
    """Return the species, id to name, whose labels are all in one fold: what judges them has learned no clip of theirs.

    ``predictions``: scores out of fold. Of a single fold nothing is said.
    """
    if predictions["fold"].nunique() < 2:
        return {}
    n_folds = predictions.groupby(["true_species_id", "true_name"], sort=False)["fold"].nunique()
    return {species_id: name for (species_id, name), n in n_folds.items() if n < 2}


def ranked(rows: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the table label_audit.csv: every label with the species that its clip is most likely of, in :func:`order`.

    Labels of species that are :func:`unlearned` are left out.

    Args:
        rows: annotation_id, recording_id, species_id, species_name, times and band of every annotation.
        predictions: scores out of fold of each annotation, one row a seed; the mean over seeds counts.

    Fewer than two species, an annotation without scores or scores without an annotation raise :class:`InputError`, and
    so does a table of which nothing is left.
    """
    columns = [name for name in predictions.columns if name.startswith(SCORES)]
    if len(columns) < 2:
        raise InputError(f"label_audit: {len(columns)} species; expected two or more, for a label to be another's")
    of_annotation = predictions.groupby("annotation_id")[columns].mean()
    if odd := sorted(set(rows["annotation_id"]) ^ set(of_annotation.index)):
        raise InputError(f"annotation {odd[0]}: expected it among the annotations and among the scores out of fold")
    names = dict(zip(rows["species_id"], rows["species_name"], strict=True))
    rows = rows[~rows["species_id"].isin(unlearned(predictions))]
    if rows.empty:
        raise InputError(
            "label_audit: the labels of each species are all in one fold, so no model has learned what it would judge; "
            "expected species in several groups (split.group, cross_validation.column)"
        )
    scores = of_annotation.loc[rows["annotation_id"]].to_numpy(dtype=float)
    ids = [name.removeprefix(SCORES) for name in columns]
    index = {species_id: number for number, species_id in enumerate(ids)}
    given, likely = rows["species_id"].map(index).to_numpy(), scores.argmax(axis=1)
    each, reached = np.arange(len(rows)), thresholds(given, scores)
    table = rows[["annotation_id", "recording_id", "t_min_s", "t_max_s", "f_min_hz", "f_max_hz"]].assign(
        given_species_id=rows["species_id"],
        given_name=rows["species_name"],
        likely_species_id=[ids[number] for number in likely],
        likely_name=[names.get(ids[number], "") for number in likely],
        given_score=scores[each, given],
        likely_score=scores[each, likely],
        given_threshold=reached[given],
        likely_threshold=reached[likely],
        margin=margins(given, scores),
        likely_wrong=likely_wrong(given, scores).astype(int),
    )
    return table.iloc[order(given, scores)].reset_index(drop=True).assign(rank=each + 1)


def by_species(table: pd.DataFrame) -> list[dict]:
    """Return of each species, by its first place in the table: ``species_id``, ``labels``, ``likely_wrong``, and
    ``others``: what its labels that are likely wrong are most likely of, (species_id, labels), the commonest first.
    """
    found = []
    for species_id, of in table.groupby("given_species_id", sort=False):
        wrong = of[of["likely_wrong"] == 1]
        others = wrong["likely_species_id"].value_counts(sort=False).sort_values(ascending=False, kind="stable")
        counts = {"labels": len(of), "likely_wrong": len(wrong), "others": list(others.items())}
        found.append({"species_id": species_id, **counts})
    return found


def in_words(table: pd.DataFrame) -> str:
    """Return how many labels are likely wrong, as one line.

    A rough count, and said to be one: the mistakes of the models are in it, and nothing tells these from wrong labels.
    """
    return f"roughly {table['likely_wrong'].sum()} of {len(table)} labels are likely wrong"
