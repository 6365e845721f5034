"""Examples of what the model is given: waveform and features of a clip of each of a few species."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from dawnchorus.features import clips as clip_spans
from dawnchorus.features.kinds import Kind
from dawnchorus.foundation.display_names import display_names
from dawnchorus.foundation.errors import InputError
from dawnchorus.report import excerpts, media
from dawnchorus.report.figure_style import COLOURS, DPI, FAINT, styled
from dawnchorus.sound.spans import Span

RECORDING_CHARACTERS = 28


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
    annotation_s: Span | None


def examples_of(
    rows: pd.DataFrame, recordings: dict[str, dict], labels: Sequence[str], audio_dir: Path, block: dict, most: int
) -> list[Example]:
    """Return one clip of each of the ``most`` commonest species, cut and computed as the model gets it.

    ``rows``: those of the data set; ``recordings``: path, duration_s, sample_rate_hz by recording_id; ``block``: the
    block ``features``.
    """
    of_class = excerpts.median_clips(rows, len(labels))
    chosen = [rows.iloc[of_class[index]] for index in excerpts.commonest(rows, len(labels), most)]
    places = []
    for row in chosen:
        recording, marked_s = recordings[row["recording_id"]], (row["t_min_s"], row["t_max_s"])
        [stretch_s] = clip_spans.spans([marked_s], recording["duration_s"], block)
        rate_hz = int(recording["sample_rate_hz"])
        places.append(excerpts.Place(audio_dir / recording["path"], rate_hz, stretch_s, marked_s))
    made = {}
    for position, y, rate_hz, values in excerpts.features(places, block):
        row, (start_s, end_s), marked_s = chosen[position], places[position].stretch_s, places[position].marked_s
        if values is None:
            raise InputError(
                f"{places[position].path}: from {start_s:g} to {end_s:g} s: {len(y)} samples at {rate_hz} Hz; "
                f"expected one FFT frame at least, features.n_fft {block['n_fft']}"
            )
        [recording_id] = display_names(["?"], [row["recording_id"]], RECORDING_CHARACTERS)
        made[position] = Example(
            label=labels[row["class_index"]],
            caption=f"{recording_id}, {start_s:.2f} to {end_s:.2f} s",
            y=y,
            sample_rate_hz=rate_hz,
            features=values,
            hop_s=block["hop_length"] / rate_hz,
            annotation_s=None if (start_s, end_s) == marked_s else (marked_s[0] - start_s, marked_s[1] - start_s),
        )
    return [made[position] for position in sorted(made)]


@styled()
def examples(clips: Sequence[Example], kind: Kind) -> Figure:
    """Draw waveform and features of each clip, one row a clip; the annotation is marked if it is only a part.

    ``kind`` says what the features are; those that say only how loud the sound is are left out.
    """
    layout = ConstrainedLayoutEngine(h_pad=0.05, w_pad=0.06, hspace=0.04)
    figure = Figure(figsize=(10, 0.5 + 1.55 * len(clips)), dpi=DPI, layout=layout)
    grid = figure.subplots(len(clips), 2, squeeze=False, width_ratios=(1, 1.25))
    for clip, (left, right) in zip(clips, grid, strict=True):
        middles, low, high = media.envelope(clip.y, 900)
        left.fill_between(middles / clip.sample_rate_hz, low, high, color=COLOURS["train"], linewidth=0.5)
        peak = float(np.abs(clip.y).max()) or 1.0
        left.set(ylim=(-1.05 * peak, 1.05 * peak), ylabel="amplitude")
        left.yaxis.set_major_locator(MaxNLocator(nbins=3, symmetric=True))
        left.set_title(clip.label, fontweight="bold")

        shown = kind.without_level(clip.features)
        colours, low_value, high_value = media.feature_colours(shown, kind)
        first = clip.features.shape[1] - shown.shape[1]
        image = right.imshow(
            shown.T,
            origin="lower",
            aspect="auto",
            interpolation="none",
            cmap=colours,
            vmin=low_value,
            vmax=high_value,
            extent=(
                *(-clip.hop_s / 2, (len(shown) - 0.5) * clip.hop_s),
                *(first - 0.5, clip.features.shape[1] - 0.5),
            ),
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
