"""Make reports/detections/ and reports/detections.html: detections in every format, and a page to look and listen."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.detection import detections, results_folder, review_thresholds, score_store
from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.report import detection_page


def make(
    stores: score_store.Stores, decision: detections.Decision, model: str, staged: Path, output: Path, page: Path
) -> str:
    """Make all results and the page, and return one line that says what was found.

    ``staged``: a folder of :func:`results_folder.claimed`; when all is there, it takes its place in ``output`` and
    ``page``. Raises :class:`InputError` after that where no recording could be scored, or a bad one lacks in a
    submission.
    """
    sample = decision.params["sample_submission"]
    found = detections.write_all(staged, stores, decision, stores.folder)
    facts = {
        "n_recordings": stores.n_recordings,
        "duration_s": stores.duration_s,
        "problems": stores.problems,
        "model": escaped(model),
    }
    detection_page.write(staged / page.name, staged / "pictures", found, stores.of_path, decision, facts)
    problem = None
    if sample is not None:
        try:
            detections.write_submission(staged / "submission.csv", sample, found, decision.species_ids)
        except InputError as error:
            problem = error
    results_folder.publish(staged, output, page)
    if stores.problems and not stores.n_recordings:
        first = "{path}: {problem}".format(**stores.problems[0])
        raise InputError(f"none of the {len(stores.problems)} recordings could be scored; the first: {first}")
    if problem:
        raise problem
    left_out = f"; {len(stores.problems)} left out, see {output / 'problems.csv'}" if stores.problems else ""
    return escaped(f"{len(found.events)} events in {stores.n_recordings} recordings{left_out}; look and listen: {page}")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="the shards of scores")
    parser.add_argument("--windows", type=Path, nargs="+", required=True, help="those of the windows beside frames")
    parser.add_argument("--model", type=Path, required=True, help="the model file, model.keras")
    parser.add_argument("--calibration", type=Path, required=True, help="calibration.json")
    parser.add_argument("--thresholds", type=Path, help="review_thresholds.json, which stand above the calibration's")
    parser.add_argument("--params", type=json.loads, required=True, help="the detections block, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--page", type=Path, required=True, help="where to write the page")
    args = parser.parse_args(argv)

    decision = detections.Decision.of_model(args.model, args.calibration, args.params["detections"])
    if args.thresholds:
        decision = review_thresholds.applied(decision, args.thresholds, args.model, args.calibration)
    with results_folder.claimed(args.output, args.page) as staged:
        stores = decision.stores(args.scores, args.windows)
        print(f"detections: {make(stores, decision, str(args.model), staged, args.output, args.page)}")


if __name__ == "__main__":
    sys.exit(run(main))
