"""Make models/presence_calibration.json: what presence is worth, and from where on it is an event of a species."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from dawnchorus.detection import detection_metrics, fusion_fit, presence_calibration, score_store
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_json
from dawnchorus.tables import made
from dawnchorus.tables.definitions import CLASSES, HELD_OUT, ROWS, UNKNOWN

WITHOUT = "no detector (presence.network: none): windows of the classifier find calls, nothing is fitted"


def by_recording(entries: Iterable[score_store.Entry]) -> dict[str, score_store.Entry]:
    return {entry.recording_id: entry for entry in entries}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="presence in the held-out recordings")
    parser.add_argument(
        "--window-scores", type=Path, required=True, help="what the network that names clips says there"
    )
    parser.add_argument("--held-out", type=Path, required=True, help="the partition of each recording")
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of the data set")
    parser.add_argument("--classes", type=Path, required=True, help="classes.csv of the data set")
    parser.add_argument("--unknown", type=Path, required=True, help="spans of unknown content")
    parser.add_argument("--params", type=json.loads, required=True, help="the values that it reads, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="where to write the calibration")
    args = parser.parse_args(argv)

    species_ids = [row["species_id"] for row in made.read(args.classes, CLASSES)]
    unknown = made.read(args.unknown, UNKNOWN)
    entries = list(score_store.Stores([args.scores], species_ids))
    rows = made.frame(args.rows, ROWS)
    held_out = made.read(args.held_out, HELD_OUT)
    truths = detection_metrics.truths(entries, held_out, rows, unknown, species_ids)
    truth = truths["validation"] or truths["train"]
    aim = presence_calibration.aim_of(args.params["presence_calibration"])
    segment_s = args.params["detection_metrics"]["segment_s"]
    spans = [presence_calibration.unknown_of(of, args.params["data"]["annotated"]) for of in truth]
    of_windows = by_recording(score_store.Stores([args.window_scores], species_ids))
    of_frames, parted = by_recording(entries), bool(truths["train"])
    frames = [of_frames[of.recording_id] for of in truth]
    # The network that names clips has learned from those of training recordings, also from the last ones.
    windows = None if parted else [of_windows[of.recording_id] for of in truth]
    fitted = fusion_fit.fit(truth, frames, windows, aim, species_ids, segment_s, spans)
    # Users' recordings are heard through windows like these.
    fitted["fusion"] |= args.params["detections"]
    write_json(args.output, fitted)
    without = of_windows and not entries
    for line in [WITHOUT] if without else presence_calibration.lines(fitted, parted):
        print(f"presence_calibration: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
