"""Which column of a strange table is what: by its name, and where that says nothing, by what stands in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from dawnchorus.annotations.column_names import NAMES, likely, plain
from dawnchorus.tables.users import Row, number

NUMBERS = ("t_min", "t_max", "f_min", "f_max", "point", "duration")
# Cells that are looked at to tell numbers from texts: a strange table may be long.
MOST_CELLS = 5000
# Of so many cells and more a single one that is no number is a mistake in that one.
FEW = 5
BY_NAME = "by its name"


class Column(NamedTuple):
    """What a column is taken for: its name in the table, why, and what its numbers are multiplied by (1: nothing)."""

    name: str
    why: str
    scale: float = 1.0


def taken(header: Sequence[str], rows: Sequence[Row], is_recording: Callable[[str], bool]) -> dict[str, Column]:
    """Return what the columns of a table are taken for, by RFCX's names, ``point`` and ``duration``.

    ``is_recording`` says whether a recording of that name was found. What should be numbers has to be, but for a few
    cells.
    """
    rows = rows[:MOST_CELLS]
    numeric = {column for column in header if column and are_numbers(rows, column)}
    found: dict[str, Column] = {}
    for cell in NAMES:
        best = likely((column for column in header if column in numeric or cell not in NUMBERS), cell)
        if best:
            found[cell] = Column(best, BY_NAME, plain(best)[1] if cell in NUMBERS else 1.0)
    free = [column for column in header if column and column not in {one.name for one in found.values()}]
    _by_content(found, free, set(header) - numeric, numeric, rows, is_recording)
    return found


def _by_content(
    found: dict[str, Column],
    free: list[str],
    texts: Collection[str],
    numeric: Collection[str],
    rows: Sequence[Row],
    is_recording: Callable[[str], bool],
) -> None:
    """Add what no name says: recordings by their files, a start that always lies before an end, the one text left."""
    if not rows:
        return
    named = found.get("recording_id")
    share = {column: share_of(rows, column, is_recording) for column in [*free, *([named.name] if named else ())]}
    best = max(share, key=lambda column: share[column], default="")
    if best and share[best] >= 0.5 and (not named or share[named.name] == 0):
        found["recording_id"] = Column(best, "its cells are names of recordings")
        free = [column for column in free if column != best]
    if not {"t_min", "t_max", "point"} & found.keys():
        pairs = [
            (one, other)
            for number_of, one in enumerate(free)
            for other in free[number_of + 1 :]
            if one in numeric and other in numeric and _ordered(rows, one, other)
        ]
        if len(pairs) == 1:
            found["t_min"], found["t_max"] = (Column(name, "the one is always the lesser") for name in pairs[0])
    labels = [column for column in free if column in texts and any(row.cells[column] for row in rows)]
    if "species_id" not in found and len(labels) == 1:
        found["species_id"] = Column(labels[0], "the one text that is left")


def share_of(rows: Sequence[Row], column: str, is_recording: Callable[[str], bool]) -> float:
    """Return which share of the distinct cells of a column are names of recordings."""
    cells = {row.cells[column] for row in rows} - {""}
    return sum(map(is_recording, cells)) / len(cells) if cells else 0.0


def are_numbers(rows: Sequence[Row], column: str) -> bool:
    """Say whether the cells of a column that are not empty are finite numbers, but for one in twenty or one of few."""
    cells = [row.cells[column] for row in rows if row.cells[column]]
    n_others = 0
    for cell in cells:
        try:
            number(cell)
        except ValueError:
            n_others += 1
    return 20 * n_others <= len(cells) or (n_others == 1 and len(cells) >= FEW)


def _ordered(rows: Sequence[Row], one: str, other: str) -> bool:
    try:
        return all(0 <= number(row.cells[one]) < number(row.cells[other]) for row in rows)
    except ValueError:
        return False
