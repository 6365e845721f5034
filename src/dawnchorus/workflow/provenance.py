"""What a product was made from: the record beside it, `<job>.provenance.json`, that says whether it still holds.

A record names, by content, all that a job read (data, source code, values) and all that it made, and it is written
last. A product is current while its record says what is there now; file times and Snakemake's own records decide
nothing. Being an ordinary output, a record travels with its product through DVC, Git and copies.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dawnchorus.features import shards
from dawnchorus.foundation import libraries
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import NOTES, parts_of, path_for_whole, temporaries_of, write_json
from dawnchorus.foundation.hashes import HashCache, digest_of

STATE = Path(".snakemake")
HASHES = STATE / "sha256.json"
IMPORTS = STATE / "imports.json"
SUFFIX = ".provenance.json"
# Snakemake's own marker of the time of a folder.
_TIMESTAMP = ".snakemake_timestamp"
# Where the source code lies, and the rules, from whichever folder.
_CODE = re.compile(r"(^|/)(src/dawnchorus|workflow/rules)/")
# Of a record that is missing or damaged.
_NOTHING: dict[str, dict] = {"outputs": {}}
# A shard of features, without what says which of how many it is.
_SHARD = re.compile(r"^(data/features/[a-z]+)-\d+-of-\d+(\.zip)$")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def is_record(path: str | os.PathLike) -> bool:
    """Say whether a file is a provenance record."""
    return str(path).endswith(SUFFIX)


def content(path: str, cache: HashCache) -> str | None:
    """Return the hash of a file's content; of a folder, one over its files' names and hashes; None if not there."""
    if os.path.isfile(path):
        return cache.sha256(path)
    if not os.path.isdir(path):
        return None
    files = [file for file in Path(path).rglob("*") if file.is_file() and file.name != _TIMESTAMP]
    names = [file.relative_to(path).as_posix() for file in files]
    return digest_of(zip(names, cache.sha256_of_all(files), strict=True))


def is_as_recorded(path: Path, record: Path, cache: HashCache) -> bool:
    """Say whether a product is there and is what its record says that it was when a job had made it."""
    found = content(str(path), cache)
    return found is not None and found == (_recorded(record) or _NOTHING)["outputs"].get(str(path))


@dataclass(frozen=True)
class Job:
    """A job of the workflow as its record knows it.

    ``inputs``: the files it reads, source code among them. ``params``: the values it gets, as texts. ``outputs``: what
    it makes, the record included. All paths are as Snakemake names them, relative to the folder of the run. ``names``:
    what people call the values, for those that are no block of params.yaml. ``folder``: where the files lie that are
    no source code, if that is not the folder of the run.
    """

    inputs: tuple[str, ...]
    params: tuple[str, ...]
    outputs: tuple[str, ...]
    names: tuple[str, ...] = ()
    folder: str = ""

    def at(self, path: str) -> str:
        """Return where a file of the job lies."""
        return path if _CODE.search(path) else os.path.join(self.folder, path)

    @property
    def has_record(self) -> bool:
        """Whether the job is one of this workflow's, which leave a record."""
        return any(map(is_record, self.outputs))

    @property
    def record(self) -> Path:
        """Where the record of the job is."""
        (found,) = (path for path in self.outputs if is_record(path))
        return Path(self.at(found))

    @property
    def products(self) -> tuple[str, ...]:
        """What the job makes besides its record."""
        return tuple(path for path in self.outputs if not is_record(path))

    @property
    def name(self) -> str:
        """What people call the job: the path of its record without the ending."""
        (found,) = (path for path in self.outputs if is_record(path))
        return found.removesuffix(SUFFIX)

    def read(self, cache: HashCache) -> dict:
        """Return all that the job reads, by content: the part of the record that is known before the job runs."""
        # An empty text does not arrive where a command line hands it over.
        return {"inputs": self._contents_of_sets(cache), "params": [text for text in self.params if text]}

    def differences(self, cache: HashCache, read: dict | None = None) -> list[str]:
        """Return in what the record differs from what is there now, in words; nothing for a product that is current.

        What people change comes first: values, then data; all source code is one difference, the last.

        ``read``: what :meth:`read` has just said, so that inputs are not hashed again.
        """
        record = _recorded(self.record)
        if record is None:
            return ["there is no record of how it was made"]
        now = read or self.read(cache)
        code: list[str] = []
        data: list[str] = []
        for path, line in _changed("input", record["inputs"], now["inputs"]):
            (code if _CODE.search(path) else data).append(line)
        products = _changed("output", record["outputs"], self._contents(cache))
        return [
            *_changed_values(record["params"], now["params"], self.names),
            *data,
            *(line for _, line in products),
            *([f"the code changed, {len(code)} file{'s' * (len(code) > 1)} of it"] if code else []),
        ]

    def prepare(self, cache: HashCache) -> None:
        """Leave of earlier products only those that are as recorded, as files of our own.

        A job may take over what it made before (entries of a shard, facts of a recording). So what was damaged or
        exchanged since is removed, and a link into DVC's cache becomes a copy: nothing is ever written through it.
        What has notes is no product yet: the job was killed before its record, and takes over what the notes prove.
        """
        recorded = (_recorded(self.record) or _NOTHING)["outputs"]
        for name in self.products:
            path = self.at(name)
            if recorded.get(name) != content(path, cache):
                _back_to_half_written(path)
                _remove(path)
            elif os.path.isfile(path) and (os.path.islink(path) or os.stat(path).st_nlink > 1):
                with path_for_whole(path) as temporary:
                    shutil.copyfile(path, temporary)

    def remove_half_written(self, with_notes: bool) -> None:
        """Remove what a job that was killed was writing. To be called while no job is at work.

        ``with_notes``: also that of which notes prove something finished, and finished parts, which the next job takes
        over.
        """
        for path in self.outputs:
            for part in reversed(parts_of(self.at(path))) if with_notes else ():
                _remove(str(part))
            for temporary in temporaries_of(self.at(path)):
                if with_notes or not (temporary.suffix == NOTES or Path(f"{temporary}{NOTES}").exists()):
                    _remove(str(temporary))

    def revoke(self) -> None:
        """Let the record, if there is one, bless nothing. The file stays: Snakemake has seen it already."""
        if self.record.exists():
            write_json(self.record, {})

    def write(self, read: dict, cache: HashCache) -> None:
        """Write the record of a job that has just made its products from what it ``read``.

        An input that is not what it was before the job began, or a product that is missing, raises
        :class:`InputError`, and nothing is written: what the products were made from is then not known, nor what notes
        beside them say is finished.
        """
        now = self._contents_of_sets(cache)
        changed = sorted(path for path in now if now[path] != read["inputs"][path])
        if changed:
            self.remove_half_written(with_notes=True)
            raise InputError(f"{', '.join(changed)}: changed while {self.name} was made; expected no change, run again")
        made = self._contents(cache)
        if missing := [path for path, digest in made.items() if digest is None]:
            raise InputError(f"{', '.join(missing)}: not there; expected that the job made it")
        write_json(self.record, {**read, "outputs": made, "versions": libraries.versions()})

    def _contents(self, cache: HashCache) -> dict[str, str | None]:
        return {path: content(self.at(path), cache) for path in self.products}

    def _contents_of_sets(self, cache: HashCache) -> dict[str, str | None]:
        """Return the hash of each input, but one of each set of shards: to deal its recordings anew changes nothing."""
        sets: dict[str, list[str]] = {}
        for path in self.inputs:
            sets.setdefault(_SHARD.sub(r"\1-*\2", path), []).append(path)
        found: dict[str, str | None] = {}
        for name, members in sets.items():
            places = [self.at(path) for path in members]
            if members == [name]:
                found[name] = content(places[0], cache)
            elif not all(map(os.path.isfile, places)):
                found[name] = None
            else:
                try:
                    found[name] = shards.content_of_set(cache.derived(path, shards.content_of) for path in places)
                except InputError:
                    # What is no shard counts by its bytes. The job itself says so, if nothing makes it anew before.
                    found[name] = digest_of(zip(members, map(cache.sha256, places), strict=True))
        return found


def _recorded(path: Path) -> dict | None:
    """Return a record; None for one that is missing, damaged or something else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kinds = {"inputs": dict, "params": list, "outputs": dict}
    is_one = isinstance(record, dict) and all(isinstance(record.get(key), kind) for key, kind in kinds.items())
    return record if is_one else None


def _back_to_half_written(path: str) -> None:
    """Give a product the name back that its notes know it by, where it has some."""
    for notes in (found for found in temporaries_of(path) if found.suffix == NOTES):
        if os.path.exists(path) and not notes.with_suffix("").exists():
            os.replace(path, notes.with_suffix(""))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        Path(path).unlink(missing_ok=True)


def _changed(what: str, before: dict, now: dict) -> Iterator[tuple[str, str]]:
    """Yield each path that differs, and in what, in words."""
    for path in sorted({*before, *now}):
        if path not in now:
            yield path, f"{what} {path} is not used any more"
        elif path not in before:
            yield path, f"{what} {path} is new"
        elif now[path] is None:
            yield path, f"{what} {path} is not there"
        elif before[path] != now[path]:
            yield path, f"{what} {path} changed"


def _changed_values(before: list, now: list, names: tuple[str, ...]) -> Iterator[str]:
    if before == now:
        return
    old, new = (dict(_values(texts, names)) for texts in (before, now))
    changed = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    for name in changed:
        was, is_ = (values.get(name, "not given") for values in (old, new))
        # What a hash was says nothing to people.
        yield f"{name} changed" if _DIGEST.search(f"{was} {is_}") else f"{name} was {was}, is {is_}"
    if not changed:
        yield "its values are others"


def _values(texts: list, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the name of each value that a rule hands its stage, and the value, as it stands in JSON.

    A text that is no block of values has the name that ``names`` gives it, else `value N`.
    """
    for number, text in enumerate(texts):
        try:
            block = json.loads(text)
        except (TypeError, ValueError):
            block = None
        if isinstance(block, dict):
            yield from _flat(block, "")
        else:
            name = names[number] if number < len(names) else ""
            yield name or f"value {number + 1}", json.dumps(str(text), ensure_ascii=False)


def _flat(values: dict, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(value)
