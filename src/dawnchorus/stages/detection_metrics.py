"""Make reports/detection_*: what detections in whole test recordings are worth, event by event, beside baselines."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dawnchorus.detection import detection_metrics, detections, score_store
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_json
from dawnchorus.learning import model_file, presence
from dawnchorus.tables import definitions, made

TABLES = {
    "detection_per_class": definitions.DETECTION_PER_CLASS,
    "detection_events": definitions.DETECTION_EVENTS,
    "detection_recordings": definitions.DETECTION_RECORDINGS,
    "detection_segments": definitions.DETECTION_SEGMENTS,
    "detection_curves": definitions.DETECTION_CURVES,
    "detection_reliability": definitions.DETECTION_RELIABILITY,
    "detection_baselines": definitions.DETECTION_BASELINES,
}


def entries(path: Path, decision: detections.Decision, windows: Sequence[Path] = ()) -> list[score_store.Entry]:
    return list(decision.stores([path], windows))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="window scores of the held-out recordings")
    parser.add_argument("--presence-scores", type=Path, required=True, help="presence in them, frame by frame")
    parser.add_argument("--energy", type=Path, required=True, help="those of the energy baseline")
    parser.add_argument("--svm-scores", type=Path, required=True, help="those of the SVM on windows, if there is one")
    parser.add_argument("--svm-calibration", type=Path, required=True, help="its calibration")
    parser.add_argument("--held-out", type=Path, required=True, help="the partition of each recording")
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of the data set")
    parser.add_argument("--unknown", type=Path, required=True, help="spans of unknown content, of rule recordings")
    parser.add_argument("--model", type=Path, required=True, help="model.keras; only its card is read")
    parser.add_argument("--calibration", type=Path, required=True, help="calibration.json")
    parser.add_argument("--presence", type=Path, required=True, help="presence.keras; only its card is read")
    parser.add_argument("--presence-calibration", type=Path, required=True, help="presence_calibration.json")
    parser.add_argument("--params", type=json.loads, required=True, help="the blocks that it reads, as JSON")
    parser.add_argument("--metrics", type=Path, required=True, metavar="JSON", help="where to write the metrics")
    for name, table in TABLES.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=Path, required=True, help=f"where to write {table.name}"
        )
    args = parser.parse_args(argv)

    block = args.params["detections"]
    of_windows = detections.Decision.of_model(args.model, args.calibration, block)
    name = model_file.read_card(args.model)["model"]["name"]
    detectors = [detection_metrics.Detector(f"{name} on windows", entries(args.scores, of_windows), of_windows)]
    if presence.wanted(model_file.read_card(args.presence)["presence"]):
        by_frames = detections.Decision.of_model(args.presence, args.presence_calibration, block)
        of_frames = entries(args.presence_scores, by_frames, [args.scores])
        detectors.insert(0, detection_metrics.Detector("presence network", of_frames, by_frames))
    # It names what the network of windows names: only how sure it is from where on is its own.
    by_svm = detections.Decision.of_model(args.model, args.svm_calibration, block)
    if of_svm := entries(args.svm_scores, by_svm):
        detectors.append(detection_metrics.Detector("SVM on windows", of_svm, by_svm))
    found = detection_metrics.results(
        detectors,
        entries(args.energy, of_windows),
        made.read(args.held_out, definitions.HELD_OUT),
        made.frame(args.rows, definitions.ROWS),
        made.read(args.unknown, definitions.UNKNOWN),
        args.params,
    )
    for name, table in TABLES.items():
        made.write(getattr(args, name), table, found.tables[name])
    write_json(args.metrics, found.metrics)
    for line in found.lines:
        print(f"detection_metrics: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
