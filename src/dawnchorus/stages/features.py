"""Make data/features/shard-N.zip: the frames of every clip of the recordings of one shard.

Every entry of the old shard whose signature still holds is kept; the others are computed. Numerical libraries are
imported only when something has to be computed: they take longer to load than a recording to process.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from dawnchorus import clips, shards
from dawnchorus.errors import InputError, run
from dawnchorus.files import sha256_of
from dawnchorus.tables import Row, number, read_rows

PROGRESS_INTERVAL_S = 10.0


@dataclass(frozen=True)
class Task:
    """A recording to have in the shard: its file, what it must contain, and its clips in seconds."""

    recording_id: str
    path: Path
    sha256: str
    sample_rate_hz: int
    clips_s: list[tuple[float, float]]
    signature: str


def inside(audio_dir: str | os.PathLike, path: str) -> Path:
    """Return ``audio_dir / path``; a path that could lead out of the folder raises :class:`InputError`.

    ``path`` is relative, with ``/`` between its parts. Links inside the folder are the user's own and are followed.
    """
    parts = path.split("/")
    if "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise InputError(f"{path!r}: expected a relative path inside the audio folder, without '..'")
    return Path(audio_dir).joinpath(*parts)


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read a table that an earlier stage made; a faulty row raises :class:`InputError`."""
    _, rows, problems = read_rows(path, columns)
    if problems:
        raise InputError("\n".join(map(str, problems)))
    return rows


def cell(path: Path, row: Row, column: str) -> float:
    """Return a number of a table that an earlier stage made."""
    try:
        return number(row.cells[column])
    except ValueError:
        raise InputError(
            f"{path}:{row.line}: column {column}: {row.cells[column]!r}: expected a finite number"
        ) from None


def tasks_of_shard(
    recordings: Path, annotations: Path, audio_dir: Path, shard: int, n_shards: int, params: dict
) -> list[Task]:
    """Return what has to be in a shard, sorted by recording id; a recording without annotations has no entry."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for row in read_table(annotations, ("recording_id", "t_min_s", "t_max_s")):
        if shards.shard_of(row.cells["recording_id"], n_shards) == shard:
            span = cell(annotations, row, "t_min_s"), cell(annotations, row, "t_max_s")
            spans.setdefault(row.cells["recording_id"], []).append(span)
    code, tasks = shards.code_version(), {}
    for row in read_table(recordings, ("recording_id", "path", "sha256", "duration_s", "sample_rate_hz")):
        recording_id, sha256 = row.cells["recording_id"], row.cells["sha256"]
        if recording_id in tasks:
            raise InputError(
                f"{recordings}:{row.line}: column recording_id: {recording_id!r}: expected each id once"
            )
        if recording_id not in spans:
            continue
        clips_s = clips.spans(spans[recording_id], cell(recordings, row, "duration_s"), params)
        tasks[recording_id] = Task(
            recording_id,
            inside(audio_dir, row.cells["path"]),
            sha256,
            int(cell(recordings, row, "sample_rate_hz")),
            clips_s,
            shards.signature(sha256, clips_s, params, code),
        )
    for recording_id in spans.keys() - tasks.keys():
        raise InputError(
            f"{annotations}: column recording_id: {recording_id!r}: expected an id of {recordings}"
        )
    return [tasks[recording_id] for recording_id in sorted(tasks)]


def compute(task: Task, params: dict) -> list:
    """Return the features of each clip of a recording, in the order of its clips."""
    from dawnchorus import features

    try:
        found = sha256_of(task.path)
    except OSError as error:
        raise InputError(f"{task.path}: cannot be read ({error.strerror})") from None
    if found != task.sha256:
        raise InputError(
            f"{task.path}: has changed since the recordings were audited; run the workflow again"
        )
    by_index = dict(features.of_recording(task.path, task.clips_s, task.sample_rate_hz, params))
    return [by_index[index] for index in range(len(task.clips_s))]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--audio-dir", type=Path, required=True)
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--shards", type=int, required=True, help="the number of shards")
    parser.add_argument("--params", type=json.loads, required=True, help="the features block, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    name = f"features shard {args.shard}"
    if not 0 <= args.shard < args.shards:
        raise InputError(f"--shard {args.shard}: expected 0 to {args.shards - 1}")

    tasks = tasks_of_shard(
        args.recordings, args.annotations, args.audio_dir, args.shard, args.shards, args.params
    )
    n_computed, reported_s = 0, time.monotonic()
    with ExitStack() as stack:
        old = open_old(args.output, name)
        if old:
            stack.enter_context(old)
        writer = stack.enter_context(shards.write_shard(args.output))
        for n_done, task in enumerate(tasks):
            if time.monotonic() - reported_s > PROGRESS_INTERVAL_S:
                print(f"{name}: {n_done} of {len(tasks)} recordings", flush=True)
                reported_s = time.monotonic()
            if not keep(task, old, writer):
                writer.add(task.recording_id, task.signature, task.clips_s, compute(task, args.params))
                n_computed += 1
        n_dropped = len(set(old.recording_ids) - {task.recording_id for task in tasks}) if old else 0
    print(
        f"{name}: {len(tasks)} recordings: {n_computed} computed, {len(tasks) - n_computed} kept, "
        f"{n_dropped} dropped"
    )


def open_old(path: Path, name: str) -> shards.Shard | None:
    """Open what an earlier run made; an unusable file only costs the work of making it again."""
    if not path.exists():
        return None
    try:
        return shards.Shard(path)
    except InputError as error:
        print(f"{name}: {error}: starting anew", flush=True)
        return None


def keep(task: Task, old: shards.Shard | None, writer: shards.Writer) -> bool:
    """Copy a recording's entry of the old shard if its signature holds and it can be read; say whether it was."""
    if old is None or old.signature(task.recording_id) != task.signature:
        return False
    try:
        member = old.member(task.recording_id)
    except InputError as error:
        print(f"{error}: {task.recording_id} is computed again", flush=True)
        return False
    writer.add_member(task.recording_id, task.signature, old.clips(task.recording_id), member)
    return True


if __name__ == "__main__":
    # Matrices of one clip are small: more threads only wait for each other, and snakemake runs a shard a core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(main))
