"""A long recording through a presence network: a score for each species and frame; memory stays flat.

Stretches of the recording lie over each other by their margins, of which nothing is kept: every frame is scored with
sound around it. What the network is given is made as in its training, with the values of its own card.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dawnchorus.detection import scoring
from dawnchorus.features import extraction
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import model_card, stretches
from dawnchorus.sound import audio, decoding, windows

if TYPE_CHECKING:
    from dawnchorus.learning.model_file import Model

# The modules that scores depend on, with all that they import, and the parameters.
CODE = ("detection.presence_scoring", "learning.model_file")
SCORED_BY = ("channel",)


@dataclass(frozen=True)
class Recipe:
    """What a card says of the input and output of its network: the blocks ``features`` and ``presence``, the classes.

    ``n_frames``: of a stretch; ``margin``: of them at each end, of which no score is kept; both in frames of features.
    """

    features: dict
    presence: dict
    n_frames: int
    margin: int
    species_ids: tuple[str, ...]
    species_names: tuple[str, ...]

    @classmethod
    def of_card(cls, card: dict, path: str | os.PathLike) -> Recipe:
        """Read a card; what is wrong with it raises :class:`InputError` naming the model's ``path`` and the field."""
        model_card.check_presence(card, path)
        n_frames, margin = stretches.n_frames_of(card["presence"], card["features"])
        return cls(
            card["features"],
            card["presence"],
            n_frames,
            margin,
            tuple(row["species_id"] for row in card["classes"]),
            tuple(row["species_name"] for row in card["classes"]),
        )

    @property
    def edge(self) -> int:
        """Frames at each end of a cut whose FFT frame reaches beyond it: they are made, and left out."""
        return -(-self.features["n_fft"] // (2 * self.features["hop_length"]))

    def length_samples(self) -> int:
        """Return how many samples are cut for a stretch."""
        hop, n_fft = self.features["hop_length"], self.features["n_fft"]
        return (self.n_frames - 1 + 2 * self.edge) * hop + n_fft % 2

    def prepared(self, y: np.ndarray, rate_hz: int) -> np.ndarray:
        """Return what the network takes of one cut: (n_frames, bands) float32, above its background."""
        made = extraction.extract(y, rate_hz, self.features)[self.edge : self.edge + self.n_frames]
        return stretches.above_background(made, self.presence["background_quantile"])

    def ranges(self, n_samples: int) -> list[windows.SampleRange]:
        """Return [first, stop) of the sound of each stretch of a recording; they may reach beyond its ends."""
        hop, step = self.features["hop_length"], self.n_frames - 2 * self.margin
        n_stretches = -(-(1 + n_samples // hop) // step)
        firsts = [(number * step - self.margin - self.edge) * hop for number in range(n_stretches)]
        return [(first, first + self.length_samples()) for first in firsts]


def check(recipe: Recipe, params: dict) -> None:
    """Raise :class:`InputError` for stretches that nobody could want."""
    held = 4 * recipe.length_samples() * (params["batch_size"] + scoring.DECODED_AHEAD)
    if held > scoring.MOST_BYTES:
        raise InputError(
            f"presence.stretch_s: {recipe.presence['stretch_s']:g}: with detections.batch_size {params['batch_size']} "
            f"the stretches alone take {held / 2**30:.1f} GiB; expected at most {scoring.MOST_BYTES / 2**30:g}"
        )


def try_out(model: Model, recipe: Recipe) -> np.ndarray:
    """Return the scores (frames, classes) of a stretch of silence."""
    rate_hz = recipe.features["sample_rate_hz"]
    silence = recipe.prepared(np.zeros(recipe.length_samples(), np.float32), rate_hz)
    return np.asarray(model.predict_on_batch(silence[None]))[0]


def score(path: str | os.PathLike, model: Model, recipe: Recipe, params: dict, threads: int) -> scoring.Scored:
    """Score the frames of one recording: frame j starts at ``(j * pool_frames - 1/2) * hop``.

    ``model`` gives logits, ``predict_on_batch``. ``params``: the block ``detections``, of which ``channel`` and
    ``batch_size`` are used. Raises :class:`InputError` for a file that cannot be decoded whole.
    """
    from scipy.special import expit

    native_hz, n_native = decoding.measure(path)
    rate_hz, pool = recipe.features["sample_rate_hz"], recipe.presence["pool_frames"]
    n_samples = audio.resampled_length(n_native, native_hz, rate_hz)
    ranges = recipe.ranges(n_samples)
    if len(ranges) > scoring.MOST_WINDOWS:
        raise InputError(f"{path}: {len(ranges)} stretches; expected at most {scoring.MOST_WINDOWS}")
    first, stop = recipe.margin // pool, (recipe.n_frames - recipe.margin) // pool
    blocks = decoding.decoded(path, params["channel"], rate_hz)
    # What is returned is all that grows with the recording.
    n_scored = -(-(1 + n_samples // recipe.features["hop_length"]) // pool)
    scores, done = np.empty((n_scored, len(recipe.species_ids)), np.float32), 0
    with (
        closing(scoring.ahead(windows.cut(blocks, ranges, n_samples), scoring.DECODED_AHEAD)) as cuts,
        ThreadPoolExecutor(threads) as pool_of_threads,
    ):
        prepared = scoring.in_order(pool_of_threads, lambda y: recipe.prepared(y, rate_hz), cuts, params["batch_size"])
        for batch in scoring.batches(prepared, params["batch_size"]):
            logits = np.asarray(model.predict_on_batch(np.stack(batch)), dtype=np.float32)
            kept = _kept(logits, first, stop, recipe, path)[: n_scored - done]
            scores[done : done + len(kept)] = expit(kept)
            done += len(kept)
    hop_s = recipe.features["hop_length"] / rate_hz
    starts_s = (np.arange(n_scored) * pool - 0.5) * hop_s
    return scoring.Scored(n_native / native_hz, native_hz, starts_s, pool * hop_s, scores)


def _kept(logits: np.ndarray, first: int, stop: int, recipe: Recipe, path: str | os.PathLike) -> np.ndarray:
    n_classes = len(recipe.species_ids)
    if (
        logits.shape[1:] != (recipe.n_frames // recipe.presence["pool_frames"], n_classes)
        or not np.isfinite(logits).all()
    ):
        raise InputError(
            f"{path}: the model gave scores of the shape {logits.shape[1:]}, {int((~np.isfinite(logits)).sum())} not "
            f"finite; expected one finite score for each frame and each of its {n_classes} classes"
        )
    return logits[:, first:stop].reshape(-1, n_classes)
