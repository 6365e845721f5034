"""Make reports/: metrics.json, predictions, per-class table and confusion matrix, what the model is worth.

predictions.csv, per_class.csv and confusion.csv are of the test clips; predictions_seen.csv holds the others.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dawnchorus import evaluation, model_file
from dawnchorus.errors import InputError, run
from dawnchorus.files import write_whole
from dawnchorus.tables import read_rows

CLASS_COLUMNS = ("class_index", "species_id", "species_name")
ROW_COLUMNS = ("annotation_id", "recording_id", "class_index", "partition")
ANNOTATION_COLUMNS = ("annotation_id", "t_min_s", "t_max_s")


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table with every cell as text, so that ids such as ``007`` and times stay as written."""
    header, rows, _ = read_rows(path, columns)
    return pd.DataFrame([row.cells for row in rows], columns=header)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV table, whole; nine significant digits carry a float32 there and back."""
    with write_whole(path) as file:
        table.to_csv(file, index=False, float_format="%.9g", lineterminator="\n")


def predict(model, x: np.ndarray, batch_size: int) -> np.ndarray:
    """Return the scores (rows, classes) float32 of ``x`` (rows, frames, n_features), read batch by batch."""
    batches = [
        np.asarray(model.predict_on_batch(np.asarray(x[start : start + batch_size])), dtype=np.float32)
        for start in range(0, len(x), batch_size)
    ]
    return np.concatenate(batches)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="folder of x.npy and its tables")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--params", type=json.loads, required=True, help="the evaluation block, as JSON")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)

    rows = read_table(args.dataset / "rows.csv", ROW_COLUMNS)
    classes = read_table(args.dataset / "classes.csv", CLASS_COLUMNS)
    x = np.load(args.dataset / "x.npy", mmap_mode="r", allow_pickle=False)
    if len(x) != len(rows) or len(rows) == 0:
        raise InputError(f"{args.dataset}: {len(x)} rows in x.npy, {len(rows)} in rows.csv; expected as many")
    model, card = model_file.load(args.model, args.threads)
    if [of["species_id"] for of in card["classes"]] != classes["species_id"].to_list():
        raise InputError(
            f"{args.model}: trained for other classes than {args.dataset / 'classes.csv'}; train again"
        )
    scores = predict(model, x, args.params["evaluation"]["batch_size"])
    evaluation.check_scores(scores, len(rows), len(classes), str(args.model))

    true_index, partition = rows["class_index"].to_numpy(dtype=int), rows["partition"].to_numpy(dtype=str)
    annotations = read_table(args.annotations, ANNOTATION_COLUMNS)
    result = evaluation.metrics(true_index, scores, partition)
    of_test = (true_index[partition == "test"], scores[partition == "test"], classes)
    predicted = evaluation.predictions(rows, annotations, classes, scores)
    write_table(predicted[partition == "test"], args.output / "predictions.csv")
    write_table(predicted[partition != "test"], args.output / "predictions_seen.csv")
    write_table(evaluation.per_class(*of_test), args.output / "per_class.csv")
    write_table(evaluation.confusion(*of_test), args.output / "confusion.csv")
    with write_whole(args.output / "metrics.json") as file:
        file.write(json.dumps(result, indent=2, sort_keys=True, allow_nan=False) + "\n")
    commonest, _ = evaluation.majority_class(true_index, partition)
    name = None if commonest is None else classes["species_name"][commonest]
    for line in evaluation.summary(result, name):
        print(f"evaluation: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
