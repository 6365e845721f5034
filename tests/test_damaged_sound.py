"""Damaged sound is refused, by the audit and by detection in the same words, or it decodes to what it was.

What a format does not say of itself nobody can check, and these tests say where that is: a changed byte among the
samples of PCM is another sample (of itself alone: nothing moves), a changed byte in their header can be another rate,
and an MP3 is told from its damaged self by the checksum that LAME leaves in the first frame, which covers all frames
but that one; without it damage inside a frame is heard there, and nothing moves. FLAC and Ogg know every byte of
their sound.
"""

import struct
import zlib

import numpy as np
import pytest
import soundfile

from dawnchorus.sound import audio, decoding, flac, mp3, ogg, opening
from test_audio import without_length, written

DURATION_S = 1.5
RATE_HZ = 44_100
EVERYTHING, FRAMES, LENGTH = "every byte", "all frames but the first", "only its length"
FORMATS = [
    ("a.wav", "PCM_16", 1, LENGTH),
    ("b.wav", "PCM_24", 2, LENGTH),
    ("c.wav", "FLOAT", 1, LENGTH),
    ("a.w64", "PCM_16", 1, LENGTH),
    ("a.rf64", "PCM_16", 1, LENGTH),
    ("a.aiff", "PCM_16", 1, LENGTH),
    ("a.caf", "PCM_16", 1, LENGTH),
    ("a.au", "PCM_16", 1, LENGTH),
    ("a.flac", "PCM_16", 1, EVERYTHING),
    ("b.flac", "PCM_24", 2, EVERYTHING),
    ("a.ogg", "VORBIS", 1, EVERYTHING),
    ("b.ogg", "VORBIS", 2, EVERYTHING),
    ("a.opus", "OPUS", 1, EVERYTHING),
    ("a.mp3", "MPEG_LAYER_III", 1, FRAMES),
    ("b.mp3", "MPEG_LAYER_III", 2, FRAMES),
]
LONGEST_HEADER = {"a.caf": 4_096, "b.wav": 80, "a.w64": 104, "a.rf64": 104}  # of what soundfile writes


def noise(seed=0, channels=1, duration_s=DURATION_S, rate_hz=RATE_HZ):
    return (0.1 * np.random.default_rng(seed).standard_normal((int(duration_s * rate_hz), channels))).astype(np.float32)


def sample_file(folder, name, subtype, channels=1, seed=0, **options):
    rate_hz = 48_000 if subtype == "OPUS" else RATE_HZ
    options = {"format": "OGG", **options} if subtype == "OPUS" else options
    return written(folder / name, noise(seed, channels, rate_hz=rate_hz), rate_hz, subtype, **options)


def heard(path):
    """What detection hears: (rate, samples), or in one line why it does not."""
    try:
        rate_hz, n_samples = decoding.measure(path)
        samples = np.concatenate(list(decoding.decoded(path, "mix", rate_hz)))
    except decoding.RecordingError as error:
        return str(error).removeprefix(f"{path}: ")
    assert len(samples) == n_samples
    return rate_hz, samples


def judged(path):
    """What both say of a file: the reason for which both refuse it, or what detection hears of it."""
    info, problem = audio.inspect(path)
    found = heard(path)
    if problem is not None:
        assert found == problem
        assert "\n" not in problem
        assert info == {}
    else:
        assert (info["sample_rate_hz"], info["n_samples"]) == (found[0], len(found[1]))
    return found


def is_same(found, expected):
    return found[0] == expected[0] and np.array_equal(found[1], expected[1])


def changed(content, place, new):
    return content[:place] + bytes(new) + content[place + len(new) :]


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "subtype", "channels", "knows"), FORMATS)
def test_damage_is_refused_or_does_not_matter(tmp_path, name, subtype, channels, knows, seed):
    path = sample_file(tmp_path, name, subtype, channels, seed)
    rng, content = np.random.default_rng([seed, len(name)]), path.read_bytes()
    whole, header = judged(path), LONGEST_HEADER.get(name, 80)
    first_frame = mp3.frame_bytes(content[:4]) if knows == FRAMES else 0
    damaged = tmp_path / f"damaged-{name}"
    for n_bytes, start in [(1, 0)] * 10 + [(60, 0)] * 8 + [(1, None)] * 12:
        place = int(rng.integers(header) if start is None else rng.integers(len(content) - n_bytes))
        new = rng.bytes(n_bytes) if n_bytes > 1 else [content[place] ^ int(rng.integers(1, 256))]
        damaged.write_bytes(changed(content, place, new))
        found = judged(damaged)
        if isinstance(found, str) or is_same(found, whole):
            continue
        assert knows != EVERYTHING, f"{n_bytes} bytes at {place}"
        if knows == FRAMES:
            assert place < first_frame, f"{n_bytes} bytes at {place}"
        elif place >= header:
            assert (found[0], len(found[1])) == (whole[0], len(whole[1]))
            assert (found[1] != whole[1]).sum() <= n_bytes
    for place in rng.integers(1, len(content), 12):
        damaged.write_bytes(content[:place])
        assert isinstance(judged(damaged), str), f"cut at {place}"


@pytest.mark.long
@pytest.mark.parametrize(("name", "subtype", "channels"), [("a.flac", "PCM_16", 1), ("b.flac", "PCM_24", 2)])
def test_every_byte_of_the_head_of_a_flac(tmp_path, name, subtype, channels):
    path = sample_file(tmp_path, name, subtype, channels)
    content, whole = path.read_bytes(), judged(path)
    for place in range(110):
        for flipped in (0x01, 0x10, 0x80, 0xFF):
            path.write_bytes(changed(content, place, [content[place] ^ flipped]))
            found = judged(path)
            assert isinstance(found, str) or is_same(found, whole), f"{flipped:#x} at {place}"


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 32_000, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("other_hz", [250_000, 384_000, 11_025, 7_919, 655_350])
def test_a_flac_of_any_rate_says_it_twice(tmp_path, rate_hz, other_hz):
    for native_hz in (rate_hz, other_hz):
        path = written(tmp_path / "a.flac", noise(duration_s=0.1), native_hz)
        assert audio.inspect(path)[1] is None
        with open(path, "rb") as file:
            assert flac.problem(file) is None
    content = bytearray(path.read_bytes())
    content[18:21] = (rate_hz << 4 | content[20] & 15).to_bytes(3, "big")
    path.write_bytes(content)
    assert judged(path) == f"damaged: the FLAC header says {rate_hz} Hz, its first frame {other_hz} Hz"


# Ogg


def pages_of(content):
    """The pages of an Ogg file, by their own lengths."""
    pages, start = [], 0
    while start < len(content):
        n_segments = content[start + 26]
        stop = start + 27 + n_segments + sum(content[start + 27 : start + 27 + n_segments])
        pages.append(content[start:stop])
        start = stop
    return pages


def by_hand(page):
    """The CRC-32 of a page, bit by bit."""
    crc = 0
    for byte in changed(page, 22, bytes(4)):
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def sealed(page):
    """A page with the checksum that it should have."""
    return changed(page, 22, ogg.checksum(changed(page, 22, bytes(4))).to_bytes(4, "little"))


def test_the_checksum_of_a_page_is_that_of_its_definition(tmp_path):
    pages = pages_of(sample_file(tmp_path, "a.ogg", "VORBIS").read_bytes())
    for page in [pages[0], pages[1][:600], b"", b"\x01"]:
        assert ogg.checksum(changed(page, 22, bytes(4))[: len(page)]) == by_hand(page) or len(page) < 27
    assert by_hand(pages[0]) == int.from_bytes(pages[0][22:26], "little")
    assert ogg.checksum(b"123456789") == 0x89A1897F  # known as CRC-32 without reflection, from 0, not inverted
    assert ogg.checksum(b"1234", b"", b"56789") == 0x89A1897F
    assert ogg.checksum(b"123456789") != zlib.crc32(b"123456789")


@pytest.mark.parametrize(("name", "subtype"), [("a.ogg", "VORBIS"), ("a.opus", "OPUS")])
def test_each_page_follows_the_one_before_up_to_the_last(tmp_path, name, subtype):
    path = sample_file(tmp_path, name, subtype)
    content = path.read_bytes()
    pages = pages_of(content)
    assert len(pages) >= 4
    middle = len(pages) - 2
    for wrong, words in [
        (pages[:middle] + pages[middle + 1 :], "damaged: Ogg pages are missing before byte"),
        ([*pages[:middle], pages[middle + 1], pages[middle]], "damaged: Ogg pages are missing before byte"),
        ([*pages[:middle], pages[middle], *pages[middle:]], "damaged: Ogg pages are missing before byte"),
        (pages[:-1], "truncated: the last Ogg page is not marked as the end of the stream"),
        ([*pages[:-1], pages[-1][:-1]], "truncated: the Ogg page at byte"),
        ([*pages[:-1], pages[-1][:20]], "truncated: the Ogg page at byte"),
        ([*pages, b"TAG", bytes(125)], "damaged: no Ogg page where one should begin, at byte"),
        ([*pages, *pages], "unreadable: a second Ogg stream begins at byte"),
        ([*pages[:middle], b"O" + pages[middle]], "damaged: no Ogg page where one should begin, at byte"),
    ]:
        path.write_bytes(b"".join(wrong))
        assert judged(path).startswith(words)
    # A gap that is told neither by a checksum nor by what can be decoded, but by the numbers of the pages alone.
    renumbered = changed(pages[-1], 18, (struct.unpack("<I", pages[-1][18:22])[0] + 1).to_bytes(4, "little"))
    path.write_bytes(b"".join([*pages[:-1], sealed(renumbered)]))
    assert judged(path).startswith("damaged: Ogg pages are missing before byte")
    path.write_bytes(b"".join([*pages[:-1], sealed(changed(pages[-1], 5, [0]))]))
    assert judged(path).startswith("truncated: the last Ogg page is not marked")


# MP3


def test_the_checksum_of_an_mp3_is_that_of_its_definition():
    def bit_by_bit(data, crc=0):
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        return crc

    assert mp3.crc16(b"123456789") == 0xBB3D  # known as CRC-16/ARC
    data = np.random.default_rng(0).bytes(5_003)
    for length in (0, 1, 1023, 1024, 1025, 5_003):
        assert mp3.crc16(data[:length]) == bit_by_bit(data[:length])
        assert mp3.crc16(data[length:], mp3.crc16(data[:length])) == bit_by_bit(data)


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
@pytest.mark.parametrize(("rate_hz", "channels"), [(44_100, 1), (48_000, 2), (22_050, 2), (8_000, 1)])
def test_the_frames_of_a_whole_mp3(tmp_path, mode, rate_hz, channels):
    options = {"bitrate_mode": mode, "compression_level": 0.5}
    path = written(tmp_path / "a.mp3", noise(channels=channels), rate_hz, "MPEG_LAYER_III", **options)
    content = path.read_bytes()
    n_samples = judged(path)[1].size
    with open(path, "rb") as file:
        frames = mp3.walk(file)
    assert frames.problem is None
    assert n_samples <= frames.n_samples < n_samples + 4 * mp3.frame_samples(content[:4])
    said = mp3.Said.of(content[: mp3.frame_bytes(content[:4])])
    assert said.n_frames * mp3.frame_samples(content[:4]) == frames.n_samples
    assert said.checksum is not None


def test_tags_around_the_frames_of_an_mp3_are_no_damage(tmp_path):
    path = sample_file(tmp_path, "a.mp3", "MPEG_LAYER_III")
    content, whole = path.read_bytes(), judged(path)
    id3 = b"ID3\x04\0\0" + bytes([0, 0, 2, 5]) + bytes(2 * 128 + 5)
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 40, 1, 0xA0000000) + bytes(8)
    footer = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 40, 1, 0x80000000) + bytes(8)
    for start in (b"", id3, id3 + id3):
        for end in (b"", b"TAG" + b"x" * 125, ape + b"y" * 40 + footer, b"y" * 40 + footer, b"Lyrics" * 20):
            path.write_bytes(start + content + end)
            assert is_same(judged(path), whole), (start[:3], end[:8])


def test_an_mp3_without_its_checksum_is_damaged_where_it_is_damaged(tmp_path):
    path = sample_file(tmp_path, "a.mp3", "MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.5)
    content = without_length(path.read_bytes())
    path.write_bytes(content)
    whole, rng = judged(path), np.random.default_rng(4)
    with open(path, "rb") as file:
        n_frames = mp3.walk(file).n_samples // 1_152
    for _ in range(30):
        place = int(rng.integers(1_000, len(content) - 1_000))
        path.write_bytes(changed(content, place, rng.bytes(60)))
        found = judged(path)
        if isinstance(found, str):
            assert found.startswith("damaged: ")
            continue
        assert len(found[1]) == len(whole[1])
        different = np.flatnonzero(np.abs(found[1] - whole[1]) > 1e-6)
        # A frame begins in the ones before it, and is heard into the next.
        assert different.size == 0 or np.ptp(different) < 4 * 1_152
        assert different.size == 0 or abs(different.mean() / 1_152 - place / len(content) * n_frames) < 4


def test_a_gap_in_an_mp3_is_no_sound(tmp_path):
    path = sample_file(tmp_path, "a.mp3", "MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.5)
    content = without_length(path.read_bytes())
    starts = [0]
    while starts[-1] < len(content):
        starts.append(starts[-1] + mp3.frame_bytes(content[starts[-1] : starts[-1] + 4]))
    middle = starts[len(starts) // 2]
    for wrong, words in [
        (content[:middle] + content[middle + 100 :], "damaged: "),
        (content[:middle] + bytes(100) + content[middle:], f"damaged: 100 bytes from byte {middle} on are no MP3"),
        (content[:-1], "truncated: the last MP3 frame is cut"),
        (content + bytes(len(content)), f"damaged: the last {len(content)} bytes are no MP3 frames"),
    ]:
        path.write_bytes(wrong)
        assert judged(path).startswith(words)
    path.write_bytes(content[100:])  # a piece of a stream begins anywhere
    assert not isinstance(judged(path), str)


# Headers


def with_header(path, edits):
    content = bytearray(path.read_bytes())
    for place, kind, value in edits:
        struct.pack_into(kind, content, place, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ([(24, "<I", 4_000_000_000)], "unreadable: "),
        ([(24, "<I", 2_000_000_000)], "unreadable: a sample rate of 2,000,000,000 Hz; expected 50 to 10,000,000"),
        ([(24, "<I", 1)], "unreadable: a sample rate of 1 Hz; expected 50 to 10,000,000"),
        ([(24, "<I", 0)], "unreadable: "),
        ([(22, "<H", 65_535)], "unreadable: "),
        ([(22, "<H", 0)], "unreadable: "),
        ([(40, "<I", 0x70000000), (4, "<I", 0x70000024)], "truncated: "),
        ([(40, "<I", 0), (4, "<I", 0)], "empty: by its header it has no samples; it has 132344 bytes"),
    ],
)
def test_an_absurd_header_is_one_line(tmp_path, edits, words):
    path = sample_file(tmp_path, "a.wav", "PCM_16")
    assert judged(with_header(path, edits)).startswith(words)


@pytest.mark.parametrize("size", [0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("riff_size", [0, 0xFFFFFFFF])
def test_a_stream_that_never_knew_its_length_is_what_there_is(tmp_path, size, riff_size):
    """A cut in such a file cannot be known."""
    path = sample_file(tmp_path, "a.wav", "PCM_16")
    whole = judged(path)
    assert is_same(judged(with_header(path, [(40, "<I", size), (4, "<I", riff_size)])), whole)
    path.write_bytes(path.read_bytes()[:-20_000])
    assert is_same(judged(path), (whole[0], whole[1][:-10_000]))


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("a.rf64", [(28, "<Q", 2**41), (36, "<Q", 2**40), (20, "<Q", 2**41)]),
        ("a.w64", [(96, "<Q", 2**41)]),
        ("a.caf", [(4084, ">Q", 2**41)]),
        ("a.flac", [(21, "B", 0xFF), (22, ">I", 0xFFFFFFFF)]),
        ("a.au", [(8, ">I", 0x7FFE0000)]),
        ("a.aiff", [(42, ">I", 0x7FFE0000), (22, ">I", 0x7FFE0000)]),
    ],
)
def test_no_memory_is_taken_for_what_a_header_promises(tmp_path, name, edits):
    path = with_header(sample_file(tmp_path, name, "PCM_16"), edits)
    assert judged(path).startswith(("truncated: ", "unreadable: ", "damaged: "))


def test_a_thousand_channels_are_decoded_a_little_at_a_time(tmp_path):
    path = written(tmp_path / "a.wav", np.full((300, 1_000), 0.1, np.float32), 8_000, "PCM_16")
    with opening.opened(path) as sound:
        assert max(block.size for block in sound.blocks()) <= 2 * opening.BLOCK_SAMPLES


# Samples


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1e30, "out of scale: samples up to 1e+30 (expected at most 1000, full scale is 1) from 1.000 s on"),
        (-1001.0, "out of scale: samples up to 1001 (expected at most 1000, full scale is 1) from 1.000 s on"),
        (np.nan, "non-finite: NaN or infinite samples from 1.000 s on"),
        (-np.inf, "non-finite: NaN or infinite samples from 1.000 s on"),
    ],
)
def test_a_sample_that_is_none_is_refused(tmp_path, value, words, subtype):
    sound = noise(channels=2)
    sound[RATE_HZ, 1] = value
    assert judged(written(tmp_path / "a.wav", sound, RATE_HZ, subtype)) == words


def test_a_double_beyond_all_floats_is_refused(tmp_path):
    sound = noise().astype(np.float64)
    sound[RATE_HZ] = 1e300
    assert judged(written(tmp_path / "a.wav", sound, RATE_HZ, "DOUBLE")).startswith("non-finite")


def test_whole_numbers_stored_as_floats_are_refused_and_a_hot_recorder_is_not(tmp_path):
    words = judged(written(tmp_path / "a.wav", 32_768 * noise(), RATE_HZ, "FLOAT"))
    assert words.startswith("out of scale: samples up to")
    assert not isinstance(judged(written(tmp_path / "b.wav", 100 * noise(), RATE_HZ, "FLOAT")), str)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_silence_and_nothing_are_refused(tmp_path, name):
    assert judged(written(tmp_path / name, np.zeros((RATE_HZ, 2)), RATE_HZ, "PCM_16")).startswith("silent: ")
    soundfile.write(tmp_path / name, np.zeros((0, 1)), RATE_HZ, subtype="PCM_16")
    assert judged(tmp_path / name).startswith("empty: ")
    one = np.zeros((3 * opening.BLOCK_SAMPLES, 1))
    one[-1] = -0.5
    assert not isinstance(judged(written(tmp_path / name, one, RATE_HZ, "PCM_16")), str)


@pytest.mark.parametrize("cut", [1, 3, 8, 1_000])
@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.voc", "PCM_16"), ("a.caf", "PCM_24"), ("a.aiff", "FLOAT"), ("a.rf64", "PCM_16"), ("a.au", "ULAW")],
)
def test_a_cut_of_a_few_bytes_is_refused(tmp_path, name, subtype, cut):
    path = sample_file(tmp_path, name, subtype)
    whole = judged(path)
    path.write_bytes(path.read_bytes()[:-cut])
    if (name, cut) == ("a.voc", 1):
        # It ends with a byte that says so, and is no sound.
        assert is_same(judged(path), whole)
    else:
        assert judged(path).startswith("truncated: ")


def test_flac_files_that_are_joined_are_refused(tmp_path):
    """Of equal lengths head and last frame agree, and the second would be missing without a word."""
    path, other = (sample_file(tmp_path, name, "PCM_16", seed=seed) for name, seed in (("a.flac", 1), ("b.flac", 2)))
    first = path.read_bytes()
    path.write_bytes(first + other.read_bytes())
    assert judged(path) == f"damaged: another FLAC file begins at its byte {len(first)}, and would not be heard"


@pytest.mark.parametrize("kind", ["AVR", "IRCAM", "NIST", "PAF", "PVF", "SVX", "MAT5", "WVE"])
def test_a_format_that_nobody_records_in_is_refused_whatever_its_name(tmp_path, kind):
    """Most of them do not say how much sound there should be: a quarter of a file would be a whole one."""
    subtype = soundfile.default_subtype(kind)
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(rate_hz=8_000), 8_000, subtype=subtype, format=kind)
    assert judged(path).startswith(f"unreadable: sound of the format {kind}; expected one of AIFF, AU, CAF")
