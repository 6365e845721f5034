"""Figures as part of a page: the SVG of a figure made safe to stand in HTML, in the colours of the page."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from markupsafe import Markup

from dawnchorus.report.figure_style import COLOURS, FAINT, GRID, INK, PANEL, PAPER, VERDICTS, WIDE

# The colours of figures by the names that page.css gives them, in the light and in the dark.
THEME = {
    **{colour.lower(): f"var(--{name})" for name, colour in COLOURS.items()},
    **{INK: "var(--ink)", FAINT: "var(--faint)", GRID.lower(): "var(--line)", PAPER.lower(): "var(--paper)"},
    **{VERDICTS["better"].lower(): "var(--good)", VERDICTS["worse"].lower(): "var(--poor)"},
}
# What figures are drawn with. A script, a link, foreign HTML or a style sheet for all of the page is none of it.
ELEMENTS = {"svg", "g", "defs", "clipPath", "path", "use", "rect", "circle", "line", "image", "text", "tspan"}
LEFT_OUT = {"metadata", "style"}
_SPACE, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_PANEL = re.compile(rf"\b({PANEL}|{WIDE})_([-\d.]+)_([-\d.]+)_([-\d.]+)_([-\d.]+)$")
# How much larger than its file a figure may be in a page, and a panel that is small, up to which width.
LARGEST, SMALL_LARGEST, SMALL_PT = 1.4, 1.15, 200.0
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inlined(svg: str, name: str, description: str) -> Markup:
    """Return an SVG file of matplotlib's as an element for a page.

    Ids begin with ``name``, so that two figures never share one. A figure of several parts (figure_style.panel) becomes
    a grid of them, as many beside each other as there is room for; any other is as wide as there is room, up to
    :data:`LARGEST` times its size. ``description`` is what a screen reader says. Raises ValueError for anything that a
    figure has no use for.
    """
    root = ElementTree.fromstring(svg)
    _clean(root, name)
    width_pt, height_pt = (float(root.attrib.pop(side).removesuffix("pt")) for side in ("width", "height"))
    root.attrib.pop("version", None)
    parts = [(element, found) for element in root.iter("g") if (found := _PANEL.search(element.get("id", "")))]
    if len(parts) > 1:
        return _grid(root, parts, description)
    root.set("viewBox", f"0 0 {width_pt:g} {height_pt:g}")
    root.set("style", f"width:100%;max-width:{LARGEST * width_pt:.0f}pt")
    root.set("role", "img")
    root.set("aria-label", description)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _grid(root: ElementTree.Element, parts: Sequence[tuple[ElementTree.Element, re.Match]], description: str) -> Markup:
    """Return the parts of a figure, each with what its id says of it, as a grid of drawings."""
    placed = [(element, found[1], [float(side) for side in found.groups()[1:]]) for element, found in parts]
    widest_pt = max(width for _, kind, (_, _, width, _) in placed if kind == PANEL)
    # A few large ones share the row; many small ones stand in columns.
    fill, largest = ("auto-fit", LARGEST) if widest_pt > SMALL_PT else ("auto-fill", SMALL_LARGEST)
    grid = ElementTree.Element("div", {"class": "panels", "role": "img", "aria-label": description})
    grid.set("style", f"grid-template-columns:repeat({fill},minmax(min(100%,{widest_pt:.0f}pt),1fr))")
    definitions = [element for element in root if element.tag == "defs"]
    for number, (element, kind, (left, top, width, height)) in enumerate(placed):
        drawing = ElementTree.SubElement(grid, "svg", {"viewBox": f"{left:g} {top:g} {width:g} {height:g}"})
        drawing.set("aria-hidden", "true")
        row = "grid-column:1/-1;" if kind == WIDE else ""
        drawing.set("style", f"{row}width:100%;max-width:{(1 if row else largest) * width:.0f}pt")
        # What is defined for all stands once in the page, in the first.
        drawing.extend([*(definitions if not number else []), element])
    return Markup(ElementTree.tostring(grid, encoding="unicode"))


def _clean(element: ElementTree.Element, name: str) -> None:
    element.tag = element.tag.removeprefix(_SPACE)
    if element.tag not in ELEMENTS:
        raise ValueError(f"figure {name}: <{element.tag}> in its SVG; expected {', '.join(sorted(ELEMENTS))}")
    link = element.attrib.pop(_LINK, None)
    if link is not None:
        if not link.startswith(("#", "data:image/png;base64,")):
            raise ValueError(f"figure {name}: a link to {link[:60]!r} in its SVG; expected one within the figure")
        element.set("href", f"#{name}-{link[1:]}" if link.startswith("#") else link)
    for key, value in list(element.attrib.items()):
        if key.startswith(("on", "{")):
            raise ValueError(f"figure {name}: attribute {key} in its SVG")
        if key == "id":
            element.set("id", f"{name}-{value}")
        elif key != "href":
            themed = _COLOUR.sub(lambda found: THEME.get(found[0].lower(), found[0]), value)
            element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", themed))
    for child in list(element):
        if child.tag.removeprefix(_SPACE) in LEFT_OUT:
            element.remove(child)
        else:
            _clean(child, name)
    if element.tag not in ("text", "tspan"):
        element.text = element.tail = None
