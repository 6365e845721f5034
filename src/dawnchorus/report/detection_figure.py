"""How well detections in whole recordings do: precision against recall of each species, and whether scores hold."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dawnchorus.report.figure_style import COLOURS, DPI, FAINT, INK, as_panels, styled
from dawnchorus.report.figures import DOTTED, LARGEST_DOT_PT2, SMALLEST_DOT_PT2

# Recalls at which the mean of the curves is drawn.
GRID = np.linspace(0, 1, 101)


def mean_curve(curves: pd.DataFrame) -> np.ndarray:
    """Return the mean over species of the highest precision at each recall of :data:`GRID` or more; 0 where none is."""
    of_species = []
    for _, curve in curves.groupby("species_id", sort=False):
        recall, precision = curve["recall"].to_numpy(), curve["precision"].to_numpy()
        of_species.append([precision[recall >= least - 1e-9].max(initial=0.0) for least in GRID])
    return np.mean(of_species, axis=0)


@styled()
def detection(curves: pd.DataFrame, bins: pd.DataFrame) -> Figure:
    """Draw the precision-recall curve of each species with their mean, and the reliability of presence.

    ``curves``: species_id, precision, recall, by falling threshold; ``bins``: n, mean_score, present. Where they have
    no rows, that is said.
    """
    figure = Figure(figsize=(9, 4.2), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    for _, curve in curves.groupby("species_id", sort=False):
        left.plot(curve["recall"], curve["precision"], color=COLOURS["train"], linewidth=0.9, alpha=0.45)
    if len(curves):
        left.plot([], [], color=COLOURS["train"], linewidth=0.9, alpha=0.6, label="each species")
        left.plot(GRID, mean_curve(curves), color=INK, linewidth=2.2, label="mean")
    left.set(xlabel="recall of segments", ylabel="precision of segments")
    left.set_title("Precision and recall, whole test recordings", fontweight="bold")
    right.plot((0, 1), (0, 1), color=FAINT, linewidth=1, linestyle=DOTTED, label="perfect calibration")
    filled = bins[bins["n"] > 0]
    if len(filled):
        area = np.maximum(SMALLEST_DOT_PT2, LARGEST_DOT_PT2 * filled["n"].to_numpy(float) / float(filled["n"].max()))
        right.plot(filled["mean_score"], filled["present"], color=COLOURS["validation"], linewidth=1)
        right.scatter(filled["mean_score"], filled["present"], area, color=COLOURS["validation"], linewidth=0, zorder=3)
    right.set(xlabel="score of a species in a segment", ylabel="share where it is present")
    right.set_title("Reliability of presence", fontweight="bold")
    for ax, table in ((left, curves), (right, filled)):
        ax.set(xlim=(-0.02, 1.04), ylim=(-0.02, 1.04))
        ax.grid()
        if len(table):
            ax.legend(loc="best", fontsize=8)
        else:
            ax.text(0.5, 0.5, "not known", ha="center", va="center", color=FAINT)
    return as_panels(figure)
