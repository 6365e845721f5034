"""A job of features that is killed: the next one takes over what it had finished, proven by content, and only that."""

import contextlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from dawnchorus.features import shards, tasks
from dawnchorus.foundation import errors
from dawnchorus.stages import __main__ as stages
from dawnchorus.workflow import provenance
from test_features import Project

SHARD, WHOLE = "features/shard-0-of-3.zip", "features/recordings-0-of-3.zip"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.chdir(tmp_path)
    # To find the modules of a stage, and to load librosa, takes longer than these tests.
    monkeypatch.setattr(shards, "code_version", lambda kind: "code")
    monkeypatch.setattr(tasks, "remark", lambda *_: None)
    return Project(tmp_path)


def words(project: Project, number: int) -> list[str]:
    arguments = project.arguments(number)
    names = [name.replace("-0-", f"-{number}-") for name in (SHARD, WHOLE)]
    arguments[arguments.index("--output") + 1] = names[0]
    params = json.dumps({"features": project.params, "presence": {"network": "cnn"}})
    arguments += ["--params", params, "--whole", names[1]]
    record = f"features/shard-{number}-of-3.provenance.json"
    read = ["--inputs", "recordings.csv", "annotations.csv", "--params", params]
    return ["stages", *read, "--outputs", *names, record, "--", "features", *arguments]


def frames(task: tasks.Task, params: dict) -> list[np.ndarray]:
    """Return numbers that depend on all that features depend on, and take no time: ten frames a second."""
    rng = np.random.default_rng(zlib.crc32(json.dumps([task.sha256, params], sort_keys=True).encode()))
    spans = [span for role in shards.ROLES for span in task.clips_s[role]]
    return [rng.standard_normal((round(10 * (end_s - start_s)), 8)).astype(np.float32) for start_s, end_s in spans]


def run(project: Project, kill_before: int | None = None, number: int = 0, edit=None) -> int:
    """Run the job of a shard in a process of its own; return how many recordings it has computed.

    ``kill_before``: it gets a SIGKILL where it would compute one more; -1: where it would write its record.
    ``edit``: what is done when it has computed one recording; then it fails with a line, if nothing kills it before.
    """
    write, said = provenance.Job.write, Path("said")
    said.write_text("")

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def counted(*args):
        if len(said.read_text()) == kill_before:
            kill()
        made = frames(*args)
        with said.open("a") as file:
            file.write(".")
        if edit and said.read_text() == ".":
            edit()
        return made

    def job() -> None:
        tasks.computed = counted
        provenance.Job.write = (lambda *_: kill()) if kill_before == -1 else write
        sys.argv = words(project, number)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            sys.exit(errors.run(stages.main))

    process = multiprocessing.get_context("fork").Process(target=job)
    process.start()
    process.join()
    assert process.exitcode == ((1 if edit else 0) if kill_before is None else -signal.SIGKILL)
    return len(said.read_text())


def products() -> dict[str, bytes]:
    """Return all files of features, but for the records, which name no content that the others do not have."""
    return {path.name: path.read_bytes() for path in Path("features").iterdir() if path.suffix != ".json"}


def forget() -> None:
    shutil.rmtree("features")
    shutil.rmtree(".snakemake", ignore_errors=True)


def half_written() -> tuple[Path, Path]:
    """Return the only file that a killed job was writing, and its notes."""
    (notes,) = Path("features").glob(".shard-0-of-3.*.zip.notes")
    return notes.with_suffix(""), notes


def test_what_was_finished_before_a_kill_is_not_computed_again(project):
    n = len(project.of_shard(0))
    assert n >= 3
    assert run(project) == 2 * n
    whole = products()
    assert sorted(whole) == sorted(Path(name).name for name in (SHARD, WHOLE))
    # In the first file, where it is renamed, in the second, and with both whole but for their record.
    for k in (1, n, n + 1, 2 * n - 1, -1):
        forget()
        done = run(project, k)
        assert done == (k if k > 0 else 2 * n)
        assert run(project) == 2 * n - done
        assert products() == whole
        assert run(project) == 0


def test_one_kill_after_the_other_loses_nothing_and_piles_nothing_up(project):
    n = len(project.of_shard(0))
    run(project)
    whole = products()
    forget()
    for k in range(2 * n):
        assert run(project, 0 if k == 0 else 1) == min(k, 1)
        assert len(list(Path("features").glob(".shard*.notes"))) <= 2
    assert run(project) == 1
    assert products() == whole


def test_entries_of_the_old_shard_are_kept_beside(project):
    ids = project.of_shard(0)
    run(project)
    project.annotations += [(recording_id, 0.2, 0.7) for recording_id in ids[1:]]
    # The clips of all recordings but one, and no whole recording.
    assert run(project, 1) == 1
    assert run(project) == len(ids) - 2
    whole = products()
    forget()
    run(project)
    assert products() == whole


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def replaced(path: Path, make) -> None:
    path.unlink()
    make(path)


@pytest.mark.parametrize(
    ("damage", "n_lost"),
    [
        ("nothing", 0),
        ("a byte of an array", 1),
        ("a byte of a clip", 1),
        ("the last line is cut", 1),
        ("a line of no sense", 0),
        ("the array lies outside", 1),
        ("no shard", 3),
        ("half of a shard", 3),
        ("no notes", 3),
        ("a pipe", 3),
        ("a folder", 3),
        ("the notes of another shard", 3),
        ("the shard of another", 3),
    ],
)
def test_what_is_damaged_or_exchanged_gives_nothing_and_is_no_error(project, damage, n_lost):
    n = len(project.of_shard(0))
    run(project)
    whole = products()
    forget()
    if "another" in damage:
        assert run(project, 3, number=1) == 3
        (other,) = Path("features").glob(".shard-1-of-3.*.notes")
        other, other_notes = other.with_suffix(""), other
    assert run(project, 3) == 3
    shard, notes = half_written()
    lines = notes.read_bytes().splitlines(keepends=True)
    if damage == "a byte of an array":
        flip(shard, int(lines[1].split()[1]) + 300)
    elif damage == "a byte of a clip":
        flip(notes, len(lines[0]) - 5)
    elif damage == "the last line is cut":
        notes.write_bytes(b"".join(lines)[:-20])
    elif damage == "a line of no sense":
        notes.write_bytes(b"".join([b"\xff\n", b"0 1 2 " + b"[" * 100_000 + b"\n", b'0 1 2 [["a"],0,0]\n', *lines]))
    elif damage == "the array lies outside":
        digest, _, rest = lines[2].split(b" ", 2)
        notes.write_bytes(b"".join([*lines[:2], b"%b %d %b" % (digest, 10**30, rest)]))
    elif damage == "no shard":
        shard.unlink()
    elif damage == "half of a shard":
        os.truncate(shard, int(lines[0].split()[1]) + 10)
    elif damage == "no notes":
        notes.write_bytes(b"")
    elif damage in ("a pipe", "a folder"):
        replaced(shard, os.mkfifo if damage == "a pipe" else Path.mkdir)
    elif damage == "the notes of another shard":
        shutil.copy(other_notes, notes)
    elif damage == "the shard of another":
        shutil.copy(other, shard)
    assert run(project) == 2 * n - 3 + n_lost
    for path in Path("features").glob("*-1-of-3*"):
        path.unlink()
    assert {name: made for name, made in products().items() if "-1-of-3" not in name} == whole


def test_what_another_run_had_finished_gives_nothing(project, monkeypatch):
    n = len(project.of_shard(0))
    assert run(project, 3) == 3
    project.params["n_mfcc"] = 20
    assert run(project) == 2 * n
    whole = products()
    forget()
    run(project, n + 2)
    monkeypatch.setattr(shards, "code_version", lambda kind: "another")
    assert run(project) == 2 * n
    forget()
    run(project, n + 2)
    # One recording has another sound, of one the clips are others; the whole recordings come last.
    first, second = project.of_shard(0)[:2]
    project.record(first, project.recordings[first][1], 44_100, 1, seed=99)
    project.annotations.append((second, 2.0, 2.5))
    assert run(project) == 2 * n - (n + 2) + 3
    assert sorted(products()) == sorted(whole)


def test_what_was_made_while_an_input_changed_is_not_taken_over(project):
    n = len(project.of_shard(0))
    table = Path("annotations.csv")
    assert run(project, edit=lambda: table.write_bytes(table.read_bytes() + b"\n")) == 2 * n
    assert not list(Path("features").glob(".*"))
    assert run(project) == 2 * n


def test_code_that_changed_before_it_was_loaded_leaves_nothing(project, monkeypatch):
    n = len(project.of_shard(0))
    version = Path("version")
    version.write_text("old")
    monkeypatch.setattr(shards, "code_version", lambda kind: version.read_text())
    assert run(project, edit=lambda: version.write_text("new")) == 1
    version.write_text("old")
    assert run(project) == 2 * n
