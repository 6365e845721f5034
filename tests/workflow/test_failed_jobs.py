"""What a run that fails says last: the error of its job, alone, and where its logs are."""

import re

import pytest
from test_one_truth import TOOLS

pytestmark = pytest.mark.table

COMMANDS = {"snakemake": ("snakemake", "--cores", "2"), "dvc": ("dvc", "repro")}
# What Snakemake itself would say, and where values would be.
NOT_FOR_PEOPLE = ("CalledProcessError", "Error in rule", "shell:", "jobid", "Shutting down", "Complete log", "{")


def said_of(project, tool: str) -> list[str]:
    """Return what a run that fails says since its job began, without what DVC says after it."""
    run = project.run(*COMMANDS[tool], check=False, screen="")
    assert run.returncode != 0
    assert not [word for word in NOT_FOR_PEOPLE if word in run.stdout], run.stdout
    said = run.stdout.rstrip().splitlines()
    if tool == "dvc":
        assert re.fullmatch(
            r"ERROR: failed to reproduce '\w+': failed to run: python workflow/rule.py \w+, exited with 1", said.pop()
        )
    return said


@TOOLS
def test_bad_rows_are_their_lines_and_the_log(project, tool):
    rows = project.annotations()
    rows[0][3], rows[1][3] = "100", "-1"
    project.write_annotations(rows)
    *_, begins, failed, nothing, first, second, summary, log = said_of(project, tool)
    # Of all that was to be made by the one, the first of thirteen; the only one of a stage by the other.
    number = "[ 1/13] " if tool == "snakemake" else ""
    assert begins.startswith(f"{number}recordings: check every row")
    assert re.fullmatch(rf"{re.escape(number)}recordings: failed after \d+ s", failed)
    assert [nothing, first, second, summary] == [
        "",
        "error: raw/annotations.csv:2: column t_max: '0.8': expected more than t_min 100 s",
        "error: raw/annotations.csv:3: column t_min: '-1': expected a number >= 0",
        "error: 2 problems in raw/annotations.csv and its recordings; data.on_bad_recording: quarantine goes on without"
        " these rows; a table of them: logs/audit.csv",
    ]
    assert re.fullmatch(r"log: logs/recordings\.log, \.snakemake/log/\S+\.snakemake\.log", log)
    # All that Snakemake itself would say is in the second.
    assert "CalledProcessError" in (project.path / log.rpartition(", ")[2]).read_text()


@TOOLS
def test_a_mistake_in_the_code_is_its_last_line_and_the_trace_is_in_the_log(project, tool):
    with (project.path / "src/dawnchorus/partitioning/split.py").open("a") as module:
        module.write("raise ValueError('of no use')\n")
    said = said_of(project, tool)
    assert said[-3:-1] == ["", "error: rule split: ended early; the last that it said: ValueError: of no use"]
    assert said[-1].startswith("log: logs/split.log, ")
    assert "Traceback" not in "\n".join(said)
    assert "Traceback" in (project.path / "logs/split.log").read_text()


@pytest.mark.parametrize("asked", [["--verbose"], ["-p"]])
def test_what_snakemake_says_is_there_for_who_asks(project, asked):
    rows = project.annotations()
    rows[0][3] = "100"
    project.write_annotations(rows)
    said = project.run(*COMMANDS["snakemake"], *asked, check=False, screen="").stdout
    assert "rule recordings:\n    input: raw/annotations.csv, " in said
    assert "python -m dawnchorus.stages --inputs raw/annotations.csv" in said
    assert "error: raw/annotations.csv:2: column t_max: '0.8': expected more than t_min 100 s" in said
    assert ("CalledProcessError" in said) == (asked == ["--verbose"])
