"""The tables that lie where a person points to, and what each of them is: annotations, spans, recordings, species."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dawnchorus.annotations import column_names, reviews, unknown
from dawnchorus.annotations.readers import REQUIRED_COLUMNS, TABLE_SUFFIXES, recording_of_table
from dawnchorus.annotations.recordings import AUDIO_SUFFIXES
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.spelling import composed
from dawnchorus.sound import folders
from dawnchorus.survey import columns, sounds
from dawnchorus.survey.columns import Column
from dawnchorus.tables import cells
from dawnchorus.tables.users import Row, number, read_rows

CSV_SUFFIX = ".csv"
ANNOTATIONS, FALSE_POSITIVES, RECORDINGS, SPECIES = (
    "annotations",
    "false_positives",
    "recordings_table",
    "species_table",
)
UNKNOWN, SPANS = unknown.TABLES
SUBMISSION, REVIEWS = "sample_submission", "reviews"
# What the name of a table of spans or of boxes says of it.
_SAYS = {
    FALSE_POSITIVES: re.compile(r"(^|[^a-z])(fp|false|negatives?)([^a-z]|$)"),
    UNKNOWN: re.compile(r"unknown|unsure|uncertain|ignore|exclude"),
    SPANS: re.compile(r"span|effort|annotated|checked|listened|reviewed|window"),
}
# Columns that RFCX's sample submission has for each species.
_SCORE = re.compile(r"s\d+")
# What a job of the workflow leaves beside its products.
RECORD = ".provenance.json"


@dataclass(frozen=True)
class Table:
    """A table that can be read. ``form``: csv, raven or audacity; of the last one only the path counts.

    ``taken``: what its columns are taken for; ``recording``: where none names recordings, the one that its name speaks
    of, if there is one.
    """

    path: Path
    form: str
    header: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    taken: Mapping[str, Column] = field(default_factory=dict)
    recording: str = ""

    def is_rfcx(self) -> bool:
        """Say whether the columns have RFCX's names, and so need no others."""
        return set(REQUIRED_COLUMNS) <= set(self.header)


@dataclass(frozen=True)
class Inventory:
    """What lies in the given places: tables, sound files, and a line for each table that cannot be used."""

    tables: list[Table]
    names: sounds.Names
    aside: list[str]

    def without(self, path: Path) -> Inventory:
        """Return the same without a table."""
        return replace(self, tables=[table for table in self.tables if table.path.absolute() != path.absolute()])


def inventory(given: Sequence[Path]) -> Inventory:
    """List tables and sound files in the given folders, those below included, and among the given files.

    Where a table is given and no folder, sound is looked for in the folder of the table. What begins with a dot is
    left, and so are folders of products, which hold a record of their provenance. A path that is nothing raises
    :class:`InputError`.
    """
    suffixes = AUDIO_SUFFIXES | {CSV_SUFFIX, *TABLE_SUFFIXES}
    files: list[Path] = []
    places = [path for path in given if path.is_dir()]
    for path in given:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; expected recordings, a table, or a folder of both")
        if not path.is_dir():
            files.append(path)
    found = [path for place in places for path in _below(place, suffixes)]
    of_sound = {path.parent for path in files if path.suffix.lower() in AUDIO_SUFFIXES}
    if not any(path.suffix.lower() in AUDIO_SUFFIXES for path in [*found, *files]):
        of_sound = {path.parent for path in files}
        found += [path for place in of_sound for path in _below(place, AUDIO_SUFFIXES)]
    every = sorted(dict.fromkeys([*files, *found]))
    sound = [path.as_posix() for path in every if path.suffix.lower() in AUDIO_SUFFIXES]
    names = sounds.Names(sound, map(str, [*places, *of_sound]))
    tables, aside = [], []
    for path in every:
        if path.suffix.lower() in AUDIO_SUFFIXES:
            continue
        try:
            tables.append(read(path, names))
        except InputError as error:
            aside.append(str(error))
    return Inventory(tables, names, aside)


def _below(place: Path, suffixes: frozenset[str]) -> list[Path]:
    try:
        inside = [Path(one.path) for one in folders.below(place, frozenset({*suffixes, ".json"}))]
    except OSError as error:
        raise InputError(f"{place}: {(error.strerror or '').lower()}; expected a folder that can be listed") from None
    products = {path.parent for path in inside if path.name.endswith(RECORD)} - {Path()}
    return [
        place / path
        for path in inside
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.parts)
        and not products & set(path.parents)
    ]


def read(path: Path, names: sounds.Names) -> Table:
    """Read a table of any kind; one that is none raises :class:`InputError`."""
    if path.suffix.lower() != CSV_SUFFIX and (form := _form_of_text(path)):
        if form == "audacity":
            return Table(path, form)
        header, rows, _ = read_rows(path, (), cells.RAVEN)
        return Table(path, form, header, rows)
    header, rows, _ = read_rows(path, ())
    header = [column for column in header if column]
    if len(header) == 1 and (sign := next((sign for sign in (";", "\t") if sign in header[0]), None)):
        raise InputError(f"{path}:1: cells between {sign!r}; expected commas: save it as comma-separated UTF-8")
    taken = columns.taken(header, rows, lambda cell: bool(names.named(cell)))
    recording = composed(recording_of_table(path))
    is_of_one = "recording_id" not in taken and names.named(recording)
    return Table(path, "csv", header, rows, taken, recording if is_of_one else "")


def _form_of_text(path: Path) -> str | None:
    """Say by the first line that is not blank what a text file is: raven, audacity, or None: a table with commas."""
    for _, line in cells.lines(path, "a table"):
        if not line.strip():
            continue
        parts = [cell.strip().strip('"') for cell in line.rstrip("\r\n").split("\t")]
        if {"Begin Time (s)", "End Time (s)"} <= set(parts):
            return "raven"
        try:
            number(parts[0]), number(parts[1])
        except (ValueError, IndexError):
            if "," not in line:
                raise InputError(f"{path}: no table of Raven, Audacity or with commas") from None
            return None
        return "audacity"
    raise InputError(f"{path}: empty; expected a table")


def timed_of(table: Table) -> bool:
    """Say whether a table has times."""
    return bool({"t_min", "point"} & table.taken.keys())


def lacking(table: Table) -> str:
    """Say why a table is of no use, as far as it looks like annotations."""
    has, numbers = table.taken.keys(), columns.NUMBERS
    if "species_id" in has and {"t_min", "t_max"} <= has:
        return "labels and times, but no column names the recordings, by ids or files"
    if "species_id" in has and "t_min" in has and not has & {"t_max", "duration"}:
        return f"column {table.taken['t_min'].name} has starts, and no column their ends or lengths"
    for cell in ("t_min", "point"):
        named = column_names.likely(table.header, cell)
        if named and cell not in has and cell in numbers and "species_id" in has:
            return f"column {named}: not all of it are numbers of seconds"
    if "recording_id" in has and "recording_id" not in table.header and not timed_of(table):
        name = table.taken["recording_id"].name
        return f"column {name} names recordings: call it recording_id, and its other columns can be groups"
    return "neither annotations nor spans, recordings or species"


def role_of(table: Table) -> str | None:
    """Say what a table is: one of the keys of the block `data`, ``sample_submission``, or None: nothing of use."""
    if table.form != "csv":
        return ANNOTATIONS
    if set(reviews.REQUIRED_COLUMNS) <= set(table.header):
        return REVIEWS
    if {"clip", "stratum"} <= set(table.header):
        return None  # the windows that a review is of
    has, name = table.taken.keys(), table.path.stem.lower()
    if "recording_id" in table.header and sum(bool(_SCORE.fullmatch(column)) for column in table.header) >= 2:
        return SUBMISSION
    timed = {"t_min", "t_max"} <= has or {"t_min", "duration"} <= has
    ids = [row.cells["recording_id"] for row in table.rows] if "recording_id" in table.header else []
    # Two columns of numbers of a list of recordings may look like times.
    listed = bool(ids) and len(ids) == len(set(ids)) and (not timed or table.taken["t_min"].why != columns.BY_NAME)
    # A start without an end is no point: a column of times beside it may be the time of day.
    if "recording_id" in has and (timed or ("point" in has and "t_min" not in has)) and not listed:
        spans = set(unknown.REQUIRED_COLUMNS) <= set(table.header)
        if spans and (said := next((role for role in (UNKNOWN, SPANS) if _SAYS[role].search(name)), None)):
            return said
        if "species_id" not in has:
            return None
        return FALSE_POSITIVES if _SAYS[FALSE_POSITIVES].search(name) else ANNOTATIONS
    if {"species_id", "name"} <= set(table.header):
        return SPECIES
    return RECORDINGS if listed else None


@dataclass(frozen=True)
class Source:
    """A table, or a folder of tables, that can be the annotations: as ``data.annotations`` and ``format`` name it.

    ``parts``: CSV tables of a recording each, which the workflow does not read together; none for all others.
    """

    path: Path
    form: str
    columns: Mapping[str, str]
    taken: Mapping[str, Column]
    n_rows: int
    parts: tuple[Table, ...] = ()

    def kind(self) -> tuple[bool, bool, bool]:
        """Return what sorts the likelier one first: RFCX's names, whole spans, a label that is called so."""
        label = self.taken.get("species_id")
        plain = column_names.plain(label.name)[0] if label else ""
        known = column_names.NAMES["species_id"]
        return (
            self.form != "rfcx",
            "point" in self.taken and "t_min" not in self.taken,
            self.form == "csv" and (plain not in known or known.index(plain) >= known.index("event")),
        )


def sources(tables: Iterable[Table]) -> list[Source]:
    """Return everything that can be the annotations, the likeliest first; Raven's and Audacity's tables as one each."""
    tables = list(tables)
    found: list[Source] = []
    for table in tables:
        if role_of(table) == ANNOTATIONS and table.form == "csv":
            form = "rfcx" if table.is_rfcx() else "csv"
            of_csv = {cell: one.name for cell, one in table.taken.items() if cell not in ("point", "duration")}
            found.append(Source(table.path, form, {} if form == "rfcx" else of_csv, table.taken, len(table.rows)))
    found += _of_parts(tables)
    for form in ("raven", "audacity"):
        of_form = [table for table in tables if table.form == form]
        if of_form:
            path = of_form[0].path if len(of_form) == 1 else sounds.common_folder(table.path for table in of_form)
            n_rows = sum(len(table.rows) for table in of_form)
            found.append(Source(path, form, _raven_columns(of_form) if form == "raven" else {}, {}, n_rows))
    return sorted(found, key=lambda source: (*source.kind(), str(source.path)))


def _of_parts(tables: Sequence[Table]) -> list[Source]:
    """Return the CSV tables of a recording each, those of the same columns as one."""
    alike: dict[tuple, list[Table]] = {}
    for table in tables:
        has = table.taken.keys()
        if (
            table.recording
            and "species_id" in has
            and (has & {"t_max", "duration"} if "t_min" in has else "point" in has)
        ):
            alike.setdefault(tuple((cell, one.name) for cell, one in table.taken.items()), []).append(table)
    found = []
    for parts in alike.values():
        root = sounds.common_folder(table.path for table in parts)
        # As those of Raven: a table in a folder of a site is of a recording there.
        named = [
            replace(part, recording=(part.path.parent.relative_to(root) / part.recording).as_posix()) for part in parts
        ]
        columns_of = {**parts[0].taken, "recording_id": Column("recording_id", "the name of each table")}
        found.append(Source(root, "csv", {}, columns_of, sum(len(table.rows) for table in parts), tuple(named)))
    return found


def _raven_columns(tables: Sequence[Table]) -> dict[str, str]:
    """Return what Raven tables call the species, where that is not `Species`: a column that all of them have."""
    common = set.intersection(*(set(table.header) for table in tables))
    if common & {"Species", "Species ID"}:
        return {}
    first = [column for column in tables[0].header if column in common]
    label = column_names.likely(first, "species_id")
    return {"species_id": label} if label else {}
