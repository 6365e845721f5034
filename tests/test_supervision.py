"""One run at a time in a folder, and no process that outlives what it belongs to."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.workflow import supervision

SOURCE = str(Path(supervision.__file__).parents[2])
HEAD = f"import subprocess, sys; sys.path.insert(0, {SOURCE!r})\nfrom dawnchorus.workflow import supervision\n"
HOLD = HEAD + "supervision.take_folder()\nprint('taken', flush=True)\nsys.stdin.read()\n"
# A run with one job, which would never end by itself.
RUN = HEAD + (
    "supervision.end_when_unwanted()\n"
    "job = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=subprocess.PIPE)\n"
    "print(job.pid, flush=True)\n"
    "sys.exit(job.wait() and 3)\n"
)
# Its own handlers would let the job go on, as Snakemake's do.
HANDLERS = "import signal\nfor s in (signal.SIGTERM, signal.SIGINT): signal.signal(s, lambda *_: None)\n"
JOB = HEAD + "supervision.end_with_snakemake()\nprint('running', flush=True)\nsys.stdin.read()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/incomplete").mkdir()
    held: list = []
    monkeypatch.setattr(supervision, "_held", held)
    yield tmp_path
    for file in held:
        file.close()


def process(text: str, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", text], stdin=-1, stdout=-1, text=True, **options)


def runs(pid: int) -> bool:
    """Say whether a process is at work; one that ended may wait for somebody to ask how."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def left_behind() -> list[Path]:
    paths = [Path(".snakemake/locks/0.output.lock"), Path(".snakemake/incomplete/eA==")]
    for path in paths:
        path.touch()
    return paths


def test_one_process_has_the_folder_and_a_killed_one_leaves_nothing(folder):
    with process(HOLD) as other:
        assert other.stdout.readline() == "taken\n"
        leftovers = left_behind()
        with pytest.raises(InputError, match=rf"another run is at work in it \(\S+ process {other.pid}\)"):
            supervision.take_folder()
        supervision.clear_leftovers()
        assert all(path.exists() for path in leftovers), "they are those of a run at work"
        other.kill()
        other.wait()
    supervision.clear_leftovers()
    assert not any(path.exists() for path in leftovers)
    supervision.take_folder()


def test_a_folder_stays_taken_where_snakemakes_own_state_is_deleted(folder):
    with process(HOLD) as other:
        assert other.stdout.readline() == "taken\n"
        shutil.rmtree(".snakemake")
        with pytest.raises(InputError, match="another run is at work in it"):
            supervision.take_folder()
        Path(".snakemake/incomplete").mkdir(parents=True)
        Path(".snakemake/locks").mkdir()
        leftovers = left_behind()
        supervision.clear_leftovers()
        assert all(path.exists() for path in leftovers), "they are those of a run at work"
        other.kill()
        other.wait()
    supervision.take_folder()


def test_what_another_host_left_is_left_to_the_user(folder):
    leftovers = left_behind()
    supervision.OWNER.write_text("elsewhere process 5\n")
    supervision.clear_leftovers()
    assert all(path.exists() for path in leftovers)


@contextlib.contextmanager
def somebody_else(writable=()):
    """Be a user who may write nothing that is there, but for what is ``writable``."""
    there = [path for path in [Path(), *Path().rglob("*")] if not path.is_symlink()]
    modes = {path: path.stat().st_mode for path in there}
    for path in reversed(there):
        path.chmod(0o777 if path in writable else 0o555 if path.is_dir() else 0o444)
    administrator = os.geteuid() == 0
    if administrator:
        # Who may do anything, whatever the marks say.
        os.seteuid(65534)
    try:
        yield
    finally:
        if administrator:
            os.seteuid(0)
        for path, mode in modes.items():
            if path.exists():
                path.chmod(mode)


@pytest.mark.parametrize("writable", [[], [supervision.STATE], [supervision.STATE, supervision.LOCKS]])
def test_a_folder_of_a_colleague_is_one_line_and_may_be_looked_at(folder, writable):
    leftovers = left_behind()
    supervision.OWNER.write_text("")
    with somebody_else(writable):
        supervision.clear_leftovers()
        supervision.ask_for_room()
        with pytest.raises(InputError) as caught:
            supervision.take_folder()
    assert str(caught.value) == ".snakemake/owner: Permission denied; expected a folder that you may write to"
    assert all(path.exists() for path in leftovers)


def test_locks_of_a_colleague_stay_where_the_owner_is_ones_own(folder):
    leftovers = left_behind()
    supervision.OWNER.write_text("")
    with somebody_else([supervision.STATE, supervision.OWNER, supervision.MARKS]):
        supervision.clear_leftovers()
    assert [path.exists() for path in leftovers] == [True, False]


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_its_jobs(told):
    with process(HANDLERS + RUN) as run:
        job = int(run.stdout.readline())
        run.send_signal(told)
        assert run.wait(timeout=60) == 3
    assert not runs(job)


def test_a_run_ends_when_nobody_reads_it():
    with process(HANDLERS + RUN) as run:
        job = int(run.stdout.readline())
        run.stdout.close()
        assert run.wait(timeout=60) == 3
    assert not runs(job)


def test_a_job_ends_with_its_snakemake_and_takes_its_shell_along():
    with process("import sys; sys.stdin.read()") as snakemake:
        environment = {**os.environ, supervision.SNAKEMAKE: str(snakemake.pid)}
        # As Snakemake starts it: by a shell that also waits for what writes the log.
        shell = [os.environ.get("SHELL", "/bin/sh"), "-c", '"$@" | cat; exit 7', "sh", sys.executable, "-c", JOB]
        with subprocess.Popen(shell, stdin=-1, stdout=-1, text=True, env=environment) as job:
            assert job.stdout.readline() == "running\n"
            children = psutil.Process(job.pid).children()
            assert any("python" in child.name() for child in children)
            snakemake.kill()
            snakemake.wait()
            assert job.wait(timeout=60) < 0
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive


def test_a_job_without_a_snakemake_goes_on():
    with process(JOB, env={key: value for key, value in os.environ.items() if key != supervision.SNAKEMAKE}) as job:
        assert job.stdout.readline() == "running\n"
        job.communicate("")
        assert job.returncode == 0
