"""Draw the learning curves of several projects beside each other, in one figure.

Each CURVE is the folder of a project in which `snakemake learning_curve` was run, with a name before it if it is to
have another than the folder's: NAME=FOLDER. They say something of each other only where they are tested on the same
clips.
"""

import argparse
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dawnchorus.commands import options
from dawnchorus.foundation import archives
from dawnchorus.foundation.display_names import display_names
from dawnchorus.foundation.errors import InputError, one_line
from dawnchorus.foundation.files import open_regular
from dawnchorus.report import figure_style, learning_curve_figure
from dawnchorus.tables import definitions, made

EXAMPLES = """examples:
  dawnchorus curves scratch=. embeddings=../with-birdnet --output curves.png
"""
STUDY = Path("reports/learning_curve")
SUFFIXES = (".png", ".svg")
LONGEST_NAME = 40


class _Ahead(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    labels: float
    value: float
    low: float
    high: float


class _Points(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    labels: list[float]
    value: list[float]
    low: list[float]
    high: list[float]


class _Metric(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    chance: float
    curve: _Points | None
    twice: _Ahead | None


class Fit(BaseModel):
    """What the figure needs of fit.json, which may come from anywhere."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    clips: int
    labels_per_class: float
    accuracy: _Metric
    average_precision: _Metric


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("curves", nargs="+", metavar="CURVE", help="the folder of a project, or NAME=FOLDER")
    parser.add_argument(
        "--output", type=_figure, required=True, metavar="FILE", help="where to draw: a .png or an .svg"
    )


def main(args: argparse.Namespace) -> None:
    if os.path.isdir(args.output):
        raise InputError(f"{args.output}: a folder; expected a file, or no such name")
    given = [_named(curve) for curve in args.curves]
    names = display_names([name for name, _ in given], [""] * len(given), LONGEST_NAME)
    drawn = [read(name, folder) for name, (_, folder) in zip(names, given, strict=True)]
    figure_style.write(learning_curve_figure.draw(drawn), args.output)
    for curve in drawn:
        best = curve.sizes[-1]
        print(f"curves: {curve.name}: accuracy {best['accuracy']:.3f} with all labels, {curve.fit['clips']} test clips")
    if len({curve.fit["clips"] for curve in drawn}) > 1:
        print("curves: they are tested on other clips each, so a difference between them may be one between the clips")
    print(f"curves: {args.output}")


def read(name: str, folder: Path) -> learning_curve_figure.Drawn:
    """Return the learning curve of a project; a folder without one, or a damaged one, is an :class:`InputError`."""
    study = folder / STUDY
    if not os.path.isdir(study):
        raise InputError(f"{study}: not there; expected a learning curve (in {folder}: snakemake learning_curve)")
    path = study / "fit.json"
    try:
        with open_regular(path) as file:
            fit = Fit.model_validate(archives.strict_json(file.read().decode())).model_dump()
    except (OSError, ValidationError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected what `snakemake learning_curve` writes: {_first(error)}") from None
    for metric in learning_curve_figure.TITLES:
        points = fit[metric]["curve"]
        if points and len({len(of) for of in points.values()}) > 1:
            raise InputError(f"{path}: {metric}.curve: expected as many values as labels")
    sizes = made.read(study / "curve.csv", definitions.LEARNING_CURVE)
    if not sizes:
        raise InputError(f"{study / 'curve.csv'}: no rows; expected one a number of labels")
    return learning_curve_figure.Drawn(name, sizes, [], fit)


def _named(given: str) -> tuple[str, Path]:
    """Return the name and the folder of NAME=FOLDER; of a folder alone its own name."""
    name, named, folder = given.partition("=")
    if not named or os.path.isdir(given):
        return options.path(given).resolve().name, Path(given)
    if not name or not folder:
        raise InputError(f"{given!r}: expected FOLDER or NAME=FOLDER")
    return name, Path(folder)


def _figure(given: str) -> Path:
    path = options.path(given)
    if path.suffix not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"{given!r}: expected a file that ends with {' or '.join(SUFFIXES)}")
    return path


def _first(error: Exception) -> str:
    """Return the first problem of an error as one line."""
    if isinstance(error, ValidationError):
        problem = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    return one_line(error, 300)
