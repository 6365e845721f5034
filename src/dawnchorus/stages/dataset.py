"""Make data/dataset/: every clip in one padded, normalized array, with its rows, classes and statistics."""

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from dawnchorus.features.shards import Shard
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.learning import assembly, dataset
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ANNOTATIONS, FALSE_POSITIVES, SPLIT


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards of features")
    parser.add_argument("--annotations", type=Path, required=True, help="clean annotations, of rule recordings")
    parser.add_argument("--negatives", type=Path, nargs="+", required=True, help="the shards of false positives")
    parser.add_argument("--false-positives", type=Path, required=True, help="clean false positives, of rule recordings")
    parser.add_argument("--split", type=Path, required=True, help="the partition of each annotation")
    parser.add_argument("--params", type=json.loads, required=True, help="the blocks dataset and split, as JSON")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="the files of the data set")
    args = parser.parse_args(argv)

    annotations, split = made.read(args.annotations, ANNOTATIONS), made.read(args.split, SPLIT)
    if [row["annotation_id"] for row in annotations] != [row["annotation_id"] for row in split]:
        raise InputError(f"{args.split}: expected the same annotations as {args.annotations}, in the same order")
    boxes = made.read(args.false_positives, FALSE_POSITIVES)
    with ExitStack() as stack:
        opened, negatives = (
            [stack.enter_context(Shard(path)) for path in paths] for paths in (args.shards, args.negatives)
        )
        files = dataset.files_by_name(args.output)
        for line in assembly.write(files, opened, negatives, annotations, split, boxes, args.params):
            print(f"dataset: {line}")


if __name__ == "__main__":
    sys.exit(run(main))
