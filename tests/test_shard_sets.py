"""Files of shards of several counts in one folder: what is taken from which, and what is removed when."""

import zlib
from pathlib import Path

import pytest

from dawnchorus.foundation.hashes import HashCache
from dawnchorus.workflow import provenance, shard_sets


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    return tmp_path


def made(count):
    """Make the files of a set as jobs do, each with its record; return the jobs."""
    jobs = []
    for number in shard_sets.numbers(count):
        products = [f"in/{what}-{number}-of-{count}.zip" for what in ("shard", "negatives")]
        job = provenance.Job((), (), (*products, f"in/shard-{number}-of-{count}.provenance.json"))
        for path in products:
            Path(path).write_text(path)
        job.write(job.read(HashCache("cache")), HashCache("cache"))
        jobs.append(job)
    return jobs


def names():
    return sorted(path.name for path in Path("in").iterdir())


def test_numbers_sort_as_names_do():
    assert shard_sets.numbers(1) == ["0"]
    assert shard_sets.numbers(10) == sorted(shard_sets.numbers(10)) == [*"0123456789"]
    assert shard_sets.numbers(11) == sorted(shard_sets.numbers(11))
    assert shard_sets.numbers(101)[7] == "007"


@pytest.mark.parametrize("what", ["shard", "negatives"])
def test_an_entry_may_lie_in_its_shard_of_every_other_count(what):
    for count in (3, 8, 12):
        made(count)
    find = shard_sets.elsewhere(Path(f"in/{what}-1-of-8.zip"))
    for entry in ("a", "ab", "rec17"):
        crc = zlib.crc32(entry.encode())
        assert [path.as_posix() for path in find(entry)] == [
            f"in/{what}-{crc % 3}-of-3.zip",
            f"in/{what}-{crc % 12:02}-of-12.zip",
        ]


def test_a_file_is_believed_only_with_a_record_that_says_what_is_there():
    made(1)
    find = "in/shard-0-of-2.zip"
    other, record = Path("in/shard-0-of-1.zip"), Path("in/shard-0-of-1.provenance.json")
    assert list(shard_sets.elsewhere(Path(find))("a")) == [other]
    text = record.read_text()
    for damaged in ("{}", "", text.replace(other.name, "shard-0-of-4.zip")):
        record.write_text(damaged)
        assert list(shard_sets.elsewhere(Path(find))("a")) == []
    record.write_text(text)
    other.write_text("another")
    assert list(shard_sets.elsewhere(Path(find))("a")) == []
    other.unlink()
    assert list(shard_sets.elsewhere(Path(find))("a")) == []


def test_a_name_without_a_count_has_no_others():
    made(3)
    assert list(shard_sets.elsewhere(Path("in/shard-0.zip"))("a")) == []


def test_an_entry_may_be_in_what_killed_jobs_were_writing_of_any_count():
    shards = ("1-of-8.abcd1234", "1-of-8.abcd1235", "02-of-12.abcd1234")
    names = [f".shard-{shard}.zip.notes" for shard in shards]
    for name in (*names, ".shard-1-of-8.abcd1236.zip", ".negatives-1-of-8.abcd1234.zip.notes", ".notes"):
        Path("in", name).touch()
    find = shard_sets.elsewhere(Path("in/shard-1-of-8.zip"))
    found = {entry: [path.name for path in find(entry)] for entry in map(str, range(100))}
    for entry, of_entry in found.items():
        crc = zlib.crc32(entry.encode())
        assert of_entry == [*(names[:2] if crc % 8 == 1 else ()), *(names[2:] if crc % 12 == 2 else ())]
    assert max(map(len, found.values())) == 2


def test_of_a_whole_set_the_others_go_and_nothing_else():
    whole = made(2)
    made(12)
    half = [".shard-1-of-2.abcd_123.zip", ".negatives-07-of-12.abcd1234.zip", ".shard-0-of-2.provenance.abcd1234.json"]
    half += [".shard-0-of-2.abcd1234.zip.notes", ".shard-05-of-12.abcd1234.zip.notes"]
    half += ["unfinished-shard-07-of-12.part-13.zip", "unfinished-shard-0-of-2.abcd1234.zip"]
    kept = ["notes.txt", "shard-3-of-9.txt", "other-3-of-9.zip", "shard-0.zip", ".shard.zip", ".gitignore"]
    for name in (*half, *kept):
        Path("in", name).write_text("")
    Path("shard-3-of-9.zip").write_text("")
    shard_sets.leave_only([*whole, provenance.Job((), (), ("models/a.keras", "models/a.provenance.json"))])
    assert names() == sorted([*kept, *(Path(path).name for job in whole for path in job.outputs)])
    assert Path("shard-3-of-9.zip").exists()


def test_beside_a_set_that_is_not_whole_or_not_current_nothing_goes():
    whole = made(2)
    made(12)
    before = names()
    shard_sets.leave_only(whole[:1])
    shard_sets.leave_only([])
    Path("in/negatives-1-of-2.zip").write_text("another")
    shard_sets.leave_only(whole)
    assert names() == before
    Path("in/negatives-1-of-2.zip").unlink()
    shard_sets.leave_only(whole)
    assert names() == sorted({*before} - {"negatives-1-of-2.zip"})


def test_a_count_of_none_is_no_count():
    made(1)
    for name in ("shard-0-of-0.zip", "shard-0-of-0.provenance.json", "shard-00-of-00.provenance.json"):
        Path("in", name).write_text("{}")
    assert list(shard_sets.elsewhere(Path("in/shard-0-of-2.zip"))("a")) == [Path("in/shard-0-of-1.zip")]
