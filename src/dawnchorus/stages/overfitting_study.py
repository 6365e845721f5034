"""Make reports/overfitting_study.csv, .png and .svg: where overfitting begins as the article's network grows."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from dawnchorus.evaluation import overfitting_study
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_whole
from dawnchorus.learning import study_steps
from dawnchorus.report import figure_style, overfitting_figure
from dawnchorus.tables import definitions, made


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=Path, nargs="+", required=True, help="history.csv of each step, in order")
    parser.add_argument("--params", type=json.loads, required=True, help="the block overfitting_study, as JSON")
    parser.add_argument("--table", type=Path, required=True, help="where to write the table")
    parser.add_argument(
        "--figures", type=Path, nargs="+", required=True, help="where to draw; the suffix is the format"
    )
    args = parser.parse_args(argv)

    labels = [step["label"] for step in study_steps.steps(args.params["overfitting_study"])]
    histories = [
        overfitting_study.validated(made.frame(path, definitions.HISTORY), str(path)) for path in args.histories
    ]
    rows = overfitting_study.table(labels, histories)
    with write_whole(args.table) as file:
        table = pd.DataFrame(rows).astype({"overfitting_begins_at_epoch": "Int64"})
        table.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    figure = overfitting_figure.draw(labels, histories)
    for path in args.figures:
        figure_style.write(figure, path)
    for row in rows:
        print(f"overfitting_study: {overfitting_study.sentence(row)}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
