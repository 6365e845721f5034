"""What an epoch costs through the pipeline, beside a bare `model.fit` on the same arrays in memory.

The default network on clips of 5 s (the preset rfcx), one model, epochs of each kind in turn so that whatever else the
machine does falls on all. The pipeline reads from a memory-mapped file. `as they are`: the clips of x.npy, shuffled;
`augmented`: all that the recipe asks for, windows drawn anew over other backgrounds among it.

An epoch is of as many clips of the set, others each time, so that sets of any size (`--clips`) can be compared: in
time, and in the memory that the process has for itself, without what it has mapped. A clip takes 88 KB of the disk.
"""

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from dawnchorus import networks
from dawnchorus.learning import assembly, dataset, device, fresh_clips
from dawnchorus.parameters import train

ROOT = Path(__file__).parents[1]
AN_EPOCH, N_CLASSES, FRAMES, MARGIN = 352, 24, 157, 31


def write_clips(folder: Path, n_clips: int, n_bands: int, statistics_: dict) -> None:
    """Write clips as rule `dataset` does, one in memory at a time: raw.npy, with margins, and x.npy, normalized."""
    rng = np.random.default_rng(0)
    with (
        assembly.array_for_whole(folder / "raw.npy", (n_clips, FRAMES + MARGIN, n_bands)) as put_raw,
        assembly.array_for_whole(folder / "x.npy", (n_clips, FRAMES, n_bands)) as put,
    ):
        for number in range(n_clips):
            clip = rng.normal(-50, 10, (FRAMES + MARGIN, n_bands)).astype(np.float32)
            put_raw(number, clip)
            put(number, dataset.normalized(clip[:FRAMES], statistics_)[0])


def own_mib() -> float:
    """Return the memory that this process has for itself now, in MiB: files that it has mapped are not in it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=7, help="epochs of each kind that count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clips", type=int, default=AN_EPOCH, help="how many the set has, at least those of an epoch")
    parser.add_argument("--folder", type=Path, help="where to write the set (default: the folder for temporary files)")
    args = parser.parse_args()
    params = yaml.safe_load((ROOT / "presets/rfcx.yaml").read_text())
    print(device.prepare(0, args.threads))

    import keras

    from dawnchorus.learning import training

    rng = np.random.default_rng(0)
    n_bands = params["features"]["n_mels"]
    features = {**params["features"], "clip": "window"}
    statistics_ = dataset.fit_statistics([], {**params["dataset"], "frames": FRAMES, "features": features})
    y = np.eye(N_CLASSES, dtype=np.float32)[rng.integers(N_CLASSES, size=args.clips)]
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        write_clips(Path(folder), args.clips, n_bands, statistics_)
        mapped, training_clips = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in ("x", "raw"))
        table = np.tile([FRAMES, 0, MARGIN], (args.clips, 1))
        usable = np.array([(number, FRAMES) for number in range(100)])
        fresh = fresh_clips.FreshClips(training_clips, table, training_clips, usable, statistics_, params["train"])
        size, plain = params["train"]["batch_size"], {**train.plain(), "batch_size": params["train"]["batch_size"]}

        def as_they_are(rows: np.ndarray) -> tuple:
            return training.Batches(mapped, y, rows, size, plain), None, {}

        def augmented(rows: np.ndarray) -> tuple:
            def draw(place: int, rng: np.random.Generator) -> np.ndarray:
                return fresh.draw(rows[place], rng)

            return training.Batches(mapped, y, rows, size, params["train"], 0, draw), None, {}

        kinds = {
            "bare model.fit": lambda rows: (np.array(mapped[rows]), y[rows], {"batch_size": size, "shuffle": True}),
            "pipeline, clips as they are": as_they_are,
            "pipeline, augmented": augmented,
        }
        model = networks.get(params["model"]["name"]).build((FRAMES, n_bands), N_CLASSES, params["model"])
        model.compile(optimizer=keras.optimizers.AdamW(), loss="categorical_crossentropy", metrics=["accuracy"])
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        for epoch in range(args.epochs + 1):
            rows = rng.choice(args.clips, AN_EPOCH, replace=False)
            for kind, of in kinds.items():
                x, targets, options = of(rows)
                started = time.perf_counter()
                model.fit(x, targets, epochs=1, verbose=0, **options)
                if epoch:  # the first one traces the graph
                    seconds[kind].append(time.perf_counter() - started)
    bare = seconds["bare model.fit"]
    clips = f"{AN_EPOCH} of {args.clips} clips of {FRAMES} frames of {n_bands} bands"
    print(f"an epoch of {clips}, {args.threads} threads; {args.epochs} of each; {own_mib():.0f} MiB at the end")
    for kind, taken in seconds.items():
        ratios = [one / base for one, base in zip(taken, bare, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{kind:30} {statistics.median(taken):6.2f} s   {statistics.median(ratios):5.2f} times bare ({spread})")


if __name__ == "__main__":
    main()
