"""The pages of an Ogg file, held against their own checksums and numbers (RFC 3533, section 6).

libsndfile passes over a page that does not fit its checksum: the sound of it is gone, and all that follows comes too
early. Here each byte of the file is in a page that fits its checksum, and each page follows the one before.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

HEADER_BYTES = 27
_CHECKSUM = slice(22, 26)
_FIRST, _LAST = 2, 4  # flags of a page: the first and the last of its stream
# The checksum takes the highest bit of each byte first, zlib's the lowest: of bytes whose bits are turned round, zlib's
# is the same number turned round.
TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL_BITS = 0xFFFF_FFFF


def checksum(*parts: bytes) -> int:
    """Return the CRC-32 of a page: polynomial 0x04c11db7, not reflected, from 0 and without a final inversion."""
    crc = _ALL_BITS  # zlib inverts before and after
    for part in parts:
        crc = zlib.crc32(part.translate(TURNED), crc)
    return int(f"{crc ^ _ALL_BITS:032b}"[::-1], 2)


def problem(file: BinaryIO) -> str | None:
    """Return what is wrong with the pages of a file, read from its start, or None. A page is in memory at a time."""
    numbers: dict[bytes, int] = {}  # of the last page of each stream that has not ended
    position, sound_began = 0, False
    file.seek(0)
    while header := file.read(HEADER_BYTES):
        if not header.startswith(b"OggS"[: len(header)]):
            return f"damaged: no Ogg page where one should begin, at byte {position}"
        table = file.read(header[26]) if len(header) == HEADER_BYTES else b""
        body = file.read(sum(table))
        if len(header) < HEADER_BYTES or len(table) < header[26] or len(body) < sum(table):
            return f"truncated: the Ogg page at byte {position} is cut"
        if checksum(header[:22], bytes(4), header[26:], table, body) != int.from_bytes(header[_CHECKSUM], "little"):
            return f"damaged: the Ogg page at byte {position} does not fit its checksum"
        flags, serial, number = header[5], header[14:18], int.from_bytes(header[18:22], "little")
        if flags & _FIRST:
            if sound_began:
                return f"unreadable: a second Ogg stream begins at byte {position}; only the first would be heard"
        else:
            sound_began = True
            if serial not in numbers or number != (numbers[serial] + 1) & _ALL_BITS:
                return f"damaged: Ogg pages are missing before byte {position}"
        numbers[serial] = number
        if flags & _LAST:
            del numbers[serial]
        position += HEADER_BYTES + len(table) + len(body)
    return "truncated: the last Ogg page is not marked as the end of the stream" if numbers else None
