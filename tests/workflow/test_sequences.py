"""Random sequences of what people do to a project, against an oracle: a run from nothing with the same inputs.

After each run that ended well its products must be those that a run from nothing makes of the same values, data and
code. Each sequence ends, and now and then pauses, with both tools asked to settle: then neither has anything to do, and
dvc.lock names the files that are there. What a sequence does is drawn from its number: `SEED=17 SEQUENCES=1` runs the
17th again. A few run with the table, `make test-sequences` runs many; the last line says how many there were.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from project import CODE, IDS, Project, environment

from dawnchorus.foundation.libraries import versions

pytestmark = pytest.mark.table

# How many sequences, the number of the first, and how many steps each has.
SEQUENCES = int(os.environ.get("SEQUENCES", "1"))
SEED = int(os.environ.get("SEED", "1"))
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
    *("data/recordings/recordings.csv", "data/features/shard-1-of-8.zip", "data/split/split.csv", "data/dataset/x.npy"),
    *("data/dataset/dataset.provenance.json", "models/model.keras", "models/model.provenance.json"),
    "reports/metrics.json",
)
VALUES = {
    "train.epochs": (2, 3),
    "features.n_mels": (8, 12),
    "split.test_fraction": (0.3, 0.4),
    "seed": (7, 8),
    "shards": (8, 3),
}
# What is written in a module, and what in its place: another result, or the same one.
MODULES = {
    "src/dawnchorus/partitioning/split.py": ("N_DRAWS = 2000\n", ("N_DRAWS = 3\n", "N_DRAWS = 2000  # as before\n")),
    "src/dawnchorus/networks/logistic_regression.py": (
        'learning_rate_init=train["learning_rate"]',
        ('learning_rate_init=3 * train["learning_rate"]',),
    ),
}
# Of what a rule makes the file that it stands in is an input.
RULES = ("workflow/rules/split.smk", "workflow/rules/evaluation.smk")
ONE_MORE = "one-more"
# What a run says that another one keeps out: the project's lock, DVC's of what a stage needs, DVC's of all.
BUSY = ("another run is at work in it (", "it is being blocked by", "Unable to acquire lock")
CACHE_TYPES = ("copy", "hardlink", "symlink")
STAGES = ("recordings", "features", "split", "dataset", "model", "evaluation")


def drawn_edit(rng: random.Random) -> tuple:
    """Draw an edit: what, and how. Few keep their time: those DVC does not see (docs/guarantees.md)."""
    what = rng.choice(["value", "value", "recording", "row", "module", "rule", "one more"])
    if what == "value":
        key = rng.choice(sorted(VALUES))
        return what, key, rng.choice(VALUES[key])
    if what == "module":
        path = rng.choice(sorted(MODULES))
        return what, path, rng.choice([MODULES[path][0], *MODULES[path][1]])
    if what in ("rule", "one more"):
        return what, rng.choice(RULES if what == "rule" else [5_000, 6_000]), None
    return what, rng.choice([4, 4_000] if what == "recording" else ["0.8", "0.7"]), rng.random() < 0.2


def edit(project: Project, what: str, one: str | int, other: str | float | bool | None) -> None:
    """Make an edit that was drawn."""
    if what == "value":
        project.set(one, other)
    elif what == "recording":
        path = project.path / f"raw/audio/{IDS[4]}.wav"
        times = path.stat()
        project.add_recording(IDS[4], one)
        if other:
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif what == "one more":
        # A recording of its own, or, where it is there, one less.
        rows = [row for row in project.annotations() if row[0] != ONE_MORE]
        if (path := project.path / f"raw/audio/{ONE_MORE}.wav").exists():
            path.unlink()
        else:
            rows += project.add_recording(ONE_MORE, one)
        project.write_annotations(rows)
    elif what == "rule":
        # Nothing else is made, and both tools ask.
        with (project.path / one).open("a") as rules:
            rules.write("# a line more\n")
    elif what == "row":
        rows = project.annotations()
        rows[3][5] = f"{float(rows[3][3]) + float(one) - 0.1:.1f}"
        project.write_annotations(rows)
        if other:
            os.utime(project.path / "raw/annotations.csv", (0, 0))
    else:
        path, (first, others) = project.path / one, MODULES[one]
        text = path.read_text()
        (written,) = [line for line in sorted((first, *others), key=len, reverse=True) if line in text][:1]
        path.write_text(text.replace(written, other))


def inputs_of(project: Project) -> str:
    """Return one hash of all that a run reads: values, data, code and libraries."""
    found = hashlib.sha256(json.dumps([project.params(), versions()], sort_keys=True).encode())
    files = [path for folder in ("raw", "src", "workflow") for path in (project.path / folder).rglob("*")]
    for path in sorted([project.path / "Snakefile", *files]):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(f"{path.relative_to(project.path)}\0".encode() + path.read_bytes())
    return found.hexdigest()


def products_of(project: Project) -> dict[str, str | None]:
    """Return the hash of each product that is compared, None for one that is not there."""
    paths = {name: project.path / name for name in COMPARED}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None for name, path in paths.items()
    }


def md5_of(path: Path) -> str:
    """Return the hash that DVC knows a file by, or a folder: of that the list of its files and theirs."""
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listed = [{"md5": md5_of(file), "relpath": file.relative_to(path).as_posix()} for file in files]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


class Oracle:
    """Runs from nothing, each made once; later test runs know what earlier ones made of the same inputs."""

    def __init__(self, folder: Path, cache: pytest.Cache):
        self._folder, self._cache, self.runs = folder, cache, 0

    def products(self, project: Project) -> dict[str, str | None]:
        key = inputs_of(project)
        if (known := self._cache.get(f"oracle/{key}", None)) is None:
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
            known = products_of(other)
            assert None not in known.values()
            self._cache.set(f"oracle/{key}", known)
            shutil.rmtree(path)
            self.runs += 1
        return known


class People:
    """A project, and what people and their tools do to it."""

    def __init__(self, folder: Path, start: Path, oracle: Oracle, seed: int):
        self.folder, self.oracle, self.rng = folder, oracle, random.Random(seed)
        self.project = Project(Path(shutil.copytree(start, folder / "project", symlinks=True)))
        self.commits, self.experiments = ["A"], []
        # What docs/guarantees.md says that DVC does not see: a time that was restored, a value that was edited in the
        # moment in which it wrote its lock. Then people ask Snakemake first.
        self.dvc_knows = True
        self.did: list[str] = []

    def step(self) -> str:
        """Do something, and return its name."""
        (name,) = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
        self.did.append(name)
        getattr(self, name)()
        return name

    def drawn(self, *choices):
        """Draw one of some choices, and note it."""
        choice = self.rng.choice(choices)
        self.did.append(f"    {choice}")
        return choice

    def check(self) -> None:
        assert products_of(self.project) == self.oracle.products(self.project)

    def edit(self) -> None:
        what = drawn_edit(self.rng)
        self.did.append(f"    {what}")
        edit(self.project, *what)
        if what[0] in ("recording", "row") and what[2]:
            self.dvc_knows = False

    def started(self, tool: str) -> subprocess.Popen:
        """Start a run and return it once it has said some lines, or has ended."""
        # A run from nothing says some two hundred.
        lines = self.drawn(*range(1, 200))
        process = subprocess.Popen(
            COMMANDS[tool],
            cwd=self.project.path,
            env={**environment(warmed=True), "PYTHONUNBUFFERED": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in zip(range(lines), process.stdout, strict=False):
            pass
        return process

    # What people change.
    def edits(self):
        for _ in range(self.rng.randint(1, 3)):
            self.edit()

    def a_product_is_damaged_or_lost(self):
        path = self.project.path / self.drawn(*DAMAGED)
        if self.drawn("deleted", "damaged") == "deleted" or not path.is_file():
            path.unlink(missing_ok=True)
            return
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        # Not through a link into DVC's cache: that would be damage to the cache, which DVC does not look for.
        path.unlink()
        path.write_bytes(content)

    def snakemakes_state_is_deleted(self):
        shutil.rmtree(self.project.path / ".snakemake", ignore_errors=True)

    def the_cache_is_linked(self):
        self.project.run("dvc", "config", "--local", "cache.type", self.drawn(*CACHE_TYPES))
        self.project.run("dvc", "checkout", "--relink", check=False)

    def the_cache_is_swept(self):
        self.project.run("dvc", "gc", self.drawn("--workspace", "--all-commits"), "--force")

    # What tools do.
    def snakemake_runs(self):
        self.project.snakemake("--", *TARGETS)
        self.check()

    def dvc_runs(self):
        if not self.dvc_knows:
            self.project.snakemake("--", *TARGETS)
        self.project.dvc_repro("evaluation")
        self.check()

    def dvc_runs_up_to_a_stage(self):
        self.project.dvc_repro(self.drawn("features", "dataset", "model"))

    def an_experiment_here(self):
        epochs = self.drawn(*VALUES["train.epochs"])
        # With nothing changed DVC refuses, and says so.
        done = self.project.run("dvc", "exp", "run", "-S", f"train.epochs={epochs}", "evaluation", check=False)
        assert self.project.params()["train"]["epochs"] == epochs
        if done.returncode == 0 and self.dvc_knows:
            self.check()

    def an_experiment_elsewhere(self):
        before = products_of(self.project)
        name, epochs = f"E{len(self.experiments)}", self.drawn(*VALUES["train.epochs"])
        change = ["-S", f"train.epochs={epochs}"]
        done = self.project.run("dvc", "exp", "run", "--temp", "-n", name, *change, "evaluation", check=False)
        assert products_of(self.project) == before
        if done.returncode == 0:
            self.experiments.append(name)
            if self.rng.random() < 0.5:
                self.an_experiment_is_applied()

    def an_experiment_is_applied(self):
        if self.experiments:
            # What was changed meanwhile, or lost from the cache, may stand in its way.
            self.project.run("dvc", "exp", "apply", self.drawn(*self.experiments), check=False)

    def a_run_is_killed(self):
        # With nothing to do it would have ended.
        self.edits()
        with self.started(self.drawn(*COMMANDS)) as process:
            process.kill()
            # Its end is that of all processes of the run.
            process.stdout.read()
        self.project.delete_what_dvc_left_half()

    def an_edit_during_a_run(self):
        self.edits()
        tool = self.drawn(*COMMANDS)
        # What DVC is told in the moment in which it writes its lock, it does not see.
        before = self.oracle.products(self.project) if tool == "snakemake" else None
        with self.started(tool) as process:
            self.edit()
            said = process.stdout.read()
        if tool == "dvc":
            self.dvc_knows = False
        elif process.returncode == 0:
            assert products_of(self.project) in (before, self.oracle.products(self.project)), said

    def sound_is_exchanged_during_a_run(self):
        """And put back afterwards: as far as anybody can see nothing changed."""
        self.edits()
        path = self.project.path / f"raw/audio/{IDS[4]}.wav"
        whole = path.read_bytes()
        with self.started(self.drawn(*COMMANDS)) as process:
            self.project.add_recording(IDS[4], self.drawn(7_000, 8_000))
            said = process.stdout.read()
        found = products_of(self.project) if process.returncode == 0 and self.dvc_knows else None
        # It may have been exchanged before the run was planned: then the run is of that sound, and so are its products.
        heard = self.oracle.products(self.project) if found else None
        path.write_bytes(whole)
        assert found is None or found in (heard, self.oracle.products(self.project)), said

    def two_runs_at_once(self):
        self.edits()
        first, second = self.drawn(*COMMANDS), self.drawn(*COMMANDS)
        with self.started(first) as one:
            other = self.project.run(*COMMANDS[second], check=False)
            said = one.stdout.read()
        for code, text in ((one.returncode, said), (other.returncode, other.stdout)):
            if code:
                assert any(words in text for words in BUSY), text
                assert "Traceback" not in text, text
        if self.dvc_knows and 0 in (one.returncode, other.returncode):
            self.check()

    def settle(self):
        """Both tools are content, with the right products, and DVC's lock names the files that are there."""
        self.project.snakemake("--", *TARGETS)
        assert self.project.dvc_repro("evaluation") == Counter()
        self.check()
        assert self.project.planned(*TARGETS) == Counter()
        assert json.loads(self.project.run("dvc", "status", "--json", "--with-deps", "evaluation").stdout) == {}
        lock = yaml.safe_load((self.project.path / "dvc.lock").read_text())
        for stage in STAGES:
            for out in lock["stages"][stage]["outs"]:
                assert md5_of(self.project.path / out["path"]) == out["md5"], out["path"]
        self.dvc_knows = True

    def a_commit(self):
        self.settle()
        name = f"C{len(self.commits)}"
        self.project.run("git", "add", "-A")
        self.project.run("git", "commit", "-qm", name, "--allow-empty")
        self.project.run("git", "tag", name)
        self.commits.append(name)

    def a_checkout(self):
        self.project.run("git", "checkout", "-q", "--force", self.drawn(*self.commits))
        # What the cache has lost is missing afterwards.
        self.project.run("dvc", "checkout", "--force", check=False)

    def one_product_is_restored(self):
        lock = (self.project.path / "dvc.lock").read_bytes()
        self.project.run("git", "checkout", "-q", self.drawn(*self.commits), "--", "dvc.lock")
        name = self.drawn("models/model.keras", "data/dataset/x.npy", "data/split/split.csv")
        self.project.run("dvc", "checkout", "--force", name, check=False)
        (self.project.path / "dvc.lock").write_bytes(lock)

    def a_clone_goes_on(self):
        """Somebody else clones what was committed and pushed, pulls all of it or some, and works there from now on."""
        self.a_commit()
        store = self.folder / "store"
        self.project.run("dvc", "remote", "add", "-q", "--force", "-d", "store", str(store))
        self.project.run("dvc", "push")
        self.project.run("git", "commit", "-qam", "remote", "--allow-empty")
        clone = self.folder / f"clone-{len(self.commits)}"
        self.project.run("git", "clone", "-q", str(self.project.path), str(clone))
        self.project, self.experiments = Project(clone), []
        pulled = self.rng.sample(STAGES, k=self.drawn(0, 1, 2))
        # Products of stages after evaluation may be stale in the commit; they were never stored.
        self.project.run("dvc", "pull", "--force", *pulled, check=False)
        if not pulled:
            self.check()
            assert self.project.planned(*TARGETS) == Counter()


# What is done how often: what needs least time most often.
WEIGHTS = {
    "edits": 8,
    "a_product_is_damaged_or_lost": 3,
    "snakemakes_state_is_deleted": 1,
    "the_cache_is_linked": 1,
    "the_cache_is_swept": 1,
    "snakemake_runs": 3,
    "dvc_runs": 3,
    "dvc_runs_up_to_a_stage": 2,
    "an_experiment_here": 1,
    "an_experiment_elsewhere": 1,
    "an_experiment_is_applied": 1,
    "a_run_is_killed": 3,
    "an_edit_during_a_run": 2,
    "sound_is_exchanged_during_a_run": 2,
    "two_runs_at_once": 1,
    "settle": 1,
    "a_commit": 1,
    "a_checkout": 2,
    "one_product_is_restored": 2,
    "a_clone_goes_on": 1,
}


def test_random_sequences(finished, tmp_path, pytestconfig, capsys):
    oracle = Oracle(tmp_path / "oracle", pytestconfig.cache)
    steps: Counter = Counter()
    ended = 0
    try:
        for number in range(SEED, SEED + SEQUENCES):
            folder = tmp_path / f"sequence-{number}"
            people = People(folder, finished / "project", oracle, number)
            try:
                for _ in range(STEPS):
                    steps[people.step()] += 1
                people.settle()
            except BaseException:
                print(f"sequence {number}:", *people.did, sep="\n")
                raise
            ended += 1
            shutil.rmtree(folder)
    finally:
        with capsys.disabled():
            done = ", ".join(f"{name} {times}" for name, times in sorted(steps.items()))
            print(f"\nsequences from {SEED}: {ended} ended well, {steps.total()} steps ({done}); {oracle.runs} oracles")
