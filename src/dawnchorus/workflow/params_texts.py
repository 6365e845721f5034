"""What is written from the models of params.yaml: its JSON schema, and complete, commented presets. `make generated`.

The source of a preset is presets/changes/<name>.yaml: a comment that says what the preset is, and the values that
differ from the default recipe. params.yaml is a copy of presets/default.yaml until somebody edits it; it is written
again only as long as it is one, so that nobody's values are lost.
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dawnchorus.foundation import strict_yaml
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import write_whole
from dawnchorus.parameters import fields
from dawnchorus.parameters.base import Block, meaning_of
from dawnchorus.parameters.recipe import RECIPE
from dawnchorus.workflow import params_file

ROOT = Path(__file__).parents[3]
SCHEMA, DEFAULT, PARAMS = Path("workflow/schemas/params.schema.json"), Path("presets/default.yaml"), Path("params.yaml")
CHANGES = Path("presets/changes")
WIDTH = 120
WRITTEN = (
    "# Written by `make generated` from presets/changes/{name}.yaml and the models in src/dawnchorus/parameters.\n"
)


def schema() -> dict[str, Any]:
    """Return the JSON schema of params.yaml, with all networks and kinds of features as alternatives."""
    found = fields.schema_of(RECIPE)
    for block, (key, registry) in params_file.CHOICES.items():
        alternatives = []
        for name in registry.names():
            one = fields.schema_of(params_file.joined(block, name))
            one["properties"][key] |= {"const": name, "default": name}
            alternatives.append(one)
        found["$defs"][fields.block(RECIPE, block).__name__] = {"oneOf": alternatives}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Written by `make generated` from the models in src/dawnchorus",
        **found,
    }


def completed(changes: dict) -> dict[str, Any]:
    """Return the default recipe with some values changed, as many keys deep as they go; {} empties a block."""
    chosen = {block: changes.get(block, {}).get(key) for block, (key, _) in params_file.CHOICES.items()}
    return _merged(params_file.defaults(**{block: name for block, name in chosen.items() if name}), changes)


def _merged(values: dict, changes: dict) -> dict:
    merged = dict(values)
    for name, change in changes.items():
        below = isinstance(change, dict) and change and isinstance(values.get(name), dict)
        merged[name] = _merged(values[name], change) if below else change
    return merged


def text_of(params: dict, head: str) -> str:
    """Return a params file: ``head``, and every key below a comment that says what it is and may be."""
    return head + "\n".join(_lines(params_file.model_of(params), params, "")) + "\n"


def _lines(model: type[Block], values: dict, indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name not in values:
            continue
        inner = fields.block_of(field)
        allowed = "" if inner else fields.words(fields.rule_of(model, name), str)
        comment = meaning_of(field) + (f" ({allowed})" if allowed not in ("", "string", "string or null") else "")
        if not indent:
            yield ""
        yield from textwrap.wrap(comment, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ")
        if inner and values[name]:
            yield f"{indent}{name}:"
            yield from _lines(inner, values[name], f"{indent}  ")
        else:
            yield f"{indent}{name}: {flow(values[name])}"


def flow(value: Any) -> str:
    """Return a value as it stands behind its key."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()


def preset(path: Path) -> str:
    """Return the complete preset of a file of changes; its comment comes along."""
    text = path.read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    params = params_file.canonical(completed(strict_yaml.read(path).values if text != head else {}), path)
    made = text_of(params, head + "#\n" + WRITTEN.format(name=path.stem))
    if strict_yaml.parse(made.encode(), path.name).values != params:
        raise InputError(f"{path}: expected texts that need no quotes in YAML")
    return made


def texts(root: Path) -> dict[Path, str]:
    """Return every file that is written, by its path below ``root``."""
    presets = {Path("presets") / path.name: preset(path) for path in sorted((root / CHANGES).glob("*.yaml"))}
    return {SCHEMA: json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", **presets}


def main() -> None:
    made = texts(ROOT)
    given, before = ((ROOT / path).read_text(encoding="utf-8") for path in (PARAMS, DEFAULT))
    if given == before:
        made[PARAMS] = made[DEFAULT]
    else:
        print(f"params_texts: {PARAMS} has values of its own and is left as it is; the default recipe is {DEFAULT}")
    for path, text in made.items():
        with write_whole(ROOT / path) as file:
            file.write(text)
        print(f"params_texts: {path}")


if __name__ == "__main__":
    sys.exit(run(main))
