"""For every key of params.yaml: which rules run when it changes, by either tool, as the table in docs/dvc.md says."""

import copy
import functools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import dag
import pytest
import yaml
from dvc.repo import Repo
from dvc.utils import strictyaml
from dvc.utils.serialize import _yaml
from networkx import ancestors
from project import ROOT, Project

from conftest import copied, once
from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters import fields, train
from dawnchorus.workflow import params_file

pytestmark = pytest.mark.table

# A small simulated set, for the keys of the blocks that only it has.
SIMULATED = {
    "species": 3,
    "recordings": 9,
    "sites": 2,
    "recording_duration_s": 4.0,
    "sample_rate_hz": 16000,
    "species_per_recording": 2,
    "calls_per_species": 2,
}

PATHS = {"data.annotations", "data.false_positives", "data.recordings_table", "data.species_table", "data.audio_dir"}
PATHS |= {"data.unknown", "data.annotated_spans", "data.reviews", "data.review_summary"}


def declared() -> dict[str, set[str]]:
    """Return the page's table: rules by key, ``block.*`` standing for every key of a block."""
    text = (ROOT / "docs/dvc.md").read_text()
    table = text.split("<!-- reruns -->")[1].split("<!-- /reruns -->")[0]
    found = {}
    for row in table.strip().splitlines()[2:]:
        keys, rules, _ = (re.findall(r"`([\w.*]+)`", cell) for cell in row.strip("|").split("|"))
        for name in keys:
            block = name.removesuffix("*")
            for key in [key for key in KEYS if key.startswith(block)] if name.endswith("*") else [name]:
                assert key not in found, f"{key} stands twice in the table"
                found[key] = set(rules)
    return found


KEYS = list(fields.keys(params_file.defaults()))
DECLARED = declared()


def test_every_key_of_params_stands_in_the_table_and_no_other():
    assert set(DECLARED) == set(KEYS)


def candidates(rule: dict, value) -> Iterator:
    """Yield values of a key by the JSON schema of it, near to its value first."""
    for choice in rule.get("anyOf", [rule]):
        kind = choice.get("type")
        low, high = (choice.get(name, choice.get(f"exclusive{name.title()}")) for name in ("minimum", "maximum"))
        if "enum" in choice or "const" in choice:
            yield from choice.get("enum", [choice.get("const")])
        elif kind == "boolean":
            yield not value
        elif kind == "integer":
            yield from (value + 1, value + 2, value - 1) if isinstance(value, int) else (low + 1, (low + high) // 2)
        elif kind == "number":
            yield from (value * 1.25, value / 2) if value else ()
            yield from (low, 100.0, 4000.0, (low + high) / 2, high)  # the second and third as frequencies
        elif kind == "string":
            yield "elsewhere"
        elif kind == "array":
            yield value[:-1] if value else [next(candidates(choice["items"], None))]


def changed(params: dict, key: str) -> dict:
    """Return the parameters with another valid value of a key."""
    *blocks, name = key.split(".")
    model, old = params_file.model_of(params), params
    for block in blocks:
        model, old = fields.block_of(model.model_fields[block]), old[block]
    for value in candidates(fields.rule_of(model, name), old[name]):
        made = copy.deepcopy(params)
        owner = made
        for block in blocks:
            owner = owner[block]
        owner[name] = value
        try:
            params_file.canonical(made)
        except InputError:
            continue
        if value != old[name]:
            return made
    raise AssertionError(f"{key}: {old[name]!r}: no other value is valid")


@pytest.fixture(scope="module")
def on_table(finished, tmp_path_factory) -> Project:
    return copied(finished / "project", tmp_path_factory.mktemp("table") / "project")


@pytest.fixture(scope="module")
def on_simulated(tmp_path_factory) -> Project:
    """A finished project on a simulated set; made once, copied by each worker."""

    def make(path: Path) -> None:
        project = Project.create(path / "project", n_recordings=1)
        params, default = project.params(), yaml.safe_load((ROOT / "params.yaml").read_text())
        params["data"] = default["data"]
        params["simulate"] = {"set": {**default["simulate"]["set"], **SIMULATED}}
        # A network of presence can be asked for by itself where every recording has one rate.
        params["features"]["sample_rate_hz"] = SIMULATED["sample_rate_hz"]
        # Without augmentation every other key can be changed by itself.
        params["model"], params["train"] = default["model"], {**train.plain(), "epochs": 1}
        project.write_params(params)
        project.dvc_repro()
        assert project.run("dvc", "status").stdout.count("up to date") == 1
        project.commit("A")

    made = once(tmp_path_factory, "simulated-project", make)
    return copied(made / "project", tmp_path_factory.mktemp("simulated") / "project")


@pytest.fixture(scope="module", autouse=True)
def yaml_parsed_once() -> Iterator[None]:
    """DVC parses params.yaml for every stage that it looks at, in pure Python: most of what these tests would take."""
    parse, parsed = _yaml.parse_yaml, functools.cache(_yaml.parse_yaml)

    def once(text: str, path: str, typ: str = "safe"):
        return copy.deepcopy(parsed(text, path)) if typ == "safe" else parse(text, path, typ)

    with pytest.MonkeyPatch.context() as patch:
        for module in (_yaml, strictyaml):
            patch.setattr(module, "parse_yaml", once)
        yield


def dvc_would_run(project: Project) -> set[str]:
    """Return the stages that DVC finds changed, and those that depend on them."""
    repo = Repo(project.path)
    try:
        by_address = {stage.addressing: stage for stage in repo.index.stages}
        found = set()
        for address in repo.status():
            stage = by_address[address]
            # An edge of DVC's graph leads from a stage to what it needs.
            ran = {stage, *ancestors(repo.index.graph, stage)}
            found |= {other.name.partition("@")[0] for other in ran}
        return found
    finally:
        repo.close()


def cases() -> Iterator:
    """Yield every key; those that make run what a key before them does are more of the same."""
    seen = []
    for key, rules in DECLARED.items():
        yield pytest.param(key, marks=pytest.mark.again if rules in seen else ())
        seen.append(rules)


@pytest.mark.parametrize("key", list(cases()))
def test_the_rules_that_run_when_a_key_changes(request, key):
    simulated = not key.startswith("data.") and not (key.startswith("split.") and key.endswith("_groups"))
    project = request.getfixturevalue("on_simulated" if simulated else "on_table")
    before = (project.path / "params.yaml").read_text()
    params = project.params()
    name = key.rpartition(".")[2]
    if key == "model.name":
        params["model"] = {"name": "logistic_regression", "l2": 0.0}
    elif key == "features.kind":
        params["features"]["kind"] = "pcen"  # it has the keys of log_mel
    elif key == "data.source":
        default = params_file.defaults()
        params["data"], params["simulate"] = default["data"], default["simulate"]
    elif key == "data.columns":
        # RFCX's columns have RFCX's names.
        params["data"] |= {"columns": {"species_id": "Call"}, "format": "raven"}
    elif key in PATHS:
        # The same content under another name.
        old = project.path / params["data"][name]
        new = old.with_name(f"other-{old.name}")
        (shutil.copytree if old.is_dir() else shutil.copy)(old, new)
        params["data"][name] = str(new.relative_to(project.path))
    else:
        params = changed(params, key)
    try:
        project.write_params(params)
        rules = set(dag.planned(project.path))
        stages = dvc_would_run(project)
    finally:
        (project.path / "params.yaml").write_text(before)
    # Nothing is simulated on a table, until it is asked for.
    expected = DECLARED[key] if simulated else DECLARED[key] - {"simulate"}
    if key == "data.source":
        expected = {"simulate", *expected}
    assert rules == expected
    assert stages == expected
    assert set(dag.planned(project.path)) == set()
