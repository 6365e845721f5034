"""What the workflow itself costs: many recordings, nothing to do, one changed; and how memory grows.

Everything is measured in one run, on data made here, in a temporary folder. Times are the clock's, of whole processes
as a user starts them; quote the ratios, and the times only beside the machine they were taken on.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("src", "tests", "tests/workflow")]

from project import PITCHES_HZ, SAMPLE_RATE_HZ, Project, rules_of, tone  # noqa: E402

FEATURES = ("--until", "features")


def timed(project: Project, *command: str) -> tuple[float, str]:
    """Return the seconds that a command took, and its output."""
    started = time.perf_counter()
    output = project.run(*command).stdout
    return time.perf_counter() - started, output


def many_recordings(path: Path, n: int) -> Project:
    """Make a project of ``n`` recordings of 1 s with one call each."""
    project = Project.create(path, n_recordings=0)
    species = list(PITCHES_HZ)
    rows = []
    sounds = [tone(PITCHES_HZ[name], 1.0, seed) for seed, name in enumerate(species * 5)]
    rng = np.random.default_rng(0)
    for number in range(n):
        sound = sounds[number % len(sounds)] + 0.01 * rng.standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
        soundfile.write(project.path / f"raw/audio/r{number}.wav", sound, SAMPLE_RATE_HZ)
        rows.append([f"r{number}", species[number % len(species)], "1", "0.1", "500", "0.8", "3000"])
    project.write_annotations(rows)
    return project


def extraction(folder: Path, n: int) -> None:
    project = many_recordings(folder / "many", n)
    command = ("snakemake", "--cores", "2", *FEATURES)
    first_s, _ = timed(project, *command)
    again_s, output = timed(project, *command)
    assert not rules_of(output)
    path = project.path / "raw/audio/r7.wav"
    soundfile.write(path, tone(700.0, 1.0, 99_999), SAMPLE_RATE_HZ)
    changed_s, output = timed(project, *command)
    computed = sum(int(word) for word in _words_before(output, "computed"))
    print(f"{n} recordings of 1 s, snakemake to features, 2 cores: {first_s:.1f} s")
    print(f"  again, nothing changed: {again_s:.1f} s; one changed: {changed_s:.1f} s ({computed} recording computed)")
    for count in (n, 10 * n):
        other = project if count == n else many_recordings(folder / "more", count)
        if count != n:
            # Hash every file once; what is timed is a look at files that are known.
            timed(other, "snakemake", "-n")
        dry_s, _ = timed(other, "snakemake", "-n")
        print(f"  dry run at {count} recordings: {dry_s:.1f} s")


def _words_before(output: str, word: str) -> list[str]:
    words = output.replace(",", " ").split()
    return [words[place - 1] for place, found in enumerate(words) if found == word]


def nothing_to_do(folder: Path) -> None:
    project = Project.create(folder / "small")
    full_s, _ = timed(project, "snakemake", "--cores", "2")
    first_s, _ = timed(project, "dvc", "repro")
    times = {name: [] for name in ("snakemake --cores 2", "dvc repro", "dvc status")}
    for _ in range(3):
        for name in times:
            times[name].append(timed(project, *name.split())[0])
    print(f"9 recordings, everything: {full_s:.1f} s; the first dvc repro after it: {first_s:.1f} s")
    for name, taken in times.items():
        spread = f"median of {len(taken)}, {min(taken):.1f} to {max(taken):.1f}"
        print(f"  nothing to do, {name}: {np.median(taken):.1f} s ({spread})")


def peak_mb(project: Project, rule: str) -> float:
    """Return the peak memory of a rule's job, as Snakemake's benchmark file says it."""
    header, values = (project.path / f"benchmarks/{rule}.tsv").read_text().splitlines()[:2]
    return float(dict(zip(header.split("\t"), values.split("\t"), strict=True))["max_rss"])


def memory(folder: Path, n: int) -> None:
    found = {}
    for rows in (n, 10 * n):
        project = many_recordings(folder / f"memory-{rows}", rows)
        project.set("dataset.frames", 256)
        params = project.params()
        params["model"] = {"name": "lstm", "units": 8, "bidirectional": False, "dropout": 0.0}
        params["train"].update(epochs=1, batch_size=64)
        project.write_params(params)
        project.run("snakemake", "--cores", "2", "--until", "model")
        size_mb = (project.path / "data/dataset/x.npy").stat().st_size / 1e6
        found[rows] = (size_mb, peak_mb(project, "dataset"), peak_mb(project, "model"))
        shutil.rmtree(project.path)
    for rows, (size_mb, dataset_mb, model_mb) in found.items():
        print(f"{rows} rows, x.npy {size_mb:.0f} MB: peak memory dataset {dataset_mb:.0f} MB, model {model_mb:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=1000, help="recordings of 1 s (default: 1000)")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        nothing_to_do(Path(folder))
        extraction(Path(folder), args.recordings)
        memory(Path(folder), args.recordings)


if __name__ == "__main__":
    main()
