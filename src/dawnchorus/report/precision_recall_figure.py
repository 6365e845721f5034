"""The precision-recall curve of each species in a panel of its own, with its average precision and interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dawnchorus.metrics import segments
from dawnchorus.report.figure_style import COLOURS, DPI, FAINT, axes_in, panel, styled
from dawnchorus.tables.definitions import SCORES

PANEL_IN = (1.62, 1.72)
MOST_COLUMNS, LEAST_COLUMNS = 10, 3
# Of the curve within its panel: left, bottom, width, height.
CURVE_IN = (0.3, 0.24, 1.2, 1.04)
DOTTED = (0, (1, 2))


class Curve(NamedTuple):
    """The curve of a species, by falling threshold, its average precision and the ends of that; NaN for none.

    ``positives``: the share of what is ranked that is of the species, which is the precision by chance; None where it
    is not known.
    """

    label: str
    precision: np.ndarray
    recall: np.ndarray
    average: float
    low: float
    high: float
    positives: float | None = None


def of_clips(predictions: pd.DataFrame, per_class: pd.DataFrame, labels: Sequence[str]) -> list[Curve]:
    """Return the curve of each species among the test clips, in class order; ``predictions``: predictions.csv."""
    curves, truth = [], predictions["true_species_id"].to_numpy()
    for label, row in zip(labels, per_class.to_dict("records"), strict=True):
        positive = truth == row["species_id"]
        scores = predictions[f"{SCORES}{row['species_id']}"].to_numpy(float)
        _, precision, recall = segments.precision_recall_curve(positive, scores)
        average, low, high = (row[f"average_precision{end}"] for end in ("", "_low", "_high"))
        share = float(positive.mean()) if len(positive) else None
        curves.append(Curve(label, precision, recall, average, low, high, share))
    return curves


def of_segments(points: pd.DataFrame, per_class: pd.DataFrame, labels: Sequence[str]) -> list[Curve]:
    """Return the curve of each species among the segments of the test recordings; ``points``: detection_curves.csv."""
    of_species = dict(list(points.groupby("species_id", sort=False)))
    curves = []
    for label, row in zip(labels, per_class.to_dict("records"), strict=True):
        of = of_species.get(row["species_id"], points.iloc[:0])
        ends = (row[f"segment_average_precision{end}"] for end in ("", "_low", "_high"))
        curves.append(Curve(label, of["precision"].to_numpy(float), of["recall"].to_numpy(float), *ends))
    return curves


def steps(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and precision as a line whose area is the average precision: (points,) each.

    Average precision counts the precision at each gain in recall, so the line is flat to the left of each gain; points
    without one say nothing of it.
    """
    gains = np.diff(curve.recall, prepend=0.0) > 0
    recall, precision = curve.recall[gains], curve.precision[gains]
    return np.repeat(np.concatenate([[0.0], recall]), 2)[1:-1], np.repeat(precision, 2)


def value_text(curve: Curve) -> str:
    """Return the average precision with its interval as text."""
    if np.isnan(curve.average):
        return "none in the test"
    ends = "no interval" if np.isnan(curve.low) else f"{curve.low:.2f} to {curve.high:.2f}"
    return f"{curve.average:.2f} ({ends})"


@styled()
def draw(curves: Sequence[Curve], title: str) -> Figure:
    """Draw a panel a species: its curve, name, and average precision with the 95 % interval."""
    n = len(curves)
    n_columns = int(np.clip(np.ceil(np.sqrt(1.4 * n)), LEAST_COLUMNS, MOST_COLUMNS))
    n_rows, (width_in, height_in), top_in = -(-n // n_columns), PANEL_IN, 0.3
    figure = Figure(figsize=(n_columns * width_in + 0.1, n_rows * height_in + top_in), dpi=DPI)
    total_in = n_rows * height_in + top_in
    figure.text(0.008, 1 - 0.08 / total_in, title, fontweight="bold", va="top", fontsize=9)
    for number, curve in enumerate(curves):
        row, column = divmod(number, n_columns)
        left_in, bottom_in = column * width_in, (n_rows - 1 - row) * height_in
        ax = axes_in(figure, left_in + CURVE_IN[0], bottom_in + CURVE_IN[1], *CURVE_IN[2:])
        panel(ax, figure, left_in, bottom_in, width_in, height_in)
        if curve.positives is not None:
            ax.axhline(curve.positives, color=FAINT, linewidth=0.8, linestyle=DOTTED)
        if len(curve.recall):
            recall, precision = steps(curve)
            ax.fill_between(recall, precision, color=COLOURS["test"], alpha=0.15, linewidth=0)
            ax.plot(recall, precision, color=COLOURS["test"], linewidth=1.4)
        ax.set(xlim=(0, 1.02), ylim=(0, 1.04), xticks=(0, 1), yticks=(0, 1))
        ax.set_xlabel("recall", fontsize=7, labelpad=-6)
        ax.set_ylabel("precision", fontsize=7, labelpad=-3)
        ax.tick_params(length=2, pad=1.5, labelsize=7.5)
        ax.text(-0.2, 1.06, value_text(curve), transform=ax.transAxes, fontsize=7.5, color=FAINT)
        ax.text(-0.2, 1.2, curve.label, transform=ax.transAxes, fontsize=8, fontweight="bold")
    return figure
