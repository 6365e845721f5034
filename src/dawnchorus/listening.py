"""One recording after the other through a model, with what is known of it already, and what to do with bad ones."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dawnchorus import scoring
from dawnchorus.decoding import RecordingError
from dawnchorus.errors import InputError
from dawnchorus.files import sha256_of
from dawnchorus.score_store import Entry, Store
from dawnchorus.sounds import Sound

SCORED_BY = ("window_s", "step_s", "channel")  # the parameters that scores depend on
CODE = ("audio", "dataset", "decoding", "features", "scoring", "windows")  # the modules that they depend on


def code_version() -> str:
    """Return one hash of the source of the modules that determine a score."""
    sources = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in CODE]
    return hashlib.sha256(b"".join(hashlib.sha256(source).digest() for source in sources)).hexdigest()


def signature_of(audio_sha256: str, model_sha256: str, params: dict) -> str:
    """Return one hash of all that the scores of a recording depend on: its content, the model, the windows."""
    used = {key: params[key] for key in SCORED_BY}
    text = json.dumps([audio_sha256, model_sha256, used, code_version()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Listener:
    """Scores recordings with a model that is loaded when the first one needs it.

    ``load``: returns the model and its :class:`scoring.Recipe`. ``params``: the block ``detections``. ``warn``: takes
    a line about what is left out or made again.
    """

    def __init__(
        self, load: Callable, model_sha256: str, params: dict, threads: int, warn: Callable[[str], None] | None = None
    ):
        self._load, self._model_sha256, self._params, self._threads = load, model_sha256, params, threads
        self._warn = warn or (lambda text: print(text, file=sys.stderr, flush=True))
        self._loaded = None
        self.n_scored, self.n_kept = 0, 0

    def entries(self, sounds: Iterable[Sound], old: Store | None) -> Iterator[Entry]:
        """Yield the scores of each sound: those of ``old`` where nothing changed, else new ones.

        A file that cannot be scored ends the run or becomes an entry with its problem, as
        ``on_bad_recording`` says; either way its name is reported.
        """
        for sound in sounds:
            yield self._kept(sound, old) or self._entry(sound)

    def _signature(self, sound: Sound) -> str:
        try:
            return signature_of(sha256_of(sound.path), self._model_sha256, self._params)
        except OSError:
            return "unreadable"

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
        if self._loaded is None:
            self._loaded = self._load()
        named = {"path": sound.path, "name": sound.name, "recording_id": sound.recording_id}
        named["signature"] = self._signature(sound)
        try:
            scored = scoring.score(sound.path, *self._loaded, self._params, self._threads)
        except RecordingError as error:
            if self._params["on_bad_recording"] == "stop":
                raise
            self._warn(f"error: {error}; left out")
            return Entry(**named, problem=str(error).removeprefix(f"{sound.path}: "))
        self.n_scored += 1
        return Entry(**named, **vars(scored))
