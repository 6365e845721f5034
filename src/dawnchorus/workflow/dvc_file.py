"""dvc.yaml, written from the Snakefile: `make generated`, or `python -m dawnchorus.workflow.dvc_file`.

Every rule whose products `rule all` asks for is a stage of its name, with the rule's outputs, inputs and parameters.
What follows the stages (plots, artifacts) is written by hand and kept. The simulated set is a pipeline of its own,
workflow/simulate/dvc.yaml, because it exists only where the block `simulate` is not empty.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from dawnchorus.features import kinds
from dawnchorus.foundation import strict_yaml
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_whole
from dawnchorus.parameters import fields
from dawnchorus.parameters.data import OPTIONAL
from dawnchorus.workflow import params_file

if TYPE_CHECKING:
    from snakemake.rules import Rule

ROOT = Path(__file__).parents[3]
SIMULATE = Path("workflow/simulate/dvc.yaml")
# The parameters whose value is a path that a rule reads; the kind of features may have more.
DATA_PATHS = tuple(f"data.{key}" for key in ("annotations", *OPTIONAL, "audio_dir"))
AUDIO = "data.audio_dir"
# The parameter that chooses a file of each registry.
CHOICES = {"src/dawnchorus/networks": "model.name", "src/dawnchorus/features/kinds": "features.kind"}
HEAD = """\
# Written by `make generated` from the Snakefile, up to `plots`. Each stage runs the Snakemake rule of its name (without
# starting Snakemake where its products are current), and versions its products together with the record of what they
# were made from (*.provenance.json): the two travel together, so that both tools know what is stale after any checkout.

stages:
"""
SIMULATE_HEAD = """\
# Written by `make generated` from the Snakefile. The simulated set is a pipeline of its own: the main one depends on it
# only when data.source is simulated. With data of your own the block `simulate` is {}, and there is no such stage.

vars:
  - ../../params.yaml

stages:
"""


@contextmanager
def opened(folder: Path) -> Iterator:
    """Open the workflow of a folder with a Snakefile and a params.yaml; yield Snakemake's API of it, with its rules."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
        StorageSettings,
        WorkflowSettings,
    )

    before = Path.cwd()
    os.chdir(folder)
    try:
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            yield api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(),
                storage_settings=StorageSettings(),
                workflow_settings=WorkflowSettings(),
                snakefile=folder / "Snakefile",
                workdir=folder,
            )
    finally:
        os.chdir(before)


@contextmanager
def opened_under(root: Path, params: dict) -> Iterator:
    """Open the workflow in ``root`` under other parameters, in a folder of its own where the paths they name exist."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for link in ("Snakefile", "src", "workflow", "environment.yml"):
            (folder / link).symlink_to(root / link)
        (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        for key in paths_of(params):
            path = folder / fields.value_of(params, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if key == AUDIO else path.touch()
        with opened(folder) as workflow_api:
            yield workflow_api


def paths_of(params: dict) -> tuple[str, ...]:
    """Return the names of the parameters whose value is a path that a rule reads."""
    return *DATA_PATHS, *(f"features.{key}" for key in kinds.get(params["features"]["kind"]).KIND.inputs)


def base_of(root: Path, default: dict) -> dict:
    """Return the parameters to read the rules under: the default recipe, whatever somebody tries at the moment.

    But a kind of features that reads the user's files adds dependencies, and has keys that have no default.
    """
    present = strict_yaml.read(root / "params.yaml").values
    return {**present, "model": default["model"]} if kinds.input_files(present["features"]) else default


def placeholders(params: dict) -> dict:
    """Return the parameters with each path replaced by the name of its key, so that it is recognised in a rule."""
    changed = {name: dict(block) if isinstance(block, dict) else block for name, block in params.items()}
    for path in paths_of(params):
        block, key = path.split(".")
        changed[block][key] = path
    changed["data"]["source"], changed["simulate"] = "table", {}
    return changed


def products_of(rule: Rule) -> list[str]:
    """Return the outputs of a rule, its record included; of a rule with a job a shard the folder of them."""
    paths = [str(path) for path in rule.output]
    return [os.path.commonpath(paths)] if rule.has_wildcards() else paths


def folders_of(rules: dict[str, Rule]) -> dict[str, str]:
    """Return, of each file that some `all_RULE` asks for, the folder that DVC versions in its place."""
    return {
        str(path): products_of(rule)[0]
        for name, rule in rules.items()
        if f"all_{name}" in rules
        for path in rules[f"all_{name}"].input
    }


def stage_of(rule: Rule, params: dict, folders: dict[str, str]) -> dict:
    """Return the DVC stage of a rule: desc, cmd, deps, params, outs and metrics. ``folders``: of :func:`folders_of`."""
    given = dict(rule.params.items())
    chosen = {
        f"{folder}/{params[block][key]}.py": f"{folder}/${{{block}.{key}}}.py"
        for folder, (block, key) in ((folder, name.split(".")) for folder, name in CHOICES.items())
    }
    named_paths = paths_of(params)
    deps = list(dict.fromkeys(folders.get(str(path), str(path)) for path in rule.input))
    blocks = (json.loads(value) for value in given.values() if str(value).startswith("{"))
    names = [name for block in blocks for name in _names(block, params)]
    names += [path for path in named_paths if path in given.values() and "data" not in names]
    # The rule that hashes the recordings alone depends on them: others, which open them, read its table of the hashes.
    # DVC looks at every file of a folder once a stage.
    read = (*given.values(), *deps)
    paths = [path for path in named_paths if (path in read if path != AUDIO else "audio" in given)]
    fixed = [dep for dep in deps if dep not in named_paths]
    outs = products_of(rule)
    # A rule of several jobs has a target of all of them: DVC shows the command of each stage that it runs.
    target = rule.name if outs == list(rule.output) else f"all_{rule.name}"
    # An output of this name is what `dvc metrics diff` compares: the tables of all metrics would fill its screen.
    metrics = [str(path) for name, path in rule.output.items() if name == "headline"]
    return {
        "desc": rule.docstring.strip().splitlines()[0],
        "cmd": f"python workflow/rule.py {target}",
        "deps": [
            *(f"${{{path}}}" for path in paths),
            *(chosen.get(dep, dep) for dep in fixed),
        ],
        "params": list(dict.fromkeys(names)),
        "outs": [path for path in outs if path not in metrics],
        "metrics": metrics,
    }


def _names(values: dict, params: dict) -> list[str]:
    """Return the names of the parameters in a JSON value of a rule: a block that is whole, else its keys."""
    names = []
    for name, value in values.items():
        if value == params[name]:
            names.append(name)
        else:
            names += [f"{name}.{key}" for key in value]
    return names


def text_of(name: str, stage: dict) -> str:
    """Return a stage as YAML."""
    command = textwrap.wrap(stage["cmd"], 100, break_on_hyphens=False, break_long_words=False)
    lines = [f"{name}:", f"  desc: {stage['desc']}", "  cmd: >-", *(f"    {part}" for part in command)]
    for kind in ("deps", "params"):
        lines += [f"  {kind}:", *(f"    - {entry}" for entry in stage[kind])]
    for kind in ("outs", "metrics"):
        lines += [f"  {kind}:"] * bool(stage[kind])
        lines += [f"    - {path}: {{persist: true}}" for path in stage[kind]]
    return "\n".join(lines) + "\n"


def texts(root: Path) -> dict[Path, str]:
    """Return the two files, by their path below ``root``."""
    default = params_file.defaults()
    given = placeholders(base_of(root, default))
    with opened_under(root, given) as workflow_api:
        rules = {rule.name: rule for rule in workflow_api._workflow.rules}
        folders = folders_of(rules)
        wanted = {folders.get(str(path), str(path)) for path in rules["all"].input}
        stages = {
            name: stage_of(rule, given, folders)
            for name, rule in rules.items()
            if rule.output and wanted.intersection(products_of(rule))
        }
        simulate = stage_of(rules["simulate"], given | {"simulate": default["simulate"]}, folders)
    by_hand = (root / "dvc.yaml").read_text(encoding="utf-8").partition("\nplots:")
    blocks = (textwrap.indent(text_of(name, stage), "  ") for name, stage in stages.items())
    simulate["params"] = ["seed", "simulate"]
    do = text_of("do", simulate).replace("do:\n", "do:\n  wdir: ../..\n", 1)
    return {
        Path("dvc.yaml"): HEAD + "\n".join(blocks) + "".join(by_hand[1:]),
        SIMULATE: SIMULATE_HEAD + "  simulate:\n    foreach: ${simulate}\n" + textwrap.indent(do, "    "),
    }


def main() -> None:
    for path, text in texts(ROOT).items():
        with write_whole(ROOT / path) as file:
            file.write(text)
        print(f"dvc_file: {path}")


if __name__ == "__main__":
    sys.exit(run(main))
