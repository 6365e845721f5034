"""A copy of the project on a few seconds of sound that the test makes, driven as a user drives it."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import dag
import numpy as np
import soundfile
import voluptuous
import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA

import warm
from dawnchorus.parameters.data import OPTIONAL

ROOT = Path(__file__).parents[2]
CODE = (
    "Snakefile",
    "dvc.yaml",
    ".dvcignore",
    ".gitignore",
    "environment.yml",
    "README.md",
    "workflow",
    "profiles",
    "src",
    "presets",
)
SAMPLE_RATE_HZ = 8000
PITCHES_HZ = {"0": 600.0, "1": 1200.0, "2": 2400.0}

# Three recordings in each of three shards: an empty shard needs no librosa, which takes seconds to load.
IDS = sorted(
    (f"rec{number}" for number in range(100) if zlib.crc32(f"rec{number}".encode()) % 8 < 3),
    key=lambda name: (zlib.crc32(name.encode()) % 8, name),
)
IDS = [name for shard in range(3) for name in [n for n in IDS if zlib.crc32(n.encode()) % 8 == shard][:3]]

# Small and quick: softmax regression needs no Keras, which takes longer to start than all the rest.
PARAMS = {
    "seed": 7,
    "simulate": {},
    "data": {
        "source": "table",
        "annotations": "raw/annotations.csv",
        "audio_dir": "raw/audio",
        **dict.fromkeys(OPTIONAL, "raw/annotations.csv"),
    },
    "features": {"kind": "log_mel", "sample_rate_hz": None, "n_fft": 256, "hop_length": 128, "n_mels": 16},
    "features_reset": {"f_min_hz": 0.0, "f_max_hz": None, "clip": "annotation"},
    "model": {"name": "logistic_regression", "l2": 0.001},
    "train": {"epochs": 5, "early_stopping_patience": None, "background_share": 0.0},
    "presence": {"network": "none"},
    "cross_validation": {"validation_fraction": 0.2},
    "figures": {"example_species": 1},
}


def environment(warmed: bool = False, screen: str = "full") -> dict[str, str]:
    """Return an environment in which `snakemake`, `dvc` and `python` are those of this test run, and quiet.

    Those that are warmed start at once, but are no children of whoever starts them: a signal to a group misses them.
    ``screen``: `full` says all, so that rules can be counted; with an empty one people see what they see by default.
    """
    path = os.pathsep.join([*(warm.path() if warmed else ()), str(Path(sys.executable).parent), os.environ["PATH"]])
    quiet = {"DVC_NO_ANALYTICS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "DAWNCHORUS_SCREEN": screen}
    identity = {
        f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return {**os.environ, **quiet, **identity, "PATH": path}


def tone(pitch_hz: float, duration_s: float, seed: int) -> np.ndarray:
    """Return a gliding tone in noise, float32, at SAMPLE_RATE_HZ."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    glide = pitch_hz * (1 + rng.uniform(-0.1, 0.1) * time_s)
    sound = 0.2 * np.sin(2 * np.pi * np.cumsum(glide) / SAMPLE_RATE_HZ)
    return (sound + 0.02 * rng.standard_normal(len(time_s))).astype(np.float32)


class Project:
    """A working folder with the project's code, a small table, a few recordings, Git and DVC."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, path: Path, n_recordings: int = 9, dvc: bool = True) -> "Project":
        path.mkdir(parents=True)
        for name in CODE:
            source = ROOT / name
            if source.is_symlink():
                (path / name).symlink_to(source.readlink())
            elif source.is_dir():
                shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("*.pyc.*", "*.egg-info"))
            elif source.exists():
                shutil.copy(source, path / name)
        project = cls(path)
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        for block, values in PARAMS.items():
            if block in ("model", "simulate"):
                params[block] = dict(values)
            elif isinstance(values, dict):
                params[block.removesuffix("_reset")].update(values)
            else:
                params[block] = values
        project.write_params(params)
        (path / "raw" / "audio").mkdir(parents=True)
        rows = []
        for number, recording_id in enumerate(IDS[:n_recordings]):
            rows += project.add_recording(recording_id, number)
        project.write_annotations(rows)
        if dvc:
            project.run("git", "init", "-q", "-b", "main")
            shutil.copytree(ROOT / ".dvc", path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
            project.run("git", "add", "-A")
            project.run("git", "commit", "-qm", "start")
        return project

    def add_recording(self, recording_id: str, seed: int) -> list[list[str]]:
        """Write a recording of 3 s with one call of each species, and return its annotation rows."""
        order = list(np.random.default_rng(seed).permutation(list(PITCHES_HZ)))
        sound = np.concatenate([tone(PITCHES_HZ[species], 1.0, 10 * seed + n) for n, species in enumerate(order)])
        path = self.path / "raw" / "audio" / f"{recording_id}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound, SAMPLE_RATE_HZ)
        return [
            [recording_id, species, "1", f"{n + 0.1:.1f}", "500", f"{n + 0.8:.1f}", "3000"]
            for n, species in enumerate(order)
        ]

    def annotations(self) -> list[list[str]]:
        return [line.split(",") for line in (self.path / "raw/annotations.csv").read_text().splitlines()[1:]]

    def write_annotations(self, rows: list[list[str]]) -> None:
        # The species name stands in the same table, and so does the group.
        header = "recording_id,species_id,songtype_id,t_min,f_min,t_max,f_max"
        text = "\n".join([header, *(",".join(row) for row in rows)]) + "\n"
        (self.path / "raw/annotations.csv").write_text(text)

    def params(self) -> dict:
        return yaml.safe_load((self.path / "params.yaml").read_text())

    def write_params(self, params: dict) -> None:
        (self.path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def set(self, key: str, value) -> None:
        """Change one value of params.yaml, named as DVC names it."""
        params = self.params()
        *blocks, name = key.split(".")
        owner = params
        for block in blocks:
            owner = owner[block]
        owner[name] = value
        self.write_params(params)

    def run(
        self, *command: str, check: bool = True, screen: str = "full", apart: bool = False, **options
    ) -> subprocess.CompletedProcess:
        """Run a command in the project's folder; its output comes back as text, errors included.

        ``screen``: see :func:`environment`. ``apart``: errors come after all else, not between: what Snakemake says of
        a job is longer than a pipe takes in one piece, and lines of jobs would come into its middle.
        """
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment(warmed=True, screen=screen),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            check=False,
            **options,
        )
        if apart:
            done.stdout += done.stderr
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout[-6000:]}")
        return done

    def snakemake(self, *arguments: str) -> Counter:
        """Run `snakemake --cores 2` and return how often each rule ran."""
        return rules_of(self.run("snakemake", "--cores", "2", *arguments, apart=True).stdout)

    def planned(self, *targets: str) -> Counter:
        """Return what `snakemake -n` would run, planned in this process: that is twelve times quicker."""
        return dag.planned(self.path, *targets)

    def dvc_repro(self, *arguments: str) -> Counter:
        """Run `dvc repro` and return how often each Snakemake rule ran under it."""
        return rules_of(self.run("dvc", "repro", *arguments, apart=True).stdout)

    def repro_with(self, tool: str) -> Counter:
        return self.snakemake() if tool == "snakemake" else self.dvc_repro()

    def delete_what_dvc_left_half(self) -> None:
        """Delete what a kill left of DVC's list of locks and of dvc.lock, if DVC refuses it: see docs/guarantees.md."""
        path = self.path / ".dvc/tmp/rwlock"
        try:
            json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            path.unlink(missing_ok=True)
        path = self.path / "dvc.lock"
        try:
            COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(path.read_text()))
        except (FileNotFoundError, yaml.YAMLError, voluptuous.Invalid):
            path.unlink(missing_ok=True)

    def changed_stages(self) -> list[str]:
        """Return the names of the stages that `dvc status` finds changed."""
        return list(json.loads(self.run("dvc", "status", "--json").stdout))

    def dvc_is_clean(self) -> bool:
        return "up to date" in self.run("dvc", "status").stdout

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)
        self.run("git", "tag", message)

    def trained_with(self) -> dict:
        """Return what the model says that it was trained with."""
        with zipfile.ZipFile(self.path / "models/model.keras") as archive:
            return json.loads(archive.read("dawnchorus.json"))


def rules_of(output: str) -> Counter:
    """Count the jobs that made something, by rule: neither the target `all`, nor those that found all as it was."""
    started, made_by = Counter(), {}
    for rule, outputs in re.findall(r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    output: (.*)$", output, re.MULTILINE):
        started[rule] += 1
        made_by |= {path.removesuffix(" (update)"): rule for path in outputs.split(", ")}
    as_it_was = re.findall(r"^(\S+): up to date$", output, re.MULTILINE)
    return started - Counter(made_by[f"{name}.provenance.json"] for name in as_it_was)
