"""Tables as text: the cells of a file with their lines, and cells as text. What they mean is known elsewhere.

**Text that a spreadsheet would run.** A program such as Excel computes a cell that begins with ``=``, ``+``, ``-`` or
``@``, whoever wrote it. :func:`inert` puts an apostrophe before such a text, and :func:`original` takes it off, so that
a table of the workflow says what it said and runs nothing. Numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.given_files import open_regular

# Nobody writes a longer line or a longer cell, and what is read is held in memory.
LONGEST = 1_000_000

_RUNS = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL = re.compile(r"(?:^|,)['\s]*[=+\-@＝＋－＠]|[\"\t\r\n]")
_QUOTED = re.compile(r'[",\r\n]')


@dataclass(frozen=True)
class Layout:
    """How a table is written: what it is called, what stands between cells, and what a row may lack.

    ``quotes``: whether quotes hold a cell together; None: where they begin the file, as R and pandas write it.
    ``short_rows``: whether a row may lack its last cells.
    """

    name: str
    separator: str
    quotes: bool | None
    short_rows: bool


CSV = Layout("a CSV table", ",", quotes=True, short_rows=False)
# Raven leaves out empty cells at the end of a row, and a quote is a character like any other.
RAVEN = Layout("a Raven selection table", "\t", quotes=None, short_rows=True)


def lines(path: str | os.PathLike, name: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a file in UTF-8, with or without a byte order mark.

    A line ends as on any system, and with nothing else. What is no regular file, or no text, raises
    :class:`InputError`, which says what was expected by its ``name``.
    """
    with (
        open_regular(path, name) as file,
        io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
    ):
        number = 0
        while line := _next_line(text, path, name):
            number += 1
            if len(line) == LONGEST and not line.endswith(("\n", "\r")):
                raise InputError(f"{path}:{number}: expected {name}, but the line has more than {LONGEST} characters")
            if not line.isascii():
                try:
                    line.encode()
                except UnicodeEncodeError as error:
                    byte = ord(line[error.start]) - 0xDC00
                    raise InputError(
                        f"{path}:{number}: expected {name} in UTF-8, but byte 0x{byte:02x} is none of it"
                    ) from None
            yield number, line


def _next_line(file: IO[str], path: str | os.PathLike, name: str) -> str:
    try:
        return file.readline(LONGEST)
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}; expected {name}") from None


def rows(path: str | os.PathLike, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row of a table as they are written, and the line at which it begins."""
    texts = (text for _, text in lines(path, layout.name))
    first = next(texts, "")
    quotes = first.startswith('"') if layout.quotes is None else layout.quotes
    csv.field_size_limit(LONGEST)
    reader = csv.reader(
        _and(first, texts),
        delimiter=layout.separator,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        strict=True,
    )
    begin = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}:{begin}: expected {layout.name}, but {_REASONS.get(str(error), error)}") from None
        yield begin, cells
        begin = reader.line_num + 1


_REASONS = {
    "unexpected end of data": "a quote that is opened in this row is never closed",
    "',' expected after '\"'": "a quote is closed inside a cell",
    "'\t' expected after '\"'": "a quote is closed inside a cell",
    f"field larger than field limit ({LONGEST})": f"a cell has more than {LONGEST} characters",
}


def _and(first: str, others: Iterator[str]) -> Iterator[str]:
    yield first
    yield from others


def inert(text: str) -> str:
    """Return a text as it is written into a table: with an apostrophe before it, where a spreadsheet would run it."""
    return f"'{text}" if _RUNS.match(text) and not _NUMBER.fullmatch(text) else text


def original(text: str) -> str:
    """Return the text that :func:`inert` was given."""
    return text[1:] if text.startswith("'") and _RUNS.match(text) else text


class Writer:
    """Writes rows of cells as CSV; ``file`` is open for writing text without translation of line ends."""

    def __init__(self, file: IO[str]):
        self._file = file

    def writerow(self, cells: Iterable[Any]) -> None:
        """Write a row: texts so that they do not run, numbers with the fewest digits that give them back."""
        cells = list(cells)
        texts = ["" if cell is None else str(cell) for cell in cells]
        line = ",".join(texts)
        # Most rows are plain, and there are millions of them.
        if _SPECIAL.search(line) or line.count(",") >= len(texts):
            texts = [inert(text) if isinstance(cell, str) else text for cell, text in zip(cells, texts, strict=True)]
            line = ",".join(map(_quoted, texts))
        self._file.write((line or '""') + "\n")

    def write_exactly(self, texts: Iterable[str]) -> None:
        """Write a row of texts for a program that takes every character as it is."""
        self._file.write((",".join(map(_quoted, texts)) or '""') + "\n")


def _quoted(text: str) -> str:
    # A carriage return too: csv.writer leaves it bare, and readers then take it for the end of a row.
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
