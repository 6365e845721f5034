"""Make data/learning_curve/labels-N-seed-S.csv: what the recipe says of the test clips, trained on N labels a class.

The model itself is not kept.
"""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.evaluation import results
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.seeds import rng
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.learning import dataset, few_labels, models, trained_with
from dawnchorus.tables import made
from dawnchorus.tables.definitions import PREDICTIONS


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, nargs="+", required=True, help="the files of the data set")
    parser.add_argument("--labels", type=int, required=True, help="labels of each class to train on, at most")
    parser.add_argument("--params", type=json.loads, required=True, help="seed, model, train, evaluation, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="threads of the CPU")
    parser.add_argument("--output", type=Path, required=True, help="where to write the predictions")
    args = parser.parse_args(argv)

    def say(text: str) -> None:
        print(f"learning_curve_draw: {text}", flush=True)

    recipe = {name: args.params[name] for name in ("seed", "model", "train")}
    data = few_labels.drawn(dataset.open_dataset(args.dataset), args.labels, rng(recipe["seed"], "labels"))
    code = SourceCode().version_of("stages.learning_curve_draw", chosen={"networks": recipe["model"]["name"]})
    key = trained_with.checkpoint_key({**recipe, "labels": args.labels}, args.dataset, code)
    model, _, _ = models.train(data, recipe, args.threads, say, (args.output.with_suffix(".checkpoint.npz"), key))
    of_test = results.of_test(model, data, args.params["evaluation"]["batch_size"], f"labels of a class: {args.labels}")
    made.write(args.output, PREDICTIONS, of_test)


if __name__ == "__main__":
    sys.exit(run(main))
