"""Sound files: what is in one, whether all of it can be decoded, and a stretch of it at a given rate."""

from __future__ import annotations

import math
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound.spans import Span

if TYPE_CHECKING:
    import numpy as np
    import soundfile


BLOCK_SAMPLES = 65_536  # decoded at a time, which bounds the memory
MARGIN_SAMPLES = 1_024  # of the slower rate; the resampler's filter reaches less than 100 to either side
EXACT_PHASES = 1_000  # from a little above on, soxr approximates the ratio and its error grows with time
SEEKABLE_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")  # all others are decoded from the start
UNKNOWN_BYTES = 0x7FFF_0000  # recorders that stream write sizes from here upwards: "not known yet"
UNKNOWN_SAMPLES = 2**40
MP3_FRAME_SAMPLES = 1_152  # without a Xing header an MP3's length is an estimate, good to a frame or so
MP3_TAG_BYTES = 16_384  # of text that may follow the sound
OGG_PAGE_BYTES = 65_307  # the longest page


def inspect(path: str | os.PathLike) -> tuple[dict, str | None]:
    """Decode a whole file, block by block, and return what it holds and what is wrong with it.

    Returns ``(info, problem)``. ``info`` has ``duration_s``, ``sample_rate_hz``, ``channels`` and
    ``n_samples`` (a channel, as decoded), or is empty when the file cannot be opened. ``problem`` is None or
    one line that says what was found: missing, unreadable, empty, truncated, non-finite or silent. Raises
    nothing, whatever the file. Threads can call it in parallel: libsndfile decodes without the
    interpreter's lock.
    """
    try:
        if not os.path.exists(path):
            return {}, "missing: no such file"
        if not os.path.isfile(path):
            return {}, "unreadable: not a regular file"
        if os.path.getsize(path) == 0:
            return {}, "empty: the file has 0 bytes"
        return _inspect(path)
    except Exception as error:  # damage can fail anywhere below; the audit lists it and goes on
        return {}, f"unreadable: {reason_of(error)}"


def _inspect(path: str | os.PathLike) -> tuple[dict, str | None]:
    import numpy as np
    import soundfile

    n_samples, first_bad, silent, failure = 0, None, True, None
    with open(path, "rb") as raw, _opened(raw, path) as file:
        rate_hz, declared, channels = file.samplerate, file.frames, file.channels
        may_be_bad = file.subtype in ("FLOAT", "DOUBLE")
        block = np.empty((max(1, BLOCK_SAMPLES // channels), channels), np.float32)
        while declared < UNKNOWN_SAMPLES:
            try:
                part = file.read(out=block)
            except soundfile.LibsndfileError as error:
                failure = reason_of(error)
                break
            if not len(part):
                break
            if may_be_bad and first_bad is None and not np.isfinite(part).all():
                first_bad = n_samples + int(np.argmin(np.isfinite(part).all(axis=1)))
            silent = silent and not part.any()
            n_samples += len(part)
        missing_bytes = _missing_bytes(file)
        kind, by_suffix = file.format, file.name == path
        n_bytes, position = os.path.getsize(path), os.lseek(raw.fileno(), 0, os.SEEK_CUR)
    tolerance = 2 * MP3_FRAME_SAMPLES if kind == "MP3" else 0
    unread = n_bytes - position if kind == "MP3" and not by_suffix else 0
    info = {
        "duration_s": n_samples / rate_hz,
        "sample_rate_hz": rate_hz,
        "channels": channels,
        "n_samples": n_samples,
    }
    problem = None
    if kind == "RAW":
        problem = "unreadable: no header that says what sound it is"
    elif declared >= UNKNOWN_SAMPLES:
        problem = "unreadable: the header does not say how many samples there are"
    elif failure:
        problem = f"truncated or damaged: decoding fails after {n_samples} of {declared} samples ({failure})"
    elif missing_bytes:
        problem = f"truncated: {missing_bytes} bytes of the sound that the header announces are missing"
    elif n_samples + tolerance < declared:
        problem = f"truncated or damaged: {n_samples} of {declared} samples can be decoded"
    elif unread > n_bytes / 20 + MP3_TAG_BYTES:
        problem = f"unreadable: an MP3 without its length; {unread} of {n_bytes} bytes would be left out"
    elif kind == "OGG" and not _ogg_ends(path):
        problem = "truncated: the last Ogg page is cut or not marked as the end of the stream"
    elif n_samples == 0:
        problem = "empty: the file has no samples"
    elif first_bad is not None:
        problem = f"non-finite: NaN or infinite samples from {first_bad / rate_hz:.3f} s on"
    elif silent:
        problem = "silent: every sample is zero"
    return info, problem


def _opened(raw: IO[bytes], path: str | os.PathLike) -> soundfile.SoundFile:
    """Open a file by its descriptor, whose position tells what was read, else by its path and suffix."""
    import soundfile

    try:
        return soundfile.SoundFile(raw.fileno(), closefd=False)
    except soundfile.LibsndfileError:
        return soundfile.SoundFile(path)


def reason_of(error: Exception) -> str:
    """Return in one line why a file cannot be decoded."""
    text = getattr(error, "error_string", None) or str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__


def _missing_bytes(file: soundfile.SoundFile) -> int:
    """Return how many bytes of sound the header announces beyond the file's end: libsndfile only logs it."""
    pattern = r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)"
    found = re.search(pattern, file.extra_info, re.MULTILINE)
    if not found:
        return 0
    declared, actual = int(found[1]), int(found[2])
    # A chunk of odd length may lack its padding byte: no sound is lost.
    return declared - actual if actual + 1 < declared < UNKNOWN_BYTES else 0


def _ogg_ends(path: str | os.PathLike) -> bool:
    """Say whether the last page is whole and has the end-of-stream flag (RFC 3533, section 6)."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 2 * OGG_PAGE_BYTES))
        tail = file.read()
    start = tail.rfind(b"OggS")
    page = tail[start:]
    if start < 0 or len(page) < 27:
        return False
    segments = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(segments)


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
        with soundfile.SoundFile(path) as file:
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
    except (soundfile.LibsndfileError, OSError) as error:
        raise InputError(f"{path}: the sound cannot be read: {reason_of(error)}") from error


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
            n_samples = left if left < 2 * BLOCK_SAMPLES else BLOCK_SAMPLES
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
