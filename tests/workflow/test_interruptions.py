"""What happens while a run is at work, and to a run: edits, kills, signals, another run. Nothing wrong is blessed."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from project import IDS, Project, environment, rules_of
from test_one_truth import (
    ANY_TOOL,
    FROM_EVALUATION,
    FROM_MODEL,
    PLANNED_FROM_MODEL,
    TOOLS,
    again,
    assert_settled,
    store,
)

from conftest import copied
from dawnchorus.foundation.files import sha256_of
from dawnchorus.foundation.hashes import identity

pytestmark = pytest.mark.table

COMMANDS = {"snakemake": ["snakemake", "--cores", "2"], "dvc": ["dvc", "repro"]}
# Long enough that the training is still at work when something happens to it.
LONG = 2000
# So many that a run is stopped among them, and few to wait for.
SOME = 100
# What comes by itself may take so long on a busy machine.
PATIENCE_S = 900
SMALLEST_PIPE = 4096
MODULE = "src/dawnchorus/networks/logistic_regression.py"
# With all that is said, a job speaks to a pipe and its log; as people see it, to its log alone.
SCREENS = pytest.mark.parametrize("screen", [again("full"), ""], ids=["all-said", "as-people-see-it"])


def started(
    project: Project,
    tool: str,
    marker: str = "epoch 2/",
    holds: int | None = None,
    target: str | None = None,
    screen: str = "full",
) -> subprocess.Popen:
    """Start a run, of a target if one is named, in a process group of its own and return it once it says the marker.

    Its output is a pipe that holds so many bytes that nobody has read, or as many as the system likes. With the
    ``screen`` that people have the marker is said in the log of the model alone.
    """
    process = subprocess.Popen(
        [*COMMANDS[tool], *([target] if target else [])],
        cwd=project.path,
        env={**environment(screen=screen), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    if holds:
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, holds)
    # A run that fails never says the marker.
    follow = ["timeout", str(PATIENCE_S), "tail", "-n", "0", "-F", project.path / "logs/model.log"]
    seen = []
    with subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as said:
        for line in process.stdout if screen else said.stdout:
            seen.append(line)
            if marker in line:
                said.terminate()
                return process
        said.terminate()
    raise AssertionError(f"never saw {marker!r} in:\n{''.join(seen)}")


@contextmanager
def stopped(process: subprocess.Popen) -> Iterator[None]:
    """Hold a run in its middle."""
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)


def descendants(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def assert_ended(processes: list[psutil.Process], project: Project, tool: str) -> None:
    """Nothing of a run is at work any more, and the next one is not in its way."""
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive, [f"{process}: {process.cmdline()}" for process in alive]
    project.set("train.epochs", 7)
    # DVC's own lock is asked for by what stores.
    assert project.snakemake() == FROM_MODEL
    store(project, tool)


def captured(project: Project) -> dict:
    return {
        "cwd": project.path,
        "env": environment(),
        "text": True,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "check": False,
    }


def ended(process: subprocess.Popen, within_s: float = PATIENCE_S) -> str:
    output, _ = process.communicate(timeout=within_s)
    return output


@TOOLS
def test_values_edited_during_a_run(project, tool):
    project.set("train.epochs", SOME)
    run = started(project, tool)
    with stopped(run):
        project.set("train.epochs", SOME + 1)
    output = ended(run)
    assert run.returncode != 0
    assert "params.yaml: train: changed during the run" in output
    assert not project.dvc_is_clean()
    assert project.planned() == PLANNED_FROM_MODEL
    assert project.repro_with(tool) == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == SOME + 1
    store(project, tool)


@ANY_TOOL
def test_a_module_edited_during_a_run(project, tool):
    before = (project.path / "models/model.keras").read_bytes()
    project.set("train.epochs", SOME)
    run = started(project, tool)
    with stopped(run), (project.path / MODULE).open("a") as module:
        module.write("# a line more\n")
    output = ended(run)
    assert run.returncode != 0
    assert f"error: {MODULE}: changed while models/model was made" in output
    assert (project.path / "models/model.keras").read_bytes() == before, "nothing half-written, nothing lost"
    assert project.planned() == PLANNED_FROM_MODEL
    assert project.repro_with(tool)["model"] == 1
    store(project, tool)


@ANY_TOOL
def test_a_table_edited_after_it_was_read(project, tool):
    project.set("train.epochs", SOME)
    run = started(project, tool)
    rows = project.annotations()
    rows[5][5] = f"{float(rows[5][5]) - 0.1:.1f}"
    with stopped(run):
        project.write_annotations(rows)
    ended(run)
    # The training read its own data set, which is as it was; what follows from the table is not.
    assert project.planned()["recordings"] == 1
    ran = project.repro_with(tool)
    assert (ran["recordings"], ran["features"], ran["model"]) == (1, 8, 1)
    store(project, tool)


@TOOLS
@SCREENS
@pytest.mark.parametrize("told", [signal.SIGTERM, again(signal.SIGINT)])
def test_a_run_that_is_told_to_end_ends_with_all_its_jobs(project, tool, told, screen):
    project.set("train.epochs", LONG)
    run = started(project, tool, screen=screen)
    with stopped(run):
        processes = descendants(run)
    assert processes
    os.kill(run.pid, told) if told == signal.SIGTERM else os.killpg(run.pid, told)
    # Far sooner than the training would.
    ended(run, within_s=120)
    assert run.returncode != 0
    assert_ended(processes, project, tool)


# A job of features that ends with its third recording, as nobody could foresee, or as a person wants it to.
ENDS_AT_THE_THIRD = """
import os, sys
from dawnchorus.features import tasks
from dawnchorus.stages import features

computed, counted = tasks.computed, []

def dying(*given):
    counted.append(given)
    if len(counted) == 3:
        {how}
    return computed(*given)

tasks.computed = dying
features.main(sys.argv[1:])
"""


@pytest.mark.parametrize(("how", "tool"), [("os._exit(9)", "snakemake"), ("raise KeyboardInterrupt", "dvc")])
def test_the_next_run_takes_over_what_a_job_of_features_had_finished(project, tool, how):
    folder = project.path / "data/features"
    shard = folder / "shard-0-of-8.zip"
    record = json.loads(shard.with_suffix(".provenance.json").read_text())
    (params,) = (text for text in record["params"] if text.startswith("{"))
    with zipfile.ZipFile(shard) as archive:
        assert sum(name.endswith(".npy") for name in archive.namelist()) == 3
    before = shard.read_bytes()
    for path in folder.glob("*-0-of-8*"):
        path.unlink()
    tables = (
        *("--recordings", "data/recordings/recordings.csv", "--annotations", "data/recordings/annotations.csv"),
        *("--false-positives", "data/recordings/false_positives.csv", "--audio-dir", "raw/audio"),
    )
    job = [sys.executable, "-c", ENDS_AT_THE_THIRD.format(how=how), *tables]
    job += ["--shard", "0", "--shards", "8", "--params", params, "--output", str(shard)]
    source = {"PYTHONPATH": str(project.path / "src")}
    half = subprocess.run(job, **{**captured(project), "env": {**environment(), **source}})
    assert half.returncode != 0
    assert [path.suffix for path in sorted(folder.glob(".shard-0-of-8.*"))] == [".zip", ".notes"], half.stdout
    project.run(*COMMANDS[tool])
    said = (project.path / "logs/features-0.log").read_text()
    assert "3 recordings: 1 computed, 2 kept from before" in said
    assert shard.read_bytes() == before
    assert not list(folder.glob(".shard*"))


@ANY_TOOL
@SCREENS
def test_a_run_whose_reader_is_gone_ends_with_all_its_jobs(project, tool, screen):
    project.set("train.epochs", LONG)
    run = started(project, tool, screen=screen)
    with stopped(run):
        processes = descendants(run)
    run.stdout.close()
    run.wait(timeout=120)
    assert_ended(processes, project, tool)


@pytest.mark.parametrize("shell", ["/bin/bash", again("/bin/sh")])
@ANY_TOOL
@SCREENS
def test_a_run_that_was_killed_leaves_no_job_behind(project, tool, shell, screen, monkeypatch):
    # DVC runs stages in this one; not every shell gives its place to the only command that it is handed.
    monkeypatch.setenv("SHELL", shell)
    project.set("train.epochs", LONG)
    run = started(project, tool, holds=SMALLEST_PIPE, screen=screen)
    with stopped(run):
        processes = descendants(run)
    run.kill()
    run.wait()
    # Nobody reads the output, and nobody closed it.
    assert_ended(processes, project, tool)


@TOOLS
def test_a_checkout_after_a_kill_has_nothing_to_do(project, tool):
    project.set("train.epochs", LONG)
    run = started(project, tool)
    os.killpg(run.pid, signal.SIGKILL)
    ended(run)
    project.run("git", "checkout", "--", ".")
    project.run("dvc", "checkout", "--force")
    assert_settled(project)
    assert project.repro_with(tool) == Counter()


@ANY_TOOL
@pytest.mark.parametrize("second", [again("snakemake"), "dvc"])
def test_the_second_of_two_runs_says_so_and_stops(project, tool, second):
    project.set("train.epochs", SOME)
    run = started(project, tool)
    # The first is stopped in its middle, however long the second takes to look around.
    with stopped(run):
        other = project.run(*COMMANDS[second], check=False)
        looked = project.run("snakemake", "-n")
    output = ended(run)
    assert other.returncode != 0
    says = "is busy, it is being blocked by" if (tool, second) == ("dvc", "dvc") else "another run is at work in it ("
    assert says in other.stdout
    assert "Traceback" not in other.stdout
    assert looked.returncode == 0
    assert run.returncode == 0, output
    assert project.trained_with()["train"]["epochs"] == SOME
    store(project, tool)


@pytest.mark.parametrize(
    ("study", "second", "marker"),
    [
        again("cross_validation", "dvc", "epoch 2/"),
        again("cross_validation", "snakemake", "epoch 2/"),
        again("overfitting_study", "dvc", "epoch 2/"),
        ("overfitting_study", "snakemake", "epoch 2/"),
    ],
)
def test_a_study_at_work_lets_nobody_in_and_nothing_wrong_is_locked(project, study, second, marker):
    project.set("cross_validation.folds", 2)
    for key, value in {"units": 2, "dense": [], "dropout": [], "epochs": 100}.items():
        project.set(f"overfitting_study.{key}", value)
    project.set("train.epochs", SOME)
    lock = (project.path / "dvc.lock").read_bytes()
    predictions = project.path / "reports/predictions.csv"
    before = predictions.read_bytes()
    run = started(project, "snakemake", marker, target=study)
    with stopped(run):
        # What the first of them would take away, the second would not find.
        others = [project.run(*COMMANDS[second], check=False) for _ in range(2)]
    output = ended(run)
    for other in others:
        assert other.returncode != 0
        (line,) = [line for line in other.stdout.splitlines() if line.startswith("error: ")]
        assert "another run is at work in it (" in line
        assert "Traceback" not in other.stdout
    assert run.returncode == 0, output
    assert (project.path / "dvc.lock").read_bytes() == lock
    assert predictions.read_bytes() == before
    assert project.planned() == PLANNED_FROM_MODEL
    assert project.repro_with(second) == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == SOME
    assert predictions.read_bytes() != before
    store(project, second)


@ANY_TOOL
def test_sound_exchanged_between_the_plan_and_its_job_and_put_back_is_not_blessed(project, tool):
    path = project.path / f"raw/audio/{IDS[4]}.wav"
    whole, predictions = path.read_bytes(), (project.path / "reports/predictions.csv").read_bytes()
    project.set("data.shortest_annotation_s", 0.06)
    run = started(project, tool, "rule recordings:")
    with stopped(run):
        project.add_recording(IDS[4], 4000)
        assert path.read_bytes() != whole
    output = ended(run)
    assert run.returncode != 0
    assert f"{IDS[4]}.wav: changed" in output or "folders of tables: changed during the audit" in output
    path.write_bytes(whole)
    project.repro_with(tool)
    assert (project.path / "reports/predictions.csv").read_bytes() == predictions
    store(project, tool)


@TOOLS
def test_a_rule_that_is_edited_makes_its_products_again(project, tool):
    with (project.path / "workflow/rules/model.smk").open("a") as rules:
        rules.write("# a line more\n")
    assert project.planned() == PLANNED_FROM_MODEL
    assert not project.dvc_is_clean()
    assert project.repro_with(tool)["model"] == 1
    store(project, tool)


@TOOLS
def test_snakemakes_own_state_may_be_deleted(project, tool):
    project.run("rm", "-rf", ".snakemake")
    assert_settled(project)
    project.set("train.epochs", 7)
    project.run("rm", "-rf", ".snakemake")
    assert project.repro_with(tool) == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == 7
    store(project, tool)


@ANY_TOOL
def test_times_decide_nothing(project, tool):
    for path in project.path.rglob("*"):
        if path.is_file() and not {".git", ".dvc", ".snakemake"} & set(path.parts):
            os.utime(path, (0, 0))
    assert_settled(project)
    table = project.path / "raw/annotations.csv"
    rows = project.annotations()
    rows[5][5] = f"{float(rows[5][5]) - 0.1:.1f}"
    project.write_annotations(rows)
    if tool == "snakemake":
        # DVC itself believes a file of the same time, size and inode; docs/guarantees.md says so.
        os.utime(table, (0, 0))
    assert project.repro_with(tool)["features"] == 8
    store(project, tool)


def test_an_edit_that_the_file_system_hides_is_found_once_hashes_are_forgotten(project):
    path, state = project.path / f"raw/audio/{IDS[4]}.wav", project.path / ".snakemake"
    before = sha256_of(path)
    project.add_recording(IDS[4], 4_000)
    assert sha256_of(path) != before
    # As where a clock was set back: all that the file system says was seen with the earlier content.
    known = " ".join(map(str, [*identity(path), before]))
    (state / "sha256-sound.json").write_text(json.dumps({os.path.realpath(path): known}))
    assert not project.planned()
    for remembered in state.glob("sha256*.json"):
        remembered.unlink()
    assert project.planned()["recordings"] == 1


@TOOLS
def test_a_damaged_fact_is_not_taken_over(project, tool):
    path = project.path / "data/recordings/recordings.csv"
    right = path.read_text()
    assert ",3.0" in right
    path.write_text(right.replace(",3.0", ",4.0", 1))
    assert project.repro_with(tool)["recordings"] == 1
    assert path.read_text() == right
    store(project, tool)


@TOOLS
def test_what_a_person_blesses_by_hand_still_does_not_fit(project, tool):
    project.set("train.epochs", 7)
    if tool == "snakemake":
        project.run("snakemake", "--cores", "2", "--touch")
    else:
        project.run("dvc", "commit", "-f")
        assert project.dvc_is_clean()
    assert project.planned() == PLANNED_FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == 5


def test_what_a_person_forces_is_made_again(project):
    ran = project.snakemake("--forcerun", "evaluation")
    assert ran["evaluation"] == 1
    assert ran <= FROM_EVALUATION
    assert_settled(project)


@pytest.mark.parametrize("name", ["models/model.keras", "models/model.provenance.json"])
def test_a_link_into_a_cache_that_is_gone_is_a_missing_product(project, name):
    project.run("dvc", "config", "--local", "cache.type", "symlink")
    project.run("dvc", "checkout", "--relink")
    (project.path / name).resolve().unlink()
    assert (project.path / name).is_symlink()
    assert project.snakemake()["model"] == 1
    assert not (project.path / name).is_symlink()
    store(project, "snakemake")


def test_a_folder_with_a_colon_in_its_name_runs_its_own_code(project, tmp_path):
    moved = Project(project.path.rename(tmp_path / "of: mine"))
    with (moved.path / "src/dawnchorus/stages/split.py").open("a") as module:
        module.write("\nprint('the code of', __file__)\n")
    output = moved.run("snakemake", "--cores", "1", "--", "data/split/split.csv").stdout
    assert f"the code of {moved.path}/src/dawnchorus/stages/split.py" in output
    moved.set("train.epochs", 7)
    assert moved.dvc_repro("model") == Counter(model=1)


def test_a_network_computes_with_as_many_threads_on_any_number_of_cores(project):
    commands = []
    for cores in ("1", "2", "8"):
        text = project.run(
            "snakemake", "--cores", cores, "-n", "-p", "--forcerun", "model", "--", "reports/metrics.json"
        )
        commands.append(
            [line for line in text.stdout.splitlines() if "dawnchorus.stages" in line and " -- model " in line]
        )
    assert commands[0] == commands[1] == commands[2]
    (command,) = commands[0]
    assert " --threads 8 " in command


@pytest.mark.again
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine has one core")
def test_a_network_is_the_same_on_one_core_and_on_two(project, tmp_path):
    params = project.params()
    params["model"] = {"name": "cnn", "widths": [16, 32], "position": True, "contrast": True, "dropout": 0.3}
    project.write_params(params)
    made = []
    for cores in (1, 2):
        copy = copied(project.path, tmp_path / f"of-{cores}")
        allowed = sorted(os.sched_getaffinity(0))[:cores]
        run = subprocess.run(
            ["snakemake", "--cores", str(cores), "--", "reports/predictions.csv"],
            **captured(copy),
            preexec_fn=lambda allowed=allowed: os.sched_setaffinity(0, allowed),
        )
        assert run.returncode == 0, run.stdout
        assert rules_of(run.stdout) == Counter(model=1, recording_scores=1, evaluation=1)
        made.append([(copy.path / name).read_bytes() for name in ("models/history.csv", "reports/predictions.csv")])
    assert made[0] == made[1]


def test_a_folder_that_may_not_be_written_is_one_line_and_may_be_looked_at(project):
    read_only = 'mount --bind "$PWD" "$PWD" && mount -o remount,ro,bind "$PWD" && cd "$PWD" && "$@"'
    inside = ["unshare", "--mount", "sh", "-c", read_only, "sh"]
    if project.run(*inside, "true", check=False).returncode:
        pytest.skip("this machine lets nobody mount a folder read-only")
    run = subprocess.run([*inside, "snakemake", "--cores", "1"], **captured(project))
    assert run.returncode == 1
    its_own, line = [line for line in run.stdout.splitlines() if "rr" in line]
    assert its_own.startswith("Failed to setup log file: "), "Snakemake says so before it reads any file of ours"
    assert line.startswith("error: .snakemake/owner: Read-only file system; expected a folder that you may write to")
    look = subprocess.run([*inside, "snakemake", "-n"], **captured(project))
    assert look.returncode == 0, look.stdout
    assert "Nothing to be done" in look.stdout
