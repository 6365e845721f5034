"""One run at a time in a folder, and no process of a run that outlives it.

The lock is one of the operating system: a killed run leaves none behind. A run ends, and its jobs with it, when it is
told to (SIGTERM, SIGINT), when whoever reads its output is gone, and when the `dvc` that started it is gone. A job
ends when its Snakemake is gone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

import psutil

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import hold
from dawnchorus.workflow.provenance import STATE

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

OWNER = STATE / "owner"
# Snakemake's own: locks by file, marks of jobs at work, and copies of what jobs replace.
LOCKS, MARKS = STATE / "locks", STATE / "incomplete"
# How jobs know their Snakemake: the shell prefix sets it.
SNAKEMAKE = "DAWNCHORUS_SNAKEMAKE"
# How often a run looks whether it is still wanted, and how long its jobs have to end by themselves.
_LOOK_S, _GRACE_S = 1.0, 10.0
# Locks, marks and the log of a run; no product of any size fits where not even these do.
_ROOM_BYTES = 2**20

_held: list[object] = []


def clear_leftovers() -> None:
    """Remove what a killed run left of Snakemake's locks and marks, unless a run is at work in this folder."""
    if not any(folder.is_dir() and any(folder.iterdir()) for folder in (LOCKS, MARKS)):
        return
    try:
        owner = open(OWNER, "a+", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError:
        # Somebody else's: it may be looked at, and take_folder says so to who wants to run.
        return
    with owner as file, ExitStack() as stack:
        if not _taken(file, stack):
            return
        file.seek(0)
        # On a shared file system the lock may not reach other hosts: only this host's leftovers are known to be stale.
        if file.read().split(" ")[0].strip() in ("", socket.gethostname()):
            for path in [*LOCKS.rglob("*"), *MARKS.rglob("*")]:
                if path.is_file() and os.access(path.parent, os.W_OK, effective_ids=True):
                    path.unlink(missing_ok=True)


def take_folder() -> None:
    """Take this folder for this process, until it ends; another run at work in it raises :class:`InputError`."""
    if _held:
        return
    try:
        STATE.mkdir(exist_ok=True)
        file = open(OWNER, "a+", encoding="utf-8")  # noqa: SIM115 - held open: it holds the lock
    except OSError as error:
        raise InputError(f"{OWNER}: {error.strerror}; expected a folder that you may write to") from None
    stack = ExitStack()
    stack.callback(file.close)
    if not _taken(file, stack):
        file.seek(0)
        who = file.read().strip() or "of another process"
        stack.close()
        raise InputError(f"this folder: another run is at work in it ({who}); expected one at a time, wait for its end")
    file.truncate(0)
    file.write(f"{socket.gethostname()} process {os.getpid()}\n")
    file.flush()
    _held.append(stack)


def has_folder() -> bool:
    """Say whether this process has taken this folder."""
    return bool(_held)


def ask_for_room() -> None:
    """Raise :class:`InputError` if the disk has no room for what Snakemake writes before its first job."""
    try:
        with tempfile.TemporaryFile(dir=STATE if STATE.is_dir() else ".") as file:
            os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
    except OSError as error:
        # Whether the folder may be written at all is another question, and a file system may not know how to answer.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"{STATE}: {error.strerror}; expected room for {_ROOM_BYTES >> 20} MiB at least") from None


def _taken(file: IO[str], held: ExitStack) -> bool:
    """Take the folder and the file that names who has it, until ``held`` is closed; say whether nobody had it.

    The file is Snakemake's to lose: `.snakemake` may be deleted at any time, also while a run is at work.
    """
    try:
        held.callback(os.close, hold("."))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def use_no_more_cores_than_there_are(workflow: Workflow) -> None:
    """Let a run on this machine have the cores of this machine, however many were asked for.

    Eight jobs on two cores are no quicker than two, and want eight times the memory. No result depends on it.
    """
    if workflow.local_exec:
        cores = min(workflow.cores, len(os.sched_getaffinity(0)))
        workflow.resource_settings.cores = workflow.global_resources["_cores"] = cores


def end_when_unwanted() -> None:
    """From now on, end this run with all its jobs once it is told to, or nobody is there to read what it says.

    To be called from the main thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # Whatever handlers Snakemake sets, Python writes the number of each signal here as well.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    askers = _askers()

    def watch() -> None:
        while True:
            told, _, _ = select.select([reader], [], [], _LOOK_S)
            signals = set(os.read(reader, 64)) if told else set()
            if signals & {signal.SIGTERM, signal.SIGINT}:
                break
            if _nobody_reads() or any(map(_ended, askers)):
                os.kill(os.getpid(), signal.SIGTERM)
                break
        _end(psutil.Process().children(recursive=True))
        # Snakemake ends by itself once its jobs have; but not if it cannot say so.
        time.sleep(_GRACE_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_with_snakemake() -> None:
    """From now on, end this job once the Snakemake that started it is gone."""
    pid = os.environ.get(SNAKEMAKE, "")
    if not pid.isdigit():
        return
    # The shell that Snakemake started, which waits for this job and for what writes its log.
    shell = psutil.Process(os.getppid())

    def watch() -> None:
        try:
            snakemake = psutil.Process(int(pid))
            while not _ended(snakemake):
                time.sleep(_LOOK_S)
        except psutil.NoSuchProcess:
            pass
        _end(psutil.Process().children(recursive=True))
        # What writes the log may wait for ever for somebody who reads, and the shell for it. The shell first: without
        # the other this process ends, and the shell would wait for ever itself, with what it says of that.
        if shell.pid not in (1, int(pid)) and not _ended(shell):
            _end([shell, *(child for child in shell.children() if child.pid != os.getpid())])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _askers() -> list[psutil.Process]:
    """Return who a stage of DVC runs for: its ancestors up to `dvc`, the first that was not told the stage's name."""
    askers: list[psutil.Process] = []
    if "DVC_STAGE" in os.environ:
        for process in psutil.Process().parents():
            askers.append(process)
            try:
                if "DVC_STAGE" not in process.environ():
                    break
            except psutil.Error:
                break
    return askers


def _nobody_reads() -> bool:
    """Say whether the other end of the output, a pipe, was closed."""
    poll = select.poll()
    for stream in (1, 2):
        try:
            os.fstat(stream)
        except OSError:
            continue
        poll.register(stream, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _end(processes: list[psutil.Process]) -> None:
    _to_all(processes, psutil.Process.terminate)
    # Waiting for them would take their exit codes from who started them: a job that was ended would look finished.
    until_s = time.monotonic() + _GRACE_S / 2
    while not all(map(_ended, processes)) and time.monotonic() < until_s:
        time.sleep(_LOOK_S / 10)
    _to_all([process for process in processes if not _ended(process)], psutil.Process.kill)


def _ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _to_all(processes: list[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.NoSuchProcess:
            continue
