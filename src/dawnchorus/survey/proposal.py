"""A recipe for what a person has: which table and folder is what, the facts they say, and the values that follow."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dawnchorus.annotations import readers
from dawnchorus.annotations.recorded import GROUPS, recorded
from dawnchorus.annotations.recordings import class_order, read_annotations
from dawnchorus.foundation.errors import InputError, shown
from dawnchorus.survey import reading, rules, sounds, tables
from dawnchorus.survey.reading import Annotations
from dawnchorus.survey.rules import Choice, Facts, seconds
from dawnchorus.survey.tables import Inventory, Source, Table

# Beside params.yaml, where the annotations have to be said anew.
MADE = "annotations.csv"
MOST_LISTED = 12
SIDE_TABLES = (tables.RECORDINGS, tables.SPECIES, tables.UNKNOWN, tables.SPANS)
# Rows in species that live in one group each are so large a share that telling them apart cannot be tested.
LONELY_SHARE = 0.8


@dataclass(frozen=True)
class Proposal:
    """A recipe and what is to be said of it.

    Attributes:
        values: what differs from the default recipe, by key as DVC names keys.
        found: lines that say what there is.
        chosen: the decisions; their values are among ``values``.
        undecided: lines that say what a person has to decide.
        without: the values that would have been decided without those that were kept.
        table: the columns and rows of the annotations, where they have to be written anew beside params.yaml.
    """

    values: dict[str, Any]
    found: list[str]
    chosen: list[Choice]
    undecided: list[str]
    without: dict[str, Any]
    table: tuple[list[str], list[dict[str, str]]] | None


@dataclass
class _Given:
    """What the tables are: the annotations, those beside them, and lines that say what became of the others."""

    source: Source
    annotations: Annotations
    sides: dict[str, Table] = field(default_factory=dict)
    false_positives: Path | None = None
    shortest_negative_s: float = math.inf
    notes: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


def proposed(places: Sequence[Path], folder: Path, threads: int, kept: Mapping[str, Any] = rules.NOTHING) -> Proposal:
    """Look at the given folders and files, and propose a params.yaml that lies in ``folder``.

    ``kept``: values of a preset, by key as DVC names keys: they stay, and what is proposed beside them fits them.
    Raises :class:`InputError` where there is nothing to learn from: no table of annotations, no recordings of it.
    """
    there = tables.inventory(places)
    own = folder / MADE
    others = there if own in places else there.without(own)
    is_left = len(others.tables) < len(there.tables)
    hint = [f"{own}: what this command writes itself; name it to have it read"] if is_left else []
    given = _given(others, ", ".join(map(str, places)), hint)
    measured = sounds.measured(given.annotations.paths, threads)
    annotations = given.annotations.within(measured.durations_s)
    # Species of a call or two are too few to be classes, and calls all the same where every row is of one class.
    if annotations.boxes and (lonely := _lonely(_facts(annotations, given, measured))):
        annotations = _as_one_class(annotations, given, lonely)
    annotations = annotations.without_rare()
    if not annotations.boxes:
        problems = [*measured.faults, *map(str, annotations.problems)]
        raise InputError(*problems[:3], f"{given.source.path}: no annotation that can be used")
    facts = _facts(annotations, given, measured)
    chosen = rules.decisions(facts, kept)
    of_data = {"simulate": {}, **_data(given, annotations, folder)}
    values, without = of_data | _values(chosen) | dict(kept), _values(rules.decisions(facts))
    if (values["features.sample_rate_hz"] or max(facts.rates_hz)) > rules.HEARD_HZ:
        values.setdefault("report.sound_rate_hz", rules.HEARD_HZ)
    undecided = [*given.undecided, *(choice.undecided for choice in chosen if choice.undecided)]
    unusable = [*measured.faults, *map(str, annotations.problems)]
    if unusable:
        what = f"{len(unusable)} rows or recordings cannot be used, the first: {unusable[0]}"
        if annotations.said_anew:
            undecided.append(f"{what}; {MADE} is without them")
        else:
            values["data.on_bad_recording"] = "quarantine"
            undecided.append(
                f"{what}; data.on_bad_recording: quarantine goes on without them, and data/recordings/audit.csv will "
                "list them all"
            )
    found = _found(given, annotations, measured, facts)
    table = annotations.table() if annotations.said_anew else None
    return Proposal(values, found, chosen, undecided, without, table)


def _values(chosen: Sequence[Choice]) -> dict[str, Any]:
    return {key: value for choice in chosen for key, value in choice.values.items()}


def _sound_alone(there: Inventory) -> list[str]:
    """Return what can be done with recordings that nobody annotated; nothing without any."""
    n = len(there.names.paths)
    found = "1 sound file is" if n == 1 else f"{n} sound files are"
    return (
        [f"{found} there: a network that is trained searches them: dawnchorus detect --model models FOLDER"]
        if n
        else []
    )


def _given(there: Inventory, places: str, hint: list[str]) -> _Given:
    """Say which table is what; no annotations, or none with a recording, raise :class:`InputError`."""
    roles: dict[str, list[Table]] = {}
    notes = list(there.aside)
    candidates = tables.sources(there.tables)
    parts = {part.path for candidate in candidates for part in candidate.parts}
    for table in there.tables:
        role = tables.role_of(table)
        if role:
            roles.setdefault(role, []).append(table)
        elif table.path not in parts:
            notes.append(f"{table.path}: {tables.lacking(table)}")
    if not candidates:
        raise InputError(
            f"{places}: no table of annotations; expected one with recordings, labels and times: RFCX, Raven, "
            "Audacity or CSV (docs/own-recordings.md shows each)",
            *_sound_alone(there),
            *hint,
            *notes[:MOST_LISTED],
        )
    if not there.names.paths:
        raise InputError(f"{places}: no sound files; expected the folder of the recordings too")
    source = candidates[0]
    annotations = reading.read(source, there.names)
    given = _Given(source, annotations, notes=notes, undecided=[*annotations.undecided])
    if "point" in source.taken and "t_min" not in source.taken:
        given.undecided.append(
            f"{MADE}: how long a call around a point is; taken are {reading.POINT_SHARE:g} of the usual least gap "
            f"between two points, {reading.LONGEST_POINT_S:g} s at most"
        )
    for other in candidates[1:]:
        if other.kind() != source.kind():
            notes.append(f"{other.path}: could be annotations, but less likely so than {source.path.name}")
            continue
        given.undecided.append(
            f"data.annotations: {other.path} ({other.n_rows} rows) could be the annotations too; {source.path.name} is "
            "taken. To take the other, name it and the folder of the recordings alone"
        )
    folders = given.annotations.folders
    for folder, n in folders[1:]:
        if n == folders[0][1]:
            given.undecided.append(
                f"data.audio_dir: {folder} has the same recordings; {folders[0][0]} is taken, the first by name"
            )
    for table in roles.get(tables.FALSE_POSITIVES, []):
        _add_false_positives(given, table)
    ids, species = given.annotations.ids, {box["species_id"] for _, box in given.annotations.boxes}
    for role in SIDE_TABLES:
        for table in roles.get(role, []):
            _add_side(given, role, table, ids, species)
    for table in roles.get(tables.SUBMISSION, []):
        notes.append(f"{table.path}: a sample submission, for detections.sample_submission")
    for table in roles.get(tables.REVIEWS, []):
        notes.append(f"{table.path}: answers of a review, for data.reviews: what was heard teaches")
    return given


def _add_false_positives(given: _Given, table: Table) -> None:
    """Take a table of false positives, if it is the first one and is read as the annotations are."""
    source = given.source
    try:
        if given.annotations.said_anew or source.form not in ("rfcx", "csv"):
            raise InputError("the annotations are of another kind")
        boxes, _ = read_annotations(readers.read(table.path, source.form, source.columns).rows, 0.0)
        if not given.annotations.file_ids.intersection(box["recording_id"] for _, box in boxes):
            raise InputError("of other recordings")
        if given.false_positives:
            raise InputError(f"{given.false_positives} is taken")
    except InputError as error:
        given.undecided.append(f"data.false_positives: {table.path}: {error}: left out")
        return
    given.false_positives = table.path
    given.shortest_negative_s = min((box["t_max_s"] - box["t_min_s"] for _, box in boxes), default=math.inf)


def _add_side(given: _Given, role: str, table: Table, ids: Collection[str], species: Collection[str]) -> None:
    """Take a table for what it is, if it is the first one and has what the annotations ask of it."""
    wanted = {tables.RECORDINGS: ("recording_id", ids), tables.SPECIES: ("species_id", species)}.get(role)
    lacking = set(wanted[1]) - {row.cells[wanted[0]] for row in table.rows} if wanted else set()
    is_of_others = "recording_id" in table.header and not given.annotations.file_ids.intersection(
        row.cells["recording_id"] for row in table.rows
    )
    if is_of_others:
        given.notes.append(f"{table.path}: of other recordings")
    elif role in given.sides:
        given.undecided.append(f"data.{role}: {table.path} too; {given.sides[role].path} is taken")
    elif lacking:
        named = ", ".join(class_order(lacking)[:3])
        given.undecided.append(
            f"data.{role}: {table.path} lacks {len(lacking)} of those that are annotated ({named}): left out"
        )
    else:
        given.sides[role] = table


def _facts(annotations: Annotations, given: _Given, measured: sounds.Measured) -> Facts:
    boxes = [box for _, box in annotations.boxes]
    of_recording: dict[str, list[tuple[float, float]]] = {}
    for box in boxes:
        of_recording.setdefault(box["recording_id"], []).append((box["t_min_s"], box["t_max_s"]))
    gaps = [
        later[0] - earlier[1]
        for spans in of_recording.values()
        for earlier, later in zip(sorted(spans), sorted(spans)[1:], strict=False)
    ]
    groups = {rules.RECORDING: [box["recording_id"] for box in boxes]}
    for column in dict.fromkeys(key for row, _ in annotations.boxes for key in row.cells):
        if all(column in box for box in boxes) and column not in groups:
            groups[column] = [box[column] for box in boxes]
    if side := given.sides.get(tables.RECORDINGS):
        cells = {row.cells["recording_id"]: row.cells for row in side.rows}
        for column in side.header:
            groups.setdefault(column, [cells[box["recording_id"]][column] for box in boxes])
    # As the audit does: a column that somebody has is theirs alone.
    said = {recording_id: recorded(recording_id).cells() for recording_id in of_recording}
    of_names = [name for name in GROUPS if name not in groups and any(cells[name] for cells in said.values())]
    for column in of_names:
        groups[column] = [said[box["recording_id"]][column] for box in boxes]
    bands = [(box["f_min_hz"], box["f_max_hz"]) for box in boxes]
    edges = np.array(bands, float).reshape(-1, 2)
    return Facts(
        durations_s=np.array([box["t_max_s"] - box["t_min_s"] for box in boxes]),
        gaps_s=np.array(gaps),
        bands_hz=edges[np.isfinite(edges).all(axis=1)],
        rates_hz=[measured.rates_hz[name] for name in sorted(of_recording)],
        recordings_s=[measured.durations_s[name] for name in sorted(of_recording)],
        species=[box["species_id"] for box in boxes],
        groups=groups,
        shortest_negative_s=given.shortest_negative_s,
        spans=tables.SPANS in given.sides,
        of_names=of_names,
        n_sounds=len(annotations.file_ids),
    )


def _lonely(facts: Facts) -> str | None:
    """Say why species cannot be told apart in a test, where most are in one group each; None: they can."""
    column = rules.group(facts).values["split.group"]
    groups = facts.groups[column]
    if len(set(facts.species)) < 2 or len(set(groups)) < 2:
        return None
    n_groups = rules.groups_of(facts, column)
    alone = [species for species in facts.species if n_groups[species] == 1]
    if len(alone) < LONELY_SHARE * len(facts.species):
        return None
    return (
        f"species: {len(set(alone))} of {len(n_groups)} are in one {column} alone, which gives them away: nobody "
        f"can test telling them apart. Every row is of one class, {reading.ONE_CLASS}, to find calls of any of them"
    )


def _as_one_class(annotations: Annotations, given: _Given, lonely: str) -> Annotations:
    """Return the annotations as those of one class; leave out, and say so, what is said of single species."""
    recordings = given.sides.get(tables.RECORDINGS)
    made = annotations.as_one_class(
        f"every row is of one class, {reading.ONE_CLASS}", recordings.header if recordings else ()
    )
    given.undecided.append(
        f"{lonely} (column {shown(made.label, quotes=False)} has the species); with three recordings of each, run this "
        "again"
    )
    if given.false_positives:
        given.undecided.append(
            f"data.false_positives: {given.false_positives}: says where single species do not call, not where none "
            "does: left out"
        )
        given.false_positives, given.shortest_negative_s = None, math.inf
    if species := given.sides.pop(tables.SPECIES, None):
        given.undecided.append(f"data.species_table: {species.path}: names species, and there is one class: left out")
    spans = given.sides.get(tables.UNKNOWN)
    if spans and any(row.cells.get("species_id") for row in spans.rows):
        del given.sides[tables.UNKNOWN]
        given.undecided.append(
            f"data.unknown: {spans.path}: is of single species, and there is one class: left out, so that what it "
            "spans counts as known; without its column species_id it would not"
        )
    return made


def _data(given: _Given, annotations: Annotations, folder: Path) -> dict[str, Any]:
    """Return the block `data` as far as it names files."""

    def named(path: Path) -> str:
        whole, root = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
        inside = whole.is_relative_to(root) and whole != root
        text = (whole.relative_to(root) if inside else whole).as_posix()
        if not text.isprintable():
            raise InputError(f"{text}: a name that params.yaml cannot hold; expected printable characters")
        return text

    source, anew = given.source, bool(annotations.said_anew)
    table = named(folder / MADE if anew else source.path)
    found: dict[str, Any] = {
        "data.source": "table",
        "data.annotations": table,
        "data.format": "rfcx" if anew else source.form,
        "data.columns": {} if anew else dict(source.columns),
        "data.audio_dir": named(annotations.audio_dir),
        "data.false_positives": table if anew or not given.false_positives else named(given.false_positives),
    }
    found |= {"data.reviews": table, "data.review_summary": table}
    for role in SIDE_TABLES:
        found[f"data.{role}"] = named(given.sides[role].path) if role in given.sides else table
    return found


def _found(given: _Given, annotations: Annotations, measured: sounds.Measured, facts: Facts) -> list[str]:
    """Return what a person wants to know of what was found."""
    source, n_recordings = given.source, len(facts.recordings_s)
    lines = [
        f"annotations: {source.path}, {source.form}: {len(annotations.boxes)} in {n_recordings} recordings, "
        f"{_range(facts.durations_s)}, half of them {seconds(facts.median_s)} or less"
    ]
    odd = {cell: one for cell, one in source.taken.items() if one.name != cell}
    if odd:
        lines.append(
            f"columns: {', '.join(f'{shown(one.name)} as {cell} ({one.why})' for cell, one in odd.items())}"
            + "; the others have the names that they need" * (len(odd) < len(source.taken))
        )
    elif source.columns and not source.taken:
        lines.append(f"columns: {', '.join(f'{shown(name)} as {cell}' for cell, name in source.columns.items())}")
    lines += [f"annotations: written anew as {MADE}: {said}" for said in annotations.said_anew]
    counts = Counter(str(box[annotations.label]) for _, box in annotations.boxes)
    names = _names(given)
    listed = [f"{shown(names.get(key, key), 40, quotes=False)} {counts[key]}" for key in class_order(counts)]
    more = f" and {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    lines.append(f"{len(listed)} class{'es' * (len(listed) != 1)}: {', '.join(listed[:MOST_LISTED])}{more}")
    rates = ", ".join(f"{n} at {rate_hz} Hz" for rate_hz, n in sorted(Counter(facts.rates_hz).items()))
    lines.append(
        f"recordings: {annotations.audio_dir}: {rates}, {_range(facts.recordings_s)} each, "
        f"{60 * facts.hours:.3g} minutes in all"
    )
    example = min(annotations.paths)
    lines.append(f"names: recording {example} is {Path(annotations.paths[example]).relative_to(annotations.audio_dir)}")
    if n_unused := len(annotations.file_ids - annotations.paths.keys()):
        lines.append(f"without annotations: {n_unused} sound files more in {annotations.audio_dir}")
    if given.false_positives:
        lines.append(f"false positives: {given.false_positives}")
    words = {tables.RECORDINGS: "recordings, for groups", tables.SPECIES: "names of species"}
    words |= {tables.UNKNOWN: "spans of unknown content", tables.SPANS: "spans that were annotated"}
    lines += [f"{words[role]}: {side.path}, {len(side.rows)} rows" for role, side in given.sides.items()]
    if side := given.sides.get(tables.RECORDINGS):
        silent = {row.cells["recording_id"] for row in side.rows} - annotations.ids
        if silent:
            lines.append(f"without calls: {len(silent)} recordings of {side.path.name}, as far as they have sound")
    return [*lines, *(f"not used: {note}" for note in given.notes)]


def _range(times_s: Collection[float] | np.ndarray) -> str:
    low, high = seconds(min(times_s)), seconds(max(times_s))
    return low if low == high else f"{low} to {high}"


def _names(given: _Given) -> dict[str, str]:
    side = given.sides.get(tables.SPECIES)
    return {row.cells["species_id"]: row.cells["name"] for row in side.rows} if side else {}
