"""A baseline of detection: the support vector machine that names clips, on the windows of whole recordings.

It is given what the network that names clips is given of a window, and decides as that does: scores divided by a
temperature, and a threshold a class, both fitted on the validation clips.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from dawnchorus.detection import score_store, scoring
from dawnchorus.detection.sounds import Sound
from dawnchorus.features import extraction, kinds
from dawnchorus.foundation import incremental
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.learning import clip_svm, dataset
from dawnchorus.metrics import calibration


class Pooled(scoring.Recipe):
    """How a window becomes the vector that the machine takes."""

    def prepared(self, y: np.ndarray, rate_hz: int) -> np.ndarray:
        """Return the pooled statistics of one window's samples: (columns,) float32."""
        x, n_frames = dataset.normalized(extraction.extract(y, rate_hz, self.features), self.statistics)
        return clip_svm.pooled_vectors(x[None], np.array([n_frames]), self.statistics)[0]


def recipe_of(data: dataset.Dataset) -> Pooled:
    """Return how windows are made into what the clips of a data set are."""
    statistics, classes = data.statistics, data.classes
    return Pooled(
        statistics["features"],
        {key: statistics[key] for key in scoring.NORMALIZING},
        statistics["frames"],
        tuple(classes["species_id"]),
        tuple(classes["species_name"]),
    )


def fit(data: dataset.Dataset, default_threshold: float) -> tuple[clip_svm.Machine | None, dict]:
    """Return the machine of the training clips, and its calibration on the validation clips, as calibration.json.

    ``default_threshold``: of a class without validation clips. None where there is nothing to tell apart.
    """
    species_ids, n_frames = data.classes["species_id"].to_list(), data.rows["n_frames"].to_numpy()
    truth, train, validation = data.class_index, data.rows_of("train"), data.rows_of("validation")
    machine = clip_svm.fit(data.x, n_frames, truth, train, data.statistics, len(species_ids))
    scores = np.zeros((0, len(species_ids)))
    if machine is None or not len(validation):
        validation = validation[:0]
    else:
        vectors = clip_svm.pooled_vectors(data.x[validation], n_frames[validation], data.statistics)
        scores = machine.predict_on_batch(vectors)
    return machine, calibration.fit(truth[validation], scores, species_ids, default_threshold)


class SvmDetector:
    """Scores the windows of recordings with the machine; with :class:`Detector`'s ``update``.

    ``params``: the block ``detections``; ``say``: takes a line about what is scored again.
    """

    def __init__(
        self, machine: clip_svm.Machine, recipe: Pooled, params: dict, threads: int, say: Callable[[str], None]
    ):
        self._machine, self._recipe, self._params, self._threads, self._say = machine, recipe, params, threads, say
        scored_by = {key: params[key] for key in scoring.SCORED_BY}
        code = SourceCode().version_of("detection.svm_detector", chosen={"features.kinds": recipe.features["kind"]})
        files = kinds.input_hashes(recipe.features)
        self._same_for_all = [machine.digest(), recipe.statistics, scored_by, files, code]

    def update(
        self, path: Path, sounds: Sequence[Sound], step: Callable[[Sound], None] = lambda sound: None
    ) -> incremental.Done:
        """Make the file of scores hold these recordings; what holds of its old self is kept."""
        made = incremental.updating(
            path,
            [(sound.name, sound) for sound in sounds],
            self._signature,
            partial(score_store.Store, species_ids=self._recipe.species_ids),
            partial(score_store.write_store, species_ids=self._recipe.species_ids),
            self._add,
            self._say,
            step,
        )
        return incremental.ended(made)

    def _signature(self, sound: Sound) -> str:
        depends_on = [sound.path, sound.content(), *self._same_for_all]
        return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()

    def _add(self, sound: Sound, signature: str, writer: score_store.Writer) -> None:
        scored = scoring.score(sound.path, self._machine, self._recipe, self._params, self._threads)
        writer.add(score_store.Entry(sound.path, sound.name, sound.recording_id, signature, **vars(scored)))
