"""A data set with fewer labels: some of each class train, drawn at random, all else stays as it is."""

from dataclasses import replace

import numpy as np

from dawnchorus.learning.dataset import Dataset

UNUSED = "unused"


def ranks(class_index: np.ndarray, groups: np.ndarray, recordings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return at which place each row is drawn among those of its class, from 0: (rows,) int.

    The first n of every class are a draw of n labels, so the draw of 5 holds that of 2. They are drawn as people
    collect few labels: from as many groups as there are, and in these from as many recordings, before a second one of
    any; which, and in which order, is chance.

    ``class_index``, ``groups``, ``recordings``: of each row, (rows,).
    """
    order = rng.permutation(len(class_index))
    # The next of each recording in turn, then the next of each group in turn: a stable sort leaves the rest to chance.
    for of_row in (recordings, groups):
        order = order[np.argsort(_times_before(class_index[order], of_row[order]), kind="stable")]
    found = np.empty(len(order), dtype=int)
    found[order] = _times_before(class_index[order], np.zeros(len(order), dtype=int))
    return found


def _times_before(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how often the pair of each row came in the rows before it, (rows,) int."""
    counts: dict[tuple, int] = {}
    found = np.empty(len(first), dtype=int)
    for row, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        found[row] = counts[pair] = counts.get(pair, -1) + 1
    return found


def drawn(data: Dataset, labels: int, rng: np.random.Generator) -> Dataset:
    """Return a data set of which at most ``labels`` training clips of each class train.

    Of the clips without an annotation those train whose recording has a clip that was drawn: that nothing calls in the
    others is known by labels alone. Validation and test clips are the same, clips that were checked not to hold a
    class too, and so is the normalization, which takes no labels.
    """
    train = data.rows_of("train")
    rows = data.rows.iloc[train]
    classes, groups, recordings = (rows[name].to_numpy() for name in ("class_index", "group", "recording_id"))
    kept = np.flatnonzero(ranks(classes, groups, recordings, rng) < labels)
    partition = data.rows["partition"].to_numpy(dtype=object, copy=True)
    partition[np.delete(train, kept)] = UNUSED
    heard = data.context_rows["recording_id"].isin(rows["recording_id"].iloc[kept])
    of_context = data.context_rows["partition"].mask((data.context_rows["partition"] == "train") & ~heard, UNUSED)
    return replace(
        data,
        rows=data.rows.assign(partition=partition),
        # Which of the training clips is which row of these is its place among them.
        training=data.training[kept],
        training_rows=data.training_rows.iloc[kept].assign(row=np.arange(len(kept))).reset_index(drop=True),
        context_rows=data.context_rows.assign(partition=of_context),
    )
