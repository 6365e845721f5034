"""What can be listened to: all sound of a detection run in windows that do not overlap, with the scores of each.

A window has for each species the highest calibrated score of the frames or windows whose middle lies in it, and whether
the run detected the species there: the peak of an event lies in it, or an event covers half of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dawnchorus.detection.detections import said_by
from dawnchorus.foundation.errors import InputError, one_line
from dawnchorus.foundation.files import open_regular
from dawnchorus.sound import opening
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ACTIVITY, EVENTS, SCORES
from dawnchorus.tables.users import read_rows, refusal

if TYPE_CHECKING:
    import pyarrow.parquet

SCORES_FILE = "scores.parquet"
COVERED = 0.5  # of a window, by an event
# What the name of a file can say that recordings share.
OF_NAMES = ("site", "date")


@dataclass(frozen=True)
class Windows:
    """All windows of a run, in order of recordings and time.

    ``paths``, ``recording_ids``, ``groups``: of each recording; ``of_recording`` (windows,): its position among these;
    ``spans_s`` (windows, 2); ``scores`` float32 and ``detected`` bool, both (windows, species).
    """

    species_ids: list[str]
    species_names: list[str]
    paths: list[str]
    recording_ids: list[str]
    groups: list[str]
    of_recording: np.ndarray
    spans_s: np.ndarray
    scores: np.ndarray
    detected: np.ndarray


class Sound(NamedTuple):
    """What the header of a sound file says."""

    sample_rate_hz: int
    duration_s: float


def sound(path: str) -> Sound:
    """Return what a recording is, as results call it; one that cannot be opened raises :class:`InputError`."""
    import soundfile

    try:
        with opening.for_cuts(path) as file:
            return Sound(file.samplerate, file.frames / file.samplerate)
    except (OSError, soundfile.LibsndfileError, opening.Refusal) as error:
        hint = "expected the recording that was searched, in the folder where `dawnchorus detect` ran"
        raise InputError(f"{path}: {opening.reason_of(error)}; {hint}") from None


def edges(duration_s: float, window_s: float) -> np.ndarray:
    """Return the bounds (s) of the windows of a recording: of equal length, as near to ``window_s`` as they can be."""
    return np.linspace(0.0, duration_s, max(1, round(duration_s / window_s)) + 1)


def highest(starts_s: np.ndarray, ends_s: np.ndarray, scores: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """Return the highest of ``scores`` (rows, species) whose middle lies in each window, (windows, species).

    ``starts_s``, ``ends_s`` (rows,): in order of time. A window without any has NaN.
    """
    n = len(edges_s) - 1
    inside = np.clip(np.searchsorted(edges_s, (starts_s + ends_s) / 2, side="right") - 1, 0, n - 1)
    found = np.full((n, scores.shape[1]), np.nan, np.float32)
    present, firsts = np.unique(inside, return_index=True)
    found[present] = np.maximum.reduceat(scores, firsts)
    return found


def is_detected(events: Iterable[Mapping], edges_s: np.ndarray) -> np.ndarray:
    """Return in which windows events (start_s, end_s, peak_s) of one species count, (windows,) bool."""
    starts_s, ends_s = edges_s[:-1], edges_s[1:]
    found = np.zeros(len(starts_s), bool)
    for event in events:
        shared_s = np.minimum(ends_s, event["end_s"]) - np.maximum(starts_s, event["start_s"])
        found |= shared_s >= COVERED * (ends_s - starts_s)
        found[np.clip(np.searchsorted(edges_s, event["peak_s"], side="right") - 1, 0, len(found) - 1)] = True
    return found


def read(results: Path, window_s: float, group: str, table: Path | None) -> Windows:
    """Return the windows of the folder that `dawnchorus detect` or the rule ``detections`` wrote.

    ``group``: :data:`OF_NAMES`, what names of files say; a column of ``table``, which has a recording_id too; or
    ``none``. What is missing or does not fit raises :class:`InputError`.
    """
    species_ids, recordings = _recordings(results / SCORES_FILE)
    events: dict[tuple[str, str], list[dict]] = {}
    for event in made.read(results / EVENTS.name, EVENTS):
        events.setdefault((event["path"], event["species_id"]), []).append(event)
    paths, ids, of_recording, spans_s, scores, detected = [], [], [], [], [], []
    for number, (path, recording_id, starts_s, ends_s, of) in enumerate(recordings):
        # The last window of a network may reach beyond the sound.
        edges_s = edges(min(float(ends_s.max()), sound(path).duration_s), window_s)
        found = highest(starts_s, ends_s, of, edges_s)
        if np.isnan(found).any():
            step_s = float(np.diff(starts_s).max(initial=0.0))
            raise InputError(
                f"--window-s {window_s:g}: {path} has a score every {step_s:g} s alone; expected {2 * step_s:g} or more"
            )
        paths.append(path)
        ids.append(recording_id)
        of_recording.append(np.full(len(found), number))
        spans_s.append(np.stack([edges_s[:-1], edges_s[1:]], axis=1))
        scores.append(found)
        detected.append(np.stack([is_detected(events.get((path, key), ()), edges_s) for key in species_ids], axis=1))
    if not paths:
        raise InputError(f"{results / SCORES_FILE}: no scores; expected those of a run that searched recordings")
    names = {row["species_id"]: row["species_name"] for row in made.read(results / ACTIVITY.name, ACTIVITY)}
    return Windows(
        species_ids,
        [names.get(key) or key for key in species_ids],
        *(paths, ids, groups_of(paths, ids, group, table), np.concatenate(of_recording), np.concatenate(spans_s)),
        *(np.concatenate(scores), np.concatenate(detected)),
    )


def groups_of(paths: Sequence[str], recording_ids: Sequence[str], group: str, table: Path | None) -> list[str]:
    """Return the group of each recording, empty where nothing says one; see :func:`read`."""
    if table is None:
        if group not in OF_NAMES:
            return [""] * len(paths)
        folder = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])
        return [said_by(path, folder).cells()[group] for path in paths]
    _, rows, problems = read_rows(table, ["recording_id", group])
    if problems:
        raise refusal(problems)
    of: dict[str, str] = {}
    for row in rows:
        name = row.cells["recording_id"]
        if of.setdefault(name, row.cells[group]) != row.cells[group]:
            raise InputError(str(row.problem(group, f"{of[name]!r}, as an earlier row says of the recording {name!r}")))
    missing = next((name for name in recording_ids if name not in of), None)
    if missing is not None:
        raise InputError(f"{table}: column recording_id: no row of {missing!r}; expected one of each recording")
    return [of[name] for name in recording_ids]


_Recording = tuple[str, str, np.ndarray, np.ndarray, np.ndarray]


def _recordings(path: Path) -> tuple[list[str], Iterator[_Recording]]:
    """Return the species of a scores.parquet, and path, id, starts_s, ends_s and scores of each recording in turn."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Arrow would wait for whoever writes into a pipe.
        open_regular(path).close()
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a folder of results of `dawnchorus detect`") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a usable file of scores: {one_line(error)}") from None
    if names[:4] != ["path", "recording_id", "start_s", "end_s"] or not all(n.startswith(SCORES) for n in names[4:]):
        raise InputError(f"{path}: expected columns path, recording_id, start_s, end_s and {SCORES}<species>")
    return [name.removeprefix(SCORES) for name in names[4:]], _each(file)


def _each(file: pyarrow.parquet.ParquetFile) -> Iterator[_Recording]:
    """Yield the recordings of a file, whose rows follow each other in one row group or in several."""
    parts: list[_Recording] = []
    for number in range(file.num_row_groups):
        table = file.read_row_group(number)
        paths = table["path"].combine_chunks().dictionary_encode().indices.to_numpy()
        starts = np.flatnonzero(np.diff(paths, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(paths)], strict=True):
            of = table.slice(start, stop - start)
            starts_s, ends_s, *scores = (column.to_numpy() for column in of.columns[2:])
            part = of["path"][0].as_py(), of["recording_id"][0].as_py(), starts_s, ends_s, np.stack(scores, axis=1)
            if parts and parts[0][0] != part[0]:
                yield _joined(parts)
                parts = []
            parts.append(part)
    if parts:
        yield _joined(parts)


def _joined(parts: Sequence[_Recording]) -> _Recording:
    starts_s, ends_s, scores = (np.concatenate([part[k] for part in parts]) for k in (2, 3, 4))
    return parts[0][0], parts[0][1], starts_s, ends_s, scores
