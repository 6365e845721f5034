"""What a recipe is worth with fewer labels, measured on the test clips, and what twice as many would bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dawnchorus.evaluation import curve_fit
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.seeds import rng
from dawnchorus.metrics import bootstrap, classification
from dawnchorus.partitioning import groups
from dawnchorus.tables.definitions import SCORES

ALL = "all"
# The metrics of the curve, by their names in classification.compute.
METRICS = {"accuracy": "accuracy", "average_precision": "macro_average_precision"}
# So many numbers of labels, below all of them, are the least that a curve is fitted to.
FEWEST_SIZES = 2
# Numbers of labels at which the fitted curve is given, from the fewest to twice all.
N_POINTS = 60


@dataclass(frozen=True)
class Tested:
    """The trainings with one number of labels, on the same test clips: ``scores``, (clips, classes) of each.

    ``name``: how many labels of each class, or :data:`ALL`; ``labels``: how many that are in the mean of the classes;
    ``clips``: training clips; ``seeds``: of the trainings.
    """

    name: str
    labels: float
    clips: int
    seeds: Sequence[int]
    scores: Sequence[np.ndarray]


@dataclass(frozen=True)
class Curve:
    """``sizes``: a row a number of labels, of curve.csv; ``draws``: a row a training; ``fit``: content of fit.json."""

    sizes: list[dict]
    draws: list[dict]
    fit: dict


def labels_of(rows: pd.DataFrame, most: int | None) -> tuple[float, int]:
    """Return how many labels the classes have in the mean, and all of them, where each gives ``most`` (None: all).

    ``rows``: rows.csv. A class without training clips counts too: the recipe is asked for it all the same.
    """
    counts = rows[rows["partition"] == "train"].groupby("class_index").size()
    taken = int((counts if most is None else counts.clip(upper=most)).sum())
    return taken / rows["class_index"].nunique(), taken


def tested(
    rows: pd.DataFrame,
    of_draws: Mapping[int, Sequence[tuple[int, pd.DataFrame]]],
    of_all: tuple[int, pd.DataFrame],
) -> tuple[pd.DataFrame, list[Tested]]:
    """Return the rows of the test clips, and what was tested, all labels last.

    Args:
        rows: rows.csv.
        of_draws: by the number of labels, in rising order: seed and predictions.csv of each training.
        of_all: seed and predictions.csv of the run.

    Without test clips, or with one class, there is nothing to measure: :class:`InputError`.
    """
    test = rows[rows["partition"] == "test"].reset_index(drop=True)
    if test.empty:
        raise InputError("rows.csv: no row of partition test; expected test clips, on which the curve is measured")
    if rows["class_index"].nunique() < 2:
        raise InputError("rows.csv: one class alone; expected two or more, since of one nothing can be mistaken")
    found = []
    for labels, trained in [*of_draws.items(), (None, [of_all])]:
        seeds, tables = zip(*trained, strict=True)
        scores = [_scores(test, table) for table in tables]
        found.append(Tested(ALL if labels is None else str(labels), *labels_of(rows, labels), seeds, scores))
    return test, found


def _scores(test: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    if table["annotation_id"].to_list() != test["annotation_id"].to_list():
        raise InputError("predictions.csv: expected the test clips of rows.csv, in the same order; run again")
    columns = [name for name in table.columns if name.startswith(SCORES)]
    return table[columns].to_numpy(dtype=np.float32)


def of_trainings(test: pd.DataFrame, found: Sequence[Tested], n_draws: int, seed: int, model: str) -> Curve:
    """Return the curve: measured with 95 % intervals over draws and groups, fitted, and continued to twice the labels.

    Args:
        test: the rows of the test clips.
        found: see :func:`tested`; all labels last.
        n_draws: bootstrap draws of the groups.
        model: what the recipe is called.
    """
    truth = test["class_index"].to_numpy()
    recordings = test["recording_id"].to_list()
    of_row = np.array(groups.resampled(test["group"].to_list(), recordings), dtype=str)
    weights, n_groups = bootstrap.draws(of_row, n_draws, rng(seed, "bootstrap")), len(np.unique(of_row))
    picks = rng(seed, "draws of labels, drawn again")
    sizes: list[dict] = []
    draws: list[dict] = []
    for of in found:
        plain = [classification.compute(truth, scores, np.ones((1, len(truth))), 1) for scores in of.scores]
        drawn = None if weights is None else [classification.compute(truth, scores, weights, 1) for scores in of.scores]
        row = {"labels": of.name, "labels_per_class": of.labels, "clips": of.clips, "trainings": len(of.seeds)}
        values: dict[str, list[float | None]] = {}
        for name, key in METRICS.items():
            measured = np.array([each[key][0] for each in plain])
            values[name] = [_known(value) for value in measured]
            mean = _known(measured.mean())
            resampled = None if drawn is None else _drawn_again(np.array([each[key] for each in drawn]), picks)
            low, high = bootstrap.interval(resampled, mean, n_groups)
            spread = _known(measured.std(ddof=1)) if len(of.seeds) > 1 else None
            row |= {name: mean, f"{name}_low": low, f"{name}_high": high, f"{name}_draw_sd": spread}
        sizes.append(row)
        for seed_of, *both in zip(of.seeds, *values.values(), strict=True):
            draws.append({"labels": of.name, "seed": seed_of, **dict(zip(values, both, strict=True))})
    n_classes = found[-1].scores[0].shape[1]
    chances = {"accuracy": 1 / n_classes, "average_precision": chance_average_precision(truth)}
    fit = {
        "model": model,
        "clips": len(test),
        "groups": n_groups,
        "units": groups.units_of(of_row.tolist(), recordings),
        "labels_per_class": found[-1].labels,
        **{name: _fitted(name, sizes, draws, chances[name], len(test), seed) for name in METRICS},
    }
    return Curve(sizes, draws, fit)


def _known(value: float) -> float | None:
    """Return a metric; None where it is not defined, which it is then of every training."""
    return None if np.isnan(value) else float(value)


def _drawn_again(values: np.ndarray, picks: np.random.Generator) -> np.ndarray:
    """Return the mean over trainings in each draw of groups, the trainings drawn again too.

    ``values``: (trainings, draws of groups). So few trainings, drawn from themselves, vary less than they do, by
    n - 1 over n: that is made good.
    """
    n, n_draws = values.shape
    mean = values.mean(axis=0)
    if n == 1:
        return mean
    again = values[picks.integers(n, size=(n, n_draws)), np.arange(n_draws)].mean(axis=0)
    return mean + np.sqrt(n / (n - 1)) * (again - mean)


def chance_average_precision(truth: np.ndarray) -> float:
    """Return what scores without any meaning reach in average precision, in the mean over the classes that occur.

    Of R clips among N, ranked at random, it is ((R - 1) / (N - 1) (N - H) + H) / N with H = 1 + 1/2 + ... + 1/N: at
    rank k stands one of the R with R / N, and above it (k - 1) (R - 1) / (N - 1) others in the mean (Y. Bestgen, "Exact
    expected average precision of the random baseline for system evaluation", PBML 103, 2015).
    """
    n = len(truth)
    if n < 2:
        return 1.0
    harmonic = float((1 / np.arange(1, n + 1)).sum())
    counts = np.bincount(truth)
    return float(np.mean([((r - 1) / (n - 1) * (n - harmonic) + harmonic) / n for r in counts[counts > 0]]))


def _fitted(name: str, sizes: list[dict], draws: list[dict], chance: float, n_clips: int, seed: int) -> dict:
    """Return of a metric what fit.json holds: the curve, its forecast, and whether it would have held before.

    ``twice``: what one training with twice the labels would reach; ``hindsight``: what the sizes of up to half the
    labels alone say of all, beside what was measured. ``curve``: ``labels``, ``value``, ``low`` and ``high``. All
    intervals hold 90 %. Each is None where too few sizes were measured for it.
    """
    all_labels = sizes[-1]["labels_per_class"]
    fewer = [row for row in sizes[:-1] if row["labels_per_class"] < all_labels]
    found: dict = {"chance": chance, "measured": sizes[-1][name], "curve": None, "twice": None, "hindsight": None}
    if sizes[-1][name] is None:
        return found
    errors = {
        row["labels"]: 1 - np.array([draw[name] for draw in draws if draw["labels"] == row["labels"]]) for row in sizes
    }

    source = rng(seed, f"forecast of {name}")

    def fitted(rows: list[dict]) -> curve_fit.Fitted:
        numbers = np.array([row["labels_per_class"] for row in rows])
        measured = [errors[row["labels"]] for row in rows]
        return curve_fit.fit(curve_fit.Measured(numbers, measured, all_labels, 1 - chance, n_clips), source)

    if len(fewer) >= FEWEST_SIZES:
        of_all = fitted([*fewer, sizes[-1]])
        labels = np.geomspace(fewer[0]["labels_per_class"], 2 * all_labels, N_POINTS)
        on_curve = _as_values(curve_fit.expected(of_all, labels))
        found["curve"] = {"labels": labels.tolist(), **{key: of.tolist() for key, of in on_curve.items()}}
        forecast = curve_fit.forecast(of_all, 2 * all_labels, source)
        found["twice"] = {"labels": 2 * all_labels, **_as_values(forecast)}
    half = [row for row in fewer if row["labels_per_class"] <= all_labels / 2]
    if len(half) > FEWEST_SIZES:
        forecast = curve_fit.forecast(fitted(half), all_labels, source)
        found["hindsight"] = {"from_labels": half[-1]["labels"], **_as_values(forecast)}
    return found


def _as_values(errors: tuple) -> dict:
    """Return median, lower and upper end of an error as those of the metric, 1 - error."""
    middle, low, high = errors
    return {"value": 1 - middle, "low": 1 - high, "high": 1 - low}
