"""Notes of what is finished in a shard that is being written: of a job that is killed, the next one has its work.

Beside `.shard-3-of-8.abcd1234.zip` lies `.shard-3-of-8.abcd1234.zip.notes`, with a line of each recording whose array
is in the file: a SHA-256, the array's offset and size in bytes, and as JSON the recording's id, signature and clips.
The hash is of that JSON and of the array, so a line that was cut off, or is of another file, gives nothing. A job that
fails or is interrupted leaves both too. The notes stay when the shard takes its name, until a record says what it is
(:mod:`dawnchorus.workflow.provenance`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dawnchorus.foundation.archives import strict_json
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import NOTES, open_regular, temporaries_of


class Notes:
    """Notes being written, from :func:`beside`. ``shard``: the open file that they are of."""

    def __init__(self, file: IO[bytes], shard: IO[bytes]):
        self._file, self._shard = file, shard

    def add(self, recording_id: str, signature: str, clips: Mapping, member: bytes) -> None:
        """Note a recording whose array was just written, the last in the file so far."""
        facts = json.dumps([recording_id, signature, clips], separators=(",", ":")).encode()
        # A kill leaves what the system has, so the array goes first. Nothing waits for the disk.
        self._shard.flush()
        at = self._shard.tell() - len(member)
        self._file.write(b"%b %d %d %b\n" % (_digest(facts, member), at, len(member), facts))
        self._file.flush()


@contextmanager
def beside(shard: IO[bytes]) -> Iterator[Notes]:
    """Open notes of a file that is being written.

    They stay, with what they are of, whether the block ends well or not: unless nothing is noted, or the disk is full.
    """
    path = Path(f"{shard.name}{NOTES}")
    try:
        with path.open("xb") as file:
            yield Notes(file, shard)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    except BaseException:
        if not path.stat().st_size:
            path.unlink()
        raise


class HalfWritten:
    """A shard that a killed job was writing, open for reading what its notes say is finished; a context manager.

    ``path``: the notes. Where they or the shard are not there :class:`InputError` is raised.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._recordings: dict[str, tuple[str, dict, bytes, bytes, int, int]] = {}
        try:
            with open_regular(path) as notes:
                for line in notes:
                    with suppress(ValueError, TypeError, RecursionError):
                        digest, at, size, facts = line.split(b" ", 3)
                        recording_id, signature, clips = strict_json(facts)
                        self._recordings[recording_id] = signature, clips, digest, facts.rstrip(), int(at), int(size)
            self._shard = open_regular(self.path.with_suffix(""))
        except OSError as error:
            raise InputError(f"{path}: not usable: {error.strerror}") from None
        self._size = os.fstat(self._shard.fileno()).st_size

    def __enter__(self) -> HalfWritten:
        return self

    def __exit__(self, *_: object) -> None:
        self._shard.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._recordings)

    def signature(self, recording_id: str) -> str | None:
        """Return the signature of a recording, None when there is no note of it."""
        return self._recordings[recording_id][0] if recording_id in self._recordings else None

    def as_stored(self, recording_id: str) -> tuple[str, dict, bytes]:
        """Return a recording's signature, clips and array, see :meth:`dawnchorus.features.shards.Shard.as_stored`.

        What is not what was noted raises :class:`InputError`.
        """
        signature, clips, digest, facts, at, size = self._recordings[recording_id]
        member = b""
        if 0 <= at <= at + size <= self._size:
            self._shard.seek(at)
            member = self._shard.read(size)
        if _digest(facts, member) != digest:
            raise InputError(f"{self.path}: {recording_id!r} is not what was noted")
        return signature, clips, member


def leave_one(path: str | os.PathLike, signatures: Mapping[str, str]) -> None:
    """Of all that killed jobs were writing to be ``path`` leave what has most recordings of these signatures.

    Each was written in one order, and took over what the one before held: so the others hold nothing more.
    """

    def n_held(notes: Path) -> int:
        try:
            with HalfWritten(notes) as half:
                return sum(half.signature(recording_id) == wanted for recording_id, wanted in signatures.items())
        except InputError:
            return 0

    found = sorted((notes for notes in temporaries_of(path) if notes.suffix == NOTES), key=n_held)
    for notes in found[:-1]:
        notes.with_suffix("").unlink(missing_ok=True)
        notes.unlink()


def _digest(facts: bytes, member: bytes) -> bytes:
    made = hashlib.sha256(facts)
    made.update(member)
    return made.hexdigest().encode()
