"""The recordings to detect species in: those of a folder, or those that are named one by one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from dawnchorus.annotations.recordings import AUDIO_SUFFIXES
from dawnchorus.features.shards import shard_of
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import sha256_of
from dawnchorus.foundation.hashes import HashCache, digest_of, or_reason
from dawnchorus.sound import folders
from dawnchorus.sound.unchanged import CHANGED
from dawnchorus.tables.cells import lines


@dataclass(frozen=True)
class Sound:
    """A recording to score: its path as the user named it, and what it is called in results.

    ``sha256``: the hash by which the audit knew it; None: nobody did.
    """

    path: str
    name: str
    recording_id: str
    sha256: str | None = None

    @classmethod
    def audited(cls, audio_dir: Path, row: Mapping) -> Sound:
        """Return a recording by its row of recordings.csv, called by its id."""
        name = row["recording_id"]
        return cls((audio_dir / row["path"]).as_posix(), name, name, row["sha256"])

    def content(self) -> str:
        """Return the hash of its content, or why there is none; another than that of the audit is an InputError."""
        found = or_reason(sha256_of, self.path)
        if self.sha256 not in (None, found):
            raise InputError(f"{self.path}: {CHANGED}")
        return found


def find(recordings: str) -> list[Sound]:
    """Return the sound files of a folder and the folders below it, or those that a list names, one a line.

    In a folder only files with a suffix of sound count, and a file is called by its path inside it; one that has more
    names than one, by links, is there once, by the name that fewest links lead to. Raises :class:`InputError` when
    there is nothing, or two files have one name.
    """
    root = Path(recordings)
    if os.path.isdir(root):
        try:
            inside = folders.below(root, AUDIO_SUFFIXES)
        except OSError as error:
            raise InputError(f"{recordings}: expected a folder of recordings, but: {error.strerror}") from None
        inside = [name for name in inside if not name.path.rpartition("/")[2].startswith(".")]
        once = {name.file or name.path: name for name in reversed(inside)}
        names = sorted(name.path for name in once.values())
        # Each job of a detection lists all names, so this takes no paths apart that need not be.
        before = (root / "name").as_posix().removesuffix("name")
        found = [Sound(before + name, name, folders.split_suffix(name)[0]) for name in names]
        wanted = f"sound files ({', '.join(sorted(AUDIO_SUFFIXES))})"
    else:
        stripped = [line.strip() for _, line in lines(root, "a folder of recordings, or a list of them")]
        found, wanted = named([path for path in stripped if path]), "one path of a sound file a line"
    if not found:
        raise InputError(f"{recordings}: no recordings; expected {wanted}")
    return found


def named(paths: Sequence[str]) -> list[Sound]:
    """Return files given one by one, each called by its last part, or by all parts where two end alike."""
    ends = Counter(PurePath(path).name for path in paths)
    found: dict[str, Sound] = {}
    for path in paths:
        pure = PurePath(path)
        parts = [part for part in pure.parts if part not in (pure.anchor, "..", ".")]
        name = pure.name if ends[pure.name] == 1 else "/".join(parts)
        if name in found:
            other = found[name].path
            if os.path.abspath(path) == os.path.abspath(other):
                raise InputError(f"{path}: given twice ({other}); expected each recording once")
            # What names a place outside of this folder is no part of a name below the folder of the results.
            raise InputError(
                f"{path}: would be called {name} in the results, and so would {other}; expected one of them"
            )
        found[name] = Sound(path, name, PurePosixPath(name).stem)
    return list(found.values())


def of_shard(recordings: str, shard: int, n_shards: int) -> list[Sound]:
    """Return the recordings of one of ``n_shards``, sorted by name; a new recording moves no other."""
    found = sorted(find(recordings), key=lambda sound: sound.name)
    return [sound for sound in found if shard_of(sound.name, n_shards) == shard]


def fingerprint(contents: Iterable[tuple[str, str]]) -> str:
    """Return one hash of the recordings of a shard: of each path, and its hash or why there is none."""
    return digest_of(contents)


def fingerprints(recordings: str, n_shards: int, cache: HashCache) -> list[str]:
    """Return one hash of the names and content of the recordings of each shard; any change to one changes it.

    What cannot be read gives a text saying so: the stage itself then reports it.
    """
    try:
        sounds = find(recordings)
    except InputError as error:
        return [str(error)] * n_shards
    hashes = cache.sha256_or_reason(sound.path for sound in sounds)
    cache.save()
    entries: list[list[tuple[str, str]]] = [[] for _ in range(n_shards)]
    for sound, found in zip(sounds, hashes, strict=True):
        entries[shard_of(sound.name, n_shards)].append((sound.path, found))
    return [fingerprint(of_one) for of_one in entries]
