"""Charts as numbers: ticks and points in the units of an SVG, drawn by the template in the page's colours."""

import math
from collections.abc import Sequence
from typing import NamedTuple

LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 38
DOT, SMALLEST_DOT, LARGEST_DOT = 3.5, 2.5, 8.0  # radii
FEW_POINTS = 12


class Series(NamedTuple):
    """A line to draw: ``name`` is its legend, ``kind`` its CSS class; a point without a ``y`` is left out.

    ``weights`` give every point a dot, its area in proportion, on a thin line; without them only a line of few
    points has dots.
    """

    name: str
    kind: str
    x: Sequence[float]
    y: Sequence[float | None]
    weights: Sequence[float] | None = None


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most`` round numbers from ``low`` to ``high``: steps of 1, 2 or 5 times 10^n."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * factor for factor in (1, 2, 5, 10, 20, 50)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [round(n * step, 10) for n in range(first, last + 1)]
    return [low]


def line_chart(
    title: str,
    series: Sequence[Series],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    labels: tuple[str, str],
    mark: tuple[float, str] | None = None,
    whole_x: bool = False,
    note: str | None = None,
) -> dict:
    """Return what the template's chart macro draws: a 480 by 260 picture of lines over a grid.

    ``mark`` is an x with a text: a vertical line. ``whole_x`` keeps the ticks of x at whole numbers. ``note`` ends
    the legend.
    """
    width, height = 480, 260
    span = (x_range[1] - x_range[0]) or 1.0, (y_range[1] - y_range[0]) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + (x - x_range[0]) / span[0] * (width - LEFT - RIGHT), 1),
            round(height - BOTTOM - (y - y_range[0]) / span[1] * (height - TOP - BOTTOM), 1),
        )

    x_ticks = [tick for tick in ticks(*x_range, 8) if not whole_x or tick == int(tick)]
    return {
        "title": title,
        "width": width,
        "height": height,
        "left": LEFT,
        "right": width - RIGHT,
        "top": TOP,
        "bottom": height - BOTTOM,
        "x_label": labels[0],
        "y_label": labels[1],
        "x_ticks": [(at(tick, y_range[0])[0], f"{tick:g}") for tick in x_ticks],
        "y_ticks": [(at(x_range[0], tick)[1], f"{tick:g}") for tick in ticks(*y_range, 6)],
        "lines": [
            {
                "name": one.name,
                "kind": one.kind + " thin" * bool(one.weights),
                "points": [(*at(x, y), radius) for x, y, radius in _known(one)],
            }
            for one in series
        ],
        "mark": mark and {"x": at(mark[0], y_range[0])[0], "text": mark[1]},
        "note": note,
    }


def _known(series: Series) -> list[tuple[float, float, float]]:
    if series.weights is None:
        radii = [DOT if len(series.x) <= FEW_POINTS else 0.0] * len(series.x)
    else:
        most = max(series.weights, default=0) or 1
        radii = [round(max(SMALLEST_DOT, LARGEST_DOT * math.sqrt(weight / most)), 1) for weight in series.weights]
    points = zip(series.x, series.y, radii, strict=True)
    return [point for point in points if point[1] is not None and math.isfinite(point[1])]


def histogram(values: Sequence[float], most_bins: int) -> list[dict]:
    """Return bars of round width from 0 on: ``low``, ``high`` (exclusive), ``count``, ``share`` of most."""
    if not len(values):
        return []
    largest = max(values)
    steps = (factor * 10.0**power for power in range(-3, 6) for factor in (1, 2, 5))
    step = next(step for step in steps if largest < step * most_bins)
    n = int(largest / step + 1e-9) + 1
    counts = [0] * n
    for value in values:
        counts[min(n - 1, int(value / step + 1e-9))] += 1
    return [
        {
            "low": round(i * step, 6),
            "high": round((i + 1) * step, 6),
            "count": count,
            "share": count / max(counts),
        }
        for i, count in enumerate(counts)
    ]
