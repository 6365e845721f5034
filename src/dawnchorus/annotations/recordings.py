"""The audit: which annotations and recordings can be used, and what is wrong with the others."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from dawnchorus.foundation.spelling import composed
from dawnchorus.sound.folders import split_suffix
from dawnchorus.tables.definitions import ANNOTATIONS, FROM_REVIEWS, PARTITIONS, RECORDINGS, RFCX
from dawnchorus.tables.users import Problem, Row, number

REQUIRED_COLUMNS = ("recording_id", "species_id", "t_min", "t_max")
Box = tuple[Row, dict]  # a row of the user's table, and the canonical annotation that it is

# Tables give times rounded to some decimals, so the last annotation of a recording may end a little after it.
END_TOLERANCE_S = 0.01
AUDIO_SUFFIXES = frozenset(
    {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"}
    | {".w64", ".rf64", ".voc"}
)

# What the tables of the workflow have by themselves; asked of every cell of every row.
_OWN_COLUMNS = frozenset({*RFCX.names, *ANNOTATIONS.names, *RECORDINGS.names, FROM_REVIEWS})

_ID_PART = re.compile(r"\w[\w .,+@=:-]*")


def id_problem(recording_id: str) -> str | None:
    """Return what was expected when a recording id could leave the audio folder or mean something to a shell."""
    parts = recording_id.split("/")
    if all(_ID_PART.fullmatch(part) and not part.endswith((".", " ")) for part in parts):
        return None
    return (
        "a recording id of letters, digits and ' .,+@=:_-', with '/' only between the names of subfolders "
        "(no '..', no absolute path, no shell characters)"
    )


def read_annotations(rows: Iterable[Row], shortest_s: float) -> tuple[list[Box], list[Problem]]:
    """Turn rows of an RFCX table into canonical annotations; each faulty cell becomes a problem.

    Times in seconds, frequencies in Hz (``nan`` where the table has no such column or cell). Returns the good
    annotations with the row that each came from, and the problems of the others.
    """
    good: list[Box] = []
    problems: list[Problem] = []
    seen: dict[tuple, Row] = {}
    for row in rows:
        cells = row.cells
        found: list[Problem] = []

        def complain(column, expected, row=row, found=found):
            found.append(row.problem(column, expected))

        expected_id = id_problem(cells["recording_id"])
        if expected_id:
            complain("recording_id", expected_id)
        if not cells["species_id"]:
            complain("species_id", "a species id")
        values = {}
        for column in ("t_min", "t_max", "f_min", "f_max"):
            text = cells.get(column, "")
            optional = column.startswith("f_")
            try:
                values[column] = math.nan if optional and not text else number(text)
            except ValueError:
                complain(column, "a finite number" + (" of Hz, or nothing" if optional else " of seconds"))
                continue
            if values[column] < 0:
                complain(column, "a number >= 0")
        if not found:
            if values["t_max"] <= values["t_min"]:
                complain("t_max", f"more than t_min {values['t_min']:g} s")
            elif values["t_max"] - values["t_min"] < shortest_s:
                complain("t_max", f"at least data.shortest_annotation_s {shortest_s:g} s after t_min")
            if values["f_max"] <= values["f_min"]:
                complain("f_max", f"more than f_min {values['f_min']:g} Hz")
        identity = (cells["recording_id"], cells["species_id"], cells.get("songtype_id", ""), *values.values())
        if not found and identity in seen:
            first = seen[identity]
            where = f"line {first.line}" if first.file == row.file else f"{first.file}:{first.line}"
            complain("recording_id", f"each annotation once; {where} says the same")
        problems.extend(found)
        if not found:
            seen[identity] = row
            good.append(
                (
                    row,
                    {
                        "recording_id": cells["recording_id"],
                        "species_id": cells["species_id"],
                        "songtype_id": cells.get("songtype_id", ""),
                        "t_min_s": values["t_min"],
                        "t_max_s": values["t_max"],
                        "f_min_hz": values["f_min"],
                        "f_max_hz": values["f_max"],
                        **{key: text for key, text in cells.items() if is_extra_column(key)},
                    },
                )
            )
    return good, problems


def is_extra_column(column: str) -> bool:
    """Say whether a column is the user's own, carried along so that it can be a group."""
    return bool(column) and column not in _OWN_COLUMNS


def files_by_id(paths: Iterable[str]) -> dict[str, list[str]]:
    """Group the audio files of a folder (posix paths relative to it) by recording id, see :func:`id_of`.

    Ids are composed as the cells of tables are; a path stays as the file system spells it.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        if split_suffix(path)[1].lower() in AUDIO_SUFFIXES:
            found.setdefault(id_of(path), []).append(path)
    return found


def id_of(path: str) -> str:
    """Return the recording id of an audio file: its path (posix, in the folder) without suffix, composed."""
    return composed(split_suffix(path)[0])


def without_annotations(
    rows: Iterable[Row], annotations: Iterable[Row], files: Mapping[str, Sequence[str]]
) -> tuple[list[Box], list[Problem]]:
    """Return the rows of the table of recordings that have a file and no annotation, good or not; and those to refuse.

    Whoever keeps one table for all their sites may list recordings that are elsewhere: those say nothing.
    """
    annotated = {row.cells["recording_id"] for row in annotations}
    good: list[Box] = []
    problems: list[Problem] = []
    for row in rows:
        recording_id = row.cells["recording_id"]
        if recording_id in annotated or recording_id not in files:
            continue
        if expected := id_problem(recording_id):
            problems.append(row.problem("recording_id", expected))
        else:
            good.append((row, {"recording_id": recording_id}))
    return good, problems


def match_files(
    annotations: Iterable[Box], files: Mapping[str, Sequence[str]], audio_dir: str
) -> tuple[dict[str, str], list[Problem]]:
    """Find the one file of each recording id; a missing one, or two files for one id, is a problem of its rows."""
    matched, problems = {}, []
    for row, annotation in annotations:
        recording_id = annotation["recording_id"]
        candidates = files.get(recording_id, ())
        if len(candidates) == 1:
            matched[recording_id] = candidates[0]
            continue
        found = f"{len(candidates)} files ({', '.join(candidates)})" if candidates else "none"
        expected = f"one audio file of that name in {audio_dir}, found {found}"
        problems.append(row.problem("recording_id", expected))
    return matched, problems


def end_problems(
    annotations: Iterable[Box], durations_s: Mapping[str, float], shortest_s: float = 0.0
) -> list[Problem]:
    """Return a problem for each annotation that reaches beyond the end of its recording.

    By up to :data:`END_TOLERANCE_S` it may, if more than nothing, and ``shortest_s``, of it lies within.
    """
    problems = []
    for row, annotation in annotations:
        duration_s = durations_s.get(annotation["recording_id"])
        if duration_s is None or annotation["t_max_s"] <= duration_s:
            continue
        if annotation["t_max_s"] > duration_s + END_TOLERANCE_S:
            problems.append(row.problem("t_max", f"at most the recording's {duration_s:.4f} s"))
        elif annotation["t_min_s"] >= duration_s or duration_s - annotation["t_min_s"] < shortest_s:
            least = f"at least data.shortest_annotation_s {shortest_s:g} s before" if shortest_s else "less than"
            problems.append(row.problem("t_min", f"{least} the recording's end at {duration_s:.4f} s"))
    return problems


def rare_class_problems(annotations: Iterable[Box]) -> list[Problem]:
    """Return a problem for each row of a class that cannot have a row in train, validation and test."""
    annotations = list(annotations)
    counts = Counter(annotation["species_id"] for _, annotation in annotations)
    return [
        row.problem("species_id", f"a class with at least {len(PARTITIONS)} rows ({', '.join(PARTITIONS)}), found {n}")
        for row, annotation in annotations
        if (n := counts[annotation["species_id"]]) < len(PARTITIONS)
    ]


def without(annotations: Iterable[Box], problems: Iterable[Problem]) -> list[Box]:
    """Return the annotations whose line has no problem."""
    annotations = list(annotations)
    lines = {(problem.file, problem.line) for problem in problems} if annotations else set()
    return [(row, annotation) for row, annotation in annotations if (row.file, row.line) not in lines]


def class_order(species_ids: Iterable[str]) -> list[str]:
    """Return the distinct species ids in class order: whole numbers by value, then the others by spelling."""
    distinct = set(species_ids)
    # Python reads no number of more than 4,300 digits.
    numbers = {text: int(text) for text in distinct if text.isdecimal() and len(text) <= 4300}
    return sorted(distinct, key=lambda text: (text not in numbers, numbers.get(text, 0), text))
