"""Zip archives and JSON that somebody else may have made: doubled names are refused, sizes bounded before unpacking."""

from __future__ import annotations

import json
import lzma
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

# What is read from an archive may be so many times as large as the archive, and a little more: a bomb is thousands.
EXPANSION, SLACK_BYTES = 50, 2**20
# What Python raises for archives that are cut off, damaged, encrypted, or packed in a way that it does not know.
DAMAGE = (
    *(OSError, ValueError, KeyError, IndexError, RuntimeError, EOFError, MemoryError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)


@contextmanager
def opened(file: str | os.PathLike | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive for reading; one with doubled names, or far larger than its file, raises ValueError.

    What is no archive raises one of :data:`DAMAGE`; a pipe or a device is not opened at all.
    """
    if isinstance(file, (str, os.PathLike)):
        # Whoever opens a pipe waits for its other end.
        if os.path.exists(file) and not os.path.isfile(file):
            raise ValueError("not a file")
        size = os.stat(file).st_size
        file = Path(file)
    else:
        size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        for name, count in Counter(archive.namelist()).items():
            if count > 1:
                raise ValueError(f"member {name!r} is there twice")
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > EXPANSION * size + SLACK_BYTES:
            raise ValueError(f"{unpacked} bytes when unpacked, from a file of {size}")
        yield archive


def member(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes:
    """Return the content of a member; a longer one than ``most_bytes`` raises ValueError, and is not unpacked."""
    size = archive.getinfo(name).file_size
    if size > most_bytes:
        raise ValueError(f"member {name!r} has {size} bytes; expected at most {most_bytes}")
    return archive.read(name)


def strict_json(text: str | bytes) -> Any:
    """Return what a JSON text says; a key given twice, NaN and infinity raise ValueError, which names them."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
            raise ValueError(f"{key!r} is given twice")
        return made

    def refused(constant: str) -> Any:
        raise ValueError(f"{constant}; expected finite numbers")

    return json.loads(text, object_pairs_hook=once, parse_constant=refused)
