"""What a person sees of a run: said from the records that Snakemake logs, without a run."""

import io
import json
import logging
import os
import time
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from dawnchorus.foundation import incremental
from dawnchorus.workflow import outcome, screen
from dawnchorus.workflow.screen import Screen

WORDS = {
    "features": "Cut clips out.\n\nMore.",
    **{"model": "Train.", "fold_model": "Train.", "fold_evaluation": "Test."},
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def record(event: LogEvent | None = None, text: str = "", level: int = logging.INFO, **fields) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, "levelno": level, "event": event, **fields})


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Write the log of a job as the job would, and return its path."""
    monkeypatch.chdir(tmp_path)

    def written(name: str, text: str, age_s: float = 0.0) -> str:
        (tmp_path / name).write_text(text)
        if age_s:
            os.utime(name, (time.time() - age_s,) * 2)
        return name

    return written


def begun(out: io.StringIO, silence_s: float = 1e9, **counts: int) -> Screen:
    made = Screen(out, lambda: WORDS, silence_s)
    made.filter(record(LogEvent.WORKFLOW_STARTED))
    made.filter(record(LogEvent.RUN_INFO, stats={**counts, "all": 1, "total": sum(counts.values()) + 1}))
    return made


def begins(jobid: int, rule: str, log: str) -> logging.LogRecord:
    wildcards = {"shard": str(jobid)} if rule == "features" else {}
    return record(LogEvent.JOB_INFO, jobid=jobid, rule_name=rule, log=[log], wildcards=wildcards)


def ends(jobid: int) -> logging.LogRecord:
    return record(LogEvent.JOB_FINISHED, job_id=jobid)


def fails(jobid: int, rule: str, log: str) -> logging.LogRecord:
    return record(LogEvent.JOB_ERROR, level=logging.ERROR, jobid=jobid, rule_name=rule, rule_msg=None, log=[log])


def test_a_rule_of_several_jobs_is_two_lines_of_a_log_with_the_numbers_of_all_jobs(log):
    out = io.StringIO()
    seen = begun(out, features=2, model=1)
    assert not any(seen.filter(begins(n, "features", f"{n}.log")) for n in (1, 2))
    for n in (1, 2):
        said = f"features shard {n}: mfcc of {n} clips in 3 recordings\nfeatures recordings {n}: 5 recordings\n"
        log(f"{n}.log", f"features shard {n}: 1 of 9: a\n{said}")
        assert not seen.filter(ends(n))
    assert out.getvalue().splitlines() == [
        "[1/2] features: cut clips out",
        "[1/2] features: done in 0 s: mfcc of 3 clips in 6 recordings",
    ]


def test_a_training_ends_with_its_last_line_and_a_fold_of_one_is_found(log):
    out = io.StringIO()
    seen = begun(out, fold_model=1)
    seen.filter(begins(1, "fold_model", "1.log"))
    log("1.log", "model: cnn on 9 clips\nmodel: epoch 1/2: loss 1.0\nmodel: epoch 2/2: loss 0.5\nmodel: 2 epochs\n")
    seen.filter(ends(1))
    assert out.getvalue().splitlines() == ["fold_model: train", "fold_model: done in 0 s: 2 epochs"]
    assert seen.found_by("fold_model") == ["model: cnn on 9 clips", "model: 2 epochs"]
    assert seen.found_by("model") == []


def test_folds_are_not_summed_but_said_from_the_lowest_to_the_highest(log):
    out = io.StringIO()
    seen = begun(out, fold_evaluation=3)
    for n, (accuracy, recordings) in enumerate([("0.82", 47), ("0.792", 50), ("0.80", 47)]):
        seen.filter(begins(n, "fold_evaluation", f"{n}.log"))
        said = (
            f"accuracy {accuracy} on 460 clips of {recordings} recordings (95 % interval), event F1 0.3 at IoU >= 0.5"
        )
        log(f"{n}.log", f"evaluation: {said}\n")
        seen.filter(ends(n))
    assert out.getvalue().splitlines()[-1] == (
        "fold_evaluation: done in 0 s: accuracy 0.792 to 0.82 on 460 clips of 47 to 50 recordings (95 % interval), "
        "event F1 0.3 at IoU >= 0.5"
    )


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        # Long, as a line with several numbers and intervals is.
        (f"{'word ' * 50}end", f"{'word ' * 50}end"),
        ("9 clips: 9 computed, 0 kept from before, 0 no longer needed", "9 clips: 9 computed"),
        (str(incremental.Done(6, 0, ("a", "b"))), "6 computed, 2 no longer needed"),
        (str(incremental.Done(0, 10, ())), "0 computed, 10 kept from before"),
    ],
)
def test_what_a_job_found_is_whole_but_for_counts_of_nothing(found, shown, log):
    out = io.StringIO()
    seen = begun(out, model=1)
    seen.filter(begins(1, "model", "1.log"))
    log("1.log", f"model: {found}\n")
    seen.filter(ends(1))
    assert out.getvalue().splitlines()[-1] == f"model: done in 0 s: {shown}"


def test_a_dry_run_is_a_line_a_rule_with_what_would_run_and_why_and_a_total():
    out = io.StringIO()
    seen = Screen(out, lambda: WORDS, dry=True)
    seen.foreseen = lambda: [("features", 8, "there is none yet"), ("model", 1, "train.epochs was 4, is 5")]
    stats = {"features": 8, "model": 1, "all": 1, "total": 10}
    for happens in (
        record(LogEvent.WORKFLOW_STARTED),
        record(LogEvent.RUN_INFO, stats=stats),
        begins(1, "features", "1.log"),
        ends(1),
        # Snakemake says the statistics again, and what it was.
        record(LogEvent.RUN_INFO, stats=stats),
        record(text="This was a dry-run (flag -n)."),
    ):
        assert not seen.filter(happens)
    assert out.getvalue().splitlines() == [
        "[1/2] features, 8 jobs: cut clips out (because there is none yet)",
        "[2/2] model: train (because train.epochs was 4, is 5)",
        "2 rules, 9 jobs would run; this was a dry run (-n), nothing was made or changed",
    ]


def test_a_job_that_found_all_as_it_was_says_so(log):
    out = io.StringIO()
    seen = begun(out, model=1)
    seen.filter(begins(1, "model", "1.log"))
    log("1.log", "models/model: up to date\n")
    seen.filter(ends(1))
    assert out.getvalue().splitlines()[-1] == "model: done in 0 s: up to date"


def test_a_job_that_failed_is_named_at_once_and_its_error_comes_last(log):
    out = io.StringIO()
    seen = begun(out, features=2, model=1)
    seen.filter(begins(1, "features", "1.log"))
    seen.filter(begins(2, "features", "2.log"))
    log("1.log", "features: bad\nerror: a clear line\n")
    assert not seen.filter(fails(1, "features", "1.log"))
    assert out.getvalue().splitlines()[-1] == "[1/2] features: failed after 0 s; waiting for 1 at work"
    assert list(seen.last_words(0.0, ["all.log"])) == ["error: a clear line", "log: 1.log, all.log"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (record(text="Select jobs to execute..."), False),
        (record(LogEvent.PROGRESS), False),
        (record(text="a warning", level=logging.WARNING), True),
        (record(LogEvent.ERROR, "MissingInputException in rule x", logging.ERROR, exception="MissingInput"), True),
    ],
)
def test_only_what_is_wrong_is_left_to_snakemake(said, shown):
    assert begun(io.StringIO(), model=1).filter(said) == shown


def test_what_does_not_execute_is_there_for_what_it_says():
    seen = Screen(io.StringIO(), lambda: WORDS)
    assert seen.filter(record(text="Congratulations, your workflow is in a good condition!"))
    assert not seen.filter(record(text="Assuming unrestricted shared filesystem usage."))


@pytest.mark.parametrize(
    ("stage", "named"), [(None, "everything"), ("model", "model"), ("a/dvc.yaml:do@set", "do@set")]
)
def test_nothing_to_be_done_is_a_line_and_the_result(stage, named, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    if stage:
        monkeypatch.setenv("DVC_STAGE", stage)
    out = io.StringIO()
    seen = begun(out)
    seen.result = lambda: ["the result"]
    assert not seen.filter(record(text="Nothing to be done (all requested files are present and up to date)."))
    assert out.getvalue() == f"{named}: up to date, nothing to be done\nthe result\n"


def test_how_far_a_rule_is_by_the_logs_of_its_jobs(log):
    rule = screen._Rule("model", 1)
    rule.at_work = {1: ["1.log"]}
    assert rule.how_far() == (0, "")
    log("1.log", "model: epoch 9/10: of another run\n", age_s=1000)
    assert rule.how_far() == (0, "")
    log("1.log", "model: epoch 1/4: loss 2\nmodel: epoch 3/4: loss 1, accuracy 0.5\nmodel: a remark: 7 of 8\n")
    assert rule.how_far() == (0.75, "epoch 3 of 4")
    log("1.log", "recordings: 1200 of 2400 inspected\n")
    assert rule.how_far() == (0.5, "1,200 of 2,400")
    # The first of three jobs has ended, the second is at a half, of the third nothing is known.
    rule.n_jobs, rule.ended, rule.at_work = 3, [["0.log"]], {1: ["1.log"], 2: ["2.log"]}
    assert rule.how_far() == (pytest.approx(0.5), "50 %")


def test_time_left_is_told_by_how_fast_the_work_was_since_it_was_first_seen(log):
    rule = screen._Rule("model", 1)
    rule.at_work = {1: ["1.log"]}
    log("1.log", "model: cnn on 9 clips\n")
    assert rule.shown(rule.begun_s + 100) == ""
    log("1.log", "model: epoch 1/4: loss 2\n")
    assert rule.shown(rule.begun_s + 110) == "epoch 1 of 4"
    log("1.log", "model: epoch 2/4: loss 2\n")
    # An epoch took 20 s, and two are left: the 100 s before the first of them do not count.
    assert rule.shown(rule.begun_s + 130) == "epoch 2 of 4, about 40 s left"
    # Within the third it counts down, and once that takes longer than those before, it waits for its end.
    assert rule.shown(rule.begun_s + 145) == "epoch 2 of 4, about 25 s left"
    assert rule.shown(rule.begun_s + 165) == "epoch 2 of 4, about 20 s left"
    log("1.log", "model: epoch 4/4: loss 2\n")
    assert rule.shown(rule.begun_s + 170) == "epoch 4 of 4"


def test_what_is_left_of_less_than_a_step_is_not_less_than_nothing(log):
    rule = screen._Rule("features", 1)
    rule.at_work = {1: ["1.log"]}
    for k in (7, 14, 21):
        log("1.log", f"features shard 0: {k} of 24: a\n")
        said = rule.shown(rule.begun_s + k)
    assert said == "21 of 24, about 3 s left"
    assert rule.shown(rule.begun_s + 60) == "21 of 24, about 0 s left"


def looked(out: io.StringIO, after_s: float, said: str = "model: epoch 1/4: loss 2\n") -> str:
    """Let a screen look after a job that began so many seconds ago, and return what it has said."""
    seen = begun(out, silence_s=30, model=1, features=1)
    seen.filter(begins(1, "model", "1.log"))
    Path("1.log").write_text(said)
    with seen._lock:
        seen._show(seen._rules["model"].begun_s + after_s)
    return out.getvalue()


@pytest.mark.usefixtures("log")
def test_a_log_says_how_far_a_run_is_only_after_a_silence():
    begins = "[1/2] model: train"
    assert looked(io.StringIO(), 29).splitlines() == [begins]
    assert looked(io.StringIO(), 60).splitlines() == [
        begins,
        "[1/2] model, 1 min 00 s: epoch 1 of 4",
    ]
    assert looked(io.StringIO(), 60, "").splitlines() == [begins, "[1/2] model, 1 min 00 s: train"]


@pytest.mark.usefixtures("log")
def test_a_terminal_has_one_line_that_is_renewed_and_gone_when_a_line_stays(monkeypatch):
    monkeypatch.setenv("COLUMNS", "32")
    line = looked(Terminal(), 60).removeprefix("\r\033[K")
    # One column less than there are: a full line would wrap in some terminals.
    assert (len(line), line) == (31, "[1/2] model, 1 min 00 s: epoch…")
    out = Terminal()
    seen = begun(out, model=1)
    seen._renew("at work")
    seen.say("a line that stays")
    assert out.getvalue() == "\r\033[Kat work\r\033[Ka line that stays\n"


def test_a_reader_who_is_gone_is_none_of_its_business():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    begun(Gone(), model=1).say("to nobody")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["2 kept"], "2 kept"),
        (["1 of 2 kept", "3 of 4 kept"], "4 of 6 kept"),
        (["1 kept", "1 lost"], "1 lost"),
        (["{1} kept", "2 kept"], "3 kept"),
    ],
)
def test_numbers_of_the_same_words_are_summed(lines, expected):
    assert screen.summed(lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["event F1 0.8, 20 kept"], "event F1 0.8, 20 kept"),
        (["loss 1e-05, gain -0.3", "loss 2e-05, gain -0.1"], "loss 1e-05 to 2e-05, gain -0.3 to -0.1"),
        (
            ["1,234 of 9 clips [0.7, 0.8]", "2,100 of 10 clips [0.7, 0.9]"],
            "1,234 to 2,100 of 9 to 10 clips [0.7, 0.8 to 0.9]",
        ),
        (["F1 +0.10", "F1 -0.20"], "F1 -0.20 to +0.10"),
        (["1 kept", "1 lost"], "1 lost"),
    ],
)
def test_numbers_of_what_repeats_something_are_said_from_the_lowest_to_the_highest(lines, expected):
    assert screen.spanned(lines) == expected


def test_what_all_shards_remark_is_not_what_they_found(log):
    out = io.StringIO()
    seen = begun(out, features=2)
    for n in (1, 2):
        seen.filter(begins(n, "features", f"{n}.log"))
        log(f"{n}.log", f"features: 20 of 128 mel bands are always empty\nfeatures shard {n}: mfcc of {n} clips\n")
        seen.filter(ends(n))
    assert out.getvalue().splitlines()[-1] == "features: done in 0 s: mfcc of 3 clips"


@pytest.mark.parametrize(
    ("taken_s", "said"), [(4.4, "4 s"), (185, "3 min 05 s"), (7830, "2 h 10 min"), (59.6, "1 min 00 s")]
)
def test_a_time_is_said_as_people_say_it(taken_s, said):
    assert screen.duration(taken_s) == said


ROW = {"model": "presence network", "recordings": 9, "groups": 4}
ROW |= {"event_f1_iou30": 0.8, "event_f1_iou30_low": 0.7, "event_f1_iou30_high": 0.9, "event_recall_iou30": 0.85}
ROW |= {"event_recall_iou30_low": 0.75, "event_recall_iou30_high": 0.95}
METRICS = {
    "test": {
        "support": 1200,
        "groups": 40,
        "units": "groups",
        "accuracy": 0.9,
        "accuracy_low": 0.85,
        "accuracy_high": 0.95,
    },
    "majority_class": {"accuracy": 0.25},
    "svm": {"accuracy": 0.5},
    "context_only": {"accuracy": None},
}


@pytest.mark.parametrize(
    ("method", "low", "words"),
    [
        ("grouped", 0.85, "In test recordings that no training heard, with 95 % intervals:"),
        ("grouped", None, "In test recordings that no training heard:"),
        ("article", 0.85, "In test clips of recordings that also trained, with 95 % intervals:"),
    ],
)
def test_a_run_says_what_it_was_tested_on(tmp_path, monkeypatch, method, low, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/report.html").touch()
    (tmp_path / "reports/detection_baselines.csv").touch()
    found = json.loads(json.dumps(METRICS))
    found["test"]["accuracy_low"] = found["test"]["accuracy_high"] = low
    (tmp_path / "reports/metrics.json").write_text(json.dumps(found))
    monkeypatch.setattr(outcome.made, "read", lambda *_: [])
    assert outcome.of_run(None, method)[1] == words


def test_the_headline_of_clips_is_the_metric_with_its_interval_and_its_baselines():
    assert outcome.of_clips(METRICS) == [
        "accuracy 0.900 [0.850, 0.950], 1,200 clips in 40 groups",
        "beside it: commonest species 0.250, SVM on pooled statistics 0.500",
    ]
    nothing = json.loads(json.dumps(METRICS)) | {"test": {"support": 0}}
    assert outcome.of_clips(nothing) == ["no test clips, so nothing is known about new sound"]


def test_the_headline_of_calls_is_what_is_known():
    nan = float("nan")
    chance = {"model": "chance", "recordings": 9, "groups": 4, "event_f1_iou30": 0.1, "event_recall_iou30": nan}
    assert outcome.of_calls([ROW, chance]) == [
        "event F1 0.800 [0.700, 0.900] at IoU >= 0.3, 9 recordings; by presence network",
        "beside it: chance 0.100",
    ]
    assert outcome.of_calls([{**ROW, "event_f1_iou30": nan}, chance]) == [
        "recall 0.850 [0.750, 0.950] at IoU >= 0.3, 9 recordings; by presence network"
    ]
    assert outcome.of_calls([{**ROW, "event_f1_iou30_low": nan}])[0].startswith("event F1 0.800 at IoU")
    assert outcome.of_calls([{**ROW, "recordings": 0}]) == ["no whole test recordings, so nothing is known"]
    nothing = {**ROW, "event_f1_iou30": nan, "event_recall_iou30": nan}
    assert outcome.of_calls([nothing]) == ["no calls in whole test recordings, so nothing is known"]
