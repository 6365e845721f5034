"""Make models/: the trained network with its class list, and the history of its training."""

import argparse
import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from dawnchorus import device, model_file, networks, pooled
from dawnchorus.errors import InputError, run
from dawnchorus.seeds import derived_seed, rng
from dawnchorus.tables import read_rows, write_rows

HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
PACKAGES = ("keras", "librosa", "numpy", "soundfile", "tensorflow")


def say(text: str) -> None:
    print(f"model: {text}", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder of x.npy and its tables")
    parser.add_argument("--params", type=json.loads, required=True, help="seed, model and train, as JSON")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    params = args.params

    network = networks.get(params["model"]["name"])
    _, table, _ = read_rows(args.dataset / "rows.csv", ("class_index", "partition"))
    _, classes, _ = read_rows(args.dataset / "classes.csv", ("class_index", "species_id", "species_name"))
    statistics = json.loads((args.dataset / "statistics.json").read_text(encoding="utf-8"))
    x = np.load(args.dataset / "x.npy", mmap_mode="r", allow_pickle=False)
    y = np.array([int(row.cells["class_index"]) for row in table])
    partition = np.array([row.cells["partition"] for row in table])
    train, validation = np.flatnonzero(partition == "train"), np.flatnonzero(partition == "validation")
    if len(train) == 0:
        raise InputError(f"{args.dataset / 'rows.csv'}: no row of partition train; expected rows to train on")

    say(f"{params['model']['name']} on {len(train)} clips of {x.shape[1]} frames of {x.shape[2]} features")
    started = time.monotonic()
    if hasattr(network, "build"):
        used = device.prepare(derived_seed(params["seed"], "model"), args.threads)
        from dawnchorus import training

        say(used)
        model = network.build(x.shape[1:], len(classes), params["model"])
        history = training.fit(
            model, x, y, train, validation, params["train"], derived_seed(params["seed"], "batches"), say
        )
    else:
        used = "CPU (no network: pooled statistics)"
        model, history = pooled.fit(
            network, x, y, train, validation, len(classes), params, rng(params["seed"], "pooled"), say
        )
    card = {
        **params,
        "classes": [row.cells for row in classes],
        "dataset": statistics,
        "input_shape": list(x.shape[1:]),
        "device": used,
        "epochs_trained": len(history),
        "training_time_s": round(time.monotonic() - started, 1),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
    write_rows(args.output / "history.csv", HISTORY_COLUMNS, history)
    write_rows(args.output / "classes.csv", ("class_index", "species_id", "species_name"), card["classes"])
    model_file.save(model, card, args.output / "model.keras")
    say(f"{model.count_params():,} fitted numbers, {len(history)} epochs in {card['training_time_s']} s")


if __name__ == "__main__":
    sys.exit(run(main))
