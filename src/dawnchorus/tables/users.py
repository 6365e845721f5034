"""Tables that people give: read as text, with the line of every cell, so that each mistake is named where it stands."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import write_whole


@dataclass(frozen=True)
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
        return f"{where}:{column} {self.value!r}: expected {self.expected}"


@dataclass(frozen=True)
class Row:
    """One line of a table: its file, its line number, and its cells as stripped text by column.

    ``names`` says what the file calls a column, where that is not its name here.
    """

    file: str
    line: int
    cells: dict[str, str] = field(hash=False)
    names: Mapping[str, str] = field(default_factory=dict, hash=False)

    def problem(self, column: str, expected: str) -> Problem:
        """Return what is wrong with a cell, in the words of the file."""
        return Problem(self.file, self.line, self.names.get(column, column), self.cells.get(column, ""), expected)


class UserTable(NamedTuple):
    """A table as it was read: its columns, its usable rows, and a problem for each of the others."""

    columns: list[str]
    rows: list[Row]
    problems: list[Problem]


def read_rows(path: str | os.PathLike, required: Sequence[str]) -> UserTable:
    """Read a CSV file as text: its columns, its whole rows, and a problem for each row of a wrong length.

    UTF-8, with or without a byte order mark. A file that cannot be read as a table at all, or that lacks one of
    the ``required`` columns, raises :class:`InputError`.
    """
    name = str(path)
    rows, problems = [], []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [column.strip() for column in next(reader, [])]
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    expected = f"{len(header)} cells, as the header has"
                    problems.append(Problem(name, reader.line_num, "", f"{len(cells)} cells", expected))
                    continue
                values = dict(zip(header, (cell.strip() for cell in cells), strict=True))
                rows.append(Row(name, reader.line_num, values))
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; expected a CSV table") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{name}: expected a CSV table in UTF-8, but {error}") from None
    missing = [column for column in required if column not in header]
    if missing:
        found = ", ".join(header) if header else "no header"
        raise InputError(f"{name}:1: column {', '.join(missing)}: missing; found {found}")
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise InputError(f"{name}:1: column {', '.join(doubled)}: given twice; expected each column once")
    return UserTable(header, rows, problems)


def number(text: str) -> float:
    """Return a finite number; anything else (nan, inf, empty, text) raises ValueError."""
    value = float(text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError(text)
    return value


def write_rows(path: str | os.PathLike, columns: Sequence[str], rows: Iterable[Mapping]) -> None:
    """Write a CSV table whole: the named columns of each row, floats in full precision."""
    with write_whole(Path(path)) as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
