"""What the report says of a review: how much was heard, and what that says of each species and site.

The summary is the user's file, the summary.json of `dawnchorus review summary`: it is read as one of a stranger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dawnchorus.foundation import archives
from dawnchorus.foundation.display_names import display_names, printable
from dawnchorus.foundation.errors import InputError, one_line, shown
from dawnchorus.foundation.given_files import open_regular
from dawnchorus.tables.definitions import REVIEW_GROUPS, REVIEW_SUMMARY, Column, Table

EXPECTED = "the summary.json of `dawnchorus review summary`"
# Above this a number of windows is no longer exact in JSON, and nobody has so many.
MOST_BYTES, MOST_COUNT = 2**26, 2**53
NAME_CHARACTERS = 200
# Rows of the table by site; all are in groups.csv.
MOST_ROWS = 2000
ESTIMATES = ("precision", "recall", "windows_with_calls")
# Columns that are a share or a score, with their ends.
SHARES = ("precision", "recall", "threshold")
COLUMNS = ("Answers", "Precision", "Threshold", "Recall", "Windows with calls", "More answers needed")
GROUP_COLUMNS = ("Answers", "Windows with calls")
NO_VALUE = "–"


def read(path: Path) -> dict[str, Any]:
    """Return a summary: rows ``species`` and ``groups`` as their tables define them, ``reviewers``, what was wanted.

    What is no such file, and a value of another type or out of range, raises :class:`InputError` with file, key, value
    and what was expected.
    """
    with open_regular(path, EXPECTED) as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise InputError(f"{path}: more than {MOST_BYTES} bytes; expected {EXPECTED}")
    try:
        found = archives.strict_json(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {one_line(error, 200)}; expected JSON, {EXPECTED}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: {shown(found)}: expected {EXPECTED}")
    try:
        summary: dict[str, Any] = {
            "species": list(_rows(found, "species", REVIEW_SUMMARY)),
            "groups": list(_rows(found, "groups", REVIEW_GROUPS)),
            "reviewers": [_text(name, f"reviewers.{k}") for k, name in enumerate(_list(found, "reviewers"))],
            **{key: _within(found.get(key), key, 1) for key in ("wanted_precision", "wanted_half_width")},
        }
        known: set[str] = set()
        for number, row in enumerate(summary["species"]):
            if row["species_id"] in known:
                raise ValueError(f"species.{number}.species_id: {shown(row['species_id'])}: expected each species once")
            known.add(row["species_id"])
        for number, row in enumerate(summary["groups"]):
            if row["species_id"] not in known:
                raise ValueError(f"groups.{number}.species_id: {shown(row['species_id'])}: expected one of species")
    except ValueError as error:
        raise InputError(f"{path}: {error} ({EXPECTED})") from None
    return summary


def _list(found: Mapping[str, Any], key: str) -> list:
    if not isinstance(found.get(key), list):
        raise ValueError(f"{key}: {shown(found.get(key))}: expected a list")
    return found[key]


def _rows(found: Mapping[str, Any], key: str, table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, by their columns alone; an estimate is there with both ends, or not at all."""
    for number, row in enumerate(_list(found, key)):
        where = f"{key}.{number}"
        if not isinstance(row, dict):
            raise ValueError(f"{where}: {shown(row)}: expected an object")
        made = {column.name: _cell(row, column, f"{where}.{column.name}") for column in table.columns}
        for name in ESTIMATES:
            ends = [end for end in (name, f"{name}_low", f"{name}_high") if end in made]
            lacking = [end for end in ends if made[end] is None]
            if 0 < len(lacking) < len(ends):
                raise ValueError(f"{where}.{lacking[0]}: null: expected a number, as the others of this estimate are")
        yield made


def _cell(row: Mapping[str, Any], column: Column, where: str) -> Any:
    if column.name not in row:
        raise ValueError(f"{where}: missing; expected {column.meaning}")
    value = row[column.name]
    if column.type == "text":
        return _text(value, where)
    if value is None and column.empty:
        return None
    if column.type == "integer" and type(value) is not int:
        raise ValueError(f"{where}: {shown(value)}: expected a whole number from 0")
    return _within(value, where, 1 if column.name.startswith(SHARES) else MOST_COUNT)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where}: {shown(value)}: expected text")
    return value


def _within(value: Any, where: str, most: int) -> float:
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise ValueError(f"{where}: {shown(value)}: expected a number from 0 to {most}")
    return value


def section(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a summary as :func:`read` returns it: sentences, and tables as text."""
    species, wanted = summary["species"], summary["wanted_precision"]
    names = display_names(
        [row["species_id"] for row in species], [row["species_name"] for row in species], NAME_CHARACTERS
    )
    name_of = {row["species_id"]: name for row, name in zip(species, names, strict=True)}
    groups = summary["groups"] if len({row["group"] for row in summary["groups"]}) > 1 else []
    return {
        "lead": lead(summary),
        "columns": [f"Threshold for {wanted:g}" if name == "Threshold" else name for name in COLUMNS],
        "rows": [{"name": name_of[row["species_id"]], "cells": _cells(row)} for row in species],
        "group_columns": GROUP_COLUMNS,
        "groups": [
            {
                "name": name_of[row["species_id"]],
                "group": printable(row["group"]) or NO_VALUE,
                "cells": [f"{row['answered']:,}", _with_calls(row)],
            }
            for row in groups[:MOST_ROWS]
        ],
        "n_groups": len(groups),
    }


def lead(summary: Mapping[str, Any]) -> str:
    """Say in one sentence what listening brought: thresholds, and of how many species more answers are needed."""
    species, people = summary["species"], len(summary["reviewers"])
    answers = sum(row["answered"] for row in species)
    if not answers:
        return "No window has an answer that counts yet."
    n_known = sum(row["threshold"] is not None for row in species)
    n_open = sum(row["more_answers"] > 0 for row in species)
    said = (
        f"By listening to {answers:,} window{'s' * (answers != 1)} ({people} {'person' if people == 1 else 'people'}): "
        f"for {n_known} of {len(species)} species there is a score from which on windows hold calls with a precision "
        f"of {summary['wanted_precision']:g}"
    )
    if n_open:
        half = summary["wanted_half_width"]
        said += f"; {n_open} need{'s' * (n_open == 1)} more answers until precision is known to ± {half:g}"
    return f"{said}."


def _cells(row: Mapping[str, Any]) -> list[str]:
    threshold = NO_VALUE if row["threshold"] is None else f"{row['threshold']:.3g}"
    return [
        f"{row['answered']:,}",
        _share(row, "precision"),
        threshold,
        _share(row, "recall"),
        _with_calls(row),
        f"{row['more_answers']:,}",
    ]


def _share(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return NO_VALUE
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def _with_calls(row: Mapping[str, Any]) -> str:
    name = "windows_with_calls"
    if row[name] is None:
        return f"{NO_VALUE} of {row['windows']:,}"
    return f"{row[name]:,.0f} ({row[f'{name}_low']:,.0f} to {row[f'{name}_high']:,.0f}) of {row['windows']:,}"
