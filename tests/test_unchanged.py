"""Recordings that a job reads are those that the audit knew, from before its first look to after its last."""

import hashlib
import os
from pathlib import Path

import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound.unchanged import unchanged


@pytest.fixture(autouse=True)
def rows(tmp_path, monkeypatch):
    """Two recordings, as rows of recordings.csv."""
    monkeypatch.chdir(tmp_path)
    Path("audio").mkdir()
    rows = []
    for name in ("a.wav", "b.wav"):
        Path("audio", name).write_bytes(name.encode())
        rows.append({"recording_id": name[0], "path": name, "sha256": hashlib.sha256(name.encode()).hexdigest()})
    return rows


def put(path, content):
    """Put another file in the place of one, as editors and `git checkout` do."""
    beside = Path(f"{path}.new")
    beside.write_bytes(content)
    os.replace(beside, path)


def test_what_stays_as_it_was_may_be_read(rows):
    with unchanged(rows, "audio"):
        assert Path("audio/a.wav").read_bytes() == b"a.wav"
    Path("audio/c.wav").write_bytes(b"new")
    with unchanged(rows, "audio"):
        pass


@pytest.mark.parametrize("content", [b"b.wa", b"B.wav"])
def test_another_recording_than_the_audit_knew_is_not_read(rows, content):
    put("audio/b.wav", content)
    with pytest.raises(InputError, match=r"audio/b\.wav: changed since the audit"), unchanged(rows, "audio"):
        pytest.fail("it was read")


@pytest.mark.parametrize("back", [False, True])
def test_a_recording_that_changes_meanwhile_is_named_also_where_it_is_put_back(rows, back):
    with pytest.raises(InputError, match=r"audio/a\.wav: changed since the audit"), unchanged(rows, "audio"):
        put("audio/a.wav", b"other")
        if back:
            put("audio/a.wav", b"a.wav")


def test_a_recording_that_goes_is_named(rows):
    with pytest.raises(InputError, match=r"audio/b\.wav: changed since the audit"), unchanged(rows, "audio"):
        Path("audio/b.wav").unlink()
    with pytest.raises(InputError, match=r"audio/b\.wav: cannot be read: No such file"), unchanged(rows, "audio"):
        pytest.fail("it was read")


def test_what_a_job_says_itself_is_not_hidden(rows):
    with pytest.raises(InputError, match="its own"), unchanged(rows, "audio"):
        put("audio/a.wav", b"other")
        raise InputError("its own")
