"""Which annotation trains, validates or tests: by group, so that nothing is learned that the test then knows."""

import numpy as np

from dawnchorus.foundation.errors import InputError
from dawnchorus.tables.users import Row

PARTITIONS = ("train", "validation", "test")
N_DRAWS = 2000


def column_of(rows: list[Row], columns: list[str], name: str, key: str) -> list[str]:
    """Return a column of the annotations, which ``key`` of params.yaml names; an unknown one is an InputError."""
    if name not in columns:
        raise InputError(
            f"params.yaml: {key}: {name!r}: expected a column of the annotations or of data.recordings_table, one of "
            f"{', '.join(columns)}"
        )
    return [row.cells[name] for row in rows]


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
        InputError: fewer groups than partitions, or a named group that does not exist or is named twice.
    """
    names, group_of_row = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    counts = np.zeros((len(names), int(np.max(classes)) + 1))
    np.add.at(counts, (group_of_row, np.asarray(classes)), 1)
    assigned = np.zeros(len(names), dtype=int)
    free = np.ones(len(names), dtype=bool)
    for part, named in ((1, validation_groups), (2, test_groups)):
        for group in named or ():
            position = np.flatnonzero(names == str(group))
            if len(position) == 0 or not free[position[0]]:
                state = "no such group" if len(position) == 0 else "already in the other partition"
                found = ", ".join(names[:20])
                raise InputError(f"split: group {group!r}: {state}; expected groups out of {found}")
            assigned[position[0]] = part
            free[position[0]] = False
    drawn = {1: validation_groups is None, 2: test_groups is None}
    fractions = {1: validation_fraction, 2: test_fraction}
    needed = 1 + sum(drawn[part] and fractions[part] > 0 for part in (1, 2))
    if free.sum() < needed:
        raise InputError(
            f"split.group: {len(names)} group(s), {int(free.sum())} of them free: expected at least {needed}, so "
            "that each partition has one"
        )
    best_cost, best = np.inf, None
    totals = counts.sum(axis=0)
    present = totals > 0
    candidates = np.flatnonzero(free)
    for _ in range(N_DRAWS):
        trial = _draw(assigned, candidates, counts.sum(axis=1), drawn, fractions, rng)
        cost = _cost(counts[:, present], totals[present], trial, drawn, fractions)
        if cost < best_cost:
            best_cost, best = cost, trial
    partition = np.array(PARTITIONS)[best[group_of_row]]
    assert_disjoint(groups, partition)
    return partition


def _draw(assigned, candidates, sizes, drawn, fractions, rng) -> np.ndarray:
    """Fill the drawn partitions with groups in random order until each has its share of rows."""
    trial = assigned.copy()
    order = list(rng.permutation(candidates))
    for part in (2, 1):
        if not drawn[part] or fractions[part] == 0:
            continue
        target, filled = fractions[part] * sizes.sum(), 0.0
        reserve = 1 + (part == 2 and drawn[1] and fractions[1] > 0)
        # The last group is taken only if that brings the share nearer to the target than leaving it does.
        while len(order) > reserve and (filled == 0 or target - filled > sizes[order[-1]] / 2):
            group = order.pop()
            trial[group] = part
            filled += sizes[group]
    return trial


def _cost(counts, totals, trial, drawn, fractions) -> float:
    cost = 0.0
    for part in (1, 2):
        if drawn[part]:
            share = counts[trial == part].sum(axis=0) / totals
            cost += np.sum((share - fractions[part]) ** 2) + np.sum(share == 0) * (fractions[part] > 0)
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
    land in different partitions; that is the article's choice, kept for comparison.
    """
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(classes))
    rest, test = train_test_split(rows, test_size=test_fraction, random_state=seed, stratify=classes)
    _, validation = train_test_split(rest, test_size=validation_fraction, random_state=seed)
    partition = np.full(len(classes), PARTITIONS[0], dtype="<U10")
    partition[validation], partition[test] = PARTITIONS[1], PARTITIONS[2]
    return partition
