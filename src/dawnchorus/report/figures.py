"""Curves and bars: how the training went, whether scores can be trusted, the model beside its baselines, durations.

Each function takes tables or arrays and returns a matplotlib ``Figure``; ``figure_style.write`` writes one. Nothing
touches pyplot or keeps state. Labels are foreign text: pass them through ``display_names`` first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dawnchorus.learning.history import best_epoch
from dawnchorus.report.figure_style import COLOURS, DPI, FAINT, INK, VERDICTS, as_panels, axes_in, styled, width_in

DASHED, DOTTED = (0, (3, 2)), (0, (1, 2))
MOST_BINS = 30
SMALLEST_DOT_PT2, LARGEST_DOT_PT2 = 12.0, 110.0


@styled()
def training(history: pd.DataFrame, kept: int) -> Figure:
    """Draw loss and accuracy per epoch, training against validation, and mark the epoch that was kept.

    ``history``: epoch (from 1), loss, accuracy and, if there was validation, val_loss, val_accuracy. That validation
    loss is lowest in the ``kept`` epoch is said only where it is.
    """
    figure = Figure(figsize=(9, 3.7), dpi=DPI, layout="constrained")
    epochs = history["epoch"]
    curves = {"training": ("", COLOURS["train"]), "validation": ("val_", COLOURS["validation"])}
    handles: list[Artist] = []
    for ax, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        handles = []
        for label, (prefix, colour) in curves.items():
            if prefix + quantity in history and history[prefix + quantity].notna().any():
                values = history[prefix + quantity]
                marker = "o" if len(history) == 1 else None
                handles += ax.plot(epochs, values, "-", color=colour, label=label, marker=marker)
        why = ", lowest validation loss" if best_epoch(history) == kept else ""
        label, row = f"epoch {kept}, kept{why}", history[epochs == kept]
        handles += [ax.axvline(kept, color=INK, linewidth=1, linestyle=DASHED, label=label, zorder=1)]
        of_kept = "val_" + quantity if "validation" in {handle.get_label() for handle in handles} else quantity
        ax.plot(row["epoch"], row[of_kept], "o", color=INK, markersize=4.5, zorder=4)
        ax.set_title(quantity.capitalize(), fontweight="bold")
        ax.set_xlabel("epoch")
        ax.grid(axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=(1, 2, 5, 10), min_n_ticks=1))
        margin = 0.02 * (len(history) - 1) or 0.5
        ax.set_xlim(epochs.iloc[0] - margin, epochs.iloc[-1] + margin)
        drawn = history[[c for c in (quantity, "val_" + quantity) if c in history]].to_numpy(float)
        highest = np.max(drawn[np.isfinite(drawn)], initial=0.0)
        ax.set_ylim(0, 1.02 if quantity == "accuracy" else 1.06 * highest or 1)
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return as_panels(figure)


@styled()
def reliability(bins: pd.DataFrame) -> Figure:
    """Draw the share of right clips against the score, before and after temperature scaling.

    ``bins``: temperature (``before`` or ``after``), n, mean_score, accuracy; one row a bin, bins without clips left
    out of the drawing. The area of a dot is in proportion to its clips.
    """
    figure = Figure(figsize=(4.8, 4.6), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    ax.plot((0, 1), (0, 1), color=FAINT, linewidth=1, linestyle=DOTTED, label="perfect calibration")
    filled = bins[bins["n"] > 0]
    most = max(1.0, float(filled["n"].max())) if len(filled) else 1.0
    of_curve = (("before", "raw scores", "train"), ("after", "after temperature scaling", "validation"))
    for temperature, label, colour in of_curve:
        of = filled[filled["temperature"] == temperature]
        area = np.maximum(SMALLEST_DOT_PT2, LARGEST_DOT_PT2 * of["n"].to_numpy(float) / most)
        ax.plot(of["mean_score"], of["accuracy"], color=COLOURS[colour], linewidth=1, label=label)
        ax.scatter(of["mean_score"], of["accuracy"], area, color=COLOURS[colour], linewidth=0, zorder=3)
    ax.set(xlim=(-0.02, 1.04), ylim=(-0.02, 1.04), xlabel="highest score of a clip", ylabel="share of clips right")
    ax.set_title("Reliability on the test clips", fontweight="bold")
    ax.grid()
    figure.legend(loc="outside lower center", title="dot area: number of clips", title_fontsize=8, fontsize=8, ncols=3)
    return figure


@styled()
def baselines(rows: pd.DataFrame, labels: Sequence[str]) -> Figure:
    """Draw the accuracy of the model, the first row, and of its baselines, as bars with their intervals.

    ``rows``: accuracy, accuracy_low, accuracy_high (NaN for what there is not); ``labels``: one a row.
    """
    n, bar_in, row_in = len(labels), 4.6, 0.52
    height_in = n * row_in
    figure = Figure(figsize=(bar_in + 0.3, height_in + 0.75), dpi=DPI)
    ax = axes_in(figure, 0.15, 0.45, bar_in, height_in)
    for position, (row, label) in enumerate(zip(rows.itertuples(), labels, strict=True)):
        # Name and number stand above the bar, so that the figure is narrow enough for a phone.
        above: dict[str, Any] = {"va": "center", "fontsize": 8.5}
        ax.text(0, position - 0.24, label, fontweight="normal" if position else "bold", **above)
        if np.isnan(row.accuracy):
            ax.text(1, position - 0.24, "not available", ha="right", color=FAINT, **above)
            continue
        ax.barh(position + 0.18, row.accuracy, 0.36, color=FAINT if position else COLOURS["test"])
        text = f"{row.accuracy:.3f}"
        if not np.isnan(row.accuracy_low):
            ends = row.accuracy_low, row.accuracy_high
            ax.plot(ends, (position + 0.18, position + 0.18), color=INK, linewidth=1.4)
            text += f" ({ends[0]:.3f} to {ends[1]:.3f})"
        ax.text(1, position - 0.24, text, ha="right", **above)
    ax.set(xlim=(0, 1), ylim=(n - 0.5, -0.5), xlabel="accuracy on the test clips", yticks=())
    ax.set_title("The model and its baselines", fontweight="bold")
    ax.grid(axis="x")
    return figure


@styled()
def durations(durations_s: Sequence[float]) -> Figure:
    """Draw a histogram of the durations of the annotated calls (s)."""
    figure = Figure(figsize=(4.8, 2.6), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    ax.hist(durations_s, bin_edges(durations_s).tolist(), color=COLOURS["train"], rwidth=0.92)
    ax.set(xlabel="duration (s)", ylabel="annotations")
    ax.set_xlim(left=0)
    ax.set_title("Durations of the annotated calls", fontweight="bold")
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.grid(axis="y")
    return figure


def bin_edges(values: Sequence[float]) -> np.ndarray:
    """Return the edges of at most 30 bins from 0 on, of one round width, that hold all values: (bins + 1,)."""
    largest = max(values, default=0.0)
    widths = (factor * 10.0**power for power in range(-3, 9) for factor in (1, 2, 5))
    width = next(width for width in widths if largest < width * MOST_BINS)
    # A value on an edge belongs to the bin above it, so that one more bin may be needed.
    return np.arange(int(largest / width + 1e-9) + 2) * width


@styled()
def differences(rows: Sequence[dict], labels: Sequence[str]) -> Figure:
    """Draw the difference of each metric between two runs with its interval, each row on a scale of its own.

    ``rows``: difference, low, high (None without an interval), verdict; see
    :func:`dawnchorus.evaluation.comparison.differences`.
    """
    n, label_in, plot_in, row_in = len(labels), width_in(labels, 8.5), 3.2, 0.3
    figure = Figure(figsize=(0.4 + label_in + plot_in, n * row_in + 0.8), dpi=DPI)
    ax = axes_in(figure, 0.2 + label_in, 0.45, plot_in, n * row_in)
    for position, row in enumerate(rows):
        ends = [row["difference"], row["low"] or 0.0, row["high"] or 0.0]
        reach, colour = 1.1 * max(*map(abs, ends), 1e-6), VERDICTS[row["verdict"]]
        if row["low"] is not None:
            ax.plot((row["low"] / reach, row["high"] / reach), (position, position), color=colour, linewidth=2.4)
        ax.plot(row["difference"] / reach, position, "o", color=colour, markersize=6)
    ax.axvline(0, color=FAINT, linewidth=1, linestyle=DASHED)
    ax.set_yticks(range(n), labels)
    ax.set(xlim=(-1, 1), ylim=(n - 0.5, -0.5), xticks=[], xlabel="B − A; each row on its own scale")
    ax.set_title("Differences with their 95\u00a0% intervals", fontweight="bold")
    ax.tick_params(axis="y", length=0)
    return figure
