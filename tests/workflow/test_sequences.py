"""Random sequences of what people do to a project, against an oracle: a run from nothing with the same inputs.

After each run that ended well its products must be those that a run from nothing makes of the same values, data and
code. Now and then both tools are asked to settle: then neither has anything to do, and dvc.lock names the files that
are there. `make test-sequences` runs many; a few run with the table.
"""

import hashlib
import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from project import CODE, IDS, Project, environment

pytestmark = pytest.mark.table

SEQUENCES = int(os.environ.get("SEQUENCES", "2"))
STEPS = int(os.environ.get("STEPS", "8"))

TARGETS = ["reports/metrics.json"]
COMMANDS = {"snakemake": ["snakemake", "--cores", "2", "--", *TARGETS], "dvc": ["dvc", "repro", "evaluation"]}
# What is the same in every run; a model file says how long it took, and a page when it was made.
COMPARED = (
    *("data/recordings/recordings.csv", "data/recordings/annotations.csv", "data/split/split.csv"),
    *("data/dataset/rows.csv", "data/dataset/x.npy", "data/dataset/training.npy"),
    *("models/history.csv", "reports/predictions.csv", "reports/metrics.json"),
)
DAMAGED = (
    *("data/recordings/recordings.csv", "data/features/shard-1.zip", "data/split/split.csv", "data/dataset/x.npy"),
    *("data/dataset/dataset.provenance.json", "models/model.keras", "models/model.provenance.json"),
    "reports/metrics.json",
)
VALUES = {
    "train.epochs": (2, 3),
    "features.n_mels": (8, 12),
    "split.test_fraction": (0.3, 0.4),
    "seed": (7, 8),
}
MODULES = ("src/dawnchorus/partitioning/split.py", "src/dawnchorus/networks/logistic_regression.py")
CACHE_TYPES = ("copy", "hardlink", "symlink")


def inputs_of(project: Project) -> str:
    """Return one hash of all that a run reads: values, data and code."""
    found = hashlib.sha256(yaml.safe_dump(project.params(), sort_keys=True).encode())
    for folder in ("raw", "src"):
        for path in sorted((project.path / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(f"{path.relative_to(project.path)}\0".encode() + path.read_bytes())
    return found.hexdigest()


def products_of(project: Project) -> dict[str, str]:
    return {name: hashlib.sha256((project.path / name).read_bytes()).hexdigest() for name in COMPARED}


class Oracle:
    """Runs from nothing, each made once."""

    def __init__(self, folder: Path):
        self._folder, self._known = folder, {}

    def products(self, project: Project) -> dict[str, str]:
        key = inputs_of(project)
        if key not in self._known:
            path = self._folder / key
            path.mkdir(parents=True)
            for name in (*CODE, "raw", "params.yaml"):
                source = project.path / name
                if source.is_dir() and not source.is_symlink():
                    shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(source, path / name, follow_symlinks=False)
            other = Project(path)
            other.snakemake("--", *TARGETS)
            self._known[key] = products_of(other)
            shutil.rmtree(path)
        return self._known[key]


class People(RuleBasedStateMachine):
    """A project, and what people and their tools do to it."""

    base: Path
    oracle: Oracle
    number = 0

    @initialize()
    def start(self):
        type(self).number += 1
        self.folder = self.base / f"sequence-{self.number}"
        self.project = Project(Path(shutil.copytree(self.base / "start", self.folder / "project", symlinks=True)))
        self.commits = ["A"]

    def teardown(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def check(self) -> None:
        assert products_of(self.project) == self.oracle.products(self.project)

    # What people change.
    @rule(data=st.data(), key=st.sampled_from(sorted(VALUES)))
    def a_value(self, data, key):
        self.project.set(key, data.draw(st.sampled_from(VALUES[key])))

    @rule(variant=st.sampled_from([4, 4_000]), restore_time=st.booleans())
    def a_recording(self, variant, restore_time):
        path = self.project.path / f"raw/audio/{IDS[4]}.wav"
        times = path.stat()
        self.project.add_recording(IDS[4], variant)
        if restore_time:
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    @rule(end_s=st.sampled_from(["0.8", "0.7"]), long_ago=st.booleans())
    def a_row(self, end_s, long_ago):
        rows = self.project.annotations()
        rows[3][5] = f"{float(rows[3][3]) + float(end_s) - 0.1:.1f}"
        self.project.write_annotations(rows)
        if long_ago:
            os.utime(self.project.path / "raw/annotations.csv", (0, 0))

    @rule(module=st.sampled_from(MODULES), line=st.sampled_from(["", "# a line more\n"]))
    def a_module(self, module, line):
        path = self.project.path / module
        path.write_text(path.read_text().removesuffix("# a line more\n") + line)

    @rule(name=st.sampled_from(DAMAGED), how=st.sampled_from(["delete", "damage"]))
    def a_product(self, name, how):
        path = self.project.path / name
        if how == "delete" or not path.is_file():
            path.unlink(missing_ok=True)
            return
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        # Not through a link into DVC's cache: that would be damage to the cache, which DVC does not look for.
        path.unlink()
        path.write_bytes(content)

    @rule()
    def snakemakes_state_is_deleted(self):
        shutil.rmtree(self.project.path / ".snakemake", ignore_errors=True)

    @rule(kind=st.sampled_from(CACHE_TYPES))
    def the_cache_is_linked(self, kind):
        self.project.run("dvc", "config", "--local", "cache.type", kind)
        self.project.run("dvc", "checkout", "--relink", check=False)

    # What tools do.
    @rule()
    def snakemake_runs(self):
        self.project.snakemake("--", *TARGETS)
        self.check()

    @rule()
    def dvc_runs(self):
        self.project.dvc_repro("evaluation")
        self.check()

    @rule(stage=st.sampled_from(["features", "dataset", "model"]))
    def dvc_runs_up_to(self, stage):
        self.project.dvc_repro(stage)

    @rule(epochs=st.sampled_from(VALUES["train.epochs"]))
    def an_experiment_here(self, epochs):
        # With nothing changed DVC refuses, and says so.
        self.project.run("dvc", "exp", "run", "-S", f"train.epochs={epochs}", "evaluation", check=False)
        assert self.project.params()["train"]["epochs"] == epochs

    @rule(tool=st.sampled_from(["snakemake", "dvc"]), lines=st.integers(1, 60))
    def a_run_is_killed(self, tool, lines):
        command = (
            ["snakemake", "--cores", "2", "--", *TARGETS] if tool == "snakemake" else ["dvc", "repro", "evaluation"]
        )
        with self._started(command) as process:
            for _ in zip(range(lines), process.stdout, strict=False):
                pass
            os.killpg(process.pid, signal.SIGKILL)

    @rule(key=st.sampled_from(sorted(VALUES)), data=st.data(), lines=st.integers(1, 60))
    def a_value_is_changed_during_a_run(self, key, data, lines):
        with self._started(COMMANDS["dvc"]) as process:
            for _ in zip(range(lines), process.stdout, strict=False):
                pass
            os.killpg(process.pid, signal.SIGSTOP)
            self.project.set(key, data.draw(st.sampled_from(VALUES[key])))
            os.killpg(process.pid, signal.SIGCONT)
            process.stdout.read()

    def _started(self, command) -> subprocess.Popen:
        return subprocess.Popen(
            command,
            cwd=self.project.path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @rule()
    def settle(self):
        """Both tools are content, with the right products, and DVC's lock names the files that are there."""
        self.project.snakemake("--", *TARGETS)
        assert self.project.dvc_repro("evaluation") == Counter()
        self.check()
        assert self.project.planned(*TARGETS) == Counter()
        assert set(self.project.changed_stages()) <= {"figures", "report"}
        lock = yaml.safe_load((self.project.path / "dvc.lock").read_text())
        for stage in ("recordings", "features", "split", "dataset", "model", "evaluation"):
            for out in lock["stages"][stage]["outs"]:
                content = (self.project.path / out["path"]).read_bytes()
                assert hashlib.md5(content).hexdigest() == out["md5"], out["path"]

    @rule()
    def a_commit(self):
        self.settle()
        name = f"C{len(self.commits)}"
        self.project.run("git", "add", "-A")
        self.project.run("git", "commit", "-qm", name, "--allow-empty")
        self.project.run("git", "tag", name)
        self.commits.append(name)

    @rule(data=st.data())
    def a_checkout(self, data):
        commit = data.draw(st.sampled_from(self.commits))
        self.project.run("git", "checkout", "-q", "--force", commit)
        self.project.run("dvc", "checkout", "--force")

    @precondition(lambda self: len(self.commits) > 1)
    @rule(data=st.data(), name=st.sampled_from(["models/model.keras", "data/dataset/x.npy", "data/split/split.csv"]))
    def one_product_is_restored(self, data, name):
        commit = data.draw(st.sampled_from(self.commits))
        lock = (self.project.path / "dvc.lock").read_bytes()
        self.project.run("git", "checkout", "-q", commit, "--", "dvc.lock")
        self.project.run("dvc", "checkout", "--force", name)
        (self.project.path / "dvc.lock").write_bytes(lock)

    @rule()
    def a_clone_goes_on(self):
        """Somebody else clones what was committed and pushed, and works there from now on."""
        self.a_commit()
        store = self.folder / "store"
        self.project.run("dvc", "remote", "add", "-q", "--force", "-d", "store", str(store))
        self.project.run("dvc", "push")
        self.project.run("git", "commit", "-qam", "remote", "--allow-empty")
        clone = self.folder / f"clone-{len(self.commits)}"
        self.project.run("git", "clone", "-q", str(self.project.path), str(clone))
        self.project = Project(clone)
        self.project.run("dvc", "pull", "--force", check=False)
        self.check()
        assert self.project.planned(*TARGETS) == Counter()


def test_random_sequences(finished, tmp_path):
    shutil.copytree(finished / "project", tmp_path / "start", symlinks=True)
    machine = type("Sequences", (People,), {"base": tmp_path, "oracle": Oracle(tmp_path / "oracle")})
    few = SEQUENCES <= 2
    phases = [hypothesis.Phase.generate] if few else [hypothesis.Phase.generate, hypothesis.Phase.shrink]
    settings = hypothesis.settings(
        max_examples=SEQUENCES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=few,
        database=None,
        phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=True,
    )
    hypothesis.stateful.run_state_machine_as_test(machine, settings=settings)
