"""Content hashes of files, remembered by what the file system says of a file, so that a file is read once."""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from dawnchorus.foundation.files import sha256_of, write_whole
from dawnchorus.foundation.parallel import in_threads

# Where hashes of recordings are remembered, of which there may be a million: no job that reads none loads them.
OF_SOUND = Path(".snakemake/sha256-sound.json")
# A file that was written this shortly before it was read may be written again without another time: file systems
# count in steps of up to two seconds.
_STEP_NS = 2 * 10**9
# A digest takes its text in pieces of so many entries.
_ENTRIES = 1_000


def identity(path: str | os.PathLike | int) -> list[int]:
    """Return what the file system says of a file, or of an open one, that changes with its content.

    Size, modification and change time, inode and device. The change time cannot be set by hand.
    """
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]


class HashCache:
    """SHA-256 by path; a hash is kept while the :func:`identity` of the file stays the same.

    A hash taken within two seconds of the last change is not kept, since another edit could have the same times.

    ``store`` is the file it is kept in, for the next process; one that is damaged, missing or cannot be written only
    costs time. Processes may share it: what another one has learned meanwhile is kept.

    There may be a million files. So what is known of one is a single text, its identity and its hash, and the store, an
    object in JSON, has a line for each.
    """

    def __init__(self, store: str | os.PathLike):
        self._store = Path(store)
        self._known = dict(self._stored())
        self._learned: dict[str, str] = {}

    def sha256(self, path: str | os.PathLike) -> str:
        """Return the hash of a file's content."""
        return self._of(path, "", sha256_of)

    def derived(self, path: str | os.PathLike, make: Callable[[str], str]) -> str:
        """Return what a function makes of a file's content; the function is known by its name."""
        return self._of(path, f"\0{make.__module__}.{make.__qualname__}", make)

    def _of(self, path: str | os.PathLike, what: str, make: Callable[[str], str]) -> str:
        place = _place(path)
        key, seen_as = place + what, identity(place)
        if known := self._still_of(key, seen_as):
            return known
        read_ns = time.time_ns()
        made = make(place)
        if max(seen_as[1:3]) + _STEP_NS < read_ns:
            self._known[key] = self._learned[key] = _text_of(seen_as) + made
        return made

    def remembered(self, path: str | os.PathLike) -> str | None:
        """Return the hash of a file that need not be read for it; None of any other, also of what cannot be read."""
        try:
            key = _place(path)
            return self._still_of(key, identity(key))
        except (OSError, ValueError):
            return None

    def known_as(self, path: str | os.PathLike, seen_as: list[int]) -> str | None:
        """Return the hash of a file that was of this :func:`identity`; None of any other."""
        return self._still_of(_place(path), seen_as)

    def sha256_of_all(self, paths: Iterable[str | os.PathLike], threads: int = 4) -> list[str]:
        """Return the hashes of many files, read in parallel."""
        return self._of_all(paths, self.sha256, threads)

    def sha256_or_reason(self, paths: Iterable[str | os.PathLike]) -> list[str]:
        """Return the hash of each of many files, or why there is none, see :func:`or_reason`."""
        return self._of_all(paths, lambda path: or_reason(self.sha256, path), 4)

    def _of_all(
        self, paths: Iterable[str | os.PathLike], read: Callable[[str | os.PathLike], str], threads: int
    ) -> list[str]:
        # To hand a file to a thread takes ten times as long as a look at one that is known.
        paths = list(paths)
        known = [self.remembered(path) for path in paths]
        unknown = (path for path, digest in zip(paths, known, strict=True) if digest is None)
        others = in_threads(read, unknown, threads)
        return [digest or next(others) for digest in known]

    def _still_of(self, key: str, seen_as: list[int]) -> str | None:
        known, seen = self._known.get(key, ""), _text_of(seen_as)
        return known[len(seen) :] if known.startswith(seen) else None

    def save(self) -> None:
        """Add what was learned to the store, if anything was."""
        if not self._learned:
            return
        # In a folder that cannot be written (somebody else's, a full disk) the next process reads the files again.
        with contextlib.suppress(OSError):
            self._store.parent.mkdir(parents=True, exist_ok=True)
            with open(f"{self._store}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with write_whole(self._store) as file:
                    others = (entry for entry in self._stored() if entry[0] not in self._learned)
                    before = "{\n"
                    for key, known in chain(others, self._learned.items()):
                        file.write(before + json.dumps({key: known})[1:-1])
                        before = ",\n"
                    file.write("\n}\n")
            self._learned = {}

    def _stored(self) -> Iterator[tuple[str, str]]:
        with contextlib.suppress(OSError, ValueError, RecursionError), self._store.open(encoding="utf-8") as file:
            for line in file:
                for key, known in json.loads(f"{{{line.strip(_AROUND_ENTRY)}}}").items():
                    if isinstance(known, str):
                        yield key, known


def or_reason(read: Callable[[str | os.PathLike], str], path: str | os.PathLike) -> str:
    """Return the hash that ``read`` gives of a file, or why there is none: a file that is missing, a pipe, a folder."""
    try:
        return read(path)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)


# What stands around an entry in its line of a store.
_AROUND_ENTRY = "{}, \n"


def _place(path: str | os.PathLike) -> str:
    """Return a path from the root. Where it goes up it may go up from where a link leads, and stays as it is."""
    text = os.fspath(path)
    return os.path.join(os.getcwd(), text) if ".." in text else os.path.abspath(text)


def _text_of(seen_as: list[int]) -> str:
    return "".join(f"{number} " for number in seen_as)


def digest_of(entries: Iterable[tuple[str, str]]) -> str:
    """Return one hash for a set of (name, hash) pairs, in whatever order they come."""
    found = sorted(entries)
    digest = hashlib.sha256(b"[")
    for start in range(0, len(found), _ENTRIES):
        text = json.dumps(found[start : start + _ENTRIES])[1:-1]
        digest.update(f", {text}".encode() if start else text.encode())
    digest.update(b"]")
    return digest.hexdigest()
