"""What a person sees of a run: a line when a rule begins and one when it has ended, how far it is, and errors last.

Everything else is in the logs: what jobs say in logs/, what Snakemake says in .snakemake/log/. In a terminal the last
line is renewed; in a plain log nothing is, and a rule that takes long says now and then how far it is. Snakemake's own
output is back with `-p`, with `--verbose`, and under `DAWNCHORUS_SCREEN=full` also where `dvc repro` starts Snakemake.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from dawnchorus.foundation import incremental
from dawnchorus.foundation.errors import shown
from dawnchorus.workflow.failures import FailedJobs, lines_since, written_since

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

# The whole output of Snakemake and of all jobs, where no option can be given.
SCREEN = "DAWNCHORUS_SCREEN"
# How often a line of a terminal is renewed, and after how long a silence a plain log says how far the run is.
_LOOK_S, _SILENCE_S = 0.5, 30.0
# How much of what a job found is shown, whatever names there are in it; the whole is in its log.
_LONGEST = 400
# Of a rule that keeps or drops nothing nothing is said of it.
_NOTHING = re.compile(rf", 0 ({incremental.KEPT}|{incremental.DROPPED})")
# How much of a rule is to be seen before it is said how long the rest takes.
_LEAST_SHARE = 0.04
# So much of the end of a log is looked at for how far its job is.
_TAIL_BYTES = 4096
# How jobs say how far they are: `features shard 3: 12 of 80: name`, `model: epoch 3/40: loss 0.5`.
_STEPS = re.compile(r"^[^:]+: (?P<epoch>epoch )?(?P<done>\d+)(?: of |/)(?P<total>\d+)(?=:| inspected)", re.MULTILINE)


def is_wanted(workflow: Workflow) -> bool:
    """Say whether this run has a screen: it is no job of a cluster, and nobody asked for more output or less."""
    settings = workflow.output_settings
    asked = settings.verbose or settings.printshellcmds or settings.debug_dag or settings.quiet
    return workflow.is_main_process and not asked and os.environ.get(SCREEN) != "full"


class _Rule:
    """The jobs of one rule: those at work by their number, with their logs, and those that have ended."""

    def __init__(self, name: str, n_jobs: int, of_shards: bool = False):
        self.name, self.n_jobs, self.of_shards, self.begun_s = name, n_jobs, of_shards, time.time()
        self.at_work: dict[int, list[str]] = {}
        self.ended: list[list[str]] = []
        # When a share of the work was first seen to be done, and which: what was before that is the start of programs.
        self._first: tuple[float, float] | None = None
        # The same of the share that is done now, and how many shares there were after the first.
        self._last, self._n_steps = (0.0, 0.0), 0

    def how_far(self) -> tuple[float, str]:
        """Return which share of the work is done, and what the jobs at work say of it."""
        said = [steps for logs in self.at_work.values() if (steps := _last_steps(logs, self.begun_s))]
        share = (len(self.ended) + sum(done / total for _, done, total in said)) / max(self.n_jobs, 1)
        if self.n_jobs == 1 and said:
            return share, "{}{:,} of {:,}".format(*said[0])
        return share, f"{100 * share:.0f} %" if self.n_jobs > 1 and share else ""

    def shown(self, now_s: float) -> str:
        """Return how far the rule is and how long it may take; nothing where nothing is known."""
        share, steps = self.how_far()
        if share and self._first is None:
            self._first = self._last = now_s, share
        # Before, what is left is mostly guessed from how long it took to begin.
        if self._first is None or share == 1 or share - self._first[1] < _LEAST_SHARE:
            return steps
        if share != self._last[1]:
            self._last, self._n_steps = (now_s, share), self._n_steps + 1
        (first_s, first_share), (last_s, _) = self._first, self._last
        took_s = last_s - first_s
        # Between two steps it counts down, by one step at most.
        since_s = min(now_s - last_s, took_s / self._n_steps)
        left_s = took_s * (1 - share) / (share - first_share) - since_s
        return f"{steps}, about {duration(max(left_s, 0.0))} left"

    def summary(self) -> str:
        """Return what the jobs found, as one line: shards are parts of a whole, others repeat something."""
        said = [_found(self.name, lines_since(logs, self.begun_s)) for logs in self.ended]
        made = [line for line in said if line != _AS_IT_WAS]
        return _NOTHING.sub("", (summed if self.of_shards else spanned)(made)) if made else _AS_IT_WAS


_AS_IT_WAS = "up to date"


class Screen(FailedJobs):
    """Says in a few lines what a run does, or what it would do.

    ``words``: what each rule that makes something does, once that is known; ``dry``: nothing is run.
    """

    def __init__(
        self, out: TextIO, words: Callable[[], Mapping[str, str]], silence_s: float = _SILENCE_S, dry: bool = False
    ):
        super().__init__()
        self._out, self._words, self._silence_s, self._dry = out, words, silence_s, dry
        self._renews = out.isatty()
        self._renewed = False
        self._said_s = time.time()
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._rules: dict[str, _Rule] = {}
        self._executes = self._over = False
        # What is said at the end where there is nothing to be done.
        self.result: Callable[[], list[str]] = list
        # Which rules a dry run finds that would run, with how many jobs and why.
        self.foreseen: Callable[[], list[tuple[str, int, str]]] = list

    # What happens.

    def filter(self, record: logging.LogRecord) -> bool:
        """Take note of what Snakemake says, say it shorter, and return whether Snakemake shall say it itself."""
        fields, event = record.__dict__, getattr(record, "event", None)
        with self._lock:
            passes = super().filter(record)
            if event == LogEvent.WORKFLOW_STARTED:
                self._executes = True
            elif event == LogEvent.RUN_INFO and self._dry:
                # Said once more by Snakemake at the end.
                if not self._over:
                    self.close(list(self._would_run()))
            elif event == LogEvent.RUN_INFO:
                self._counts = {name: n for name, n in fields["stats"].items() if name in self._words()}
            elif event == LogEvent.JOB_INFO and not self._dry:
                self._begins(fields["rule_name"], fields["jobid"], fields["log"], "shard" in fields["wildcards"])
            elif event == LogEvent.JOB_FINISHED:
                self._ends(fields["job_id"])
            elif event == LogEvent.JOB_ERROR:
                self._fails(fields["rule_name"], fields["jobid"])
            elif record.getMessage().startswith("Nothing to be done"):
                stage = os.environ.get("DVC_STAGE", "everything").rpartition(":")[2]
                self.close([f"{stage}: {_AS_IT_WAS}, nothing to be done", *self.result()])
            # Whatever does not execute, as `snakemake --lint`, is there for what it says.
            chatter = record.levelno < logging.WARNING and (
                self._executes or "shared filesystem" in record.getMessage()
            )
            passes = passes and not chatter
            if passes:
                self._clear()
            return passes

    def say(self, *lines: str) -> None:
        """Print lines that stay."""
        with self._lock:
            self._clear()
            self._print("".join(f"{line}\n" for line in lines))
            self._said_s = time.time()

    def close(self, last: list[str]) -> None:
        """Print the last lines, and nothing after them."""
        with self._lock:
            self.say(*last)
            self._over = True

    def last_words(self, since_s: float, logs: list[str]) -> Iterator[str]:
        """Yield the errors of the jobs that failed, and the paths of all logs; jobs have not spoken on this screen."""
        self._others_spoke = True
        return super().last_words(since_s, logs)

    def _would_run(self) -> Iterator[str]:
        rules = self.foreseen()
        for number, (name, n_jobs, why) in enumerate(rules, start=1):
            jobs = f", {n_jobs} jobs" if n_jobs > 1 else ""
            yield f"[{number:{len(str(len(rules)))}}/{len(rules)}] {name}{jobs}: {self._does(name)} (because {why})"
        n_all = sum(n_jobs for _, n_jobs, _ in rules)
        n_rules = f"{len(rules)} rule{'s' * (len(rules) != 1)}, {n_all} job{'s' * (n_all != 1)}"
        yield f"{n_rules} would run; this was a dry run (-n), nothing was made or changed"

    def found_by(self, name: str) -> list[str]:
        """Return all that the job of a rule has said in this run, line by line; nothing of a rule that did not run."""
        rule = self._rules.get(name)
        said = [line for logs in rule.ended for line in lines_since(logs, rule.begun_s)] if rule else []
        return [line for line in said if not _STEPS.match(line)]

    def _begins(self, name: str, jobid: int, logs: list[str], of_shard: bool) -> None:
        if name not in self._words():
            return
        if name not in self._rules:
            if not self._rules:
                threading.Thread(target=self._look, daemon=True).start()
            self._rules[name] = _Rule(name, self._counts.get(name, 1), of_shard)
            if not self._renews:
                self.say(f"{self._numbered(name)}: {self._does(name)}")
        self._rules[name].at_work[jobid] = logs

    def _ends(self, jobid: int) -> None:
        for rule in self._rules.values():
            if jobid in rule.at_work:
                rule.ended.append(rule.at_work.pop(jobid))
                if len(rule.ended) >= rule.n_jobs:
                    taken = duration(time.time() - rule.begun_s)
                    found = rule.summary()
                    self.say(f"{self._numbered(rule.name)}: done in {taken}{f': {found}' if found else ''}")

    def _fails(self, name: str, jobid: int) -> None:
        if rule := self._rules.get(name):
            rule.at_work.pop(jobid, None)
            others = sum(len(other.at_work) for other in self._rules.values())
            waits = f"; waiting for {others} at work" if others else ""
            self.say(f"{self._numbered(name)}: failed after {duration(time.time() - rule.begun_s)}{waits}")

    # What is said.

    def _numbered(self, name: str) -> str:
        total = len(self._counts)
        number = list(self._rules).index(name) + 1
        return f"[{number:{len(str(total))}}/{total}] {name}" if total > 1 else name

    def _does(self, name: str) -> str:
        words = self._words()[name].strip().partition("\n")[0].rstrip(".")
        return f"{words[:1].lower()}{words[1:]}"

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            with self._lock:
                if self._over:
                    return
                self._show(time.time())

    def _show(self, now_s: float) -> None:
        """Show how far the run is: always in a terminal, in a log after a silence."""
        lines = []
        for rule in (rule for rule in self._rules.values() if rule.at_work):
            # Looked at also where it is not said: so it is known how fast the rule is.
            what = rule.shown(now_s) or self._does(rule.name)
            lines.append(f"{self._numbered(rule.name)}, {duration(now_s - rule.begun_s)}: {what}")
        if lines and self._renews:
            self._renew("; ".join(lines))
        elif lines and now_s - self._said_s >= self._silence_s:
            self.say(*lines)

    def _renew(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._print(f"\r\033[K{line if len(line) <= width else line[: width - 1] + '…'}")
        self._renewed = True

    def _clear(self) -> None:
        if self._renewed:
            self._print("\r\033[K")
            self._renewed = False

    def _print(self, text: str) -> None:
        # Whoever reads may be gone, and a disk full: the run goes on until its supervision ends it.
        with contextlib.suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()


def installed(workflow: Workflow) -> Screen | None:
    """Put a screen in the place of what Snakemake says, from now on; None where none :func:`is_wanted`."""
    if not is_wanted(workflow):
        return None
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            screen = Screen(handler.stream, lambda: _words_of(workflow), dry=workflow.output_settings.dryrun)
            handler.filters.insert(0, screen)
            # Where its log file cannot be written, Python would say so with a trace for every line.
            logging.raiseExceptions = False
            return screen
    return None


def _words_of(workflow: Workflow) -> dict[str, str]:
    """Return what each rule that makes something does, in words."""
    return {rule.name: rule.docstring or rule.name for rule in workflow.rules if rule.output}


def duration(taken_s: float) -> str:
    """Return a time as people say it: `4 s`, `3 min 05 s`, `2 h 10 min`."""
    seconds = round(taken_s)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def summed(lines: list[str]) -> str:
    """Return one line for those of several shards: of the same words, number by number; else the last of them.

    >>> summed(["3 recordings: 1 kept", "4 recordings: 0 kept"])
    '7 recordings: 1 kept'
    """
    return _merged(lines, r"\d+", lambda column: str(sum(map(int, column))))


def spanned(lines: list[str]) -> str:
    """Return one line for those of several jobs that repeat something, as folds: each number from lowest to highest.

    >>> spanned(["event F1 0.8 of 20 recordings", "event F1 0.75 of 20 recordings"])
    'event F1 0.75 to 0.8 of 20 recordings'
    """

    def value(number: str) -> float:
        return float(number.replace(",", ""))

    def span(column: tuple[str, ...]) -> str:
        low, high = min(column, key=value), max(column, key=value)
        return low if value(low) == value(high) else f"{low} to {high}"

    return _merged(lines, r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?", span)


def _merged(lines: list[str], number: str, merged: Callable[[tuple[str, ...]], str]) -> str:
    """Return a line of the words that all have, with one of their numbers (a pattern) for each; else the last line."""
    words = {re.sub(number, "{}", line.replace("{", "").replace("}", "")) for line in lines}
    if len(lines) < 2 or len(words) > 1:
        return lines[-1]
    columns = zip(*(re.findall(number, line) for line in lines), strict=True)
    return words.pop().format(*map(merged, columns))


def _found(name: str, lines: list[str]) -> str:
    """Return the line in which a job says what it found: the first that it says, of a training the last.

    What a job says of the values that all have, and not of its shard, is not what it found.
    """
    if lines and lines[-1].endswith(f": {_AS_IT_WAS}"):
        return _AS_IT_WAS
    own = [line for line in lines if re.match(rf"(\w+_)?{name}\b|{name.replace('_', ' ')}\b|{_stage(name)}\b", line)]
    said = [line for line in own if not _STEPS.match(line)]
    said = [line for line in said if " shard " in line.partition(":")[0]] or said
    trained = any(steps["epoch"] for steps in map(_STEPS.match, own) if steps)
    line = said[-1 if trained else 0] if said else ""
    return shown(line.partition(": ")[2], _LONGEST, quotes=False)


def _stage(name: str) -> str:
    """Return the stage that a rule runs: a fold of a cross-validation runs that of another rule."""
    return re.sub(r"^(fold|study)_", "", name)


def _last_steps(logs: list[str], since_s: float) -> tuple[str, int, int] | None:
    """Return how far a job is by the end of its log: `epoch ` or nothing, how many steps are done, and of how many."""
    for path in map(Path, logs):
        with contextlib.suppress(OSError):
            if not written_since(path, since_s):
                continue
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                found = list(_STEPS.finditer(file.read().decode("utf-8", errors="replace")))
            if found and (total := int(found[-1]["total"])):
                return found[-1]["epoch"] or "", min(int(found[-1]["done"]), total), total
    return None
