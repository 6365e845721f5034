"""What lies in a folder of recordings and below it, however its links go round."""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path

from dawnchorus.foundation.errors import InputError, shown

# Links may give a folder more names than one; more than so many are links between folders that lead to and fro.
MOST_NAMES = 8
# Links that lead to more folders than so many lead out of the recordings, as one to `/` does.
MOST_LINKED = 250_000
Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True, slots=True)
class Found:
    """A name in a folder: its path inside (posix), which file it is (None: there is none), and by how many links."""

    path: str
    file: Identity | None
    n_links: int


def below(root: str | os.PathLike, suffixes: frozenset[str]) -> list[Found]:
    """Return every name with a suffix of sound in a folder and the folders below it, those by the fewest links first.

    Names are all that is asked for: a folder, a pipe or a link to nothing can have one, and who opens it says so. Of a
    folder that cannot be listed its own name is returned. Links to folders are followed, but not to one that they lie
    in. Raises OSError where ``root`` itself cannot be listed, and :class:`InputError` where links lead to more than
    :data:`MOST_LINKED` folders.
    """
    found: list[Found] = []
    times: Counter[Identity] = Counter()
    n_linked = 0
    waiting = deque([("", _identity(root), 0, frozenset[Identity | None]())])
    while waiting:
        folder, identity, n_links, above = waiting.popleft()
        if identity in above or (identity and times[identity] >= MOST_NAMES):
            continue
        n_linked += n_links > 0
        if n_linked > MOST_LINKED:
            raise InputError(
                f"{root}: its links lead to more than {MOST_LINKED} folders, such as {shown(folder)}; expected links "
                "to folders of recordings"
            )
        try:
            with os.scandir(Path(root, folder)) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:
            if not folder:
                raise
            found.append(Found(folder, identity, n_links))
            continue
        if identity:
            times[identity] += 1
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_link, is_folder = entry.is_symlink(), _is_folder(entry)
            # What a folder says of its files costs nothing; a link has to be followed.
            itself = (identity[0], entry.inode()) if identity and not is_link and not is_folder else None
            if split_suffix(entry.name)[1].lower() in suffixes:
                found.append(Found(path, itself or _identity(entry.path), n_links + is_link))
            if is_folder and is_link:
                waiting.append((path, _identity(entry.path), n_links + 1, above | {identity}))
            elif is_folder:
                waiting.appendleft((path, _identity(entry.path), n_links, above | {identity}))
    found.sort(key=lambda name: (name.n_links, name.path))
    return found


def split_suffix(path: str) -> tuple[str, str]:
    """Return a path (posix) without its suffix, and the suffix, which pathlib takes ten times as long for.

    >>> split_suffix("day.1/r1.wav")
    ('day.1/r1', '.wav')
    """
    dot = path.rfind(".")
    return (path[:dot], path[dot:]) if path.rfind("/") + 1 < dot < len(path) - 1 else (path, "")


def _identity(path: str | os.PathLike) -> Identity | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
