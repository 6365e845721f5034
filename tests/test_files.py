import hashlib
import json
import os
import time

import pytest

from dawnchorus.foundation.files import sha256_of, write_whole
from dawnchorus.foundation.hashes import HashCache, digest_of
from dawnchorus.foundation.seeds import derived_seed, rng


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with pytest.raises(RuntimeError), write_whole(path) as file:
        file.write("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    with write_whole(path) as file:
        file.write("whole")
        assert not path.exists()
    assert path.read_text() == "whole"


def test_an_error_leaves_the_old_file_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), write_whole(path) as file:
        file.write("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    with write_whole(tmp_path / "whole"):
        pass
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_sha256_is_that_of_hashlib(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.fixture
def later(monkeypatch):
    """Let every hash be taken a minute after the files were written."""
    now = time.time_ns
    monkeypatch.setattr("dawnchorus.foundation.hashes.time.time_ns", lambda: now() + 60 * 10**9)


def test_hash_cache_reads_a_file_once_and_again_when_it_changes(tmp_path, monkeypatch, later):
    file, store = tmp_path / "a", tmp_path / "hashes.json"
    file.write_text("one")
    cache = HashCache(store)
    first = cache.sha256(file)
    cache.save()
    with monkeypatch.context() as patch:
        patch.setattr("dawnchorus.foundation.hashes.sha256_of", lambda path: pytest.fail("read again"))
        assert HashCache(store).sha256(file) == first
    replacement = tmp_path / "b"
    replacement.write_text("two")
    replacement.replace(file)
    assert HashCache(store).sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_what_is_made_of_a_file_is_kept_as_its_hash_is(tmp_path, later):
    def first_word(path):
        read.append(path)
        return open(path).read().split()[0]

    store, file, read = tmp_path / "hashes.json", tmp_path / "file", []
    file.write_text("one two")
    cache = HashCache(store)
    assert cache.derived(file, first_word) == cache.derived(file, first_word) == "one"
    assert cache.sha256(file) == hashlib.sha256(b"one two").hexdigest()
    cache.save()
    assert HashCache(store).derived(file, first_word) == "one"
    assert len(read) == 1
    file.write_text("three")
    assert HashCache(store).derived(file, first_word) == "three"


def test_of_many_files_those_that_are_known_are_not_read_and_all_come_in_order(tmp_path, monkeypatch, later):
    known, new, gone = (tmp_path / name for name in ("known", "new", "gone"))
    cache = HashCache(tmp_path / "hashes.json")
    known.write_text("one")
    cache.sha256(known)
    new.write_text("two")
    read = []
    monkeypatch.setattr("dawnchorus.foundation.hashes.sha256_of", lambda path: read.append(path) or sha256_of(path))
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"one", b"two"))
    assert cache.sha256_of_all(path for path in (new, known, known)) == [two, one, one]
    assert cache.sha256_or_reason([known, gone, tmp_path]) == [one, "No such file or directory", "not a regular file"]
    assert read[0] == str(new)
    assert str(known) not in read


def test_an_edit_whose_time_was_restored_is_seen(tmp_path, later):
    file, cache = tmp_path / "a", HashCache(tmp_path / "hashes.json")
    file.write_text("one")
    os.utime(file, ns=(10**18, 10**18))
    cache.sha256(file)
    file.write_text("two")
    os.utime(file, ns=(10**18, 10**18))
    assert cache.sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_an_edit_within_one_step_of_the_file_systems_time_is_seen(tmp_path, monkeypatch):
    file, cache = tmp_path / "a", HashCache(tmp_path / "hashes.json")
    file.write_text("one")
    seen = os.stat(file)
    # As on a file system with whole-second times: the next edit changes nothing that can be asked for.
    monkeypatch.setattr("dawnchorus.foundation.hashes.os.stat", lambda path: seen)
    cache.sha256(file)
    file.write_text("two")
    assert cache.sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_a_file_put_in_the_place_of_another_is_read_even_if_size_and_time_are_the_same(tmp_path, later):
    file, other, cache = tmp_path / "a", tmp_path / "b", HashCache(tmp_path / "hashes.json")
    for path, text in ((file, "one"), (other, "two")):
        path.write_text(text)
        os.utime(path, ns=(10**18, 10**18))
    cache.sha256(file)
    other.replace(file)
    assert cache.sha256(file) == hashlib.sha256(b"two").hexdigest()


def test_processes_share_what_they_learn(tmp_path, later):
    store = tmp_path / "hashes.json"
    caches = [HashCache(store), HashCache(store)]
    for name, cache in zip("ab", caches, strict=True):
        (tmp_path / name).write_text(name)
        cache.sha256(tmp_path / name)
        cache.save()
    assert set(json.loads(store.read_text())) == {str(tmp_path / name) for name in "ab"}


def test_names_that_a_file_system_allows_come_back_as_they_were(tmp_path, later):
    store, names = tmp_path / "hashes.json", ['a"b', "a\nb", "{a}, ", "a\\", "é", os.fsdecode(b"\xff"), '": "']
    for part in (names[:4], names[4:]):
        cache = HashCache(store)
        for name in part:
            (tmp_path / name).write_text(name, errors="surrogateescape")
            cache.sha256(tmp_path / name)
        cache.save()
    found = [HashCache(store).remembered(tmp_path / name) for name in names]
    assert found == [hashlib.sha256(os.fsencode(name)).hexdigest() for name in names]
    assert set(json.loads(store.read_text())) == {str(tmp_path / name) for name in names}


def test_of_a_store_that_ends_early_what_is_there_is_kept(tmp_path, later):
    store, names = tmp_path / "hashes.json", "abc"
    cache = HashCache(store)
    for name in names:
        (tmp_path / name).write_text(name)
        cache.sha256(tmp_path / name)
    cache.save()
    text = store.read_text()
    store.write_text(text[: text.index(str(tmp_path / "c")) + 3])
    known = [HashCache(store).remembered(tmp_path / name) is not None for name in names]
    assert known == [True, True, False]


@pytest.mark.parametrize(
    "text", ["{half", "[]", "[" * 100_000, "\xff", "{FILE: 5}", "{FILE: []}", "{FILE: null}", '{FILE: "5 "}', "{FILE}"]
)
def test_a_damaged_hash_cache_costs_time_only(tmp_path, text):
    text = text.replace("FILE", json.dumps(str(tmp_path / "a")))
    (tmp_path / "hashes.json").write_text(text, encoding="latin-1")
    (tmp_path / "a").write_text("x")
    assert HashCache(tmp_path / "hashes.json").sha256(tmp_path / "a") == hashlib.sha256(b"x").hexdigest()


def test_digest_is_of_a_set_of_named_contents():
    assert digest_of([("a", "1"), ("b", "2")]) == digest_of([("b", "2"), ("a", "1")])
    assert digest_of([("a", "1"), ("b", "2")]) != digest_of([("a", "2"), ("b", "1")])
    for n in (0, 1, 1_000, 2_500):
        entries = [(f"é{number}", str(number)) for number in range(n)]
        text = json.dumps(sorted(map(list, entries)))
        assert digest_of(entries[::-1]) == hashlib.sha256(text.encode()).hexdigest()


def test_streams_of_one_seed_are_repeatable_and_independent():
    assert rng(1, "split").integers(1 << 40) == rng(1, "split").integers(1 << 40)
    draws = {rng(seed, purpose).integers(1 << 40) for seed in (0, 1, 2) for purpose in ("split", "batches")}
    assert len(draws) == 6
    assert 0 <= derived_seed(2**32 - 1, "model") < 2**31
