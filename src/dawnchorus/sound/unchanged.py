"""Recordings that a job reads are those that the audit knew, from before its first look at one until after its last."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.hashes import OF_SOUND, HashCache, identity

CHANGED = "changed since the audit of the recordings; run the workflow again"


@contextmanager
def unchanged(recordings: Iterable[Mapping], audio_dir: str | os.PathLike) -> Iterator[None]:
    """Let recordings be read; one that is not what the audit found, or changes meanwhile, raises :class:`InputError`.

    ``recordings``: rows of recordings.csv, with ``path`` and ``sha256``. What is exchanged and put back meanwhile is
    another file to the file system.
    """
    cache, seen = HashCache(OF_SOUND), {}
    for row in recordings:
        path = os.path.join(audio_dir, row["path"])
        try:
            seen[path] = identity(path)
            is_same = cache.sha256(path) == row["sha256"]
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        if not is_same:
            raise InputError(f"{path}: {CHANGED}")
    cache.save()
    yield
    for path, before in seen.items():
        if not is_still(path, before):
            raise InputError(f"{path}: {CHANGED}")


def is_still(path: str | os.PathLike, before: list[int]) -> bool:
    """Say whether a file has the identity that it had ``before``, see :func:`dawnchorus.foundation.hashes.identity`."""
    try:
        return identity(path) == before
    except OSError:
        return False
