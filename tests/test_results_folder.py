"""The folder of results: one run at a time, never a mix of two, nothing of a killed one, and the user's files stay."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dawnchorus.detection import results_folder
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import SEEN, part_of, parts_of, path_for_whole, write_whole
from test_detections import write_model, write_sound

RUNS = {"old": ("a", "b", "c/d"), "new": ("b", "c/d", "c/e")}


def stage(staged, run):
    """Stage the results of a run; each file says of which."""
    names = [written for name in RUNS[run] for written in results_folder.names_of(name)]
    for name in (*results_folder.TABLES[: None if run == "old" else -1], *names, "page.html"):
        path = staged / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(run)


def publish(output, run):
    with results_folder.claimed(output, output / "page.html") as staged:
        stage(staged, run)
        results_folder.publish(staged, output, output / "page.html")


def found(output):
    """Return what each file of a folder says, by name, but of the list of files and of what is unfinished."""
    paths = [path for path in output.rglob("*") if path.is_file()]
    named = {path.relative_to(output).as_posix(): path.read_text() for path in paths}
    return {name: text for name, text in named.items() if name != "results.json" and "unfinished" not in name}


@pytest.fixture
def whole(tmp_path):
    publish(tmp_path / "whole", "new")
    return found(tmp_path / "whole")


class Killed(BaseException):
    pass


def test_a_run_replaces_all_of_the_last_one_and_leaves_the_users_files(tmp_path, whole):
    output = tmp_path / "out"
    publish(output, "old")
    mine = {"raven/notes.txt": "mine", "raven/x.selections.txt": "mine", "notes.html": "mine"}
    for name, text in mine.items():
        (output / name).write_text(text)
    publish(output, "new")
    assert found(output) == whole | mine
    assert not list(output.rglob("*unfinished*"))
    publish(output, "old")
    assert not (output / "raven/c/e.selections.txt").exists()
    (output / "c").mkdir()
    publish(output, "new")
    assert (output / "c").is_dir()


def test_a_run_that_is_killed_anywhere_leaves_no_mix(tmp_path, whole, monkeypatch):
    changing = {"unlink": Path.unlink, "replace": Path.replace, "rmdir": Path.rmdir}
    states = []
    for number in range(200):
        output = tmp_path / str(number)
        publish(output, "old")
        left = [number]

        def counted(name, *args, left=left, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return changing[name](*args, **options)

        with monkeypatch.context() as patched:
            # Nothing is tidied up by who is killed.
            patched.setattr(shutil, "rmtree", lambda *args, **options: None)
            for name in changing:
                patched.setattr(Path, name, lambda *args, name=name, **options: counted(name, *args, **options))
            patched.setattr(shutil, "move", lambda *args: counted("replace", *map(Path, args)))
            try:
                publish(output, "new")
                finished = True
            except Killed:
                finished = False
        now = found(output)
        assert len(set(now.values())) <= 1, f"killed at step {number}: {now}"
        if "page.html" in now:
            assert len(now) == len(whole) + (now["page.html"] == "old")
        states.append((len(now), now.get("page.html")))
        publish(output, "new")
        assert found(output) == whole
        assert not list(output.rglob("*unfinished*"))
        if finished:
            break
    assert finished
    assert len(set(states)) > 10


def test_an_error_while_it_works_leaves_the_last_run_as_it_was(tmp_path):
    output = tmp_path / "out"
    publish(output, "old")
    before = found(output)
    with pytest.raises(RuntimeError), results_folder.claimed(output, output / "page.html") as staged:
        stage(staged, "new")
        raise RuntimeError
    assert found(output) == before
    with pytest.raises(RuntimeError), results_folder.claimed(tmp_path / "other/out", tmp_path / "other/out/page.html"):
        raise RuntimeError
    assert not (tmp_path / "other/out").exists()


def test_what_was_finished_of_a_long_search_stays_and_what_was_half_written_goes(tmp_path):
    scores = tmp_path / "scores.parquet"
    with pytest.raises(KeyboardInterrupt), path_for_whole(scores, SEEN) as half:
        copied = half.read_bytes()
        raise KeyboardInterrupt
    half.write_bytes(copied)  # as a kill would have left it
    parts = [part_of(scores, number) for number in range(1, 1002)]
    for part in parts:
        part.touch()
    with results_folder.claimed(tmp_path, tmp_path / "page.html", [scores.name]):
        assert parts_of(scores) == parts
        assert not half.exists()


def test_names_that_no_file_can_have_are_refused(tmp_path):
    results_folder.check_names(tmp_path / "out", ["a" * 240, "b/" * 100 + "c", "ä" * 120])
    for name, expected in (("a" * 241, "at most 240 bytes"), ("b/" * 2000 + "c", "more than 4000 bytes")):
        with pytest.raises(InputError, match=expected):
            results_folder.check_names(tmp_path / "out", [name])
    publish(tmp_path / "out", "old")
    with results_folder.claimed(tmp_path / "out", tmp_path / "out/page.html") as staged:
        stage(staged, "new")
        for written in results_folder.names_of("ä" * 120):
            with write_whole(staged / written) as file:
                file.write("new")
        results_folder.publish(staged, tmp_path / "out", tmp_path / "page/page.html")
    assert (tmp_path / "out/raven" / ("ä" * 120 + ".selections.txt")).exists()
    assert (tmp_path / "page/page.html").exists()


def test_one_run_at_a_time(tmp_path):
    with (
        results_folder.claimed(tmp_path / "out", tmp_path / "out/page.html"),
        pytest.raises(InputError, match="another run is writing into it"),
        results_folder.claimed(tmp_path / "out", tmp_path / "out/page.html"),
    ):
        pass
    with results_folder.claimed(tmp_path / "out", tmp_path / "out/page.html"):
        pass


@pytest.mark.parametrize(
    "name",
    [
        "../victim.png",
        "pictures/../../victim.png",
        "pictures/link/victim.png",
        "notes.png",
        "raven/x.png",
    ],
)
def test_a_list_that_somebody_wrote_removes_nothing_of_others(tmp_path, name):
    (tmp_path / "victim.png").write_text("mine")
    output = tmp_path / "out"
    publish(output, "old")
    (output / "pictures/link").symlink_to(tmp_path)
    for path in ("notes.png", "raven/x.png"):
        (output / path).write_text("mine")
    files = [*results_folder.TABLES, name, f"{tmp_path}/victim.png", 7, None]
    (output / "results.json").write_text(json.dumps({"files": files}))
    publish(output, "new")
    assert (tmp_path / "victim.png").exists()
    assert (output / "notes.png").exists()
    assert (output / "raven/x.png").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 7}', '{"files": "raven"}', "\xff"])
def test_a_list_that_is_none_names_nothing(tmp_path, content):
    output = tmp_path / "out"
    publish(output, "old")
    (output / "results.json").write_text(content, encoding="latin-1")
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"results.json: not of an earlier run .* move it"):
        publish(output, "new")
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["results.json", "page.html", *results_folder.TABLES])
def test_a_table_of_the_users_stays_and_is_said_before_any_work(tmp_path, name):
    output = tmp_path / "out"
    output.mkdir()
    (output / name).write_text("mine")
    with (
        pytest.raises(InputError, match=f"{name}: not of an earlier run"),
        results_folder.claimed(output, output / "page.html"),
    ):
        pytest.fail("it began")
    assert [path.name for path in output.iterdir()] == [name]
    assert (output / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["raven/c/x.selections.txt", "audacity/c/x.txt", "pictures/c/x.png"])
def test_a_file_of_the_users_by_the_name_of_a_recordings_result_is_said_before_any_work(tmp_path, name):
    publish(tmp_path, "old")
    results_folder.check_names(tmp_path, ["c/e", "x"])
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name}: not of an earlier run"):
        results_folder.check_names(tmp_path, ["c/x"])


@pytest.mark.parametrize("name", ["page.html", "kept.parquet"])
def test_what_is_no_file_in_the_place_of_one_is_said_before_any_work(tmp_path, name):
    publish(tmp_path, "old")
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    before = found(tmp_path)
    claimed = results_folder.claimed(tmp_path, tmp_path / "page.html", ["kept.parquet"])
    with pytest.raises(InputError, match=f"{name}: no file; expected no such name"), claimed:
        pytest.fail("it began")
    assert found(tmp_path) == before


@pytest.mark.parametrize("name", ["raven", "audacity"])
def test_a_link_to_nothing_in_the_place_of_a_folder_is_said_before_any_work(tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=f"{name}: not a folder"):
        results_folder.check_names(tmp_path, ["x"])


def test_where_results_cannot_come_those_of_the_last_run_stay(tmp_path, monkeypatch):
    publish(tmp_path, "old")
    before, may = found(tmp_path), os.access
    monkeypatch.setattr(os, "access", lambda path, *how: Path(path).name != "raven" and may(path, *how))
    with pytest.raises(InputError, match="raven: may not be written"):
        publish(tmp_path, "new")
    monkeypatch.setattr(results_folder, "_check_ours", lambda *given: None)
    with pytest.raises(InputError, match="raven: may not be written"):
        publish(tmp_path, "new")
    assert found(tmp_path) == before


@pytest.mark.parametrize("name", ["results.json", results_folder.STAGED])
def test_no_pipe_in_the_folder_is_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    if name == "results.json":
        with pytest.raises(InputError, match="not of an earlier run"):
            publish(tmp_path, "new")
    else:
        publish(tmp_path, "new")
        assert not (tmp_path / name).exists()


# The command, held in the middle of its work, at the third recording, until its input ends.
HELD = """
import sys
from dawnchorus.commands import cli
from dawnchorus.detection import scoring

score, heard = scoring.score, []

def held(*given, **named):
    heard.append(given)
    if len(heard) == 3:
        print("at work", flush=True)
        sys.stdin.read()
    return score(*given, **named)

scoring.score = held
raise SystemExit(cli.main(sys.argv[1:]))
"""


def started(folder):
    """Start the command on a folder of recordings, and return when it is in the middle of its work."""
    environment = {**os.environ, "PYTHONPATH": str(Path(results_folder.__file__).parents[2])}
    command = [sys.executable, "-c", HELD, "detect", "sound", "--model", "model", "--output", "out"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=-1, stdout=-1, stderr=-1, text=True)
    assert "at work\n" in iter(process.stdout.readline, ""), process.stderr.read()
    return process


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_a_killed_command_leaves_is_seen_and_goes(tmp_path, number):
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model")
    for seed in range(8):
        write_sound(tmp_path / f"sound/{seed}.flac", 4.0, seed)
    process = started(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert list(tmp_path.rglob(".*")) == []
    if number == signal.SIGKILL:
        assert process.returncode == -number
        # Of the scores what was being written, and the part of it that the next command takes over.
        assert sorted(path.name[:25] for path in (tmp_path / "out").iterdir()) == [
            *("dawnchorus-unfinished", "unfinished-window-scores.", "unfinished-window-scores.")
        ]
        again = started(tmp_path)
        again.communicate("")
        assert again.returncode == 0
        assert list((tmp_path / "out").glob("*unfinished*")) == []
        assert re.search("events", (tmp_path / "out/detections.html").read_text())
    else:
        assert process.returncode == 128 + number
        assert not (tmp_path / "out").exists()
