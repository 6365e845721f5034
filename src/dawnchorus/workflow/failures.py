"""What a run says when a job of it failed: the job's own error, and where its log is; nothing around it.

Snakemake says much more: the command with all its values, what was raised where, what it restored. That stays in its
log file, which is named too, and on the screen with `--verbose`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from dawnchorus.foundation.errors import REFUSALS

# How the lines begin that Snakemake says because a job failed.
_AROUND = (
    "Restored previous version of ",
    "Cannot restore ",
    "Shutting down, this might take some time.",
    "Exiting because a job execution failed.",
    "WorkflowError:\nAt least one job did not complete successfully.",
    "Complete log(s): ",
    "Elapsed time: ",
)


# The last line of a trace where the system refused something to Snakemake itself.
_REFUSED = re.compile(r"^\w*Error: \[Errno (?P<number>\d+)\] (?P<said>.+)\s*\Z", re.MULTILINE)

# By how much the time of a file may lie before the moment of its writing: file systems count in milliseconds, some in
# whole seconds.
_LAG_S, _STEP_S = 0.05, 1.0


class FailedJobs(logging.Filter):
    """Keeps the jobs that failed, and what Snakemake says about them from the screen."""

    def __init__(self) -> None:
        super().__init__()
        self._failed: list[logging.LogRecord] = []
        self._at_work: set[int] = set()
        # Whether others may have spoken since the first of them failed.
        self._others_spoke = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Take note of what is said, and say whether the screen shows it."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            self._at_work.add(record.__dict__["jobid"])
            self._others_spoke |= bool(self._failed)
        elif event == LogEvent.JOB_FINISHED:
            self._at_work.discard(record.__dict__["job_id"])
        elif event == LogEvent.JOB_ERROR:
            self._at_work.discard(record.__dict__["jobid"])
            self._others_spoke |= bool(self._failed or self._at_work)
            self._failed.append(record)
        if event == LogEvent.ERROR and record.__dict__.get("exception") == "RuleException":
            return "CalledProcessError" not in record.getMessage()
        refused = _REFUSED.search(record.getMessage()) if event == LogEvent.ERROR else None
        if refused and int(refused["number"]) in REFUSALS:
            print(f"error: {refused['said']}", file=sys.stderr)
            return False
        said_around = bool(self._failed) and record.getMessage().startswith(_AROUND)
        return event not in (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR) and not said_around

    def last_words(self, since_s: float, logs: list[str]) -> Iterator[str]:
        """Yield the errors of the jobs that failed in a run that began at ``since_s``, and the paths of all logs.

        ``logs``: those of Snakemake itself. The error of a job that nobody else spoke after is on the screen already.
        """
        for record in self._failed:
            lines = lines_since(record.__dict__["log"], since_s)
            errors = [line for line in lines if line.startswith("error: ")]
            if not errors:
                yield f"error: rule {record.__dict__['rule_name']}: {_end_of(record, lines)}"
            elif self._others_spoke:
                yield from errors
        named = [log for record in self._failed for log in record.__dict__["log"]]
        if named:
            yield f"log: {', '.join(dict.fromkeys([*named, *logs]))}"


def kept_from_the_screen() -> FailedJobs:
    """Have the screen say of a job that fails what it says itself, from now on; see :meth:`FailedJobs.last_words`."""
    failed = FailedJobs()
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler" and not logger.isEnabledFor(logging.DEBUG):
            # The first of its filters: one that asks for quiet would hide from it what happens.
            handler.filters.insert(0, failed)
            # Where its log file cannot be written, Python would say so with a trace for every line.
            logging.raiseExceptions = False
    return failed


def lines_since(logs: Iterable[str], since_s: float) -> list[str]:
    """Return the lines of those logs that were written since a time, without empty ones."""
    written = (Path(log) for log in logs if Path(log).is_file() and written_since(Path(log), since_s))
    said = (log.read_text(encoding="utf-8", errors="replace").splitlines() for log in written)
    return [line for lines in said for line in lines if line.strip()]


def written_since(path: Path, since_s: float) -> bool:
    """Say whether a file was written since a moment of the clock, which the times of files lag behind by a step."""
    written_s = path.stat().st_mtime
    return written_s + (_LAG_S if written_s % 1 else _STEP_S) >= since_s


def _end_of(record: logging.LogRecord, lines: list[str]) -> str:
    """Return how a job ended that said no error: what its executor knows, or the last that it said."""
    if said := record.__dict__["rule_msg"]:
        return str(said)
    return f"ended early; the last that it said: {lines[-1]}" if lines else "ended early, without a word"
