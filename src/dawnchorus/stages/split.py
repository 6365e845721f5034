"""Make data/split/split.csv: the partition of each annotation."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from dawnchorus.annotations.recordings import class_order
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.seeds import rng
from dawnchorus.partitioning import split
from dawnchorus.tables.users import read_rows, write_rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="clean annotations, of rule recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="seed and the split block, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="where to write split.csv")
    args = parser.parse_args(argv)
    params, seed = args.params["split"], args.params["seed"]

    columns, rows, _ = read_rows(args.annotations, ("annotation_id", "recording_id", "species_id"))
    species_ids = [row.cells["species_id"] for row in rows]
    index = {species_id: number for number, species_id in enumerate(class_order(species_ids))}
    classes = np.array([index[species_id] for species_id in species_ids])
    if params["method"] == "article":
        groups = [row.cells["annotation_id"] for row in rows]
        partition = split.article(classes, seed, params["test_fraction"], params["validation_fraction"])
    else:
        groups = split.column_of(rows, columns, params["group"], "split.group")
        partition = split.grouped(
            classes,
            np.array(groups),
            params["test_fraction"],
            params["validation_fraction"],
            rng(seed, "split"),
            params["test_groups"],
            params["validation_groups"],
        )
    table = [
        {**row.cells, "group": group, "partition": part}
        for row, group, part in zip(rows, groups, partition, strict=True)
    ]
    write_rows(args.output, ("annotation_id", "recording_id", "group", "partition"), table)
    counts = Counter(partition)
    print("split: " + ", ".join(f"{counts[part]} {part}" for part in split.PARTITIONS) + " rows")
    for part in split.PARTITIONS:
        missing = sorted(set(index) - {sp for sp, p in zip(species_ids, partition, strict=True) if p == part})
        if missing:
            print(f"split: no row of class {', '.join(missing)} in {part}: too few groups hold it")


if __name__ == "__main__":
    sys.exit(run(main))
