"""Make models/: the trained network with its class list, and the history of its training."""

import argparse
import hashlib
import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from dawnchorus import networks
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import sha256_of
from dawnchorus.foundation.seeds import derived_seed, rng
from dawnchorus.learning import device, fresh_clips, model_file, pooled
from dawnchorus.tables.users import read_made, write_rows

HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
CLIP_COLUMNS = ("n_frames", "first_start", "last_start")
PACKAGES = ("keras", "librosa", "numpy", "soundfile", "tensorflow")


def say(text: str) -> None:
    print(f"model: {text}", flush=True)


def clips_to_draw(folder: Path, statistics: dict, params: dict) -> fresh_clips.FreshClips | None:
    """Return what draws the training clips anew in each epoch; None where params ask for none of that."""
    if not fresh_clips.wanted(statistics, params):
        return None
    table = read_made(folder / "training_rows.csv", CLIP_COLUMNS)
    context = read_made(folder / "context_rows.csv", ("partition", "n_frames"))
    heard = [place for place, row in enumerate(context) if row.cells["partition"] == "train"]
    if params["background_share"] and not heard:
        say("no clip without an annotation in the training recordings, so no background is laid under")
    return fresh_clips.FreshClips(
        np.load(folder / "training.npy", mmap_mode="r", allow_pickle=False),
        np.array([[int(row.cells[column]) for column in CLIP_COLUMNS] for row in table]),
        np.load(folder / "context.npy", mmap_mode="r", allow_pickle=False),
        np.array([(place, int(context[place].cells["n_frames"])) for place in heard], dtype=int).reshape(-1, 2),
        statistics,
        params,
    )


def negatives_of(folder: Path, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the clips that were checked not to hold a species, which of them train, and the class of each of these."""
    rows = read_made(folder / "negative_rows.csv", ("class_index", "partition"))
    known = [place for place, row in enumerate(rows) if row.cells["partition"] == "train"]
    if not known or share == 0:
        return None
    say(f"{len(known)} clips that were checked not to hold a species, {share:g} of them with each training clip")
    classes = np.array([int(rows[place].cells["class_index"]) for place in known])
    return np.load(folder / "negatives.npy", mmap_mode="r", allow_pickle=False), np.array(known), classes


def key_of(params: dict, folder: Path) -> str:
    """Name by content what is trained and with what code, so that a checkpoint of anything else is not gone on with."""
    sources = sorted(Path(device.__file__).parent.glob("**/*.py"))
    contents = [
        sha256_of(path) for path in [*sources, folder / "x.npy", folder / "rows.csv", folder / "statistics.json"]
    ]
    return hashlib.sha256(json.dumps([params, version("keras"), contents], sort_keys=True).encode()).hexdigest()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder of x.npy and its tables")
    parser.add_argument("--params", type=json.loads, required=True, help="seed, model and train, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="threads of the CPU")
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    args = parser.parse_args(argv)
    params = args.params

    network = networks.get(params["model"]["name"])
    table = read_made(args.dataset / "rows.csv", ("class_index", "partition"))
    classes = read_made(args.dataset / "classes.csv", ("class_index", "species_id", "species_name"))
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
        from dawnchorus.learning import training

        say(used)
        draw = clips_to_draw(args.dataset, statistics, params["train"])
        mixed = params["train"]["mixed_precision"] and used.startswith("GPU")
        with device.mixed_precision(mixed):
            model = network.build(x.shape[1:], len(classes), params["model"])
            history = training.fit(
                model,
                x,
                y,
                train,
                validation,
                params["train"],
                derived_seed(params["seed"], "batches"),
                say,
                draw.draw if draw else None,
                (args.output / "checkpoint.npz", key_of(params, args.dataset)),
                negatives_of(args.dataset, params["train"]["negative_share"]),
            )
        # What is saved is the network alone, without its optimizer, in single precision: any Keras loads it.
        weights, model = model.get_weights(), network.build(x.shape[1:], len(classes), params["model"])
        model.set_weights(weights)
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
