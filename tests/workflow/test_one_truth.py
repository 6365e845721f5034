"""DVC and Snakemake on one workspace, in any order: neither redoes nor blesses what it should not.

The rules that ran are counted in Snakemake's own output, and what the model was trained with is read from inside the
model. The numbers of the tests are those of the table of fourteen sequences.
"""

import csv
import hashlib
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import soundfile
from project import IDS, Project, environment, rules_of

pytestmark = pytest.mark.table

# More of what another case shows (the other tool, signal or link), or minutes of waiting: `make test-table` runs it, CI
# does not.
AGAIN = pytest.mark.again


def again(*values):
    """Return a case of a parametrized test that is more of the same."""
    return pytest.param(*values, marks=AGAIN)


# DVC has Snakemake run what is stale, so its cases pass through both, and take three times as long. CI takes them where
# DVC itself is to see what changed; where any run will do it takes Snakemake's, and `store` shows DVC what was made.
TOOLS = pytest.mark.parametrize("tool", [again("snakemake"), "dvc"])
ANY_TOOL = pytest.mark.parametrize("tool", ["snakemake", again("dvc")])
FROM_EVALUATION = Counter(evaluation=1, detection_metrics=1, figures=1, report=1)
FROM_MODEL = Counter(model=1, recording_scores=1, presence_calibration=1) + FROM_EVALUATION
# Below the scores of recordings: what says "up to date" once it sees that its own inputs came out as they were.
PLANNED_FROM_MODEL = FROM_MODEL + Counter(svm_scores=1)
EVERYTHING = Counter(recordings=1, features=8, split=1, dataset=1, presence=1) + PLANNED_FROM_MODEL


def computed(output: str) -> tuple[int, int, int]:
    """Sum what the shards of features said: recordings computed, kept, dropped."""
    found = re.findall(
        r"features \w+ \d+: \w+ of \d+ clips in \d+ recordings: (\d+) computed, "
        r"(\d+) kept from before, (\d+) no longer needed",
        output,
    )
    return tuple(sum(int(row[column]) for row in found) for column in range(3))


def assert_settled(project: Project) -> None:
    """Both tools have nothing to do."""
    assert project.planned() == Counter()
    assert project.dvc_is_clean()


def assert_cache_is_intact(project: Project) -> None:
    files = [path for path in (project.path / ".dvc/cache/files/md5").rglob("*") if path.is_file()]
    assert files
    for path in files:
        name = (path.parent.name + path.name).removesuffix(".dir")
        assert hashlib.md5(path.read_bytes()).hexdigest() == name, path


def store(project: Project, tool: str) -> None:
    """After a direct snakemake run, `dvc repro` stores what was made and runs nothing."""
    assert project.dvc_repro() == Counter(), f"after {tool}"
    assert_settled(project)


# 1
def test_snakemake_then_dvc_repro_runs_nothing(finished, project):
    assert rules_of((finished / "snakemake.txt").read_text()) == EVERYTHING
    assert rules_of((finished / "dvc.txt").read_text()) == Counter()
    assert "Nothing to be done" in project.run("snakemake", "-n").stdout
    assert_settled(project)


# 2
def test_dvc_repro_then_snakemake_has_nothing_to_do(tmp_path):
    project = Project.create(tmp_path / "project")
    assert project.dvc_repro() == EVERYTHING
    assert_settled(project)


# 3 stands in test_reruns.py; here one key of each stage, for real.
@TOOLS
@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("data.shortest_annotation_s", 0.06, EVERYTHING),
        again("features.n_mels", 12, Counter(features=8, dataset=1, presence=1, svm_scores=1) + FROM_MODEL),
        again("split.test_fraction", 0.3, Counter(split=1, dataset=1, presence=1) + PLANNED_FROM_MODEL),
        again("dataset.normalization", "per_feature", Counter(dataset=1, svm_scores=1) + FROM_MODEL),
        again("model.l2", 0.5, FROM_MODEL),
        ("train.epochs", 6, FROM_MODEL),
        again("evaluation.batch_size", 3, FROM_EVALUATION),
        again("figures.example_species", 2, Counter(figures=1, report=1)),
    ],
)
def test_a_changed_key_runs_its_rules_for_real(project, tool, key, value, expected):
    project.set(key, value)
    ran = project.repro_with(tool)
    # Where an output comes out the same, nothing below it runs.
    assert next(iter(ran)) == next(iter(expected))
    assert ran <= expected
    block, name = key.split(".")
    if block in ("model", "train"):
        assert project.trained_with()[block][name] == value
    store(project, tool)


# 4
@ANY_TOOL
def test_the_model_of_the_last_run_is_not_blessed_under_other_parameters(two_commits, tool):
    project = two_commits
    project.run("git", "checkout", "-q", "A")
    project.run("dvc", "checkout")
    assert_settled(project)
    assert project.trained_with()["train"]["epochs"] == 5
    project.set("train.epochs", 7)
    assert project.repro_with(tool) == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == 7
    project.set("train.epochs", 8)
    assert project.repro_with(tool) == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == 8
    store(project, tool)


# 5
@TOOLS
def test_a_forced_checkout_over_an_unsaved_run(project, tool):
    project.set("train.epochs", 7)
    assert project.snakemake() == FROM_MODEL
    project.run("git", "checkout", "-q", ".")
    project.run("dvc", "checkout", "--force")
    assert_settled(project)
    assert project.trained_with()["train"]["epochs"] == 5
    project.set("train.epochs", 7)
    assert project.repro_with(tool) == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == 7
    store(project, tool)


# 6
@TOOLS
def test_a_fresh_clone_after_dvc_pull_has_nothing_to_do(project, tmp_path, tool):
    project.run("dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    project.run("dvc", "push")
    project.commit("remote")
    project.run("git", "clone", "-q", str(project.path), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.run("dvc", "pull")
    assert_settled(clone)
    clone.set("train.epochs", 7)
    assert clone.repro_with(tool) == FROM_MODEL
    assert clone.trained_with()["train"]["epochs"] == 7
    store(clone, tool)


# 7
def metrics_of(project: Project, revision: str) -> str:
    return project.run("dvc", "metrics", "show", "--json", revision).stdout


def experiment_model(project: Project, name: str, tmp_path: Path) -> dict:
    project.run(
        "dvc", "get", ".", "models/model.keras", "--rev", name, "-o", str(tmp_path / f"{name}.keras"), "--force"
    )
    other = Project(tmp_path / f"of-{name}")
    (other.path / "models").mkdir(parents=True, exist_ok=True)
    (tmp_path / f"{name}.keras").replace(other.path / "models/model.keras")
    return other.trained_with()


def test_experiments_here_train_what_they_say(project):
    ran = rules_of(project.run("dvc", "exp", "run", "-n", "here", "-S", "train.epochs=6").stdout)
    assert ran == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == 6
    assert_settled(project)


@AGAIN
def test_temporary_and_queued_experiments_leave_the_workspace_alone(project, tmp_path):
    before = {p: p.read_bytes() for p in (project.path / "models").iterdir() if p.is_file()}
    ran = rules_of(project.run("dvc", "exp", "run", "--temp", "-n", "temp", "-S", "train.epochs=6").stdout)
    assert ran == FROM_MODEL
    for name, epochs in (("one", 8), ("two", 9)):
        project.run("dvc", "exp", "run", "--queue", "-n", name, "-S", f"train.epochs={epochs}")
    project.run("dvc", "exp", "run", "--run-all", "-j", "2")
    for name, epochs in (("temp", 6), ("one", 8), ("two", 9)):
        assert experiment_model(project, name, tmp_path)["train"]["epochs"] == epochs
    for name in ("one", "two"):
        assert rules_of(project.run("dvc", "queue", "logs", name).stdout) == FROM_MODEL
    assert {p: p.read_bytes() for p in (project.path / "models").iterdir() if p.is_file()} == before
    assert_settled(project)


# 8
def change(project: Project, what: str) -> tuple[int, int, int]:
    """Change one recording or annotation, and return how many recordings are then computed, kept, dropped."""
    rows = project.annotations()
    if what == "added":
        project.write_annotations(rows + project.add_recording("extra", 77))
        return 1, 9, 0
    if what == "removed":
        (project.path / f"raw/audio/{IDS[4]}.wav").unlink()
        project.write_annotations([row for row in rows if row[0] != IDS[4]])
        return 0, 8, 1
    if what == "content":
        path = project.path / f"raw/audio/{IDS[4]}.wav"
        size, times = path.stat().st_size, path.stat()
        other = Project(project.path).add_recording(IDS[4], 4_000)
        assert (path.stat().st_size, len(other)) == (size, 3)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return 1, 8, 0
    rows[5][5] = f"{float(rows[5][5]) - 0.1:.1f}"
    project.write_annotations(rows)
    return 1, 8, 0


def test_sound_between_the_clips_of_a_held_out_recording_is_heard_again_by_all_that_score_it(project):
    """Nothing that is cut, and no table of which recording is held out, changes with it."""
    held_out = csv.DictReader((project.path / "data/recording_scores/recordings.csv").read_text().splitlines())
    path = project.path / "raw/audio" / next(row["path"] for row in held_out if row["partition"] == "test")
    sound, rate_hz = soundfile.read(path)
    sound[round(0.9 * rate_hz) : rate_hz] = 0.0
    soundfile.write(path, sound, rate_hz)
    products = [project.path / f"data/{name}" for name in ("dataset/x.npy", "recording_scores/svm.parquet")]
    (clips, scores) = (product.read_bytes() for product in products)
    project.snakemake()
    assert products[0].read_bytes() == clips
    assert products[1].read_bytes() != scores


@TOOLS
@pytest.mark.parametrize("what", ["added", again("removed"), again("content"), again("annotation")])
def test_one_recording_changed_is_one_recording_computed(project, tool, what):
    expected = change(project, what)
    command = ("snakemake", "--cores", "2") if tool == "snakemake" else ("dvc", "repro")
    assert computed(project.run(*command).stdout) == expected
    text = (project.path / "data/recordings/recordings.csv").read_text()
    assert (f"\n{IDS[4]}," in text) == (what != "removed")
    predicted = "".join(
        (project.path / "reports").joinpath(f).read_text() for f in ("predictions.csv", "predictions_seen.csv")
    )
    assert (f",{IDS[4]}," in predicted) == (what != "removed")
    assert ("extra" in predicted) == (what == "added")
    store(project, tool)


# 9
@TOOLS
def test_a_changed_line_of_a_module_runs_the_rules_that_use_it(project, tool):
    with (project.path / "src/dawnchorus/partitioning/split.py").open("a") as module:
        module.write("# a line more\n")
    ran = project.repro_with(tool)
    assert ran == Counter(split=1)
    store(project, tool)


def test_a_changed_readme_runs_nothing(project):
    with (project.path / "README.md").open("a") as readme:
        readme.write("<!-- a comment -->\n")
    assert_settled(project)


# 10
@TOOLS
@pytest.mark.parametrize(
    ("product", "expected"),
    [
        again("data/features/shard-3-of-8.zip", Counter(features=1, dataset=1, presence=1) + PLANNED_FROM_MODEL),
        again("models/model.keras", PLANNED_FROM_MODEL),
        ("reports/metrics.json", FROM_EVALUATION),
        again("reports/figures/classes.svg", Counter(figures=1, report=1)),
    ],
)
def test_a_deleted_product_comes_back(project, tool, product, expected):
    (project.path / product).unlink()
    ran = project.repro_with(tool)
    assert next(iter(ran)) == next(iter(expected))
    assert ran <= expected
    assert (project.path / product).exists()
    store(project, tool)


# 11
def killed_at(project: Project, tool: str, *markers: str) -> None:
    """Start a run in a process group of its own and kill the whole group when its output has shown the markers."""
    waited_for = list(markers)
    command = ["snakemake", "--cores", "1"] if tool == "snakemake" else ["dvc", "repro"]
    with subprocess.Popen(
        command,
        cwd=project.path,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        seen = []
        for line in process.stdout:
            seen.append(line)
            if waited_for[0] in line:
                del waited_for[0]
            if not waited_for:
                os.killpg(process.pid, signal.SIGKILL)
                break
        else:
            raise AssertionError(f"never saw {waited_for[0]!r} in:\n{''.join(seen)}")


@AGAIN
@ANY_TOOL
@pytest.mark.parametrize("killed", ["snakemake", "dvc"])
def test_killed_in_extraction(project, tool, killed):
    project.set("features.n_mels", 12)
    killed_at(project, killed, "3 computed")
    ran = project.repro_with(tool)
    assert 0 < ran["features"] <= 8
    store(project, tool)
    assert project.planned() == Counter()


@ANY_TOOL
def test_finished_shards_are_kept_after_a_kill(project, tool):
    project.set("features.n_mels", 12)
    killed_at(project, tool, "3 computed", " steps (")
    records = [project.path / f"data/features/shard-{shard}-of-8.provenance.json" for shard in range(3)]
    finished = sum(re.search(r"n_mels\W+12\b", record.read_text()) is not None for record in records)
    output = project.run(*(("snakemake", "--cores", "1") if tool == "snakemake" else ("dvc", "repro"))).stdout
    # Shards whose record was written are finished: the three recordings of each are not computed again.
    assert computed(output)[0] == 9 - 3 * finished
    store(project, tool)


@TOOLS
def test_killed_in_training(project, tool):
    project.set("train.epochs", 2000)
    killed_at(project, tool, "epoch 3/")
    project.set("train.epochs", 7)
    assert project.repro_with(tool) == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == 7
    assert not [path for path in project.path.rglob(".model*.keras") if path.is_file() and ".dvc" not in path.parts]
    store(project, tool)


# 12: two runs at once stand in test_interruptions.py.
# 13
# The longest tests: the tools take turns.
@pytest.mark.parametrize(
    ("product", "tool"),
    [
        again("reports/metrics.json", "snakemake"),
        again("models/model.keras", "dvc"),
        ("data/features/shard-2-of-8.zip", "snakemake"),
    ],
)
def test_a_product_restored_alone_is_not_blessed(project, tool, product):
    project.set("features.n_mels", 12)
    project.set("train.epochs", 7)
    project.dvc_repro()
    project.commit("B")
    wanted = (project.path / product).read_bytes()
    project.run("git", "checkout", "-q", "A", "--", "dvc.lock")
    project.run("dvc", "checkout", product)
    project.run("git", "checkout", "-q", "B", "--", "dvc.lock")
    assert (project.path / product).read_bytes() != wanted
    project.repro_with(tool)
    project.dvc_repro()
    assert_settled(project)
    assert project.trained_with()["train"]["epochs"] == 7
    if not product.endswith(".keras"):
        assert (project.path / product).read_bytes() == wanted
    assert project.run("git", "diff", "--stat", "B", "--", "params.yaml").stdout == ""


# 14
@pytest.mark.parametrize(("link", "tool"), [again("hardlink", "snakemake"), ("symlink", "dvc")])
def test_links_into_the_cache_are_never_written_through(two_commits, tool, link):
    project = two_commits
    project.run("dvc", "config", "--local", "cache.type", link)
    project.run("dvc", "checkout", "--relink")
    model = project.path / "models/model.keras"
    assert model.is_symlink() or model.stat().st_nlink > 1
    project.set("train.epochs", 6)
    assert project.repro_with(tool) == FROM_MODEL
    assert project.trained_with()["train"]["epochs"] == 6
    store(project, tool)
    assert_cache_is_intact(project)
    project.run("git", "checkout", "-q", ".")
    project.run("git", "checkout", "-q", "A")
    project.run("dvc", "checkout")
    assert project.trained_with()["train"]["epochs"] == 5
    assert_settled(project)
    assert_cache_is_intact(project)


def test_snakemakes_own_report_and_the_picture_of_the_dag(project):
    graph = project.run("snakemake", "--rulegraph", "--", "reports/report.html").stdout
    assert graph[graph.index("digraph") :].count("label = ") == 13
    project.run("snakemake", "--report", "snakemake-report.html")
    assert "<html" in (project.path / "snakemake-report.html").read_text()[:2000].lower()
    assert_settled(project)
