"""A sound file of any length and format as a stream of mono blocks at a wanted rate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound import opening

if TYPE_CHECKING:
    import numpy as np


class RecordingError(InputError):
    """A recording that cannot be used; the message names the file. Others may be fine."""


@contextmanager
def _refused(path: str | os.PathLike) -> Iterator[None]:
    """Say whose refusal it is."""
    try:
        yield
    except opening.Refusal as refusal:
        raise RecordingError(f"{path}: {refusal}") from None


def measure(path: str | os.PathLike) -> tuple[int, int]:
    """Return a file's sample rate and how many samples a channel has.

    The header says it, but of an MP3, whose header may only estimate: it is decoded once to count them.
    """
    with _refused(path), opening.opened(path) as sound:
        n_samples = sound.n_samples
        return sound.sample_rate_hz, n_samples or sum(len(block) for block in sound.blocks())


def decoded(path: str | os.PathLike, channel: Literal["mix"] | int, rate_hz: int) -> Iterator[np.ndarray]:
    """Yield the sound of a file block by block, mono float32 at ``rate_hz``.

    ``channel``: ``mix`` for the mean of all channels, or the number of one, from 0. Together the blocks are,
    but for float rounding, ``librosa.load(path, sr=rate_hz, mono=True)``. Raises :class:`RecordingError` for what the
    audit refuses, in its words, at the latest when all blocks have been taken.
    """
    with _refused(path), opening.opened(path) as sound:
        if channel != "mix" and not 0 <= channel < sound.channels:
            expected = f"mix or a channel of the file, 0 to {sound.channels - 1}"
            raise RecordingError(f"{path}: detections.channel: {channel}: expected {expected}")
        resample = _resampler(sound.sample_rate_hz, rate_hz)
        for block in sound.blocks():
            yield resample(block.mean(axis=1) if channel == "mix" else block[:, channel].copy(), False)
        yield resample(block[:0, 0], True)


def _resampler(native_hz: int, rate_hz: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    if native_hz == rate_hz:
        return lambda block, last: block
    import soxr

    stream = soxr.ResampleStream(native_hz, rate_hz, 1, dtype="float32", quality="soxr_hq")
    return lambda block, last: stream.resample_chunk(block, last=last)
