"""Make reports/cross_validation/: what the recipe is worth, each clip scored by models trained without its group.

predictions.csv holds the scores out of fold; folds.csv the metrics of each fold and seed; baselines.csv and
metrics.json those of all clips, beside the baselines. detection.csv holds those of detection in whole recordings.
"""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.detection import detection_folds
from dawnchorus.detection.detection_comparison import Tables
from dawnchorus.evaluation import cross_validation, summary
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import write_json
from dawnchorus.foundation.seeds import rng
from dawnchorus.partitioning import groups
from dawnchorus.tables import made
from dawnchorus.tables.definitions import (
    BASELINE_PREDICTIONS,
    BASELINES,
    DETECTION_BASELINES,
    DETECTION_RECORDINGS,
    DETECTION_SEGMENTS,
    FOLDS,
    OUT_OF_FOLD,
    PREDICTIONS,
    ROWS,
)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of a fold, with the group of each row")
    parser.add_argument("--fold-predictions", type=Path, nargs="+", required=True, help="of each seed, fold by fold")
    parser.add_argument(
        "--fold-baseline-predictions", type=Path, nargs="+", required=True, help="their scores, in the same order"
    )
    for name in ("recordings", "segments"):
        text = f"their detection_{name}.csv, in the same order"
        parser.add_argument(f"--fold-detection-{name}", type=Path, nargs="+", required=True, help=text)
    parser.add_argument(
        "--params", type=json.loads, required=True, help="seed, cross_validation and evaluation, as JSON"
    )
    parser.add_argument("--model", required=True, help="what the recipe is called in the tables")
    parser.add_argument("--detector", required=True, help="what finds calls is called in the tables")
    for name in ("metrics", "baselines", "folds", "predictions", "detection"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="where to write it")
    args = parser.parse_args(argv)
    params, seed = args.params["evaluation"], args.params["seed"]
    n_tables, n_seeds = len(args.fold_predictions), args.params["cross_validation"]["seeds"]
    seeds, n_folds = [seed + number for number in range(n_seeds)], n_tables // n_seeds
    if n_tables % n_seeds or len(args.fold_baseline_predictions) != n_tables:
        given = f"{n_tables} tables of predictions, {len(args.fold_baseline_predictions)} of the baselines"
        raise InputError(f"{given}; expected {n_seeds} of each fold, one a seed")

    rows = groups.own_frame(made.frame(args.rows, ROWS))
    predictions = [made.frame(path, PREDICTIONS) for path in args.fold_predictions]
    of_baselines = [made.frame(path, BASELINE_PREDICTIONS) for path in args.fold_baseline_predictions]
    found = cross_validation.gathered(rows, predictions, of_baselines, seeds, args.model)
    of_row, weights = cross_validation.drawn_groups(rows, params["bootstrap_draws"], seed)
    beside = cross_validation.table(found.truth, found.answers, found.fold, of_row, weights, params["top_k"])
    names = [str(number + 1) for number in range(n_folds)]
    per_fold = cross_validation.fold_table(found.truth, found.answers, found.fold, names, seeds, params["top_k"])
    made.write(args.predictions, OUT_OF_FOLD, found.predictions)
    made.write(args.folds, FOLDS, per_fold)
    made.write(args.baselines, BASELINES, beside)
    of_table = [
        Tables(made.frame(recordings, DETECTION_RECORDINGS), made.frame(segments, DETECTION_SEGMENTS))
        for recordings, segments in zip(args.fold_detection_recordings, args.fold_detection_segments, strict=True)
    ]
    of_seeds = [detection_folds.joined(of_table[number::n_seeds]) for number in range(n_seeds)]
    draws, annotated = rng(seed, "cross-validation of detection"), args.params["data"]["annotated"]
    detected = detection_folds.row(of_seeds, args.detector, annotated, params["bootstrap_draws"], draws)
    made.write(args.detection, DETECTION_BASELINES, [detected])
    write_json(args.metrics, {row["model"]: {key: row[key] for key in row if key != "model"} for row in beside})
    print(f"cross_validation: {summary.of_detection(detected)}", flush=True)
    units = groups.units_of(of_row.tolist(), rows["recording_id"].to_list())
    for row in beside:
        print(f"cross_validation: {summary.of_folds(row, n_folds, units)}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
