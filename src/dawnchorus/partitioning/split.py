"""Which annotation trains, validates or tests: by group, so that nothing is learned that the test then knows."""

from collections.abc import Mapping, Sequence

import numpy as np

from dawnchorus.annotations.recordings import class_order
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.spelling import composed
from dawnchorus.partitioning import groups as groups_of
from dawnchorus.tables.definitions import PARTITIONS, UNUSED

N_DRAWS = 2000


def grouped(
    classes: np.ndarray,
    groups: np.ndarray,
    test_fraction: float,
    validation_fraction: float,
    rng: np.random.Generator,
    test_groups: list[str] | None,
    validation_groups: list[str] | None,
) -> np.ndarray:
    """Assign whole groups to partitions, each class spread as evenly as the groups allow.

    Of many random assignments of groups that meet the fractions, the one is taken whose share of each class in
    each partition is nearest to the fraction asked for (least squares), a class missing from a partition
    weighing most. Named ``test_groups`` and ``validation_groups`` are taken as they are.

    Args:
        classes: class index of each row, shape (rows,), int >= 0.
        groups: group of each row, shape (rows,), text.
        test_fraction, validation_fraction: shares of all rows, each in [0, 1).

    Returns:
        The partition's name of each row, shape (rows,).

    Raises:
        InputError: fewer groups than partitions, a named group that does not exist or is named twice, or fractions of
            all rows that leave none of the rows in no named group to train.
    """
    names, counts, group_of_row = count_groups(classes, groups)
    fixed = np.full(len(names), -1)
    for part, named in ((1, validation_groups), (2, test_groups)):
        for group in named or ():
            position = np.flatnonzero(names == composed(str(group)))
            if len(position) == 0 or fixed[position[0]] >= 0:
                state = "no such group" if len(position) == 0 else "already in the other partition"
                found = ", ".join(names[:20])
                raise InputError(f"split: group {group!r}: {state}; expected groups out of {found}")
            fixed[position[0]] = part
    fractions = [
        0.0 if named is not None else wanted
        for named, wanted in ((validation_groups, validation_fraction), (test_groups, test_fraction))
    ]
    n_free, needed = int((fixed < 0).sum()), 1 + sum(fraction > 0 for fraction in fractions)
    if n_free < needed:
        raise InputError(
            f"split.group: {len(names)} group(s), {n_free} of them free: expected at least {needed}, so "
            "that each partition has one"
        )
    n_rows, n_free_rows = int(counts.sum()), int(counts[fixed < 0].sum())
    if sum(fractions) * n_rows >= n_free_rows:
        keys = [key for key, share in zip(("validation_fraction", "test_fraction"), fractions, strict=True) if share]
        raise InputError(
            f"split.{' + split.'.join(keys)}: {sum(fractions):g}: of all {n_rows} rows, of which {n_free_rows} are in "
            f"no named group: expected < {n_free_rows / n_rows:.2g}, so that rows are left to train"
        )
    partition = np.array(PARTITIONS)[best_draw(counts, fixed, fractions, rng)[group_of_row]]
    assert_disjoint(groups, partition)
    return partition


def count_groups(classes: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the names of the groups, their rows of each class that occurs (groups, classes), and each row's group."""
    names, group_of_row = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    _, of_row = np.unique(np.asarray(classes), return_inverse=True)
    counts = np.zeros((len(names), of_row.max() + 1))
    np.add.at(counts, (group_of_row, of_row), 1)
    return names, counts, group_of_row


def best_draw(counts: np.ndarray, fixed: np.ndarray, fractions: list[float], rng: np.random.Generator) -> np.ndarray:
    """Return the part of each group, the best of many draws.

    ``counts``: (groups, classes). ``fixed``: the part of each group that has one already, else -1. ``fractions``: the
    share of all rows of parts 1, 2, ...; a part of share 0 is not drawn, part 0 takes what is left.
    """
    best_cost, best = np.inf, fixed
    sizes = counts.sum(axis=1)
    for _ in range(N_DRAWS):
        trial = _draw(fixed, sizes, fractions, rng)
        cost = unevenness(counts, trial, fractions)
        if cost < best_cost:
            best_cost, best = cost, trial
    return best


def _draw(fixed: np.ndarray, sizes: np.ndarray, fractions: list[float], rng: np.random.Generator) -> np.ndarray:
    """Fill the drawn parts with groups in random order until each has its share of rows."""
    trial = np.maximum(fixed, 0)
    order = list(rng.permutation(np.flatnonzero(fixed < 0)))
    for part in range(len(fractions), 0, -1):
        if fractions[part - 1] == 0:
            continue
        target, filled = fractions[part - 1] * sizes.sum(), 0.0
        reserve = 1 + sum(fraction > 0 for fraction in fractions[: part - 1])
        # The last group is taken only if that brings the share nearer to the target than leaving it does.
        while len(order) > reserve and (filled == 0 or target - filled > sizes[order[-1]] / 2):
            group = order.pop()
            trial[group] = part
            filled += sizes[group]
    return trial


def unevenness(counts: np.ndarray, trial: np.ndarray, fractions: list[float]) -> float:
    """Return how far the share of each class in each drawn part is from what was asked for (sum of squares).

    A class that a drawn part lacks adds 1, one that part 0 lacks, so that it cannot be learned, 10.
    """
    totals = counts.sum(axis=0)
    cost = 0.0
    for part, fraction in enumerate(fractions, 1):
        if fraction > 0:
            share = counts[trial == part].sum(axis=0) / totals
            cost += np.sum((share - fraction) ** 2) + np.sum(share == 0)
    return cost + 10 * np.sum(counts[trial == 0].sum(axis=0) == 0)


def assert_disjoint(groups: np.ndarray, partition: np.ndarray) -> None:
    """Raise AssertionError when a group has rows in more than one partition."""
    seen: dict[str, str] = {}
    for group, part in zip(groups, partition, strict=True):
        if seen.setdefault(group, part) != part:
            raise AssertionError(f"group {group!r} is in {seen[group]} and in {part}")


def article(classes: np.ndarray, seed: int, test_fraction: float, validation_fraction: float) -> np.ndarray:
    """Split rows as the article does: a stratified test share, then an unstratified validation share of the rest.

    Both draws use scikit-learn's ``train_test_split`` with ``random_state=seed``. Rows of one recording can
    land in different partitions; that is the article's choice, kept for comparison. Too few rows raise
    :class:`InputError`.
    """
    from sklearn.model_selection import train_test_split

    rows, n_of_class = np.arange(len(classes)), np.bincount(classes)
    n_test, n_classes = int(np.ceil(test_fraction * len(rows))), int((n_of_class > 0).sum())
    fewest = int(n_of_class[n_of_class > 0].min())
    if fewest < 2 or n_test < n_classes or len(rows) - n_test < max(n_classes, 2):
        raise InputError(
            f"params.yaml: split.method: article: {len(rows)} rows of {n_classes} classes, {fewest} of the rarest, "
            f"{n_test} to test: expected two or more of each class, and as many rows to test and to train as classes"
        )
    rest, test = train_test_split(rows, test_size=test_fraction, random_state=seed, stratify=classes)
    if int(np.ceil(validation_fraction * len(rest))) >= len(rest):
        raise InputError(
            f"params.yaml: split.validation_fraction: {validation_fraction:g}: expected less with method article: of "
            f"{len(rest)} rows that are not test none is left to train"
        )
    _, validation = train_test_split(rest, test_size=validation_fraction, random_state=seed)
    partition = np.full(len(classes), PARTITIONS[0], dtype="<U10")
    partition[validation], partition[test] = PARTITIONS[1], PARTITIONS[2]
    return partition


def class_indices(species_ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the classes in order, and the index of each row's class, (rows,)."""
    classes = class_order(species_ids)
    index = {species_id: number for number, species_id in enumerate(classes)}
    return classes, np.array([index[species_id] for species_id in species_ids])


def classes_missing(classes: Sequence[str], of_row: np.ndarray, partition: np.ndarray, part: str) -> list[str]:
    """Return the classes that have no row in a partition."""
    return [name for number, name in enumerate(classes) if not np.any((of_row == number) & (partition == part))]


def table(annotations: Sequence[Mapping], groups: Sequence[str], partition: np.ndarray) -> list[dict]:
    """Return the rows of split.csv."""
    return _rows(annotations, groups, [str(part) for part in partition])


def _rows(annotations: Sequence[Mapping], groups: Sequence[str], partition: Sequence[str]) -> list[dict]:
    return [
        {
            "annotation_id": row["annotation_id"],
            "recording_id": row["recording_id"],
            "group": group,
            "partition": part,
        }
        for row, group, part in zip(annotations, groups, partition, strict=True)
    ]


def with_reviewed(table: list[dict], annotations: Sequence[Mapping], params: Mapping) -> tuple[list[dict], list[str]]:
    """Return split.csv of all annotations, and what is to be said of those that come of reviews.

    ``table``: that of the others, which stand first in ``annotations`` and are split as if there were no reviews;
    ``params``: the block. See :func:`dawnchorus.partitioning.groups.partitions_of_boxes`.
    """
    reviewed = annotations[len(table) :]
    if not reviewed:
        return table, []
    of = groups_of.partitions_of_boxes(reviewed, table, params)
    column = composed(params["group"])
    named = [str(row.get(column) or row["recording_id"]) for row in reviewed]
    said = f"{of.count('train')} reviewed calls train, {of.count(UNUSED)} are of held-out groups and left out"
    return [*table, *_rows(reviewed, named, of)], [said]


def counted(partition: np.ndarray) -> str:
    """Say how many rows each partition has."""
    return ", ".join(f"{int((partition == part).sum())} {part}" for part in PARTITIONS) + " rows"
