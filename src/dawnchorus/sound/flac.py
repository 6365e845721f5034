"""What the head of a FLAC file says of all of it, held against its first and its last frame (RFC 9639).

libsndfile believes the head, and gives as much sound as that announces. All that lies between is checked by the
checksums of the frames, as they are decoded.
"""

from __future__ import annotations

import os
import re
from typing import BinaryIO, NamedTuple

from dawnchorus.sound import mp3
from dawnchorus.sound.ogg import TURNED

_RATES_HZ = (None, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
_LAST = 0x80  # flag of the last block of metadata
_LONGEST_FRAME = 1 << 19  # in bytes; eight channels of 24 bits, uncompressed, are less
_LAST_FRAMES = 8  # tried from the end on: what looks like a header of one can be the sound of another
_LONGEST_HEADER = 16
# The mark of a file, and the header of the block that comes first in it: 34 bytes long, the last one or not.
_BEGINS, _MARK_BYTES, _BLOCK = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"), 7, 1 << 20


class Head(NamedTuple):
    """The head of a file: its rate, samples a channel (0: not said) and in a frame (where all are as long)."""

    rate_hz: int
    n_samples: int
    frame_samples: int


class Frame(NamedTuple):
    """The header of a frame: its rate (None: that of the head), its first sample or its number, its samples."""

    rate_hz: int | None
    number: int
    counts_samples: bool
    n_samples: int


def problem(file: BinaryIO) -> str | None:
    """Return what is wrong with the head of a file, read from its start: what a frame says otherwise."""
    file.seek(0)
    if file.read(4) != b"fLaC":
        return None  # a tag that is none of FLAC's own comes first
    head, flags = None, 0
    while not flags & _LAST:
        header = file.read(4)
        if len(header) < 4:
            return "truncated: the FLAC file ends in its metadata"
        flags, length = header[0], int.from_bytes(header[1:], "big")
        if flags & ~_LAST == 0 and head is None:
            head = _head(file.read(length))
        else:
            file.seek(length, os.SEEK_CUR)
    begin = file.tell()
    first = _frame(file.read(_LONGEST_HEADER))
    if head is None:
        return "damaged: the FLAC file does not say what sound it is"
    if first and first.rate_hz and first.rate_hz != head.rate_hz:
        return f"damaged: the FLAC header says {head.rate_hz} Hz, its first frame {first.rate_hz} Hz"
    last = _last_frame(file, begin)
    if head.n_samples and last:
        n_samples = last.number * (1 if last.counts_samples else head.frame_samples) + last.n_samples
        if n_samples != head.n_samples:
            return f"damaged: the FLAC header says {head.n_samples} samples, its last frame {n_samples}"
    return None


def another(file: BinaryIO, begin: int) -> int | None:
    """Return where, from a byte on, the head of another file begins; compressed sound does not look so."""
    file.seek(begin)
    place, before = begin, b""
    while block := file.read(_BLOCK):
        if found := _BEGINS.search(before + block):
            return place - len(before) + found.start()
        place += len(block)
        before = block[-_MARK_BYTES:]
    return None


def _head(block: bytes) -> Head:
    numbers = int.from_bytes(block[10:18], "big")
    return Head(numbers >> 44, numbers & (1 << 36) - 1, int.from_bytes(block[:2], "big"))


def _frame(header: bytes) -> Frame | None:
    """Return what the header of a frame says; None where there is none that fits its checksum."""
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xFE != 0xF8:
        return None
    size_code, rate_code = header[2] >> 4, header[2] & 15
    # The number is written as UTF-8 is: the ones at the start of its first byte count its bytes.
    ones = 8 - (header[4] ^ 0xFF).bit_length()
    at = 4 + max(1, ones)
    if ones in (1, 8) or size_code == 0 or rate_code == 15:
        return None
    number = header[4] & (0x7F >> ones)
    for byte in header[5:at]:
        number = number << 6 | byte & 0x3F
    if size_code in (6, 7):
        length = size_code - 5
        n_samples = int.from_bytes(header[at : at + length], "big") + 1
        at += length
    else:
        n_samples = 192 if size_code == 1 else 576 << size_code - 2 if size_code < 6 else 256 << size_code - 8
    if rate_code < len(_RATES_HZ):
        rate_hz = _RATES_HZ[rate_code]
    else:
        length = 1 if rate_code == 12 else 2
        rate_hz = int.from_bytes(header[at : at + length], "big") * {12: 1000, 13: 1, 14: 10}[rate_code]
        at += length
    if len(header) <= at or _crc8(header[:at]) != header[at]:
        return None
    return Frame(rate_hz, number, bool(header[1] & 1), n_samples)


def _last_frame(file: BinaryIO, begin: int) -> Frame | None:
    """Return the frame that ends with the file, by its checksum; None where there is none: a tag may be the end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(begin, size - _LONGEST_FRAME))
    tail = file.read()
    place, tried = len(tail), 0
    while (place := tail.rfind(b"\xff", 0, place)) >= 0 and tried < _LAST_FRAMES:
        if frame := _frame(tail[place : place + _LONGEST_HEADER]):
            if _crc16(tail[place:-2]) == int.from_bytes(tail[-2:], "big"):
                return frame
            tried += 1
    return None


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 * (crc >> 7)) & 0xFF
    return crc


def _crc16(data: bytes) -> int:
    """Return the CRC-16 of a frame: that of MP3, but the highest bit of each byte comes first."""
    return int(f"{mp3.crc16(data.translate(TURNED)):016b}"[::-1], 2)
