"""How often a forecast from half the labels holds what all labels then bring, on a data set that was made.

In each split some groups test, as many as make a fifth of the clips, and all others train, half of the labels of each
class drawn at random. From nested draws out of that half, and the half itself, the curve is fitted and continued to all
labels; then the recipe is trained on all and measured.

    PYTHONPATH=src python bench/forecast.py FOLDER      a project in which `snakemake data/dataset/x.npy` was run
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from dawnchorus.evaluation import curve_fit, results
from dawnchorus.learning import dataset, few_labels, models
from dawnchorus.learning.dataset import Dataset
from dawnchorus.workflow import params_file

SIZES, DRAWS, TEST_SHARE = (1, 2, 5, 10), 5, 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a project whose data set was made")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--model", default="svm", choices=("svm", "logistic_regression"))
    args = parser.parse_args()
    whole = dataset.open_dataset(args.folder / "data/dataset" / name for name in dataset.FILES)
    found = [of_split(whole, args.model, split) for split in range(args.splits)]
    held = sum(one["low"] <= one["measured"] <= one["high"] for one in found)
    for one in found:
        print(json.dumps({name: round(value, 3) for name, value in one.items()}))
    print(f"{args.model}: {held} of {len(found)} forecasts hold what was measured, within 90 %")


def of_split(whole: Dataset, model: str, split: int) -> dict:
    """Return accuracy with half the labels, the forecast for all of them, and accuracy with all of them."""
    rng = np.random.default_rng([7, split])
    groups = whole.rows["group"].to_numpy()
    names = rng.permutation(np.unique(groups))
    n_clips = np.cumsum([np.sum(groups == name) for name in names])
    tested = np.isin(groups, names[: 1 + int(np.searchsorted(n_clips, TEST_SHARE * len(groups)))])
    data = replace(whole, rows=whole.rows.assign(partition=np.where(tested, "test", "train")))
    # The clips of the recipes here are those of x; `few_labels` draws from the training clips beside it too.
    data = replace(data, training=whole.x[~tested])
    data = replace(data, training_rows=_training_rows(data))
    n_all = len(data.rows_of("train")) / len(data.classes)
    half = few_labels.drawn(data, round(n_all / 2), rng)
    n_half = len(half.rows_of("train")) / len(half.classes)
    errors = [
        np.array(
            [
                _error(few_labels.drawn(half, n, np.random.default_rng([split, draw])), model, draw)
                for draw in range(DRAWS)
            ]
        )
        for n in SIZES
    ]
    labels = np.array([*SIZES, n_half])
    all_errors = [*errors, np.array([_error(half, model, 0)])]
    measured = curve_fit.Measured(labels, all_errors, n_half, 1 - 1 / len(data.classes), int(tested.sum()))
    middle, low, high = curve_fit.forecast(curve_fit.fit(measured, rng), n_all, rng)
    return {
        "half": 1 - all_errors[-1][0],
        "forecast": 1 - middle,
        "low": 1 - high,
        "high": 1 - low,
        "measured": 1 - _error(data, model, 0),
    }


def _training_rows(data: Dataset):
    return data.rows.iloc[data.rows_of("train")][["row", "annotation_id", "n_frames"]].reset_index(drop=True)


def _error(data: Dataset, model: str, seed: int) -> float:
    recipe = params_file.defaults(model=model)
    params = {"seed": seed, "model": recipe["model"], "train": {**recipe["train"], "early_stopping_patience": None}}
    trained, _, _ = models.train(data, params, 1, lambda text: None)
    table = results.of_test(trained, data, 128, model)
    return float(np.mean(table["true_species_id"] != table["predicted_species_id"]))


if __name__ == "__main__":
    main()
