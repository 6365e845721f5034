"""A folder of recordings is listed whole, once, and in the end, whatever its links do."""

import os
from pathlib import PurePosixPath

import pytest

from dawnchorus.annotations import audit
from dawnchorus.detection import sounds
from dawnchorus.foundation.errors import InputError
from dawnchorus.sound import folders

SOUND = frozenset({".wav", ".flac"})


def names(root):
    return [name.path for name in folders.below(root, SOUND)]


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_every_name_of_a_sound_is_there(tmp_path):
    for name in ("a.wav", "b.txt", "d/e/c.FLAC", "d/x.wav/inside.wav", "d/.hidden/h.wav"):
        touch(tmp_path / name)
    (tmp_path / "gone.wav").symlink_to("nowhere")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    inside = ["a.wav", "d/.hidden/h.wav", "d/e/c.FLAC", "d/x.wav", "d/x.wav/inside.wav", "pipe.wav"]
    assert names(tmp_path) == [*inside, "gone.wav", "loop.wav"]


def test_a_link_to_a_folder_that_it_lies_in_leads_nowhere(tmp_path):
    touch(tmp_path / "a.wav")
    touch(tmp_path / "d/e/b.wav")
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "d/e/up").symlink_to("../..")
    (tmp_path / "d/round").symlink_to("e")
    assert names(tmp_path) == ["a.wav", "d/e/b.wav", "d/round/b.wav"]


def test_the_recordings_of_a_linked_folder_have_both_their_names(tmp_path):
    touch(tmp_path / "elsewhere/b.wav")
    (tmp_path / "audio").mkdir()
    for name in ("one", "two"):
        (tmp_path / "audio" / name).symlink_to("../elsewhere")
    assert names(tmp_path / "audio") == ["one/b.wav", "two/b.wav"]


def test_folders_that_all_link_to_each_other_are_listed_in_the_end(tmp_path):
    """There are more ways through them than anybody could go."""
    for number in range(12):
        touch(tmp_path / f"{number:02}/a.wav")
        for other in range(12):
            (tmp_path / f"{number:02}/to{other:02}").symlink_to(f"../{other:02}")
    found = folders.below(tmp_path, SOUND)
    assert [name.path for name in found[:12]] == [f"{number:02}/a.wav" for number in range(12)]
    assert len(found) <= 12 * folders.MOST_NAMES
    assert [sound.name for sound in sounds.find(str(tmp_path))] == [f"{number:02}/a.wav" for number in range(12)]


def test_detection_hears_each_file_once_by_the_name_that_is_none_of_a_link(tmp_path):
    touch(tmp_path / "z/real.wav")
    touch(tmp_path / "other.wav")
    (tmp_path / "a").symlink_to("z")
    (tmp_path / "a.wav").symlink_to("z/real.wav")
    (tmp_path / "m").symlink_to(".")
    os.link(tmp_path / "other.wav", tmp_path / "same.wav")
    for name in ("gone1.wav", "gone2.wav"):
        (tmp_path / name).symlink_to("nowhere")
    assert [sound.name for sound in sounds.find(str(tmp_path))] == ["gone1.wav", "gone2.wav", "other.wav", "z/real.wav"]


def refusing(monkeypatch, *refused):
    """Who runs the tests may be allowed everything: the folders refuse by themselves."""
    listed = os.scandir

    def scandir(path):
        if os.path.basename(path) in refused:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(folders.os, "scandir", scandir)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    touch(tmp_path / "audio/a.wav")
    touch(tmp_path / "audio/closed/b.wav")
    refusing(monkeypatch, "closed")
    assert names(tmp_path / "audio") == ["a.wav", "closed"]
    assert [sound.name for sound in sounds.find(str(tmp_path / "audio"))] == ["a.wav", "closed"]
    refusing(monkeypatch, "audio")
    with pytest.raises(InputError, match=r"audio: expected a folder that can be listed, but: Permission denied"):
        audit.audio_paths(str(tmp_path / "audio"))
    with pytest.raises(InputError, match=r"audio: expected a folder of recordings, but: Permission denied"):
        sounds.find(str(tmp_path / "audio"))


@pytest.mark.parametrize("what", ["nothing", "file", "link"])
def test_an_audio_folder_that_is_none_is_one_line(tmp_path, what):
    path = tmp_path / "audio"
    path.write_bytes(b"x") if what == "file" else path.symlink_to("audio") if what == "link" else None
    with pytest.raises(InputError, match=r"data\.audio_dir: .*audio: (no such folder|expected a folder that can be)"):
        audit.audio_paths(str(path))


def test_links_that_lead_out_of_the_recordings_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST_LINKED", 20)
    for number in range(20):
        touch(tmp_path / f"disk/{number}/a.wav")
        touch(tmp_path / f"audio/own {number}/a.wav")
    (tmp_path / "audio/all").symlink_to("../disk")
    with pytest.raises(InputError, match=r"audio: its links lead to more than 20 folders, such as \"all/\d+\"; exp"):
        names(tmp_path / "audio")
    # Folders of its own may be as many as they are.
    (tmp_path / "audio/all").unlink()
    assert len(names(tmp_path / "audio")) == 20


@pytest.mark.parametrize(
    "path", ["a.wav", "a", ".wav", "..wav", "a.", "a.b.wav", "d.1/a", "d.1/.wav", "d.1/a.WAV", "d/.a.wav", "d/a.b.", ""]
)
def test_a_suffix_is_what_pathlib_says(path):
    pure = PurePosixPath(path)
    assert folders.split_suffix(path) == (path.removesuffix(pure.suffix), pure.suffix)
