"""The container of extracted features: one file a shard, one array a recording, read one at a time.

A shard is a zip of uncompressed members. The clips of a recording are concatenated in one float32 array of
shape (total frames, n_features), the member ``<ordinal>.npy``. ``index.json`` holds the block ``features``,
the SHA-256 of each file that its kind read (see :func:`dawnchorus.features.kinds.input_hashes`), and maps each
recording id to the signature of what made it, its member, and its clips of each role as [t_min_s, t_max_s,
first_frame, n_frames]. The roles are those of :data:`ROLES`, in this order: ``annotation`` and ``margin``
(the same with room for jitter, or none) in the order of the recording's rows in annotations.csv, and ``context``,
clips that hold no annotation. The same content gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawnchorus.features import notes
from dawnchorus.features.notes import HalfWritten, Notes
from dawnchorus.foundation.errors import InputError, one_line
from dawnchorus.foundation.files import NOTES, write_whole
from dawnchorus.foundation.hashes import digest_of
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.sound.spans import Span

if TYPE_CHECKING:
    import numpy as np


Clip = tuple[float, float, int, int]

FORMAT = "dawnchorus features 4"
ROLES = ("annotation", "margin", "context")
INDEX = "index.json"
# The modules that determine the values, with all that they import.
CODE = ("features.clips", "features.extraction", "features.shards")
# What zipfile and json raise on a file that is damaged or something else.
_DAMAGE = (
    *(zipfile.BadZipFile, struct.error, EOFError, OSError, RuntimeError),
    *(ArithmeticError, LookupError, TypeError, ValueError),
)


def shard_of(recording_id: str, n_shards: int) -> int:
    """Return the shard of a recording, in [0, ``n_shards``); it depends on no other recording."""
    # Names of files may be no UTF-8: whoever opens one says so, of it alone.
    return zlib.crc32(recording_id.encode(errors="surrogateescape")) % n_shards


def code_version(kind: str) -> str:
    """Return one hash of the source that determines what is in a shard of a kind of features."""
    return SourceCode().version_of(*CODE, chosen={"features.kinds": kind})


def signature_of(
    audio_sha256: str, clips_s: Mapping[str, Sequence[Span]], params: dict, files: Sequence[str], code: str
) -> str:
    """Return one hash of all that a recording's features depend on.

    That is its content, its clips of each role, the block ``features``, the content of the ``files`` that the kind of
    features reads (see :func:`dawnchorus.features.kinds.input_hashes`), and the code.
    """
    clips = {role: list(map(list, spans)) for role, spans in clips_s.items()}
    parts = [audio_sha256, clips, params, list(files), code]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Shard:
    """A shard open for reading; a context manager. Only its index is held, an array is read when asked for.

    ``params`` is the block ``features`` that the shard was made with, ``files`` the hashes of what its kind read.
    A file that is missing, damaged or no shard raises :class:`InputError`, on opening or on reading.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        try:
            self._file = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; expected a shard of features") from None
        except _DAMAGE as error:
            raise self._unusable(error) from None
        try:
            self.params, self.files, self._recordings = _checked_index(json.loads(self._bytes(INDEX)))
        except _DAMAGE as error:
            self.close()
            raise self._unusable(error) from None

    def __enter__(self) -> Shard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; arrays that were read stay usable."""
        self._file.close()

    @property
    def recording_ids(self) -> list[str]:
        """The recordings in the shard, sorted."""
        return sorted(self._recordings)

    def __iter__(self) -> Iterator[str]:
        return iter(self.recording_ids)

    def signature(self, recording_id: str) -> str | None:
        """Return the signature of a recording's entry, None when the shard has no such recording."""
        return self._entry(recording_id)["signature"] if recording_id in self._recordings else None

    def clips(self, recording_id: str, role: str = "annotation") -> list[Clip]:
        """Return (t_min_s, t_max_s, first_frame, n_frames) of each clip of a role."""
        return [tuple(clip) for clip in self._entry(recording_id)["clips"][role]]

    def features(self, recording_id: str) -> np.ndarray:
        """Return the frames of all clips of a recording: float32, (total frames, n_features), read-only."""
        entry, array = self._entry(recording_id), _array(self.member(recording_id))
        if array is None or len(array) != _total_frames(entry["clips"]):
            raise self._unusable(f"{entry['member']} is not the array that the index describes")
        return array

    def features_of_clips(self, recording_id: str, role: str = "annotation") -> list[np.ndarray]:
        """Return the features of each of :meth:`clips`, (n_frames, n_features), as views of one array."""
        array = self.features(recording_id)
        return [array[first : first + n_frames] for _, _, first, n_frames in self.clips(recording_id, role)]

    def member(self, recording_id: str) -> bytes:
        """Return the bytes of a recording's array as they are stored, verified by their checksum."""
        try:
            return self._bytes(self._entry(recording_id)["member"])
        except _DAMAGE as error:
            raise self._unusable(error) from None

    def as_stored(self, recording_id: str) -> tuple[str, dict[str, list[Clip]], bytes]:
        """Return a recording's signature, its clips of each role, and :meth:`member`."""
        clips = {role: self.clips(recording_id, role) for role in ROLES}
        return self._entry(recording_id)["signature"], clips, self.member(recording_id)

    def content(self) -> str:
        """Return two hashes: one of what all recordings share, and the sum of one of each recording's entry.

        Of an array the entry has the checksum that :meth:`member` verifies, so that none is read.
        """
        total = 0
        for recording_id, entry in self._recordings.items():
            try:
                stored = self._file.getinfo(entry["member"])
            except KeyError as error:
                raise self._unusable(error) from None
            total += _number_of([recording_id, entry["signature"], entry["clips"], stored.CRC, stored.file_size])
        return f"{_number_of([self.params, self.files]):064x} {total % 2**256:064x}"

    def _entry(self, recording_id: str) -> dict:
        if recording_id not in self._recordings:
            raise InputError(f"{self.path}: no recording {recording_id!r} in this shard")
        return self._recordings[recording_id]

    def _bytes(self, name: str) -> bytes:
        info = self._file.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > self.path.stat().st_size:
            raise ValueError(f"{name} is not stored as it is")  # so nothing can unpack to more than the file
        return self._file.read(info)

    def _unusable(self, reason: object) -> InputError:
        return InputError(f"{self.path}: not a usable shard of features: {one_line(reason)}")


def content_of(path: str | os.PathLike) -> str:
    """Return :meth:`Shard.content` of a file."""
    with Shard(path) as shard:
        return shard.content()


def content_of_set(contents: Iterable[str]) -> str:
    """Return one hash of all that shards hold, the same however many there are and wherever a recording lies.

    ``contents``: :meth:`Shard.content` of each. Sums do not depend on how their terms are dealt.
    """
    shared, sums = zip(*(content.split() for content in contents), strict=True)
    total = sum(int(text, 16) for text in sums) % 2**256
    return digest_of([*((text, "") for text in set(shared)), (f"{total:064x}", "")])


def _number_of(value: Any) -> int:
    """Return the SHA-256 of a value, as JSON has it, as a number."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def opened(path: Path) -> Shard | HalfWritten:
    """Open a shard for reading, or by the notes beside it what a killed job was writing."""
    return HalfWritten(path) if path.suffix == NOTES else Shard(path)


class Shards:
    """Several shards open for reading, a context manager."""

    def __init__(self, paths: Sequence[str | os.PathLike]):
        self._stack = ExitStack()
        self._where: dict[str, Shard] = {}
        for path in paths:
            shard = self._stack.enter_context(Shard(path))
            self._where |= dict.fromkeys(shard, shard)

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def features(self, recording_id: str) -> np.ndarray:
        """Return the frames of all clips of a recording, see :meth:`Shard.features`; KeyError without it."""
        return self._where[recording_id].features(recording_id)


class Writer:
    """A shard being written, from :func:`write_shard`; recordings come in sorted order of their ids."""

    def __init__(self, file: zipfile.ZipFile, params: dict, files: Sequence[str], noted: Notes):
        self._file, self._params, self._files, self._notes = file, params, list(files), noted
        self._recordings: dict[str, dict] = {}

    def add(
        self,
        recording_id: str,
        signature: str,
        clips_s: Mapping[str, Sequence[Span]],
        arrays: Sequence[np.ndarray],
    ) -> None:
        """Add a recording: the clips of each role, and the features of all of them in the order of :data:`ROLES`.

        Each array is float32 of shape (n_frames, n_features).
        """
        import numpy as np

        member, made, first_frame = io.BytesIO(), iter(arrays), 0
        clips: dict[str, list[Clip]] = {}
        for role in ROLES:
            clips[role] = []
            for t_min_s, t_max_s in clips_s[role]:
                n_frames = len(next(made))
                clips[role].append((t_min_s, t_max_s, first_frame, n_frames))
                first_frame += n_frames
        values = np.ascontiguousarray(np.concatenate(arrays), dtype="<f4")
        np.lib.format.write_array(member, values, version=(1, 0), allow_pickle=False)
        self._add_noted(recording_id, signature, clips, member.getvalue())

    def copy(self, recording_id: str, old: Shard | HalfWritten) -> None:
        """Add a recording as it is in another shard; a damaged one raises :class:`InputError`, and nothing is added."""
        # What is in a whole shard is there for the next job too.
        add = self._add if isinstance(old, Shard) else self._add_noted
        add(recording_id, *old.as_stored(recording_id))

    def _add_noted(self, recording_id: str, signature: str, clips: Mapping[str, Sequence[Clip]], member: bytes) -> None:
        self._add(recording_id, signature, clips, member)
        self._notes.add(recording_id, signature, clips, member)

    def _add(self, recording_id: str, signature: str, clips: Mapping[str, Sequence[Clip]], member: bytes) -> None:
        if self._recordings and recording_id <= next(reversed(self._recordings)):
            raise ValueError(f"recording {recording_id!r} is not in sorted order")
        name = f"{len(self._recordings):06d}.npy"
        self._recordings[recording_id] = {"signature": signature, "member": name, "clips": clips}
        self._write(name, member)

    def finish(self) -> None:
        """Write the index."""
        params = dict(sorted(self._params.items()))
        index = {"format": FORMAT, "features": params, "files": self._files, "recordings": self._recordings}
        self._write(INDEX, json.dumps(index, ensure_ascii=False).encode())

    def _write(self, name: str, content: bytes) -> None:
        info = zipfile.ZipInfo(name)  # dated 1980, so that the bytes depend on the content alone
        info.create_system, info.external_attr = 3, 0o644 << 16
        self._file.writestr(info, content)


@contextmanager
def write_shard(path: str | os.PathLike, params: dict, files: Sequence[str] = ()) -> Iterator[Writer]:
    """Open a shard for writing; it takes the name ``path`` only when the block ends without an error.

    ``params`` is the block ``features``, and ``files`` are the hashes of what its kind reads; the shard carries both.
    Notes of what is finished lie beside it, see :mod:`dawnchorus.features.notes`.
    """
    with (
        write_whole(path, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        notes.beside(file) as noted,
    ):
        writer = Writer(archive, params, files, noted)
        yield writer
        writer.finish()


def _checked_index(index: Any) -> tuple[dict, list[str], dict[str, dict]]:
    """Return the block ``features``, the hashes of files and the recordings of an index; else raise a ``_DAMAGE``."""
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise ValueError(f"{INDEX} does not say {FORMAT!r}")
    if not isinstance(index["recordings"], dict) or not isinstance(index["features"], dict):
        raise ValueError(f"{INDEX} has no recordings or no features block")
    if not isinstance(index["files"], list) or not all(isinstance(digest, str) for digest in index["files"]):
        raise ValueError(f"{INDEX} does not say of which files the features are")
    for recording_id, entry in index["recordings"].items():
        named = isinstance(entry["signature"], str) and re.fullmatch(r"\d+\.npy", entry["member"])
        if not named or set(entry["clips"]) != set(ROLES) or _total_frames(entry["clips"]) is None:
            raise ValueError(f"{INDEX}: the entry of {recording_id!r} is malformed")
    return index["features"], index["files"], index["recordings"]


def _total_frames(clips: Mapping[str, Any]) -> int | None:
    """Return the number of frames of all clips of an index, None unless they follow one another without a gap."""
    total = 0
    for t_min_s, t_max_s, first_frame, n_frames in (clip for role in ROLES for clip in clips[role]):
        whole = isinstance(first_frame, int) and isinstance(n_frames, int) and n_frames >= 0
        if not whole or first_frame != total or not t_min_s <= t_max_s:
            return None
        total += n_frames
    return total


def _array(member: bytes) -> np.ndarray | None:
    """Return the array of an .npy file without copying it, None unless it is a whole float32 matrix."""
    import numpy as np

    stream = io.BytesIO(member)
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
        values = np.frombuffer(member, "<f4", offset=stream.tell())
    except ValueError:
        return None
    if version != (1, 0) or fortran_order or dtype != np.dtype("<f4") or len(shape) != 2:
        return None
    return values.reshape(shape) if shape[0] * shape[1] == len(values) else None
