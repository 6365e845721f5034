"""How fast sound becomes embeddings, beside the bare runtime of the model on the same windows, by CPU time.

The model is a file of yours, of the block `features` of a preset: `--model weights/birdnet.tflite`. The sound is made
here. Each round does the same work in every way, on one thread, one way after another: the bare runtime, which is given
windows that lie in memory; the features of a whole recording, from its file; `dawnchorus detect` by frames of presence,
by windows of a ridge, and by both, one after the other, from the same file. What is shown is the share of CPU time that
the runtime itself takes, the median over rounds and its range: goal 0.9. The bare runtime is asked once for each
different window of sound. Last: by how much scores differ between sizes of a batch, numbers of threads, and recordings
scored alone or after another.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile

from dawnchorus import networks
from dawnchorus.detection import presence_scoring, scoring
from dawnchorus.features import extraction, runtimes
from dawnchorus.features.kinds import embedding
from dawnchorus.learning import dataset, device, pooled, presence_network, stretches
from dawnchorus.workflow import params_file

ROOT = Path(__file__).parents[1]
N_CLASSES = 24
DETECTIONS = {"channel": "mix", "batch_size": 32, "window_s": None, "step_s": None}
BATCHES, THREADS = (1, 7, 32), (1, 2)
OF_PRESENCE = {"network": "gru", "pool_frames": 1}


def write_sound(path: Path, seconds: float, rate_hz: int, seed: int = 0) -> None:
    """Write noise with chirps, 16 bits."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    chirps = np.sin(2 * np.pi * 3000 * time_s + 40 * np.sin(2 * np.pi * 0.7 * time_s)) * (time_s % 3 < 0.4)
    soundfile.write(path, 0.1 * chirps + 0.01 * rng.standard_normal(len(time_s)), rate_hz, subtype="PCM_16")


def of_frames(params: dict) -> tuple[object, presence_scoring.Recipe]:
    """Return a network of presence, untrained, and how it is given sound."""
    block = {**params["presence"], **OF_PRESENCE}
    n_frames, margin = stretches.n_frames_of(block, params["features"])
    model = presence_network.build((n_frames, params["features"]["dimensions"]), N_CLASSES, block)
    names = tuple(map(str, range(N_CLASSES)))
    return model, presence_scoring.Recipe(params["features"], block, n_frames, margin, names, names)


def of_windows(params: dict) -> tuple[object, scoring.Recipe]:
    """Return a ridge, fitted to nothing, and how it is given sound."""
    features, names = params["features"], tuple(map(str, range(N_CLASSES)))
    rate_hz = features["sample_rate_hz"]
    frames = 1 + round(features["window_s"] * rate_hz) // features["hop_length"]
    made = dataset.fit_statistics([], {**params["dataset"], "frames": frames, "features": features})
    weights = np.random.default_rng(0).standard_normal((features["dimensions"], N_CLASSES))
    fitted = {"weights": weights, "bias": np.zeros(N_CLASSES)}
    model = pooled.Classifier(networks.get("ridge"), fitted, {}, N_CLASSES)
    statistics_of = {key: made[key] for key in scoring.NORMALIZING}
    return model, scoring.Recipe(features, statistics_of, frames, names, names)


def cpu_s(action: Callable[[], object]) -> float:
    started_s = time.process_time()
    action()
    return time.process_time() - started_s


def speed(path: Path, params: dict, seconds: float, rounds: int) -> None:
    """Print the share of the bare runtime in the CPU time of every way."""
    features = params["features"]
    rate_hz, n_samples = features["sample_rate_hz"], round(features["sample_rate_hz"] * seconds)
    n_window = round(features["model_window_s"] * rate_hz)
    y, _ = soundfile.read(path, dtype="float32")
    make, _ = runtimes.runtime_of(features["model"])
    run = make(features["model"], n_window, features["output"])
    (by_frames, recipe), (by_windows, ridge) = of_frames(params), of_windows(params)
    ranges, _ = embedding.windows(range(1 + n_samples // features["hop_length"]), n_samples, rate_hz, features)
    plan = scoring.planned(ridge, DETECTIONS, rate_hz)
    n_clip = 1 + plan.length_samples // features["hop_length"]
    in_clip, _ = embedding.windows(range(n_clip), plan.length_samples, rate_hz, features)
    # Where a clip reaches beyond the recording its sound is mirrored: none of those windows is one of the frames'.
    of_clips = [(start + first, start + stop) for start in plan.starts(n_samples) for first, stop in in_clip]
    asked = {
        "features of recordings": len(ranges),
        "detect, by frames": len(ranges),
        "detect, by windows": len(set(of_clips)),
        "detect, by both": len({*ranges, *of_clips}),
    }

    def by_both() -> None:
        with runtimes.HEARD.meanwhile():
            presence_scoring.score(path, by_frames, recipe, DETECTIONS, 1)
            scoring.score(path, by_windows, ridge, DETECTIONS, 1)

    ways: dict[str, Callable[[], object]] = {
        "features of recordings": lambda: list(extraction.of_recording(path, [(0.0, seconds)], rate_hz, features)),
        "detect, by frames": lambda: presence_scoring.score(path, by_frames, recipe, DETECTIONS, 1),
        "detect, by windows": lambda: scoring.score(path, by_windows, ridge, DETECTIONS, 1),
        "detect, by both": by_both,
    }

    def bare() -> None:
        for first, stop in ranges:
            run(y[first:stop])

    for action in (bare, *ways.values()):
        action()  # what is opened or compiled at the first call
    shares: dict[str, list[float]] = {name: [] for name in ways}
    a_run_s = []
    for _ in range(rounds):
        a_run_s.append(cpu_s(bare) / len(ranges))
        for name, action in ways.items():
            shares[name].append(asked[name] * a_run_s[-1] / cpu_s(action))
    print(f"{features['model']}: {1000 * statistics.median(a_run_s):.1f} ms of CPU a window of {n_window} samples")
    print(f"{seconds:g} s of sound at {rate_hz} Hz, one thread, {rounds} rounds: share of the bare runtime (goal: 0.9)")
    for name, of in shares.items():
        median = statistics.median(of)
        print(f"  {name:24s} {median:.3f}  ({min(of):.3f} to {max(of):.3f}), {asked[name]} windows", flush=True)


def alike(folder: Path, params: dict) -> None:
    """Print in how many ways scores of the same sound differ."""
    paths = [folder / "one.wav", folder / "other.wav"]
    for number, path in enumerate(paths):
        write_sound(path, 6.0 + 2.3 * number, params["features"]["sample_rate_hz"], number)
    for kind, (model, recipe), by in (
        ("frames", of_frames(params), presence_scoring),
        ("windows", of_windows(params), scoring),
    ):
        made: dict[Path, list[np.ndarray]] = {path: [] for path in paths}
        for size in BATCHES:
            for threads in THREADS:
                for order in (paths, paths[::-1]):
                    for path in order:
                        block = {**DETECTIONS, "batch_size": size}
                        made[path].append(by.score(path, model, recipe, block, threads).scores)
        differ = [float(np.abs(scores - of[0]).max()) for of in made.values() for scores in of]
        n_wrong = sum(value > 0 for value in differ)
        print(
            f"{kind}: {len(differ)} ways to score, of which {n_wrong} differ, by {max(differ):.2g} at most (goal: none)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", type=Path, default=ROOT / "presets/birdnet.yaml", help="whose model it is")
    parser.add_argument("--model", help="the model file, if it lies elsewhere than the preset says")
    parser.add_argument("--seconds", type=float, default=60, help="of sound")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    params = params_file.load(args.preset)
    params["features"]["model"] = args.model or params["features"]["model"]
    device.prepare(0, 1)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "sound.flac"
        write_sound(path, args.seconds, params["features"]["sample_rate_hz"])
        speed(path, params, args.seconds, args.rounds)
        alike(Path(temporary), params)


if __name__ == "__main__":
    main()
