"""What a survey costs: each step of many short recordings as a whole process, at several sizes, as one table.

Recordings are half a second at 8 kHz with one call each, made here, in a temporary folder, and gone at the end. Seconds
are the clock's, CPU seconds those of the process and of all it started, memory is that of the largest of these. The
complete recipe is not trained at size: DVC makes and versions all up to the data set, and what finds calls in all
recordings was trained on nine.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("src", "tests", "tests/workflow")]

from project import PITCHES_HZ, SAMPLE_RATE_HZ, Project, environment, rules_of, tone  # noqa: E402

DURATION_S = 0.5
SNAKEMAKE = ("snakemake", "--cores", "2")
UP_TO_FEATURES = (*SNAKEMAKE, "--until", "features")


@dataclass(frozen=True)
class Cost:
    """What a step took: seconds of the clock, CPU seconds of it and its children, MB of the largest process."""

    wall_s: float
    cpu_s: float
    peak_mb: float


class Survey(Project):
    """A project of short recordings whose steps are measured; ``costs`` has them by their names."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.costs: dict[str, Cost] = {}

    def step(self, name: str, *command: str, folder: Path | None = None) -> str:
        """Run a command as a user does, keep what it cost, and return its output."""
        with tempfile.TemporaryFile("w+") as said:
            started_s = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=folder or self.path, env=environment(), stdout=said, stderr=subprocess.STDOUT
            )
            _, status, used = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - started_s
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            output = said.read()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} exited with {process.returncode}:\n{output[-6000:]}")
        self.costs[name] = Cost(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
        print(f"{name}: {self.costs[name]}", file=sys.stderr, flush=True)
        return output

    def add(self, first: int, n: int) -> list[list[str]]:
        """Write ``n`` recordings with numbers from ``first`` on, and return their rows."""
        rng, species, sounds = np.random.default_rng(first), list(PITCHES_HZ), []
        for seed, pitch_hz in enumerate(PITCHES_HZ.values()):
            file = io.BytesIO()
            soundfile.write(file, tone(pitch_hz, DURATION_S, seed), SAMPLE_RATE_HZ, format="WAV")
            sounds.append(file.getvalue())
        rows = []
        for number in range(first, first + n):
            # Each has an end of its own, else all of a species would be one recording.
            end = rng.integers(-300, 300, 64, dtype="<i2").tobytes()
            # A folder a thousand, as recorders make one a day.
            path = self.path / f"raw/audio/{number // 1000}/r{number}.wav"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(sounds[number % len(sounds)][: -len(end)] + end)
            name = f"{number // 1000}/r{number}"
            rows.append([name, species[number % len(species)], "1", "0.05", "500", "0.45", "3000"])
        return rows


@contextmanager
def made(folder: Path, n: int) -> Iterator[Survey]:
    """Make a project of ``n`` recordings; its folder goes when it is done with."""
    path = folder / f"survey-{n}"
    Project.create(path, n_recordings=0)
    survey = Survey(path)
    params = survey.params()
    params["features"] = {
        **{key: value for key, value in params["features"].items() if key != "n_mels"},
        **{"kind": "mfcc", "n_fft": 512, "hop_length": 256, "n_mels": 20, "n_mfcc": 13},
    }
    survey.write_params(params)
    survey.write_annotations(survey.add(0, n))
    # Hashes are kept of files that were at rest for two seconds.
    time.sleep(2.5)
    try:
        yield survey
    finally:
        shutil.rmtree(path)


def measure(survey: Survey, n: int, trained: Project) -> None:
    """Take all steps, in an order in which each finds what it needs."""
    step = survey.step
    step("plan, first: every recording hashed", "snakemake", "-n", "--until", "recordings")
    step("audit: every recording decoded", *SNAKEMAKE, "--until", "recordings")
    step("features", *UP_TO_FEATURES)
    step("split and data set", *SNAKEMAKE, "--", "dataset")
    step("dry run, nothing to do", "snakemake", "-n", "--", "dataset")
    assert not rules_of(step("snakemake, nothing to do", *SNAKEMAKE, "--", "dataset"))
    step("first dvc repro after snakemake", "dvc", "repro", "dataset")
    step("dvc repro, nothing to do", "dvc", "repro", "dataset")
    step("dvc status", "dvc", "status", "dataset", "--with-deps")
    store, clone = survey.path.with_suffix(".store"), survey.path.with_suffix(".clone")
    survey.run("dvc", "remote", "add", "-q", "-d", "store", str(store))
    survey.run("git", "add", "dvc.lock", ".dvc/config", "params.yaml")
    survey.run("git", "commit", "-qm", "a survey")
    try:
        step("dvc push to a folder", "dvc", "push", "--with-deps", "dataset")
        step("git clone", "git", "clone", "-q", str(survey.path), str(clone))
        step("dvc pull", "dvc", "pull", "--with-deps", "dataset", folder=clone)
    finally:
        shutil.rmtree(store, ignore_errors=True)
        shutil.rmtree(clone, ignore_errors=True)
    rows = survey.annotations()
    rows[n // 2][5] = "0.44"
    survey.write_annotations(rows)
    assert rules_of(step("one annotation changed, to features", *UP_TO_FEATURES))["features"]
    survey.write_annotations([*rows, *survey.add(n, n // 100)])
    time.sleep(2.5)
    step("1 % new recordings, to features", *UP_TO_FEATURES)
    trained.set("detections.recordings", str(survey.path / "raw/audio"))
    step("detection of all", *SNAKEMAKE, "--", "detections", folder=trained.path)
    step("detection, nothing to do", *SNAKEMAKE, "--", "detections", folder=trained.path)


def table(costs: dict[int, dict[str, Cost]]) -> str:
    """Return the costs of all sizes as a Markdown table, with what the last size costs more than the one before it."""
    sizes = list(costs)
    lines = [
        f"| CPU s (clock s), MB of the largest process | {' | '.join(f'{n:,}' for n in sizes)} | CPU x | MB x |",
        "| --- |" + " --- |" * (len(sizes) + 2),
    ]
    for name in costs[sizes[0]]:
        found = [costs[n][name] for n in sizes]
        cells = [f"{cost.cpu_s:.1f} ({cost.wall_s:.1f}), {cost.peak_mb:.0f}" for cost in found]
        before, last = found[-2:] if len(found) > 1 else (found[0], found[0])
        ratios = [f"{last.cpu_s / max(before.cpu_s, 0.01):.1f}", f"{last.peak_mb / before.peak_mb:.2f}"]
        lines.append(f"| {' | '.join([name, *cells, *ratios])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="*", default=[1_000, 10_000], help="how many recordings")
    parser.add_argument("--folder", type=Path, help="where to work (default: the folder for temporary files)")
    args = parser.parse_args()
    costs: dict[int, dict[str, Cost]] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        trained = Project.create(Path(folder) / "trained")
        # What detects: neither figures nor a report.
        trained.run(*SNAKEMAKE, "--", "evaluation")
        for n in args.sizes:
            with made(Path(folder), n) as survey:
                measure(survey, n, trained)
                costs[n] = survey.costs
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; {DURATION_S} s at {SAMPLE_RATE_HZ} Hz each\n")
    print(table(costs))


if __name__ == "__main__":
    main()
