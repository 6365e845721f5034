"""Tables that people give: read as text, with the line of every cell, so that each mistake is named where it stands."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from dawnchorus.foundation.display_names import printable
from dawnchorus.foundation.errors import InputError, listed
from dawnchorus.foundation.files import write_whole
from dawnchorus.foundation.spelling import composed
from dawnchorus.tables import cells as cells_of
from dawnchorus.tables.cells import CSV, Layout

LONGEST_SHOWN = 200
# A column, and which cells of it are wanted.
Only: TypeAlias = tuple[str, Callable[[str], bool]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with the input; ``line`` counts from 1 as an editor does, 0 means the file as a whole."""

    file: str
    line: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        column = f" column {self.column}:" if self.column else ""
        value = self.value if len(self.value) <= LONGEST_SHOWN else f"{self.value[:LONGEST_SHOWN]}…"
        return printable(f"{where}:{column} {value!r}: expected {self.expected}")

    def cells(self) -> dict[str, str | int]:
        """Return it as a row of audit.csv; what a name of a file has that is no text is written as its bytes."""
        texts = {name: getattr(self, name) for name in ("file", "column", "value", "expected")}
        safe = {name: text.encode(errors="backslashreplace").decode() for name, text in texts.items()}
        return {**safe, "line": self.line}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its file, the line at which it begins, and its cells by column, as :func:`clean` leaves them.

    ``names`` says what the file calls a column, where that is not its name here.
    """

    file: str
    line: int
    cells: dict[str, str] = field(hash=False)
    names: Mapping[str, str] | None = field(default=None, hash=False)

    def problem(self, column: str, expected: str) -> Problem:
        """Return what is wrong with a cell, in the words of the file."""
        name = self.names.get(column, column) if self.names else column
        return Problem(self.file, self.line, name, self.cells.get(column, ""), expected)


class UserTable(NamedTuple):
    """A table as it was read: its columns, its usable rows, and a problem for each of the others."""

    columns: list[str]
    rows: list[Row]
    problems: list[Problem]


def clean(text: str) -> str:
    """Return a cell without the spaces around it, in the one spelling that texts are compared in."""
    return composed(text.strip())


def read_rows(
    path: str | os.PathLike,
    required: Sequence[str],
    layout: Layout = CSV,
    cell: Callable[[str], str] = clean,
    hint: Callable[[list[str]], str] = lambda header: "",
    only: Only | None = None,
) -> UserTable:
    """Read a table as text: its columns, its whole rows, and a problem for each row of a wrong length.

    Every row that is not blank is a row or a problem. A column without a name is left out. A file that cannot be read
    as a table at all, that lacks one of the ``required`` columns or has a column twice raises :class:`InputError`.
    ``cell`` makes a cell of its text in the file; ``hint`` says with the header what to do where columns
    are missing; ``only`` names a column and says which cells of it are wanted: rows of others are passed over.
    """
    name = str(path)
    rows, problems, known = [], [], _Known(cell)
    found = cells_of.rows(path, layout)
    header = [cell(column) for column in next(found, (1, []))[1]]
    missing = [column for column in required if column not in header]
    if missing:
        present = listed(header) if header else "no header"
        raise InputError(printable(f"{name}:1: column {', '.join(missing)}: missing; found {present}{hint(header)}"))
    doubled = sorted(column for column, count in Counter(header).items() if column and count > 1)
    if doubled:
        raise InputError(printable(f"{name}:1: column {listed(doubled)}: given twice; expected each column once"))
    place, is_wanted = (header.index(only[0]), only[1]) if only else (0, lambda text: True)
    wanted = f"{'at most ' * layout.short_rows}{len(header)} cells, as the header has"
    for line, texts in found:
        # Of a large table most rows may be none of these: a look at one cell is enough.
        if only and len(texts) == len(header) and (text := known[texts[place]]) and not is_wanted(text):
            continue
        values = [known[text] for text in texts]
        if not any(values):
            continue
        lacking = len(header) - len(values)
        if lacking < 0 or (lacking and not layout.short_rows):
            problems.append(Problem(name, line, "", f"{len(values)} cells", wanted))
            continue
        values += [""] * lacking
        if is_wanted(values[place]):
            rows.append(Row(name, line, dict(zip(header, values, strict=True))))
    return UserTable(header, rows, problems)


def cells_of_column(
    path: str | os.PathLike, required: Sequence[str], column: str, hint: Callable[[list[str]], str] = lambda header: ""
) -> set[str]:
    """Return the distinct cells of a column, one of the ``required``, in the rows that :func:`read_rows` returns.

    No row is held in memory; what is wrong with a table is said as there.
    """
    found: set[str] = set()

    def noted(cell: str) -> bool:
        found.add(cell)
        return False

    read_rows(path, required, hint=hint, only=(column, noted))
    return found


class _Known(dict[str, str]):
    """Cells by their text in a file: tables say the same things again and again, and one copy of each is enough."""

    def __init__(self, cell: Callable[[str], str]):
        self._cell = cell

    def __missing__(self, text: str) -> str:
        made = self._cell(text)
        if len(self) < 100_000:
            self[text] = made
        return made


def refusal(problems: Sequence[Problem], most: int = 20) -> InputError:
    """Return the error that says the first problems of a table, a line each, and how many more there are."""
    more = [f"{problems[0].file}: {len(problems) - most} problems more"] if len(problems) > most else []
    return InputError(*map(str, problems[:most]), *map(printable, more))


def number(text: str) -> float:
    """Return a finite number; anything else (nan, inf, empty, text) raises ValueError."""
    value = float(text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError(text)
    return value


def write_rows(path: str | os.PathLike, columns: Sequence[str], rows: Iterable[Mapping]) -> None:
    """Write a CSV table whole for another program: the named columns of each row, every character as it is."""
    with write_whole(Path(path)) as file:
        writer = cells_of.Writer(file)
        writer.write_exactly(columns)
        for row in rows:
            writer.write_exactly(str(row.get(column, "")) for column in columns)
