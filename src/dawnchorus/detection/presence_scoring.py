"""A long recording through a presence network: a score for each species and frame; memory stays flat.

Stretches of the recording lie over each other by their margins, of which nothing is kept: every frame is scored with
sound around it. What the network is given is made as in its training, with the values of its own card. Frames of bands
are made stretch by stretch. Embeddings take long, so each is made once, and stretches are cut of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dawnchorus.detection import scoring
from dawnchorus.features import extraction, kinds
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

    @property
    def of_vectors(self) -> bool:
        """Whether each frame is made by itself, of a window of sound of its own."""
        return kinds.get(self.features["kind"]).KIND.vectors

    def length_samples(self) -> int:
        """Return how many samples are cut at a time: for a stretch, or for a frame that is made by itself."""
        if self.of_vectors:
            return round(self.features["model_window_s"] * self.features["sample_rate_hz"])
        hop, n_fft = self.features["hop_length"], self.features["n_fft"]
        return (self.n_frames - 1 + 2 * self.edge) * hop + n_fft % 2

    def made(self, y: np.ndarray, rate_hz: int) -> np.ndarray:
        """Return what one cut gives, float32: what the network takes of a stretch, (n_frames, bands), or a frame."""
        if self.of_vectors:
            return kinds.get(self.features["kind"]).vector(y, rate_hz, self.features)
        frames = extraction.extract(y, rate_hz, self.features)[self.edge : self.edge + self.n_frames]
        return stretches.given(frames, self.presence)

    def firsts(self, n_samples: int) -> list[int]:
        """Return the first frame of each stretch of a recording; the margin of the first lies before its start."""
        step = self.n_frames - 2 * self.margin
        n_stretches = -(-(1 + n_samples // self.features["hop_length"]) // step)
        return [number * step - self.margin for number in range(n_stretches)]

    def ranges(self, n_samples: int) -> list[windows.SampleRange]:
        """Return [first, stop) of the sound of each cut of a recording; stretches may reach beyond its ends."""
        if self.of_vectors:
            return self._windows(n_samples)[0]
        hop = self.features["hop_length"]
        firsts = [(first - self.edge) * hop for first in self.firsts(n_samples)]
        return [(first, first + self.length_samples()) for first in firsts]

    def laid_out(self, made: Iterable[np.ndarray], n_samples: int) -> Iterator[np.ndarray]:
        """Yield what the network takes of each stretch of a recording, of what :meth:`made` gives of its cuts."""
        if not self.of_vectors:
            yield from made
            return
        taken, firsts, _, window_of_frame = iter(made), self.firsts(n_samples), *self._windows(n_samples)
        held: list[np.ndarray] = []
        left = 0  # of the windows before, none is held
        for first in firsts:
            of_stretch = window_of_frame[first - firsts[0] :][: self.n_frames]
            del held[: of_stretch[0] - left]
            left = of_stretch[0]
            while left + len(held) <= of_stretch[-1]:
                held.append(next(taken))
            yield stretches.given(np.stack([held[window - left] for window in of_stretch]), self.presence)

    def _windows(self, n_samples: int) -> tuple[list[windows.SampleRange], np.ndarray]:
        """Return the windows of all frames of all stretches, and which one each frame has."""
        firsts = self.firsts(n_samples)
        frames = range(firsts[0], firsts[-1] + self.n_frames)
        rate_hz = self.features["sample_rate_hz"]
        return kinds.get(self.features["kind"]).windows(frames, n_samples, rate_hz, self.features)


def check(recipe: Recipe, params: dict) -> None:
    """Raise :class:`InputError` for stretches that nobody could want."""
    batch_size, key = params["batch_size"], f"presence.stretch_s: {recipe.presence['stretch_s']:g}"
    held = recipe.length_samples() * (batch_size + scoring.DECODED_AHEAD)
    if recipe.of_vectors:
        key += f" and features.model_window_s {recipe.features['model_window_s']:g}"
        held += recipe.n_frames * recipe.features["dimensions"] * batch_size
    if 4 * held > scoring.MOST_BYTES:
        raise InputError(
            f"{key}: with detections.batch_size {batch_size} "
            f"the stretches alone take {4 * held / 2**30:.1f} GiB; expected at most {scoring.MOST_BYTES / 2**30:g}"
        )


def try_out(model: Model, recipe: Recipe) -> np.ndarray:
    """Return the scores (frames, classes) of a stretch of silence."""
    rate_hz = recipe.features["sample_rate_hz"]
    silence = np.zeros(recipe.length_samples(), np.float32)
    given = next(recipe.laid_out([recipe.made(silence, rate_hz)], len(silence)))
    return np.asarray(model.predict_on_batch(given[None]))[0]


def score(
    path: str | os.PathLike,
    model: Model,
    recipe: Recipe,
    params: dict,
    threads: int,
    part: scoring.Part = lambda share: None,
) -> scoring.Scored:
    """Score the frames of one recording: frame j starts at ``(j * pool_frames - 1/2) * hop``.

    ``model`` gives logits, ``predict_on_batch``. ``params``: the block ``detections``, of which ``channel`` and
    ``batch_size`` are used. ``part``: hears what share of it is scored, again and again. Raises :class:`InputError` for
    a file that cannot be decoded whole.
    """
    from scipy.special import expit

    native_hz, n_native = decoding.measure(path)
    rate_hz, pool = recipe.features["sample_rate_hz"], recipe.presence["pool_frames"]
    n_samples = audio.resampled_length(n_native, native_hz, rate_hz)
    ranges = recipe.ranges(n_samples)
    if len(ranges) > scoring.MOST_WINDOWS:
        of = "windows" if recipe.of_vectors else "stretches"
        raise InputError(f"{path}: {len(ranges)} {of}; expected at most {scoring.MOST_WINDOWS}")
    # Sums come out otherwise in a batch of another size. Beside embeddings the network costs nothing: one at a time.
    size = 1 if recipe.of_vectors else params["batch_size"]
    first, stop = recipe.margin // pool, (recipe.n_frames - recipe.margin) // pool
    blocks = decoding.decoded(path, params["channel"], rate_hz)
    # What is returned is all that grows with the recording.
    n_scored = -(-(1 + n_samples // recipe.features["hop_length"]) // pool)
    scores, done = np.empty((n_scored, len(recipe.species_ids)), np.float32), 0
    with (
        closing(scoring.ahead(windows.cut(blocks, ranges, n_samples), scoring.DECODED_AHEAD)) as cuts,
        ThreadPoolExecutor(threads) as pool_of_threads,
    ):
        made = scoring.in_order(pool_of_threads, lambda y: recipe.made(y, rate_hz), cuts, params["batch_size"])
        for batch in scoring.batches(recipe.laid_out(made, n_samples), size):
            logits = np.asarray(model.predict_on_batch(np.stack(batch)), dtype=np.float32)
            kept = _kept(logits, first, stop, recipe, path)[: n_scored - done]
            scores[done : done + len(kept)] = expit(kept)
            done += len(kept)
            part(done / n_scored)
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
