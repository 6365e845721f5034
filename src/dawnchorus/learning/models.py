"""Train what ``model.name`` names, a Keras network or a classifier on pooled statistics."""

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from dawnchorus import networks
from dawnchorus.foundation import libraries
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.seeds import derived_seed, rng
from dawnchorus.learning import dataset, device, fresh_clips, pooled
from dawnchorus.learning.dataset import Dataset
from dawnchorus.tables.definitions import HISTORY


def train(
    data: Dataset, params: dict, threads: int, say: Callable[[str], None], checkpoint: tuple[Path, str] | None = None
) -> tuple:
    """Return the trained model, its history (see :data:`dawnchorus.tables.definitions.HISTORY`) and its card.

    ``params``: the root seed and the blocks ``model`` and ``train``. ``checkpoint``: see
    :func:`dawnchorus.learning.training.fit`; only networks use it. The card says what the model was trained with. A
    data set without training rows raises :class:`InputError`.
    """
    network, n_train = networks.get(params["model"]["name"]), len(data.rows_of("train"))
    if n_train == 0:
        raise InputError("rows.csv: no row of partition train; expected rows to train on")
    _, frames, n_features = data.x.shape
    say(f"{params['model']['name']} on {n_train} clips of {frames} frames of {n_features} features")
    started = time.monotonic()
    fit = _fit_network if hasattr(network, "build") else _fit_pooled
    model, history, used = fit(network, data, params, threads, say, checkpoint)
    card = {
        **params,
        "classes": data.classes.to_dict("records"),
        "dataset": data.statistics,
        "input_shape": [frames, n_features],
        "device": used,
        "epochs_trained": len(history),
        "training_time_s": round(time.monotonic() - started, 1),
        "versions": libraries.versions(),
    }
    say(f"{len(history)} epochs in {card['training_time_s']} s")
    return model, [{name: row.get(name) for name in HISTORY.names} for row in history], card


def _fit_network(
    network: ModuleType,
    data: Dataset,
    params: dict,
    threads: int,
    say: Callable[[str], None],
    checkpoint: tuple[Path, str] | None,
) -> tuple:
    used = device.prepare(derived_seed(params["seed"], "model"), threads)
    from dawnchorus.learning import training

    say(used)
    shape, n_classes, block = data.x.shape[1:], len(data.classes), params["train"]
    clips = _clips_of_epochs(data, block, say)
    with device.mixed_precision(block["mixed_precision"] and device.is_gpu(used)):
        model = network.build(shape, n_classes, params["model"])
        say(f"{model.count_params():,} weights")
        history = training.fit(
            model,
            data.x,
            data.class_index,
            data.rows_of("train"),
            data.rows_of("validation"),
            block,
            derived_seed(params["seed"], "batches"),
            say,
            clips.draw if clips else None,
            checkpoint,
            _negatives(data, block["negative_share"], say),
            device.drawing_threads(used, threads),
        )
    # What is saved is the network alone, without its optimizer, in single precision: any Keras loads it.
    weights, model = model.get_weights(), network.build(shape, n_classes, params["model"])
    model.set_weights(weights)
    return model, history, used


def _fit_pooled(
    network: ModuleType,
    data: Dataset,
    params: dict,
    threads: int,
    say: Callable[[str], None],
    checkpoint: tuple[Path, str] | None,
) -> tuple:
    if len(data.classes) < 2:
        raise InputError(
            f"model.name: {params['model']['name']}: expected a network of Keras, because there is one class alone: "
            f"{data.classes['species_id'].iloc[0]!r}"
        )
    parts = data.rows_of("train"), data.rows_of("validation")
    draws = rng(params["seed"], "pooled")
    background = _background(data, say) if getattr(network, "takes_background", False) else None
    model, history = pooled.fit(
        network, data.x, data.class_index, *parts, len(data.classes), params, draws, say, background
    )
    return model, history, "CPU (no network: pooled statistics)"


def _background(data: Dataset, say: Callable[[str], None]) -> np.ndarray | None:
    """Return the clips of training recordings that hold no annotation, as those of ``data.x``; None without any."""
    of_train = data.context_rows[data.context_rows["partition"] == "train"]
    if of_train.empty:
        return None
    say(f"{len(of_train)} clips of training recordings without an annotation, as sound of no class")
    return np.stack(
        [
            dataset.normalized(np.asarray(data.context[row, :n_frames]), data.statistics)[0]
            for row, n_frames in of_train[["row", "n_frames"]].to_numpy()
        ]
    )


def _clips_of_epochs(data: Dataset, block: dict, say: Callable[[str], None]) -> fresh_clips.FreshClips | None:
    """Return what draws new training clips in each epoch; None where ``block``, ``train``, asks for none."""
    if not fresh_clips.wanted(data.statistics, block):
        return None
    of_train = data.context_rows[data.context_rows["partition"] == "train"]
    if block["background_share"] and of_train.empty:
        say("the training recordings have no clip without an annotation, so clips are trained on without backgrounds")
    table = data.training_rows[["n_frames", "first_start", "last_start"]].to_numpy()
    usable = of_train[["row", "n_frames"]].to_numpy()
    return fresh_clips.FreshClips(data.training, table, data.context, usable, data.statistics, block)


def _negatives(data: Dataset, share: float, say: Callable[[str], None]) -> tuple | None:
    """Return the clips that were checked and lack a species, which of them train, and the class that each lacks."""
    of_train = data.negative_rows[data.negative_rows["partition"] == "train"]
    if of_train.empty or share == 0:
        return None
    say(f"{len(of_train)} clips that were checked and lack a species, {share:g} of them for each training clip")
    return data.negatives, of_train["row"].to_numpy(), of_train["class_index"].to_numpy()
