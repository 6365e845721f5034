"""Make data/cross_validation/fold-N/split.csv: of each fold, which annotations train, validate and test."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from dawnchorus.annotations.recordings import class_order
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.seeds import derived_seed, rng
from dawnchorus.partitioning import folds, split
from dawnchorus.tables.users import read_rows, write_rows

COLUMNS = ("annotation_id", "recording_id", "group", "partition")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--params", type=json.loads, required=True, help="seed, split and cross_validation, as JSON")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="the split.csv of each fold")
    args = parser.parse_args(argv)
    params, seed, n_folds = args.params["cross_validation"], args.params["seed"], len(args.output)

    columns, rows, _ = read_rows(args.annotations, ("annotation_id", "recording_id", "species_id"))
    species_ids = [row.cells["species_id"] for row in rows]
    index = {species_id: number for number, species_id in enumerate(class_order(species_ids))}
    classes = np.array([index[species_id] for species_id in species_ids])
    # The article's split takes every annotation for a group of its own.
    key = "annotation_id" if args.params["split"]["method"] == "article" else args.params["split"]["group"]
    groups = np.array(split.column_of(rows, columns, key, "split.group"))
    if params["column"] is None:
        fold = folds.drawn(classes, groups, n_folds, derived_seed(seed, "folds"))
        names = [str(number + 1) for number in range(n_folds)]
    else:
        values = split.column_of(rows, columns, params["column"], "cross_validation.column")
        fold, names = folds.of_column(values, groups, n_folds, params["column"])
    for number, path in enumerate(args.output):
        partition = np.where(fold == number, "test", "train").astype("<U10")
        if params["validation_fraction"] > 0:
            test_groups = sorted(set(groups[fold == number]))
            draw = rng(seed, f"validation of fold {number}")
            fraction = params["validation_fraction"]
            partition = split.grouped(classes, groups, 0.0, fraction, draw, test_groups, None)
        table = (
            {**row.cells, "group": group, "partition": part}
            for row, group, part in zip(rows, groups, partition, strict=True)
        )
        write_rows(path, COLUMNS, table)
        counts = ", ".join(f"{int((partition == part).sum())} {part}" for part in split.PARTITIONS)
        missing = [name for name, of in index.items() if not np.any((classes == of) & (partition == "train"))]
        print(f"folds: {names[number]} of {', '.join(names)}: {counts} rows")
        if missing:
            print(f"folds: no row of class {', '.join(missing)} to train on in fold {names[number]}")


if __name__ == "__main__":
    sys.exit(run(main))
