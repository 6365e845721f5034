"""What Snakemake says around a job that failed is kept from the screen, and nothing else is."""

import logging
import os

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from dawnchorus.workflow.failures import FailedJobs, lines_since


def record(text: str, **more) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, **more})


def begun(jobid: int) -> logging.LogRecord:
    return record("begins", event=LogEvent.JOB_INFO, jobid=jobid)


def ended(jobid: int) -> logging.LogRecord:
    return record("ends", event=LogEvent.JOB_FINISHED, job_id=jobid)


def failed(jobid: int, log: str, said: str | None = None) -> logging.LogRecord:
    return record("fails", event=LogEvent.JOB_ERROR, jobid=jobid, rule_name="model", rule_msg=said, log=[log])


@pytest.fixture
def log(tmp_path) -> str:
    path = tmp_path / "model.log"
    path.write_text("model: epoch 1\nerror: a clear line\n\n")
    return str(path)


def words(jobs: FailedJobs, *records: logging.LogRecord, since_s: float = 0.0) -> list[str]:
    for said in records:
        jobs.filter(said)
    return list(jobs.last_words(since_s, ["all.log"]))


@pytest.mark.parametrize(
    ("text", "more", "shown"),
    [
        ("Error in rule model", {"event": LogEvent.JOB_ERROR}, False),
        ("Error in group", {"event": LogEvent.GROUP_ERROR}, False),
        ("RuleException:\nCalledProcessError in file", {"event": LogEvent.ERROR, "exception": "RuleException"}, False),
        ("RuleException:\nNameError in file", {"event": LogEvent.ERROR, "exception": "RuleException"}, True),
        ("WorkflowError:\nAt least one job did not complete successfully.", {"event": LogEvent.ERROR}, False),
        ("WorkflowError:\nno space", {"event": LogEvent.ERROR}, True),
        ("Restored previous version of x (updating job failed).", {}, False),
        ("Cannot restore x: no backup found.", {}, False),
        ("Elapsed time: 0:00:01", {}, False),
        ("something new", {}, True),
    ],
)
def test_what_the_screen_shows_after_a_failure(text, more, shown, log):
    jobs = FailedJobs()
    jobs.filter(failed(1, log))
    of_job = {"jobid": 2, "rule_name": "model", "rule_msg": None, "log": [log]}
    assert jobs.filter(record(text, **{**of_job, **more})) == shown


def test_what_the_system_refuses_snakemake_itself_is_a_line(capsys):
    trace = (
        "Traceback (most recent call last):\n\n  File x, line 1, in y\n\nOSError: [Errno 28] No space left on device\n"
    )
    assert not FailedJobs().filter(record(trace, event=LogEvent.ERROR, exception="OSError"))
    assert capsys.readouterr().err == "error: No space left on device\n"
    other = trace.replace("[Errno 28] No space left on device", "[Errno 22] Invalid argument")
    assert FailedJobs().filter(record(other, event=LogEvent.ERROR, exception="OSError"))


def test_a_run_without_a_failure_ends_as_ever():
    jobs = FailedJobs()
    assert jobs.filter(begun(1))
    assert jobs.filter(ended(1))
    assert jobs.filter(record("Complete log(s): all.log"))
    assert words(jobs) == []


def test_the_last_line_on_the_screen_is_not_said_again(log):
    assert words(FailedJobs(), begun(1), failed(1, log)) == [f"log: {log}, all.log"]


@pytest.mark.parametrize("others", [[begun(1), begun(2)], [begun(1)]])
def test_a_line_that_others_may_have_spoken_after_is_said_again(others, log):
    jobs = FailedJobs()
    later = [] if len(others) == 2 else [begun(3)]
    assert words(jobs, *others, failed(1, log), *later) == ["error: a clear line", f"log: {log}, all.log"]


def test_a_job_that_said_no_error_is_named_with_its_last_line(tmp_path):
    path = tmp_path / "model.log"
    path.write_text("Traceback\nKeyError: 'x'\n")
    said = words(FailedJobs(), begun(1), failed(1, str(path)))
    assert said[0] == "error: rule model: ended early; the last that it said: KeyError: 'x'"


def test_a_job_that_said_nothing_in_this_run_is_named(log):
    assert (
        words(FailedJobs(), begun(1), failed(1, log), since_s=4e9)[0]
        == "error: rule model: ended early, without a word"
    )


def test_what_a_cluster_knows_of_a_job_is_said(tmp_path):
    said = words(FailedJobs(), begun(1), failed(1, str(tmp_path / "none.log"), "SLURM status is: 'OUT_OF_MEMORY'"))
    assert said[0] == "error: rule model: SLURM status is: 'OUT_OF_MEMORY'"


@pytest.mark.parametrize(("written_s", "counts"), [(999.998, True), (999.5, False), (999.0, True), (998.0, False)])
def test_a_log_counts_by_its_time_as_a_file_system_knows_it(tmp_path, written_s, counts):
    """Times of files lag some milliseconds behind the clock, or are whole seconds."""
    log = tmp_path / "job.log"
    log.write_text("said\n")
    os.utime(log, (written_s, written_s))
    assert lines_since([str(log)], 999.999) == (["said"] if counts else [])
