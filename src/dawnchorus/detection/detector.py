"""A model at work on many recordings: what is known of one is kept, the others are scored, and bad ones are named."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import ModuleType

import numpy as np

from dawnchorus.detection import presence_scoring, score_store, scoring
from dawnchorus.detection.sounds import Sound
from dawnchorus.features import kinds
from dawnchorus.foundation import incremental
from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import InputError, one_line
from dawnchorus.foundation.files import parts_of, sha256_of
from dawnchorus.foundation.hashes import identity
from dawnchorus.foundation.progress import Progress
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.learning import model_file
from dawnchorus.sound import unchanged
from dawnchorus.sound.decoding import RecordingError

MEANWHILE = "changed while it was listened to; expected no change, run again"
Recipe = scoring.Recipe | presence_scoring.Recipe


def recipe_of(card: dict, path: Path) -> Recipe:
    """Return how a model scores sound: frame by frame if it is of presence, window by window if it names clips."""
    return (presence_scoring if "presence" in card else scoring).Recipe.of_card(card, path)


def in_results(sound: Sound) -> Sound:
    """Return a recording by the name that it has in results: one line, whatever characters are in it."""
    return replace(sound, name=escaped(sound.name), recording_id=escaped(sound.recording_id))


def _check_name(path: str) -> None:
    """Raise :class:`RecordingError` for a name that no table and no page can hold."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise RecordingError(f"{path}: the name is not UTF-8; expected one that is: rename it") from None


def code_version(card: dict) -> str:
    """Return one hash of the source that determines the scores of the model that a card describes."""
    if "presence" in card:
        return SourceCode().version_of(*presence_scoring.CODE, chosen={"features.kinds": card["features"]["kind"]})
    chosen = {"networks": card["model"]["name"], "features.kinds": card["dataset"]["features"]["kind"]}
    return SourceCode().version_of(*scoring.CODE, chosen=chosen)


class Detector:
    """Scores recordings with a model, which is loaded when the first one needs it.

    ``path``: the model file; ``card``: what it says of itself. ``params``: the block ``detections``.
    ``progress``: hears of what is left out or scored again, and how far it is with a recording. ``bad``: the names of
    what could not be scored.
    """

    def __init__(self, path: Path, card: dict, params: dict, threads: int, progress: Progress | None = None):
        self._path, self._params, self._threads = path, params, threads
        self.recipe = recipe_of(card, path)
        # Two modules of one interface: of frames, and of windows.
        self._by: ModuleType = presence_scoring if "presence" in card else scoring
        self._progress = progress or Progress.silent()
        self._by.check(self.recipe, params)
        scored_by = {key: params[key] for key in self._by.SCORED_BY}
        files = kinds.input_hashes(self.recipe.features)
        trained = card if "presence" in card else card["dataset"]
        kinds.check_files(self.recipe.features, files, trained.get("feature_files"), path)
        self._same_for_all = [sha256_of(path), scored_by, files, code_version(card)]
        self._model: model_file.Model | None = None
        self.bad: set[str] = set()
        # The hash of each file that was asked for, or why there is none, where somebody wants to know.
        self.contents: dict[str, str] | None = None
        self._seen: list[int] = []

    def updating(
        self,
        path: Path,
        sounds: Iterable[Sound],
        step: Callable[[Sound], None] = lambda sound: None,
        elsewhere: Callable[[Path], incremental.Elsewhere] = lambda path: incremental.nowhere,
    ) -> Generator[None, None, incremental.Done]:
        """Make the file of scores hold these recordings, one a step; what holds of its old self is kept.

        A recording that cannot be scored ends the run or becomes an entry with its problem, as ``on_bad_recording``
        says; either way its name is reported. ``elsewhere``: of a file, what finds others that may hold the scores of a
        recording, by its name. What a run that was killed had scored, in parts, is kept too. See
        :func:`incremental.updating`.
        """
        species_ids, parts, others = self.recipe.species_ids, parts_of(path), elsewhere(path)
        return incremental.updating(
            path,
            ((sound.name, sound) for sound in map(in_results, sounds)),
            self.signature,
            partial(score_store.Store, species_ids=species_ids),
            partial(score_store.write_store, species_ids=species_ids, in_parts=True),
            self._add,
            self._progress.warn,
            step,
            lambda name: chain(parts, others(name)),
        )

    def signature(self, sound: Sound) -> str:
        """Return one hash of all that the scores of a recording depend on: its content, model, windows, code."""
        try:
            self._seen = identity(sound.path)
        except (OSError, ValueError):
            self._seen = []
        content = self._heard(sound, sound.content())
        depends_on = [sound.path, content, *self._same_for_all]
        return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()

    def _add(self, sound: Sound, signature: str, writer: score_store.Writer) -> None:
        if self._model is None:
            self._model = self._loaded()

        def part(share: float) -> None:
            self._progress.part(share, sound.path)

        entry = score_store.Entry(sound.path, sound.name, sound.recording_id, signature)
        try:
            _check_name(sound.path)
            with unchanged.opened_as(sound.path, self._seen, MEANWHILE):
                scored = self._by.score(sound.path, self._model, self.recipe, self._params, self._threads, part)
            if not unchanged.is_still(sound.path, self._seen):
                raise RecordingError(f"{sound.path}: {MEANWHILE}")
        except InputError as error:
            # Where sound is heard at each file's own rate, it is for a file to fit the model.
            if not isinstance(error, RecordingError) and self.recipe.features["sample_rate_hz"]:
                raise InputError(escaped(str(error))) from None
            path = escaped(sound.path)
            problem = escaped(str(error)).removeprefix(f"{path}: ")
            if self._params["on_bad_recording"] == "stop":
                raise RecordingError(f"{path}: {problem}") from None
            self._progress.warn(f"error: {path}: {problem}; left out")
            self.bad.add(sound.name)
            if problem.endswith(MEANWHILE):
                self._heard(sound, MEANWHILE)
            writer.add(replace(entry, problem=problem))
        else:
            writer.add(replace(entry, **vars(scored)))

    def _heard(self, sound: Sound, content: str) -> str:
        if self.contents is not None:
            self.contents[sound.path] = content
        return content

    def _loaded(self) -> model_file.Model:
        """Return the model, after it has scored silence: one that cannot is told apart from bad sound."""
        model, _ = model_file.load(self._path, self._threads)
        # Of sound at each file's own rate nobody can say what rate all of them should fit.
        if not self.recipe.features["sample_rate_hz"]:
            return model
        try:
            scores = self._by.try_out(model, self.recipe)
        except Exception as error:  # whatever features and layers that do not fit each other make them raise
            said = one_line(error, 200)
            raise InputError(f"{self._path}: the model cannot score a window of silence: {said}") from None
        if scores.shape[-1] != len(self.recipe.species_ids) or not np.isfinite(scores).all():
            raise InputError(f"{self._path}: the model gives no finite score for each of its classes")
        return model
