"""Files that a user names: whether there is one that can be read, said before anything opens it and waits."""

import os
import stat
from typing import BinaryIO

from dawnchorus.foundation import files
from dawnchorus.foundation.errors import InputError

_OTHERS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def fault_of_file(path: str | os.PathLike, or_folder: bool = False) -> str | None:
    """Say what is wrong with a path that should be a regular, readable file; None: nothing. It is not opened."""
    return _fault(path, file=True, folder=or_folder)


def fault_of_folder(path: str | os.PathLike) -> str | None:
    """Say what is wrong with a path that should be a folder whose files can be listed; None: nothing."""
    return _fault(path, file=False, folder=True)


def _fault(path: str | os.PathLike, file: bool, folder: bool) -> str | None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        kind = "file" if file else "folder"
        return f"a link to no {kind}" if os.path.islink(path) else f"no such {kind}"
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", None) or str(error)).lower()
    if stat.S_ISDIR(mode):
        if not folder:
            return "a folder"
        return None if os.access(path, os.R_OK | os.X_OK) else "a folder that you may not read"
    if stat.S_ISREG(mode):
        if not file:
            return "a file"
        return None if os.access(path, os.R_OK) else "a file that you may not read"
    return next((name for is_kind, name in _OTHERS if is_kind(mode)), "no regular file")


def open_regular(path: str | os.PathLike, expected: str) -> BinaryIO:
    """Open a regular file to read its bytes; anything else raises :class:`InputError`, and nothing is waited for.

    The file is looked at when it is open, so that what is read is what was looked at. ``expected``: what should be
    there.
    """
    try:
        return files.open_regular(path)
    except OSError as error:
        fault = fault_of_file(path) or (error.strerror or str(error)).lower()
        raise InputError(f"{path}: {fault}; expected {expected}") from None
