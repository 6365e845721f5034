"""Copies of what a bucket holds, for planning: they are what it holds, whatever happened before."""

import hashlib
import io
import types

import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.workflow import bucket

WHERE = bucket.Bucket("frogs", "run/", ".snakemake/storage/s3/frogs/run", ".snakemake/bucket/frogs/run")


class Store:
    """A bucket of some files, as the plugin of the storage shows it; to read ``broken`` fails."""

    def __init__(self, **files):
        self.files, self.broken, self.fetched = files, None, []
        self.objects = self

    def bucket_exists(self):
        return True

    def s3bucket(self):
        return self

    def filter(self, Prefix):
        tags = {name: hashlib.md5(content).hexdigest() for name, content in self.files.items()}
        return [types.SimpleNamespace(key=f"{Prefix}{name}", e_tag=tag) for name, tag in tags.items()]

    def Object(self, key):
        name = key.removeprefix("run/")

        def get(IfMatch):
            if name == self.broken:
                raise ConnectionError("the network is gone")
            self.fetched.append(name)
            return {"Body": io.BytesIO(self.files[name])}

        return types.SimpleNamespace(get=get)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    made = Store(**{"a.csv": b"one", "b.csv": b"b"})
    monkeypatch.setattr(bucket, "_object", lambda workflow, name: made)
    return made


def fetched(store, folder):
    store.fetched = []
    bucket.fetch(None, WHERE, ["a.csv", "b.csv"])
    assert {name: (folder / WHERE.copies / name).read_bytes() for name in store.files} == store.files
    return store.fetched


def test_a_file_is_fetched_once_and_again_when_it_is_another(store, tmp_path):
    assert fetched(store, tmp_path) == ["a.csv", "b.csv"]
    assert fetched(store, tmp_path) == []
    store.files["b.csv"] = b"other"
    assert fetched(store, tmp_path) == ["b.csv"]
    del store.files["b.csv"]
    assert fetched(store, tmp_path) == []
    assert not (tmp_path / WHERE.copies / "b.csv").exists()


def test_a_copy_made_before_the_network_broke_is_not_taken_for_what_was_there_before(store, tmp_path):
    fetched(store, tmp_path)
    store.files, store.broken = {"a.csv": b"two", "b.csv": b"c"}, "b.csv"
    said = "^s3://frogs/run/: expected a bucket that can be read, and room for copies of it here: the network is gone$"
    with pytest.raises(InputError, match=said):
        bucket.fetch(None, WHERE, ["a.csv", "b.csv"])
    store.files, store.broken = {"a.csv": b"one", "b.csv": b"c"}, None
    assert fetched(store, tmp_path) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("name", ["data/../../x", "data//x"])
def test_a_name_that_leaves_its_folder_is_refused(store, name):
    store.files = {name: b""}
    with pytest.raises(InputError, match=r"expected a key without \.\. and empty parts"):
        bucket.fetch(None, WHERE, ["data"])


def test_a_name_that_is_a_file_and_a_folder_is_one_line(store):
    store.files = {"data": b"", "data/a.csv": b""}
    with pytest.raises(InputError, match=r"^s3://frogs/run/: expected a bucket that can be read"):
        bucket.fetch(None, WHERE, ["data"])
