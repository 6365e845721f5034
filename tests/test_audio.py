"""Cuts equal the cut of the whole loaded by librosa; every damaged file is named for what it is."""

import itertools
import os
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound import audio


def noise(n_samples, channels=1, seed=0):
    """White noise: it has all frequencies, so any shift or wrong filter phase shows."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n_samples, channels)).astype(np.float32)


def written(path, samples, rate_hz, subtype=None, **options):
    try:
        soundfile.write(path, samples, rate_hz, subtype=subtype, **options)
    except (soundfile.LibsndfileError, ValueError, TypeError):
        pytest.skip(f"this libsndfile does not write {path.suffix} {subtype}")
    return path


def without_length(content):
    """Take the first frame of an MP3 away: its Xing header. 44.1 kHz, layer III."""
    bit_rates = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    padding = content[2] >> 1 & 1
    return content[144_000 * bit_rates[content[2] >> 4] // 44_100 + padding :]


def whole(path, rate_hz):
    import librosa

    return librosa.load(path, sr=rate_hz)


def spans_of(duration_s, seed):
    """The start, the end, everything, beyond the end, and some spans between."""
    rng = np.random.default_rng(seed)
    between = np.sort(rng.uniform(0, duration_s, (6, 2)), axis=1)
    ends = [(0.0, 0.3), (duration_s - 0.3, duration_s), (0.0, duration_s), (duration_s - 0.1, duration_s + 5)]
    return [*ends, (0.001, 0.002), *map(tuple, between.tolist())]


def assert_cuts_of_whole(path, rate_hz, spans, atol=2e-6):
    y, rate_hz_of_whole = whole(path, rate_hz)
    cuts = dict(audio.read_cuts(path, spans, rate_hz))
    assert sorted(cuts) == list(range(len(spans)))
    for index, (t_min_s, t_max_s) in enumerate(spans):
        expected = y[round(t_min_s * rate_hz_of_whole) : round(t_max_s * rate_hz_of_whole)]
        assert cuts[index].dtype == np.float32
        assert cuts[index].shape == expected.shape
        np.testing.assert_allclose(cuts[index], expected, rtol=0, atol=atol)


RATES = [
    (44_100, 28_000),
    (22_050, 28_000),
    (48_000, 28_000),
    (11_025, 16_000),
    (16_000, 11_025),
    (96_000, 8_000),
    (8_000, 48_000),
    (250_000, 22_050),
    (384_000, 8_000),
    (44_101, 44_100),
    (7_919, 10_007),
    (48_000, None),
    (44_100, 44_100),
]


@pytest.mark.parametrize(("native_hz", "target_hz"), RATES)
def test_cut_is_the_cut_of_the_resampled_whole(tmp_path, native_hz, target_hz):
    n_samples = 3 * native_hz + 1_237
    path = written(tmp_path / "a.wav", noise(n_samples, 2), native_hz, "FLOAT")
    assert_cuts_of_whole(path, target_hz, spans_of(n_samples / native_hz, seed=native_hz))


@pytest.mark.parametrize(
    ("name", "subtype", "channels", "native_hz"),
    [
        ("a.wav", "PCM_16", 1, 44_100),
        ("a.wav", "PCM_24", 5, 32_000),
        ("a.wav", "ULAW", 1, 8_000),
        ("a.wav", "IMA_ADPCM", 1, 22_050),
        ("a.flac", "PCM_16", 1, 48_000),
        ("a.flac", "PCM_24", 2, 44_100),
        ("a.ogg", "VORBIS", 1, 44_100),
        ("a.ogg", "VORBIS", 2, 22_050),
        ("a.opus", "OPUS", 1, 48_000),
        ("a.mp3", "MPEG_LAYER_III", 1, 44_100),
        ("a.mp3", "MPEG_LAYER_III", 2, 22_050),
        ("a.aiff", "PCM_16", 1, 16_000),
        ("a.caf", "ALAC_16", 1, 44_100),
    ],
)
@pytest.mark.parametrize("target_hz", [28_000, None])
def test_cut_is_exact_in_every_format(tmp_path, name, subtype, channels, native_hz, target_hz):
    samples = noise(7 * native_hz + 311, channels)
    options = {"format": "OGG"} if subtype == "OPUS" else {}
    path = written(tmp_path / name, samples, native_hz, subtype, **options)
    # Overlapping, repeated and unsorted spans: a format without exact seeking is decoded once for all.
    spans = [(5.0, 6.5), (0.4, 1.0), (5.5, 5.6), (5.0, 6.5), *spans_of(7.0, seed=1)]
    assert_cuts_of_whole(path, target_hz, spans)


def test_cut_keeps_up_with_an_approximated_ratio_far_into_the_file(tmp_path):
    # soxr approximates 27997/44100, and drifts by more than 1e-5 within seconds.
    path = written(tmp_path / "a.wav", noise(20 * 44_100), 44_100, "FLOAT")
    assert_cuts_of_whole(path, 27_997, [(18.0, 19.0), (0.0, 0.5)])


@pytest.mark.parametrize("n_samples", [3 * 65_536 + 100, 2 * 65_536, 65_536 + 1, 900])
@pytest.mark.parametrize("suffix", ["opus", "ogg"])
def test_the_end_of_a_compressed_file(tmp_path, suffix, n_samples):
    subtype = {"opus": "OPUS", "ogg": "VORBIS"}[suffix]
    path = written(tmp_path / f"a.{suffix}", noise(n_samples), 48_000, subtype, format="OGG")
    duration_s = n_samples / 48_000
    assert_cuts_of_whole(path, None, [(duration_s - 0.01, duration_s), (0.0, duration_s)])


def test_the_end_of_an_mp3_without_its_length(tmp_path):
    options = {"bitrate_mode": "CONSTANT", "compression_level": 0.5}
    path = written(tmp_path / "a.mp3", noise(5 * 44_100), 44_100, "MPEG_LAYER_III", **options)
    path.write_bytes(without_length(path.read_bytes()))
    assert_cuts_of_whole(path, 28_000, [(4.5, 9.0), (0.0, 9.0), (8.0, 9.0)])


@pytest.mark.parametrize("n_samples", [1, 2, 63, 64, 1_000, 44_101])
@pytest.mark.parametrize("target_hz", [28_000, 48_000, 44_100])
def test_short_files_and_their_last_sample(tmp_path, n_samples, target_hz):
    path = written(tmp_path / "a.wav", noise(n_samples), 44_100, "FLOAT")
    assert_cuts_of_whole(path, target_hz, [(0.0, n_samples / 44_100), (0.0, 9.0), (8.0, 9.0)])


def test_neighbouring_cuts_join_without_a_seam(tmp_path):
    path = written(tmp_path / "a.flac", noise(4 * 44_100), 44_100, "PCM_16")
    edges = np.sort(np.random.default_rng(3).uniform(0, 4, 30)).tolist()
    edges = [0.0, *edges, 4.0]
    spans = list(itertools.pairwise(edges))
    cuts = dict(audio.read_cuts(path, spans, 28_000))
    joined = np.concatenate([cuts[index] for index in range(len(spans))])
    np.testing.assert_allclose(joined, whole(path, 28_000)[0], rtol=0, atol=2e-6)


def test_read_cut_is_one_of_read_cuts(tmp_path):
    path = written(tmp_path / "a.wav", noise(44_100), 44_100, "PCM_16")
    (_, expected), *_ = audio.read_cuts(path, [(0.25, 0.5)], 22_050)
    np.testing.assert_array_equal(audio.read_cut(path, (0.25, 0.5), 22_050), expected)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg"])
def test_cuts_of_a_long_file_take_little_memory(tmp_path, name):
    n_samples = 60 * 32_000
    path = written(tmp_path / name, 0.1 * noise(n_samples), 32_000)
    audio.read_cut(path, (0.0, 0.1), 16_000)
    tracemalloc.start()
    for _ in audio.read_cuts(path, [(50.0, 51.0), (1.0, 2.0), (30.0, 31.0)], 16_000):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n_samples * 4 / 4


@pytest.mark.parametrize("content", [b"", b"RIFF nonsense", bytes(5_000)])
def test_cut_of_an_unreadable_file_is_an_input_error(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.wav: the sound cannot be read"):
        audio.read_cut(path, (0.0, 1.0), 16_000)


def test_cut_beyond_where_a_damaged_flac_ends_is_an_input_error(tmp_path):
    path = written(tmp_path / "a.flac", noise(5 * 22_050), 22_050)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match=r"a\.flac: the sound cannot be read"):
        audio.read_cut(path, (4.0, 5.0), None)


# inspect


FORMATS = [
    ("a.wav", "PCM_16", 44_100),
    ("a.wav", "FLOAT", 22_050),
    ("a.w64", "PCM_16", 44_100),
    ("a.rf64", "PCM_16", 44_100),
    ("a.aiff", "PCM_16", 44_100),
    ("a.au", "PCM_16", 44_100),
    ("a.flac", "PCM_16", 48_000),
    ("a.ogg", "VORBIS", 44_100),
    ("a.opus", "OPUS", 48_000),
    ("a.mp3", "MPEG_LAYER_III", 44_100),
]


def sample_file(tmp_path, name, subtype, rate_hz):
    options = {"format": "OGG"} if subtype == "OPUS" else {}
    return written(tmp_path / name, 0.4 * noise(5 * rate_hz + 77, 2), rate_hz, subtype, **options)


@pytest.mark.parametrize(("name", "subtype", "rate_hz"), FORMATS)
def test_inspect_tells_what_a_good_file_holds(tmp_path, name, subtype, rate_hz):
    n_samples = 5 * rate_hz + 77
    info, problem = audio.inspect(sample_file(tmp_path, name, subtype, rate_hz))
    assert problem is None
    assert info == {
        "duration_s": n_samples / rate_hz,
        "sample_rate_hz": rate_hz,
        "channels": 2,
        "n_samples": n_samples,
    }


@pytest.mark.parametrize("share", [0.8, 0.4])
@pytest.mark.parametrize(("name", "subtype", "rate_hz"), FORMATS)
def test_inspect_finds_a_truncated_file(tmp_path, name, subtype, rate_hz, share):
    path = sample_file(tmp_path, name, subtype, rate_hz)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    _, problem = audio.inspect(path)
    assert problem.startswith(("truncated", "unreadable"))
    if subtype != "OPUS":
        assert problem.startswith("truncated")


def test_inspect_finds_damage_inside(tmp_path):
    path = sample_file(tmp_path, "a.flac", "PCM_16", 44_100)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3_000] = bytes(3_000)
    path.write_bytes(content)
    assert audio.inspect(path)[1].startswith("truncated or damaged: decoding fails after")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_inspect_accepts_a_stream_that_never_knew_its_length(tmp_path, size):
    path = sample_file(tmp_path, "a.wav", "PCM_16", 44_100)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = size.to_bytes(4, "little")
    content[4:8] = size.to_bytes(4, "little")
    path.write_bytes(content)
    info, problem = audio.inspect(path)
    assert problem is None
    assert info["n_samples"] == 5 * 44_100 + 77


def test_inspect_of_an_mp3_without_its_length(tmp_path):
    # libsndfile guesses the length from the first frame: right where the bit rate is constant.
    samples = np.concatenate([0.001 * noise(2 * 44_100), noise(8 * 44_100)])
    for bit_rate_mode in ("CONSTANT", "VARIABLE"):
        options = {"bitrate_mode": bit_rate_mode, "compression_level": 0.5}
        path = written(tmp_path / "a.mp3", samples, 44_100, "MPEG_LAYER_III", **options)
        assert audio.inspect(path)[1] is None
        path.write_bytes(without_length(path.read_bytes()))
        info, problem = audio.inspect(path)
        if bit_rate_mode == "CONSTANT":
            assert problem is None
            assert abs(info["n_samples"] - len(samples)) < 3 * 1_152
        else:
            assert "an MP3 without its length" in problem or "can be decoded" in problem


def test_inspect_accepts_a_chunk_without_its_padding_byte(tmp_path):
    path = written(tmp_path / "a.wav", noise(1_001), 8_000, "PCM_24")
    path.write_bytes(path.read_bytes()[:-1])
    assert audio.inspect(path)[1] is None


@pytest.mark.parametrize("suffix", ["wav", "au"])
def test_inspect_refuses_a_last_sample_that_lacks_a_byte(tmp_path, suffix):
    path = written(tmp_path / f"a.{suffix}", noise(1_000), 8_000, "PCM_16")
    path.write_bytes(path.read_bytes()[:-1])
    assert audio.inspect(path)[1] == "truncated: 1 bytes of the sound that the header announces are missing"


def test_inspect_refuses_a_flac_without_its_length(tmp_path):
    path = sample_file(tmp_path, "a.flac", "PCM_16", 44_100)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the last 36 bits of bytes 18 to 25 are the number of samples
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert "does not say how many samples" in audio.inspect(path)[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inspect_finds_non_finite_samples(tmp_path, value):
    samples = noise(3 * 44_100, 2)
    samples[2 * 44_100 + 441, 1] = value
    path = written(tmp_path / "a.wav", samples, 44_100, "FLOAT")
    assert audio.inspect(path) == ({}, "non-finite: NaN or infinite samples from 2.010 s on")


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "PCM_16"), ("a.wav", "FLOAT"), ("a.flac", "PCM_16")])
def test_inspect_finds_silence_but_not_one_loud_sample(tmp_path, name, subtype):
    samples = np.zeros((100_000, 2), np.float32)
    assert audio.inspect(written(tmp_path / name, samples, 8_000, subtype))[1].startswith("silent")
    samples[99_999, 1] = 0.1
    assert audio.inspect(written(tmp_path / name, samples, 8_000, subtype))[1] is None


def test_inspect_finds_emptiness(tmp_path):
    path = written(tmp_path / "a.wav", np.zeros(0, np.float32), 8_000, "PCM_16")
    assert audio.inspect(path)[1] == "empty: by its header it has no samples; it has 44 bytes"
    (tmp_path / "b.wav").touch()
    assert audio.inspect(tmp_path / "b.wav") == ({}, "empty: the file has 0 bytes")


def test_inspect_of_what_is_no_file(tmp_path):
    assert audio.inspect(tmp_path / "no.wav") == ({}, "missing: no such file")
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "gone.wav").symlink_to("nothing.wav")
    (tmp_path / "zeros.wav").symlink_to("/dev/zero")
    assert audio.inspect(tmp_path / "folder.wav") == ({}, "unreadable: a folder, not a file")
    for name in ("pipe.wav", "zeros.wav"):
        assert audio.inspect(tmp_path / name) == ({}, "unreadable: not a regular file")
    assert audio.inspect(tmp_path / "loop.wav") == ({}, "unreadable: Too many levels of symbolic links")
    assert audio.inspect(tmp_path / "gone.wav") == ({}, "missing: a link to a file that is not there")
    assert audio.inspect("nul\0byte.wav") == ({}, "unreadable: a name with a zero byte")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff", "au", "caf", "raw", "txt", ""])
def test_inspect_of_garbage_is_a_line_and_never_an_exception(tmp_path, suffix):
    rng = np.random.default_rng(len(suffix))
    magic = {"wav": b"RIFF\xff\0\0\0WAVEfmt ", "flac": b"fLaC\0\0\0\x22", "ogg": b"OggS\0\2", "aiff": b"FORM"}
    for n_bytes in (1, 10, 100, 5_000):
        for start in (b"", magic.get(suffix, b"\0")):
            path = tmp_path / f"a.{suffix}"
            path.write_bytes(start + rng.bytes(n_bytes))
            info, problem = audio.inspect(path)
            assert problem
            assert "\n" not in problem
            assert info == {} or info["channels"] > 0


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_inspect_survives_any_changed_byte(tmp_path, name):
    path = written(tmp_path / name, 0.4 * noise(4_000), 8_000)
    content = path.read_bytes()
    rng = np.random.default_rng(5)
    places = [*range(min(120, len(content))), *rng.integers(0, len(content), 60)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        _, problem = audio.inspect(path)
        assert problem is None or "\n" not in problem


def test_inspect_takes_little_memory_and_runs_in_threads(tmp_path):
    n_samples = 60 * 32_000
    path = written(tmp_path / "a.wav", 0.1 * noise(n_samples), 32_000, "PCM_16")
    expected = audio.inspect(path)
    assert expected[1] is None
    tracemalloc.start()
    audio.inspect(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n_samples * 4 / 8
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(audio.inspect, [path] * 8)) == [expected] * 8


def test_reading_raises_no_warning(tmp_path):
    path = written(tmp_path / "a.wav", noise(4_000), 8_000, "FLOAT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio.inspect(path)
        audio.read_cut(path, (0.1, 0.4), 11_025)
