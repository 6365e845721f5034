"""Files of one set of shards, each named by its number and by how many there are: `shard-03-of-16.zip`.

Sets of different counts lie beside each other only until a run of the present one has ended well, and so does what
killed jobs were writing. Meanwhile a job takes entries from those, which it reads and never writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from dawnchorus.features.shards import shard_of
from dawnchorus.foundation import incremental
from dawnchorus.foundation.files import HIDDEN, NOTES, SEEN
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.workflow import provenance

_NAME = re.compile(r"(?P<what>.+)-(?P<number>\d+)-of-(?P<count>[1-9]\d*)(?P<suffix>\.\w[\w.]*)")
# What a killed job was writing, see foundation.files.path_for_whole, and parts of it, see part_of there.
_HALF_WRITTEN = re.compile(
    rf"({re.escape(HIDDEN)}|{SEEN})(?P<stem>.+)\.([a-z0-9_]{{8}}|part-\d+)(?P<suffix>\.\w+)({re.escape(NOTES)})?"
)


def numbers(count: int) -> list[str]:
    """Return the numbers of all shards of a count, from 0, all of one length: so names sort as numbers do."""
    return [_number(number, count) for number in range(count)]


def _number(number: int, count: int) -> str:
    return f"{number:0{len(str(count - 1))}}"


def elsewhere(path: Path) -> incremental.Elsewhere:
    """Return what finds, by its name, other files that may hold an entry of a shard to be made at ``path``.

    Files of other counts, but only such as their own record says to be what a job has made; and, of any count, the
    notes of what a killed job was writing. A name without a count has none beside it.
    """
    own = _NAME.fullmatch(path.name)
    if own is None:
        return incremental.nowhere
    what, present, suffix = own["what"], int(own["count"]), own["suffix"]
    records = path.parent.glob(f"*{provenance.SUFFIX}")
    counts = {int(name["count"]) for record in records if (name := _NAME.fullmatch(record.name))}
    noted: dict[str, list[Path]] = {}
    for notes in sorted(path.parent.glob(f".*{NOTES}")):
        half = _HALF_WRITTEN.fullmatch(notes.name)
        if half and (name := _NAME.fullmatch(half["stem"] + half["suffix"])):
            noted.setdefault(name.string, []).append(notes)
            counts.add(int(name["count"]))
    cache = HashCache(provenance.HASHES)
    known: dict[Path, bool] = {}

    def find(entry: str) -> Iterator[Path]:
        for count in sorted(counts):
            of_set = f"-{_number(shard_of(entry, count), count)}-of-{count}"
            other = path.with_name(f"{what}{of_set}{suffix}")
            yield from noted.get(other.name, ())
            if count == present:
                continue
            if other not in known:
                # Parallel jobs read the same files.
                known[other] = provenance.is_as_recorded(
                    other, path.with_name(f"shard{of_set}{provenance.SUFFIX}"), cache
                )
                cache.save()
            if known[other]:
                yield other

    return find


def leave_only(jobs: Iterable[provenance.Job]) -> None:
    """Remove files of other counts beside each set that ``jobs`` make, and what killed jobs were writing there.

    Nothing of a set whose jobs are not all there, and current; files of any other name stay. To be called while no job
    is at work.
    """
    sets: dict[tuple[Path, int], list[provenance.Job]] = {}
    for job in jobs:
        if job.has_record and (name := _NAME.fullmatch(job.record.name)):
            sets.setdefault((job.record.parent, int(name["count"])), []).append(job)
    cache = HashCache(provenance.HASHES)
    for (folder, count), of_set in sets.items():
        others = _others(folder, count, {Path(path).name for job in of_set for path in job.outputs})
        if others and len(of_set) == count and not any(job.differences(cache) for job in of_set):
            for path in others:
                path.unlink(missing_ok=True)
    cache.save()


def _others(folder: Path, count: int, names: set[str]) -> list[Path]:
    """Return the files of a folder that are as the ``names`` of a set, but of another count or half-written."""
    kinds = {(name["what"], name["suffix"]) for name in map(_NAME.fullmatch, names) if name}
    found = []
    for path in folder.glob("*") if folder.is_dir() else ():
        half = _HALF_WRITTEN.fullmatch(path.name)
        name = _NAME.fullmatch(half["stem"] + half["suffix"] if half else path.name)
        if name and (name["what"], name["suffix"]) in kinds and (half or int(name["count"]) != count):
            found.append(path)
    return found
