"""The figure of the study of overfitting: a column a step, from the LSTM alone to the whole network with dropout."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dawnchorus.evaluation.overfitting_study import turning_point
from dawnchorus.report.figure_style import COLOURS, DPI, FAINT, INK, styled

BEGINS = "lowest validation loss: overfitting begins"


@styled()
def draw(labels: Sequence[str], histories: Sequence[pd.DataFrame]) -> Figure:
    """Draw loss and accuracy of every step, training against validation, and the gap at the last epoch.

    ``histories``: epoch, loss, accuracy, val_loss, val_accuracy; one a step, named by ``labels``.
    """
    n = len(labels)
    drawn = Figure(figsize=(max(6.0, 1.2 + 1.9 * n), 6.8), dpi=DPI, layout="constrained")
    axes = drawn.subplots(3, n, squeeze=False, height_ratios=(1, 1, 0.8), sharey="row", sharex="row")
    highest = max(np.nanmax(history[["loss", "val_loss"]].to_numpy(float)[1:]) for history in histories)
    chance = max(history[["loss", "val_loss"]].to_numpy(float)[0].max() for history in histories)
    for column, (label, history) in enumerate(zip(labels, histories, strict=True)):
        turn = turning_point(history)
        for ax, quantity in zip(axes[:2, column], ("loss", "accuracy"), strict=True):
            known, seen = history[quantity], history["val_" + quantity]
            ax.fill_between(history["epoch"], known, seen, color=FAINT, alpha=0.18, linewidth=0, label="gap")
            ax.plot(history["epoch"], known, color=COLOURS["train"], label="training")
            ax.plot(history["epoch"], seen, color=COLOURS["validation"], label="validation")
            if turn is not None:
                ax.axvline(turn, color=INK, linewidth=1, linestyle=(0, (3, 2)), label=BEGINS)
            ax.grid(axis="y")
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes[0, column].set_ylim(0, min(1.05 * highest, 2.2 * chance))
        axes[0, column].set_title(f"{column + 1}. {label}", fontweight="bold")
        axes[1, column].set_ylim(0, 1.02)
        axes[1, column].set_xlabel("epoch")
        gap = float(history["accuracy"].iloc[-1] - history["val_accuracy"].iloc[-1])
        last = axes[2, column]
        last.bar([0], [gap], width=0.5, color=FAINT, alpha=0.5)
        last.axhline(0, color=INK, linewidth=0.8)
        last.annotate(
            f"{gap:.2f}", (0, gap), xytext=(0, 3 if gap >= 0 else -12), textcoords="offset points", ha="center"
        )
        last.set_xlim(-0.6, 0.6)
        last.set_xticks([])
        last.set_xlabel("none seen: validation\nloss still falls" if turn is None else f"overfits from epoch {turn}")
    axes[0, 0].set_ylabel("loss")
    axes[1, 0].set_ylabel("accuracy")
    axes[2, 0].set_ylabel("gap in accuracy\nat the last epoch")
    axes[2, 0].margins(y=0.2)
    # Not every step has a line where overfitting begins.
    named = {name: handle for ax in axes[0] for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    drawn.legend(named.values(), named.keys(), loc="outside lower center", ncols=4)
    return drawn
