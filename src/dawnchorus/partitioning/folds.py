"""Folds for cross-validation: whole groups, each class spread as evenly as the groups allow, or the user's own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dawnchorus.annotations.recordings import class_order
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.seeds import rng
from dawnchorus.partitioning import groups, split

N_EXCHANGES = 10_000


@dataclass(frozen=True)
class Fold:
    """A fold: its rows of split.csv, and what is to be said of it."""

    table: list[dict]
    lines: list[str]


def of_annotations(annotations: Sequence[Mapping], columns: Iterable[str], params: Mapping, n: int) -> Iterator[Fold]:
    """Yield ``n`` folds of the annotations; each row but those of reviews is tested in one of them.

    ``params``: ``seed`` and, of the blocks ``split``, ``cross_validation`` and ``train``, what stage folds reads. With
    a ``validation_fraction`` whole groups of the rows that are not tested validate; early stopping needs some.
    """
    seed, block = params["seed"], params["cross_validation"]
    if block["validation_fraction"] == 0 and params["train"]["early_stopping_patience"] is not None:
        raise InputError(
            "params.yaml: cross_validation.validation_fraction: 0: expected more than 0, because "
            "train.early_stopping_patience chooses the epoch by validation"
        )
    all_rows, annotations = annotations, groups.own(annotations)
    classes, of_row = split.class_indices([row["species_id"] for row in annotations])
    of_group = np.array(groups.kept_together(annotations, columns, params["split"]))
    if block["column"] is None:
        fold, names = drawn(of_row, of_group, n, rng(seed, "folds")), [str(number + 1) for number in range(n)]
    else:
        values = groups.column_of(annotations, columns, block["column"], "cross_validation.column")
        fold, names = of_column(values, of_group, n, block["column"])
    for number, name in enumerate(names):
        partition, share = np.where(fold == number, "test", "train").astype("<U10"), block["validation_fraction"]
        # Where one group has most rows, the others are too few for that share of all rows: half of them train.
        given = min(share, float((fold != number).mean()) / 2)
        if share > 0:
            draw, tested = rng(seed, f"validation of fold {number}"), sorted(set(of_group[fold == number]))
            partition = split.grouped(of_row, of_group, 0.0, given, draw, tested, None)
        lines = [f"folds: {name} of {', '.join(names)}: {split.counted(partition)}"]
        if given < share:
            lines.append(
                f"folds: cross_validation.validation_fraction: {given:.2g} in place of {share:g} in fold {name}, "
                f"which tests {int((fold == number).sum())} of {len(fold)} rows"
            )
        if missing := split.classes_missing(classes, of_row, partition, "train"):
            lines.append(f"folds: no row of class {', '.join(missing)} to train on in fold {name}")
        own = split.table(annotations, of_group.tolist(), partition)
        table, said = split.with_reviewed(own, all_rows, params["split"])
        yield Fold(table, [*lines, *(f"folds: {line}" for line in said)])


def drawn(classes: np.ndarray, groups: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Assign whole groups to folds of equal size, by the search of :func:`split.grouped`, then by exchanging groups.

    Random draws come near enough to two fractions, but not to five: pairs of groups change places wherever that
    spreads the classes better.

    ``classes``: class index, (rows,); ``groups``: text, (rows,). Returns the fold of each row, 0 to ``n_folds`` - 1.
    Fewer groups than folds raise :class:`InputError`.
    """
    names, counts, group_of_row = split.count_groups(classes, groups)
    if len(names) < n_folds:
        raise InputError(f"cross_validation.folds: {n_folds}: expected at most the number of groups, {len(names)}")
    fractions = [1 / n_folds] * (n_folds - 1)
    best = split.best_draw(counts, np.full(len(names), -1), fractions, rng)
    cost = np.inf
    for one, other in rng.integers(len(names), size=(N_EXCHANGES, 2)):
        trial = best.copy()
        trial[[one, other]] = best[[other, one]]
        found = split.unevenness(counts, trial, fractions)
        if found < cost:
            best, cost = trial, found
    return best[group_of_row]


def of_column(values: list[str], groups: np.ndarray, n_folds: int, column: str) -> tuple[np.ndarray, list[str]]:
    """Return the fold of each row by a column of the user's, and the values that are the folds, in order.

    Another number of values than ``n_folds``, or a group that lies in two folds, raises :class:`InputError`.
    """
    names = class_order(values)
    if len(names) != n_folds:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise InputError(
            f"cross_validation.folds: {n_folds}: expected {len(names)}, the number of values of column {column} "
            f"({shown})"
        )
    fold_of: dict[str, str] = {}
    for group, value in zip(groups.tolist(), values, strict=True):
        if fold_of.setdefault(group, value) != value:
            raise InputError(
                f"cross_validation.column: {column!r}: group {group!r} lies in {fold_of[group]!r} and in {value!r}; "
                "expected each group of split.group in one fold"
            )
    return np.array([names.index(value) for value in values]), names
