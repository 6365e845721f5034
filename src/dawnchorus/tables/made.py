"""Tables that earlier stages made, read and written by their definition: typed cells, and every number as it was.

Text is written so that no spreadsheet runs it, and read as it was: see :mod:`dawnchorus.tables.cells`.

A table in memory is a list of dicts, one a row: text as ``str``, integers as ``int``, numbers as ``float``. An empty
cell is an empty text, NaN, or None for an integer. :func:`frame` gives the same as a pandas table.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import write_whole
from dawnchorus.tables import cells
from dawnchorus.tables.definitions import Column, Table
from dawnchorus.tables.users import Only, read_rows, refusal

if TYPE_CHECKING:
    import pandas as pd

Item = TypeVar("Item")


class Rows(Sequence[dict], Generic[Item]):
    """Rows of a table, each made when it is asked for: there may be a million, and one at a time is enough.

    ``items``: what each is made of; ``make`` takes the number of a row, and its item.
    """

    def __init__(self, items: Sequence[Item], make: Callable[[int, Item], dict]):
        self._items, self._make = items, make

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number):
        return self._make(number, self._items[number])


_EXPECTED = {"integer": "a whole number", "number": "a finite number"}


def read(path: str | os.PathLike, table: Table, only: Only | None = None) -> list[dict[str, Any]]:
    """Return the rows of a table, typed as its definition says; ``only`` those with such cells of a column.

    A file that is no such table, a missing or unknown column, a row of a wrong length, or a cell of another type raises
    :class:`InputError` with file, line, column, value and what was expected.
    """
    return _read(path, table, only)[1]


def read_columns(path: str | os.PathLike, table: Table) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns of a table, those beyond its definition too, and its rows as :func:`read` does."""
    return _read(path, table)


def frame(path: str | os.PathLike, table: Table) -> pd.DataFrame:
    """Return :func:`read` as a pandas table, its index 0, 1, ...; text columns hold ``str``, no missing value."""
    import pandas as pd

    columns, rows = _read(path, table)
    types = {column.name: column for column in _columns_of(columns, table)}
    made = {}
    for name in columns:
        values = [row[name] for row in rows]
        kind = types[name].type
        if kind == "text":
            made[name] = pd.Series(values, dtype=object)
        elif kind == "integer" and not types[name].empty:
            made[name] = pd.Series(values, dtype="int64")
        else:
            made[name] = pd.Series([math.nan if value is None else value for value in values], dtype="float64")
    return pd.DataFrame(made, columns=columns)


def write(path: str | os.PathLike, table: Table, rows: Iterable[Mapping] | pd.DataFrame) -> None:
    """Write a table whole: the columns of its definition, then those that it may have more, in order of appearance.

    Each number is written with the fewest digits that give it back as it was (a float32 needs nine at most); None and
    NaN become empty cells. A row that lacks a column, or has one that the table may not have, raises ValueError.
    """
    records = _records(rows) if hasattr(rows, "columns") else rows
    more: list[str] = []
    if table.more:
        # Which columns there are more is known when all rows are.
        records = records if isinstance(records, Sequence) else list(records)
        present = (
            rows.columns if hasattr(rows, "columns") else dict.fromkeys(name for record in records for name in record)
        )
        more = [name for name in present if name not in table.names]
        if table.more not in "*+" and any(not name.startswith(table.more) for name in more):
            raise ValueError(f"{table.name}: columns {', '.join(more)}: expected names that begin with {table.more}")
    columns = [*table.names, *more]
    required, allowed = frozenset(table.names), frozenset(columns)
    with write_whole(Path(path)) as file:
        writer = cells.Writer(file)
        writer.writerow(columns)
        for record in records:
            if not required <= record.keys():
                lacking = [name for name in table.names if name not in record]
                raise ValueError(f"{table.name}: a row without {', '.join(lacking)}")
            if not record.keys() <= allowed:
                unknown = [name for name in record if name not in allowed]
                raise ValueError(f"{table.name}: no column {', '.join(unknown)}; it has {', '.join(table.names)}")
            writer.writerow(_cell(record.get(name)) for name in columns)


def _records(rows: pd.DataFrame) -> Iterator[dict]:
    names, columns = list(rows.columns), [rows[name].to_numpy() for name in rows.columns]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _cell(value: Any) -> Any:
    """Return what to write: ``str`` of a numpy float is the shortest that reads back the same in its own precision."""
    missing = value is None or ((isinstance(value, float) or hasattr(value, "dtype")) and value != value)
    return None if missing else value


def _read(path: str | os.PathLike, table: Table, only: Only | None = None) -> tuple[list[str], list[dict[str, Any]]]:
    header, rows, problems = read_rows(path, table.names, cell=cells.original, only=only)
    if problems:
        raise refusal(problems)
    converters = [(column.name, _converter(column)) for column in _columns_of(header, table, str(path))]
    made = []
    for row in rows:
        record = {}
        for name, convert in converters:
            try:
                record[name] = convert(row.cells[name])
            except ValueError as error:
                raise InputError(str(row.problem(name, str(error)))) from None
        made.append(record)
    return header, made


def _columns_of(header: Sequence[str], table: Table, path: str = "") -> list[Column]:
    known = {column.name: column for column in table.columns}
    columns = []
    for name in header:
        if name in known:
            columns.append(known[name])
        elif table.more == "*":
            columns.append(Column(name, "text", "the user's own", empty=True))
        elif table.more == "+" or (table.more and name.startswith(table.more)):
            columns.append(Column(name, "number", "", empty=table.more == "+"))
        else:
            raise InputError(f"{path}:1: column {name}: unknown; expected {', '.join(table.names)}")
    return columns


def _converter(column: Column) -> Callable[[str], Any]:
    if column.type == "text":
        return str

    def convert(text: str) -> Any:
        if not text and column.empty:
            return None if column.type == "integer" else math.nan
        try:
            if "_" in text:
                raise ValueError
            value = int(text) if column.type == "integer" else float(text)
        except ValueError:
            raise ValueError(_EXPECTED[column.type]) from None
        if not math.isfinite(value):
            raise ValueError(_EXPECTED[column.type])
        return value

    return convert
