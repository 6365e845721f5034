"""The figure of learning curves: what is measured, the fitted curve, and where twice the labels would lead."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from dawnchorus.report.figure_style import COLOURS, DPI, FAINT, INK, as_panels, styled

TITLES = {"accuracy": "Accuracy", "average_precision": "Average precision, mean of the classes"}
# How far the measured values of two curves stand from each other, as a share of their number of labels.
BESIDE = 0.05
# In this order; of more recipes the colours come again, with other marks.
_COLOURS, _MARKS = (COLOURS["test"], COLOURS["train"], COLOURS["validation"]), "osD^v"


@dataclass(frozen=True)
class Drawn:
    """A learning curve by its name: rows of curve.csv and of draws.csv (empty cells None or NaN), and fit.json."""

    name: str
    sizes: Sequence[dict]
    draws: Sequence[dict]
    fit: dict


@styled()
def draw(curves: Sequence[Drawn]) -> Figure:
    """Draw accuracy and average precision against the labels of a class; ``name`` of each curve as it is to be read."""
    drawn = Figure(figsize=(9, 4.4), dpi=DPI, layout="constrained")
    handles: list[Artist] = []
    for ax, (metric, title) in zip(drawn.subplots(1, 2), TITLES.items(), strict=True):
        for number, curve in enumerate(curves):
            colour, mark = _COLOURS[number % len(_COLOURS)], _MARKS[number // len(_COLOURS) % len(_MARKS)]
            # Intervals of several stand beside each other.
            beside = 1 + BESIDE * (number - (len(curves) - 1) / 2)
            found = _draw_one(ax, curve, metric, colour, mark, beside, several=len(curves) > 1)
            handles += found if ax is drawn.axes[0] else []
        chance = max(curve.fit[metric]["chance"] for curve in curves)
        ax.axhline(chance, color=FAINT, linewidth=1, linestyle=(0, (1, 2)), zorder=0)
        ax.annotate(
            "guessing",
            (1, chance),
            (-2, 3),
            ("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            color=FAINT,
            fontsize=8,
        )
        ax.set_title(title, fontweight="bold")
        ax.set(ylim=(0, 1.02), xscale="log", xlabel="labels of a class, in the mean")
        ax.set_xticks(_ticks(curves), minor=False)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.grid()
    drawn.legend(handles=handles, loc="outside lower center", ncols=3)
    return as_panels(drawn)


def _draw_one(
    ax: Axes, curve: Drawn, metric: str, colour: str, mark: str, beside: float, several: bool
) -> list[Artist]:
    """Draw one curve, and return what stands in the legend: of several curves only their names.

    ``beside``: what the places of measured values are multiplied by.
    """
    number_of = {row["labels"]: row["labels_per_class"] for row in curve.sizes}
    handles: list[Artist] = []
    fit = curve.fit[metric]
    if fit["curve"]:
        labels, value, low, high = (np.array(fit["curve"][key]) for key in ("labels", "value", "low", "high"))
        seen = labels <= curve.fit["labels_per_class"]
        (line,) = ax.plot(labels[seen], value[seen], color=colour, linewidth=1.4, label="fitted curve")
        ax.plot(labels[~seen], value[~seen], color=colour, linewidth=1.4, linestyle=(0, (3, 2)))
        band = ax.fill_between(labels, low, high, color=colour, alpha=0.15, linewidth=0, label="its 90 % interval")
        handles += [line, band]
    if curve.draws and not several:
        drawn = [(number_of[row["labels"]], row[metric]) for row in curve.draws]
        handles += ax.plot(*zip(*drawn, strict=True), ".", color=FAINT, markersize=4, label="a draw of labels")
    numbers, values, lows, highs = (
        np.array([row[key] for row in curve.sizes], dtype=float)
        for key in ("labels_per_class", metric, f"{metric}_low", f"{metric}_high")
    )
    numbers = beside * numbers
    ax.vlines(numbers, lows, highs, color=colour if several else INK, linewidth=1.2)
    label = curve.name if several else "mean of the draws, 95 % interval"
    measured: list[Artist] = [*ax.plot(numbers, values, mark, color=colour, markersize=5.5, label=label)]
    if fit["twice"]:
        twice = fit["twice"]
        place = [beside * twice["labels"]]
        ax.vlines(place, twice["low"], twice["high"], color=colour, linewidth=3.5, alpha=0.45)
        marks = ax.plot(
            place,
            [twice["value"]],
            mark,
            color=colour,
            markerfacecolor="none",
            markersize=6,
            label="with twice the labels, 90 %",
        )
        handles += marks
    return measured if several else [*measured, *handles]


def _ticks(curves: Sequence[Drawn]) -> list[float]:
    """Return round numbers of labels, 1, 2, 5, 10, ..., as far as the curves go."""
    numbers = [row["labels_per_class"] for curve in curves for row in curve.sizes]
    rounds = [factor * 10.0**power for power in range(-1, 8) for factor in (1, 2, 5)]
    return [number for number in rounds if 0.9 * min(numbers) <= number <= 2.2 * max(numbers)]
