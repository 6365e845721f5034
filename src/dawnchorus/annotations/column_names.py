"""What people call the columns of a table of annotations, by RFCX's names of them; and what to write in params.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

# In small letters, without the unit and all that is no letter; where a table has several, the first counts. `point` is
# a moment, and `duration` a length, where a table has these in place of an end.
NAMES: Mapping[str, tuple[str, ...]] = {
    "recording_id": (
        *("recordingid", "recording", "recordingname", "filename", "file", "soundfile", "audiofile", "wavfile"),
        *("audiofilename", "soundfilename", "wavfilename", "beginfile", "filepath", "audiopath", "soundpath", "path"),
        *("audiofilepath", "notatedpath", "beginpath", "audio", "wav", "sound", "soundscape", "track"),
    ),
    "species_id": (
        *("speciesid", "species", "speciescode", "label", "labels", "class", "classname", "syllable", "annotation"),
        *("primarylabel", "ebirdcode", "scientificname", "commonname", "speciesname", "taxon", "call", "calltype"),
        *("category", "tag", "event", "eventlabel", "soundtype", "type", "code", "unit", "note", "notes", "name"),
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
# How many seconds, or Hz, a unit at the end of a name is.
_UNITS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3}
_UNITS |= {"milliseconds": 1e-3, "min": 60.0, "hz": 1.0, "khz": 1e3}
_UNIT = re.compile(r"^(.*[^\W_]).*?[\s_.\-(\[]+([a-z]+)[\s)\]]*$")
# A longer name is no name, and has no unit.
LONGEST_NAME = 100
# What needs no quotes in YAML, whatever reads it.
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z_](?:[\w .()/+-]*[\w.()/+-])?", re.IGNORECASE)


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


def likely(header: Iterable[str], cell: str) -> str | None:
    """Return the column that by its name is ``cell``, one of :data:`NAMES`; None: none is."""
    known = NAMES[cell]
    fits = [column for column in header if column and plain(column)[0] in known]
    return min(fits, key=lambda column: known.index(plain(column)[0]), default=None)


def hint(header: Sequence[str], wanted: Sequence[str], named: Sequence[str]) -> str:
    """Return what to write in params.yaml for a table with other columns than the ``wanted``; empty: nobody knows.

    ``named``: what data.columns names, as far as the table has it: the wanted ones, and others.
    """
    found = {cell: likely(header, cell) for cell in named}
    columns = {cell: column for cell, column in found.items() if column}
    if any(cell not in columns for cell in wanted):
        return ""
    return f"; to read it as it is, write data.columns: {in_yaml(columns)} in params.yaml"


def in_yaml(columns: Mapping[str, str]) -> str:
    """Return ``data.columns`` as it stands in params.yaml, in a line."""
    texts = {
        cell: name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False) for cell, name in columns.items()
    }
    return "{" + ", ".join(f"{cell}: {name}" for cell, name in texts.items()) + "}"
