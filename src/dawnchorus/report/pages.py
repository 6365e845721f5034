"""Pages from templates: everything that is filled in is escaped, and an unknown name is an error.

Data for a page's program goes through the filter ``tojson``, which refuses NaN: a browser's JSON.parse would throw.

A page says by hash which program and which style sheet a browser may use; whatever else gets into it does nothing. So
no element has a style of its own: :func:`render` makes a class of each, at the end of the page's one style sheet.
"""

import base64
import hashlib
import html
import re
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"
# Where the hash of the style sheet belongs, in the head of page.html.j2, before anything of the user's.
STYLE_HASH = "{style-hash}"
_TAG_WITH_STYLE = re.compile(r'<[a-zA-Z][^<>]* style="[^<>]*>')
_STYLE, _CLASS = re.compile(r' style="([^"]*)"'), re.compile(r' class="([^"]*)"')


def render(template: str, context: dict) -> str:
    """Return a page as text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}
    # Of the file itself, not of what stands in the page: what somebody got into that has no hash.
    environment.globals["hash_of"] = lambda name: hash_of(environment.get_template(name).render())
    return _with_one_style_sheet(environment.get_template(template).render(context))


def hash_of(text: str) -> str:
    """Return what a Content-Security-Policy calls an inline program or style sheet by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _with_one_style_sheet(page: str) -> str:
    """Return a page whose style attributes are classes, and whose policy has the hash of its style sheet."""
    head, opened, rest = page.partition("<style>")
    sheet, closed, rest = rest.partition("</style>")
    body, program, data = rest.partition("<script")
    classes: dict[str, str] = {}

    def with_class(found: re.Match) -> str:
        tag = found[0]
        style = html.unescape(_STYLE.search(tag)[1])  # type: ignore[index]
        if re.search(r"[{}<>@\\]|/\*", style):
            raise ValueError(f"style of an element: {style!r}: expected properties and values alone")
        name = classes.setdefault(style, f"s{len(classes)}")
        tag = _STYLE.sub("", tag, count=1)
        if _CLASS.search(tag):
            return _CLASS.sub(rf' class="\1 {name}"', tag, count=1)
        return re.sub(r"^<[\w-]+", rf'\g<0> class="{name}"', tag)

    body = _TAG_WITH_STYLE.sub(with_class, body)
    # Three times its name, so that it goes before the rules for all of its kind, as an element's own style does.
    sheet += "".join(f".{name}.{name}.{name}{{{style}}}\n" for style, name in classes.items())
    head = head.replace(STYLE_HASH, hash_of(sheet), 1)
    return f"{head}{opened}{sheet}{closed}{body}{program}{data}"
