"""A picture of what was detected: the spectrogram with a box for each event, the score curves below, and a legend.

Every species has a colour of its own. A box is as long as its event and as high as the band of its species.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from colorsys import hsv_to_rgb
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dawnchorus.foundation.display_names import display_names
from dawnchorus.report import figure_style, media

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dawnchorus.annotations.bands import Band
    from dawnchorus.detection.detections import Decision
    from dawnchorus.sound.spans import Span

# The palette of Okabe and Ito (2008) without black and yellow, which a spectrogram and paper swallow.
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#0072B2")
WIDTH_IN, SPECTROGRAM_IN, CURVES_IN = 11.0, 3.2, 1.6
LEFT_IN, RIGHT_IN, BETWEEN_IN, AXIS_IN, TITLE_IN = 0.7, 0.2, 0.25, 0.5, 0.35
LEGEND_COLUMNS, LEGEND_ROW_IN, LEGEND_TITLE_IN = 4, 0.19, 0.3
LABEL_CHARACTERS, BOX_CHARACTERS = 32, 18
# A label takes so much of the time axis.
LABEL_SHARE = 0.15
# Labels that would need more lanes are left out: the colour says which species it is.
LANES, LANE_IN = 6, 0.17


def colours(n: int) -> list[str]:
    """Return ``n`` colours that differ: those of Okabe and Ito, then hues a golden angle apart, darker in turns."""
    more = [
        to_hex(hsv_to_rgb((0.08 + 0.381966 * k) % 1, (0.95, 0.55)[k % 2], (0.62, 0.85, 0.42)[k % 3]))
        for k in range(n - len(COLOURS))
    ]
    return [*COLOURS[:n], *more]


def lanes(starts_s: Sequence[float], length_s: float) -> list[int]:
    """Return a lane for each label, sorted by start, so that those in one lane do not meet: the lowest that is free."""
    free_from_s: list[float] = []
    found = []
    for start_s in starts_s:
        lane = next((number for number, free_s in enumerate(free_from_s) if free_s <= start_s), len(free_from_s))
        free_from_s[lane : lane + 1] = [start_s + length_s]
        found.append(lane)
    return found


def draw(
    y: np.ndarray,
    sample_rate_hz: int,
    start_s: float,
    title: str,
    events: Sequence[dict],
    centres_s: np.ndarray,
    scores: np.ndarray,
    decision: Decision,
) -> Figure:
    """Return the figure of a stretch of sound that begins at ``start_s`` of its recording.

    ``events``: rows of events.csv. ``scores``: (windows, classes), calibrated and smoothed, of the windows
    whose middles are ``centres_s``. Curves are shown of the species with events here, the strongest first.
    """
    end_s = start_s + len(y) / sample_rate_hz
    here = [event for event in events if event["end_s"] > start_s and event["start_s"] < end_s]
    best: dict[str, float] = {}
    for event in here:
        best[event["species_id"]] = max(best.get(event["species_id"], 0.0), event["peak_score"])
    shown = sorted(best, key=lambda species_id: -best[species_id])
    colour_of = dict(zip(shown, colours(len(shown)), strict=True))
    ids = list(decision.species_ids)
    names = dict(zip(ids, display_names(ids, decision.species_names, LABEL_CHARACTERS), strict=True))
    short = dict(zip(ids, display_names(ids, decision.species_names, BOX_CHARACTERS), strict=True))

    labelled, of_lane = _in_lanes(here, (start_s, end_s))
    labels_in = LANE_IN * (1 + max(of_lane, default=-1))
    legend_in = LEGEND_TITLE_IN + LEGEND_ROW_IN * math.ceil(len(shown) / LEGEND_COLUMNS) if shown else 0.0
    width_in = WIDTH_IN - LEFT_IN - RIGHT_IN
    curves_at_in = legend_in + AXIS_IN
    spectrogram_at_in = curves_at_in + CURVES_IN + BETWEEN_IN
    with figure_style.styled():
        figure = Figure(
            figsize=(WIDTH_IN, spectrogram_at_in + SPECTROGRAM_IN + labels_in + TITLE_IN), dpi=figure_style.DPI
        )
        top = figure_style.axes_in(figure, LEFT_IN, spectrogram_at_in, width_in, SPECTROGRAM_IN)
        below = figure_style.axes_in(figure, LEFT_IN, curves_at_in, width_in, CURVES_IN)
        _draw_spectrogram(top, y, sample_rate_hz, (start_s, end_s))
        top.set_title(title, pad=72 * labels_in + 6)
        _draw_boxes(top, here, colour_of, decision.bands_in(sample_rate_hz), (start_s, end_s))
        _draw_labels(top, labelled, of_lane, short, colour_of, (start_s, end_s))
        visible = (centres_s >= start_s - 60) & (centres_s <= end_s + 60)
        lines = []
        for species_id in shown:
            index, colour = ids.index(species_id), colour_of[species_id]
            lines += below.plot(centres_s[visible], scores[visible, index], color=colour)
            below.axhline(decision.thresholds[index], color=colour, linewidth=1, linestyle=(0, (2, 2)))
        below.set(xlim=(start_s, end_s), ylim=(0, 1.02), xlabel="time in the recording (s)", ylabel="score")
        below.grid(axis="y")
        if shown:
            # By hand: Matplotlib would leave out names that begin with an underscore.
            legend = figure.legend(
                *(lines, [names[species_id] for species_id in shown]),
                loc="lower left",
                bbox_to_anchor=(LEFT_IN / WIDTH_IN, 0),
                borderaxespad=0.2,
                ncols=LEGEND_COLUMNS,
                fontsize=8,
                labelspacing=0.3,
                title="species, the strongest first; dotted: its threshold",
                alignment="left",
            )
            legend.get_title().set_fontsize(8)
    return figure


def _draw_spectrogram(axes: Axes, y: np.ndarray, sample_rate_hz: int, extent_s: Span) -> None:
    db = media.spectrogram_db(y, sample_rate_hz, 1600, 400)
    low_db = max(-media.DYNAMIC_RANGE_DB, float(np.percentile(db, 30)))
    box = (*extent_s, 0, sample_rate_hz / 2000)
    axes.imshow(db, cmap="gray_r", vmin=min(low_db, -20.0), vmax=0, extent=box, aspect="auto")
    axes.set_ylabel("frequency (kHz)")


def _draw_boxes(
    axes: Axes, events: Sequence[dict], colour_of: Mapping[str, str], bands_hz: Mapping[str, Band], extent_s: Span
) -> None:
    """Draw each event as a box of its time and of the band of its species."""
    for event in events:
        start_s, end_s = max(event["start_s"], extent_s[0]), min(event["end_s"], extent_s[1])
        low_khz, high_khz = (edge_hz / 1000 for edge_hz in bands_hz[event["species_id"]])
        colour = colour_of[event["species_id"]]
        patch = Rectangle(
            (start_s, low_khz), end_s - start_s, high_khz - low_khz, fill=False, edgecolor=colour, linewidth=1.8
        )
        axes.add_patch(patch)


def _in_lanes(events: Sequence[dict], extent_s: Span) -> tuple[list[dict], list[int]]:
    """Return the events whose labels have room above the picture, by start, and the lane of each label."""
    gap_s = LABEL_SHARE * (extent_s[1] - extent_s[0])
    ordered = sorted(events, key=lambda event: event["start_s"])
    found = lanes([_label_at_s(event, extent_s) for event in ordered], gap_s)
    kept = [(event, lane) for event, lane in zip(ordered, found, strict=True) if lane < LANES]
    return [event for event, _ in kept], [lane for _, lane in kept]


def _label_at_s(event: dict, extent_s: Span) -> float:
    """Return where a label begins: where its event does, unless it would leave the picture."""
    latest_s = extent_s[1] - LABEL_SHARE * (extent_s[1] - extent_s[0])
    return max(extent_s[0], min(event["start_s"], latest_s))


def _draw_labels(
    axes: Axes,
    events: Sequence[dict],
    of_lane: Sequence[int],
    names: Mapping[str, str],
    colour_of: Mapping[str, str],
    extent_s: Span,
) -> None:
    """Write species and peak score of each event above the picture, in lanes that do not meet."""
    for event, lane in zip(events, of_lane, strict=True):
        colour = colour_of[event["species_id"]]
        axes.annotate(
            f"{names[event['species_id']]} {event['peak_score']:.2f}",
            xy=(_label_at_s(event, extent_s), 1),
            xycoords=("data", "axes fraction"),
            xytext=(1, 72 * LANE_IN * lane + 4),
            textcoords="offset points",
            fontsize=7,
            color="black" if _is_light(colour) else "white",
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 1},
        )


def _is_light(colour: str) -> bool:
    """Say whether black is read better on a colour than white, by its luminance (WCAG 2.1, relative luminance)."""
    shares = np.array(to_rgb(colour))
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return bool(linear @ (0.2126, 0.7152, 0.0722) > 0.179)
