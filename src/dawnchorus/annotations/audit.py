"""The audit of what a user gives: every row of the tables held against the recordings, every recording decoded once."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from dawnchorus.annotations import false_positives, readers, recorded, recordings, reviews, unknown
from dawnchorus.foundation.display_names import printable
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.hashes import HashCache, digest_of, identity
from dawnchorus.foundation.parallel import in_threads
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.sound import audio, folders, unchanged
from dawnchorus.tables import made
from dawnchorus.tables.definitions import (
    ALONE,
    ANNOTATIONS,
    AUDIT,
    BESIDE,
    FALSE_POSITIVES,
    FROM_REVIEWS,
    RECORDINGS,
)
from dawnchorus.tables.users import Problem, UserTable, cells_of_column, read_rows

# So many problems are lines on the screen; whoever has more reads the table.
MOST_LINES = 40
COLUMNS_OF = {
    "recordings_table": ("recording_id",),
    "species_table": ("species_id", "name"),
    **dict.fromkeys(unknown.TABLES, unknown.REQUIRED_COLUMNS),
}
# Of what a job reads, and is another when it ends.
MEANWHILE = "changed during the audit; expected no change, run again"
# Those of them that name recordings.
SIDE_TABLES = ("recordings_table", *unknown.TABLES)
NO_TABLE = UserTable([], [], [])
NOTHING_TAUGHT = reviews.Taught([], [], Counter())
Read = TypeVar("Read")


def audio_paths(audio_dir: str) -> list[str]:
    """Return every name of a recording below the audio folder, as posix paths relative to it."""
    try:
        return [name.path for name in folders.below(audio_dir, recordings.AUDIO_SUFFIXES)]
    except (FileNotFoundError, NotADirectoryError):
        expected = "no such folder; expected the folder of the recordings"
    except OSError as error:
        expected = f"expected a folder that can be listed, but: {error.strerror}"
    raise InputError(f"data.audio_dir: {audio_dir}: {expected}")


def read_source(data: dict, source: str = "annotations") -> UserTable:
    """Return columns, rows and problems of a table of ``data``, the block of that name, in RFCX's names.

    The path of the annotations themselves means that there are no ``false_positives``.
    """
    if source == "false_positives" and data[source] == data["annotations"]:
        return NO_TABLE
    return readers.read(Path(data[source]), data["format"], data["columns"])


def read_side(data: dict, name: str) -> UserTable | None:
    """Return a table of ``data`` that is of recordings, of species or of spans; None where there is none.

    The path of the annotations themselves means that there is no such table. (A null would be simpler, but DVC cannot
    have a dependency that may be null.)
    """
    return None if data[name] == data["annotations"] else read_rows(data[name], COLUMNS_OF[name])


def read_reviews(data: dict) -> UserTable | None:
    """Return the answers of ``data.reviews``; None where there are none, as of :func:`read_side`."""
    if data["reviews"] == data["annotations"]:
        return None
    return reviews.read(Path(data["reviews"]), data["audio_dir"])


def fingerprint(data: dict, cache: HashCache) -> str:
    """Return one hash of the content of all recordings that a table of ``data`` names; any change to one changes it.

    Where the annotations, or the reviews, are a folder of tables it is also of the content of these. What cannot be
    read gives a text saying so: the stage itself then reports it in full.
    """
    audio_dir, folders = data["audio_dir"], {Path(data[name]) for name in ("annotations", "false_positives")}
    try:
        # Names alone: rows would be most of the memory of a plan.
        named = readers.recording_ids(Path(data["annotations"]), data["format"], data["columns"])
        if data["false_positives"] != data["annotations"]:
            named |= readers.recording_ids(Path(data["false_positives"]), data["format"], data["columns"])
        for name in SIDE_TABLES:
            if data[name] != data["annotations"]:
                named |= cells_of_column(data[name], COLUMNS_OF[name], "recording_id")
        named |= {row.cells["recording_id"] for row in (read_reviews(data) or NO_TABLE).rows}
        wanted = sorted(path for path in audio_paths(audio_dir) if recordings.id_of(path) in named)
        tables = [path.as_posix() for folder in folders if folder.is_dir() for path in readers.tables_of(folder)]
        answered = Path(data["reviews"])
        if answered not in folders and answered.is_dir():
            tables += [path.as_posix() for path in reviews.tables_of(answered)]
    except InputError as error:
        return str(error)
    hashes = cache.sha256_or_reason([*(os.path.join(audio_dir, path) for path in wanted), *tables])
    cache.save()
    return digest_of(zip([*wanted, *tables], hashes, strict=True))


def inspect_all(
    paths: dict[str, str], audio_dir: str, cache: HashCache, known: dict[str, dict], threads: int
) -> tuple[dict[str, dict], dict[str, Problem]]:
    """Decode every recording that is not ``known`` by its content, and return its facts or its problem."""
    version = SourceCode().version_of("sound.audio")[:16]
    facts: dict[str, dict] = {}
    problems: dict[str, Problem] = {}

    def own(recording_id: str, sha256: str | None) -> dict:
        return {
            "recording_id": recording_id,
            "path": paths[recording_id],
            "sha256": sha256,
            "inspected_with": version,
        }

    def is_known(recording_id: str, sha256: str | None) -> bool:
        old = known.get(recording_id, {})
        return all(old.get(key) == value for key, value in own(recording_id, sha256).items())

    def inspect(recording_id: str) -> tuple[dict, str | None]:
        path = Path(audio_dir, paths[recording_id])
        try:
            seen, sha256 = identity(path), cache.sha256(path)
        except OSError:
            return {}, audio.inspect(path)[1] or "unreadable: it changes while it is looked at"
        if is_known(recording_id, sha256):
            return dict(known[recording_id]), None
        with unchanged.opened_as(path, seen, MEANWHILE):
            info, problem = audio.inspect(path)
        if problem == MEANWHILE or not unchanged.is_still(path, seen):
            raise InputError(f"{path}: {MEANWHILE}")
        return {**info, **own(recording_id, sha256)}, problem

    # A look at a recording takes less than to hand it to a thread.
    for recording_id, name in paths.items():
        if recording_id in known and is_known(recording_id, cache.remembered(os.path.join(audio_dir, name))):
            facts[recording_id] = dict(known[recording_id])
    others = [recording_id for recording_id in paths if recording_id not in facts]
    for recording_id, (info, problem) in zip(others, in_threads(inspect, others, threads), strict=True):
        if problem:
            file = str(Path(audio_dir, paths[recording_id]))
            problems[recording_id] = Problem(file, 0, "", problem, "whole, readable sound")
        else:
            facts[recording_id] = info
        if (done := len(facts) + len(problems)) % 100 == 0:
            print(f"recordings: {done} of {len(paths)} inspected", flush=True)
    cache.save()
    return facts, problems


def joined(
    annotations: list[recordings.Box], path: str, key: str, side: UserTable | None
) -> tuple[dict[str, dict], list[Problem]]:
    """Return a side table by its key column; an annotation whose key it lacks, or has twice, is a problem.

    ``path``: its file; None: there is no such table.
    """
    if side is None:
        return {}, []
    problems = list(side.problems)
    table: dict[str, dict] = {}
    for row in side.rows:
        if row.cells[key] in table:
            problems.append(row.problem(key, "each id once"))
        table.setdefault(row.cells[key], row.cells)
    for row, annotation in annotations:
        if annotation[key] not in table:
            problems.append(row.problem(key, f"an id that {path} has too"))
    return table, problems


class _Given:
    """The tables and the folder that a user gives, each read once; ``faults`` says of which there is none to read.

    What cannot be read is empty, or None where that means that nothing can be held against it.
    """

    def __init__(self, data: dict):
        self.faults: list[str] = []
        self.annotations = self._read(lambda: read_source(data)) or NO_TABLE
        self.false_positives = self._read(lambda: read_source(data, "false_positives")) or NO_TABLE
        self.sites, self.names, self.unknown, self.annotated_spans = (
            self._read(partial(read_side, data, name)) for name in COLUMNS_OF
        )
        self.reviews = self._read(partial(read_reviews, data))
        self.audio = self._read(lambda: recordings.files_by_id(audio_paths(data["audio_dir"])))

    def _read(self, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except InputError as error:
            self.faults += str(error).split("\n")
            return None


def known_recordings(path: Path) -> dict[str, dict]:
    """Return the rows of an earlier recordings.csv by id; none when there is no usable one."""
    try:
        return {row["recording_id"]: row for row in made.read(path, RECORDINGS)}
    except InputError:
        return {}


@dataclass(frozen=True)
class Audited:
    """What can be used: boxes as rows with their annotations, recordings and side tables by id; and every problem.

    ``unknown``, ``annotated_spans``: spans, see :mod:`dawnchorus.annotations.unknown`; None: no such table.
    ``reviews``: what answers teach; None: no such table. ``uncalled``: the rows of recordings without any annotation.
    ``faults``: a line for each table or folder that cannot be read at all. ``n_rows``: how many annotations there were,
    good or not.
    """

    annotations: list[recordings.Box]
    false_positives: list[recordings.Box]
    unknown: list[recordings.Box]
    annotated_spans: list[recordings.Box] | None
    reviews: reviews.Taught | None
    uncalled: list[recordings.Box]
    facts: dict[str, dict]
    sites: dict[str, dict]
    names: dict[str, dict]
    faults: list[str]
    problems: list[Problem]
    n_rows: int


def audit(data: dict, old: dict[str, dict], cache: HashCache, threads: int) -> Audited:
    """Hold every row against the recordings and the side tables, and decode every recording that is not known.

    What cannot be read hides no problem of the others, and what would only follow from it is no problem.
    """
    given = _Given(data)
    n_rows = len(given.annotations.rows) + len(given.annotations.problems)
    annotations, faulty = recordings.read_annotations(given.annotations.rows, data["shortest_annotation_s"])
    negatives, other_faulty = recordings.read_annotations(given.false_positives.rows, data["shortest_annotation_s"])
    (unknown_spans, faulty_unknown), (annotated, faulty_spans) = (
        unknown.read((table or NO_TABLE).rows) for table in (given.unknown, given.annotated_spans)
    )
    answers, faulty_answers = reviews.answers(
        (given.reviews or NO_TABLE).rows, given.audio, data["audio_dir"], data["shortest_annotation_s"]
    )
    # Of recordings the same is asked for all; a row keeps its file, so that they can be told apart again.
    boxes, spans = [*annotations, *negatives, *answers], [*unknown_spans, *annotated]
    audio = given.audio if given.audio is not None else {}
    uncalled, misnamed = recordings.without_annotations((given.sites or NO_TABLE).rows, given.annotations.rows, audio)
    named = [*boxes, *spans, *uncalled] if given.audio is not None else []
    paths, unmatched = recordings.match_files(named, audio, data["audio_dir"])
    facts, unusable = inspect_all(paths, data["audio_dir"], cache, old, threads)
    durations_s = {key: info["duration_s"] for key, info in facts.items()}
    boxes, spans = ([item for item in items if item[1]["recording_id"] in facts] for items in (boxes, spans))
    late = recordings.end_problems(boxes, durations_s, data["shortest_annotation_s"])
    late += unknown.start_problems(spans, durations_s)
    # What detectors found lies in recordings that nobody listed.
    kept = recordings.without([*annotations, *negatives, *spans], late)
    sites, not_listed = joined(kept, data["recordings_table"], "recording_id", given.sites)
    tables = (given.annotations, given.false_positives, given.unknown, given.annotated_spans, given.reviews)
    cut = [problem for table in tables if table is not None for problem in table.problems]
    problems = [*cut, *faulty, *other_faulty, *faulty_unknown, *faulty_spans, *faulty_answers, *misnamed]
    problems += [*unmatched, *unusable.values(), *late, *not_listed]
    annotations, negatives, unknown_spans, annotated, uncalled, answers = (
        [item for item in recordings.without(items, problems) if item[1]["recording_id"] in facts]
        for items in (annotations, negatives, unknown_spans, annotated, uncalled, answers)
    )
    names, not_named = joined(annotations, data["species_table"], "species_id", given.names)
    annotations = recordings.without(annotations, not_named)
    problems += not_named
    # Where annotations or recordings cannot be read none are left, and nothing follows from what nobody knows.
    rare = recordings.rare_class_problems(annotations)
    annotations = recordings.without(annotations, rare)
    species_ids = {row["species_id"] for _, row in annotations}
    of_some = [item for item in unknown_spans if item[1]["species_id"]]
    others = false_positives.unknown_species([*negatives, *of_some, *answers], species_ids)
    negatives, unknown_spans, answers = (
        recordings.without(items, others) for items in (negatives, unknown_spans, answers)
    )
    problems += [*rare, *others]
    spans_of = unknown_spans, None if given.annotated_spans is None else annotated
    called = {key: cells["name"] for key, cells in names.items() if key in species_ids}
    taught = None if given.reviews is None else reviews.taught(answers, annotations, species_ids, called)
    found = annotations, negatives, *spans_of, taught, uncalled
    return Audited(*found, facts, sites, names, given.faults, problems, n_rows)


def tables(audited: Audited) -> dict[str, Sequence[dict]]:
    """Return the rows of ``recordings``, ``annotations``, ``false_positives``, ``unknown`` and ``audit``.

    Recordings and boxes have the columns of :mod:`dawnchorus.annotations.recorded` that a name says anything for, but
    for those that the user has: one column is not of two minds.
    """
    present, absent = ([row for _, row in items] for items in (audited.annotations, audited.false_positives))
    boxes = [*present, *absent]
    extra = sorted({key for row in boxes for key in row if recordings.is_extra_column(key)})
    of_sites = {key for cells in audited.sites.values() for key in cells if recordings.is_extra_column(key)}
    side = sorted(of_sites - set(extra))
    others = [*audited.unknown, *(audited.annotated_spans or ()), *audited.uncalled]
    of_tables = {row["recording_id"] for row in (*boxes, *(row for _, row in others))}
    taught = audited.reviews or NOTHING_TAUGHT
    only_reviewed = {row["recording_id"] for row in (*taught.present, *taught.absent)} - of_tables
    ids = sorted(of_tables | only_reviewed)
    saying: set[str] = set()
    for recording_id in ids:
        saying.update(name for name, cell in recorded.recorded(recording_id).cells().items() if cell)
    of_names = [name for name in recorded.COLUMNS if name in saying - {*extra, *side}]
    # Where names say nothing there is nothing to hold of each.
    said = {recording_id: recorded.recorded(recording_id).cells() for recording_id in ids if of_names}

    def clean(number: int, row: dict) -> dict:
        species_id, site = row["species_id"], audited.sites.get(row["recording_id"], {})
        canonical = {
            **row,
            "annotation_id": number,
            "species_name": audited.names[species_id]["name"] if audited.names else species_id,
        }
        own = {**{key: row.get(key, "") for key in extra}, **{key: site.get(key, "") for key in side}}
        return {**{key: canonical[key] for key in ANNOTATIONS.names}, **own, **named(row["recording_id"])}

    def named(recording_id: str) -> dict:
        return {name: said[recording_id][name] for name in of_names}

    def marked(recording_id: str, otherwise: str) -> dict:
        if audited.reviews is None:
            return {}
        return {FROM_REVIEWS: ALONE if recording_id in only_reviewed else otherwise}

    def numbered(of_table: list[dict], of_reviews: list[dict]) -> made.Rows:
        def marked_clean(number: int, row: dict) -> dict:
            of = marked("", "") if number < len(of_table) else marked(row["recording_id"], BESIDE)
            return {**clean(number, row), **of}

        return made.Rows([*of_table, *of_reviews], marked_clean)

    def listed(_: int, recording_id: str) -> dict:
        facts, site = audited.facts[recording_id], audited.sites.get(recording_id, {})
        own = {key: site.get(key, "") for key in side}
        of_reviews = marked(recording_id, "")
        return {**{key: facts[key] for key in RECORDINGS.names}, **own, **named(recording_id), **of_reviews}

    durations_s = {name: audited.facts[name]["duration_s"] for name in ids}
    return {
        "recordings": made.Rows(ids, listed),
        "annotations": numbered(present, taught.present),
        "false_positives": numbered(absent, taught.absent),
        "unknown": unknown.table(durations_s, audited.unknown, audited.annotated_spans, only_reviewed),
        "audit": list(all_problems(audited)),
    }


def all_problems(audited: Audited) -> Iterator[dict]:
    """Yield the rows of audit.csv: every fault of a table or folder as a whole, and every problem."""
    for fault in audited.faults:
        place, _, said = fault.partition(": ")
        path, _, line = place.rpartition(":")
        whole = not (path and line.isdecimal())
        yield Problem(place if whole else path, 0 if whole else int(line), "", "", said).cells()
    for problem in audited.problems:
        yield problem.cells()


def check(audited: Audited, data: dict, list_of_all: Path) -> None:
    """Raise :class:`InputError` with the problems where ``data.on_bad_recording`` stops, or where no row is left.

    What cannot be read at all always stops. Where there are more than :data:`MOST_LINES` problems, the first ones are
    lines, and the last line but one says how many more there are: all of them are in ``list_of_all``, which is written.
    """
    problems, faults, stops = audited.problems, audited.faults, data["on_bad_recording"] == "stop"
    if not faults and not (problems and stops) and audited.annotations:
        list_of_all.unlink(missing_ok=True)
        return
    made.write(list_of_all, AUDIT, all_problems(audited))
    n = len(faults) + len(problems)
    lines = [*faults, *map(str, problems[:MOST_LINES])][:MOST_LINES]
    if n > MOST_LINES:
        lines.append(f"{_counted(n - MOST_LINES, 'problem')} more, all of them in {list_of_all}")
    if problems and (faults or stops):
        sources = list(
            dict.fromkeys(data[key] for key in ("annotations", "false_positives", *unknown.TABLES, "reviews"))
        )
        whose = f"{', '.join(sources)} and {'their' if len(sources) > 1 else 'its'} recordings"
        hint = "" if faults else "data.on_bad_recording: quarantine goes on without these rows; "
        lines.append(f"{_counted(n, 'problem')} in {whose}; {hint}a table of them: {list_of_all}")
    elif not faults:
        lines.append(f"{data['annotations']}: no usable row; expected one or more")
    raise InputError(*map(printable, lines))


def check_unchanged(audited: Audited, data: dict, planned: str, cache: HashCache) -> None:
    """Raise :class:`InputError` where what was audited is not what is there now, and was when the audit was planned.

    ``planned``: the :func:`fingerprint` of then; empty where there is none.
    """
    facts = list(audited.facts.values())
    paths = [os.path.join(data["audio_dir"], of_one["path"]) for of_one in facts]
    for path, of_one, found in zip(paths, facts, cache.sha256_or_reason(paths), strict=True):
        if found != of_one["sha256"]:
            raise InputError(f"{path}: {MEANWHILE}")
    if planned and fingerprint(data, cache) != planned:
        raise InputError(f"{data['audio_dir']}: recordings, or folders of tables: {MEANWHILE}")


def summary(audited: Audited, rows: Mapping[str, Sequence[dict]]) -> list[str]:
    """Return what a person wants to know of an audit that went well, a line each; ``rows``: as :func:`tables`."""
    annotations = [row for _, row in audited.annotations]
    n_classes = len({row["species_id"] for row in annotations})
    n_recordings = len({row["recording_id"] for row in annotations})
    lines = [
        f"recordings: {len(annotations)} annotations of {n_classes} classes in {n_recordings} recordings; "
        f"{audited.n_rows - len(annotations)} of {audited.n_rows} rows left out, "
        f"{_counted(len(audited.problems), 'problem')}"
    ]
    if audited.false_positives:
        lines.append(f"recordings: {len(audited.false_positives)} boxes that were checked not to hold their species")
    annotated = {row["recording_id"] for row in annotations}
    others = [row["recording_id"] for row in rows["recordings"] if not row.get(FROM_REVIEWS)]
    if n_others := sum(recording_id not in annotated for recording_id in others):
        lines.append(f"recordings: {_counted(n_others, 'recording')} without annotations")
    if audited.reviews is not None:
        n_alone = len(rows["recordings"]) - len(others)
        lines += [f"recordings: {line}" for line in reviews.lines(audited.reviews)]
        lines += [f"recordings: {_counted(n_alone, 'recording')} that only reviews name"] * bool(n_alone)
    if named := said_by_names(audited, rows["recordings"]):
        lines.append(f"recordings: {named}")
    if n_spans := len(spans := [row["t_max_s"] - row["t_min_s"] for row in rows["unknown"]]):
        lines.append(f"recordings: {_counted(n_spans, 'span')} of unknown content, {sum(spans):.1f} s")
    return lines


def said_by_names(audited: Audited, listed: Sequence[Mapping]) -> str:
    """Return in words what became columns because names say it; empty: nothing. ``listed``: rows of recordings."""
    own = {key for cells in audited.sites.values() for key in cells}
    counts = {
        name: sum(bool(row[name]) for row in listed)
        for name in recorded.COLUMNS
        if name not in own and listed and name in listed[0]
    }
    said = ", ".join(f"{name} of {n}" for name, n in counts.items())
    return f"columns from names of files: {said} of {len(listed)}" if said else ""


def left_out(data: dict, annotations: str, false_positives: str, audit: str) -> str | None:
    """Return a line that says how many boxes the audit left out; None: no problem, no audit, or tables that are gone.

    ``annotations``, ``false_positives``, ``audit``: the tables that it made.
    """
    if not Path(audit).exists() or not (n_problems := len(made.read(audit, AUDIT))):
        return None
    parts = []
    for source, words, path, table in (
        ("annotations", "annotations", annotations, ANNOTATIONS),
        ("false_positives", "false positives", false_positives, FALSE_POSITIVES),
    ):
        try:
            _, rows, cut = read_source(data, source)
        except InputError:
            return None
        n_source, n_kept = len(rows) + len(cut), sum(not row.get(FROM_REVIEWS) for row in made.read(path, table))
        if n_kept < n_source:
            parts.append(f"{n_source - n_kept} of {n_source} {words}")
    return f"{' and '.join(parts) or 'nothing'}; {_counted(n_problems, 'problem')} in {audit}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"
