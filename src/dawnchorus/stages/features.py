"""Make data/features/shard-N.zip: the frames of every clip of the recordings of one shard.

Every entry of the old shard whose signature still holds is kept, the others are computed. Numerical libraries
are imported only when something has to be computed: loading them takes longer than computing a recording.
"""

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from dawnchorus.features import clips, shards
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import sha256_of
from dawnchorus.tables.users import Row, number, read_made

PROGRESS_INTERVAL_S = 10.0


@dataclass(frozen=True)
class Task:
    """A recording that has to be in the shard: its file, the hash it must have, its clips of each kind in seconds."""

    recording_id: str
    path: Path
    sha256: str
    sample_rate_hz: int
    clips_s: dict[str, list[clips.Span]]
    signature: str


def inside(audio_dir: str | os.PathLike, path: str) -> Path:
    """Return ``audio_dir / path``; a path that could lead out of the folder raises :class:`InputError`.

    ``path`` has ``/`` between its parts. Links inside the folder are the user's own and are followed.
    """
    if "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InputError(f"{path!r}: expected a relative path inside the audio folder, without '..'")
    return Path(audio_dir, path)


def number_in(path: Path, row: Row, column: str) -> float:
    """Return the number in a cell; anything else raises :class:`InputError`."""
    try:
        return number(row.cells[column])
    except ValueError:
        found = f"{path}:{row.line}: column {column}: {row.cells[column]!r}"
        raise InputError(f"{found}: expected a finite number") from None


def tasks_of_shard(
    recordings: Path, annotations: Path, audio_dir: Path, shard: int, n_shards: int, params: dict, plain: bool
) -> list[Task]:
    """Return what has to be in a shard, sorted by id; a recording without annotations has no entry.

    ``plain``: without margins, and without clips that hold no annotation, which other tables than that of the
    annotations say nothing of.
    """
    spans: dict[str, list[clips.Span]] = {}
    for row in read_made(annotations, ("recording_id", "t_min_s", "t_max_s")):
        recording_id = row.cells["recording_id"]
        if shards.shard_of(recording_id, n_shards) == shard:
            span = number_in(annotations, row, "t_min_s"), number_in(annotations, row, "t_max_s")
            spans.setdefault(recording_id, []).append(span)
    code, tasks = shards.code_version(), {}
    for row in read_made(recordings, ("recording_id", "path", "sha256", "duration_s", "sample_rate_hz")):
        recording_id, sha256 = row.cells["recording_id"], row.cells["sha256"]
        if recording_id in tasks:
            found = f"{recordings}:{row.line}: column recording_id: {recording_id!r}"
            raise InputError(f"{found}: expected each id once")
        if recording_id in spans:
            duration_s = number_in(recordings, row, "duration_s")
            sample_rate_hz = int(number_in(recordings, row, "sample_rate_hz"))
            # Two samples more than an FFT frame, for the rounding of both ends.
            shortest_s = (params["n_fft"] + 2) / (params["sample_rate_hz"] or sample_rate_hz)
            clips_s = {
                "annotation": clips.spans(spans[recording_id], duration_s, params),
                "margin": [] if plain else clips.margins(spans[recording_id], duration_s, params),
                "context": [] if plain else clips.context(spans[recording_id], duration_s, shortest_s, params),
            }
            tasks[recording_id] = Task(
                recording_id,
                inside(audio_dir, row.cells["path"]),
                sha256,
                sample_rate_hz,
                clips_s,
                shards.signature_of(sha256, clips_s, params, code),
            )
    for recording_id in sorted(spans.keys() - tasks.keys()):
        found = f"{annotations}: column recording_id: {recording_id!r}"
        raise InputError(f"{found}: expected an id that {recordings} has too")
    return [tasks[recording_id] for recording_id in sorted(tasks)]


def compute(task: Task, params: dict) -> list:
    """Return the features of each clip of a recording, in the order of the kinds and their clips."""
    from dawnchorus.features import extraction

    try:
        found = sha256_of(task.path)
    except OSError as error:
        raise InputError(f"{task.path}: cannot be read: {error.strerror}") from None
    if found != task.sha256:
        raise InputError(f"{task.path}: changed since the audit of the recordings; run the workflow again")
    clips_s = [span for kind in shards.KINDS for span in task.clips_s[kind]]
    made = dict(extraction.of_recording(task.path, clips_s, task.sample_rate_hz, params))
    return [made[index] for index in range(len(clips_s))]


def open_old(path: Path) -> shards.Shard | None:
    """Open what an earlier run made; an unusable file only costs the work of making it again."""
    if not path.exists():
        return None
    try:
        return shards.Shard(path)
    except InputError as error:
        print(f"{error}; starting anew", flush=True)
        return None


def keep(task: Task, old: shards.Shard | None, writer: shards.Writer) -> bool:
    """Copy a recording's entry of the old shard when its signature holds; say whether that was possible."""
    if old is None or old.signature(task.recording_id) != task.signature:
        return False
    try:
        writer.copy(task.recording_id, old)
    except InputError as error:
        print(f"{error}; computing {task.recording_id} again", flush=True)
        return False
    return True


def say_empty_bands(sample_rate_hz: int, params: dict) -> None:
    """Say once what librosa would say for every clip."""
    from dawnchorus.features import extraction

    n_empty = extraction.empty_bands(params["sample_rate_hz"] or sample_rate_hz, params)
    if n_empty:
        n_mels = params["n_mels"]
        print(f"features: {n_empty} of {n_mels} mel bands are narrower than an FFT bin, so always empty")


def make(tasks: list[Task], output: Path, params: dict, name: str) -> str:
    """Make a shard of what its old self already holds and of what has to be computed; return what was done."""
    n_computed, n_dropped, reported_s = 0, 0, time.monotonic()
    with ExitStack() as stack:
        old = open_old(output)
        if old:
            stack.enter_context(old)
            n_dropped = len(set(old.recording_ids) - {task.recording_id for task in tasks})
        writer = stack.enter_context(shards.write_shard(output, params))
        for n_done, task in enumerate(tasks):
            if time.monotonic() - reported_s > PROGRESS_INTERVAL_S:
                print(f"{name}: {n_done} of {len(tasks)} recordings", flush=True)
                reported_s = time.monotonic()
            if keep(task, old, writer):
                continue
            made = compute(task, params)
            writer.add(task.recording_id, task.signature, task.clips_s, made)
            if not n_computed:
                say_empty_bands(task.sample_rate_hz, params)
            n_computed += 1
    n_kept = len(tasks) - n_computed
    return f"{name}: {len(tasks)} recordings: {n_computed} computed, {n_kept} kept, {n_dropped} dropped"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, required=True, help="the audited recordings")
    parser.add_argument("--annotations", type=Path, required=True, help="clean annotations, of rule recordings")
    parser.add_argument("--false-positives", type=Path, help="clean false positives, for --negatives")
    parser.add_argument("--audio-dir", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--shard", type=int, required=True, help="which shard to make, from 0")
    parser.add_argument("--shards", type=int, required=True, help="the number of shards")
    parser.add_argument("--params", type=json.loads, required=True, help="the features block, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="the shard")
    parser.add_argument("--negatives", type=Path, help="the shard of the false positives")
    args = parser.parse_args(argv)
    params = args.params["features"]
    if not 0 <= args.shard < args.shards:
        raise InputError(f"--shard {args.shard}: expected 0 to {args.shards - 1}")

    wanted = [("shard", args.annotations, args.output, False)]
    if args.negatives:
        wanted.append(("negatives", args.false_positives, args.negatives, True))
    for name, table, output, plain in wanted:
        tasks = tasks_of_shard(args.recordings, table, args.audio_dir, args.shard, args.shards, params, plain)
        done = make(tasks, output, params, f"features {name} {args.shard}")
        if tasks or not plain:
            print(done)


if __name__ == "__main__":
    # The matrices of a clip are small: a second thread only waits, and snakemake gives a shard one core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(main))
