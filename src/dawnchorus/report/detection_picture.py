"""A picture of what was detected: the spectrogram with a box for each event, and the score curves below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dawnchorus.foundation.display_names import display_names
from dawnchorus.report import figure_style, media

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dawnchorus.detection.detections import Decision
    from dawnchorus.sound.spans import Span

# The palette of Okabe and Ito (2008) without black and yellow, which a dark spectrogram and paper swallow.
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#0072B2")
WIDTH_IN, SPECTROGRAM_IN, CURVES_IN = 11.0, 3.2, 1.6
MOST_CURVES = len(COLOURS)
LABEL_CHARACTERS = 28
LEGEND_IN = 2.6
LANES = 6


def lanes(spans: Sequence[tuple[float, float]], gap_s: float) -> list[int]:
    """Return a lane for each span, sorted by start, so that labels of spans in one lane do not meet.

    ``gap_s``: how much of the time axis a label takes. The lowest lane that is free; the first after the
    last.
    """
    free_from_s: list[float] = []
    found = []
    for start_s, end_s in spans:
        lane = next((number for number, free_s in enumerate(free_from_s) if free_s <= start_s), len(free_from_s))
        if lane == len(free_from_s):
            free_from_s.append(0.0)
        free_from_s[lane] = max(end_s, start_s + gap_s)
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
    colours = {species_id: COLOURS[k % len(COLOURS)] for k, species_id in enumerate(shown)}
    labels = display_names(decision.species_ids, decision.species_names, LABEL_CHARACTERS)
    label_of = dict(zip(decision.species_ids, labels, strict=True))

    with figure_style.styled():
        height_in = SPECTROGRAM_IN + CURVES_IN + 1.3
        figure = Figure(figsize=(WIDTH_IN, height_in), dpi=figure_style.DPI)
        top = figure_style.axes_in(figure, 0.7, CURVES_IN + 0.85, WIDTH_IN - LEGEND_IN, SPECTROGRAM_IN)
        below = figure_style.axes_in(figure, 0.7, 0.5, WIDTH_IN - LEGEND_IN, CURVES_IN)
        _draw_spectrogram(top, y, sample_rate_hz, (start_s, end_s), title)
        _draw_boxes(top, here, label_of, colours, sample_rate_hz / 2000, (start_s, end_s))
        visible = (centres_s >= start_s - 60) & (centres_s <= end_s + 60)
        for species_id in shown[:MOST_CURVES]:
            index, colour = list(decision.species_ids).index(species_id), colours[species_id]
            below.plot(centres_s[visible], scores[visible, index], color=colour, label=label_of[species_id])
            below.axhline(decision.thresholds[index], color=colour, linewidth=1, linestyle=(0, (2, 2)))
        below.set(xlim=(start_s, end_s), ylim=(0, 1.02), xlabel="time in the recording (s)", ylabel="score")
        below.grid(axis="y")
        if shown:
            legend = below.legend(loc="upper left", bbox_to_anchor=(1.01, 1.1), fontsize=8, title="dotted: threshold")
            legend.get_title().set_fontsize(7.5)
    return figure


def _draw_spectrogram(axes: Axes, y: np.ndarray, sample_rate_hz: int, extent_s: Span, title: str) -> None:
    db = media.spectrogram_db(y, sample_rate_hz, 1600, 400)
    low_db = max(-media.DYNAMIC_RANGE_DB, float(np.percentile(db, 30)))
    box = (*extent_s, 0, sample_rate_hz / 2000)
    axes.imshow(db, cmap="gray_r", vmin=min(low_db, -20.0), vmax=0, extent=box, aspect="auto")
    axes.set_ylabel("frequency (kHz)")
    axes.set_title(title)


def _draw_boxes(
    axes: Axes, events: Sequence[dict], label_of: dict, colours: dict, top_khz: float, extent_s: Span
) -> None:
    """Draw each event as a box; those that overlap in time begin at different heights, so that all can be read."""
    width_s = extent_s[1] - extent_s[0]
    ordered = sorted(events, key=lambda event: event["start_s"])
    of_lane = lanes([(event["start_s"], event["end_s"]) for event in ordered], 0.17 * width_s)
    for event, lane in zip(ordered, of_lane, strict=True):
        lane, colour = lane % LANES, colours[event["species_id"]]
        start_s, end_s = max(event["start_s"], extent_s[0]), min(event["end_s"], extent_s[1])
        height_khz = top_khz * (1 - (lane + 0.25) / (LANES + 2))
        patch = Rectangle((start_s, 0), end_s - start_s, height_khz, fill=False, edgecolor=colour, linewidth=1.8)
        axes.add_patch(patch)
        axes.text(
            min(start_s, extent_s[1] - 0.12 * width_s),
            height_khz,
            f"{label_of[event['species_id']]} {event['peak_score']:.2f}",
            fontsize=7.5,
            color="black",
            verticalalignment="top",
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.2},
        )
