"""Recordings that a job reads are those that the audit knew, wherever their names lead meanwhile."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound import audio, opening
from dawnchorus.sound.unchanged import opened_as, unchanged

CHANGED = r"audio/a\.wav: .*changed since the audit"


def write(path, pitch_hz):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * pitch_hz * np.arange(800) / 8000), 8000)


@pytest.fixture(autouse=True)
def rows(tmp_path, monkeypatch):
    """Two recordings, as rows of recordings.csv, and others that may take their places."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for number, name in enumerate("ab"):
        write(f"audio/{name}.wav", 500 + 100 * number)
        digest = hashlib.sha256(Path(f"audio/{name}.wav").read_bytes()).hexdigest()
        rows.append({"recording_id": name, "path": f"{name}.wav", "sha256": digest})
        write(f"others/{name}.wav", 900)
    return rows


def read(name="a"):
    return audio.read_cut(f"audio/{name}.wav", (0.0, 0.1), None)


def put(source, path):
    """Put a copy of a file in the place of another, as editors and `git checkout` do."""
    shutil.copy(source, "beside")
    os.replace("beside", path)


def test_what_stays_as_it_was_may_be_read(rows):
    with unchanged(rows, "audio"):
        first = read()
        np.testing.assert_array_equal(read(), first)
        write("audio/new.wav", 50)
        read("new")
        # What nobody reads may be anything.
        put("others/b.wav", "audio/b.wav")
    assert not Path(".snakemake").exists()


@pytest.mark.parametrize("folder", ["audio", "./audio/", "audio/../audio"])
def test_another_recording_than_the_audit_knew_is_not_read(rows, folder):
    put("others/a.wav", "audio/a.wav")
    with pytest.raises(InputError, match=CHANGED), unchanged(rows, folder):
        read()


@pytest.mark.parametrize("back", [False, True])
def test_a_recording_that_changes_after_it_was_read_is_named(rows, back):
    whole = Path("audio/a.wav").read_bytes()
    with pytest.raises(InputError, match=CHANGED), unchanged(rows, "audio"):
        read()
        put("others/a.wav", "audio/a.wav")
        if back:
            Path("before.wav").write_bytes(whole)
            put("before.wav", "audio/a.wav")


def test_a_recording_that_goes_is_named(rows):
    with pytest.raises(InputError, match=CHANGED), unchanged(rows, "audio"):
        read()
        Path("audio/a.wav").unlink()


def by_link():
    Path("audio/a.wav").rename("first.wav")
    Path("audio/a.wav").symlink_to("../first.wav")

    def lead(to):
        Path("audio/a.wav").unlink()
        Path("audio/a.wav").symlink_to(to)

    return lambda: lead("../others/a.wav"), lambda: lead("../first.wav")


def by_a_link_to_the_folder():
    Path("audio").rename("first")
    Path("audio").symlink_to("first")

    def lead(to):
        Path("audio").unlink()
        Path("audio").symlink_to(to)

    return lambda: lead("others"), lambda: lead("first")


def by_folders():
    def swap():
        for before, after in (("audio", "third"), ("others", "audio"), ("third", "others")):
            Path(before).rename(after)

    return swap, swap


@pytest.mark.parametrize("ways", [by_link, by_a_link_to_the_folder, by_folders])
@pytest.mark.parametrize("read_before", [False, True])
def test_a_name_that_leads_elsewhere_for_a_while_and_back_is_found(rows, ways, read_before):
    """Nothing of the file that it leads to in the end has changed: only who looks at what was opened can know."""
    away, back = ways()
    with pytest.raises(InputError, match=CHANGED), unchanged(rows, "audio"):
        if read_before:
            read()
        away()
        try:
            read()
        finally:
            back()


def test_who_waits_for_one_file_sees_what_was_opened():
    seen = os.stat("audio/a.wav")
    identity = [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev]
    with opened_as("audio/a.wav", identity, "it is another"):
        read()
        read("b")
        put("others/a.wav", "audio/a.wav")
        with pytest.raises(InputError, match="it is another"):
            read()
    read()
    never = opening.watched(lambda path, descriptor: "never")
    with pytest.raises(opening.Refusal, match="never"), never, opening.for_cuts("audio/a.wav"):
        pytest.fail("it was opened")


def test_what_a_job_says_itself_is_not_hidden(rows):
    with pytest.raises(InputError, match="its own"), unchanged(rows, "audio"):
        read()
        put("others/a.wav", "audio/a.wav")
        raise InputError("its own")
