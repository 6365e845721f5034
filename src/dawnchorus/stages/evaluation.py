"""Make reports/: what the model is worth, and models/calibration.json, which detection needs.

predictions.csv, per_class.csv, confusion.csv and reliability.csv are of the test clips, with raw scores but
in the last; predictions_seen.csv holds the other clips. baselines.csv sets the model beside its baselines, whose
scores are in baseline_predictions.csv.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dawnchorus.annotations import false_positives
from dawnchorus.evaluation import baselines, evaluation
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import sha256_of, write_whole
from dawnchorus.foundation.seeds import rng
from dawnchorus.learning import dataset, model_file
from dawnchorus.metrics import bootstrap, calibration
from dawnchorus.tables.users import read_table, write_table

CLASS_COLUMNS = ("class_index", "species_id", "species_name")
ROW_COLUMNS = ("annotation_id", "recording_id", "class_index", "partition", "n_frames")
CONTEXT_COLUMNS = ("row", "recording_id", "n_frames")
NEGATIVE_COLUMNS = ("class_index", "partition")
SPLIT_COLUMNS = ("annotation_id", "recording_id", "group")
ANNOTATION_COLUMNS = ("annotation_id", "t_min_s", "t_max_s")
# What the baselines are called in baselines.csv, by their names in metrics.json.
BASELINES = {
    "majority_class": "majority class",
    "svm": "SVM on pooled statistics",
    "context_only": "context only",
}


def write_json(values: dict, path: Path) -> None:
    """Write a JSON file, whole, with sorted keys; NaN is an error."""
    text = json.dumps(values, indent=2, sort_keys=True, allow_nan=False)
    with write_whole(path) as file:
        file.write(text + "\n")


def predict(model, x: np.ndarray, batch_size: int) -> np.ndarray:
    """Return the scores (rows, classes) float32 of ``x`` (rows, frames, n_features), read batch by batch."""
    batches = [
        np.asarray(model.predict_on_batch(np.asarray(x[start : start + batch_size])), dtype=np.float32)
        for start in range(0, len(x), batch_size)
    ]
    return np.concatenate(batches)


def read_array(folder: Path, name: str, n_rows: int, table: str) -> np.ndarray:
    """Open an array of the data set, memory-mapped; another number of rows than its table has is an error."""
    x = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    if len(x) != n_rows:
        raise InputError(f"{folder}: {len(x)} rows in {name}, {n_rows} in {table}; expected as many")
    return x


def groups_of(split: Path, rows: pd.DataFrame) -> np.ndarray:
    """Return what is drawn as a whole for each of ``rows`` of the data set, (rows,) text."""
    table = read_table(split, SPLIT_COLUMNS)
    table = table.set_index("annotation_id").reindex(rows["annotation_id"])
    if table["group"].isna().any():
        raise InputError(f"{split}: expected the annotations of the data set; make both again")
    return bootstrap.units(table["group"].to_numpy(dtype=str), table["recording_id"].to_numpy(dtype=str))


def context_answers(
    model, folder: Path, test: pd.DataFrame, statistics: dict, batch_size: int, source: str, n_classes: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return which test rows have a clip without annotation, as positions, and the scores of these clips.

    The test rows of a recording take its clips in turn.
    """
    table = read_table(folder / "context_rows.csv", CONTEXT_COLUMNS)
    raw = read_array(folder, "context.npy", len(table), "context_rows.csv")
    clips_of = table.groupby("recording_id", sort=False).indices
    positions, clips = [], []
    for recording_id, of_recording in test.reset_index(drop=True).groupby("recording_id", sort=False).indices.items():
        if recording_id in clips_of:
            positions += of_recording.tolist()
            clips += np.resize(clips_of[recording_id], len(of_recording)).tolist()
    if not positions:
        return None
    used, of_position = np.unique(clips, return_inverse=True)
    n_frames = table["n_frames"].to_numpy(dtype=int)
    x = np.stack([dataset.normalized(raw[clip][: n_frames[clip]], statistics)[0] for clip in used])
    scores = predict(model, x, batch_size)
    evaluation.check_scores(scores, len(x), n_classes, source)
    return np.array(positions), scores[of_position]


def calibrated(of_validation: tuple, of_test: tuple, classes: pd.DataFrame, params: dict) -> tuple:
    """Return the calibration, its numbers for metrics.json, and the reliability table before and after it."""
    ids, (truth, scores) = classes["species_id"].to_list(), of_test
    fitted = calibration.fit(*of_validation, ids, params["default_threshold"])
    after = calibration.scaled(scores, fitted["temperature"])
    tables = {
        "before": calibration.reliability(truth, scores, params["calibration_bins"]),
        "after": calibration.reliability(truth, after, params["calibration_bins"]),
    }
    numbers = {f"ece_{when}": calibration.expected_error(table) for when, table in tables.items()}
    numbers["temperature"] = fitted["temperature"]
    numbers["loss_after"] = evaluation.partition_metrics(truth, after, params["top_k"])["loss"]
    table = pd.concat([table.assign(temperature=when) for when, table in tables.items()], ignore_index=True)
    return fitted, numbers, table


def of_baselines(answers: dict, annotation_ids: pd.Series, species_ids: list[str]) -> pd.DataFrame:
    """Return the scores of the baselines: ``model``, ``annotation_id`` and a score of each species."""
    columns = [f"score_{species_id}" for species_id in species_ids]
    tables = [pd.DataFrame(columns=["model", "annotation_id", *columns])]
    for name, answer in list(answers.items())[1:]:
        if answer is not None:
            of = {"model": name, "annotation_id": annotation_ids.to_numpy()[answer[0]]}
            tables.append(pd.DataFrame({**of, **dict(zip(columns, answer[1].T, strict=True))}))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def detected_where_absent(
    model, folder: Path, classes: pd.DataFrame, fitted: dict, batch_size: int, source: str
) -> pd.DataFrame | None:
    """Return how often each class is heard in test boxes that were checked not to hold it, None without such boxes.

    The table of :func:`dawnchorus.annotations.false_positives.rates`; ``fitted``: the calibration.
    """
    rows = read_table(folder / "negative_rows.csv", NEGATIVE_COLUMNS)
    test = np.flatnonzero(rows["partition"] == "test")
    if not len(test):
        return None
    x = read_array(folder, "negatives.npy", len(rows), "negative_rows.csv")
    parts = np.array_split(test, -(-len(test) // batch_size))
    scores = np.concatenate([predict(model, x[part], batch_size) for part in parts])
    evaluation.check_scores(scores, len(test), len(classes), source)
    ids, names = classes["species_id"].to_list(), classes["species_name"].to_list()
    boxes = [{"species_id": ids[int(index)]} for index in rows["class_index"].iloc[test]]
    thresholds = np.array([fitted["thresholds"][species_id] for species_id in ids])
    scores = calibration.scaled(scores, fitted["temperature"])
    return pd.DataFrame(false_positives.rates(boxes, scores, thresholds, ids, names))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, required=True, help="folder of x.npy and its tables")
    parser.add_argument("--annotations", type=Path, required=True, help="clean annotations, of rule recordings")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--model", type=Path, required=True, help="the model file, model.keras")
    parser.add_argument("--params", type=json.loads, required=True, help="seed and the evaluation block, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--calibration", type=Path, required=True, help="where to write calibration.json")
    args = parser.parse_args(argv)
    params, batch_size = args.params["evaluation"], args.params["evaluation"]["batch_size"]

    rows = read_table(args.dataset / "rows.csv", ROW_COLUMNS)
    classes = read_table(args.dataset / "classes.csv", CLASS_COLUMNS)
    statistics = json.loads((args.dataset / "statistics.json").read_text(encoding="utf-8"))
    annotations = read_table(args.annotations, ANNOTATION_COLUMNS)
    x = read_array(args.dataset, "x.npy", len(rows), "rows.csv")
    if len(rows) == 0:
        raise InputError(f"{args.dataset / 'rows.csv'}: no rows; expected clips to score")
    model, card = model_file.load(args.model, args.threads)
    ids = classes["species_id"].to_list()
    if [of["species_id"] for of in card["classes"]] != ids:
        raise InputError(f"{args.model}: trained for other classes than {args.dataset / 'classes.csv'}; train again")
    scores = predict(model, x, batch_size)
    evaluation.check_scores(scores, len(rows), len(classes), str(args.model))

    true_index, partition = rows["class_index"].to_numpy(dtype=int), rows["partition"].to_numpy(dtype=str)
    train, validation, test = (np.flatnonzero(partition == name) for name in evaluation.PARTITIONS)
    truth, of_test = true_index[test], (true_index[test], scores[test])
    group = groups_of(args.split, rows.iloc[test])
    weights = bootstrap.draws(group, params["bootstrap_draws"], rng(args.params["seed"], "bootstrap"))
    n_groups = len(np.unique(group))
    result = evaluation.metrics(true_index, scores, partition, params["top_k"], weights, n_groups)
    fitted, result["calibration"], reliability = calibrated(
        (true_index[validation], scores[validation]), of_test, classes, params
    )

    everything, n_frames = np.arange(len(test)), rows["n_frames"].to_numpy(dtype=int)
    majority = baselines.majority_scores(true_index[train], len(test), len(classes))
    machine = baselines.svm_scores(x, n_frames, true_index, train, test, statistics, len(classes))
    context = context_answers(
        model, args.dataset, rows.iloc[test], statistics, batch_size, str(args.model), len(classes)
    )
    answers = {
        card["model"]["name"]: (everything, scores[test]),
        BASELINES["majority_class"]: (everything, majority) if len(train) else None,
        BASELINES["svm"]: None if machine is None else (everything, machine),
        BASELINES["context_only"]: context,
    }
    beside = baselines.table(truth, answers, group, weights, params["top_k"])
    for name in ("svm", "context_only"):
        row = next(row for row in beside if row["model"] == BASELINES[name])
        result[name] = {key: row[key] for key in row if key.startswith(("accuracy", "advantage")) or key == "clips"}

    per_class = evaluation.per_class(*of_test, classes, fitted["thresholds"])
    absent = detected_where_absent(model, args.dataset, classes, fitted, batch_size, str(args.model))
    if absent is not None:
        per_class["false_positive_clips"], per_class["false_positive_rate"] = absent["checked"], absent["rate"]
        checked = absent[absent["checked"] > 0]
        means = checked[["rate", "expected_at_chance"]].mean()
        result["false_positives"] = {"clips": int(checked["checked"].sum()), **means.to_dict()}

    predicted = evaluation.predictions(rows, annotations, classes, scores)
    write_table(args.output / "predictions.csv", predicted[partition == "test"])
    write_table(args.output / "predictions_seen.csv", predicted[partition != "test"])
    write_table(args.output / "per_class.csv", per_class)
    write_table(args.output / "confusion.csv", evaluation.confusion(*of_test, classes))
    write_table(args.output / "reliability.csv", reliability)
    write_table(args.output / "baselines.csv", pd.DataFrame(beside))
    write_table(args.output / "baseline_predictions.csv", of_baselines(answers, rows["annotation_id"].iloc[test], ids))
    write_json({"model_sha256": sha256_of(args.model), **fitted}, args.calibration)
    write_json(result, args.output / "metrics.json")
    commonest, _ = evaluation.majority_class(true_index, partition)
    name = None if commonest is None else classes["species_name"][commonest]
    for line in evaluation.summary(result, name):
        print(f"evaluation: {line}", flush=True)
    if fitted["without_rows"]:
        n, threshold = len(fitted["without_rows"]), fitted["default_threshold"]
        print(f"evaluation: {n} of {len(classes)} classes have no validation clip: threshold {threshold:g}")


if __name__ == "__main__":
    sys.exit(run(main))
