"""Pictures class by class: the confusion matrix, and how many clips each class has in each partition."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dawnchorus.foundation.errors import InputError
from dawnchorus.report.figure_style import COLOURS, DPI, INK, as_panels, axes_in, styled, width_in


def confusion_counts(table: pd.DataFrame, species_ids: Sequence[str], source: str) -> np.ndarray:
    """Return the counts (classes, classes) of a long confusion table, in the order of ``species_ids``.

    ``table``: true_species_id, predicted_species_id, count. Raises :class:`InputError`, naming ``source``, unless it
    has each pair of these classes once.
    """
    n, ids = len(species_ids), list(species_ids)
    wide = table.pivot_table(index="true_species_id", columns="predicted_species_id", values="count", aggfunc="sum")
    if len(table) != n**2 or set(wide.index) != set(ids) or set(wide.columns) != set(ids):
        raise InputError(f"{source}: {len(table)} pairs; expected all {n**2} of the {n} classes")
    return wide.loc[ids, ids].to_numpy().astype(int)


@styled()
def confusion(counts: np.ndarray, labels: Sequence[str]) -> Figure:
    """Draw a confusion matrix: counts (classes, classes) as numbers, the share of the true class as colour.

    Rows are true classes, columns predicted ones. Numbers are left out where the cells are too small for
    them, and beyond about 150 classes only every n-th class is named. A class without clips is grey.
    """
    n = len(labels)
    side_in = min(2.4 * n**0.41, 20.0)
    cell_pt = side_in * 72 / n
    size_pt = float(np.clip(0.62 * cell_pt, 6, 9))
    step = int(np.ceil(size_pt / (0.8 * cell_pt)))
    named = [label if i % step == 0 else "" for i, label in enumerate(labels)]
    scale = float(np.clip(side_in / 6, 1, 1.8))
    label_in = width_in(named, size_pt)
    upright = label_in * 72 < 0.9 * cell_pt
    left_in = label_in + 0.2 + 0.25 * scale
    bottom_in = (size_pt / 72 if upright else label_in) + 0.2 + 0.25 * scale
    figure = Figure(figsize=(left_in + side_in + 0.35 + 0.6 * scale, bottom_in + side_in + 0.45 * scale), dpi=DPI)
    ax = axes_in(figure, left_in, bottom_in, side_in, side_in)

    support = counts.sum(axis=1, keepdims=True)
    share = np.where(support > 0, counts / np.maximum(support, 1), np.nan)
    palette = matplotlib.colormaps["Blues"].with_extremes(bad="#EFEFEF")
    image = ax.imshow(share, cmap=palette, vmin=0, vmax=1, interpolation="none", aspect="auto")
    ax.set_xticks(range(n), named, rotation=0 if upright else 90, fontsize=size_pt)
    ax.set_yticks(range(n), named, fontsize=size_pt)
    ax.set_xticks(np.arange(0.5, n - 1), minor=True)
    ax.set_yticks(np.arange(0.5, n - 1), minor=True)
    ax.grid(which="minor", color="#DDDDDD", linewidth=min(0.6, cell_pt / 30))
    ax.tick_params(which="both", length=0)
    ax.spines[:].set(visible=True, linewidth=0.6)
    ax.set_xlabel("predicted species", fontsize=9 * scale)
    ax.set_ylabel("true species", fontsize=9 * scale)
    accuracy = f", accuracy {np.trace(counts) / counts.sum():.2f}" if counts.sum() else ""
    ax.set_title(f"Confusion matrix of {counts.sum()} test clips{accuracy}", fontsize=10 * scale, fontweight="bold")

    number_pt = min(9.0, 0.5 * cell_pt)
    if number_pt >= 5 and width_in([str(counts.max())], number_pt) * 72 < 0.92 * cell_pt:
        for i, j in np.argwhere(counts > 0):
            colour = "white" if share[i, j] > 0.55 else INK
            ax.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=number_pt, color=colour)
    bar_in = min(side_in, 4.5 * scale)
    bar = axes_in(figure, left_in + side_in + 0.15, bottom_in + side_in - bar_in, 0.14, bar_in)
    figure.colorbar(image, cax=bar)
    bar.tick_params(labelsize=7.5 * scale)
    note = "" if support.all() else " (grey: none)"
    bar.set_ylabel(f"share of the true species' clips{note}", fontsize=8 * scale)
    bar.spines[:].set_visible(False)
    return figure


def class_counts(rows: pd.DataFrame, n_classes: int) -> pd.DataFrame:
    """Count rows (class_index, partition): one row a class, in class order, one column a partition."""
    counts = pd.crosstab(rows["class_index"], rows["partition"])
    return counts.reindex(index=range(n_classes), columns=list(COLOURS), fill_value=0)


@styled()
def classes(counts: pd.DataFrame, labels: Sequence[str]) -> Figure:
    """Draw the clips of each class as stacked bars, one part a partition, the commonest class first.

    ``counts``: see :func:`class_counts`. Many classes are laid out in two or three columns with one scale.
    """
    n = len(labels)
    n_columns = min(3, 1 + (n > 40) + (n > 120))
    per_column = -(-n // n_columns)
    order = np.argsort(-counts.sum(axis=1).to_numpy(), kind="stable")
    totals, most = counts.sum(axis=1).to_numpy(), max(1, int(counts.sum(axis=1).max()))
    row_in = 0.21 if per_column > 15 else 0.27
    label_in, bar_in, gap_in = width_in(labels, 8.5), 3.0 if n_columns == 1 else 2.7, 0.55
    height_in = per_column * row_in
    figure = Figure(figsize=(0.25 + n_columns * (label_in + bar_in + gap_in), height_in + 1.15), dpi=DPI)
    handles: list[BarContainer] = []
    for column in range(n_columns):
        chosen = order[column * per_column : (column + 1) * per_column]
        left_in = 0.25 + column * (label_in + bar_in + gap_in) + label_in
        ax = axes_in(figure, left_in, 0.55 + height_in - len(chosen) * row_in, bar_in, len(chosen) * row_in)
        start = np.zeros(len(chosen))
        handles = []
        for partition, colour in COLOURS.items():
            values = counts[partition].to_numpy()[chosen]
            handles.append(ax.barh(range(len(chosen)), values, 0.74, left=start, color=colour, label=partition))
            start += values
        for position, total in enumerate(totals[chosen]):
            ax.annotate(str(total), (total, position), (4, 0), textcoords="offset points", va="center", fontsize=8)
        ax.set_yticks(range(len(chosen)), [labels[i] for i in chosen])
        ax.set(xlim=(0, most * 1.02), ylim=(len(chosen) - 0.5, -0.5), xlabel="clips")
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=(1, 2, 5, 10)))
        ax.grid(axis="x")
    from_left, to_top = np.array([0.15, 1]) / figure.get_size_inches()
    title = f"Clips of each species: {n} species, {totals.sum()} clips"
    at_top_left = {"x": from_left, "y": 1 - 0.1 * to_top, "ha": "left", "va": "top"}
    figure.suptitle(title, fontsize=10, fontweight="bold", **at_top_left)
    anchor = (from_left, 1 - 0.34 * to_top)
    look = {"ncols": len(handles), "borderpad": 0, "borderaxespad": 0}
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, **look)
    return as_panels(figure)
