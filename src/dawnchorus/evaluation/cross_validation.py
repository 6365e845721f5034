"""What a recipe is worth on all recordings: each clip scored by the models that were trained without its group.

``truth`` (rows,): class index of every annotation; ``answers``: for each model the positions of the rows that it
answered, and of each seed the scores of these, (answered, classes) in class order. The first model is the recipe; the
others are its baselines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dawnchorus.evaluation import evaluation
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.seeds import rng
from dawnchorus.metrics import bootstrap, classification
from dawnchorus.partitioning import groups
from dawnchorus.tables.definitions import SCORES

Answers = dict[str, tuple[np.ndarray, Sequence[np.ndarray]]]


@dataclass(frozen=True)
class OutOfFold:
    """The tests of all folds put together: ``truth`` and ``fold`` (from 0) of every row, (rows,); what the models
    ``answers``; and ``predictions``, the tables of the recipe one below the other, with fold (from 1) and seed.
    """

    truth: np.ndarray
    fold: np.ndarray
    answers: Answers
    predictions: pd.DataFrame


def gathered(
    rows: pd.DataFrame,
    predictions: Sequence[pd.DataFrame],
    baseline_predictions: Sequence[pd.DataFrame],
    seeds: Sequence[int],
    model: str,
) -> OutOfFold:
    """Put the tests of all folds together.

    Args:
        rows: annotation_id and class_index of every annotation.
        predictions: predictions.csv of each fold and, within a fold, of each of ``seeds``.
        baseline_predictions: baseline_predictions.csv of the same.
        model: what the recipe is called.

    A row that no fold tests raises :class:`InputError`.
    """
    position_of = {annotation_id: number for number, annotation_id in enumerate(rows["annotation_id"])}
    columns = [name for name in predictions[0].columns if name.startswith(SCORES)]
    fold = np.full(len(rows), -1)
    scores: dict[tuple[str, int], dict[int, np.ndarray]] = {}
    tables = []
    for number, (tested, of_baselines) in enumerate(zip(predictions, baseline_predictions, strict=True)):
        of_fold, of_seed = divmod(number, len(seeds))
        fold[[position_of[annotation_id] for annotation_id in tested["annotation_id"]]] = of_fold
        for name, table in ((model, tested), *of_baselines.groupby("model", sort=False)):
            positions = [position_of[annotation_id] for annotation_id in table["annotation_id"]]
            found = table[columns].to_numpy(dtype=np.float32)
            scores.setdefault((str(name), of_seed), {}).update(zip(positions, found, strict=True))
        of_run = tested.assign(fold=of_fold + 1, seed=seeds[of_seed])
        tables.append(of_run[["fold", "seed", *tested.columns]])
    if (fold < 0).any():
        left = rows["annotation_id"][fold < 0].iloc[0]
        raise InputError(f"annotation {left}: tested in no fold; expected each annotation in one")
    answers: Answers = {}
    for name in dict.fromkeys(name for name, _ in scores):
        of_seeds = [scores[name, number] for number in range(len(seeds))]
        positions = sorted(of_seeds[0])
        stacked = [np.stack([of_seed[position] for position in positions]) for of_seed in of_seeds]
        # A baseline that does not depend on the seed is one answer, not several.
        same = all(np.array_equal(stacked[0], other) for other in stacked[1:])
        answers[name] = np.array(positions), stacked[:1] if same else stacked
    return OutOfFold(rows["class_index"].to_numpy(), fold, answers, pd.concat(tables, ignore_index=True))


def drawn_groups(rows: pd.DataFrame, n_draws: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return what is drawn as a whole of each row, (rows,) text, and its weight in each draw, (draws, rows)."""
    of_row = np.array(groups.resampled(rows["group"].to_list(), rows["recording_id"].to_list()), dtype=str)
    return of_row, bootstrap.draws(of_row, n_draws, rng(seed, "bootstrap"))


def table(
    truth: np.ndarray,
    answers: Answers,
    fold: np.ndarray,
    of_row: np.ndarray,
    weights: np.ndarray | None,
    top_k: int,
) -> list[dict]:
    """Return one row a model: metrics out of fold, with their interval and their spread over folds and over seeds.

    Args:
        fold: number of the fold in which each row was tested, (rows,).
        of_row: what is drawn as a whole, (rows,), text.
        weights: how often each row counts in each draw, from :func:`dawnchorus.metrics.bootstrap.draws`, or None.

    Returns:
        ``model``, ``clips``, ``groups``, ``seeds``; of each metric the mean over seeds on all rows at once, the ends
        of its 95 % interval over groups (``_low``, ``_high``), mean and standard deviation over folds (``_fold_mean``,
        ``_fold_sd``, of means over seeds), and standard deviation over seeds (``_seed_sd``; None of one seed).
        ``advantage``: how much more accurate the recipe is on the same clips, with its interval; None for itself.
    """
    _, recipe = next(iter(answers.values()))
    recipe_hits = np.mean([classification.correct(truth, scores) for scores in recipe], axis=0)
    rows = []
    for number, (name, (positions, of_seeds)) in enumerate(answers.items()):
        true, n_groups = truth[positions], len(np.unique(of_row[positions]))
        drawn = None if weights is None else weights[:, positions]
        row = {"model": name, "clips": len(positions), "groups": n_groups, "seeds": len(of_seeds)}
        on_all = [_plain(true, scores, top_k) for scores in of_seeds]
        draws = [classification.compute(true, scores, drawn, top_k) for scores in of_seeds] if drawn is not None else []
        on_folds = [
            [_plain(true[fold[positions] == of], scores[fold[positions] == of], top_k) for scores in of_seeds]
            for of in np.unique(fold[positions])
        ]
        for metric in classification.names(top_k):
            if metric == "loss":
                continue
            estimate = _mean([found[metric] for found in on_all])
            values = np.mean([draw[metric] for draw in draws], axis=0) if draws else None
            row[metric] = estimate
            row[f"{metric}_low"], row[f"{metric}_high"] = bootstrap.interval(values, estimate, n_groups)
            per_fold = [_mean([found[metric] for found in of_fold]) for of_fold in on_folds]
            row[f"{metric}_fold_mean"], row[f"{metric}_fold_sd"] = _mean(per_fold), _deviation(per_fold)
            row[f"{metric}_seed_sd"] = _deviation([found[metric] for found in on_all])
        hits = np.mean([classification.correct(true, scores) for scores in of_seeds], axis=0)
        gain = recipe_hits[positions] - hits
        advantage = float(gain.mean()) if number and len(gain) else None
        values = classification.mean_of_rows(gain, drawn) if drawn is not None and len(gain) else None
        low, high = bootstrap.interval(values, advantage, n_groups)
        rows.append({**row, "advantage": advantage, "advantage_low": low, "advantage_high": high})
    return rows


def fold_table(
    truth: np.ndarray, answers: Answers, fold: np.ndarray, names: Sequence[str], seeds: Sequence[int], top_k: int
) -> list[dict]:
    """Return one row for each model, fold and seed: ``model``, ``fold`` (its name), ``seed``, ``clips``, each metric.

    A model of one seed where there are several does not depend on it; its seed is None.
    """
    rows = []
    for name, (positions, of_seeds) in answers.items():
        for number, of in enumerate(names):
            here = fold[positions] == number
            for seed, scores in zip(seeds if len(of_seeds) == len(seeds) else [None], of_seeds, strict=True):
                found = _plain(truth[positions][here], scores[here], top_k)
                row = {"model": name, "fold": of, "seed": seed, "clips": int(here.sum())}
                rows.append(row | {key: found[key] for key in classification.names(top_k) if key != "loss"})
    return rows


def _plain(truth: np.ndarray, scores: np.ndarray, top_k: int) -> dict:
    return evaluation.partition_metrics(truth, scores, top_k)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _deviation(values: Sequence[float | None]) -> float | None:
    """Return the standard deviation of a sample, None of fewer than two values."""
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None
