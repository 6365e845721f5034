"""The table in docs/dvc.md that says which rules run when a value of params.yaml changes: `make generated`.

It follows from what each rule reads (its stage, by the models of the blocks) and from the DAG.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import write_whole
from dawnchorus.parameters import fields
from dawnchorus.workflow import dvc_file, params_file

if TYPE_CHECKING:
    from snakemake.io import _IOFile
    from snakemake.rules import Rule as SnakemakeRule

ROOT = Path(__file__).parents[3]
PAGE = Path("docs/dvc.md")
MARKS = "<!-- reruns -->\n", "<!-- /reruns -->"


@dataclass(frozen=True)
class Rule:
    """A rule of the Snakefile: the stage whose values it reads, and the rules whose products it needs."""

    name: str
    stage: str
    opens_recordings: bool
    needs: frozenset[str]
    on_demand: bool


def rules(root: Path) -> list[Rule]:
    """Return the rules under the default recipe, in the order of the Snakefile."""
    default = params_file.defaults()
    readers = set(fields.readers(params_file.model_of(default)))
    with dvc_file.opened_under(root, default) as workflow_api:
        wanted = list(workflow_api._workflow.get_rule("all").input)
        found = {rule.name: rule for rule in workflow_api._workflow.rules if rule.output}
        made_by = {
            path: {name for name, rule in found.items() if _makes(rule, path)}
            for path in {path for rule in found.values() for path in rule.input} | set(wanted)
        }
        asked_for = set().union(*(made_by[path] for path in wanted))
        return [
            Rule(
                name=name,
                # Of rules that run one stage, a key may name one alone.
                stage=name if name in readers else stage_of(name, rule.shellcmd),
                opens_recordings="audio_dir" in rule.params.keys(),  # noqa: SIM118 - Snakemake's own type
                needs=frozenset().union(*(made_by[path] for path in rule.input)) - {name},
                on_demand=name not in asked_for,
            )
            for name, rule in found.items()
        ]


def stage_of(name: str, command: str | None) -> str:
    """Return the stage that the shell command of a rule runs; one that runs none raises :class:`InputError`."""
    found = re.search(r"dawnchorus\.stages .* -- (\w+)", command or "")
    if found is None:
        raise InputError(f"rule {name}: expected a shell command that runs a stage: command(STAGE, ...)")
    return found[1]


def _makes(rule: SnakemakeRule, path: _IOFile) -> bool:
    """Say whether a rule makes an input of another one; either may have wildcards where the other has numbers."""
    return rule.is_producer(str(path)) or any(path.match(str(product)) for product in rule.output)


def reruns(rules: list[Rule]) -> dict[str, list[str]]:
    """Return, for every key of the default recipe, the rules that run when it changes, in order."""
    default = params_file.defaults()
    read = {rule.name: set(fields.keys(params_file.read_by(rule.stage, default))) for rule in rules}
    for rule in rules:
        if rule.opens_recordings:
            read[rule.name].add("data.audio_dir")
    found = {}
    for key in fields.keys(default):
        stale: set[str] = set()
        while more := {rule.name for rule in rules if key in read[rule.name] or rule.needs & stale} - stale:
            stale |= more
        found[key] = [rule.name for rule in rules if rule.name in stale]
    return found


def table(root: Path) -> str:
    """Return the table; keys that run the same rules are one row, and all the keys of a block are ``block.*``."""
    there_are = rules(root)
    # Of what is made on demand, what a person asks for: a stage, whose rule file has its name.
    stages = {path.stem for path in (root / "workflow/rules").glob("*.smk")}
    asked = [rule.name for rule in there_are if rule.on_demand and rule.name in stages]
    always = [rule.name for rule in there_are if not rule.on_demand]
    rows: dict[tuple, list[str]] = {}
    for key, stale in reruns(there_are).items():
        row = tuple(tuple(name for name in names if name in stale) for names in (always, asked))
        rows.setdefault(row, []).append(key)
    return "".join(
        [
            "| when this changes | these rules run | and these, once you ask for them |\n| --- | --- | --- |\n",
            *(
                f"| {' '.join(f'`{key}`' for key in _short(of_row))} | {_listed(run)} | {_listed(on_demand)} |\n"
                for (run, on_demand), of_row in rows.items()
            ),
        ]
    )


def _short(of_row: list[str]) -> list[str]:
    blocks: dict[str, list[str]] = {}
    for key in fields.keys(params_file.defaults()):
        blocks.setdefault(key.rpartition(".")[0], []).append(key)
    found = []
    for key in of_row:
        block = key.rpartition(".")[0]
        found.append(f"{block}.*" if block and set(blocks[block]) <= set(of_row) else key)
    return list(dict.fromkeys(found))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def text(root: Path) -> str:
    """Return docs/dvc.md with the table as it is now."""
    before, _, rest = (root / PAGE).read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return before + MARKS[0] + table(root) + MARKS[1] + after


def main() -> None:
    made = text(ROOT)
    with write_whole(ROOT / PAGE) as file:
        file.write(made)
    print(f"reruns: {PAGE}")


if __name__ == "__main__":
    sys.exit(run(main))
