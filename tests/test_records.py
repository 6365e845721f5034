"""Snakemake's records against the files: what fits is left alone, what does not is marked."""

import base64
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dawnchorus.workflow import records

NOW = 1_700_000_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def made(product="out.txt", inputs=("in.txt",), **more) -> Path:
    """Write a product and its record, as Snakemake does."""
    for name in inputs:
        if not Path(name).exists():
            Path(name).write_text(f"content of {name}")
    if not Path(product).exists():
        Path(product).write_text(f"content of {product}")
    record = Path(".snakemake/metadata", base64.urlsafe_b64encode(product.encode()).decode())
    record.parent.mkdir(parents=True, exist_ok=True)
    checksums = {name: f"sha256:{sha256(name)}" for name in inputs}
    record.write_text(json.dumps({"rule": "r", "input_checksums": checksums, **more}))
    for path in (product, *inputs):
        os.utime(path, (NOW, NOW))
    return record


def test_where_a_record_is(folder):
    assert records.record_path("data/x.npy") == Path(".snakemake/metadata/ZGF0YS94Lm5weQ==")
    long = records.record_path("d/" * 200 + "x")
    assert all(len(part) < 256 for part in long.parts)
    assert base64.urlsafe_b64decode("".join(long.parts[2:]).replace("@", "")).decode() == "d/" * 200 + "x"


def test_a_new_record_is_sealed_with_its_products_content_and_nothing_else_changes(folder):
    record = made()
    before = json.loads(record.read_text())
    records.reconcile()
    assert json.loads(record.read_text()) == {**before, "output_checksum": sha256("out.txt")}
    assert Path("out.txt").stat().st_mtime == NOW
    sealed = record.stat().st_mtime_ns
    records.reconcile()
    assert record.stat().st_mtime_ns == sealed


def test_a_product_that_is_not_the_sealed_one_loses_its_record_and_its_time(folder):
    record = made()
    records.reconcile()
    Path("out.txt").write_text("restored from elsewhere")
    records.reconcile()
    assert not record.exists()
    assert Path("out.txt").stat().st_mtime < NOW


@pytest.mark.parametrize("newer", [True, False])
def test_an_input_that_is_not_the_recorded_one_sets_the_product_back(folder, newer):
    record = made()
    records.reconcile()
    Path("in.txt").write_text("another")
    os.utime("in.txt", (NOW + 9, NOW + 9) if newer else (NOW - 9, NOW - 9))
    records.reconcile()
    assert record.exists()
    assert Path("out.txt").stat().st_mtime < Path("in.txt").stat().st_mtime


def test_a_missing_input_or_product_is_left_to_snakemake(folder):
    record = made()
    made("gone.txt")
    Path("gone.txt").unlink()
    Path("in.txt").unlink()
    records.reconcile()
    assert record.exists()
    assert Path("out.txt").stat().st_mtime == NOW


def test_a_folder_is_one_product(folder):
    Path("set").mkdir()
    Path("set/a.flac").write_text("a")
    Path("set/.snakemake_timestamp").touch()
    record = made("set")
    records.reconcile()
    os.utime("set/.snakemake_timestamp", (NOW + 5, NOW + 5))
    records.reconcile()
    assert record.exists()
    Path("set/a.flac").write_text("b")
    records.reconcile()
    assert not record.exists()
    assert Path("set/.snakemake_timestamp").stat().st_mtime < NOW


def test_an_unfinished_product_is_not_sealed(folder):
    record = made()
    marker = Path(".snakemake/incomplete", record.name)
    marker.parent.mkdir()
    marker.touch()
    records.reconcile()
    assert "output_checksum" not in json.loads(record.read_text())


def test_a_damaged_record_is_dropped(folder):
    record = made()
    record.write_text('{"rule": "r", "inp')
    records.reconcile()
    assert not record.exists()


def test_other_files_in_the_folder_of_records_are_left_alone(folder):
    made()
    other = Path(".snakemake/metadata/.gitignore")
    other.write_text("/x\n")
    records.reconcile()
    assert other.read_text() == "/x\n"


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_links_into_the_cache_become_files_of_our_own(folder, link):
    record = made()
    kept = {}
    for path in (record, Path("out.txt")):
        stored = folder / f"cache-{path.name}"
        path.rename(stored)
        link(stored, path)
        kept[stored] = stored.read_bytes()
    records.reconcile()
    for path in (record, Path("out.txt")):
        assert not path.is_symlink()
        assert path.stat().st_nlink == 1
        path.write_text("written in place")
    assert {stored: stored.read_bytes() for stored in kept} == kept


HOLD = """
import sys; sys.path.insert(0, {source!r})
from dawnchorus.workflow import records
records.lock()
print("claimed", flush=True)
sys.stdin.read()
"""


def test_only_one_process_has_the_claim_and_a_killed_one_leaves_none(folder):
    source = str(Path(records.__file__).parents[2])
    Path(".snakemake/locks").mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", HOLD.format(source=source)], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "claimed\n"
        Path(".snakemake/locks/0.output.lock").touch()
        assert records.lock() is False
        assert Path(".snakemake/locks/0.output.lock").exists()
        other.kill()
        other.wait()
    assert records.lock() is True
    assert not Path(".snakemake/locks/0.output.lock").exists()
    with open(".snakemake/owner") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    records.unlock()


def test_a_process_that_only_looks_is_waited_for(folder):
    source = str(Path(records.__file__).parents[2])
    with subprocess.Popen([sys.executable, "-c", HOLD.format(source=source)], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "claimed\n"
        # It ends as soon as it is told to; the claim is taken then, however long that takes.
        threading.Timer(0, other.stdin.close).start()
        assert records.lock() is True
        records.unlock()


def test_the_locks_of_another_host_are_left_to_the_user(folder):
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.output.lock").touch()
    Path(".snakemake/owner").write_text("elsewhere\n")
    assert records.lock()
    assert Path(".snakemake/locks/0.output.lock").exists()
    records.unlock()
