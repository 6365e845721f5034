"""Recordings that a job reads are those that the audit knew: what is opened is looked at, wherever a name leads to.

A name can lead elsewhere for a while, by a link or a folder of its own, and back, and nothing of the file at its end
tells. So each file is known by what the file system says of the one that was opened (see
:func:`dawnchorus.foundation.hashes.identity`), and by its hash when it is opened first.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.hashes import OF_SOUND, HashCache, identity
from dawnchorus.sound import opening

CHANGED = "changed since the audit of the recordings; run the workflow again"
_BLOCK_BYTES = 1 << 20


@contextmanager
def unchanged(recordings: Iterable[Mapping], audio_dir: str | os.PathLike) -> Iterator[None]:
    """Let recordings be read; one that is not what the audit found, or changes meanwhile, raises :class:`InputError`.

    ``recordings``: rows of recordings.csv, with ``path`` and ``sha256``. Only those that are opened are looked at.
    """
    known = {os.path.normpath(os.path.join(audio_dir, row["path"])): row["sha256"] for row in recordings}
    seen: dict[str, list[int]] = {}
    hashes = cache(lambda: HashCache(OF_SOUND))

    def why_not(path: str, descriptor: int) -> str | None:
        name = os.path.normpath(path)
        if name not in known:
            return None
        now = identity(descriptor)
        if name not in seen and (hashes().known_as(path, now) or _hash_of(descriptor)) == known[name]:
            seen[name] = now
        return None if seen.get(name) == now else CHANGED

    with opening.watched(why_not):
        yield
    for path, before in seen.items():
        if not is_still(path, before):
            raise InputError(f"{path}: {CHANGED}")


@contextmanager
def opened_as(path: str | os.PathLike, seen: list[int], otherwise: str = CHANGED) -> Iterator[None]:
    """Let a file be opened while it has the identity that was ``seen``; another one is refused, with what is said."""
    name = os.fspath(path)

    def why_not(opened: str, descriptor: int) -> str | None:
        return otherwise if opened == name and identity(descriptor) != seen else None

    with opening.watched(why_not):
        yield


def is_still(path: str | os.PathLike, before: list[int]) -> bool:
    """Say whether a file has the identity that it had ``before``."""
    try:
        return identity(path) == before
    except (OSError, ValueError):
        return False


def _hash_of(descriptor: int) -> str:
    """Return the SHA-256 of an open file, whose position stays where it is."""
    digest, place = hashlib.sha256(), 0
    while block := os.pread(descriptor, _BLOCK_BYTES, place):
        digest.update(block)
        place += len(block)
    return digest.hexdigest()
