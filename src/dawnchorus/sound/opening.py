"""The one door to sound files: opened, checked and decoded here, for the audit and for detection alike.

A file is refused for what contradicts itself: less sound than its header announces, a page or frame that does not fit
its checksum, a gap in the numbers of pages, samples that are no numbers or out of all scale, nothing but zeros. What a
format does not say of itself nobody can check: a changed byte among the samples of PCM (WAV, AIFF, AU, CAF, W64) is
another sample, one in their header can be another rate, and an MP3 has a checksum only if its encoder left one (see
:mod:`dawnchorus.sound.mp3`). FLAC and Ogg check every frame and page.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from dawnchorus.foundation.files import open_regular
from dawnchorus.sound import flac, mp3, ogg

if TYPE_CHECKING:
    import numpy as np
    import soundfile
    from _typeshed import WriteableBuffer

BLOCK_SAMPLES = 65_536  # of all channels, decoded at a time, which bounds the memory
READ_AHEAD_BYTES = 1 << 20  # more than any decoder
UNKNOWN_BYTES = 0x7FFF_0000  # recorders that stream write sizes from here upwards: "not known yet"
UNKNOWN_SAMPLES = 2**40
# Full scale is 1. Recorders with 32-bit floats go beyond it, by less than 60 dB. What is above that is damage, or whole
# numbers stored as floats (up to 32,768 and more), 90 dB above all other recordings; 1e20 makes features infinite.
LOUDEST = 1_000.0
RATES_HZ = (50, 10_000_000)  # from whales at the sea floor to far above bats; else the header is no header of sound
MP3_FRAME_SAMPLES = 1_152  # without a Xing header an MP3's length is an estimate, good to a frame or so
MP3_MARGIN_FRAMES = 4  # an encoder's delay and its padding, which are no sound
_SIZED_IN_64_BITS = ("RF64", "W64", "CAF")
# What libsndfile reads besides does not say how much sound there should be, or nobody records in it.
FORMATS = ("AIFF", "AU", "CAF", "FLAC", "MP3", "OGG", "RF64", "VOC", "W64", "WAV", "WAVEX")
# Bytes of a sample where all are as long, and, of the formats in which a cut may be shorter than what follows the sound
# or precedes it, those of a chunk of sound that are none.
_SAMPLE_BYTES = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4}
_SAMPLE_BYTES |= {"FLOAT": 4, "DOUBLE": 8}
_CHUNK_BYTES = {"AIFF": 8, "CAF": 4, "RF64": 0}


_WATCHERS: list[Callable[[str, int], str | None]] = []


class Refusal(Exception):
    """A sound file that cannot be used: one line that says why, without its name."""


class OpenSound:
    """A sound file while it is open, from :func:`opened`: what its header says, and its sound block by block."""

    def __init__(self, raw: BinaryIO, file: soundfile.SoundFile, mp3_frames: mp3.Frames | None):
        self._raw, self._file, self._mp3_frames = raw, file, mp3_frames
        self.sample_rate_hz: int = file.samplerate
        self.channels: int = file.channels

    @property
    def n_samples(self) -> int | None:
        """How many samples a channel has; None of an MP3, whose header may only estimate it."""
        return None if self._file.format == "MP3" else self._file.frames

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield all of the sound, float32 of shape (samples, channels).

        What is wrong with it raises :class:`Refusal`, sooner or later: only who takes all blocks knows that nothing is.
        """
        import numpy as np

        file, block_samples = self._file, max(1, BLOCK_SAMPLES // self.channels)
        is_mp3, declared, n_samples, silent = file.format == "MP3", file.frames, 0, True
        while True:
            # The last block is long: soundfile seeks after each read, and libsndfile decodes Opus wrongly after a seek
            # that ends within some 200 samples of the end. An MP3 is read until nothing comes.
            left = declared - n_samples
            last = left < 2 * block_samples and not is_mp3
            try:
                block = file.read(left if last else block_samples, dtype="float32", always_2d=True)
            except Exception as error:  # damage can fail anywhere below
                found = f"decoding fails after {n_samples} of {declared} samples ({reason_of(error)})"
                raise Refusal(f"truncated or damaged: {found}") from None
            if not len(block):
                break
            low, high = block.min(), block.max()
            if not (low >= -LOUDEST and high <= LOUDEST):  # so written that NaN is refused
                raise Refusal(_out_of_scale(block, n_samples, self.sample_rate_hz))
            silent = silent and not (low or high)
            n_samples += len(block)
            yield np.ascontiguousarray(block)
            if last:
                break
        tolerance = 2 * MP3_FRAME_SAMPLES if is_mp3 else 0
        if n_samples + tolerance < declared:
            raise Refusal(f"truncated or damaged: {n_samples} of {declared} samples can be decoded")
        if is_mp3:
            self._check_mp3_was_heard(n_samples)
        if file.format == "FLAC":
            self._check_nothing_else_follows()
        if n_samples == 0:
            size = os.fstat(self._raw.fileno()).st_size
            raise Refusal(f"empty: by its header it has no samples; it has {size} bytes")
        if silent:
            raise Refusal("silent: every sample is zero")

    def _check_nothing_else_follows(self) -> None:
        """Refuse files that were joined: the decoder stops where the first of them ends, but for what it read ahead."""
        heard_to = os.lseek(self._raw.fileno(), 0, os.SEEK_CUR)
        with _beside(self._raw) as file:
            place = flac.another(file, max(4, heard_to - READ_AHEAD_BYTES))
        if place is not None:
            raise Refusal(f"damaged: another FLAC file begins at its byte {place}, and would not be heard")

    def _check_mp3_was_heard(self, n_samples: int) -> None:
        there = self._mp3_frames.n_samples if self._mp3_frames else 0
        if n_samples + MP3_MARGIN_FRAMES * MP3_FRAME_SAMPLES < there:
            raise Refusal(f"unreadable: an MP3 without its length; {n_samples} of {there} samples would be heard")


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[OpenSound]:
    """Open a sound file, having checked what can be known of it without decoding.

    Raises :class:`Refusal` for what is no file, no sound, cut or damaged. A pipe or a device is not waited for, and no
    memory is taken for what a header promises.
    """
    with _raw(path) as raw:
        # Before the decoders: mpg123 writes what it thinks of a cut file to the error stream.
        known = _kind(raw)
        frames = _checked(raw, known)
        with _sound_file(raw, path) as file:
            if file.format != known:
                frames = _checked(raw, file.format)
            if problem := _missing(file, os.fstat(raw.fileno()).st_size):
                raise Refusal(problem)
            yield OpenSound(raw, file, frames)


@contextmanager
def for_cuts(path: str | os.PathLike) -> Iterator[soundfile.SoundFile]:
    """Open a sound file for reading pieces of it; what can be heard is not checked, but by who hears all of it."""
    with _raw(path) as raw, _sound_file(raw, path) as file:
        yield file


@contextmanager
def _raw(path: str | os.PathLike) -> Iterator[BinaryIO]:
    try:
        raw = open_regular(path)
    except OSError as error:
        raise Refusal(_why_not_opened(path, error)) from None
    with raw:
        for why_not in tuple(_WATCHERS):
            if reason := why_not(os.fspath(path), raw.fileno()):
                raise Refusal(reason)
        if os.fstat(raw.fileno()).st_size == 0:
            raise Refusal("empty: the file has 0 bytes")
        yield raw


@contextmanager
def watched(why_not: Callable[[str, int], str | None]) -> Iterator[None]:
    """Ask of each file that is opened, by its path and its descriptor, why it must not be; None: it may."""
    _WATCHERS.append(why_not)
    try:
        yield
    finally:
        _WATCHERS.remove(why_not)


def _why_not_opened(path: str | os.PathLike, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        is_link = os.path.islink(path)
        return "missing: a link to a file that is not there" if is_link else "missing: no such file"
    if "\0" not in os.fspath(path) and os.path.isdir(path):
        listable = os.access(path, os.R_OK | os.X_OK)
        return "unreadable: a folder, not a file" if listable else "unreadable: a folder that may not be opened"
    return f"unreadable: {reason_of(error)}"


@contextmanager
def _sound_file(raw: BinaryIO, path: str | os.PathLike) -> Iterator[soundfile.SoundFile]:
    """Open a file by its descriptor, else by its path: of some formats only the suffix tells."""
    import soundfile

    try:
        file = soundfile.SoundFile(raw.fileno(), closefd=False)
    except Exception as error:  # damage can fail anywhere below
        try:
            file = soundfile.SoundFile(path)
        except Exception:
            raise Refusal(f"unreadable: {reason_of(error)}") from None
    with file:
        if file.format == "RAW":
            raise Refusal("unreadable: no header that says what sound it is")
        if file.format not in FORMATS:
            raise Refusal(f"unreadable: sound of the format {file.format}; expected one of {', '.join(FORMATS)}")
        if not RATES_HZ[0] <= file.samplerate <= RATES_HZ[1]:
            expected = f"expected {RATES_HZ[0]:,} to {RATES_HZ[1]:,}"
            raise Refusal(f"unreadable: a sample rate of {file.samplerate:,} Hz; {expected}")
        if file.frames >= UNKNOWN_SAMPLES:
            raise Refusal("unreadable: the header does not say how many samples there are")
        yield file


def _kind(raw: BinaryIO) -> str | None:
    """Return the format of a file whose pieces can be checked by themselves, as libsndfile calls it."""
    with _beside(raw) as file:
        start = file.read(4)
        return {b"OggS": "OGG", b"fLaC": "FLAC"}.get(start, "MP3" if mp3.begins(file) else None)


def _checked(raw: BinaryIO, kind: str | None) -> mp3.Frames | None:
    """Check the pieces of a file of some kind, and return what was found of MP3 frames."""
    problem, frames = None, None
    with _beside(raw) as file:
        if kind == "OGG":
            problem = ogg.problem(file)
        elif kind == "FLAC":
            problem = flac.problem(file)
        elif kind == "MP3" and (frames := mp3.walk(file)):
            problem = frames.problem
    if problem:
        raise Refusal(problem)
    return frames


@contextmanager
def _beside(raw: BinaryIO) -> Iterator[BinaryIO]:
    """Read an open file from its start, and leave its descriptor, which libsndfile reads from, where it is."""
    try:
        yield io.BufferedReader(_Beside(raw.fileno()), 1 << 16)
    except OSError as error:
        raise Refusal(f"unreadable: {reason_of(error)}") from None


class _Beside(io.RawIOBase):
    def __init__(self, descriptor: int):
        self._descriptor, self._position = descriptor, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        n_bytes = os.preadv(self._descriptor, [buffer], self._position)
        self._position += n_bytes
        return n_bytes

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: os.fstat(self._descriptor).st_size}
        self._position = starts[whence] + offset
        return self._position


def reason_of(error: Exception) -> str:
    """Return in one line why a file cannot be read or decoded."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__


def _missing(file: soundfile.SoundFile, n_bytes: int) -> str | None:
    """Return how much of the sound is missing that the header announces: libsndfile only logs it."""
    pattern = r"^ *(data|SSND|Data [Ss]ize|riff|Riff size) *: (\d+)(?: \(should be (\d+)\))?"
    for said in re.finditer(pattern, file.extra_info, re.MULTILINE):
        declared, actual = int(said[2]), int(said[3] or n_bytes)
        # A chunk of odd length may lack its padding byte, which some sizes count: no sound is lost.
        padding = 0 if said[1] in ("data", "Data Size", "Data size") else 1
        if declared > actual + padding and (declared < UNKNOWN_BYTES or file.format in _SIZED_IN_64_BITS):
            return f"truncated: {declared - actual} bytes of the sound that the header announces are missing"
        of_sound, frame_bytes = said[1] not in ("riff", "Riff size"), _SAMPLE_BYTES.get(file.subtype, 0) * file.channels
        if of_sound and frame_bytes and file.format in _CHUNK_BYTES and declared < UNKNOWN_BYTES:
            # Of AIFF: what lies before the sound in its chunk.
            before = re.search(r"^ *Offset *: (\d+)$", file.extra_info, re.MULTILINE)
            no_sound = _CHUNK_BYTES[file.format] + (int(before[1]) if before else 0)
            lost = (declared - no_sound) // frame_bytes - file.frames
            if lost > 0:
                return f"truncated: {lost} samples of the sound that the header announces are missing"
    if "Seems to be a truncated file" in file.extra_info:  # of VOC
        return "truncated: less sound than the header announces"
    return None


def _out_of_scale(block: np.ndarray, position: int, rate_hz: int) -> str:
    """Return which sample is no number, or too loud to be one of sound."""
    import numpy as np

    bad = ~np.isfinite(block)
    words = "non-finite: NaN or infinite samples"
    if not bad.any():
        bad = np.abs(block) > LOUDEST
        words = f"out of scale: samples up to {np.abs(block).max():.4g} (expected at most {LOUDEST:g}, full scale is 1)"
    return f"{words} from {(position + int(np.argmax(bad.any(axis=1)))) / rate_hz:.3f} s on"
