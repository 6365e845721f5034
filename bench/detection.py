"""How fast and in how much memory recordings are scored: the default network, windows of 5 s, half overlap, 48 kHz.

The sound is made here. Every part is timed alone in one process, on two cores: reading the file and nothing else (the
floor), decoding (with mixing and resampling), features, network; then the whole, where they overlap. CPU time is shown
beside the clock's, because others may use the machine. Peak memory is that of a process of its own for each length.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:2]))
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile
import yaml

from dawnchorus import networks
from dawnchorus.detection import scoring
from dawnchorus.features import extraction as feature_frames
from dawnchorus.learning import dataset, model_file, saved_model
from dawnchorus.sound import audio, decoding, windows

RATE_HZ = 48_000
WINDOW_S = 5.0
N_CLASSES = 24
THREADS = 2
REPEATS = 3
MIB = 2**20


def write_sound(path: Path, minutes: float) -> None:
    """Write rain-like noise with chirps, one minute of it again and again, as FLAC."""
    rng = np.random.default_rng(0)
    time_s = np.arange(60 * RATE_HZ) / RATE_HZ
    chirps = np.sin(2 * np.pi * 3000 * time_s + 40 * np.sin(2 * np.pi * 0.7 * time_s)) * (time_s % 3 < 0.4)
    noise = np.convolve(rng.standard_normal(len(time_s)), np.ones(6) / 6, mode="same")
    minute = (0.1 * chirps + 0.01 * noise).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, subtype="PCM_16") as file:
        for _ in range(int(minutes)):
            file.write(minute)


def write_model(path: Path, params: dict) -> None:
    """Save the default network, untrained: its speed is that of a trained one."""
    block = {**params["features"], "clip": "window", "window_s": WINDOW_S, "jitter_s": 0.0}
    frames = 1 + round(WINDOW_S * block["sample_rate_hz"]) // block["hop_length"]
    shape = (frames, feature_frames.n_features(block))
    classes = [{"class_index": str(k), "species_id": str(k), "species_name": str(k)} for k in range(N_CLASSES)]
    found = {"frames": frames, "features": block}
    card = {
        "classes": classes,
        "model": params["model"],
        "dataset": dataset.fit_statistics([], {**params["dataset"], "normalization": "none", **found}),
        "input_shape": list(shape),
    }
    network = networks.get(params["model"]["name"])
    saved_model.save(network.build(shape, N_CLASSES, params["model"]), card, path)


def best(function) -> tuple[float, float]:
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
        block = np.empty((audio.BLOCK_SAMPLES, file.channels), np.float32)
        while len(file.read(out=block)):
            pass


def consume(items) -> None:
    for _ in items:
        pass


def speed(path: Path, model_path: Path, params: dict, minutes: float) -> dict:
    """Return seconds for each part and for the whole, for ``minutes`` of sound."""
    model, card = model_file.load(model_path, THREADS)
    recipe = scoring.Recipe.of_card(card, model_path)
    block = {**params["detections"], "window_s": None, "step_s": None, "channel": "mix"}
    rate_hz = recipe.features["sample_rate_hz"]
    plan = windows.plan(recipe.features, recipe.frames, rate_hz, None, None)
    native_hz, n_native = decoding.measure(path)
    n_samples = audio.resampled_length(n_native, native_hz, rate_hz)
    cuts = list(windows.cut(decoding.decoded(path, "mix", rate_hz), plan.ranges(n_samples), n_samples))
    x = np.stack([recipe.prepared(y, rate_hz) for y in cuts])
    batches = [x[start : start + block["batch_size"]] for start in range(0, len(x), block["batch_size"])]
    consume(model.predict_on_batch(batch) for batch in batches)  # the first call of a shape compiles it
    found = {
        "floor": best(lambda: read_only(path)),
        "decode": best(lambda: consume(decoding.decoded(path, "mix", rate_hz))),
        "features": best(lambda: consume(recipe.prepared(y, rate_hz) for y in cuts)),
        "network": best(lambda: consume(model.predict_on_batch(batch) for batch in batches)),
        "whole": best(lambda: scoring.score(path, model, recipe, block, THREADS)),
    }
    print(f"{minutes:g} min of sound at {RATE_HZ} Hz, {len(cuts)} windows of {WINDOW_S:g} s, {THREADS} cores")
    for name, (clock_s, cpu_s) in found.items():
        print(f"  {name:9s} {clock_s:7.2f} s  {60 * minutes / clock_s:7.0f} x real time   (CPU {cpu_s:.2f} s)")
    clock_s, cpu_s = found["whole"]
    more = (found["features"][1] + found["network"][1]) / found["floor"][1]
    print(
        f"  whole: {minutes / clock_s:.1f} hours of sound a minute; {60 * minutes / cpu_s:.0f} x real time by CPU time"
    )
    print(f"  features and network: {more:.1f} times the floor by CPU time (goal: at most 6)")
    return found


def peak_bytes() -> int:
    """Return the most memory that this process had; not ru_maxrss, which begins at what the parent had."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def score_one(path: Path, model_path: Path, params: dict) -> None:
    """Score one file, and print what this process took of memory at its peak."""
    model, card = model_file.load(model_path, THREADS)
    recipe = scoring.Recipe.of_card(card, model_path)
    started_s = time.perf_counter()
    scored = scoring.score(path, model, recipe, params["detections"], THREADS)
    print(json.dumps({"peak": peak_bytes(), "windows": len(scored.scores), "clock_s": time.perf_counter() - started_s}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of sound, to time")
    parser.add_argument(
        "--lengths", type=float, nargs="*", default=[1, 60, 360], help="minutes, to see the memory grow"
    )
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--score", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    params = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
    if args.build:
        write_model(args.build, params)
        return
    if args.score:
        score_one(*args.score, params)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # In a process of its own: TensorFlow takes its number of threads once.
        subprocess.run([sys.executable, __file__, "--build", str(folder / "model.keras")], check=True)
        write_sound(folder / "speed.flac", args.minutes)
        speed(folder / "speed.flac", folder / "model.keras", params, args.minutes)
        peaks = {}
        for minutes in args.lengths:
            path = folder / "sound.flac"
            write_sound(path, minutes)
            command = [sys.executable, __file__, "--score", str(path), str(folder / "model.keras")]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            said = json.loads(done.stdout.splitlines()[-1])
            peaks[minutes] = said["peak"]
            over = (said["peak"] - peaks[args.lengths[0]]) / MIB
            print(
                f"  {minutes:5g} min: peak {said['peak'] / MIB:6.0f} MiB, {over:+.0f} MiB over the shortest; "
                f"{said['windows']} windows in {said['clock_s']:.0f} s, {60 * minutes / said['clock_s']:.0f} x",
                flush=True,
            )


if __name__ == "__main__":
    main()
