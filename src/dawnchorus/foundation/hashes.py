"""Content hashes of files, remembered by what the file system says of a file, so that a file is read once."""

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dawnchorus.foundation.files import sha256_of, write_whole


class HashCache:
    """SHA-256 by path; a hash is kept as long as size, modification time and inode of the file are the same.

    ``store`` is the file it is kept in, for the next process; a damaged or missing one only costs time.
    """

    def __init__(self, store: str | os.PathLike):
        self._store = Path(store)
        self._changed = False
        try:
            self._known = json.loads(self._store.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def sha256(self, path: str | os.PathLike) -> str:
        """Return the hash of a file's content."""
        key = os.path.abspath(path)
        stat = os.stat(key)
        seen_as = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        known = self._known.get(key)
        if known and known[:3] == seen_as:
            return known[3]
        digest = sha256_of(key)
        self._known[key] = [*seen_as, digest]
        self._changed = True
        return digest

    def sha256_of_all(self, paths: Iterable[str | os.PathLike], threads: int = 4) -> list[str]:
        """Return the hashes of many files, read in parallel."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self.sha256, paths))

    def save(self) -> None:
        """Write what was learned, if anything was."""
        if self._changed:
            with write_whole(self._store) as file:
                json.dump(self._known, file)
            self._changed = False


def digest_of(entries: Iterable[tuple[str, str]]) -> str:
    """Return one hash for a set of (name, hash) pairs, in whatever order they come."""
    text = json.dumps(sorted(entries)).encode()
    return hashlib.sha256(text).hexdigest()
