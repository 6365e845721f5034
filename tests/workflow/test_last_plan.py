"""The command of a DVC stage: it says at once that nothing is stale, and leaves all else to Snakemake."""

import json
import os
import subprocess
import sys

import pytest
import soundfile
from project import SAMPLE_RATE_HZ, environment, tone
from test_interruptions import started

from conftest import copied

pytestmark = pytest.mark.table

PLAN = ".snakemake/plan.json"
# What `snakemake` is in these tests: a program that says what it was told.
STARTED = "snakemake was started:"
KINDS_OF_TARGET = ["recordings", "all_features", "model", "report"]


@pytest.fixture(scope="module")
def planned(ran, tmp_path_factory):
    """A project that was run whole and has a plan; copies of it have that plan too, whatever their times."""
    project = copied(ran / "project", tmp_path_factory.mktemp("plan") / "project")
    # A plan made while the copy's last files were as good as new is not kept, that of the next run is.
    project.snakemake()
    project.snakemake()
    return project.path


@pytest.fixture
def project(planned, tmp_path):
    return copied(planned, tmp_path / "project")


def asked(project, target: str) -> str:
    """Return what the command of a stage says, with a program of our own in the place of `snakemake`."""
    fake = project.path.parent / "bin/snakemake"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(f'#!/bin/sh\necho "{STARTED} $*"\n')
    fake.chmod(0o755)
    env = environment()
    env["PATH"] = f"{fake.parent}{os.pathsep}{env['PATH']}"
    command = [sys.executable, "workflow/rule.py", target]
    done = subprocess.run(command, cwd=project.path, env=env, text=True, capture_output=True, check=True)
    assert not done.stderr
    return done.stdout.strip()


def rules_started(project) -> set[str]:
    return {target for target in KINDS_OF_TARGET if asked(project, target).startswith(STARTED)}


def append(path, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def test_after_a_run_no_stage_starts_snakemake(project):
    assert rules_started(project) == set()
    assert asked(project, "all_features") == "features: up to date, nothing to be done"


def test_dvc_locks_what_snakemake_made_without_starting_it(project):
    said = project.run("dvc", "repro").stdout
    # As a run of Snakemake does, it ends with what was found.
    assert said.index("naming clips") > said.index("report: up to date")
    assert "left out       nothing" in said
    assert said.count("up to date, nothing to be done") == said.count("Running stage") == 13
    assert "workflow specific profile" not in said
    assert "Data and pipelines are up to date." in project.run("dvc", "status").stdout


def test_without_a_plan_snakemake_is_told_which_rule(project):
    (project.path / PLAN).unlink()
    said = asked(project, "all_features")
    assert said in {
        f"{STARTED} --cores all --allowed-rules {rules} -- all_features"
        for rules in ("features all_features", "all_features features")
    }
    assert asked(project, "model") == f"{STARTED} --cores all --allowed-rules model -- model"


@pytest.mark.parametrize(
    "text",
    [
        "",
        pytest.param("[]", marks=pytest.mark.again),
        pytest.param("{}", marks=pytest.mark.again),
        pytest.param('{"key": "x"}', marks=pytest.mark.again),
        '{"key": 1, "targets": {}, "jobs": {}, "data": {}, "audited": [], "fingerprint": ""}',
    ],
)
def test_a_damaged_plan_is_no_plan(project, text):
    (project.path / PLAN).write_text(text)
    assert rules_started(project) == set(KINDS_OF_TARGET)


def test_a_target_that_no_plan_names_is_snakemakes(project):
    assert asked(project, "nothing_of_this_name").startswith(STARTED)
    # Of detections it depends on the recordings whether they are current.
    assert asked(project, "detections").startswith(STARTED)


@pytest.mark.parametrize(
    "path", ["Snakefile", "workflow/rules/split.smk", "profiles/default/config.yaml", "src/dawnchorus/sound/audio.py"]
)
def test_what_planning_reads_makes_the_plan_another(project, path):
    append(project.path / path, "\n# another line\n")
    assert rules_started(project) == set(KINDS_OF_TARGET)


def test_a_value_changed_and_changed_back(project):
    before = (project.path / "params.yaml").read_text()
    project.set("evaluation.top_k", 2)
    assert rules_started(project) == set(KINDS_OF_TARGET)
    (project.path / "params.yaml").write_text(before)
    assert rules_started(project) == set()


def test_a_new_module_and_one_that_is_gone(project):
    new = project.path / "src/dawnchorus/networks/another.py"
    new.write_text("")
    assert rules_started(project) == set(KINDS_OF_TARGET)
    new.unlink()
    assert rules_started(project) == set()
    (project.path / "src/dawnchorus/networks/lstm.py").unlink()
    assert rules_started(project) == set(KINDS_OF_TARGET)


def test_a_recording_exchanged_under_its_old_time(project):
    path = next((project.path / "raw/audio").iterdir())
    times = os.stat(path)
    soundfile.write(path, tone(900.0, 3.0, 5), SAMPLE_RATE_HZ)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    # The audit reads recordings; features read what the audit found, and the rule above them runs first.
    assert rules_started(project) == {"recordings"}


def test_a_recording_or_a_table_that_is_gone(project):
    next((project.path / "raw/audio").iterdir()).unlink()
    assert rules_started(project) == {"recordings"}
    (project.path / "raw/annotations.csv").unlink()
    assert rules_started(project) == {"recordings"}


@pytest.mark.parametrize("what", ["exchanged", "gone", "record exchanged", "record gone"])
def test_a_product_that_is_not_as_recorded(project, what):
    products = {"": "models/classes.csv", "record": "models/model.provenance.json"}
    path = project.path / products["record" if "record" in what else ""]
    path.unlink() if "gone" in what else append(path, " ")
    # Its record counts by what it says: white space says nothing.
    expected = {"model"} if what != "record exchanged" else set()
    assert rules_started(project) & {"recordings", "all_features", "model"} == expected


def test_one_shard_of_eight(project):
    (project.path / "data/features/shard-5-of-8.zip").write_bytes(b"")
    assert rules_started(project) == {"all_features"}


def test_a_record_of_other_values_blesses_nothing(project):
    path = project.path / "reports/report.provenance.json"
    record = json.loads(path.read_text())
    record["params"][0] = record["params"][0].replace(":", " :", 1)
    path.write_text(json.dumps(record))
    assert rules_started(project) == {"report"}


def test_a_run_at_work_is_snakemakes_to_report(project):
    project.set("train.epochs", 2000)
    run = started(project, "snakemake")
    try:
        project.set("train.epochs", 5)
        assert rules_started(project) == set(KINDS_OF_TARGET)
    finally:
        run.terminate()
        run.communicate()


def test_a_run_of_one_rule_adds_to_the_plan_of_all(project):
    project.snakemake("report", "--force")
    assert rules_started(project) == set()
