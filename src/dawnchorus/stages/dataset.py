"""Make data/dataset/: every clip in one padded, normalized array, with its rows, classes and statistics.

Beside it two arrays of frames as they were extracted: the training clips with their margins, from which training can
draw windows anew, and the clips that hold no annotation, for backgrounds and for the baseline `context only`; and one
of the clips that were checked not to hold a class, padded and normalized as the others.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from dawnchorus.annotations import false_positives
from dawnchorus.annotations.recordings import class_order
from dawnchorus.features import clips, shards
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import path_for_whole, write_whole
from dawnchorus.learning import dataset
from dawnchorus.tables.users import Row, number, read_made, write_rows

ANNOTATION_COLUMNS = ("annotation_id", "recording_id", "species_id", "species_name", "t_min_s", "t_max_s")
ROW_COLUMNS = ("row", "annotation_id", "recording_id", "species_id", "class_index", "partition", "n_frames")
TRAINING_COLUMNS = ("row", "annotation_id", "n_frames", "first_start", "last_start")
CONTEXT_COLUMNS = ("row", "recording_id", "partition", "n_frames")
NEGATIVE_COLUMNS = ("row", "annotation_id", "recording_id", "class_index", "partition", "n_frames")
CLASS_COLUMNS = ("class_index", "species_id", "species_name")


class Clips:
    """The clips of all shards, one recording in memory at a time, each with its row number."""

    def __init__(self, opened: list[shards.Shard], rows: list[Row]):
        self._rows_of: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            self._rows_of.setdefault(row.cells["recording_id"], []).append(position)
        self._shard_of = {recording_id: shard for shard in opened for recording_id in shard.recording_ids}
        for recording_id, numbers in self._rows_of.items():
            shard = self._shard_of.get(recording_id)
            found = len(shard.clips(recording_id)) if shard else 0
            if found != len(numbers):
                raise InputError(f"{recording_id}: {found} clips in the shards; expected {len(numbers)}")

    def longest(self, kind: str = "annotation") -> int:
        """Return the number of frames of the longest clip of a kind, from the index alone; 0 if there is none."""
        return max((clip[3] for key, shard in self._in_use() for clip in shard.clips(key, kind)), default=0)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for recording_id, numbers in self._rows_of.items():
            yield from zip(numbers, self._shard_of[recording_id].features_of_clips(recording_id), strict=True)

    def margins(self) -> Iterator[tuple[int, int, shards.Clip, np.ndarray]]:
        """Yield each clip with its margin, or as it is where it has none: row number, frames without margin, place,
        features.
        """
        for key, shard in self._in_use():
            kind = "margin" if shard.clips(key, "margin") else "annotation"
            without = [clip[3] for clip in shard.clips(key)]
            found = shard.features_of_clips(key, kind)
            yield from zip(self._rows_of[key], without, shard.clips(key, kind), found, strict=True)

    def n_context(self) -> int:
        """Return how many clips hold no annotation."""
        return sum(len(shard.clips(key, "context")) for key, shard in self._in_use())

    def context(self) -> Iterator[tuple[str, list[int], np.ndarray]]:
        """Yield the clips that hold no annotation, each with its recording and the rows of that."""
        for key, shard in self._in_use():
            for clip in shard.features_of_clips(key, "context"):
                yield key, self._rows_of[key], clip

    def _in_use(self) -> Iterator[tuple[str, shards.Shard]]:
        return ((key, self._shard_of[key]) for key in self._rows_of)


def features_block(opened: list[shards.Shard]) -> dict:
    """Return the block ``features`` that all shards were made with; it is an error if they differ."""
    for shard in opened:
        if shard.params != opened[0].params:
            expected = f"the features block that {opened[0].path} was made with; make the shards again"
            raise InputError(f"{shard.path}: made with another features block; expected {expected}")
    return opened[0].params


def partitions_of(boxes: list[Row], rows: list[Row], split_rows: list[Row], params: dict) -> list[str]:
    """Return the partition of each box without its species: that of its recording, or of its recording's group."""
    if not boxes:
        return []
    # Rows that were drawn one by one have no group but themselves.
    column = params["split"]["group"] if params["split"]["method"] == "grouped" else "recording_id"
    known = [
        (row.cells["recording_id"], of_row.cells["group"], of_row.cells["partition"])
        for row, of_row in zip(rows, split_rows, strict=True)
    ]
    wanted = [(box.cells["recording_id"], box.cells.get(column, "")) for box in boxes]
    return false_positives.partitions(wanted, known)


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


def write_normalized(path: Path, found: Clips, n_rows: int, n_features: int, statistics: dict) -> list[int]:
    """Write all clips normalized and padded, and return how many frames of each row hold sound."""
    n_frames = [0] * n_rows
    with array_for_whole(path, (n_rows, statistics["frames"], n_features)) as put:
        for row, clip in found:
            values, n_frames[row] = dataset.normalized(clip, statistics)
            put(row, values)
    return n_frames


def write_training(
    path: Path, found: Clips, rows: list[Row], number_of: dict[int, int], n_features: int, features: dict
) -> list[tuple]:
    """Write the training clips as they were extracted, each with its margin, and return their rows of the table.

    ``number_of``: the rows of annotations.csv that train, each with its number among them. ``features``: the block. A
    clip of ``n_frames`` frames may start at the frames ``first_start`` to ``last_start``.
    """
    table: list[tuple] = [()] * len(number_of)
    shape = (max(found.longest(), found.longest("margin")), n_features)
    with array_for_whole(path, (len(number_of), *shape)) as put:
        for row, n_window, place, clip in found.margins():
            if row not in number_of:
                continue
            first = last = 0
            if len(clip) > n_window:
                annotation = number(rows[row].cells["t_min_s"]), number(rows[row].cells["t_max_s"])
                frames_per_s = (len(clip) - 1) / (place[1] - place[0])
                starts = (round(start_s * frames_per_s) for start_s in clips.jitter(annotation, place[:2], features))
                first, last = (min(start, len(clip) - n_window) for start in starts)
            put(number_of[row], dataset.fit_frames(clip, shape[0], "right")[0])
            table[number_of[row]] = (number_of[row], rows[row].cells["annotation_id"], n_window, first, last)
    return table


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards of features")
    parser.add_argument("--annotations", type=Path, required=True, help="clean annotations, of rule recordings")
    parser.add_argument("--negatives", type=Path, nargs="+", required=True, help="the shards of false positives")
    parser.add_argument("--false-positives", type=Path, required=True, help="clean false positives, of rule recordings")
    parser.add_argument("--split", type=Path, required=True, help="the partition of each annotation")
    parser.add_argument("--params", type=json.loads, required=True, help="the blocks dataset and split, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the data set")
    args = parser.parse_args(argv)
    params = args.params["dataset"]

    rows = read_made(args.annotations, ANNOTATION_COLUMNS)
    split_rows = read_made(args.split, ("annotation_id", "partition"))
    partition = {row.cells["annotation_id"]: row.cells["partition"] for row in split_rows}
    if [row.cells["annotation_id"] for row in rows] != list(partition):
        raise InputError(f"{args.split}: expected the same annotations as {args.annotations}, in the same order")
    boxes = read_made(args.false_positives, ("annotation_id", "recording_id", "species_id"))
    names = {row.cells["species_id"]: row.cells["species_name"] for row in rows}
    index = {species_id: position for position, species_id in enumerate(class_order(names))}

    parts = [partition[row.cells["annotation_id"]] for row in rows]

    with ExitStack() as stack:
        opened = [stack.enter_context(shards.Shard(path)) for path in args.shards]
        opened_negatives = [stack.enter_context(shards.Shard(path)) for path in args.negatives]
        features = features_block([*opened, *opened_negatives])
        found, negatives = Clips(opened, rows), Clips(opened_negatives, boxes)
        frames = params["frames"] or found.longest()
        statistics = dataset.fit_statistics(
            (clip for row, clip in found if params["fit_on"] == "all" or parts[row] == "train"),
            {**params, "frames": frames, "features": features},
        )
        n_features = next(iter(found))[1].shape[1]
        n_frames = write_normalized(args.output / "x.npy", found, len(rows), n_features, statistics)
        negative_frames = write_normalized(args.output / "negatives.npy", negatives, len(boxes), n_features, statistics)
        of_train = (row for row, part in enumerate(parts) if part == "train")
        number_of = {row: position for position, row in enumerate(of_train)}
        training_rows = write_training(args.output / "training.npy", found, rows, number_of, n_features, features)
        context_rows = []
        with array_for_whole(args.output / "context.npy", (found.n_context(), frames, n_features)) as put:
            for position, (recording_id, of_recording, clip) in enumerate(found.context()):
                values, n = dataset.fit_frames(clip, frames, "right")
                put(position, values)
                of = {parts[row] for row in of_recording}
                context_rows.append((position, recording_id, of.pop() if len(of) == 1 else "several", n))
    for name, columns, table in (
        ("training_rows.csv", TRAINING_COLUMNS, training_rows),
        ("context_rows.csv", CONTEXT_COLUMNS, context_rows),
    ):
        write_rows(args.output / name, columns, (dict(zip(columns, row, strict=True)) for row in table))
    write_rows(
        args.output / "rows.csv",
        ROW_COLUMNS,
        (
            {
                **row.cells,
                "row": position,
                "class_index": index[row.cells["species_id"]],
                "partition": parts[position],
                "n_frames": n_frames[position],
            }
            for position, row in enumerate(rows)
        ),
    )
    write_rows(
        args.output / "negative_rows.csv",
        NEGATIVE_COLUMNS,
        (
            {
                **row.cells,
                "row": position,
                "class_index": index[row.cells["species_id"]],
                "partition": of_box,
                "n_frames": negative_frames[position],
            }
            for position, (row, of_box) in enumerate(
                zip(boxes, partitions_of(boxes, rows, split_rows, args.params), strict=True)
            )
        ),
    )
    write_rows(
        args.output / "classes.csv",
        CLASS_COLUMNS,
        ({"class_index": n, "species_id": key, "species_name": names[key]} for key, n in index.items()),
    )
    with write_whole(args.output / "statistics.json") as file:
        json.dump(statistics, file, indent=1)
    print(f"dataset: {len(rows)} rows of {frames} frames of {n_features} features, {len(index)} classes")
    if boxes:
        print(f"dataset: {len(boxes)} clips that were checked not to hold their class")
    if features["context_clips"]:
        n_recordings = len({recording_id for _, recording_id, _, _ in context_rows})
        print(f"dataset: {len(context_rows)} clips without annotation, of {n_recordings} recordings")


if __name__ == "__main__":
    sys.exit(run(main))
