"""How fast and in how much memory recordings are scored: 64 bands, 48 kHz, windows and frames of presence.

Two networks, untrained: the default one of `model`, over windows of 5 s, half overlap, and the default one of
`presence`. The sound is made here. Every part is timed alone in one process, on two cores: reading the file and nothing
else (the floor), decoding (with mixing and resampling), features, what is done to them, network; then the whole as
`dawnchorus detect` does it, where they overlap. CPU time is shown beside the clock's, because others may use the
machine. Peak memory is that of a process of its own for each length. Then by how much scores differ between sizes of a
batch, numbers of threads, and recordings scored alone or after another; and four files on one core and on two, three
times, a process a core, as the workflow scores its shards.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:2]))
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile
import yaml

from dawnchorus import networks
from dawnchorus.detection import score_store
from dawnchorus.detection.detector import Detector
from dawnchorus.detection.sounds import Sound
from dawnchorus.features import extraction
from dawnchorus.foundation import incremental
from dawnchorus.learning import dataset, model_file, presence_network, saved_model, stretches
from dawnchorus.sound import audio, decoding, opening, windows

RATE_HZ = 48_000
WINDOW_S = 5.0
N_CLASSES = 24
THREADS = 2
REPEATS = 3
MIB = 2**20
KINDS = ("windows", "presence")
# What must change no score: sizes of a batch, numbers of threads.
BATCHES, CORES = (1, 7, 32), (1, 2)


def write_sound(path: Path, minutes: float, seed: int = 0) -> None:
    """Write rain-like noise with chirps, one minute of it again and again, as FLAC."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(60 * RATE_HZ) / RATE_HZ
    chirps = np.sin(2 * np.pi * 3000 * time_s + 40 * np.sin(2 * np.pi * 0.7 * time_s)) * (time_s % 3 < 0.4)
    noise = np.convolve(rng.standard_normal(len(time_s)), np.ones(6) / 6, mode="same")
    minute = (0.1 * chirps + 0.01 * noise).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, subtype="PCM_16") as file:
        left = round(minutes * len(minute))
        while left > 0:
            file.write(minute[:left])
            left -= len(minute)


def write_models(folder: Path, params: dict) -> None:
    """Save both networks, untrained: their speed is that of trained ones."""
    classes = [{"class_index": str(k), "species_id": str(k), "species_name": str(k)} for k in range(N_CLASSES)]
    block = {**params["features"], "clip": "window", "window_s": WINDOW_S, "jitter_s": 0.0}
    frames = 1 + round(WINDOW_S * block["sample_rate_hz"]) // block["hop_length"]
    shape = (frames, extraction.n_features(block))
    found = {"frames": frames, "features": block}
    card = {
        "classes": classes,
        "model": params["model"],
        "dataset": dataset.fit_statistics([], {**params["dataset"], "normalization": "none", **found}),
        "input_shape": list(shape),
    }
    network = networks.get(params["model"]["name"])
    saved_model.save(network.build(shape, N_CLASSES, params["model"]), card, model_of(folder, "windows"))
    blocks = {"presence": params["presence"], "features": params["features"]}
    shape = (stretches.n_frames_of(*blocks.values())[0], extraction.n_features(params["features"]))
    made = presence_network.build(shape, N_CLASSES, params["presence"])
    saved_model.save(made, {"classes": classes, **blocks, "input_shape": list(shape)}, model_of(folder, "presence"))


def model_of(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.keras"


def detector(folder: Path, kind: str, params: dict, threads: int = THREADS, **detections: object) -> Detector:
    path = model_of(folder, kind)
    return Detector(path, model_file.read_card(path), {**params["detections"], **detections}, threads)


def update(of: Detector, path: Path, store: Path) -> None:
    """Score one recording into a new store."""
    store.unlink(missing_ok=True)
    incremental.ended(of.updating(store, [Sound(str(path), path.name, path.stem)]))


def best(function: Callable[[], object]) -> tuple[float, float]:
    """Return the clock's seconds and the CPU's of the fastest of a few runs."""
    times = []
    for _ in range(REPEATS):
        clock_s, cpu_s = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - clock_s, time.process_time() - cpu_s))
    return min(clock for clock, _ in times), min(cpu for _, cpu in times)


def read_only(path: Path) -> None:
    """Decode a file and drop it: what no detector can do without."""
    with soundfile.SoundFile(path) as file:
        block = np.empty((opening.BLOCK_SAMPLES, file.channels), np.float32)
        while len(file.read(out=block)):
            pass


def consume(items: Iterable) -> None:
    for _ in items:
        pass


def speed(path: Path, folder: Path, kind: str, params: dict, minutes: float) -> None:
    """Print seconds for each part and for the whole, for ``minutes`` of sound."""
    model, _ = model_file.load(model_of(folder, kind), THREADS)
    of = detector(folder, kind, params)
    recipe, batch_size = of.recipe, params["detections"]["batch_size"]
    rate_hz = recipe.features["sample_rate_hz"]
    native_hz, n_native = decoding.measure(path)
    n_samples = audio.resampled_length(n_native, native_hz, rate_hz)
    ranges = (
        recipe.ranges(n_samples)
        if kind == "presence"
        else windows.plan(recipe.features, recipe.frames, rate_hz, None, None).ranges(n_samples)
    )
    cuts = list(windows.cut(decoding.decoded(path, "mix", rate_hz), ranges, n_samples))
    made = recipe.made if kind == "presence" else recipe.prepared
    x = np.stack([made(y, rate_hz) for y in cuts])
    batches = [x[start : start + batch_size] for start in range(0, len(x), batch_size)]
    store = folder / "scores.parquet"
    update(of, path, store)  # the first call of a shape compiles it
    consume(model.predict_on_batch(batch) for batch in batches)
    found = {
        "floor": best(lambda: read_only(path)),
        "decode": best(lambda: consume(decoding.decoded(path, "mix", rate_hz))),
        "frames": best(lambda: consume(extraction.extract(y, rate_hz, recipe.features) for y in cuts)),
        "input": best(lambda: consume(made(y, rate_hz) for y in cuts)),
        "network": best(lambda: consume(model.predict_on_batch(batch) for batch in batches)),
        "whole": best(lambda: update(of, path, store)),
    }
    print(
        f"{kind}: {minutes:g} min of sound at {RATE_HZ} Hz, {len(cuts)} stretches, {THREADS} cores (input: with frames)"
    )
    for name, (clock_s, cpu_s) in found.items():
        print(
            f"  {name:9s} {clock_s:7.2f} s  {60 * minutes / clock_s:7.0f} x real time   (CPU {cpu_s:.2f} s, "
            f"{cpu_s * 60 / minutes:.1f} s an hour of sound)"
        )
    clock_s, cpu_s = found["whole"]
    more = (found["input"][1] + found["network"][1]) / found["floor"][1]
    print(
        f"  whole: {minutes / clock_s:.1f} hours of sound a minute; {60 * minutes / cpu_s:.0f} x real time by CPU time "
        f"of one core, {60 * minutes / cpu_s * THREADS:.0f} x of {THREADS}"
    )
    print(f"  features and network: {more:.1f} times the floor by CPU time (goal: at most 6)", flush=True)


def on_a_core(core: int, folder: Path, kind: str, params: dict, numbers: list[str]) -> None:
    """Score files on one core, from when a line comes in, and print the seconds that this took."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
    of, store = detector(folder, kind, params, threads=1), folder / f"scores-{core}.parquet"
    paths = [folder / f"core-{number}.flac" for number in numbers]
    update(of, paths[0], store)
    print("ready", flush=True)
    sys.stdin.readline()
    started_s = time.perf_counter()
    for path in paths:
        update(of, path, store)
    print(time.perf_counter() - started_s)


def at_once(folder: Path, kind: str, dealt: list[list[str]]) -> float:
    """Return how long processes take, one a core, that score their files at once, as the workflow does shards."""
    commands = [[sys.executable, __file__, "--core", str(k), str(folder), kind, *own] for k, own in enumerate(dealt)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for command in commands
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    return max(float(process.communicate()[0]) for process in running)


def against_cores(folder: Path, kind: str, minutes: float) -> None:
    """Print how much more two cores score than one, a process each, and how long reading alone takes of one."""
    numbers = [str(number) for number in range(4)]
    for number in numbers:
        write_sound(folder / f"core-{number}.flac", minutes, int(number))
    floor_s, _ = best(lambda: [read_only(folder / f"core-{number}.flac") for number in numbers])
    pairs = [(at_once(folder, kind, [numbers]), at_once(folder, kind, [numbers[:2], numbers[2:]])) for _ in range(3)]
    one_s, two_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    hours = len(numbers) * minutes / 60
    ratios = sorted(one / two for one, two in pairs)
    print(
        f"{kind}: {len(numbers)} files of {minutes:g} min, a process a core: on one {one_s:.1f} s "
        f"({3600 * hours / one_s:.0f} x real time), on two {two_s:.1f} s ({3600 * hours / two_s:.0f} x), "
        f"{ratios[1]:.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f}); reading them {floor_s:.2f} s",
        flush=True,
    )


def peak_bytes() -> int:
    """Return the most memory that this process had; not ru_maxrss, which begins at what the parent had."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def score_one(path: Path, folder: Path, kind: str, params: dict) -> None:
    """Score one file, and print what this process took of memory at its peak."""
    started_s = time.perf_counter()
    update(detector(folder, kind, params), path, folder / "scores.parquet")
    print(json.dumps({"peak": peak_bytes(), "clock_s": time.perf_counter() - started_s, "cpu_s": time.process_time()}))


def score_alike(folder: Path, kind: str, params: dict, threads: int) -> None:
    """Score two files with every size of a batch, together and alone, and save the scores."""
    sounds = [Sound(str(folder / name), name, name) for name in ("one.flac", "other.flac")]
    made = {}
    for size in BATCHES:
        of, store = detector(folder, kind, params, threads, batch_size=size), folder / "scores.parquet"
        for grouping, parts in {"together": [sounds], "alone": [[sound] for sound in sounds[::-1]]}.items():
            for part in parts:
                store.unlink(missing_ok=True)
                incremental.ended(of.updating(store, part))
                for entry in score_store.Stores([store], of.recipe.species_ids):
                    made[f"batch {size}, {grouping}, {entry.name}"] = entry.scores
    np.savez(folder / f"scores-{threads}.npz", **made)


def alike(folder: Path, kind: str) -> None:
    """Print by how much scores of the same sound differ between batches, groupings and threads."""
    made = {}
    for threads in CORES:
        command = [sys.executable, __file__, "--alike", str(folder), kind, str(threads)]
        subprocess.run(command, check=True)
        with np.load(folder / f"scores-{threads}.npz") as found:
            made |= {f"{threads} threads, {name}": found[name] for name in found.files}
    of_name = {name: next(iter(key for key in made if key.endswith(name))) for name in ("one.flac", "other.flac")}
    differ = {key: float(np.abs(scores - made[of_name[key.rsplit(" ", 1)[1]]]).max()) for key, scores in made.items()}
    wrong = {key: value for key, value in differ.items() if value}
    print(f"{kind}: {len(differ)} ways to score, of which {len(wrong)} differ from the first (goal: none)")
    for key, value in wrong.items():
        print(f"  {key}: by up to {value:.2g}")


def grown(folder: Path, kind: str, lengths: list[float]) -> None:
    """Print the peak memory for each length of sound."""
    peaks: dict[float, int] = {}
    for minutes in lengths:
        path = folder / "sound.flac"
        write_sound(path, minutes)
        command = [sys.executable, __file__, "--score", str(path), str(folder), kind]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        path.unlink()
        said = json.loads(done.stdout.splitlines()[-1])
        peaks[minutes] = said["peak"]
        over = (said["peak"] - peaks[lengths[0]]) / MIB
        print(
            f"{kind}: {minutes:5g} min: peak {said['peak'] / MIB:6.0f} MiB, {over:+.0f} MiB over the shortest; "
            f"{said['clock_s']:.0f} s (CPU {said['cpu_s']:.0f} s), {60 * minutes / said['clock_s']:.0f} x",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS, help="networks")
    parser.add_argument("--minutes", type=float, default=10, help="of sound, to time; 0 times nothing")
    parser.add_argument(
        "--lengths", type=float, nargs="*", default=[1, 60, 360], help="minutes, to see the memory grow"
    )
    parser.add_argument("--seconds", type=float, default=100, help="of sound, to compare scores; 0 compares nothing")
    parser.add_argument("--cores", type=float, default=10, help="minutes of four files to score on one core and on two")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--core", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--speed", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--score", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--alike", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    params = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
    # In processes of their own: TensorFlow takes its number of threads once.
    if args.build:
        write_models(args.build, params)
    elif args.speed:
        folder = Path(args.speed[0])
        speed(folder / "speed.flac", folder, args.speed[1], params, args.minutes)
    elif args.score:
        score_one(Path(args.score[0]), Path(args.score[1]), args.score[2], params)
    elif args.core:
        on_a_core(int(args.core[0]), Path(args.core[1]), args.core[2], params, args.core[3:])
    elif args.alike:
        score_alike(Path(args.alike[0]), args.alike[1], params, int(args.alike[2]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            subprocess.run([sys.executable, __file__, "--build", str(folder)], check=True)
            for kind in args.kinds:
                if args.minutes:
                    write_sound(folder / "speed.flac", args.minutes)
                    minutes = ["--minutes", str(args.minutes)]
                    subprocess.run([sys.executable, __file__, *minutes, "--speed", str(folder), kind], check=True)
                if args.seconds:
                    write_sound(folder / "one.flac", args.seconds / 60)
                    write_sound(folder / "other.flac", args.seconds / 90, seed=1)
                    alike(folder, kind)
                if args.cores:
                    against_cores(folder, kind, args.cores)
                grown(folder, kind, args.lengths)


if __name__ == "__main__":
    main()
