"""A baseline that knows no species: energy within the band of each, which is what people have without a model.

The power of a recording in the band in which a species is annotated, over its median there, every 0.1 s. A ratio r is
kept as r / (1 + r), so that scores lie between 0 and 1 and the median at 0.5.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from dawnchorus.annotations.bands import Band
from dawnchorus.detection import score_store
from dawnchorus.detection.sounds import Sound
from dawnchorus.foundation import incremental
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.sound import decoding

STEP_S = 0.1
FFT_S = 0.03  # at most; its length is the next lower power of 2
SILENCE = 1e-20


class Powers(NamedTuple):
    """``power`` (steps, bands) of a recording, in steps of ``step_s`` seconds."""

    power: np.ndarray
    step_s: float
    duration_s: float
    rate_hz: int


def powers(path: str, channel: Literal["mix"] | int, bands: Sequence[Band | None]) -> Powers:
    """Return the power in each band of a recording; a class without a band has that of all the sound."""
    rate_hz, n_samples = decoding.measure(path)
    n_fft = max(16, 2 ** int(np.log2(FFT_S * rate_hz)))
    step = max(n_fft, round(STEP_S * rate_hz))
    frequency_hz = np.fft.rfftfreq(n_fft, 1 / rate_hz)
    inside = np.stack([_bins(band, frequency_hz) for band in bands], axis=1).astype(np.float64)
    window = np.hanning(n_fft)
    made = []
    for block in _blocks(decoding.decoded(path, channel, rate_hz), step):
        frames = np.lib.stride_tricks.sliding_window_view(block, n_fft, axis=1)[:, :: n_fft // 2]
        spectrum = np.abs(np.fft.rfft(frames * window, axis=2)) ** 2
        made.append(spectrum.mean(axis=1) @ inside)
    return Powers(np.concatenate(made), step / rate_hz, n_samples / rate_hz, rate_hz)


def _bins(band: Band | None, frequency_hz: np.ndarray) -> np.ndarray:
    if band is None:
        return np.ones(len(frequency_hz), dtype=bool)
    found = (frequency_hz >= band[0]) & (frequency_hz <= band[1])
    # A band narrower than a bin is the bin that it lies in.
    found[np.abs(frequency_hz - sum(band) / 2).argmin()] = True
    return found


def _blocks(sound: Iterator[np.ndarray], step: int) -> Iterator[np.ndarray]:
    """Yield the sound as steps, (steps, samples); the last one is filled with zeros."""
    held = np.empty(0, np.float32)
    for block in sound:
        held = np.concatenate([held, block])
        whole = len(held) // step * step
        if whole:
            yield held[:whole].reshape(-1, step)
            held = held[whole:]
    if len(held):
        yield np.pad(held, (0, step - len(held)))[None]


def scores(power: np.ndarray) -> np.ndarray:
    """Return the scores (steps, classes) float32 of powers: r / (1 + r) of the ratio r to the median of the class."""
    ratio = power / np.maximum(np.median(power, axis=0), SILENCE)
    return (ratio / (1 + ratio)).astype(np.float32)


class EnergyDetector:
    """Scores recordings by their energy in the bands of the classes; with :class:`Detector`'s ``update``."""

    def __init__(
        self,
        species_ids: Sequence[str],
        bands: Sequence[Band | None],
        channel: Literal["mix"] | int,
        say: Callable[[str], None],
    ):
        self._species_ids, self._bands, self._channel, self._say = species_ids, bands, channel, say
        self._same_for_all = [list(species_ids), bands, channel, SourceCode().version_of("detection.energy")]

    def update(
        self, path: Path, sounds: Sequence[Sound], step: Callable[[Sound], None] = lambda sound: None
    ) -> incremental.Done:
        """Make the file of scores hold these recordings; what holds of its old self is kept."""
        made = incremental.updating(
            path,
            [(sound.name, sound) for sound in sounds],
            self._signature,
            partial(score_store.Store, species_ids=self._species_ids),
            partial(score_store.write_store, species_ids=self._species_ids),
            self._add,
            self._say,
            step,
        )
        return incremental.ended(made)

    def _signature(self, sound: Sound) -> str:
        depends_on = [sound.path, sound.content(), *self._same_for_all]
        return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()

    def _add(self, sound: Sound, signature: str, writer: score_store.Writer) -> None:
        found = powers(sound.path, self._channel, self._bands)
        writer.add(
            score_store.Entry(
                *(sound.path, sound.name, sound.recording_id, signature),
                duration_s=found.duration_s,
                sample_rate_hz=found.rate_hz,
                window_s=found.step_s,
                starts_s=np.arange(len(found.power)) * found.step_s,
                scores=scores(found.power),
            )
        )
