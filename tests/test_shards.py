"""The shard container: what goes in comes out, byte for byte again, and damage is named."""

import errno
import io
import json
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dawnchorus.features import shards
from dawnchorus.foundation import source_code
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.source_code import SourceCode

PARAMS = {"kind": "mfcc", "n_mfcc": 4}
FILES = ["ab12", "cd34"]


def content(seed=0):
    """Return {recording id: (signature, clips in seconds, arrays)} with ids that are no file names."""
    rng = np.random.default_rng(seed)
    ids = ["a", "sub/b c", "../../x", "ü\n", "9" * 300]
    made = {}
    for number, recording_id in enumerate(sorted(ids)):
        spans = [tuple(np.sort(rng.uniform(0, 60, 2)).tolist()) for _ in range(3 + number % 3)]
        clips_s = {"annotation": spans[:1], "margin": spans[1:2], "context": spans[2:]}
        arrays = [rng.standard_normal((int(rng.integers(1, 9)), 4)).astype(np.float32) for _ in spans]
        made[recording_id] = f"signature {number}", clips_s, arrays
    return made


def only(*spans):
    """Clips of annotations, and of no other kind."""
    return {"annotation": list(spans), "margin": [], "context": []}


def write(path, made):
    with shards.write_shard(path, PARAMS, FILES) as writer:
        for recording_id, entry in made.items():
            writer.add(recording_id, *entry)
    return path


def assert_same(path, made):
    with shards.Shard(path) as shard:
        assert shard.params == PARAMS
        assert shard.files == FILES
        assert shard.recording_ids == list(made)
        for recording_id, (signature, clips_s, arrays) in made.items():
            assert shard.signature(recording_id) == signature
            assert {role: [clip[:2] for clip in shard.clips(recording_id, role)] for role in shards.ROLES} == clips_s
            found = [array for role in shards.ROLES for array in shard.features_of_clips(recording_id, role)]
            assert len(found) == len(arrays)
            for got, expected in zip(found, arrays, strict=True):
                np.testing.assert_array_equal(got, expected)
                assert got.dtype == np.float32
            np.testing.assert_array_equal(shard.features(recording_id), np.concatenate(arrays))


def test_what_goes_in_comes_out(tmp_path):
    made = content()
    assert_same(write(tmp_path / "new folder" / "shard-0.zip", made), made)
    assert_same(write(tmp_path / "empty.zip", {}), {})


def test_it_is_a_plain_zip_of_npy_files_without_ids_in_names(tmp_path):
    made = content()
    path = write(tmp_path / "shard-0.zip", made)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert [info.compress_type for info in archive.infolist()] == [zipfile.ZIP_STORED] * (len(made) + 1)
        assert set(archive.namelist()) == {"index.json", *(f"{n:06d}.npy" for n in range(len(made)))}
        index = json.loads(archive.read("index.json"))
        for recording_id, (_, _, arrays) in made.items():
            member = archive.read(index["recordings"][recording_id]["member"])
            array = np.load(io.BytesIO(member), allow_pickle=False)
            np.testing.assert_array_equal(array, np.concatenate(arrays))


def test_same_content_gives_same_bytes(tmp_path):
    made = content()
    first, second = write(tmp_path / "a.zip", made), tmp_path / "b.zip"
    with shards.Shard(first) as old, shards.write_shard(second, PARAMS, FILES) as writer:
        for number, (recording_id, entry) in enumerate(made.items()):
            if number % 2:
                writer.add(recording_id, *entry)
            else:
                writer.copy(recording_id, old)
    assert first.read_bytes() == second.read_bytes()


def test_kinds_of_clips_come_apart(tmp_path):
    clips_s = {"annotation": [(0.0, 1.0)], "margin": [], "context": [(5.0, 6.0), (8.0, 9.5)]}
    arrays = [np.full((n + 1, 4), n, np.float32) for n in range(3)]
    with shards.write_shard(tmp_path / "a.zip", PARAMS) as writer:
        writer.add("a", "s", clips_s, arrays)
        writer.add("b", "s", only((0.0, 1.0), (5.0, 6.0), (8.0, 9.5)), arrays)
    with shards.Shard(tmp_path / "a.zip") as shard:
        assert shard.clips("a") == [(0.0, 1.0, 0, 1)]
        assert shard.clips("a", "context") == [(5.0, 6.0, 1, 2), (8.0, 9.5, 3, 3)]
        for got, expected in zip(shard.features_of_clips("a"), arrays[:1], strict=True):
            np.testing.assert_array_equal(got, expected)
        for got, expected in zip(shard.features_of_clips("a", "context"), arrays[1:], strict=True):
            np.testing.assert_array_equal(got, expected)
        assert len(shard.clips("b")) == 3
        assert (
            shard.clips("a", "margin") == shard.clips("b", "context") == shard.features_of_clips("b", "context") == []
        )


def test_order_is_that_of_ids(tmp_path):
    arrays = [np.zeros((1, 4), np.float32)]
    with shards.write_shard(tmp_path / "a.zip", PARAMS) as writer:
        writer.add("b", "s", only((0.0, 1.0)), arrays)
        with pytest.raises(ValueError, match="sorted"):
            writer.add("a", "s", only((0.0, 1.0)), arrays)


def test_a_failed_write_leaves_the_old_shard(tmp_path):
    path = write(tmp_path / "a.zip", content())
    before, names = path.read_bytes(), set(tmp_path.iterdir())
    whole, never_whole = ("s", only((0.0, 1.0)), [np.zeros((1, 4), np.float32)]), ("s", only(), [])
    with pytest.raises(ValueError, match="concatenate"):
        write(path, {"b": never_whole})
    assert set(tmp_path.iterdir()) == names
    # What is finished the next writer may take over.
    with pytest.raises(ValueError, match="concatenate"):
        write(path, {"a": whole, "b": never_whole})
    assert path.read_bytes() == before
    assert sorted(left.suffix for left in set(tmp_path.iterdir()) - names) == [".notes", ".zip"]


def test_a_full_disk_gets_back_what_was_written(tmp_path):
    with pytest.raises(OSError, match="No space"), shards.write_shard(tmp_path / "a.zip", PARAMS) as writer:
        writer.add("a", "s", only((0.0, 1.0)), [np.zeros((1, 4), np.float32)])
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_memory_is_that_of_one_recording(tmp_path):
    n_frames, n_recordings = 2_000, 40
    with shards.write_shard(tmp_path / "a.zip", PARAMS) as writer:
        for number in range(n_recordings):
            array = np.full((n_frames, 64), number, np.float32)
            writer.add(f"{number:03d}", "s", only((0.0, 1.0)), [array])
    one = n_frames * 64 * 4
    tracemalloc.start()
    with shards.Shard(tmp_path / "a.zip") as shard:
        total = sum(float(shard.features(recording_id)[0, 0]) for recording_id in shard.recording_ids)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == sum(range(n_recordings))
    assert peak < 5 * one


def test_unknown_recording(tmp_path):
    with shards.Shard(write(tmp_path / "a.zip", content())) as shard:
        assert shard.signature("nobody") is None
        for read in (shard.clips, shard.features, shard.member):
            with pytest.raises(InputError, match=r"a\.zip: no recording 'nobody'"):
                read("nobody")


def zip_of(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def index_of(**changes):
    kinds = {"annotation": [[0.0, 1.0, 0, 2]], "margin": [], "context": []}
    entry = {"signature": "s", "member": "000000.npy", "clips": kinds, **changes}
    return json.dumps({"format": shards.FORMAT, "features": {}, "files": [], "recordings": {"a": entry}})


@pytest.mark.parametrize(
    "index",
    [
        "",
        "no json",
        "[]",
        "{}",
        "[" * 10_000,
        b"\xff\xfe",
        json.dumps({"format": "something else", "features": {}, "files": [], "recordings": {}}),
        json.dumps({"format": shards.FORMAT, "features": {}, "files": []}),
        json.dumps({"format": shards.FORMAT, "files": [], "recordings": {}}),
        json.dumps({"format": shards.FORMAT, "features": {}, "files": [], "recordings": []}),
        json.dumps({"format": shards.FORMAT, "features": [], "files": [], "recordings": {}}),
        json.dumps({"format": shards.FORMAT, "features": {}, "recordings": {}}),
        json.dumps({"format": shards.FORMAT, "features": {}, "files": [3], "recordings": {}}),
        json.dumps({"format": shards.FORMAT, "features": {}, "files": [], "recordings": {"a": None}}),
        index_of(signature=3),
        index_of(member="../evil"),
        index_of(member=None),
        index_of(clips=None),
        index_of(clips=[[0.0, 1.0, 0, 2]]),
        index_of(clips={"annotation": [[0.0, 1.0, 0, 2]]}),
        index_of(clips={**only([0.0, 1.0, 0, 2]), "else": []}),
        *(
            index_of(clips=only(clip))
            for clip in ([0.0, 1.0, 1, 2], [0.0, 1.0, 0, -2], ["0", 1.0, 0, 2], [0.0, 1.0, 0], [2.0, 1.0, 0, 2], 3)
        ),
        index_of(clips={**only([0.0, 1.0, 0, 2]), "context": None}),
    ],
)
def test_a_foreign_index_is_an_input_error(tmp_path, index):
    path = zip_of(tmp_path / "a.zip", {"index.json": index})
    with pytest.raises(InputError, match=r"a\.zip: not a usable shard of features: [^\n]*$"):
        shards.Shard(path)


def npy(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


GOOD = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"\x93NUMPY",
        npy(GOOD)[:-1],
        npy(GOOD) + b"\0" * 4,
        npy(GOOD.astype(np.float64)),
        npy(GOOD.astype(">f4")),
        npy(np.asfortranarray(GOOD)),
        npy(GOOD.reshape(-1)),
        npy(GOOD[:1]),
        npy(GOOD, version=(2, 0)),
        npy(np.array([[{}, None]], object), allow_pickle=True),
        npy(GOOD).replace(b"(2, 4)", b"(2,-4)"),
        npy(GOOD).replace(b"(2, 4)", b"(2,9**9)"),
    ],
)
def test_a_foreign_array_is_an_input_error(tmp_path, member):
    path = zip_of(tmp_path / "a.zip", {"index.json": index_of(), "000000.npy": member})
    with shards.Shard(path) as shard, pytest.raises(InputError, match="not a usable shard"):
        shard.features("a")


def test_a_good_array_by_the_same_way(tmp_path):
    members = {"index.json": index_of(), "000000.npy": npy(GOOD)}
    with shards.Shard(zip_of(tmp_path / "a.zip", members)) as shard:
        np.testing.assert_array_equal(shard.features("a"), GOOD)
    with pytest.raises(InputError, match="not stored as it is"):
        shards.Shard(zip_of(tmp_path / "b.zip", members, zipfile.ZIP_DEFLATED))
    path = zip_of(tmp_path / "c.zip", {"index.json": index_of()})
    with shards.Shard(path) as shard, pytest.raises(InputError, match="not a usable shard"):
        shard.member("a")


def test_what_is_no_zip_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        shards.Shard(tmp_path / "no.zip")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("species_id,name\n")
    for name in ("folder", "empty", "text"):
        with pytest.raises(InputError, match="not a usable shard"):
            shards.Shard(tmp_path / name)


def test_no_damage_passes_unnoticed(tmp_path):
    made = content()
    path = write(tmp_path / "a.zip", made)
    good = path.read_bytes()
    rng = np.random.default_rng(7)
    n_refused = 0
    for place in [*rng.integers(0, len(good), 250), *range(len(good) - 90, len(good))]:
        damaged = bytearray(good)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            assert_same(path, made)
        except InputError:
            n_refused += 1
    assert n_refused > 200
    for length in rng.integers(0, len(good), 40):
        path.write_bytes(good[:length])
        with pytest.raises(InputError):
            shards.Shard(path)


def test_shard_of_a_recording_is_its_crc32():
    # 0x3610A686 is the CRC-32 of "hello", as any tool gives it.
    assert shards.shard_of("hello", 8) == 0x3610A686 % 8
    assert {shards.shard_of(f"r{n}", 8) for n in range(200)} == set(range(8))


def test_signature_changes_with_everything_it_is_made_of():
    first, second = (0.0, 1.0), (2.0, 3.0)
    base = ("ab" * 32, only(first, second), PARAMS, ["file"], "code")
    others = [
        ("cd" * 32, *base[1:]),
        (base[0], only(first), *base[2:]),
        (base[0], only(second, first), *base[2:]),
        (base[0], only(first, (2.0, 3.0000001)), *base[2:]),
        (base[0], {**only(first), "context": [second]}, *base[2:]),
        (base[0], {**only(first), "margin": [second]}, *base[2:]),
        (*base[:2], {**PARAMS, "n_mfcc": 5}, *base[3:]),
        (*base[:3], ["other file"], base[4]),
        (*base[:4], "other code"),
    ]
    signatures = [shards.signature_of(*parts) for parts in (base, *others)]
    assert len(set(signatures)) == len(signatures)
    reordered = {key: PARAMS[key] for key in reversed(PARAMS)}
    assert shards.signature_of(*base[:2], reordered, *base[3:]) == signatures[0]


@pytest.mark.parametrize(
    "module",
    [
        "sound/audio",
        *(
            f"features/{name}"
            for name in ("extraction", "clips", "shards", "kinds/__init__", "kinds/_mel", "kinds/mfcc")
        ),
    ],
)
def test_the_code_that_determines_values_is_part_of_the_signature(tmp_path, module):
    package = Path(shutil.copytree(source_code.PACKAGE, tmp_path / "dawnchorus"))

    def version():
        return SourceCode(package).version_of(*shards.CODE, chosen={"features.kinds": "mfcc"})

    before = version()
    assert before == shards.code_version("mfcc") != shards.code_version("pcen")
    for other in ("report/figures", "features/kinds/pcen"):
        with (package / f"{other}.py").open("a") as file:
            file.write("x = 1\n")
    assert version() == before
    with (package / f"{module}.py").open("a") as file:
        file.write("x = 1\n")
    assert version() != before
