"""Make models/presence_calibration.json: what presence is worth, and from where on it is an event of a species."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.detection import detection_metrics, presence, score_store
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_json
from dawnchorus.tables import made
from dawnchorus.tables.definitions import CLASSES, HELD_OUT, ROWS, UNKNOWN


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="presence in the held-out recordings")
    parser.add_argument("--held-out", type=Path, required=True, help="the partition of each recording")
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of the data set")
    parser.add_argument("--classes", type=Path, required=True, help="classes.csv of the data set")
    parser.add_argument("--unknown", type=Path, required=True, help="spans of unknown content")
    parser.add_argument("--params", type=json.loads, required=True, help="the values that it reads, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="where to write the calibration")
    args = parser.parse_args(argv)

    species_ids = [row["species_id"] for row in made.read(args.classes, CLASSES)]
    made.read(args.unknown, UNKNOWN)
    entries = list(score_store.Stores([args.scores], species_ids))
    rows = made.frame(args.rows, ROWS)
    truth = detection_metrics.truths(entries, made.read(args.held_out, HELD_OUT), rows)["validation"]
    by_id = {entry.recording_id: entry for entry in entries}
    fitted = presence.fit(truth, [by_id[of.recording_id] for of in truth], species_ids, args.params)
    write_json(args.output, fitted)


if __name__ == "__main__":
    sys.exit(run(main))
