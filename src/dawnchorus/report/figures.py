"""The figures that people look at: training curves, confusion matrix, example clips, class counts.

Each function takes a table or arrays and returns a matplotlib ``Figure``; ``figure_style.save`` writes one.
Nothing touches pyplot or keeps state. Labels are foreign text: pass them through ``labels.display_names``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dawnchorus.features.kinds import Kind
from dawnchorus.report.figure_style import COLOURS, DPI, FAINT, INK, axes_in, styled, width_in


class Example(NamedTuple):
    """A clip to show: ``y`` (samples,) mono, ``features`` (frames, n_features), ``hop_s`` seconds a frame.

    ``annotation_s``: where in the clip the annotation begins and ends (s); None when it is all of the clip.
    """

    label: str
    caption: str
    y: np.ndarray
    sample_rate_hz: float
    features: np.ndarray
    hop_s: float
    annotation_s: tuple[float, float] | None


def best_epoch(history: pd.DataFrame) -> int | None:
    """Return the epoch with the lowest val_loss (the first of equals); None when none was validated."""
    if "val_loss" not in history or not history["val_loss"].notna().any():
        return None
    return int(history["epoch"][history["val_loss"].idxmin()])


@styled()
def training(history: pd.DataFrame) -> Figure:
    """Draw loss and accuracy per epoch, training against validation, and mark the lowest validation loss.

    ``history``: epoch (from 1), loss, accuracy and, if there was validation, val_loss, val_accuracy.
    """
    figure = Figure(figsize=(9, 3.7), dpi=DPI, layout="constrained")
    epochs, best = history["epoch"], best_epoch(history)
    curves = {"training": ("", COLOURS["train"], "-"), "validation": ("val_", COLOURS["validation"], "-")}
    handles = []
    for ax, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        handles = []
        for label, (prefix, colour, line) in curves.items():
            if prefix + quantity in history and history[prefix + quantity].notna().any():
                values = history[prefix + quantity]
                marker = "o" if len(history) == 1 else None
                handles += ax.plot(epochs, values, line, color=colour, label=label, marker=marker)
        if best is not None:
            label = f"epoch {best}, lowest validation loss"
            row = history[epochs == best]
            handles += [ax.axvline(best, color=INK, linewidth=1, linestyle=(0, (3, 2)), label=label, zorder=1)]
            ax.plot(row["epoch"], row["val_" + quantity], "o", color=INK, markersize=4.5, zorder=4)
        ax.set_title(quantity.capitalize(), fontweight="bold")
        ax.set_xlabel("epoch")
        ax.grid(axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=(1, 2, 5, 10), min_n_ticks=1))
        margin = 0.02 * (len(history) - 1) or 0.5
        ax.set_xlim(epochs.iloc[0] - margin, epochs.iloc[-1] + margin)
        drawn = history[[c for c in (quantity, "val_" + quantity) if c in history]].to_numpy(float)
        highest = np.max(drawn[np.isfinite(drawn)], initial=0.0)
        ax.set_ylim(0, 1.02 if quantity == "accuracy" else 1.06 * highest or 1)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


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
    ax.set_xlabel("predicted class", fontsize=9 * scale)
    ax.set_ylabel("true class", fontsize=9 * scale)
    accuracy = f", accuracy {np.trace(counts) / counts.sum():.2f}" if counts.sum() else ""
    ax.set_title(f"Confusion on test: {counts.sum()} clips{accuracy}", fontsize=10 * scale, fontweight="bold")

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
    bar.set_ylabel(f"share of the true class's clips{note}", fontsize=8 * scale)
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
    label_in, bar_in, gap_in = width_in(labels, 8.5), 4.6 if n_columns == 1 else 2.7, 0.55
    height_in = per_column * row_in
    figure = Figure(figsize=(0.25 + n_columns * (label_in + bar_in + gap_in), height_in + 1.15), dpi=DPI)
    handles = []
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
    title = f"Clips per class: {n} classes, {totals.sum()} clips"
    at_top_left = {"x": from_left, "y": 1 - 0.1 * to_top, "ha": "left", "va": "top"}
    figure.suptitle(title, fontsize=10, fontweight="bold", **at_top_left)
    anchor = (from_left, 1 - 0.34 * to_top)
    look = {"ncols": len(handles), "borderpad": 0, "borderaxespad": 0}
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=anchor, **look)
    return figure


def example_clips(rows: pd.DataFrame, n_species: int) -> pd.DataFrame:
    """Return the clip of median duration of each of the ``n_species`` commonest classes, in class order.

    ``rows``: annotation_id (int), class_index (int), t_min_s, t_max_s (s), one row a clip. Of an even number
    the lower median; equal durations and equal counts go by the lower id.
    """
    commonest = rows["class_index"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    by_duration = rows.assign(duration_s=rows["t_max_s"] - rows["t_min_s"]).sort_values(["duration_s", "annotation_id"])
    chosen = [by_duration[by_duration["class_index"] == c] for c in sorted(commonest.index[:n_species])]
    return pd.concat([clips.iloc[[(len(clips) - 1) // 2]] for clips in chosen])


def envelope(y: np.ndarray, sample_rate_hz: float, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return time (s), lowest and highest sample of at most ``bins`` equal stretches of ``y`` (samples,)."""
    edges = np.unique(np.linspace(0, len(y), min(bins, len(y)) + 1).astype(int))
    starts = edges[:-1]
    times_s = (starts + np.diff(edges) / 2) / sample_rate_hz
    return times_s, np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)


@styled()
def examples(clips: Sequence[Example], kind: Kind) -> Figure:
    """Draw waveform and features of each clip, one row a clip; the annotation is marked if it is only a part.

    ``kind`` says what the features are. Colours are symmetric around 0 where it is signed, and features that are only
    the level of the sound have no part in their limits: they would drown the others.
    """
    figure = Figure(figsize=(10, 0.5 + 1.55 * len(clips)), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.05, w_pad=0.06, hspace=0.04)
    grid = figure.subplots(len(clips), 2, squeeze=False, width_ratios=(1, 1.25))
    for clip, (left, right) in zip(clips, grid, strict=True):
        times_s, low, high = envelope(clip.y, clip.sample_rate_hz, 900)
        left.fill_between(times_s, low, high, color=COLOURS["train"], linewidth=0.5)
        peak = float(np.abs(clip.y).max()) or 1.0
        left.set(ylim=(-1.05 * peak, 1.05 * peak), ylabel="amplitude")
        left.yaxis.set_major_locator(MaxNLocator(nbins=3, symmetric=True))
        left.set_title(clip.label, fontweight="bold")

        shown = kind.without_level(clip.features)
        shown = np.abs(shown) if kind.signed else shown
        low_limit, high_limit = np.percentile(shown, (2, 99))
        high_limit = max(high_limit, low_limit + 1e-6)
        n_frames, n_features = clip.features.shape
        image = right.imshow(
            clip.features.T,
            origin="lower",
            aspect="auto",
            interpolation="none",
            cmap="RdBu_r" if kind.signed else "magma",
            vmin=-high_limit if kind.signed else low_limit,
            vmax=high_limit,
            extent=(-clip.hop_s / 2, (n_frames - 0.5) * clip.hop_s, -0.5, n_features - 0.5),
        )
        right.set_ylabel(kind.axis)
        right.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        right.set_title(clip.caption, fontsize=8.5, color=FAINT)
        figure.colorbar(image, ax=right, pad=0.015, extend="both", label=kind.quantity)
        for ax in (left, right):
            ax.set_xlim(0, len(clip.y) / clip.sample_rate_hz)
        if clip.annotation_s:
            left.axvspan(*clip.annotation_s, color=COLOURS["validation"], alpha=0.25, linewidth=0, zorder=0)
            for time_s in clip.annotation_s:
                right.axvline(time_s, color=COLOURS["validation"], linewidth=1.2)
    for ax in grid[-1]:
        ax.set_xlabel("time in the clip (s)")
    if any(clip.annotation_s for clip in clips):
        grid[-1][0].set_xlabel("time in the clip (s); shaded: the annotation")
    return figure
