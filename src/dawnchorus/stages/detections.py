"""Make reports/detections/ and reports/detections.html: detections in every format, and a page to look and listen."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dawnchorus.detection import detections, score_store
from dawnchorus.foundation.errors import run
from dawnchorus.report import detection_page


def make(scores: Sequence[Path], decision: detections.Decision, model: str, output: Path, page: Path) -> str:
    """Write all results and the page, and return one line that says what was found."""
    stores = score_store.Stores(scores, decision.species_ids)
    found = detections.write_all(output, stores, decision, decision.params["sample_submission"])
    facts = {
        "n_recordings": stores.n_recordings,
        "duration_s": stores.duration_s,
        "problems": stores.problems,
        "model": model,
    }
    detection_page.write(page, output / detections.PICTURES, found, stores.of_path, decision, facts)
    left_out = f"; {len(stores.problems)} left out, see {output / 'problems.csv'}" if stores.problems else ""
    return f"{len(found)} events in {stores.n_recordings} recordings{left_out}; look and listen: {page}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="the shards of window scores")
    parser.add_argument("--model", type=Path, required=True, help="the model file, model.keras")
    parser.add_argument("--calibration", type=Path, required=True, help="calibration.json")
    parser.add_argument("--params", type=json.loads, required=True, help="the detections block, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--page", type=Path, required=True, help="where to write the page")
    args = parser.parse_args(argv)

    decision = detections.Decision.of_model(args.model, args.calibration, args.params["detections"])
    print(f"detections: {make(args.scores, decision, str(args.model), args.output, args.page)}")


if __name__ == "__main__":
    sys.exit(run(main))
