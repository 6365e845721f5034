"""Compare the extraction of features with the article's loop: time an annotation, on one core, same values.

The article loads and resamples the whole file for each row of the table, cuts, and computes the MFCC. Ours is
the whole command of the stage `features`, all shards, with hashing, reading of tables and writing; only the
imports are left out, on both sides. The two run by turns in one process, and CPU time is compared, because
others may use the machine; the time on the clock is shown beside it.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two threads on one core wait for each other, on both sides

import librosa
import numpy as np
import soundfile
import yaml

from dawnchorus.features import shards
from dawnchorus.foundation.files import sha256_of
from dawnchorus.simulation import simulated_set
from dawnchorus.stages import features as stage
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ANNOTATIONS, RECORDINGS

N_SHARDS = 8
RATE_HZ = 28_000
ARTICLE = {
    "kind": "mfcc",
    "sample_rate_hz": RATE_HZ,
    "n_fft": 255,
    "hop_length": 512,
    "n_mels": 128,
    "n_mfcc": 128,
    "f_min_hz": 0.0,
    "f_max_hz": None,
    "mel_sample_rate_hz": 22_050,
    "deltas": 0,
    "clip": "annotation",
    "window_s": 5.0,
    "jitter_s": 0.0,
    "context_clips": 0,
    "context_gap_s": 0.5,
}


def article(path: Path, t_min_s: float, t_max_s: float) -> np.ndarray:
    """Return the MFCC of one row as the article computes it, (frames, 128)."""
    y, rate_hz = librosa.load(path, sr=RATE_HZ)
    cut = y[round(t_min_s * rate_hz) : round(t_max_s * rate_hz)]
    return librosa.feature.mfcc(y=cut, n_mfcc=128, n_fft=255, hop_length=512).T


def write_tables(folder: Path, audio_dir: Path, rows: list[tuple[str, float, float]]) -> None:
    """Write the tables that the stage reads, as the audit of the recordings would."""
    other = dict.fromkeys(ANNOTATIONS.names, "")
    annotations = [
        {**other, "annotation_id": number, "recording_id": recording_id, "t_min_s": t_min_s, "t_max_s": t_max_s}
        for number, (recording_id, t_min_s, t_max_s) in enumerate(rows)
    ]
    recordings = []
    for recording_id in sorted({row[0] for row in rows}):
        path = audio_dir / f"{recording_id}.flac"
        info = soundfile.info(path)
        recordings.append(
            {
                "recording_id": recording_id,
                "path": path.name,
                "sha256": sha256_of(path),
                "duration_s": info.duration,
                "sample_rate_hz": info.samplerate,
                "channels": info.channels,
                "n_samples": info.frames,
                "inspected_with": "",
            }
        )
    made.write(folder / "annotations.csv", ANNOTATIONS, annotations)
    made.write(folder / "recordings.csv", RECORDINGS, recordings)


def ours(folder: Path, audio_dir: Path, output: Path) -> None:
    """Run the stage for every shard."""
    for number in range(N_SHARDS):
        arguments = {
            "--recordings": folder / "recordings.csv",
            "--annotations": folder / "annotations.csv",
            "--audio-dir": audio_dir,
            "--shard": number,
            "--shards": N_SHARDS,
            "--params": json.dumps({"features": ARTICLE}),
            "--output": output / f"shard-{number}.zip",
        }
        with contextlib.redirect_stdout(io.StringIO()):
            stage.main([str(word) for pair in arguments.items() for word in pair])


def timed(n: int, function, *arguments) -> tuple[tuple[float, float], object]:
    """Return the milliseconds of CPU and on the clock of a call, divided by n, and what it returns."""
    before = time.process_time(), time.perf_counter()
    result = function(*arguments)
    after = time.process_time(), time.perf_counter()
    return tuple(1e3 * (end - start) / n for start, end in zip(before, after, strict=True)), result


def features_of_rows(output: Path, rows: list[tuple[str, float, float]]) -> list[np.ndarray]:
    """Return what the shards hold for each row, read as the stage `dataset` does."""
    position, found = {}, []
    opened = [shards.Shard(output / f"shard-{number}.zip") for number in range(N_SHARDS)]
    for recording_id, _, _ in rows:
        index = position.setdefault(recording_id, 0)
        position[recording_id] += 1
        shard = opened[shards.shard_of(recording_id, N_SHARDS)]
        found.append(shard.features_of_clips(recording_id)[index])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="a folder with train_tp.csv and train/*.flac (default: a simulated set, made here)"
    )
    parser.add_argument("--rows", type=int, default=60, help="rows of the table that the article's loop runs on")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "data")
        compare(args.data or simulated(folder), args.rows, args.repeats)
    return 0


def simulated(folder: Path) -> Path:
    """Make a simulated set of recordings of a minute, and return its folder."""
    params = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
    block = {**params["simulate"]["set"], "recordings": 24, "recording_duration_s": 60.0, "sample_rate_hz": 48_000}
    names = {"annotations": "train_tp.csv", "recordings": "recordings.csv", "species": "species.csv", "audio": "train"}
    simulated_set.write(block, params["seed"], {key: folder / name for key, name in names.items()}, 1)
    return folder


def compare(data: Path, n_rows: int, repeats: int) -> None:
    """Time both by turns on the table of a folder, and print medians, their ratio and the largest difference."""
    table, audio_dir = data / "train_tp.csv", data / "train"
    with table.open(newline="") as file:
        rows = [(row["recording_id"], float(row["t_min"]), float(row["t_max"])) for row in csv.DictReader(file)]
    chosen = np.unique(np.linspace(0, len(rows) - 1, n_rows).astype(int)).tolist()

    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        write_tables(folder, audio_dir, rows)
        article(audio_dir / f"{rows[0][0]}.flac", *rows[0][1:])  # the first call imports
        times = {"article": [], "ours": []}
        for repeat in range(repeats):
            output = folder / str(repeat)
            paths = [(audio_dir / f"{rows[index][0]}.flac", *rows[index][1:]) for index in chosen]
            spent, expected = timed(len(chosen), lambda paths=paths: [article(*path) for path in paths])
            times["article"].append(spent)
            spent, _ = timed(len(rows), ours, folder, audio_dir, output)
            times["ours"].append(spent)
        found = features_of_rows(output, rows)
        difference = max(
            float(np.abs(found[index] - values).max()) for index, values in zip(chosen, expected, strict=True)
        )
        largest = max(float(np.abs(values).max()) for values in expected)

    print(f"extraction, {data.name}, one core, medians of {repeats} repeats by turns")
    medians = {who: [statistics.median(column) for column in zip(*times[who], strict=True)] for who in times}
    for who, what in (("article", "article's loop"), ("ours", "features stage")):
        cpu_ms, clock_ms = medians[who]
        n = len(chosen) if who == "article" else len(rows)
        print(f"  {what}  {cpu_ms:7.2f} ms CPU, {clock_ms:7.2f} ms clock an annotation ({n} rows)")
    print(f"  ratio           {medians['article'][0] / medians['ours'][0]:7.1f}")
    print(f"  largest difference {difference:.1e} among MFCC of up to {largest:.0f}")


if __name__ == "__main__":
    sys.exit(main())
