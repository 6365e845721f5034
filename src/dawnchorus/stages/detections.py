"""Make reports/detections/ and reports/detections.html: what was heard, in every format, and a page to listen."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dawnchorus.detection import detections, events, score_store, scoring
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.learning import model_file
from dawnchorus.report import detection_page


class Stores:
    """The window scores of all shards, one recording in memory at a time."""

    def __init__(self, paths: Sequence[Path], species_ids: Sequence[str]):
        self._where: dict[str, score_store.Store] = {}
        for path in paths:
            store = score_store.Store(path)
            if store.species_ids != tuple(species_ids):
                raise InputError(f"{path}: scores of other classes than the model has; score again")
            self._where |= dict.fromkeys(store.names, store)
        self._name_of: dict[str, str] = {}
        self.n_recordings, self.duration_s, self.problems = 0, 0.0, []

    def __iter__(self):
        """Yield the recordings in order of their names, and count them."""
        self.n_recordings, self.duration_s, self.problems = 0, 0.0, []
        for name in sorted(self._where):
            entry = self._where[name].entry(name)
            self._name_of[entry.path] = name
            if entry.problem:
                self.problems.append({"path": entry.path, "problem": entry.problem})
            else:
                self.n_recordings += 1
                self.duration_s += entry.duration_s
            yield entry

    def of_path(self, path: str) -> score_store.Entry:
        """Return the recording of a path, after all have been looked at once."""
        name = self._name_of[path]
        return self._where[name].entry(name)


def make(scores: Sequence[Path], decision: detections.Decision, model: str, output: Path, page: Path) -> str:
    """Write all results and the page, and return one line that says what was found."""
    stores = Stores(scores, decision.species_ids)
    found = detections.write_all(output, stores, decision, decision.params["sample_submission"])
    facts = {
        "n_recordings": stores.n_recordings,
        "duration_s": stores.duration_s,
        "problems": stores.problems,
        "model": model,
    }
    detection_page.write(page, output / "pictures", found, stores.of_path, decision, facts)
    left_out = f"; {len(stores.problems)} left out, see {output / 'problems.csv'}" if stores.problems else ""
    return f"{len(found)} events in {stores.n_recordings} recordings{left_out}; look and listen: {page}"


def decision_of(model: Path, calibration: Path, params: dict) -> detections.Decision:
    """Return how to decide, of the model's card and its calibration."""
    recipe = scoring.Recipe.of_card(model_file.read_card(model), model)
    temperature, thresholds = events.read_calibration(calibration, recipe.species_ids)
    return detections.Decision(
        recipe.species_ids, recipe.species_names, temperature, thresholds, params, recipe.features
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="the shards of window scores")
    parser.add_argument("--model", type=Path, required=True, help="the model file, model.keras")
    parser.add_argument("--calibration", type=Path, required=True, help="calibration.json")
    parser.add_argument("--params", type=json.loads, required=True, help="the detections block, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--page", type=Path, required=True, help="where to write the page")
    args = parser.parse_args(argv)

    decision = decision_of(args.model, args.calibration, args.params["detections"])
    print(f"detections: {make(args.scores, decision, str(args.model), args.output, args.page)}")


if __name__ == "__main__":
    sys.exit(run(main))
