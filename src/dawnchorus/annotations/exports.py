"""Detections and annotations in the formats of other programs: Raven, Audacity, and Kaggle's RFCX submission.

A selection, here and in :mod:`dawnchorus.annotations.readers`, is a dict with the cells of an RFCX table:
``recording_id``, ``species_id``, ``songtype_id``, ``t_min``, ``t_max`` (seconds in the recording), ``f_min``,
``f_max`` (Hz, or an empty text where the band is not known); with ``path``, the sound file, and
``species_name``; and with any columns more, which Raven shows beside its own. Numbers are written as they
are, so that none loses a digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, starmap
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from dawnchorus.foundation.errors import InputError, listed
from dawnchorus.foundation.files import write_whole
from dawnchorus.tables.definitions import RFCX
from dawnchorus.tables.users import clean, read_rows, refusal

if TYPE_CHECKING:
    import numpy as np

# Raven's own columns, in its order; "Begin Time (s)" counts from the first sound of a sequence of files, "File
# Offset (s)" from the start of the file that "Begin Path" names.
RAVEN_COLUMNS = (
    *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"),
    *("Begin Path", "File Offset (s)", "Begin File"),
)
# Ours: Raven keeps columns that it does not know. The end in the file is written too, because the offset and a
# difference of two sums would give it back only nearly.
RAVEN_OF_CELL = {
    "species_name": "Species",
    "species_id": "Species ID",
    "songtype_id": "Songtype",
    "t_max": "File End (s)",
    "recording_id": "Recording",
}
_SHOWN_ELSEWHERE = {*RFCX.names, "path", "species_name"}


def extra_columns(selections: Iterable[Mapping]) -> list[str]:
    """Return the columns beyond the usual ones, in the order in which they first appear."""
    names = dict.fromkeys(key for selection in selections for key in selection)
    return [name for name in names if name not in _SHOWN_ELSEWHERE]


def write_raven(
    path: Path, selections: Sequence[Mapping], begins_s: Mapping[str, float] | None, channel: int = 1
) -> None:
    """Write a Raven selection table, tab-separated, one selection a row; tabs and line ends in texts become spaces.

    ``begins_s`` says at what second of the sequence the file of each ``path`` begins, for a table of many
    files; None for a table of one file, where offsets and times are the same. ``channel`` counts from 1, as Raven does.
    """
    extra = extra_columns(selections)
    taken = {*RAVEN_COLUMNS, *RAVEN_OF_CELL.values()}
    if clash := sorted(taken.intersection(extra)):
        raise InputError(f"{path}: column {', '.join(clash)}: a name of Raven's own; expected another")
    columns = [*RAVEN_COLUMNS, *RAVEN_OF_CELL.values(), *extra]

    def cells_of(number: int, selection: Mapping) -> list:
        begin_s = begins_s[selection["path"]] if begins_s is not None else None
        t_min, t_max = selection["t_min"], selection["t_max"]
        row = {
            "Selection": number,
            "View": "Spectrogram 1",
            "Channel": channel,
            "Begin Time (s)": t_min if begin_s is None else begin_s + float(t_min),
            "End Time (s)": t_max if begin_s is None else begin_s + float(t_max),
            "Low Freq (Hz)": selection["f_min"],
            "High Freq (Hz)": selection["f_max"],
            "Begin Path": selection["path"],
            "File Offset (s)": t_min,
            "Begin File": PurePath(selection["path"]).name,
        }
        row |= {column: selection.get(cell, "") for cell, column in RAVEN_OF_CELL.items()}
        row |= {name: selection.get(name, "") for name in extra}
        return [row[column] for column in columns]

    with write_whole(path) as file:
        for cells in chain([columns], starmap(cells_of, enumerate(selections, 1))):
            file.write("\t".join(map(_in_one_cell, cells)) + "\n")


def _in_one_cell(value: object) -> str:
    """Return a cell as Raven has it: every character is its own, but none may end the cell or the line."""
    return re.sub(r"[\t\r\n]+", " ", str(value))


def begins_of(durations_s: Mapping[str, float]) -> dict[str, float]:
    """Return at what second each file begins when all are played one after the other, in the given order."""
    begins, total_s = {}, 0.0
    for path, duration_s in durations_s.items():
        begins[path] = total_s
        total_s += duration_s
    return begins


def write_audacity(path: Path, selections: Sequence[Mapping]) -> None:
    """Write Audacity labels: start, end and text; a selection with a band has a second line with it."""
    with write_whole(path) as file:
        for selection in selections:
            file.write(f"{selection['t_min']}\t{selection['t_max']}\t{label(selection)}\n")
            if str(selection["f_min"]) and str(selection["f_max"]):
                file.write(f"\\\t{selection['f_min']}\t{selection['f_max']}\n")


def label(selection: Mapping) -> str:
    """Return the text of a label on one line: the species, and its score where there is one."""
    name = selection.get("species_name") or selection["species_id"]
    score = selection.get("score")
    text = str(name) if score in (None, "") else f"{name} {float(score):.2f}"
    return " ".join(text.split())


def submission(
    sample: Path, maxima: Mapping[str, np.ndarray], species_ids: Sequence[str]
) -> tuple[list[str], list[dict]]:
    """Return the columns and rows of a submission to Kaggle's RFCX, in the order and count of a sample.

    ``maxima``: the highest score over the windows of each recording, one a class of ``species_ids``. Column
    ``s7`` is species ``7``. Raises :class:`InputError` for a recording or class that has no scores.
    """
    columns, rows, problems = read_rows(sample, ("recording_id",))
    if problems:
        raise refusal(problems)
    of_id = {clean(recording_id): scores for recording_id, scores in maxima.items()}
    wanted = [column for column in columns if column != "recording_id"]
    odd = [column for column in wanted if not re.fullmatch(r"s.+", column)]
    if odd or not wanted:
        raise InputError(f"{sample}:1: column {listed(odd) or 's0'}: expected recording_id, s0, s1, ...")
    lacking = [column for column in wanted if column[1:] not in species_ids]
    if lacking:
        raise InputError(f"{sample}:1: column {listed(lacking)}: expected species of the model: {listed(species_ids)}")
    absent = [row for row in rows if row.cells["recording_id"] not in of_id]
    if absent:
        first = absent[0]
        raise InputError(
            f"{sample}:{first.line}: column recording_id: {first.cells['recording_id']!r}: expected a recording "
            f"with scores; {len(absent)} of {len(rows)} have none"
        )
    position = {species_id: number for number, species_id in enumerate(species_ids)}
    table = []
    for row in rows:
        scores = of_id[row.cells["recording_id"]]
        values = {column: f"{scores[position[column[1:]]]:.9g}" for column in wanted}
        table.append({"recording_id": row.cells["recording_id"], **values})
    return columns, table
