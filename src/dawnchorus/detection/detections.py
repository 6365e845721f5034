"""From stored window scores to everything that people work with: scores, events, tables, labels, a submission."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from dawnchorus.annotations import bands, exports
from dawnchorus.annotations.recorded import Recorded, recorded
from dawnchorus.detection import events, presence, presence_calibration, presence_scoring, results_folder, scoring
from dawnchorus.detection.activity import Activity
from dawnchorus.detection.fusion import ALONE, Fusion, stores
from dawnchorus.detection.score_store import Entry, Stores
from dawnchorus.features import extraction
from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import SEEN, path_for_whole, write_whole
from dawnchorus.learning import model_file
from dawnchorus.metrics import calibration
from dawnchorus.tables import made, row_groups
from dawnchorus.tables.cells import Writer
from dawnchorus.tables.definitions import ACTIVITY, EVENTS, PROBLEMS
from dawnchorus.tables.users import write_rows

if TYPE_CHECKING:
    import pyarrow

TIME_DECIMALS = 6


@dataclass(frozen=True)
class Decision(ABC):
    """What makes events of scores: one threshold a class, the block ``detections``, and the band of each class.

    ``features``: the block of the model, which says what frequencies it sees; ``bands_hz``: of each class, None where
    the annotations say none; None as a whole where the card says nothing.
    """

    species_ids: Sequence[str]
    species_names: Sequence[str]
    thresholds: np.ndarray
    params: dict
    features: dict
    bands_hz: Sequence[bands.Band | None] | None
    # How much windows of the network that names clips count beside what this decides of.
    fusion = ALONE

    @staticmethod
    def of_model(model: Path, calibration_file: Path, params: dict) -> Decision:
        """Return how to decide, of the model's card and its calibration: by frames of presence, or by windows."""
        card = model_file.read_card(model)
        made: type[Decision] = OfPresence if "presence" in card else OfWindows
        return made.read(card, model, calibration_file, params)

    @classmethod
    @abstractmethod
    def read(cls, card: dict, model: Path, calibration_file: Path, params: dict) -> Decision:
        """Return how to decide, of a card; ``model`` is what errors call it."""

    def stores(self, scores: Sequence[Path], windows: Sequence[Path]) -> Stores:
        """Return the scores that this decides of; ``windows``: those that may count beside frames."""
        return stores(scores, windows, self.species_ids, self.fusion.weight)

    @abstractmethod
    def calibrated(self, entry: Entry) -> np.ndarray:
        """Return the scores of a recording that people see, (windows or frames, classes)."""

    @abstractmethod
    def tracks(self, entry: Entry) -> np.ndarray:
        """Return the scores that meet the thresholds: calibrated and smoothed, of the same shape."""

    def expected(self, class_index: int) -> dict[str, float | None]:
        """Return what the threshold of a class was said to be worth, :data:`presence_calibration.EXPECTED`."""
        return dict.fromkeys(presence_calibration.EXPECTED)

    @abstractmethod
    def with_thresholds(self, species: Mapping[str, Mapping[str, float]]) -> Decision:
        """Return the same with other thresholds of some species: scores as people see them, see
        :data:`dawnchorus.detection.review_thresholds.KEYS`.
        """

    @abstractmethod
    def events(self, entry: Entry) -> list[dict]:
        """Return the events of one recording, as :func:`dawnchorus.detection.events.events` gives them."""

    @property
    def raven_channel(self) -> int:
        """The channel that was scored as Raven counts, from 1; the mix of all is shown with the first."""
        channel = self.params["channel"]
        return 1 if channel == "mix" else channel + 1

    def bands_in(self, sample_rate_hz: int) -> dict[str, bands.Band]:
        """Return the band in which a species is shown in a recording of a rate, by its id."""
        seen_hz = extraction.band_hz(self.features, sample_rate_hz)
        given = self.bands_hz or [None] * len(self.species_ids)
        return {
            species_id: bands.in_recording(band_hz, seen_hz, sample_rate_hz)
            for species_id, band_hz in zip(self.species_ids, given, strict=True)
        }


def bands_of(card: dict) -> list[bands.Band | None] | None:
    """Return the band of each class that a card says, None where it says none."""
    given = card.get("bands_hz")
    return None if given is None else [None if band is None else (band[0], band[1]) for band in given]


@dataclass(frozen=True)
class OfWindows(Decision):
    """By the windows of a network that names clips, of which a softmax names one: its temperature."""

    temperature: float

    @classmethod
    def read(cls, card: dict, model: Path, calibration_file: Path, params: dict) -> OfWindows:
        recipe = scoring.Recipe.of_card(card, model)
        temperature, thresholds = events.read_calibration(calibration_file, recipe.species_ids)
        bands_hz = bands_of(card)
        return cls(recipe.species_ids, recipe.species_names, thresholds, params, recipe.features, bands_hz, temperature)

    def calibrated(self, entry: Entry) -> np.ndarray:
        return calibration.scaled(entry.scores, self.temperature)

    def tracks(self, entry: Entry) -> np.ndarray:
        return events.smoothed(self.calibrated(entry), self.params["smoothing_windows"])

    def with_thresholds(self, species: Mapping[str, Mapping[str, float]]) -> OfWindows:
        pairs = zip(self.species_ids, self.thresholds, strict=True)
        given = [presence.reached_by(species[key]["threshold"]) if key in species else own for key, own in pairs]
        return replace(self, thresholds=np.array(given))

    def events(self, entry: Entry) -> list[dict]:
        gap_s = self.params["merge_gap_s"]
        tracks = self.tracks(entry)
        return events.events(tracks, entry.starts_s, entry.window_s, entry.duration_s, self.thresholds, gap_s)


@dataclass(frozen=True)
class OfPresence(Decision):
    """By frames of presence: how each class becomes events, see :mod:`dawnchorus.detection.presence`."""

    decisions: presence.Decisions
    fusion: Fusion = ALONE

    @classmethod
    def read(cls, card: dict, model: Path, calibration_file: Path, params: dict) -> OfPresence:
        recipe = presence_scoring.Recipe.of_card(card, model)
        decisions = presence_calibration.read(calibration_file, recipe.species_ids)
        thresholds = presence.thresholds(decisions)
        bands_hz = bands_of(card)
        beside = presence_calibration.read_fusion(calibration_file)
        names = recipe.species_ids, recipe.species_names
        return cls(*names, thresholds, params, recipe.features, bands_hz, decisions, beside)

    def calibrated(self, entry: Entry) -> np.ndarray:
        return presence.presence(entry.scores, entry.starts_s, entry.window_s, self.decisions)

    def tracks(self, entry: Entry) -> np.ndarray:
        return self.calibrated(entry)

    def expected(self, class_index: int) -> dict[str, float | None]:
        of = self.decisions[class_index]
        return {key: of.get(key) for key in presence_calibration.EXPECTED}

    def with_thresholds(self, species: Mapping[str, Mapping[str, float]]) -> OfPresence:
        decisions = [
            {**of, **presence.from_on(of, species[key]["threshold"]), **_expected(species[key])}
            if key in species
            else of
            for key, of in zip(self.species_ids, self.decisions, strict=True)
        ]
        return replace(self, decisions=decisions, thresholds=presence.thresholds(decisions))

    def events(self, entry: Entry) -> list[dict]:
        return presence.events(entry.scores, entry.starts_s, entry.window_s, entry.duration_s, self.decisions)


def _expected(said: Mapping[str, float]) -> dict[str, float]:
    return {key: said[key] for key in presence_calibration.EXPECTED}


def events_of(entry: Entry, decision: Decision) -> list[dict]:
    """Return the events of one recording, in order of time."""
    if entry.problem is not None:
        return []
    rows, path = [], entry.shown_path
    for event in decision.events(entry):
        rounded = {key: round(event[key], TIME_DECIMALS) for key in ("start_s", "end_s", "peak_s")}
        rows.append(
            {
                "path": path,
                "recording_id": entry.recording_id,
                "species_id": decision.species_ids[event["class_index"]],
                "species_name": decision.species_names[event["class_index"]],
                **rounded,
                "peak_score": round(event["peak_score"], TIME_DECIMALS),
            }
        )
    return sorted(rows, key=lambda row: (row["start_s"], row["end_s"], -row["peak_score"], row["species_id"]))


def selections(rows: Iterable[dict], bands_hz: Mapping[str, bands.Band]) -> list[dict]:
    """Return events as selections, see :mod:`dawnchorus.annotations.exports`; ``bands_hz``: by species id."""
    return [
        {
            "path": row["path"],
            "recording_id": row["recording_id"],
            "species_id": escaped(row["species_id"]),
            "species_name": escaped(row["species_name"]),
            "songtype_id": "",
            "t_min": row["start_s"],
            "t_max": row["end_s"],
            "f_min": bands_hz[row["species_id"]][0],
            "f_max": bands_hz[row["species_id"]][1],
            "score": row["peak_score"],
        }
        for row in rows
    ]


@dataclass(frozen=True)
class Written:
    """What was found and written: all events, and the highest score of each recording by its id, one a class."""

    events: list[dict]
    maxima: dict[str, np.ndarray]
    doubled: set[str]
    activity: Activity = field(default_factory=Activity)


def said_by(path: str, folder: str) -> Recorded:
    """Return what the name of a sound file says of it; folders count below ``folder``, which holds all recordings."""
    inside = PurePath(os.path.relpath(path, folder))
    return recorded(escaped(inside.with_suffix("").as_posix()))


def write_all(output: Path, entries: Iterable[Entry], decision: Decision, folder: str = ".") -> Written:
    """Write every format into an empty folder, one recording in memory at a time.

    scores.parquet and scores.csv (a row a window, calibrated), events.csv, activity.csv (events against searched
    sound by hour and site), problems.csv (a row a file that could not be scored), raven/<file>.selections.txt and
    raven.selections.txt (all files), audacity/<file>.txt. ``folder``: the one that all recordings lie in.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"score_{species_id}" for species_id in decision.species_ids]
    texts = [(name, pa.string()) for name in ("path", "recording_id")]
    numbers = [(name, pa.float64()) for name in ("start_s", "end_s")]
    schema = pa.schema([*texts, *numbers, *((name, pa.float32()) for name in names)])
    made_of, problems, durations_s = Written([], {}, set()), [], {}
    # Most recordings share one rate, and so what is known of it.
    bands_in = cache(decision.bands_in)
    bands_of_path: dict[str, Mapping[str, bands.Band]] = {}
    with ExitStack() as stack:
        parquet = stack.enter_context(path_for_whole(output / "scores.parquet", SEEN))
        groups = row_groups.RowGroups(stack.enter_context(pq.ParquetWriter(parquet, schema)))
        lines = Writer(stack.enter_context(write_whole(output / "scores.csv", begins=SEEN)))
        lines.writerow(schema.names)
        for entry in entries:
            if entry.problem is not None:
                problems.append({"path": entry.shown_path, "problem": entry.problem})
                continue
            scores = decision.calibrated(entry).astype(np.float32)
            _write_scores(entry, scores, schema, groups, lines.writerow)
            if entry.recording_id in made_of.maxima:
                made_of.doubled.add(entry.recording_id)
            made_of.maxima[entry.recording_id] = scores.max(axis=0)
            durations_s[entry.shown_path] = entry.duration_s
            said = said_by(entry.path, folder)
            found = [
                {**event, "site": said.site, "recorded_at": said.at(event["start_s"])}
                for event in events_of(entry, decision)
            ]
            made_of.activity.add(said, entry.duration_s, found)
            bands_of_path[entry.shown_path] = bands_in(entry.sample_rate_hz)
            selected = selections(found, bands_of_path[entry.shown_path])
            raven, audacity, _ = (output / name for name in results_folder.names_of(entry.name))
            exports.write_raven(raven, selected, None, decision.raven_channel)
            exports.write_audacity(audacity, [{**selection, "f_min": "", "f_max": ""} for selection in selected])
            made_of.events.extend(found)
        groups.end()
    combined = made.Rows(made_of.events, lambda _, event: selections([event], bands_of_path[event["path"]])[0])
    exports.write_raven(
        output / "raven.selections.txt", combined, exports.begins_of(durations_s), decision.raven_channel
    )
    made.write(output / EVENTS.name, EVENTS, made_of.events)
    made.write(output / ACTIVITY.name, ACTIVITY, made_of.activity.rows(decision.species_ids, decision.species_names))
    made.write(output / PROBLEMS.name, PROBLEMS, problems)
    return made_of


def write_submission(path: Path, sample: str, found: Written, species_ids: Sequence[str]) -> None:
    """Write a submission like the sample_submission.csv ``sample``; see :func:`check_sample` for what it raises."""
    _refuse_doubled(sample, found.doubled)
    write_rows(path, *exports.submission(Path(sample), found.maxima, species_ids))


def check_sample(sample: str, recording_ids: Sequence[str], species_ids: Sequence[str]) -> None:
    """Raise :class:`InputError` unless recordings with these ids can give a submission like ``sample``."""
    if os.path.exists(sample) and not os.path.isfile(sample):
        raise InputError(f"{sample}: expected a CSV table, found no file")
    _refuse_doubled(sample, {name for name, count in Counter(recording_ids).items() if count > 1})
    exports.submission(Path(sample), dict.fromkeys(recording_ids, np.zeros(len(species_ids))), species_ids)


def _refuse_doubled(sample: str, doubled: set[str]) -> None:
    if doubled:
        raise InputError(f"{sample}: {min(doubled)!r} is the id of two recordings; expected each once for a submission")


def _write_scores(
    entry: Entry,
    scores: np.ndarray,
    schema: pyarrow.Schema,
    groups: row_groups.RowGroups,
    write_line: Callable[[list], object],
) -> None:
    import pyarrow as pa

    n_windows = len(scores)
    starts_s = np.round(entry.starts_s, TIME_DECIMALS)
    ends_s = np.round(entry.starts_s + entry.window_s, TIME_DECIMALS)
    columns = [[entry.shown_path] * n_windows, [entry.recording_id] * n_windows, starts_s, ends_s, *scores.T]
    groups.add(pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema))
    for start_s, end_s, row in zip(starts_s.tolist(), ends_s.tolist(), scores, strict=True):
        write_line([entry.shown_path, entry.recording_id, start_s, end_s, *(f"{score:.9g}" for score in row)])
