"""Recordings go through frames and windows one after another; what frames cannot score, windows are not asked of."""

from contextlib import contextmanager

import pytest

from dawnchorus.detection import fused_detector
from dawnchorus.detection.sounds import Sound
from dawnchorus.features import runtimes
from dawnchorus.foundation.incremental import Done

SOUNDS = [Sound(f"sound/{name}.wav", f"{name}.wav", name) for name in "abc"]


class Hears:
    """Stands for a detector, and writes down what it is given."""

    def __init__(self, who, said, broken=(), ends_at=None):
        self.who, self.said, self.broken, self.ends_at, self.bad = who, said, broken, ends_at, set()

    def updating(self, path, sounds, step, elsewhere):
        n_heard = 0
        try:
            for sound in sounds:
                if sound.recording_id == self.ends_at:
                    raise ZeroDivisionError
                self.said.append(f"{self.who} {sound.recording_id}")
                if sound.recording_id in self.broken:
                    self.bad.add(sound.name)
                n_heard += 1
                step(sound)
                yield
        except BaseException as error:
            self.said.append(f"{self.who} {type(error).__name__}")
            raise
        return Done(n_heard, 0, ())


def heard(frames, windows, tmp_path, **wanted):
    steps = []
    paths = tmp_path / "frames.parquet", tmp_path / "windows.parquet"
    done = fused_detector.update(frames, paths[0], windows, paths[1], SOUNDS, steps.append, **wanted)
    return done, [sound.recording_id for sound in steps]


def test_one_recording_after_another_goes_through_both(tmp_path):
    said = []
    done, steps = heard(Hears("frames", said), Hears("windows", said), tmp_path)
    assert said == ["frames a", "windows a", "frames b", "windows b", "frames c", "windows c"]
    assert done == [Done(3, 0, ()), Done(3, 0, ())]
    assert steps == [*"aabbcc"]


@pytest.mark.parametrize("broken", ["a", "b", "c"])
def test_what_frames_cannot_score_no_windows_are_asked_of(tmp_path, broken):
    said = []
    done, _ = heard(Hears("frames", said, broken), Hears("windows", said), tmp_path)
    assert [line for line in said if line.startswith("windows")] == [f"windows {n}" for n in "abc" if n != broken]
    assert done == [Done(3, 0, ()), Done(2, 0, ())]


def test_windows_may_be_asked_of_some(tmp_path):
    said = []
    heard(Hears("frames", said), Hears("windows", said), tmp_path, by_windows=SOUNDS[1:])
    assert said == ["frames a", "frames b", "windows b", "frames c", "windows c"]


def test_frames_alone(tmp_path):
    said = []
    assert heard(Hears("frames", said), None, tmp_path) == ([Done(3, 0, ())], ["a", "b", "c"])


@pytest.mark.parametrize(("who", "other"), [("frames", "windows"), ("windows", "frames")])
def test_an_error_in_one_ends_both(tmp_path, who, other):
    said = []
    of = {name: Hears(name, said, ends_at="b" if name == who else None) for name in (who, other)}
    with pytest.raises(ZeroDivisionError):
        heard(of["frames"], of["windows"], tmp_path)
    assert said[-2:] == [f"{who} ZeroDivisionError", f"{other} GeneratorExit"]


def test_what_was_heard_is_known_for_one_recording_at_a_time(tmp_path, monkeypatch):
    said = []
    meanwhile = runtimes.HEARD.meanwhile

    @contextmanager
    def spied():
        said.append("from here")
        with meanwhile():
            yield
        said.append("to here")

    monkeypatch.setattr(runtimes.HEARD, "meanwhile", spied)
    heard(Hears("frames", said), Hears("windows", said), tmp_path)
    assert said[:8] == [
        "from here",
        "frames a",
        "windows a",
        "to here",
        "from here",
        "frames b",
        "windows b",
        "to here",
    ]
