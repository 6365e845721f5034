"""What a run says when a job of it failed: the job's own error, once and last, and where its log is."""

import re

import pytest
from test_one_truth import TOOLS

pytestmark = pytest.mark.table

COMMANDS = {"snakemake": ("snakemake", "--cores", "2"), "dvc": ("dvc", "repro")}


def said_of(project, tool: str, *more: str) -> list[str]:
    """Return what a run that fails says since its job began, without what DVC says after it."""
    run = project.run(*COMMANDS[tool], *more, check=False)
    assert run.returncode != 0
    said = run.stdout.rstrip().partition("    resources: tmpdir=")[2].splitlines()[1:]
    if tool == "dvc":
        assert said.pop().startswith("ERROR: failed to reproduce '")
    return said


@TOOLS
def test_bad_rows_are_their_lines_and_the_log(project, tool):
    rows = project.annotations()
    rows[0][3], rows[1][3] = "100", "-1"
    project.write_annotations(rows)
    *errors, log = said_of(project, tool)
    assert errors == [
        "error: raw/annotations.csv:2: column t_max: '0.8': expected more than t_min 100 s",
        "error: raw/annotations.csv:3: column t_min: '-1': expected a number >= 0",
        "error: 2 problems in raw/annotations.csv and its recordings; data.on_bad_recording: quarantine goes on without"
        " these rows; a table of them: logs/audit.csv",
    ]
    assert re.fullmatch(rf"log: logs/recordings\.log, {project.path}/\.snakemake/log/\S+\.snakemake\.log", log)
    # All that Snakemake itself would say is in the second.
    assert "CalledProcessError" in (project.path / log.rpartition(", ")[2]).read_text()


@TOOLS
def test_a_mistake_in_the_code_is_its_trace_once_and_its_last_line(project, tool):
    with (project.path / "src/dawnchorus/partitioning/split.py").open("a") as module:
        module.write("raise ValueError('of no use')\n")
    trace, error, log = said_of(project, tool)[-3:]
    assert trace == "ValueError: of no use"
    assert error == f"error: rule split: ended early; the last that it said: {trace}"
    assert log.startswith("log: logs/split.log, ")


def test_what_snakemake_says_is_there_for_who_asks(project):
    rows = project.annotations()
    rows[0][3] = "100"
    project.write_annotations(rows)
    assert any("CalledProcessError" in line for line in said_of(project, "snakemake", "--verbose"))
