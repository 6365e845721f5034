"""Folds for cross-validation: whole groups, each class spread as evenly as the groups allow, or the user's own."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from dawnchorus.annotations.recordings import class_order
from dawnchorus.foundation.errors import InputError


def drawn(classes: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Return the fold of each row, 0 to ``n_folds`` - 1, by scikit-learn's StratifiedGroupKFold.

    ``classes``: class index, (rows,); ``groups``: text, (rows,). Fewer groups than folds raise :class:`InputError`.
    """
    n_groups = len(np.unique(groups))
    if n_groups < n_folds:
        raise InputError(f"cross_validation.folds: {n_folds}: expected at most the number of groups, {n_groups}")
    fold = np.zeros(len(classes), dtype=int)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    for number, (_, test) in enumerate(splitter.split(classes, classes, groups)):
        fold[test] = number
    return fold


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
