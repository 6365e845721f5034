"""Make reports/cross_validation/: what the recipe is worth, each clip scored by models that never heard its group.

predictions.csv holds the scores out of fold; folds.csv the measures of each fold and seed; baselines.csv and
metrics.json those of all clips, beside the baselines.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dawnchorus.evaluation import cross_validation, evaluation
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import write_whole
from dawnchorus.foundation.seeds import rng
from dawnchorus.metrics import bootstrap
from dawnchorus.tables.users import read_table, write_table

TEST_COLUMNS = ("annotation_id", "recording_id", "true_species_id")


def scores_of(table: pd.DataFrame, species_ids: list[str], path: Path) -> np.ndarray:
    """Return the scores of a table of predictions, (rows, classes) float32."""
    try:
        return table[[f"score_{species_id}" for species_id in species_ids]].to_numpy(dtype=np.float32)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: {error}; expected a score of each species") from None


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="of each seed, fold by fold")
    parser.add_argument(
        "--baseline-predictions", type=Path, nargs="+", required=True, help="their scores, in the same order"
    )
    parser.add_argument("--splits", type=Path, nargs="+", required=True, help="the split.csv of each fold")
    parser.add_argument(
        "--params", type=json.loads, required=True, help="seed, cross_validation and evaluation, as JSON"
    )
    parser.add_argument("--model", required=True, help="what the recipe is called in the tables")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    params, seed = args.params["evaluation"], args.params["seed"]
    n_seeds, n_folds = args.params["cross_validation"]["seeds"], len(args.splits)
    seeds = [seed + number for number in range(n_seeds)]
    if not len(args.predictions) == len(args.baseline_predictions) == n_folds * n_seeds:
        raise InputError(f"--predictions: {len(args.predictions)} tables; expected {n_folds} folds of {n_seeds} seeds")

    split = read_table(args.splits[0], ("annotation_id", "recording_id", "group"))
    position_of = {annotation_id: number for number, annotation_id in enumerate(split["annotation_id"])}
    truth, fold = np.full(len(split), -1), np.full(len(split), -1)
    scores: dict[tuple[str, int], dict[int, np.ndarray]] = {}
    species_ids, out_of_fold = None, []
    for number, (path, of_baselines) in enumerate(zip(args.predictions, args.baseline_predictions, strict=True)):
        of_fold, of_seed = divmod(number, n_seeds)
        tested = read_table(path, TEST_COLUMNS)
        ids = [name.removeprefix("score_") for name in tested.columns if name.startswith("score_")]
        if species_ids is None:
            species_ids = ids
        positions = [position_of[annotation_id] for annotation_id in tested["annotation_id"]]
        truth[positions], fold[positions] = [ids.index(key) for key in tested["true_species_id"]], of_fold
        found = scores_of(tested, species_ids, path)
        scores.setdefault((args.model, of_seed), {}).update(zip(positions, found, strict=True))
        out_of_fold.append(tested.assign(fold=of_fold + 1, seed=seeds[of_seed]))
        answered = read_table(of_baselines, ("model", "annotation_id"))
        for name, table in answered.groupby("model", sort=False):
            positions = [position_of[annotation_id] for annotation_id in table["annotation_id"]]
            found = scores_of(table, species_ids, of_baselines)
            scores.setdefault((str(name), of_seed), {}).update(zip(positions, found, strict=True))
    if (fold < 0).any():
        left = split["annotation_id"][fold < 0].iloc[0]
        raise InputError(f"{args.splits[0]}: annotation {left}: tested in no fold; expected each annotation in one")

    answers: cross_validation.Answers = {}
    for name in dict.fromkeys(name for name, _ in scores):
        of_seeds = [scores[name, number] for number in range(n_seeds)]
        positions = sorted(of_seeds[0])
        stacked = [np.stack([of_seed[position] for position in positions]) for of_seed in of_seeds]
        # A baseline that does not depend on the seed is one answer, not several.
        same = all(np.array_equal(stacked[0], other) for other in stacked[1:])
        answers[name] = np.array(positions), stacked[:1] if same else stacked
    units = bootstrap.units(split["group"].to_numpy(dtype=str), split["recording_id"].to_numpy(dtype=str))
    weights = bootstrap.draws(units, params["bootstrap_draws"], rng(seed, "bootstrap"))
    beside = cross_validation.table(truth, answers, fold, units, weights, params["top_k"])
    names = [str(number + 1) for number in range(n_folds)]
    per_fold = cross_validation.fold_table(truth, answers, fold, names, seeds, params["top_k"])

    first = ["fold", "seed"]
    predictions = pd.concat(out_of_fold, ignore_index=True)
    predictions = predictions[first + [name for name in predictions.columns if name not in first]]
    for name, table in (
        ("predictions", predictions),
        ("folds", pd.DataFrame(per_fold)),
        ("baselines", pd.DataFrame(beside)),
    ):
        write_table(args.output / f"{name}.csv", table)
    with write_whole(args.output / "metrics.json") as file:
        rows = {row["model"]: {key: row[key] for key in row if key != "model"} for row in beside}
        json.dump(rows, file, indent=2, allow_nan=False)
        file.write("\n")
    for row in beside:
        print(f"cross_validation: {line_of(row, n_folds)}", flush=True)


def line_of(row: dict, n_folds: int) -> str:
    """Return what a person wants to know of one model, as one line."""

    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    accuracy = evaluation.with_ends(row, "accuracy")
    text = f"{row['model']}: accuracy {accuracy} out of fold ({row['clips']} clips of {row['groups']} groups)"
    text += f"; {n_folds} folds {shown(row['accuracy_fold_mean'])} +- {shown(row['accuracy_fold_sd'])}"
    if row["accuracy_seed_sd"] is not None:
        text += f"; {row['seeds']} seeds +- {shown(row['accuracy_seed_sd'])}"
    text += f"; LWLRAP {evaluation.with_ends(row, 'lwlrap')}"
    if row["advantage"] is not None:
        text += f"; the recipe's advantage {evaluation.with_ends(row, 'advantage', '+')}"
    return text


if __name__ == "__main__":
    sys.exit(run(main))
