"""Make data/dataset/: every clip in one padded, normalized array, with its rows, classes and statistics.

Beside it an array of the test recordings' clips that hold no annotation, for the control `context only`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from dawnchorus import dataset, shards
from dawnchorus.errors import InputError, run
from dawnchorus.files import path_for_whole, write_whole
from dawnchorus.recordings import class_order
from dawnchorus.tables import Row, read_rows, write_rows

ROW_COLUMNS = ("row", "annotation_id", "recording_id", "species_id", "class_index", "partition", "n_frames")
CONTEXT_COLUMNS = ("row", "annotation_id", "recording_id", "class_index", "n_frames")
CLASS_COLUMNS = ("class_index", "species_id", "species_name")


class Clips:
    """The clips of all shards, one recording in memory at a time, each with its row number."""

    def __init__(self, opened: list[shards.Shard], rows: list[Row]):
        self._rows_of: dict[str, list[int]] = {}
        for number, row in enumerate(rows):
            self._rows_of.setdefault(row.cells["recording_id"], []).append(number)
        self._shard_of = {recording_id: shard for shard in opened for recording_id in shard.recording_ids}
        for recording_id, numbers in self._rows_of.items():
            shard = self._shard_of.get(recording_id)
            found = len(shard.clips(recording_id)) if shard else 0
            if found != len(numbers):
                raise InputError(f"{recording_id}: {found} clips in the shards; expected {len(numbers)}")

    def longest(self) -> int:
        """Return the number of frames of the longest clip, from the index alone."""
        return max(
            clip[3] for recording_id in self._rows_of for clip in self._shard_of[recording_id].clips(recording_id)
        )

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for recording_id, numbers in self._rows_of.items():
            yield from zip(numbers, self._shard_of[recording_id].features_of_clips(recording_id), strict=True)

    def context(self, wanted: Sequence[bool]) -> tuple[dict[str, int], list[tuple[int, int]]]:
        """Return which clips without annotation stand for the wanted rows: one a row, where there is one.

        First how many are taken of each recording; then, for each wanted row that has one, its row number in
        annotations.csv and the number of its clip among all that are taken. The rows of a recording take its
        clips in turn.
        """
        taken, pairs, total = {}, [], 0
        for recording_id, numbers in self._rows_of.items():
            numbers = [number for number in numbers if wanted[number]]
            n_clips = len(self._shard_of[recording_id].context_clips(recording_id))
            if n := min(n_clips, len(numbers)):
                taken[recording_id] = n
                pairs += [(number, total + position % n) for position, number in enumerate(numbers)]
                total += n
        return taken, sorted(pairs)

    def features_of_context(self, taken: dict[str, int]) -> Iterator[np.ndarray]:
        """Yield the clips that :meth:`context` counted."""
        for recording_id, n in taken.items():
            yield from self._shard_of[recording_id].features_of_context(recording_id)[:n]


def features_block(opened: list[shards.Shard]) -> dict:
    """Return the block ``features`` that all shards were made with; it is an error if they differ."""
    for shard in opened:
        if shard.params != opened[0].params:
            expected = f"the features block that {opened[0].path} was made with; make the shards again"
            raise InputError(f"{shard.path}: made with another features block; expected {expected}")
    return opened[0].params


@contextmanager
def array_for_whole(path: Path, shape: tuple[int, int, int]) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Yield a function that puts one row into a float32 array; the array becomes the .npy file ``path`` at the end.

    Rows are written to the file, not into a map of it: a map would count as memory, all that was written of it.
    """
    with path_for_whole(path) as temporary:
        offset = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape).offset
        row_bytes = shape[1] * shape[2] * np.dtype(np.float32).itemsize
        with open(temporary, "r+b") as file:

            def put(number: int, row: np.ndarray) -> None:
                file.seek(offset + number * row_bytes)
                file.write(np.ascontiguousarray(row, dtype=np.float32).tobytes())

            yield put


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--params", type=json.loads, required=True, help="the dataset block, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    params = args.params["dataset"]

    _, rows, _ = read_rows(args.annotations, ("annotation_id", "recording_id", "species_id", "species_name"))
    _, split_rows, _ = read_rows(args.split, ("annotation_id", "partition"))
    partition = {row.cells["annotation_id"]: row.cells["partition"] for row in split_rows}
    if [row.cells["annotation_id"] for row in rows] != list(partition):
        raise InputError(f"{args.split}: expected the same annotations as {args.annotations}, in the same order")
    names = {row.cells["species_id"]: row.cells["species_name"] for row in rows}
    index = {species_id: number for number, species_id in enumerate(class_order(names))}

    with ExitStack() as stack:
        opened = [stack.enter_context(shards.Shard(path)) for path in args.shards]
        features, clips = features_block(opened), Clips(opened, rows)
        frames = params["frames"] or clips.longest()
        fitted_on = [params["fit_on"] == "all" or partition[row.cells["annotation_id"]] == "train" for row in rows]
        statistics = dataset.fit_statistics(
            (clip for number, clip in clips if fitted_on[number]),
            params["normalization"],
            frames,
            params["padding"],
        )
        n_features = next(iter(clips))[1].shape[1]
        n_frames = [0] * len(rows)
        with array_for_whole(args.output / "x.npy", (len(rows), frames, n_features)) as put:
            for number, clip in clips:
                values, n_frames[number] = dataset.normalized(clip, statistics, frames, params["padding"])
                put(number, values)
        taken, pairs = clips.context([partition[row.cells["annotation_id"]] == "test" for row in rows])
        n_context, context_frames = sum(taken.values()), [0] * sum(taken.values())
        with array_for_whole(args.output / "context.npy", (n_context, frames, n_features)) as put:
            for number, clip in enumerate(clips.features_of_context(taken)):
                values, context_frames[number] = dataset.normalized(clip, statistics, frames, params["padding"])
                put(number, values)
    write_rows(
        args.output / "rows.csv",
        ROW_COLUMNS,
        (
            {
                **row.cells,
                "row": number,
                "class_index": index[row.cells["species_id"]],
                "partition": partition[row.cells["annotation_id"]],
                "n_frames": n_frames[number],
            }
            for number, row in enumerate(rows)
        ),
    )
    write_rows(
        args.output / "context_rows.csv",
        CONTEXT_COLUMNS,
        (
            {
                **rows[number].cells,
                "row": clip,
                "class_index": index[rows[number].cells["species_id"]],
                "n_frames": context_frames[clip],
            }
            for number, clip in pairs
        ),
    )
    write_rows(
        args.output / "classes.csv",
        CLASS_COLUMNS,
        ({"class_index": n, "species_id": key, "species_name": names[key]} for key, n in index.items()),
    )
    with write_whole(args.output / "statistics.json") as file:
        json.dump({**statistics, **params, "frames": frames, "features": features}, file, indent=1)
    print(f"dataset: {len(rows)} rows of {frames} frames of {n_features} features, {len(index)} classes")
    if features["context_clips"]:
        n_test = sum(part == "test" for part in partition.values())
        print(f"dataset: {n_context} clips without annotation stand for {len(pairs)} of {n_test} test rows")


if __name__ == "__main__":
    sys.exit(run(main))
