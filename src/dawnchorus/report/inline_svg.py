"""Figures as part of a page: the SVG of a figure made safe to stand in HTML, in the colours of the page."""

import re
from xml.etree import ElementTree

from markupsafe import Markup

from dawnchorus.report.figure_style import COLOURS, FAINT, GRID, INK, PAPER, VERDICTS

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
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inlined(svg: str, name: str, description: str) -> Markup:
    """Return an SVG file of matplotlib's as an element for a page.

    Ids begin with ``name``, so that two figures never share one. The figure keeps its size where there is room, shrinks
    by a quarter at most, and is then scrolled. ``description`` is what a screen reader says. Raises ValueError for
    anything that a figure has no use for.
    """
    root = ElementTree.fromstring(svg)
    _clean(root, name)
    width_pt, height_pt = (float(root.attrib.pop(side).removesuffix("pt")) for side in ("width", "height"))
    root.attrib.pop("version", None)
    root.set("viewBox", f"0 0 {width_pt:g} {height_pt:g}")
    root.set("style", f"width:100%;min-width:{0.75 * width_pt:.0f}pt;max-width:{width_pt:.0f}pt")
    root.set("role", "img")
    root.set("aria-label", description)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


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
