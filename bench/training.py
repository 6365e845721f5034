"""What an epoch costs through the pipeline, beside a bare `model.fit` on the same arrays in memory.

The default network on clips of 5 s (the preset rfcx), one model, epochs of each kind in turn so that whatever else the
machine does falls on all. The pipeline reads from a memory-mapped file. `as they are`: the clips of x.npy, shuffled;
`augmented`: all that the recipe asks for, windows drawn anew over other backgrounds among it.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from dawnchorus import networks
from dawnchorus.learning import dataset, device, fresh_clips
from dawnchorus.parameters import train

ROOT = Path(__file__).parents[1]
N_CLIPS, N_CLASSES, FRAMES, MARGIN = 352, 24, 157, 31


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=7, help="epochs of each kind that count")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    params = yaml.safe_load((ROOT / "presets/rfcx.yaml").read_text())
    print(device.prepare(0, args.threads))

    import keras

    from dawnchorus.learning import training

    rng = np.random.default_rng(0)
    n_bands = params["features"]["n_mels"]
    features = {**params["features"], "clip": "window"}
    statistics_ = dataset.fit_statistics([], {**params["dataset"], "frames": FRAMES, "features": features})
    raw = rng.normal(-50, 10, (N_CLIPS, FRAMES + MARGIN, n_bands)).astype(np.float32)
    y = np.eye(N_CLASSES, dtype=np.float32)[rng.integers(N_CLASSES, size=N_CLIPS)]
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/raw.npy", raw)
        np.save(f"{folder}/x.npy", np.stack([dataset.normalized(clip[:FRAMES], statistics_)[0] for clip in raw]))
        in_memory = np.load(f"{folder}/x.npy")
        mapped, training_clips = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in ("x", "raw"))
        table = np.tile([FRAMES, 0, MARGIN], (N_CLIPS, 1))
        usable = np.array([(number, FRAMES) for number in range(100)])
        draw = fresh_clips.FreshClips(training_clips, table, training_clips, usable, statistics_, params["train"]).draw
        size, rows = params["train"]["batch_size"], np.arange(N_CLIPS)
        plain = {**train.plain(), "batch_size": size}
        kinds = {
            "bare model.fit": lambda: (in_memory, y, {"batch_size": size, "shuffle": True}),
            "pipeline, clips as they are": lambda: (training.Batches(mapped, y, rows, size, plain), None, {}),
            "pipeline, augmented": lambda: (
                training.Batches(mapped, y, rows, size, params["train"], 0, draw),
                None,
                {},
            ),
        }
        model = networks.get(params["model"]["name"]).build((FRAMES, n_bands), N_CLASSES, params["model"])
        model.compile(optimizer=keras.optimizers.AdamW(), loss="categorical_crossentropy", metrics=["accuracy"])
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        for epoch in range(args.epochs + 1):
            for kind, of in kinds.items():
                x, targets, options = of()
                started = time.perf_counter()
                model.fit(x, targets, epochs=1, verbose=0, **options)
                if epoch:  # the first one traces the graph
                    seconds[kind].append(time.perf_counter() - started)
    bare = seconds["bare model.fit"]
    clips = f"{N_CLIPS} clips of {FRAMES} frames of {n_bands} bands"
    print(f"an epoch of {clips}, {args.threads} threads; {args.epochs} of each")
    for kind, taken in seconds.items():
        ratios = [one / base for one, base in zip(taken, bare, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{kind:30} {statistics.median(taken):6.2f} s   {statistics.median(ratios):5.2f} times bare ({spread})")


if __name__ == "__main__":
    main()
