"""Make data/features/shard-K-of-N.zip: the frames of every clip of the recordings of one shard.

negatives-K-of-N.zip holds those of the boxes that lack their species, recordings-K-of-N.zip those of the recordings
themselves. Every entry of the old shard whose signature still holds is kept, and so is one in a shard of another N, or
in one that a killed job was writing; the others are computed.
"""

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path

from dawnchorus.features import kinds, notes, shards, tasks
from dawnchorus.foundation import incremental
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.progress import Progress
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ANNOTATIONS, FALSE_POSITIVES, RECORDINGS
from dawnchorus.workflow import shard_sets


def make(wanted: list[tasks.Task], output: Path, params: dict, name: str) -> str:
    """Make a shard of what its old self already holds and of what has to be computed; return what was done."""
    remarks: dict[str, None] = {}
    is_checked = False

    def compute(task: tasks.Task, signature: str, writer: shards.Writer) -> None:
        computed = tasks.computed(task, params)
        nonlocal is_checked
        if not is_checked:
            # What is added the next job takes over, even if this one fails; and code and models were loaded just now.
            tasks.check_signature(task, params)
            is_checked = True
        writer.add(task.recording_id, signature, task.clips_s, computed)
        if remark := tasks.remark(task, params):
            remarks[remark] = None

    notes.leave_one(output, {task.recording_id: task.signature for task in wanted})
    with Progress(name, len(wanted)) as progress:
        made = incremental.updating(
            output,
            [(task.recording_id, task) for task in wanted],
            lambda task: task.signature,
            shards.opened,
            partial(shards.write_shard, params=params, files=kinds.input_hashes(params)),
            compute,
            say=lambda line: print(line, flush=True),
            step=lambda task: progress.step(task.recording_id),
            elsewhere=shard_sets.elsewhere(output),
        )
        done = incremental.ended(made)
    return "\n".join([*(f"features: {remark}" for remark in remarks), f"{name}: {made_of(wanted, params)}: {done}"])


def made_of(wanted: list[tasks.Task], params: dict) -> str:
    """Return what a shard holds, in words."""
    n_clips = sum(len(task.clips_s["annotation"]) for task in wanted)
    return f"{params['kind']} of {n_clips} clips in {len(wanted)} recordings"


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
    parser.add_argument("--whole", type=Path, help="the shard of whole recordings, empty where nothing learns of them")
    args = parser.parse_args(argv)
    params = args.params["features"]
    if not 0 <= args.shard < args.shards:
        raise InputError(f"--shard {args.shard}: expected 0 to {args.shards - 1}")

    # A shard of many is a small part of the tables.
    own = "recording_id", lambda recording_id: shards.shard_of(recording_id, args.shards) == args.shard
    recordings = made.read(args.recordings, RECORDINGS, own)
    tables = [("shard", made.read(args.annotations, ANNOTATIONS, own), args.output, False, params)]
    if args.negatives:
        boxes = made.read(args.false_positives, FALSE_POSITIVES, own)
        tables.append(("negatives", boxes, args.negatives, True, params))
    if args.whole:
        whole = tasks.whole(recordings) if args.params["presence"]["network"] != "none" else []
        tables.append(("recordings", whole, args.whole, True, {**params, "clip": "annotation"}))
    for name, rows, output, plain, of_table in tables:
        wanted = tasks.of_shard(rows, recordings, args.audio_dir, args.shard, args.shards, of_table, plain)
        done = make(wanted, output, of_table, f"features {name} {args.shard}")
        if wanted or not plain:
            print(done)


if __name__ == "__main__":
    # The matrices of a clip are small: a second thread only waits, and snakemake gives a shard one core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(main))
