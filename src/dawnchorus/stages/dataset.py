"""Make data/dataset/: every clip in one padded, normalized array, with its rows, classes and statistics."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from dawnchorus import dataset, shards
from dawnchorus.errors import InputError, run
from dawnchorus.files import path_for_whole, write_whole
from dawnchorus.recordings import class_order
from dawnchorus.tables import Row, read_rows, write_rows

ROW_COLUMNS = ("row", "annotation_id", "recording_id", "species_id", "class_index", "partition", "n_frames")
CLASS_COLUMNS = ("class_index", "species_id", "species_name")


class Clips:
    """The clips of all shards, one recording in memory at a time, each with its row number in annotations.csv."""

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
        clips = Clips([stack.enter_context(shards.Shard(path)) for path in args.shards], rows)
        frames = params["frames"] or clips.longest()
        fitted_on = [
            params["fit_on"] == "all" or partition[row.cells["annotation_id"]] == "train" for row in rows
        ]
        statistics = dataset.fit_statistics(
            (clip for number, clip in clips if fitted_on[number]), params["normalization"], frames, params["padding"]
        )
        n_features = next(iter(clips))[1].shape[1]
        n_frames = [0] * len(rows)
        with path_for_whole(args.output / "x.npy") as temporary:
            x = np.lib.format.open_memmap(
                temporary, mode="w+", dtype=np.float32, shape=(len(rows), frames, n_features)
            )
            for number, clip in clips:
                x[number], n_frames[number] = dataset.normalized(clip, statistics, frames, params["padding"])
            x.flush()
            del x
    write_rows(
        args.output / "rows.csv",
        ROW_COLUMNS,
        (
            {
                "row": number,
                **row.cells,
                "class_index": index[row.cells["species_id"]],
                "partition": partition[row.cells["annotation_id"]],
                "n_frames": n_frames[number],
            }
            for number, row in enumerate(rows)
        ),
    )
    write_rows(
        args.output / "classes.csv",
        CLASS_COLUMNS,
        ({"class_index": n, "species_id": key, "species_name": names[key]} for key, n in index.items()),
    )
    with write_whole(args.output / "statistics.json") as file:
        json.dump({**statistics, **params, "frames": frames}, file, indent=1)
    print(f"dataset: {len(rows)} rows of {frames} frames of {n_features} features, {len(index)} classes")


if __name__ == "__main__":
    sys.exit(run(main))
