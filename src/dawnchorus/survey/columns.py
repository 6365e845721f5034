"""Which column of a strange table is what: by its name, and where that says nothing, by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from dawnchorus.tables.users import Row, number

# What people call a column, without its unit, in order: where a table has several, the first is taken. `point` is a
# moment, and `duration` a length, where a table has these in place of an end.
NAMES: Mapping[str, tuple[str, ...]] = {
    "recording_id": (
        *("recordingid", "recording", "recordingname", "filename", "file", "soundfile", "audiofile", "wavfile"),
        *("audiofilename", "soundfilename", "wavfilename", "beginfile", "filepath", "audiopath", "soundpath", "path"),
        *("audiofilepath", "annotpath", "beginpath", "audio", "wav", "sound", "soundscape", "track"),
    ),
    "species_id": (
        *("speciesid", "species", "speciescode", "label", "labels", "class", "classname", "syllable", "annotation"),
        *("primarylabel", "ebirdcode", "scientificname", "commonname", "speciesname", "taxon", "call", "calltype"),
        *("category", "tag", "event", "eventlabel", "unit", "note", "name"),
    ),
    "songtype_id": ("songtypeid", "songtype"),
    "t_min": (
        *("tmin", "start", "starttime", "timestart", "tstart", "begin", "begintime", "onset", "onsettime", "mintime"),
        *("timemin", "from", "xmin"),
    ),
    "t_max": (
        *("tmax", "end", "endtime", "timeend", "tend", "stop", "stoptime", "offset", "offsettime", "maxtime"),
        *("timemax", "to", "until", "xmax"),
    ),
    "f_min": (
        *("fmin", "lowfreq", "minfreq", "freqmin", "freqlow", "lowfrequency", "minfrequency", "frequencymin"),
        *("lowerfrequency", "frequencylow", "flow", "lowf", "ymin"),
    ),
    "f_max": (
        *("fmax", "highfreq", "maxfreq", "freqmax", "freqhigh", "highfrequency", "maxfrequency", "frequencymax"),
        *("upperfrequency", "frequencyhigh", "fhigh", "highf", "ymax"),
    ),
    "point": ("time", "timestamp", "peak", "peaktime", "moment", "position"),
    "duration": ("duration", "length", "dur"),
}
NUMBERS = ("t_min", "t_max", "f_min", "f_max", "point", "duration")
# How many seconds, or Hz, a unit at the end of a name is.
_UNITS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3}
_UNITS |= {"milliseconds": 1e-3, "min": 60.0, "hz": 1.0, "khz": 1e3}
_UNIT = re.compile(r"^(.*[^\W_]).*?[\s_.\-(\[]+([a-z]+)[\s)\]]*$")
# Cells that are looked at to tell numbers from texts: a strange table may be long.
MOST_CELLS = 5000
BY_NAME = "by its name"
# A longer name is no name, and has no unit.
LONGEST_NAME = 100


class Column(NamedTuple):
    """What a column is taken for: its name in the table, why, and what its numbers are multiplied by (1: nothing)."""

    name: str
    why: str
    scale: float = 1.0


def plain(name: str) -> tuple[str, float]:
    """Return a column's name as :data:`NAMES` has it, without its unit, and how many seconds or Hz the unit is."""
    lower, scale = name.lower(), 1.0
    found = _UNIT.fullmatch(lower) if len(lower) <= LONGEST_NAME else None
    # `t_min` is the least time, `length_min` a length in minutes: such names are told apart by being known.
    if found and found[2] in _UNITS and _letters(lower) not in _KNOWN:
        lower, scale = found[1], _UNITS[found[2]]
    return _letters(lower), scale


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


_KNOWN = {name for names in NAMES.values() for name in names}


def taken(header: Sequence[str], rows: Sequence[Row], is_recording: Callable[[str], bool]) -> dict[str, Column]:
    """Return what the columns of a table are taken for, by RFCX's names, ``point`` and ``duration``.

    ``is_recording`` says whether a recording of that name was found. A column of numbers is none where a cell that is
    not empty is no number.
    """
    rows = rows[:MOST_CELLS]
    names = {column: plain(column) for column in header if column}
    numeric = {column for column in names if all_numbers(rows, column)}
    found: dict[str, Column] = {}
    for cell, known in NAMES.items():
        fits = [c for c in names if names[c][0] in known and (c in numeric or cell not in NUMBERS)]
        if fits:
            best = min(fits, key=lambda column: known.index(names[column][0]))
            found[cell] = Column(best, BY_NAME, names[best][1] if cell in NUMBERS else 1.0)
    free = [column for column in names if column not in {one.name for one in found.values()}]
    _by_content(found, free, names.keys() - numeric, numeric, rows, is_recording)
    return found


def _by_content(
    found: dict[str, Column],
    free: list[str],
    texts: Collection[str],
    numeric: Collection[str],
    rows: Sequence[Row],
    is_recording: Callable[[str], bool],
) -> None:
    """Add what no name says: recordings by their files, a start that always lies before an end, the one text left."""
    if not rows:
        return
    named = found.get("recording_id")
    share = {column: share_of(rows, column, is_recording) for column in [*free, *([named.name] if named else ())]}
    best = max(share, key=lambda column: share[column], default="")
    if best and share[best] >= 0.5 and (not named or share[named.name] == 0):
        found["recording_id"] = Column(best, "its cells are names of recordings")
        free = [column for column in free if column != best]
    if not {"t_min", "t_max", "point"} & found.keys():
        pairs = [
            (one, other)
            for number_of, one in enumerate(free)
            for other in free[number_of + 1 :]
            if one in numeric and other in numeric and _ordered(rows, one, other)
        ]
        if len(pairs) == 1:
            found["t_min"], found["t_max"] = (Column(name, "the one is always the lesser") for name in pairs[0])
    labels = [column for column in free if column in texts and any(row.cells[column] for row in rows)]
    if "species_id" not in found and len(labels) == 1:
        found["species_id"] = Column(labels[0], "the one text that is left")


def share_of(rows: Sequence[Row], column: str, is_recording: Callable[[str], bool]) -> float:
    """Return which share of the distinct cells of a column are names of recordings."""
    cells = {row.cells[column] for row in rows} - {""}
    return sum(map(is_recording, cells)) / len(cells) if cells else 0.0


def all_numbers(rows: Sequence[Row], column: str) -> bool:
    """Say whether every cell of a column that is not empty is a finite number."""
    try:
        for row in rows:
            if row.cells[column]:
                number(row.cells[column])
    except ValueError:
        return False
    return True


def _ordered(rows: Sequence[Row], one: str, other: str) -> bool:
    try:
        return all(0 <= number(row.cells[one]) < number(row.cells[other]) for row in rows)
    except ValueError:
        return False
