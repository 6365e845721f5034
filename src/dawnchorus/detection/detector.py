"""One recording after the other through a model, with what is known of it already, and what to do with bad ones."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dawnchorus.detection import scoring
from dawnchorus.detection.score_store import Entry, Store
from dawnchorus.detection.sounds import Sound
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import sha256_of
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.learning import model_file
from dawnchorus.sound.decoding import RecordingError

SCORED_BY = ("window_s", "step_s", "channel")  # the parameters that scores depend on
# The modules that they depend on, with all that they import.
CODE = ("detection.scoring", "learning.model_file")


class Detector:
    """Scores recordings with a model, which is loaded when the first one needs it.

    ``path``: the model file; ``card``: what it says of itself. ``params``: the block ``detections``. ``warn``: takes a
    line about what is left out or scored again.
    """

    def __init__(self, path: Path, card: dict, params: dict, threads: int, warn: Callable[[str], None] | None = None):
        self._path, self._params, self._threads = path, params, threads
        self.recipe = scoring.Recipe.of_card(card, path)
        self._warn = warn or (lambda text: print(text, file=sys.stderr, flush=True))
        code = SourceCode().version_of(*CODE, chosen={"networks": card["model"]["name"]})
        self._same_for_all = [sha256_of(path), {key: params[key] for key in SCORED_BY}, code]
        self._model = None
        self.n_scored, self.n_kept = 0, 0

    def entries(self, sounds: Iterable[Sound], old: Store | None) -> Iterator[Entry]:
        """Yield the scores of each sound: those of ``old`` where nothing changed, else new ones.

        A file that cannot be scored ends the run or becomes an entry with its problem, as
        ``on_bad_recording`` says; either way its name is reported.
        """
        for sound in sounds:
            yield self._kept(sound, old) or self._entry(sound)

    def _signature(self, sound: Sound) -> str:
        """Return one hash of all that the scores of a recording depend on: its content, model, windows, code."""
        try:
            depends_on = [sha256_of(sound.path), *self._same_for_all]
        except OSError:
            return "unreadable"
        return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()

    def _kept(self, sound: Sound, old: Store | None) -> Entry | None:
        if old is None or old.signature(sound.name) != self._signature(sound):
            return None
        try:
            entry = old.entry(sound.name)
        except InputError as error:
            self._warn(f"{error}; scoring {sound.path} again")
            return None
        if entry.scores is None or entry.path != sound.path:
            return None
        self.n_kept += 1
        return entry

    def _entry(self, sound: Sound) -> Entry:
        if self._model is None:
            self._model, _ = model_file.load(self._path, self._threads)
        named = {"path": sound.path, "name": sound.name, "recording_id": sound.recording_id}
        named["signature"] = self._signature(sound)
        try:
            scored = scoring.score(sound.path, self._model, self.recipe, self._params, self._threads)
        except RecordingError as error:
            if self._params["on_bad_recording"] == "stop":
                raise
            self._warn(f"error: {error}; left out")
            return Entry(**named, problem=str(error).removeprefix(f"{sound.path}: "))
        self.n_scored += 1
        return Entry(**named, **vars(scored))
