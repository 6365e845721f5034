"""Make reports/: what the model is worth, and models/calibration.json, which detection needs.

predictions.csv, per_class.csv, confusion.csv and reliability.csv are of the test clips, with raw scores but
in the last; predictions_seen.csv holds the other clips. baselines.csv sets the model beside its baselines, whose
scores are in baseline_predictions.csv.
"""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.detection import presence_clips
from dawnchorus.evaluation import results
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import sha256_of, write_json
from dawnchorus.learning import dataset, model_file
from dawnchorus.tables import definitions, made

TABLES = {
    "predictions": definitions.PREDICTIONS,
    "predictions_seen": definitions.PREDICTIONS,
    "per_class": definitions.PER_CLASS,
    "confusion": definitions.CONFUSION,
    "reliability": definitions.RELIABILITY,
    "baselines": definitions.BASELINES,
    "baseline_predictions": definitions.BASELINE_PREDICTIONS,
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, nargs="+", required=True, help="the files of the data set")
    parser.add_argument("--model", type=Path, required=True, help="the model file, model.keras")
    parser.add_argument("--presence-scores", type=Path, required=True, help="presence in the held-out recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="seed and the evaluation block, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    for name in ("metrics", "calibration", *TABLES):
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, help="where to write it")
    args = parser.parse_args(argv)

    data = dataset.open_dataset(args.dataset)
    model, card = model_file.load(args.model, args.threads)
    answer = presence_clips.of_test(args.presence_scores, data)
    others = {} if answer is None else {"presence": answer}
    seed, block = args.params["seed"], args.params["evaluation"]
    found = results.of_model(model, card, data, seed, block, str(args.model), others)
    for name, table in TABLES.items():
        made.write(getattr(args, name), table, found.tables[name])
    write_json(args.calibration, {"model_sha256": sha256_of(args.model), **found.calibration})
    write_json(args.metrics, found.metrics)
    for line in found.lines:
        print(f"evaluation: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
