"""Baselines of detection: energy in the band of each species, and events that know how often and how long it calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dawnchorus.detection import events
from dawnchorus.detection.measured import CRITERIA, HIT, Answer, Truth, counting
from dawnchorus.foundation.seeds import rng
from dawnchorus.metrics import events as event_metrics

if TYPE_CHECKING:
    import pandas as pd

    from dawnchorus.detection.score_store import Entry

NAMES = {"energy": "energy in the species' band", "chance": "chance"}
# Ratios to the median power (dB) that are tried as thresholds on the validation recordings.
RATIOS_DB = tuple(range(2, 32, 2))
# Syllables of a call are closer than this.
GAP_S = 0.3


def answers(
    truth: Mapping[str, Sequence[Truth]],
    energy: Mapping[str, Entry],
    held_out: Sequence[dict],
    rows: pd.DataFrame,
    n_classes: int,
    seed: int,
) -> dict[str, list[Answer]]:
    """Return what each baseline says of the test recordings.

    ``truth``: of the scored recordings by partition; ``energy``: scores of these; ``held_out``: recording_id and
    partition of all; ``rows``: the annotations of all.
    """
    validation = truth["validation"] or truth["train"]
    thresholds = fitted(validation, [energy[of.recording_id] for of in validation], n_classes)
    of_energy = [of_scores(energy[of.recording_id], thresholds) for of in truth["test"]]
    in_training = {row["recording_id"] for row in held_out if row["partition"] == "train"}
    known = rows[rows["recording_id"].isin(in_training)]
    # Calls a recording: recordings are taken to be alike in length.
    lengths_s = [(known["t_max_s"] - known["t_min_s"])[known["class_index"] == c].to_numpy() for c in range(n_classes)]
    draws = rng(seed, "detections by chance")
    by_chance = [at_random(of, lengths_s, max(1, len(in_training)), draws) for of in truth["test"]]
    return {NAMES["energy"]: of_energy, NAMES["chance"]: by_chance}


def score_of(ratio_db: float) -> float:
    """Return the score of a ratio of power to its median, as :mod:`dawnchorus.detection.energy` keeps it."""
    ratio = 10 ** (ratio_db / 10)
    return ratio / (1 + ratio)


def of_scores(entry: Entry, thresholds: np.ndarray) -> Answer:
    """Return the events of scores over time at a threshold a class."""
    found = events.events(entry.scores, entry.starts_s, entry.window_s, entry.duration_s, thresholds, GAP_S)
    return Answer(
        np.array([(event["start_s"], event["end_s"]) for event in found], float).reshape(-1, 2),
        np.array([event["class_index"] for event in found], int),
        np.array([event["peak_score"] for event in found], float),
        entry.scores,
        entry.starts_s,
        entry.window_s,
    )


def fitted(truth: Sequence[Truth], entries: Sequence[Entry], n_classes: int) -> np.ndarray:
    """Return the threshold of each class with the highest F1 in the validation recordings, of equals the highest.

    A class that does not call there has the median of the others; with none the middle of what is tried.
    """
    scores, f1 = np.array([score_of(ratio) for ratio in RATIOS_DB]), np.zeros((len(RATIOS_DB), n_classes))
    for number, threshold in enumerate(scores):
        counts = np.zeros((n_classes, 3))
        for of, entry in zip(truth, entries, strict=True):
            answer = of_scores(entry, np.full(n_classes, threshold))
            detected = np.bincount(answer.class_index[counting(of, answer)], minlength=n_classes)
            for index in range(n_classes):
                true_s, found_s = of.of_class(index), answer.of_class(index)
                n_hits = len(event_metrics.matched(true_s, found_s, CRITERIA[HIT]).true)
                counts[index] += n_hits, detected[index], len(true_s)
        f1[number] = np.where(counts[:, 2] > 0, event_metrics.rates(*counts.T).f1, np.nan)
    calls = ~np.isnan(f1).any(axis=0)
    best = len(scores) - 1 - np.argmax(np.nan_to_num(f1)[::-1], axis=0)
    pooled = int(np.median(best[calls])) if calls.any() else len(scores) // 2
    return scores[np.where(calls, best, pooled)]


def at_random(truth: Truth, lengths_s: Sequence[np.ndarray], n_recordings: int, draws: np.random.Generator) -> Answer:
    """Return events at random times: of each class about as many as a training recording has, and as long.

    ``lengths_s``: of the training events of each class, in ``n_recordings`` recordings.
    """
    times_s, class_index = [np.empty((0, 2))], [np.empty(0, int)]
    for index, known in enumerate(lengths_s):
        n = int(draws.poisson(len(known) / n_recordings)) if len(known) else 0
        length_s = draws.choice(known, n) if n else np.empty(0)
        start_s = draws.uniform(0, np.maximum(truth.duration_s - length_s, 0.0))
        times_s.append(np.stack([start_s, start_s + length_s], axis=1))
        class_index.append(np.full(n, index))
    made = np.concatenate(times_s)
    return Answer(
        made, np.concatenate(class_index), np.ones(len(made)), np.empty((0, len(lengths_s))), np.empty(0), 1.0
    )
