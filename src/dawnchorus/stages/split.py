"""Make data/split/split.csv: the partition of each annotation."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from dawnchorus.foundation.errors import run
from dawnchorus.foundation.seeds import rng
from dawnchorus.partitioning import groups, split
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ANNOTATIONS, PARTITIONS, SPLIT


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="clean annotations, of rule recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="seed and the split block, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="where to write split.csv")
    args = parser.parse_args(argv)
    params, seed = args.params["split"], args.params["seed"]

    columns, all_rows = made.read_columns(args.annotations, ANNOTATIONS)
    rows = groups.own(all_rows)
    classes, of_row = split.class_indices([row["species_id"] for row in rows])
    of_group = groups.kept_together(rows, columns, params)
    fractions = params["test_fraction"], params["validation_fraction"]
    if params["method"] == groups.ARTICLE:
        partition = split.article(of_row, seed, *fractions)
    else:
        named = params["test_groups"], params["validation_groups"]
        partition = split.grouped(of_row, np.array(of_group), *fractions, rng(seed, "split"), *named)
    table, said = split.with_reviewed(split.table(rows, of_group, partition), all_rows, params)
    made.write(args.output, SPLIT, table)
    for line in [split.counted(partition), *said]:
        print(f"split: {line}")
    for part in PARTITIONS:
        if missing := split.classes_missing(classes, of_row, partition, part):
            print(f"split: no row of class {', '.join(missing)} in {part}: too few groups hold it")


if __name__ == "__main__":
    sys.exit(run(main))
