"""Make models/: the trained network with its class list, and the history of its training."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.foundation.errors import run
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.learning import dataset, models, saved_model, trained_with
from dawnchorus.tables import made
from dawnchorus.tables.definitions import CLASSES, HISTORY


def say(text: str) -> None:
    print(f"model: {text}", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, nargs="+", required=True, help="the files of the data set")
    parser.add_argument("--params", type=json.loads, required=True, help="seed, model and train, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="threads of the CPU")
    parser.add_argument("--model", type=Path, required=True, help="where to write the model")
    parser.add_argument("--history", type=Path, required=True, help="where to write the history, a row an epoch")
    parser.add_argument("--classes", type=Path, required=True, help="where to write the class list")
    args = parser.parse_args(argv)

    data = dataset.open_dataset(args.dataset)
    code = SourceCode().version_of("stages.model", chosen={"networks": args.params["model"]["name"]})
    checkpoint = args.model.with_name("checkpoint.npz"), trained_with.checkpoint_key(args.params, args.dataset, code)
    model, history, card = models.train(data, args.params, args.threads, say, checkpoint)
    made.write(args.history, HISTORY, history)
    made.write(args.classes, CLASSES, data.classes)
    saved_model.save(model, card, args.model)


if __name__ == "__main__":
    sys.exit(run(main))
