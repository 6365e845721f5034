"""The files of a data set made from shards of features, one recording in memory at a time.

Beside the clips, padded and normalized, stand two arrays of frames as they were extracted: the training clips with
their margins, from which training can draw windows anew, and the clips that hold no annotation, for backgrounds and for
the baseline `context only`; and one of the clips that were checked not to hold a class.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import compress, count
from pathlib import Path

import numpy as np

from dawnchorus.annotations.recordings import class_order
from dawnchorus.features import clips, shards
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import path_for_whole, write_whole
from dawnchorus.learning import dataset
from dawnchorus.partitioning import groups
from dawnchorus.tables import made
from dawnchorus.tables.definitions import (
    CLASSES,
    CONTEXT_ROWS,
    FROM_REVIEWS,
    NEGATIVE_ROWS,
    ROWS,
    TRAINING_ROWS,
    UNUSED,
    Table,
)


class Clips:
    """The clips of all shards, one recording in memory at a time, each with its row number.

    ``rows``: what the shards were made of, in their order; rows are numbered but for those that are not ``used``.
    """

    def __init__(self, opened: Sequence[shards.Shard], rows: Sequence[Mapping], used: Sequence[bool]):
        of_recording: dict[str, list[int | None]] = {}
        counted = count()
        for row, is_used in zip(rows, used, strict=True):
            of_recording.setdefault(row["recording_id"], []).append(next(counted) if is_used else None)
        self._shard_of = {recording_id: shard for shard in opened for recording_id in shard.recording_ids}
        for recording_id, numbers in of_recording.items():
            shard = self._shard_of.get(recording_id)
            found = len(shard.clips(recording_id)) if shard else 0
            if found != len(numbers):
                raise InputError(f"{recording_id}: {found} clips in the shards; expected {len(numbers)}")
        self._rows_of = {key: of for key, of in of_recording.items() if any(number is not None for number in of)}

    def longest(self, role: str = "annotation") -> int:
        """Return the number of frames of the longest clip of a role, from the index alone; 0 if there is none."""
        lengths = (
            clip[3]
            for key, shard in self._in_use()
            for number, clip in zip(self._rows_of[key], shard.clips(key, role), strict=False)
            if number is not None
        )
        return max(lengths, default=0)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for recording_id, numbers in self._rows_of.items():
            found = self._shard_of[recording_id].features_of_clips(recording_id)
            yield from ((number, clip) for number, clip in zip(numbers, found, strict=True) if number is not None)

    def margins(self) -> Iterator[tuple[int, int, shards.Clip, np.ndarray]]:
        """Yield each clip with its margin, or as it is where it has none: row number, frames without margin, place,
        features.
        """
        for key, shard in self._in_use():
            role = "margin" if shard.clips(key, "margin") else "annotation"
            without = [clip[3] for clip in shard.clips(key)]
            found = shard.features_of_clips(key, role)
            for number, n_frames, place, clip in zip(
                self._rows_of[key], without, shard.clips(key, role), found, strict=True
            ):
                if number is not None:
                    yield number, n_frames, place, clip

    def n_context(self) -> int:
        """Return how many clips hold no annotation."""
        return sum(len(shard.clips(key, "context")) for key, shard in self._in_use())

    def context(self) -> Iterator[tuple[str, list[int], np.ndarray]]:
        """Yield the clips that hold no annotation, each with its recording and the rows of that."""
        for key, shard in self._in_use():
            for clip in shard.features_of_clips(key, "context"):
                yield key, [number for number in self._rows_of[key] if number is not None], clip

    def _in_use(self) -> Iterator[tuple[str, shards.Shard]]:
        return ((key, self._shard_of[key]) for key in self._rows_of)


def features_block(opened: Sequence[shards.Shard]) -> dict:
    """Return the block ``features`` that all shards were made with; it is an error if they, or files, differ."""
    for shard in opened:
        if shard.params != opened[0].params:
            expected = f"the features block that {opened[0].path} was made with; make the shards again"
            raise InputError(f"{shard.path}: made with another features block; expected {expected}")
        if shard.files != opened[0].files:
            expected = f"those of {opened[0].path}; make the shards again"
            raise InputError(f"{shard.path}: made with other files that its kind of features read; expected {expected}")
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


def write_normalized(path: Path, found: Clips, n_rows: int, n_features: int, statistics: dict) -> list[int]:
    """Write all clips normalized and padded, and return how many frames of each row hold sound."""
    n_frames = [0] * n_rows
    with array_for_whole(path, (n_rows, statistics["frames"], n_features)) as put:
        for row, clip in found:
            values, n_frames[row] = dataset.normalized(clip, statistics)
            put(row, values)
    return n_frames


def write_training(
    path: Path, found: Clips, rows: Sequence[Mapping], number_of: dict[int, int], n_features: int, features: dict
) -> list[dict]:
    """Write the training clips as they were extracted, each with its margin, and return their rows of the table.

    ``number_of``: the rows of annotations.csv that train, each with its number among them. ``features``: the block. A
    clip of ``n_frames`` frames may start at the frames ``first_start`` to ``last_start``.
    """
    table: list[dict] = [{}] * len(number_of)
    shape = (max(found.longest(), found.longest("margin")), n_features)
    with array_for_whole(path, (len(number_of), *shape)) as put:
        for row, n_window, place, clip in found.margins():
            if row not in number_of:
                continue
            first = last = 0
            if len(clip) > n_window:
                annotation = rows[row]["t_min_s"], rows[row]["t_max_s"]
                frames_per_s = (len(clip) - 1) / (place[1] - place[0])
                starts = (round(start_s * frames_per_s) for start_s in clips.jitter(annotation, place[:2], features))
                first, last = (min(start, len(clip) - n_window) for start in starts)
            put(number_of[row], dataset.fit_frames(clip, shape[0], "right")[0])
            table[number_of[row]] = {
                "row": number_of[row],
                "annotation_id": rows[row]["annotation_id"],
                "n_frames": n_window,
                "first_start": first,
                "last_start": last,
            }
    return table


def write_context(path: Path, found: Clips, parts: Sequence[str], frames: int, n_features: int) -> list[dict]:
    """Write the clips that hold no annotation as they were extracted, padded, and return their rows of the table.

    ``parts``: the partition of each row of the annotations. A clip is of the partition of its recording, ``several``
    where its annotations lie in several.
    """
    table = []
    with array_for_whole(path, (found.n_context(), frames, n_features)) as put:
        for position, (recording_id, of_recording, clip) in enumerate(found.context()):
            values, n_frames = dataset.fit_frames(clip, frames, "right")
            put(position, values)
            of = {parts[row] for row in of_recording}
            partition = of.pop() if len(of) == 1 else "several"
            table.append({"row": position, "recording_id": recording_id, "partition": partition, "n_frames": n_frames})
    return table


def write(
    files: Mapping[str, Path],
    opened: Sequence[shards.Shard],
    opened_negatives: Sequence[shards.Shard],
    annotations: Sequence[Mapping],
    split: Sequence[Mapping],
    boxes: Sequence[Mapping],
    params: Mapping,
) -> list[str]:
    """Write all files of a data set, and return what is to be said of it, a line each.

    Args:
        files: where to write each, by :data:`dataset.FILES`.
        opened, opened_negatives: the shards of the annotations' clips and of those of ``boxes``.
        annotations, split: the tables of these names, in the same order.
        boxes: the table of false positives.
        params: the blocks ``dataset`` and ``split``.
    """
    block = params["dataset"]
    used = [row["partition"] != UNUSED for row in split]
    placed = [
        {**row, "group": of["group"], "partition": of["partition"]} for row, of in zip(annotations, split, strict=True)
    ]
    parts_of_boxes = groups.partitions_of_boxes(boxes, placed, params["split"])
    used_boxes = [part != UNUSED for part in parts_of_boxes]
    given, given_boxes = annotations, boxes
    annotations = list(compress(placed, used))
    boxes = [{**box, "partition": part} for box, part in zip(boxes, parts_of_boxes, strict=True) if part != UNUSED]
    parts = [row["partition"] for row in annotations]
    names = {row["species_id"]: row["species_name"] for row in annotations}
    index = {species_id: position for position, species_id in enumerate(class_order(names))}
    features = features_block([*opened, *opened_negatives])
    found, negatives = Clips(opened, given, used), Clips(opened_negatives, given_boxes, used_boxes)
    frames = block["frames"] or found.longest()
    statistics = dataset.fit_statistics(
        (clip for row, clip in found if block["fit_on"] == "all" or parts[row] == "train"),
        {**block, "frames": frames, "features": features, "feature_files": opened[0].files},
    )
    n_features = next(iter(found))[1].shape[1]
    n_frames = write_normalized(files["x.npy"], found, len(annotations), n_features, statistics)
    negative_frames = write_normalized(files["negatives.npy"], negatives, len(boxes), n_features, statistics)
    number_of = {row: position for position, row in enumerate(row for row, of in enumerate(parts) if of == "train")}
    tables = {
        TRAINING_ROWS.name: write_training(files["training.npy"], found, annotations, number_of, n_features, features),
        CONTEXT_ROWS.name: write_context(files["context.npy"], found, parts, frames, n_features),
        CLASSES.name: [{"class_index": n, "species_id": key, "species_name": names[key]} for key, n in index.items()],
    }
    tables[ROWS.name] = _numbered(ROWS, annotations, index, n_frames)
    if any(FROM_REVIEWS in row for row in annotations):
        for row, of in zip(tables[ROWS.name], annotations, strict=True):
            row[FROM_REVIEWS] = int(bool(of[FROM_REVIEWS]))
    tables[NEGATIVE_ROWS.name] = _numbered(NEGATIVE_ROWS, boxes, index, negative_frames)
    for name, rows in tables.items():
        made.write(files[name], dataset.TABLES[name], rows)
    with write_whole(files[dataset.STATISTICS]) as file:
        json.dump(statistics, file, indent=1)
    padded = "" if block["frames"] else padding(n_frames)
    lines = [f"{len(annotations)} rows of {frames} frames of {n_features} features, {len(index)} classes{padded}"]
    if boxes:
        lines.append(f"{len(boxes)} clips that were checked not to hold their class")
    if features["context_clips"]:
        n_recordings = len({row["recording_id"] for row in tables[CONTEXT_ROWS.name]})
        lines.append(f"{found.n_context()} clips without annotation, of {n_recordings} recordings")
    return lines


def padding(n_frames: Sequence[int]) -> str:
    """Return what a few long clips cost, for the end of a line; nothing where the longest is near the others.

    ``n_frames``: those of each clip. Every row is as long as the longest.
    """
    usual = clips.length_without_outliers(n_frames)
    if usual is None:
        return ""
    share = 1 - np.mean(n_frames) / max(n_frames)
    return (
        f"; {100 * share:.0f} % of that is padding after clips that are shorter than the longest: dataset.frames: "
        f"{usual:.0f} keeps {100 * clips.WHOLE_SHARE:.0f} % of the clips whole, and of a longer one its middle"
    )


def _numbered(table: Table, rows: Sequence[Mapping], index: Mapping[str, int], n_frames: Sequence[int]) -> list[dict]:
    """Return the rows of a table of clips: those given, with their position, class and frames."""
    numbered = []
    for position, row in enumerate(rows):
        full = {**row, "row": position, "class_index": index[row["species_id"]], "n_frames": n_frames[position]}
        numbered.append({name: full[name] for name in table.names})
    return numbered
