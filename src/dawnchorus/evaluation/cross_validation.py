"""What a recipe is worth on all recordings: each clip scored by the models that never heard its group.

``truth`` (rows,): class index of every annotation; ``answers``: for each model the positions of the rows that it
answered, and of each seed the scores of these, (answered, classes) in class order. The first model is the recipe; the
others are its baselines.
"""

from collections.abc import Sequence

import numpy as np

from dawnchorus.evaluation import evaluation
from dawnchorus.metrics import bootstrap, classification

Answers = dict[str, tuple[np.ndarray, Sequence[np.ndarray]]]


def table(
    truth: np.ndarray,
    answers: Answers,
    fold: np.ndarray,
    of_row: np.ndarray,
    weights: np.ndarray | None,
    top_k: int,
) -> list[dict]:
    """Return one row a model: measures out of fold, with their interval and their spread over folds and over seeds.

    Args:
        fold: number of the fold in which each row was tested, (rows,).
        of_row: what is drawn as a whole, (rows,), text.
        weights: how often each row counts in each draw, from :func:`dawnchorus.metrics.bootstrap.draws`, or None.

    Returns:
        ``model``, ``clips``, ``groups``, ``seeds``; of each measure the mean over seeds on all rows at once, the ends
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
        for measure in classification.names(top_k):
            if measure == "loss":
                continue
            estimate = _mean([found[measure] for found in on_all])
            values = np.mean([draw[measure] for draw in draws], axis=0) if draws else None
            row[measure] = estimate
            row[f"{measure}_low"], row[f"{measure}_high"] = bootstrap.interval(values, estimate, n_groups)
            per_fold = [_mean([found[measure] for found in of_fold]) for of_fold in on_folds]
            row[f"{measure}_fold_mean"], row[f"{measure}_fold_sd"] = _mean(per_fold), _deviation(per_fold)
            row[f"{measure}_seed_sd"] = _deviation([found[measure] for found in on_all])
        hits = np.mean([classification.correct(true, scores) for scores in of_seeds], axis=0)
        gain = recipe_hits[positions] - hits
        row["advantage"] = float(gain.mean()) if number and len(gain) else None
        values = classification.mean_of_rows(gain, drawn) if drawn is not None and len(gain) else None
        row["advantage_low"], row["advantage_high"] = bootstrap.interval(values, row["advantage"], n_groups)
        rows.append(row)
    return rows


def fold_table(
    truth: np.ndarray, answers: Answers, fold: np.ndarray, names: Sequence[str], seeds: Sequence[int], top_k: int
) -> list[dict]:
    """Return one row for each model, fold and seed: ``model``, ``fold`` (its name), ``seed``, ``clips``, each measure.

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
