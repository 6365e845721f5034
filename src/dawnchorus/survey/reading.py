"""The annotations of a strange table as rows with RFCX's names, and where needed as a table that is written anew.

The workflow reads spans of seconds, of recordings called by their path in one folder. A table that has points, lengths,
other units or names of files in several folders says the same in other words; it is said again in these.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from dawnchorus.annotations import readers, recordings
from dawnchorus.annotations.recordings import Box
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.spelling import composed
from dawnchorus.survey.sounds import Names, common_folder
from dawnchorus.survey.tables import Source
from dawnchorus.tables.definitions import RFCX
from dawnchorus.tables.users import Problem, Row, UserTable, number, read_rows

# A point becomes a span of this share of the usual least gap between two, and of so many seconds at most.
POINT_SHARE, LONGEST_POINT_S = 0.4, 0.5
ONE_CLASS, LABEL = "call", "label"
_NUMBERS = ("t_min", "t_max", "f_min", "f_max")


@dataclass(frozen=True)
class Annotations:
    """What a table annotates: boxes with their rows, a problem for each row that is none, and what was said anew.

    ``said_anew``: a line for each thing that the table itself does not say as the workflow reads it; none: its own
    file will do. ``undecided``: a line for each folder of the table that is taken for one of another name. ``paths``:
    the file of each recording by id, below ``audio_dir``; ``folders``: those that would do, with how many recordings
    each has. ``file_ids``: the recordings below ``audio_dir``, annotated or not. ``label``: the column that has the
    species.
    """

    boxes: list[Box]
    problems: list[Problem]
    audio_dir: Path
    paths: dict[str, str]
    folders: list[tuple[str, int]]
    file_ids: frozenset[str]
    said_anew: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    label: str = "species_id"

    @property
    def ids(self) -> set[str]:
        """The recordings that are annotated."""
        return {box["recording_id"] for _, box in self.boxes}

    def within(self, durations_s: Mapping[str, float]) -> Annotations:
        """Leave out what cannot be read or reaches beyond its recording; spans made of points are cut there."""
        kept = [(row, box) for row, box in self.boxes if box["recording_id"] in durations_s]
        if self.said_anew:
            kept = [
                (row, {**box, "t_max_s": min(box["t_max_s"], durations_s[box["recording_id"]])}) for row, box in kept
            ]
            kept = [(row, box) for row, box in kept if box["t_max_s"] > box["t_min_s"]]
        late = recordings.end_problems(kept, durations_s)
        return replace(self, boxes=recordings.without(kept, late), problems=[*self.problems, *late])

    def without_rare(self) -> Annotations:
        """Leave out the classes that have too few rows to train, to validate and to test."""
        rare = recordings.rare_class_problems(self.boxes)
        return replace(self, boxes=recordings.without(self.boxes, rare), problems=[*self.problems, *rare])

    def as_one_class(self, reason: str, taken: Collection[str] = ()) -> Annotations:
        """Call every annotation :data:`ONE_CLASS`; what it was called stays in a column of its own.

        ``taken``: names of columns that other tables of the recordings have.
        """
        used = {column for _, box in self.boxes for column in box} | set(taken)
        names = itertools.chain([LABEL], (f"{LABEL}_{number}" for number in itertools.count(2)))
        label = next(name for name in names if name not in used)
        made: dict[tuple, Box] = {}
        for row, box in self.boxes:
            key = tuple(box[name] for name in ("recording_id", "t_min_s", "t_max_s"))
            made.setdefault(key, (row, {**box, label: box["species_id"], "species_id": ONE_CLASS, "songtype_id": ""}))
        return replace(self, boxes=list(made.values()), said_anew=(*self.said_anew, reason), label=label)

    def table(self) -> tuple[list[str], list[dict[str, str]]]:
        """Return columns and rows of a table with RFCX's columns, and those that the rows have beside them."""
        extra = list(dict.fromkeys(key for _, box in self.boxes for key in box if recordings.is_extra_column(key)))
        rows = []
        for _, box in self.boxes:
            numbers = {name: box[f"{name}_{'s' if name[0] == 't' else 'hz'}"] for name in _NUMBERS}
            cells = {name: "" if math.isnan(value) else repr(round(value, 9)) for name, value in numbers.items()}
            texts = {name: str(box.get(name, "")) for name in ("recording_id", "species_id", "songtype_id", *extra)}
            rows.append({**texts, **cells})
        return [*RFCX.names, *extra], rows


def read(source: Source, names: Names) -> Annotations:
    """Read the annotations and find their recordings; nothing that can be used raises :class:`InputError`."""
    table, said_anew = _rows(source)
    if not table.rows and not table.problems:
        raise InputError(f"{source.path}: no row below the header; expected one for each call")
    ids = {row.cells["recording_id"] for row in table.rows} - {""}
    folders = names.folders(ids)
    spread, elsewhere = names.matched(ids)
    rows, strange, undecided = table.rows, [], list[str]()
    if len(spread) > (folders[0][1] if folders else 0):
        root = common_folder(map(Path, spread.values()))
        from_root = {name: PurePosixPath(path).relative_to(root) for name, path in spread.items()}
        called = {name: composed(str(path.with_suffix(""))) for name, path in from_root.items()}
        strange = [_no_file(row, names) for row in rows if row.cells["recording_id"] not in called]
        rows = [_called(row, called) for row in rows if row.cells["recording_id"] in called]
        undecided = elsewhere
        folders = [(root.as_posix(), len(spread))]
        said_anew = (*said_anew, f"recordings are called by their path in {root.name}, where the table has other names")
    if ids and not folders:
        shown = ", ".join(sorted(ids)[:3])
        said = f"{names.said()}{_hint(ids, names)}"
        raise InputError(f"{source.path}: no sound file is called as its recordings are ({shown}, ...); {said}")
    boxes, faulty = recordings.read_annotations(rows, 0.0)
    problems = [*table.problems, *strange, *faulty]
    if not boxes and problems:
        raise InputError(*map(str, problems[:3]))
    audio_dir = Path(folders[0][0])
    inside = [
        Path(path).relative_to(audio_dir).as_posix() for path in names.paths if Path(path).is_relative_to(audio_dir)
    ]
    files = recordings.files_by_id(inside)
    paths, unmatched = recordings.match_files(boxes, files, str(audio_dir))
    kept = [(row, box) for row, box in boxes if box["recording_id"] in paths]
    where = {name: str(audio_dir / path) for name, path in paths.items()}
    return Annotations(
        kept, [*problems, *unmatched], audio_dir, where, folders, frozenset(files), said_anew, tuple(undecided)
    )


def _called(row: Row, called: Mapping[str, str]) -> Row:
    return replace(row, cells={**row.cells, "recording_id": called[row.cells["recording_id"]]})


def _no_file(row: Row, names: Names) -> Problem:
    """Say that a row leads to no file of its own, and which one has the name of its recording."""
    others = names.named(row.cells["recording_id"])
    of_others = f"; {others[0]} is in another folder, or another name leads to it too" if others else ""
    return row.problem("recording_id", f"one sound file of that name in a folder of that name{of_others}")


def _hint(ids: Iterable[str], names: Names) -> str:
    """Say what to do where sound is called as recordings are and lies in other folders; nothing where there is none."""
    found = next((paths[0] for name in sorted(ids) if (paths := names.named(name))), None)
    if not found:
        return ""
    return (
        f"; {found} is in another folder than the table says, or several of its names lead to it: expected folders of "
        "the same names, or the folder that holds the recordings itself, named beside the table"
    )


def _rows(source: Source) -> tuple[UserTable, tuple[str, ...]]:
    """Return the rows with RFCX's names, and what was said anew to have them."""
    taken = source.taken
    scaled = [cell for cell in (*_NUMBERS, "point", "duration") if cell in taken and taken[cell].scale != 1]
    if source.form != "csv" or not (scaled or source.parts or "t_min" not in taken or "t_max" not in taken):
        return readers.read(source.path, source.form, source.columns), ()
    said = [f"{len(source.parts)} tables of a recording each, as one"] if source.parts else []
    if scaled:
        said.append(f"{', '.join(taken[cell].name for cell in scaled)}: in seconds and Hz")
    if "t_min" in taken and "t_max" not in taken:
        said.append(f"{taken['duration'].name}: a length, which becomes an end")
    table = _together(source)
    start = taken.get("t_min") or taken["point"]
    rows, problems, points = [], list(table.problems), "t_min" not in taken
    length_s = _point_s(table.rows, taken["recording_id"].name, start.name, start.scale) if points else 0.0
    used = {one.name for one in taken.values()} | set(RFCX.names)
    for row in table.rows:
        found = {cell: row.cells[taken[cell].name] if cell in taken else "" for cell in RFCX.names}
        try:
            for cell in ("f_min", "f_max"):
                if found[cell]:
                    found[cell] = repr(number(found[cell]) * taken[cell].scale)
            begin_s = number(row.cells[start.name]) * start.scale
            if points:
                begin_s, end_s = max(0.0, begin_s - length_s / 2), begin_s + length_s / 2
            elif "t_max" in taken:
                end_s = number(row.cells[taken["t_max"].name]) * taken["t_max"].scale
            else:
                end_s = begin_s + number(row.cells[taken["duration"].name]) * taken["duration"].scale
        except ValueError:
            problems.append(row.problem(start.name, "finite numbers for its times and its band"))
            continue
        found |= {"t_min": repr(round(begin_s, 9)), "t_max": repr(round(end_s, 9))}
        found["recording_id"] = readers.without_sound_suffix(found["recording_id"])
        extra = {column: cell for column, cell in row.cells.items() if column and column not in used}
        rows.append(Row(row.file, row.line, {**found, **extra}, {cell: one.name for cell, one in taken.items()}))
    if points:
        said.append(f"{start.name}: points in time, which become spans of {1000 * length_s:g} ms around each")
    return UserTable([*RFCX.names], rows, problems), tuple(said)


def _together(source: Source) -> UserTable:
    """Return the rows of a table as they are, or of tables of a recording each, with its name."""
    if not source.parts:
        return read_rows(source.path, ())
    read = [(part.recording, read_rows(part.path, ())) for part in source.parts]
    rows = [
        replace(row, cells={**row.cells, "recording_id": recording}) for recording, table in read for row in table.rows
    ]
    return UserTable(["recording_id"], rows, [problem for _, table in read for problem in table.problems])


def _point_s(rows: Sequence[Row], recording: str, column: str, scale: float) -> float:
    """Return how long a span a point becomes (s): such that neighbours stay apart."""
    of_recording: dict[str, list[float]] = {}
    for row in rows:
        try:
            of_recording.setdefault(row.cells[recording], []).append(number(row.cells[column]) * scale)
        except ValueError:
            continue
    gaps = np.concatenate([_gaps(times) for times in of_recording.values()] or [np.empty(0)])
    gaps = gaps[gaps > 0]
    usual_s = float(np.quantile(gaps, 0.05)) if len(gaps) else math.inf
    return float(f"{min(POINT_SHARE * usual_s, LONGEST_POINT_S):.2g}")


def _gaps(times: Iterable[float]) -> np.ndarray:
    return np.diff(np.sort(np.fromiter(times, float)))
