"""From stored window scores to everything that people work with: scores, events, tables, labels, a submission."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dawnchorus.annotations import exports
from dawnchorus.detection import events, scoring
from dawnchorus.detection.score_store import Entry
from dawnchorus.features import extraction
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import path_for_whole, write_whole
from dawnchorus.learning import model_file
from dawnchorus.metrics import calibration
from dawnchorus.tables import made
from dawnchorus.tables.definitions import EVENTS, PROBLEMS
from dawnchorus.tables.users import write_rows

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

TIME_DECIMALS = 6
PICTURES = "pictures"


@dataclass(frozen=True)
class Decision:
    """What makes events of scores: temperature, one threshold a class, the block ``detections``, and the block
    ``features`` of the model, which says what frequencies it sees."""

    species_ids: Sequence[str]
    species_names: Sequence[str]
    temperature: float
    thresholds: np.ndarray
    params: dict
    features: dict

    @classmethod
    def of_model(cls, model: Path, calibration_file: Path, params: dict) -> Decision:
        """Return how to decide, of the model's card and its calibration."""
        recipe = scoring.Recipe.of_card(model_file.read_card(model), model)
        temperature, thresholds = events.read_calibration(calibration_file, recipe.species_ids)
        return cls(recipe.species_ids, recipe.species_names, temperature, thresholds, params, recipe.features)

    @property
    def raven_channel(self) -> int:
        """The channel that was scored as Raven counts, from 1; the mix of all is shown with the first."""
        channel = self.params["channel"]
        return 1 if channel == "mix" else channel + 1


def events_of(entry: Entry, decision: Decision) -> list[dict]:
    """Return the events of one recording, in order of time."""
    if entry.problem is not None:
        return []
    scores = calibration.scaled(entry.scores, decision.temperature)
    found = events.events(
        events.smoothed(scores, decision.params["smoothing_windows"]),
        entry.starts_s,
        entry.window_s,
        entry.duration_s,
        decision.thresholds,
        decision.params["merge_gap_s"],
    )
    rows = []
    for event in found:
        rounded = {key: round(event[key], TIME_DECIMALS) for key in ("start_s", "end_s", "peak_s")}
        rows.append(
            {
                "path": entry.path,
                "recording_id": entry.recording_id,
                "species_id": decision.species_ids[event["class_index"]],
                "species_name": decision.species_names[event["class_index"]],
                **rounded,
                "peak_score": round(event["peak_score"], TIME_DECIMALS),
            }
        )
    return sorted(rows, key=lambda row: (row["start_s"], row["end_s"], -row["peak_score"], row["species_id"]))


def selections(rows: Iterable[dict], band_hz: tuple[float, float]) -> list[dict]:
    """Return events as selections, see :mod:`dawnchorus.annotations.exports`; with the band that the model sees."""
    return [
        {
            "path": row["path"],
            "recording_id": row["recording_id"],
            "species_id": row["species_id"],
            "species_name": row["species_name"],
            "songtype_id": "",
            "t_min": row["start_s"],
            "t_max": row["end_s"],
            "f_min": band_hz[0],
            "f_max": band_hz[1],
            "score": row["peak_score"],
        }
        for row in rows
    ]


def files_of(output: Path, name: str) -> tuple[Path, Path, Path]:
    """Return the files that are of one recording alone: its Raven table, its Audacity labels, its picture."""
    return (
        output / "raven" / f"{name}.selections.txt",
        output / "audacity" / f"{name}.txt",
        output / PICTURES / f"{name}.png",
    )


def remove(output: Path, names: Iterable[str]) -> None:
    """Remove what was written of single recordings, and the folders that this leaves empty; nothing else."""
    for name in names:
        for path in files_of(output, name):
            path.unlink(missing_ok=True)
            for folder in path.parents[: len(Path(name).parts)]:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()


def write_all(output: Path, entries: Iterable[Entry], decision: Decision, sample: str | None) -> list[dict]:
    """Write every format into a folder, one recording in memory at a time, and return all events.

    scores.parquet and scores.csv (a row a window, calibrated), events.csv, problems.csv (a row a file that
    could not be scored), raven/<file>.selections.txt and raven.selections.txt (all files),
    audacity/<file>.txt, and submission.csv when ``sample`` names a sample_submission.csv. What an earlier run left
    of these recordings and is not made now is removed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    output.mkdir(parents=True, exist_ok=True)
    names = [f"score_{species_id}" for species_id in decision.species_ids]
    texts = [(name, pa.string()) for name in ("path", "recording_id")]
    numbers = [(name, pa.float64()) for name in ("start_s", "end_s")]
    schema = pa.schema([*texts, *numbers, *((name, pa.float32()) for name in names)])
    rows, combined, problems, maxima, durations_s, doubled = [], [], [], {}, {}, set()
    with ExitStack() as stack:
        parquet = stack.enter_context(path_for_whole(output / "scores.parquet"))
        table = stack.enter_context(pq.ParquetWriter(parquet, schema))
        lines = csv.writer(stack.enter_context(write_whole(output / "scores.csv")), lineterminator="\n")
        lines.writerow(schema.names)
        for entry in entries:
            remove(output, [entry.name])
            if entry.problem is not None:
                problems.append({"path": entry.path, "problem": entry.problem})
                continue
            scores = calibration.scaled(entry.scores, decision.temperature).astype(np.float32)
            _write_scores(entry, scores, schema, table, lines.writerow)
            if entry.recording_id in maxima:
                doubled.add(entry.recording_id)
            maxima[entry.recording_id] = scores.max(axis=0)
            durations_s[entry.path] = entry.duration_s
            found = events_of(entry, decision)
            selected = selections(found, extraction.band_hz(decision.features, entry.sample_rate_hz))
            raven, audacity, _ = files_of(output, entry.name)
            exports.write_raven(raven, selected, None, decision.raven_channel)
            exports.write_audacity(audacity, [{**selection, "f_min": "", "f_max": ""} for selection in selected])
            rows += found
            combined += selected
    exports.write_raven(
        output / "raven.selections.txt", combined, exports.begins_of(durations_s), decision.raven_channel
    )
    made.write(output / EVENTS.name, EVENTS, rows)
    made.write(output / PROBLEMS.name, PROBLEMS, problems)
    (output / "submission.csv").unlink(missing_ok=True)
    if sample is not None:
        if doubled:
            name = sorted(doubled)[0]
            raise InputError(f"{sample}: {name!r} is the id of two recordings; expected each once for a submission")
        write_rows(output / "submission.csv", *exports.submission(Path(sample), maxima, decision.species_ids))
    return rows


def _write_scores(
    entry: Entry,
    scores: np.ndarray,
    schema: pyarrow.Schema,
    table: pyarrow.parquet.ParquetWriter,
    write_line: Callable[[list], object],
) -> None:
    import pyarrow as pa

    n_windows = len(scores)
    starts_s = np.round(entry.starts_s, TIME_DECIMALS)
    ends_s = np.round(entry.starts_s + entry.window_s, TIME_DECIMALS)
    columns = [[entry.path] * n_windows, [entry.recording_id] * n_windows, starts_s, ends_s, *scores.T]
    table.write_table(pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema))
    for start_s, end_s, row in zip(starts_s.tolist(), ends_s.tolist(), scores, strict=True):
        write_line([entry.path, entry.recording_id, start_s, end_s, *(f"{score:.9g}" for score in row)])
