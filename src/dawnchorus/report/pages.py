"""Pages from templates: everything that is filled in is escaped, and an unknown name is an error.

Data for a page's program goes through the filter ``tojson``, which refuses NaN: a browser's JSON.parse would throw.
"""

from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, context: dict) -> str:
    """Return a page as text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}
    return environment.get_template(template).render(context)
