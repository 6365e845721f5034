"""Make data/cross_validation/fold-N/split.csv: of each fold, which annotations train, validate and test."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.foundation.errors import run
from dawnchorus.partitioning import folds
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ANNOTATIONS, SPLIT


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="clean annotations, of rule recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="the values that it reads, as JSON")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="the split.csv of each fold")
    args = parser.parse_args(argv)

    columns, rows = made.read_columns(args.annotations, ANNOTATIONS)
    for path, fold in zip(args.output, folds.of_annotations(rows, columns, args.params, len(args.output)), strict=True):
        made.write(path, SPLIT, fold.table)
        print(*fold.lines, sep="\n")


if __name__ == "__main__":
    sys.exit(run(main))
