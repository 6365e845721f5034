"""Files that appear whole or not at all, and what they contain."""

import errno
import fcntl
import hashlib
import io
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count, takewhile
from pathlib import Path
from typing import IO

# What ends the name of notes of what is finished in a file that is being written; they lie beside it.
NOTES = ".notes"
# What begins the name of a file that is being written: hidden from whoever lists a folder of sound or tables, or seen.
HIDDEN, SEEN = ".", "unfinished-"


@contextmanager
def path_for_whole(path: str | os.PathLike, begins: str = HIDDEN) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it is renamed to ``path`` on success, and removed on an error.

    What has notes of what is finished in it, see :data:`NOTES`, is not removed.

    The temporary name keeps the suffix of ``path``, because writers such as Keras choose a format by it, and begins
    with :data:`HIDDEN`, or with :data:`SEEN` where a run of hours is not to leave what nobody sees when it is killed.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f"{begins}{target.stem[:32]}.", suffix=target.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        # A full disk says no to a write without the name of the file.
        error.filename = error.filename or str(target)
        raise
    finally:
        if not Path(f"{temporary}{NOTES}").exists():
            temporary.unlink(missing_ok=True)


def temporaries_of(path: str | os.PathLike) -> list[Path]:
    """Return the temporary files beside ``path`` that are to take its name, or were to when their writer was killed.

    With the notes of them, see :data:`NOTES`.
    """
    target = Path(path)
    named = re.compile(
        rf"({re.escape(HIDDEN)}|{SEEN}){re.escape(target.stem[:32])}\.[a-z0-9_]{{8}}{re.escape(target.suffix)}"
        rf"({re.escape(NOTES)})?"
    )
    with suppress(FileNotFoundError, NotADirectoryError):
        names = (name for name in os.listdir(target.parent) if name.startswith((HIDDEN, SEEN)))
        return [target.with_name(name) for name in names if named.fullmatch(name)]
    return []


def part_of(path: str | os.PathLike, number: int) -> Path:
    """Return the name of a part, from 1, of what is finished of a file that takes long to make; it lies beside it."""
    target = Path(path)
    return target.with_name(f"{SEEN}{target.stem}.part-{number}{target.suffix}")


def parts_of(path: str | os.PathLike) -> list[Path]:
    """Return the parts, see :func:`part_of`, that are there of a file, in order; the last one is to go first."""
    return list(takewhile(Path.exists, (part_of(path, number) for number in count(1))))


@contextmanager
def write_whole(path: str | os.PathLike, mode: str = "w", begins: str = HIDDEN) -> Iterator[IO]:
    """Open a file for writing that takes the name ``path`` only when the block ends without an error.

    ``begins``: what the name begins with until then, see :func:`path_for_whole`.
    """
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "")
    with path_for_whole(path, begins) as temporary, temporary.open(mode, encoding=encoding, newline=newline) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_json(path: str | os.PathLike, values: dict) -> None:
    """Write a JSON file whole, with sorted keys; a number that is not finite raises ValueError."""
    text = json.dumps(values, indent=2, sort_keys=True, allow_nan=False)
    with write_whole(path) as file:
        file.write(text + "\n")


def hold(folder: str | os.PathLike) -> int:
    """Hold a folder for this process alone, and return the descriptor that holds it until it is closed.

    Where another process holds it BlockingIOError is raised; a file system without locks lets several.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        pass
    return descriptor


def open_regular(path: str | os.PathLike) -> io.BufferedReader:
    """Open a file of a stranger's for reading; a pipe, a device or a folder raises OSError, and is not waited for.

    What a path names can change between a look and the opening, so the opened file is looked at too.
    """
    refused = OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    if "\0" in os.fspath(path):
        raise OSError(errno.EINVAL, "a name with a zero byte", os.fspath(path))
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise refused
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refused
    return open(descriptor, "rb")


def sha256_of(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits; see :func:`open_regular`."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
