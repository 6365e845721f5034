"""What is printed from the start of a run to its end, in a plain log: by Snakemake and by DVC."""

import os
import re

import pytest
from project import Project

pytestmark = pytest.mark.table

RULES = {
    *("recordings", "features", "split", "dataset", "model", "presence", "recording_scores", "svm_scores"),
    *("evaluation", "presence_calibration", "detection_metrics", "figures", "report"),
}
PROFILE = "Using workflow specific profile profiles/default for setting default command line arguments."
TEST = r"  naming clips   accuracy \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\], 6 clips in 2 recordings"
RESULT = (
    r"",
    r"In test recordings that no training heard, with 95 % intervals:",
    TEST,
    r"                 beside it: commonest species 0\.333, SVM on pooled statistics \d\.\d{3}",
    r"  finding calls  event F1 \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\] at IoU >= 0\.3, 2 recordings; by .* on windows",
    r"                 beside it: SVM on windows \d\.\d{3}, energy in the species' band \d\.\d{3}, chance \d\.\d{3}",
    r"  left out       nothing",
    r"",
    r"open     reports/report\.html",
    r"written  models/ .*",
    r"next     change a value in params\.yaml and run again: only what depends on it runs",
    r"         dawnchorus detect --model models FOLDER: find calls in other recordings",
    r"         dawnchorus compare: set this result beside another",
)

# Of `snakemake -n -R split` where train.epochs changed: what a rule does, and why.
WOULD_RUN = (
    ("split", "it was asked for"),
    ("dataset", "what it reads would be made anew: split"),
    ("model", "train.epochs was 5, is 7"),
    ("presence", "what it reads would be made anew: dataset"),
    ("recording_scores", "what it reads would be made anew: dataset, model, presence"),
    ("svm_scores", "what it reads would be made anew: dataset, recording_scores"),
    ("evaluation", "what it reads would be made anew: dataset, model, recording_scores"),
    ("presence_calibration", "what it reads would be made anew: dataset, recording_scores"),
    ("detection_metrics", "what it reads would be made anew: dataset, model, presence and 4 more"),
    ("figures", "what it reads would be made anew: dataset, model, evaluation and 1 more"),
    ("report", "train.epochs was 5, is 7"),
)


def assert_result(lines: list[str]) -> None:
    assert len(lines) == len(RESULT)
    for line, pattern in zip(lines, RESULT, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


def test_a_run_from_nothing_is_two_lines_a_rule_and_its_result(tmp_path):
    project = Project.create(tmp_path / "project", dvc=False)
    said = project.run("snakemake", "--cores", "64", screen="").stdout
    assert "\r" not in said
    # On a slow machine a rule says after a silence how far it is.
    first, *lines = [line for line in said.splitlines() if not re.match(r"\[..?/13\] \w+, ", line)]
    assert first == PROFILE
    of_rules, result = lines[: 2 * len(RULES)], lines[2 * len(RULES) :]
    found = [re.fullmatch(r"\[[ 1]\d/13\] (\w+): (done in .*?: )?(.+)", line).groups() for line in of_rules]
    for rule in RULES:
        of_rule = [(done is not None, words) for name, done, words in found if name == rule]
        assert [done for done, _ in of_rule] == [False, True], rule
    ended = {name: words for name, done, words in found if done}
    assert ended["recordings"].startswith("27 annotations of 3 classes in 9 recordings; 0 of 27 rows left out")
    assert ended["features"] == "log_mel of 27 clips in 9 recordings: 9 computed"
    assert ended["model"].startswith("5 epochs in ")
    assert_result(result)
    # Eight jobs on two cores are no quicker than two.
    (log,) = (project.path / ".snakemake/log").iterdir()
    assert f"\nProvided cores: {min(64, len(os.sched_getaffinity(0)))}\n" in log.read_text()
    # What is not on the screen is in the logs.
    assert "model: epoch 5/5: loss " in (project.path / "logs/model.log").read_text()
    assert "localrule model:\n    input: " in log.read_text()

    again = project.run("snakemake", "--cores", "2", screen="").stdout.splitlines()
    assert again[:2] == [PROFILE, "everything: up to date, nothing to be done"]
    assert_result(again[2:])
    # What would run, and why, is for who asks before.
    project.set("train.epochs", 7)
    first, *would_run, total = project.run("snakemake", "-n", "-R", "split", screen="").stdout.splitlines()
    assert first == PROFILE
    for number, (line, (rule, why)) in enumerate(zip(would_run, WOULD_RUN, strict=True), start=1):
        # In the words of the rule's own line of a run.
        words = next(words for name, done, words in found if name == rule and not done)
        assert line == f"[{number:2}/11] {rule}: {words} (because {why})"
    assert total == "11 rules, 11 jobs would run; this was a dry run (-n), nothing was made or changed"
    asked = project.run("snakemake", "-n", "-p", screen="").stdout
    assert re.search(r"^to be made: models/model\b.*: train\.epochs was 5, is 7$", asked, re.MULTILINE)
    assert "rule model:\n    input: " in asked
    assert "reason: Forced execution" in asked


def test_dvc_says_a_line_a_stage_that_is_as_it_was(ran_project):
    said = ran_project.run("dvc", "repro", screen="").stdout.splitlines()
    of_stages = [line.partition(": ")[0] for line in said if line.endswith(": up to date, nothing to be done")]
    assert set(of_stages) == RULES
    assert len(of_stages) == len(RULES)
    start = said.index("report: up to date, nothing to be done") + 1
    assert_result(said[start : start + len(RESULT)])
    # Of the rest, only the commands are longer than a line of a terminal is wide.
    others = [line for line in said if line not in (PROFILE, *said[start : start + len(RESULT)])]
    assert max(map(len, others)) < 100


def test_dvc_says_two_lines_of_a_stage_that_runs(project):
    project.set("evaluation.top_k", 2)
    said = project.run("dvc", "repro", "evaluation", screen="").stdout
    start = said.index("Running stage 'evaluation':")
    lines = said[start:].splitlines()
    assert lines[1:3] == ["> python workflow/rule.py evaluation", PROFILE]
    assert lines[3].startswith("to be made: reports/evaluation: evaluation.top_k was 3, is 2")
    assert lines[4] == "evaluation: measure how well calls are named, beside simpler methods"
    assert re.match(r"evaluation: done in \d+ s: accuracy ", lines[5])
    assert lines[6] == "Updating lock file 'dvc.lock'"
