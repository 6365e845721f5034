"""How all figures look: palette, fonts, sizes, and files that come out the same each time."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib import font_manager, style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dawnchorus.foundation.files import write_whole

# The palette of Okabe and Ito (2008), made to be told apart with any colour vision.
COLOURS = {"train": "#0072B2", "validation": "#E69F00", "test": "#009E73"}
INK, FAINT, GRID, PAPER = "#222222", "#767676", "#E3E3E3", "#FFFFFF"
VERDICTS = {"better": "#116329", "worse": "#A40E26", "unclear": FAINT}
DPI = 150
# What the id of a part of a figure begins with: one of several beside each other, or one that stands below them all.
PANEL, WIDE, MARGIN_IN = "panel", "wide", 0.04

# Tried in this order for a character that the fonts before it lack; those not installed are left out.
_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Emoji")
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    # Text stays text: it can be searched, and a browser has glyphs that the fonts here may lack.
    "svg.fonttype": "none",
    "svg.hashsalt": "dawnchorus",
}


@contextmanager
def styled() -> Iterator[None]:
    """Use this module's style, whatever a user's matplotlibrc says; a missing glyph is drawn as a box."""
    installed = set(font_manager.fontManager.get_font_names())
    families = {"font.family": [*(font for font in _FONTS if font in installed), "sans-serif"]}
    with warnings.catch_warnings(), style.context(["default", _STYLE, families]):
        warnings.filterwarnings("ignore", message="(Glyph|Matplotlib currently does not support)")
        yield


def width_in(labels: Sequence[str], size_pt: float) -> float:
    """Return the width in inches of the widest label."""
    canvas = FigureCanvasAgg(Figure(dpi=144))
    renderer = canvas.get_renderer()
    font = font_manager.FontProperties(size=size_pt)
    return max(renderer.get_text_width_height_descent(text, font, False)[0] for text in labels) / 144


def axes_in(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def panel(
    artist: Artist, figure: Figure, left: float, bottom: float, width: float, height: float, kind: str = PANEL
) -> None:
    """Mark what is drawn as a part of its figure that a page may place by itself; the place of all of it in inches.

    The file of the figure is the same but for an id that says where the part is, in points from the upper left:
    :func:`dawnchorus.report.inline_svg.inlined` reads it.
    """
    sides = (left, float(figure.get_size_inches()[1]) - bottom - height, width, height)
    artist.set_gid("_".join([kind, *(f"{72 * side:.1f}" for side in sides)]))


def as_panels(figure: Figure) -> Figure:
    """Mark all axes and legends of a finished figure as parts, with their titles and labels; see :func:`panel`."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    for artist in (*figure.axes, *figure.legends):
        box = artist.get_tightbbox(renderer)
        if box is not None:
            left, bottom, right, top = (float(end) / figure.dpi for end in box.extents)
            size = right - left + 2 * MARGIN_IN, top - bottom + 2 * MARGIN_IN
            kind = PANEL if isinstance(artist, Axes) else WIDE
            panel(artist, figure, left - MARGIN_IN, bottom - MARGIN_IN, *size, kind)
    return figure


@styled()
def encoded(figure: Figure, format: str) -> bytes:
    """Return a figure as a ``png`` or ``svg`` file; the same figure gives the same bytes (no date, no random id)."""
    metadata = {"Software": None} if format == "png" else {"Date": None, "Creator": None}
    file = io.BytesIO()
    figure.savefig(file, format=format, metadata=metadata)
    return file.getvalue()


def write(figure: Figure, path: Path) -> None:
    """Write a figure, whole; the suffix of ``path``, .png or .svg, says how."""
    with write_whole(path, "wb") as file:
        file.write(encoded(figure, path.suffix.removeprefix(".")))
