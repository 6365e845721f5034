"""The frames of an MP3 file, held against what its headers say of them.

What a file of this kind can tell of itself: each frame says how long it is, so a frame lies behind the last one or
something is lost; an encoder's first frame may say how many frames there are, and LAME's (and that of what LAME is
built into, ffmpeg and libsndfile) a checksum of all of them. Without that checksum, damage inside a frame that
leaves its four bytes of header alone cannot be known: it is heard as a click or a gap of some 30 ms, and moves nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np

_BIT_RATES = {  # kbit/s, by version 1 or not, and layer
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_SAME = 0xFFFE_0C00  # the bits of a header that all frames of a file share: sync, version, layer, sample rate
TAG_BYTES = 16_384  # of text that may follow the sound
_INFO = (b"Xing", b"Info")
_CHUNK_BYTES = 1 << 20
_LANE_BYTES = 1024


@dataclass(frozen=True)
class Frames:
    """What a walk from frame to frame found: how many samples a channel they hold, and what is wrong with them."""

    n_samples: int
    problem: str | None


def frame_bytes(header: bytes) -> int:
    """Return how long the frame is that begins with these four bytes; 0 where no frame does, or it does not say."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or rate == 3 or bit_rate in (0, 15):
        return 0
    bits = 1000 * _BIT_RATES[version == 3, layer][bit_rate]
    rate_hz = _RATES_HZ[version][rate]
    if layer == 1:
        return 4 * (12 * bits // rate_hz + padding)
    return (144 if version == 3 or layer == 2 else 72) * bits // rate_hz + padding


def frame_samples(header: bytes) -> int:
    """Return how many samples a channel the frame holds that begins with these four bytes."""
    layer = 4 - (header[1] >> 1 & 3)
    return {1: 384, 2: 1152, 3: 1152 if header[1] >> 3 & 3 == 3 else 576}[layer]


def begins(file: BinaryIO) -> bool:
    """Say whether a file begins with a frame, or with tags and a frame."""
    _after_tags(file, 0)
    return frame_bytes(file.read(4)) > 0


def walk(file: BinaryIO) -> Frames | None:
    """Go from frame to frame through a file, read from its start, a frame in memory at a time.

    None where that cannot be done: there are no frames, or they do not say how long they are. What comes before the
    first frame is passed over: a piece of a stream begins anywhere.
    """
    position = _after_tags(file, 0)
    header = file.read(4)
    if not frame_bytes(header):
        first = _next_frame(file, position, None)
        if first is None:
            return None
        file.seek(position)
        if any(word in file.read(min(first - position, TAG_BYTES)) for word in _INFO):
            return Frames(0, f"damaged: no MP3 frame where the first should begin, at byte {position}")
        position = first
        file.seek(position)
        header = file.read(4)
    shared, of_frame = int.from_bytes(header, "big") & _SAME, frame_samples(header)
    said, sums, n_frames, is_first = None, _Checksum(), 0, True
    while header:
        length = frame_bytes(header)
        if not length or int.from_bytes(header, "big") & _SAME != shared:
            after = _after_tags(file, position)
            if after == position:
                found = _next_frame(file, position, shared)
                if found is not None:
                    return Frames(0, f"damaged: {found - position} bytes from byte {position} on are no MP3 frame")
                rest = file.seek(0, os.SEEK_END) - position
                if rest > position / 20 + TAG_BYTES:
                    return Frames(0, f"damaged: the last {rest} bytes are no MP3 frames")
                break
            position = after
        else:
            frame = header + file.read(length - 4)
            if len(frame) < length:
                return Frames(0, "truncated: the last MP3 frame is cut")
            said = Said.of(frame) if is_first else said
            if not (is_first and said):
                sums.add(frame)
                n_frames += 1
            is_first = False
            position += length
        header = file.read(4)
    return Frames(n_frames * of_frame, said.problem(n_frames, sums) if said else None)


@dataclass(frozen=True)
class Said:
    """What an encoder's first frame, which holds no sound, says of the others; None of what it does not say."""

    n_frames: int | None
    n_bytes: int | None
    checksum: int | None

    @classmethod
    def of(cls, frame: bytes) -> Said | None:
        """Return what a first frame says; None of a frame of sound."""
        mono, one = frame[3] >> 6 == 3, frame[1] >> 3 & 3 == 3
        start = 4 + ((17 if mono else 32) if one else (9 if mono else 17))
        if frame[start : start + 4] not in _INFO:
            return None
        flags, at = int.from_bytes(frame[start + 4 : start + 8], "big"), start + 8
        counts: list[int | None] = []
        for flag in (1, 2):
            counts.append(int.from_bytes(frame[at : at + 4], "big") if flags & flag else None)
            at += 4 * bool(flags & flag)
        lame = frame[start + 120 : start + 156] if flags & 15 == 15 else b""
        known = len(lame) == 36 and crc16(frame[: start + 154]) == int.from_bytes(lame[34:36], "big")
        return cls(counts[0], counts[1], int.from_bytes(lame[32:34], "big") if known else None)

    def problem(self, n_frames: int, sums: _Checksum) -> str | None:
        """Return what of this does not fit the frames that were found."""
        if self.n_frames is not None and n_frames + 1 < self.n_frames:
            return f"truncated or damaged: {n_frames} of {self.n_frames} MP3 frames are there"
        if self.checksum is not None and self.checksum != sums.value:
            return "damaged: the MP3 frames do not fit the checksum that the encoder left"
        return None


def _after_tags(file: BinaryIO, position: int) -> int:
    """Return where the tags end that begin at a position, and go there."""
    while True:
        file.seek(position)
        start = file.read(32)
        if start.startswith(b"ID3") and len(start) >= 10 and not any(byte & 0x80 for byte in start[6:10]):
            size = sum(byte << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True))
            position += 10 + size + (10 if start[5] & 0x10 else 0)
        elif start.startswith(b"APETAGEX") and len(start) == 32:
            # The size counts the footer; a header, which comes first, says so.
            position += 32 + int.from_bytes(start[12:16], "little")
        elif start.startswith(b"TAG"):
            position += 128
        else:
            file.seek(position)
            return position


def _next_frame(file: BinaryIO, position: int, shared: int | None) -> int | None:
    """Return where the frames go on from a position: two in a row; None where they never do.

    ``shared``: the bits that they must have, None before the first.
    """

    def fits(header: bytes, bits: int | None) -> bool:
        return frame_bytes(header) > 0 and bits in (None, int.from_bytes(header, "big") & _SAME)

    kept, at = b"", position
    while True:
        file.seek(at + len(kept))
        more = file.read(_CHUNK_BYTES)
        if not more:
            return None
        kept += more
        found = kept.find(b"\xff")
        while 0 <= found <= len(kept) - 4:
            header = kept[found : found + 4]
            if fits(header, shared):
                file.seek(at + found + frame_bytes(header))
                if fits(file.read(4), int.from_bytes(header, "big") & _SAME):
                    return at + found
            found = kept.find(b"\xff", found + 1)
        at += len(kept) - 3
        kept = kept[-3:]


class _Checksum:
    """The CRC-16 of bytes that come piece by piece."""

    def __init__(self) -> None:
        self._crc, self._waiting, self._n_waiting = 0, list[bytes](), 0

    def add(self, part: bytes) -> None:
        """Take more bytes."""
        self._waiting.append(part)
        self._n_waiting += len(part)
        if self._n_waiting >= _CHUNK_BYTES:
            self._take()

    @property
    def value(self) -> int:
        """The checksum of all bytes so far."""
        self._take()
        return self._crc

    def _take(self) -> None:
        self._crc = crc16(b"".join(self._waiting), self._crc)
        self._waiting, self._n_waiting = [], 0


def crc16(data: bytes, crc: int = 0) -> int:
    """Return the CRC-16 of LAME: polynomial 0x8005, reflected, from ``crc`` on.

    Stretches of equal length side by side, each from 0: the checksum is linear, so they are joined by moving each over
    the zeros that follow it.
    """
    import numpy as np

    n_lanes = len(data) // _LANE_BYTES
    lanes = np.frombuffer(data, "<u2", n_lanes * _LANE_BYTES // 2).reshape(n_lanes, _LANE_BYTES // 2)
    found, over_two = np.zeros(n_lanes, np.uint16), _over(2)
    for column in np.ascontiguousarray(lanes.T):
        found = over_two.take(found ^ column)
    over_a_lane = _over(_LANE_BYTES)
    for value in found.tolist():
        crc = int(over_a_lane[crc]) ^ value
    over_one = _over(1)
    for byte in data[n_lanes * _LANE_BYTES :]:
        crc = int(over_one[(crc ^ byte) & 0xFF]) ^ crc >> 8
    return crc


@cache
def _over(n_bytes: int) -> np.ndarray:
    """Return what becomes of each checksum over so many zeros."""
    import numpy as np

    of_bits = 1 << np.arange(16, dtype=np.uint16)
    for _ in range(8 * n_bytes):
        of_bits = (of_bits >> 1) ^ (of_bits & 1) * np.uint16(0xA001)
    table = np.zeros(1, np.uint16)
    for of_bit in of_bits:
        table = np.concatenate([table, table ^ of_bit])
    return table
