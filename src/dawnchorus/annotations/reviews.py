"""What people answered when they listened to what a detector found, and what it teaches: ``data.reviews``.

A yes is an annotation of its window, a no (another species is one too) says that the window lacks the species, and
unsure says nothing. Another species that somebody named is a yes for that one, where it is a class. Of several people
the majority counts, of one person's two answers the later one; where as many say yes as no, nothing is known.

What was reviewed is what a detector found, and so no measure of one: such rows train, or are not used at all, see
:func:`dawnchorus.partitioning.groups.partitions_of_boxes`. Of a recording that no other table names nothing is known
but what was answered.
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dawnchorus.annotations import readers, unknown
from dawnchorus.annotations.recordings import Box
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.spelling import composed
from dawnchorus.tables import cells as cells_of
from dawnchorus.tables.definitions import POPULATION, REVIEW_GROUPS, REVIEW_SUMMARY, SAMPLE
from dawnchorus.tables.users import Problem, Row, UserTable, clean, read_rows

ANSWERS = ("yes", "no", "unsure", "other")
REQUIRED_COLUMNS = ("recording_id", "start_s", "end_s", "species_id", "answer", "reviewer")
# What lies beside answers in a folder of a review, and holds none.
_OTHERS = frozenset(table.name for table in (SAMPLE, POPULATION, REVIEW_SUMMARY, REVIEW_GROUPS))
_NAMES = {"t_min": "start_s", "t_max": "end_s"}
# Seconds are written to six decimals; those of a window are the same to four.
_DECIMALS, SAME_S = 4, 1e-4

Window = tuple[str, str, float, float]  # recording, species, start and end


@dataclass(frozen=True)
class Taught:
    """Boxes that hold their species and boxes that lack it, as annotations; and how many answers came to what."""

    present: list[dict[str, Any]]
    absent: list[dict[str, Any]]
    counts: Counter[str]


def tables_of(path: Path) -> list[Path]:
    """Return the tables of answers that a path names: itself, or those of a folder and of the folders below it.

    As of a folder of annotations, what may hide one raises :class:`InputError`.
    """
    if not path.is_dir():
        return [path]
    tables, faults = readers.files_below(path, (".csv",))
    if faults:
        raise InputError(*faults)
    found = [table for table in tables if table.name not in _OTHERS]
    if not found:
        raise InputError(f"{path}: no tables; expected a reviews.csv, or a folder of them")
    return found


def read(path: Path, audio_dir: str) -> UserTable:
    """Return the rows of all tables, in the names of spans: recording_id, t_min, t_max, ...; and their problems.

    A column ``path``, of the sound file as the run named it, says which recording is meant: ids of a run that searched
    single files or several folders are their names alone. It is empty, as an id, where that is not in ``audio_dir``.
    """
    rows, problems = [], []
    for table in tables_of(path):
        _, found, faulty = read_rows(table, REQUIRED_COLUMNS, cell=lambda text: clean(cells_of.original(text)))
        problems += faulty
        for row in found:
            cells = {**row.cells, "t_min": row.cells["start_s"], "t_max": row.cells["end_s"]}
            if row.cells.get("path"):
                cells["recording_id"] = _inside(row.cells["path"], audio_dir)
            rows.append(Row(row.file, row.line, cells, _NAMES))
    return UserTable(list(REQUIRED_COLUMNS), rows, problems)


def _inside(path: str, audio_dir: str) -> str:
    """Return the id of a recording by its path; empty where it is not in the folder."""
    inside = os.path.relpath(os.path.abspath(path), os.path.abspath(audio_dir))
    if inside.split(os.sep)[0] in (os.pardir, os.curdir):
        return ""
    return composed(PurePosixPath(inside).with_suffix("").as_posix())


def answers(
    rows: Sequence[Row], files: Mapping[str, Sequence[str]] | None, audio_dir: str, shortest_s: float
) -> tuple[list[Box], list[Problem]]:
    """Return the answers of rows, each with its row, and the problems of the others.

    ``files``: those of the audio folder by recording id, None where it cannot be read. Answers of recordings that are
    not in it are one problem of each table.
    """
    problems: list[Problem] = []
    elsewhere: dict[str, list[Row]] = {}
    inside = []
    for row in rows:
        if files is not None and row.cells["recording_id"] not in files:
            elsewhere.setdefault(row.file, []).append(row)
        else:
            inside.append(row)
    for of in elsewhere.values():
        column = "path" if of[0].cells.get("path") else "recording_id"
        n = f"; {len(of)} answers are of recordings that are not there" if len(of) > 1 else ""
        problems.append(of[0].problem(column, f"a recording in data.audio_dir, {audio_dir}{n}"))
    spans, faulty = unknown.read(inside)
    problems += faulty
    good = []
    for row, span in spans:
        cells, found = row.cells, []
        if cells["answer"] not in ANSWERS:
            found.append(row.problem("answer", f"one of {', '.join(ANSWERS)}"))
        if not cells["reviewer"]:
            found.append(row.problem("reviewer", "the name of who answered"))
        if not cells["species_id"]:
            found.append(row.problem("species_id", "a species id"))
        if span["t_max_s"] - span["t_min_s"] < shortest_s:
            expected = f"at least data.shortest_annotation_s {shortest_s:g} s after start_s"
            found.append(row.problem("t_max", expected))
        problems += found
        if not found:
            more = {name: cells.get(name, "") for name in ("answer", "reviewer", "other_species", "time")}
            good.append((row, {**span, **more}))
    return good, problems


def taught(
    given: Sequence[Box], annotations: Iterable[Box], species_ids: Collection[str], names: Mapping[str, str]
) -> Taught:
    """Return what answers teach.

    ``annotations``: the users' own, which stand: an answer to a window that touches one of its species says nothing
    new, or contradicts it. ``names``: of species by their ids, for whoever wrote one down.
    """
    counts: Counter[str] = Counter()
    latest: dict[tuple[Window, str], Mapping] = {}
    for _, given_one in sorted(given, key=lambda item: item[1]["time"]):
        key = _window(given_one, given_one["species_id"]), given_one["reviewer"]
        counts["answered anew"] += key in latest
        latest[key] = given_one
    # For or against, and whether that is the answer of a row: what somebody named instead is told of apart.
    votes: dict[Window, list[tuple[int, bool]]] = defaultdict(list)
    boxes: dict[Window, Mapping] = {}
    by_name = {name.casefold(): key for key, name in names.items()} | {key.casefold(): key for key in species_ids}
    for (window, _), answer in latest.items():
        boxes.setdefault(window, answer)
        if answer["answer"] == "unsure":
            counts["unsure"] += 1
            continue
        votes[window].append((1 if answer["answer"] == "yes" else -1, True))
        if other := answer["answer"] == "other" and answer["other_species"].casefold():
            named = by_name.get(other)
            counts["another species that is no class"] += named is None
            if named is not None and named != answer["species_id"]:
                extra = _window(answer, named)
                boxes.setdefault(extra, answer)
                votes[extra].append((1, False))
                counts["another species, a yes for that one"] += 1
    annotated: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for _, row in annotations:
        annotated[row["recording_id"], row["species_id"]].append((row["t_min_s"], row["t_max_s"]))
    made: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for window, of in sorted(votes.items()):
        total, (recording_id, species_id, start_s, end_s) = sum(vote for vote, _ in of), window
        own = [vote for vote, is_own in of if is_own]
        touches = any(low < end_s and high > start_s for low, high in annotated[recording_id, species_id])
        if total == 0:
            counts["as many yes as no"] += len(own)
        elif touches:
            counts["annotated already" if total > 0 else "against an annotation"] += len(own)
        else:
            n_outvoted = sum((vote > 0) != (total > 0) for vote in own)
            counts["outvoted"] += n_outvoted
            counts["used"] += len(own) - n_outvoted
            made[total > 0].append(_box(boxes[window], species_id))
    return Taught(made[True], made[False], +counts)


def _window(answer: Mapping, species_id: str) -> Window:
    return (
        *(answer["recording_id"], species_id),
        *(round(answer["t_min_s"], _DECIMALS), round(answer["t_max_s"], _DECIMALS)),
    )


def _box(answer: Mapping, species_id: str) -> dict[str, Any]:
    """Return a window as :func:`dawnchorus.annotations.recordings.read_annotations` gives an annotation."""
    return {
        **{key: answer[key] for key in ("recording_id", "t_min_s", "t_max_s")},
        **{"species_id": species_id, "songtype_id": "", "f_min_hz": math.nan, "f_max_hz": math.nan},
    }


def lines(taught: Taught) -> list[str]:
    """Return what a person wants to know of reviews, a line; every answer is used or has a reason."""
    counts = taught.counts
    reasons = "".join(f"; {n} {reason}" for reason, n in sorted(counts.items()) if reason != "used")
    windows = f"{len(taught.present)} windows with calls, {len(taught.absent)} without"
    return [f"reviews: {counts['used']} answers used, {windows}{reasons}"]
