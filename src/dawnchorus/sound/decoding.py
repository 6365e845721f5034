"""A sound file of any length and format as a stream of mono blocks at a wanted rate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound import audio

if TYPE_CHECKING:
    import numpy as np
    import soundfile


class RecordingError(InputError):
    """A recording that cannot be used; the message names the file. Others may be fine."""


def measure(path: str | os.PathLike) -> tuple[int, int]:
    """Return a file's sample rate and how many samples a channel has.

    The header says it, but of an MP3, whose header may only estimate: it is decoded once to count them.
    """
    with _opened(path) as file:
        n_samples = file.frames
        if file.format == "MP3":
            n_samples = 0
            while n_read := len(_read(file, path, audio.BLOCK_SAMPLES)):
                n_samples += n_read
        if n_samples == 0:
            raise RecordingError(f"{path}: empty: the file has no samples")
        if n_samples >= audio.UNKNOWN_SAMPLES:
            raise RecordingError(f"{path}: unreadable: the header does not say how many samples there are")
        return file.samplerate, n_samples


def decoded(path: str | os.PathLike, channel: Literal["mix"] | int, rate_hz: int) -> Iterator[np.ndarray]:
    """Yield the sound of a file block by block, mono float32 at ``rate_hz``.

    ``channel``: ``mix`` for the mean of all channels, or the number of one, from 0. Together the blocks are,
    but for float rounding, ``librosa.load(path, sr=rate_hz, mono=True)``. Raises :class:`RecordingError` when
    the file ends before it should, or holds NaN or infinite samples.
    """
    import numpy as np

    with _opened(path) as file:
        if channel != "mix" and not 0 <= channel < file.channels:
            expected = f"mix or a channel of the file, 0 to {file.channels - 1}"
            raise RecordingError(f"{path}: detections.channel: {channel}: expected {expected}")
        position, resample = 0, _resampler(file.samplerate, rate_hz)
        while True:
            # soundfile seeks after each read, and libsndfile decodes Opus wrongly after a seek that ends close
            # to the end: so the last block is long. An MP3 is read until nothing comes.
            left = file.frames - position
            last = left < 2 * audio.BLOCK_SAMPLES and file.format != "MP3"
            block = _read(file, path, left if last else audio.BLOCK_SAMPLES)
            position += len(block)
            if last and len(block) < left:
                raise RecordingError(
                    f"{path}: truncated or damaged: {position} of {file.frames} samples can be decoded"
                )
            mono = block.mean(axis=1) if channel == "mix" else block[:, channel]
            if not np.isfinite(mono).all():
                raise RecordingError(f"{path}: NaN or infinite samples; expected finite ones")
            last = last or not len(block)
            yield resample(np.ascontiguousarray(mono), last)
            if last:
                return


def _resampler(native_hz: int, rate_hz: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    if native_hz == rate_hz:
        return lambda block, last: block
    import soxr

    stream = soxr.ResampleStream(native_hz, rate_hz, 1, dtype="float32", quality="soxr_hq")
    return lambda block, last: stream.resample_chunk(block, last=last)


def _opened(path: str | os.PathLike) -> soundfile.SoundFile:
    import soundfile

    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        reason = "no such file" if not os.path.exists(path) else f"no sound that can be read ({audio.reason_of(error)})"
        raise RecordingError(f"{path}: {reason}") from None


def _read(file: soundfile.SoundFile, path: str | os.PathLike, n_samples: int) -> np.ndarray:
    import soundfile

    try:
        return file.read(n_samples, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise RecordingError(f"{path}: truncated or damaged: {audio.reason_of(error)}") from None
