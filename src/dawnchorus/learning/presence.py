"""A presence network from the frames of whole recordings and what is annotated in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawnchorus.foundation import libraries
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.seeds import derived_seed
from dawnchorus.learning import device, presence_network, presence_targets, pseudo_labels, stretches
from dawnchorus.partitioning import held_back
from dawnchorus.tables.definitions import PRESENCE_HISTORY

if TYPE_CHECKING:
    import keras
    import pandas as pd

# The validation loss is taken over so many stretches, spread evenly over the validation recordings.
VALIDATION_STRETCHES = 64
NONE = "none"
# What an annotation of another partition is in a recording that trains: nothing that may be learned.
Span = tuple[float, float, int]


def wanted(params: Mapping[str, Any]) -> bool:
    """Say whether the block ``presence`` asks for a network."""
    return params.get("network", NONE) != NONE


def soundings(
    frames_of: Callable[[str], np.ndarray],
    recordings: Iterable[dict],
    rows: pd.DataFrame,
    partitions: Sequence[str],
    unknown: Sequence[dict],
    absent: Sequence[dict],
    classes: Sequence[str],
    params: dict,
    part: tuple[float, float] = held_back.WHOLE,
    parted: Collection[str] = (),
) -> list[stretches.Sounding]:
    """Return the recordings of some partitions with their targets.

    Args:
        frames_of: gives the frames of features of a recording by its id, (n_frames, bands) in dB.
        recordings: recording_id and partition of each, and whether it is ``reviewed`` (or not said): of such a one
            nothing is known but some spans, and what is far from them is left out.
        rows: recording_id, class_index, partition, t_min_s, t_max_s of every annotation. In a recording that several
            partitions share, those of other partitions are unknown: so is what overlaps them.
        unknown: recording_id, t_min_s, t_max_s, species_id (empty: every one) of sound of unknown content.
        absent: recording_id, species_id, t_min_s, t_max_s of boxes that were checked not to hold their species.
        classes: the species ids, in class order.
        params: the blocks ``presence``, ``features`` and ``data``.
        part: from which share of its time to which a recording of ``parted`` is taken; the others are taken whole.
    """
    pool, frame_s = params["presence"]["pool_frames"], stretches.hop_s(params["features"])
    n_around = stretches.n_frames_of(params["presence"], params["features"])[0] // pool
    index = {species_id: number for number, species_id in enumerate(classes)}
    of_recording = dict(list(rows.groupby("recording_id", sort=False)))
    unknown_of, absent_of = _by_recording(unknown, index), _by_recording(absent, index)
    found = []
    for row in recordings:
        name = row["recording_id"]
        of = of_recording.get(name, rows.iloc[:0])
        own = of["partition"].isin(partitions)
        if row["partition"] not in partitions and not own.any():
            continue
        frames = frames_of(name)
        n = len(frames) // pool
        if n == 0:
            continue
        foreign: list[Span] = [(t_min, t_max, presence_targets.EVERY) for t_min, t_max in _times(of[~own])]
        made = presence_targets.targets(
            _times(of[own]),
            of[own]["class_index"].to_numpy(int),
            [*unknown_of.get(name, []), *foreign],
            n,
            frame_s,
            pool,
            len(classes),
            params["data"]["annotated"] == "all",
        )
        presence_targets.absent(absent_of.get(name, []), made, frame_s, pool)
        closed = None if own.all() else presence_targets.touched(_times(of[~own]), n, frame_s, pool)
        sounding = stretches.Sounding(frames[: n * pool], made, closed)
        if name in parted:
            start, stop = (round(share * n) for share in part)
            if start == stop:
                continue
            sounding = stretches.between(sounding, start, stop, pool)
        found += stretches.around_known(sounding, n_around, pool) if row.get("reviewed") else [sounding]
    return found


def _times(rows: pd.DataFrame) -> np.ndarray:
    return rows[["t_min_s", "t_max_s"]].to_numpy(float)


def _by_recording(spans: Sequence[dict], index: Mapping[str, int]) -> dict[str, list[Span]]:
    """Return (start, end, class) of spans by recording; one of a species that is no class says nothing."""
    found: dict[str, list[Span]] = {}
    for row in spans:
        species_id = row["species_id"]
        if not species_id or species_id in index:
            number = index[species_id] if species_id else presence_targets.EVERY
            found.setdefault(row["recording_id"], []).append((row["t_min_s"], row["t_max_s"], number))
    return found


def validation_stretches(
    recordings: Sequence[stretches.Sounding], n_frames: int, params: dict
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return stretches spread evenly over recordings, as the network is given them, and their targets; None of none."""
    pool = params["pool_frames"]
    places = [
        (of, first) for of in recordings for first in range(0, max(1, len(of.targets) * pool - n_frames + 1), n_frames)
    ]
    if not places:
        return None
    n = min(len(places), VALIDATION_STRETCHES)
    pairs = [stretches.cut(*places[position * len(places) // n], n_frames, pool) for position in range(n)]
    frames = np.stack([frames for frames, _ in pairs])
    return stretches.given(frames, params), np.stack([made for _, made in pairs])


def train(
    of_training: Sequence[stretches.Sounding],
    of_validation: Sequence[stretches.Sounding],
    classes: Sequence[dict],
    params: dict,
    threads: int,
    say: Callable[[str], None],
    checkpoint: tuple[Path, str] | None = None,
    kept: Path | None = None,
) -> tuple[keras.Model, list[dict], dict]:
    """Return the trained network, its history (:data:`dawnchorus.tables.definitions.PRESENCE_HISTORY`) and its card.

    ``params``: the root seed and the blocks ``presence`` and ``features``; ``classes``: rows of classes.csv;
    ``checkpoint``: where a training that is killed finds what it did, and the key of that, which does not name the
    number of rounds; ``kept``: where all trainings are kept under this key, so that a round more is one training more.
    Without a training recording, or with none of which anything is known, raises :class:`InputError`.

    After each round but the last the network's scores become targets of what is unknown, see
    :mod:`dawnchorus.learning.pseudo_labels`, and another network is trained from the start; its epochs count on.
    """
    if not any((of.targets != presence_targets.UNKNOWN).any() for of in of_training):
        raise InputError("rows.csv: no recording of partition train of which anything is known; expected some to learn")
    if not any((of.targets == 0).any() for of in of_training):
        raise InputError(
            "params.yaml: data.annotated: boxes: no species is known to be absent anywhere, so nothing can be learned "
            "of where calls are not; expected data.false_positives, data.annotated_spans or data.annotated: all (or "
            "presence.network: none)"
        )
    block, started = params["presence"], time.monotonic()
    n_frames, margin = stretches.n_frames_of(block, params["features"])
    shape = (n_frames, of_training[0].frames.shape[1])
    used = device.prepare(derived_seed(params["seed"], "presence"), threads)
    import keras

    from dawnchorus.learning import presence_training

    say(used)
    minutes = sum(len(of.frames) for of in of_training) * stretches.hop_s(params["features"]) / 60
    say(f"{len(of_training)} recordings, {minutes:.1f} minutes; stretches of {n_frames} frames of {shape[1]} values")
    validation = validation_stretches(of_validation, n_frames, block)
    n_rounds = _n_rounds(of_training, block, say)
    done: list[pseudo_labels.Training] = []
    of_rounds = (checkpoint[0].with_stem(f"{checkpoint[0].stem}_round"), checkpoint[1]) if checkpoint else None
    if of_rounds and checkpoint:
        before = [pseudo_labels.restored(path, checkpoint[1]) for path in (of_rounds[0], kept) if path]
        done = max(before, key=len)[: n_rounds + 1]
        if done:
            say(f"{len(done)} of {n_rounds + 1} trainings are kept from before")
    for number in range(len(done), n_rounds + 1):
        targets, name, saved = of_training, "", checkpoint
        if number:
            teacher = presence_network.build(shape, len(classes), block)
            teacher.set_weights(done[-1].weights)
            say(f"round {number} of {n_rounds}: what is unknown is what the network before says of it")
            targets = pseudo_labels.labelled(of_training, teacher, n_frames, margin, block)
            name = f", round {number}"
            saved = checkpoint and (checkpoint[0], checkpoint[1] + name)
            keras.utils.set_random_seed(derived_seed(params["seed"], f"presence{name}"))
        drawn = stretches.Stretches(targets, n_frames, block, derived_seed(params["seed"], f"stretches{name}"))
        with device.mixed_precision(block["mixed_precision"] and device.is_gpu(used)):
            model = presence_network.build(shape, len(classes), block)
            say(f"{model.count_params():,} weights")
            rows = presence_training.fit(
                model,
                drawn,
                validation,
                block,
                say,
                saved,
                device.drawing_threads(used, threads),
                (number, n_rounds + 1),
            )
        done.append(pseudo_labels.Training(rows, model.get_weights()))
        if of_rounds and number < n_rounds:
            pseudo_labels.save(*of_rounds, done)
    if kept and checkpoint:
        pseudo_labels.save(kept, checkpoint[1], done)
    if of_rounds:
        of_rounds[0].unlink(missing_ok=True)
    rows = [row for training in done for row in training.history]
    history = [{**row, "epoch": number} for number, row in enumerate(rows, 1)]
    # What is saved is the network alone, without its optimizer, in single precision: any Keras loads it.
    model = presence_network.build(shape, len(classes), block)
    model.set_weights(done[-1].weights)
    card = {
        **params,
        "classes": list(classes),
        "input_shape": list(shape),
        "device": used,
        "epochs_trained": len(history),
        "training_time_s": round(time.monotonic() - started, 1),
        "versions": libraries.versions(),
    }
    say(f"{len(history)} epochs in {card['training_time_s']} s")
    return model, [{name: row.get(name) for name in PRESENCE_HISTORY.names} for row in history], card


def _n_rounds(recordings: Sequence[stretches.Sounding], params: dict, say: Callable[[str], None]) -> int:
    """Return how many rounds of pseudo-labels there are: none where nothing is unknown."""
    wanted = params["pseudo_label_rounds"]
    if not wanted:
        return 0
    share = np.average(
        [pseudo_labels.open_frames(of).mean() for of in recordings], weights=[of.targets.size for of in recordings]
    )
    if not share:
        say("of the training recordings nothing is unknown: there is nothing for pseudo-labels to say")
        return 0
    say(f"{100 * share:.1f} % of all frames and species are unknown: {wanted} rounds of pseudo-labels")
    return wanted
