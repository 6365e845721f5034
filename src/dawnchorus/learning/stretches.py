"""Stretches of whole recordings, drawn for the training of a presence network: laid over each other, and varied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dawnchorus.features import vectors
from dawnchorus.learning import augmentation
from dawnchorus.learning.presence_targets import UNKNOWN

# Levels above the background are given to the network in units of so many decibels.
UNIT_DB = np.float32(10.0)
# What a band can lie above or below its background, in these units: digital silence, clicks.
HIGHEST = np.float32(8.0)


@dataclass(frozen=True)
class Sounding:
    """A recording to draw from: ``frames`` (n_frames, bands), dB, and ``targets`` (n_frames / pool_frames, classes).

    Frames of embeddings are (n_frames, dimensions), and what is said of bands here is true of these.

    ``closed`` (n_frames / pool_frames,), bool: where other partitions are annotated; None where none is.
    """

    frames: np.ndarray
    targets: np.ndarray
    closed: np.ndarray | None = None


def hop_s(features: Mapping[str, Any]) -> float:
    """Return the time from one frame of features to the next (s)."""
    return features["hop_length"] / features["sample_rate_hz"]


def n_frames_of(params: Mapping[str, Any], features: Mapping[str, Any]) -> tuple[int, int]:
    """Return the frames of features in a stretch, and of the margin at each of its ends; whole frames of presence."""
    pool, frame_s = params["pool_frames"], params["pool_frames"] * hop_s(features)
    margin = round(params["margin_s"] / frame_s)
    # A stretch is longer than its margins.
    return pool * max(round(params["stretch_s"] / frame_s), 2 * margin + 1), pool * margin


def above_background(frames: np.ndarray, quantile: float) -> np.ndarray:
    """Return how far each value of a stretch, (..., frames, bands) in dB, lies above the quantile of its band.

    In units of :data:`UNIT_DB`, at most :data:`HIGHEST` to either side; float32. The quantile is taken over the frames
    of the stretch, the lower of two.
    """
    n_frames = frames.shape[-2]
    place = int(quantile * (n_frames - 1))
    floor = np.partition(frames, place, axis=-2)[..., place : place + 1, :]
    return np.clip((frames - floor) / UNIT_DB, -HIGHEST, HIGHEST).astype(np.float32)


def given(frames: np.ndarray, params: Mapping[str, Any]) -> np.ndarray:
    """Return what a network is given of stretches (..., frames, bands): float32, of the same shape.

    ``params``: the block ``presence``. A crnn is given levels :func:`above_background`; a gru the roots of embeddings,
    whose squares have the mean 1.
    """
    if params["network"] == "gru":
        return (vectors.roots(frames) * np.sqrt(frames.shape[-1])).astype(np.float32)
    return above_background(frames, params["background_quantile"])


def around_known(of: Sounding, n_around: int, pool_frames: int) -> list[Sounding]:
    """Return the parts of a recording in which something is known, with half of ``n_around`` targets on both sides.

    So a stretch that is drawn of a long recording of which little is known holds some of that.
    """
    known = np.flatnonzero((of.targets != UNKNOWN).any(axis=1))
    near = np.zeros(len(of.targets) + 1, bool)
    for position in known:
        near[max(0, position - n_around // 2) : min(len(of.targets), position + n_around // 2 + 1)] = True
    steps = np.diff(np.concatenate([[False], near]).astype(int))
    starts, stops = (np.flatnonzero(steps == step).tolist() for step in (1, -1))
    return [between(of, start, stop, pool_frames) for start, stop in zip(starts, stops, strict=True)]


def between(of: Sounding, start: int, stop: int, pool_frames: int) -> Sounding:
    """Return a copy of what lies between two targets of a recording."""
    return Sounding(
        np.array(of.frames[start * pool_frames : stop * pool_frames]),
        of.targets[start:stop],
        None if of.closed is None else of.closed[start:stop],
    )


def cut(of: Sounding, first: int, n_frames: int, pool_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a copy of ``n_frames`` frames from frame ``first`` (multiples of ``pool_frames``), and their targets.

    Beyond the end of a short recording the sound is mirrored, and its presence with it.
    """
    stop, n_targets = first + n_frames, n_frames // pool_frames
    frames = np.array(of.frames[first:stop], np.float32)
    found = np.array(of.targets[first // pool_frames : first // pool_frames + n_targets])
    if len(found) < n_targets:
        frames = np.pad(
            frames[: len(found) * pool_frames], ((0, n_frames - len(found) * pool_frames), (0, 0)), "symmetric"
        )
        found = np.pad(found, ((0, n_targets - len(found)), (0, 0)), "symmetric")
    return frames, found


def union(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return what is present where two sounds lie over each other: what is in either; else unknown if one is."""
    highest = np.maximum(one, other)
    unknown = (one == UNKNOWN) | (other == UNKNOWN)
    # Sound that is known to hold a species holds it, whatever the other is; absence takes both to say so.
    return np.where(unknown & (highest < 0.5), np.float32(UNKNOWN), highest)


class Stretches:
    """Draws batches of stretches; a batch depends on the seed, the epoch and its number alone.

    Args:
        recordings: to draw from, each in proportion to its length.
        params: the block ``presence``; ``n_frames``, ``pool_frames`` of a stretch.
    """

    def __init__(self, recordings: Sequence[Sounding], n_frames: int, params: dict, seed: int):
        self.recordings, self.n_frames, self.params, self.seed = recordings, n_frames, params, seed
        lengths = np.array([len(of.targets) for of in recordings], float)
        self._share = lengths / lengths.sum()

    def stretch(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a recording and a stretch of it: frames in dB, and targets."""
        of = self.recordings[rng.choice(len(self.recordings), p=self._share)]
        pool = self.params["pool_frames"]
        last = max(0, len(of.targets) - self.n_frames // pool)
        return cut(of, pool * int(rng.integers(0, last + 1)), self.n_frames, pool)

    def batch(self, epoch: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return stretches as the network is given them, (batch, frames, bands), and their targets."""
        rng = np.random.default_rng([self.seed, epoch, number])
        params, made = self.params, []
        for _ in range(params["batch_size"]):
            frames, targets = self.stretch(rng)
            if rng.random() < params["overlay_share"]:
                other, others = self.stretch(rng)
                gain_db = rng.uniform(-params["overlay_gain_db"], params["overlay_gain_db"])
                frames, targets = augmentation.over_background(frames, other, gain_db), union(targets, others)
            made.append((frames, targets))
        batch = np.stack([frames for frames, _ in made])
        targets = np.stack([targets for _, targets in made])
        if params["band_shift"]:
            augmentation.shift_bands(batch, rng, params["band_shift"])
        batch = given(batch, params)
        if params["equalizer_db"]:
            whole = np.full(len(batch), self.n_frames)
            gain = params["equalizer_db"] / float(UNIT_DB)
            augmentation.equalize(batch, whole, rng, gain, params["equalizer_points"])
        augmentation.mask_bands(batch, rng, params["frequency_masks"], params["frequency_mask_width"])
        return batch, targets
