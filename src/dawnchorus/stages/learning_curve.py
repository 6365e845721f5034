"""Make reports/learning_curve/: what the recipe is worth with fewer labels, and what twice as many would bring.

curve.csv holds a row a number of labels, draws.csv one a training, fit.json the fitted curve with its forecast; then
the figure, and learning_curve.html, a page that shows and says it all.
"""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.evaluation import learning_curve, results
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import write_json, write_whole
from dawnchorus.learning import dataset, model_file
from dawnchorus.report import figure_style, learning_curve_figure, learning_curve_page
from dawnchorus.tables import made
from dawnchorus.tables.definitions import CURVE_DRAWS, LEARNING_CURVE, PREDICTIONS


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, nargs="+", required=True, help="the files of the data set")
    parser.add_argument(
        "--draws", type=Path, nargs="+", required=True, help="predictions by labels, and in them by seed"
    )
    parser.add_argument("--model", type=Path, required=True, help="the model of the run, trained on all labels")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--params", type=json.loads, required=True, help="seed, learning_curve and evaluation, as JSON")
    for name in ("curve", "drawn", "fit", "page"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="where to write it")
    parser.add_argument(
        "--figures", type=Path, nargs="+", required=True, help="where to draw; the suffix is the format"
    )
    args = parser.parse_args(argv)

    block, seed = args.params["learning_curve"], args.params["seed"]
    sizes, n_draws = block["labels"], block["draws"]
    if len(args.draws) != len(sizes) * n_draws:
        raise InputError(f"{len(args.draws)} tables of predictions; expected {n_draws} of each of {len(sizes)} sizes")
    data, tables = dataset.open_dataset(args.dataset), [made.frame(path, PREDICTIONS) for path in args.draws]
    of_draws = {
        labels: [(seed + draw, tables[place * n_draws + draw]) for draw in range(n_draws)]
        for place, labels in enumerate(sizes)
    }
    model, card = model_file.load(args.model, args.threads)
    of_all = seed, results.of_test(model, data, args.params["evaluation"]["batch_size"], str(args.model))
    test, found = learning_curve.tested(data.rows, of_draws, of_all)
    name = card["model"]["name"]
    n_bootstrap = args.params["evaluation"]["bootstrap_draws"]
    curve = learning_curve.of_trainings(test, found, n_bootstrap, seed, name)

    made.write(args.curve, LEARNING_CURVE, curve.sizes)
    made.write(args.drawn, CURVE_DRAWS, curve.draws)
    write_json(args.fit, curve.fit)
    figure = learning_curve_figure.draw([learning_curve_figure.Drawn(name, curve.sizes, curve.draws, curve.fit)])
    for path in args.figures:
        figure_style.write(figure, path)
    with write_whole(args.page) as file:
        file.write(learning_curve_page.html(curve, figure))
    for line in learning_curve_page.lines(curve):
        print(f"learning_curve: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
