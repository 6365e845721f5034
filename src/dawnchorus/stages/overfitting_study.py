"""Make reports/overfitting_study.csv, .png and .svg: where overfitting begins as the article's network grows."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from dawnchorus.evaluation import overfitting_study
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import write_whole
from dawnchorus.learning import study_steps
from dawnchorus.report import figure_style
from dawnchorus.tables.users import read_table

COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
FORMATS = ("png", "svg")


def read_history(path: Path) -> pd.DataFrame:
    """Return a training history as numbers; one without validation raises :class:`InputError`."""
    table = read_table(path, COLUMNS)[list(COLUMNS)]
    if (table["val_loss"] == "").any():
        raise InputError(f"{path}: no validation loss; expected validation rows (split.validation_fraction)")
    return table.astype(float)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=Path, nargs="+", required=True, help="history.csv of each step, in order")
    parser.add_argument("--params", type=json.loads, required=True, help="the block overfitting_study, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder")
    args = parser.parse_args(argv)

    labels = [step["label"] for step in study_steps.steps(args.params["overfitting_study"])]
    histories = [read_history(path) for path in args.histories]
    rows = overfitting_study.table(labels, histories)
    with write_whole(args.output / "overfitting_study.csv") as file:
        pd.DataFrame(rows).to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    figure = overfitting_study.figure(labels, histories)
    for format in FORMATS:
        with write_whole(args.output / f"overfitting_study.{format}", "wb") as file:
            figure_style.save(figure, file, format)
    for row in rows:
        print(
            f"overfitting_study: {row['network']}: overfitting begins at epoch {row['overfitting_begins_at_epoch']}; "
            f"at the last, accuracy {row['accuracy_last']:.3f} in training and {row['val_accuracy_last']:.3f} in "
            f"validation, gap {row['gap_accuracy_last']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(run(main))
