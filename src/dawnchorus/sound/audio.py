"""Sound files: what is in one, whether all of it can be decoded, and a stretch of it at a given rate."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound import opening
from dawnchorus.sound.spans import Span

if TYPE_CHECKING:
    import numpy as np
    import soundfile


MARGIN_SAMPLES = 1_024  # of the slower rate; the resampler's filter reaches less than 100 to either side
EXACT_PHASES = 1_000  # from a little above on, soxr approximates the ratio and its error grows with time
SEEKABLE_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")  # all others are decoded from the start


def inspect(path: str | os.PathLike) -> tuple[dict, str | None]:
    """Decode a whole file, block by block, and return what it holds, or what is wrong with it.

    Returns ``(info, problem)``. ``info`` has ``duration_s``, ``sample_rate_hz``, ``channels`` and ``n_samples`` (a
    channel, as decoded), or is empty where there is a problem, one line: missing, unreadable, empty, truncated,
    damaged, non-finite, out of scale or silent. Raises nothing, whatever the file. Threads can call it in parallel:
    libsndfile decodes without the interpreter's lock.
    """
    try:
        with opening.opened(path) as sound:
            n_samples = sum(len(block) for block in sound.blocks())
            info = {
                "duration_s": n_samples / sound.sample_rate_hz,
                "sample_rate_hz": sound.sample_rate_hz,
                "channels": sound.channels,
                "n_samples": n_samples,
            }
            return info, None
    except opening.Refusal as refusal:
        return {}, str(refusal)
    except Exception as error:  # the audit lists it and goes on
        return {}, f"unreadable: {opening.reason_of(error)}"


def resampled_length(n_samples: int, native_hz: int, rate_hz: int) -> int:
    """Return the length that ``librosa.load`` gives a sound at another rate."""
    return math.ceil(n_samples * (float(rate_hz) / native_hz))


def read_cut(path: str | os.PathLike, span_s: Span, sample_rate_hz: int | None) -> np.ndarray:
    """Return one span of seconds of a file, mono float32 of shape (samples,); see :func:`read_cuts`."""
    return next(read_cuts(path, [span_s], sample_rate_hz))[1]


def read_cuts(
    path: str | os.PathLike, spans_s: Sequence[Span], sample_rate_hz: int | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(index of the span, samples)`` for each span of seconds, in order of their start.

    The samples (mono float32, the mean of the channels) are, but for float rounding, those of
    ``librosa.load(path, sr=sample_rate_hz)[0][round(t_min_s * rate):round(t_max_s * rate)]``; with None the
    rate is the file's own. Only what is needed is decoded where a format can be sought to the sample (PCM and
    the like, FLAC); other files (Vorbis, Opus, MP3, ...) are decoded once, from the start to the last span.

    A resampler by p/q meets its input in the same phase every q samples, so a segment that starts at a
    multiple of q gives what the whole gives there. Where soxr only approximates the ratio (above EXACT_PHASES
    phases), the segment starts with the file. Raises :class:`InputError` for a file that cannot be decoded.
    """
    import numpy as np
    import soundfile

    try:
        with opening.for_cuts(path) as file:
            native_hz, target_hz = file.samplerate, sample_rate_hz or file.samplerate
            segments = [_segment(span_s, native_hz, target_hz, file.frames) for span_s in spans_s]
            order = sorted(range(len(segments)), key=lambda index: segments[index])
            read = _seek_and_read if file.subtype.startswith(SEEKABLE_SUBTYPES) else _read_forward
            decoded = read(file, [segments[index] for index in order])
            for index, (samples, n_samples) in zip(order, decoded, strict=True):
                # The whole has exactly this length, with zeros where the resampler gave less.
                length = resampled_length(n_samples, native_hz, target_hz)
                start, stop = (min(max(0, round(t_s * target_hz)), length) for t_s in spans_s[index])
                offset = segments[index][0] * target_hz // native_hz
                resampled = _resample(samples, native_hz, target_hz)
                cut = resampled[max(0, start - offset) : max(0, stop - offset)]
                missing = stop - start - len(cut)
                yield index, np.pad(cut, (0, missing)) if missing > 0 else cut
    except (soundfile.LibsndfileError, OSError, opening.Refusal) as error:
        raise InputError(f"{path}: the sound cannot be read: {opening.reason_of(error)}") from error


def _segment(span_s: Span, native_hz: int, target_hz: int, n_samples: int) -> tuple[int, int]:
    """Return the samples [first, stop) that determine a span; ``first`` keeps the resampler's phase."""
    start, stop = (max(0, round(t_s * target_hz)) for t_s in span_s)
    divisor = math.gcd(native_hz, target_hz)
    period = native_hz // divisor
    margin = 0 if native_hz == target_hz else math.ceil(MARGIN_SAMPLES * max(1.0, native_hz / target_hz))
    first = min(max(0, start * native_hz // target_hz - margin), n_samples) // period * period
    if target_hz // divisor > EXACT_PHASES:
        first = 0
    return first, max(first, min(n_samples, -(-stop * native_hz // target_hz) + margin))


def _seek_and_read(file: soundfile.SoundFile, segments: Sequence[tuple[int, int]]) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the mono samples of each segment, and the length of the file, by seeking."""
    for first, stop in segments:
        file.seek(first)
        samples = file.read(stop - first, dtype="float32", always_2d=True)
        if len(samples) < stop - first:
            found = f"{first + len(samples)} of {file.frames} samples"
            raise InputError(f"{file.name}: the sound cannot be read: it ends after {found}")
        yield _mono(samples), file.frames


def _read_forward(file: soundfile.SoundFile, segments: Sequence[tuple[int, int]]) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the same in one pass from the start, for segments sorted by their start.

    Only the blocks that the next segment may need are kept. The length is where decoding ended, if it did:
    that of an MP3 may be an estimate until then.
    """
    import numpy as np

    kept: deque[tuple[int, np.ndarray]] = deque()  # (position of its first sample, samples)
    position, ended = 0, False
    for first, stop in segments:
        while kept and kept[0][0] + len(kept[0][1]) <= first:
            kept.popleft()
        while position < stop and not ended:
            # The last block is long: soundfile seeks after each read, and libsndfile decodes Opus wrongly
            # after a seek that ends within some 200 samples of the end.
            left = file.frames - position
            n_samples = left if left < 2 * opening.BLOCK_SAMPLES else opening.BLOCK_SAMPLES
            block = file.read(n_samples, dtype="float32", always_2d=True)
            ended = not len(block)
            if position + len(block) > first:
                kept.append((position, _mono(block)))
            position += len(block)
        start = kept[0][0] if kept else position
        samples = np.concatenate([block for _, block in kept] or [np.empty(0, np.float32)])
        yield samples[max(0, first - start) : max(0, stop - start)], position if ended else file.frames


def _mono(samples: np.ndarray) -> np.ndarray:
    """Return the mean of the channels: (samples, channels) to (samples,)."""
    return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)


def _resample(samples: np.ndarray, native_hz: int, target_hz: int) -> np.ndarray:
    """Resample with librosa.load's default method, without librosa's seconds of import."""
    if native_hz == target_hz or not len(samples):
        return samples
    import soxr

    return soxr.resample(samples, native_hz, target_hz, quality="soxr_hq")
