"""dvc.yaml against the Snakefile: the same products, inputs and parameters, or this fails."""

import ast
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import dag
import pytest
import yaml
from project import ROOT, Project

from dawnchorus.workflow import dvc_file

STAGES = {
    stage: (folder, block.get("do", block))
    for folder in ("", "workflow/simulate")
    for stage, block in yaml.safe_load((ROOT / folder / "dvc.yaml").read_text())["stages"].items()
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    project = Project.create(tmp_path_factory.mktemp("contract") / "project", n_recordings=1, dvc=False)
    # Without a review the report reads no such file, and for DVC that is the annotations again.
    (project.path / "raw/summary.json").write_text("{}")
    project.set("data.review_summary", "raw/summary.json")
    return project, dag.rules(project.path)


def entries(block: dict, *kinds: str) -> dict[str, dict]:
    found = {}
    for kind in kinds:
        for item in block.get(kind, []):
            name, options = next(iter(item.items())) if isinstance(item, dict) else (item, {})
            found[name] = options
    return found


def products(rule) -> list[str]:
    shards = range(8) if any("{shard}" in str(path) for path in rule.output) else [None]
    return [str(path).replace("{shard}", str(shard)) for path in rule.output for shard in shards]


def versioned(paths) -> set[str]:
    """Return what DVC knows paths by: shards, however many there are, by the folder of all of them."""
    return {re.sub(r"^(data/features)/\w+-\d+-of-8\..*", r"\1", str(path)) for path in paths}


def resolved(text: str, params: dict) -> str:
    """Fill in `${block.key}` as DVC does."""
    return re.sub(r"\$\{(\w+)\.(\w+)\}", lambda match: str(params[match[1]][match[2]]), text)


# Detections are made on demand, of recordings that come and go; cross-validation, learning curves and the study of
# overfitting are many trainings, made when they are asked for. DVC would make them whenever something changes.
REPEATED = {"fold_dataset": "dataset", "fold_model": "model", "fold_evaluation": "evaluation", "study_model": "model"}
REPEATED |= {
    f"fold_{name}": name
    for name in ("presence", "recording_scores", "svm_scores", "presence_calibration", "detection_metrics")
}
ON_DEMAND = {"window_scores", "detections", "folds", "cross_validation", "label_audit", "overfitting_study", *REPEATED}
ON_DEMAND |= {"learning_curve_draw", "learning_curve"}


def test_dvc_yaml_is_what_the_snakefile_says_now():
    for path, text in dvc_file.texts(ROOT).items():
        assert (ROOT / path).read_text() == text, f"{path} is out of date: make generated"


def test_git_ignores_every_product():
    paths = [path for _, block in STAGES.values() for path in entries(block, "outs", "metrics")]
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", *paths], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lacking = sorted(set(paths) - set(asked.stdout.split()))
    assert not lacking, f"{Path(lacking[0]).parent}/.gitignore lacks /{Path(lacking[0]).name}: `dvc repro` adds it"


def test_every_rule_that_makes_something_is_a_stage_of_its_name(rules):
    lacking = {name for name, rule in rules[1].items() if rule.output} - ON_DEMAND - set(STAGES)
    assert not lacking, f"Snakefile: rule all asks for nothing of {', '.join(lacking)}: rules.{min(lacking)}.output"
    assert not set(STAGES) & ON_DEMAND


@pytest.mark.parametrize("stage", STAGES)
def test_outputs(rules, stage):
    folder, block = STAGES[stage]
    outs = entries(block, "outs", "metrics")
    assert set(outs) == versioned(products(rules[1][stage]))
    assert all(options == {"persist": True} for options in outs.values()), "DVC deletes what is not persist first"
    assert block.get("wdir", ".") == ("../.." if folder else ".")


def test_every_job_leaves_one_record_and_no_job_reads_one(rules):
    for name, rule in rules[1].items():
        if rule.output:
            assert [str(path).endswith(".provenance.json") for path in rule.output].count(True) == 1, name
            assert not [path for path in rule.input if str(path).endswith(".provenance.json")], name
            assert rule.output.provenance.endswith(".provenance.json")


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_runs_this_rule_on_all_its_products(rules, stage):
    *program, target = STAGES[stage][1]["cmd"].split()
    assert program == ["python", "workflow/rule.py"]
    assert target in (stage, f"all_{stage}")
    # A target that makes nothing itself asks for what it reads.
    asked = rules[1][target].output or rules[1][target].input
    assert set(asked) == set(products(rules[1][stage]))


@pytest.mark.parametrize("stage", STAGES)
def test_inputs_are_dependencies(rules, stage):
    project, by_name = rules
    deps = {resolved(dep, project.params()) for dep in STAGES[stage][1]["deps"]}
    inputs = versioned(by_name[stage].input)
    audio = {project.params()["data"]["audio_dir"]} & deps
    assert deps - audio == inputs
    # The rule that has a hash of the recordings among its values; others that open them read the hashes that it wrote.
    assert bool(audio) == ("audio" in by_name[stage].params.keys())  # noqa: SIM118 - Snakemake's own type


def test_rules_that_open_recordings_read_the_hashes_of_their_content(rules):
    opening = [rule for rule in rules[1].values() if "audio_dir" in rule.params.keys()]  # noqa: SIM118
    assert len(opening) > 5
    assert [rule.name for rule in opening if "data/recordings/recordings.csv" not in map(str, rule.input)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_parameters(rules, stage):
    """What a rule passes to its stage are the params of the DVC stage: whole blocks, or some of their keys."""
    project, by_name = rules
    given, values = project.params(), {}
    for name, value in by_name[stage].params.items():
        if name == "audio_dir":
            values.setdefault("data", {}).setdefault("audio_dir", value)
        elif name != "audio":
            values |= json.loads(value)
    said = {}
    for name in STAGES[stage][1]["params"]:
        block, _, key = name.partition(".")
        if key:
            said.setdefault(block, {})[key] = given[block][key]
        else:
            said[block] = given[block]
    assert said == values


@cache
def imported(path: Path, source: Path) -> list[Path]:
    """Return the modules of the package that a module imports itself, when it runs: not what its types alone need."""
    tree, found = ast.parse(path.read_text()), []
    of_types = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    unused = {inner for node in of_types for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        names = []
        if node in unused:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dawnchorus"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("dawnchorus")]
        for name in names:
            base = source.joinpath(*name.split("."))
            found += [p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()]
    return found


def closure(module: Path, source: Path) -> set[Path]:
    """Return the modules of the package that a module imports, directly or not, itself included."""
    found, waiting = set(), [module]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += imported(path, source)
    return {path for path in found if path.name != "__init__.py" or path.parent.name in ("networks", "kinds")}


TEMPLATES = {
    "report": {"report.html.j2", "page.html.j2", "parts.html.j2", "page.css"}
    | {"report.css", "report.js", "views.css", "views.js"},
    "detections": {"detections.html.j2", "page.html.j2", "parts.html.j2", "page.css", "detections.css"},
    "label_audit": {"label_audit.html.j2", "page.html.j2", "parts.html.j2", "page.css", "views.css", "views.js"},
    "learning_curve": {"learning_curve.html.j2", "page.html.j2", "parts.html.j2", "page.css"},
}


RULES = ROOT / "workflow/rules"


@pytest.mark.parametrize("stage", [*STAGES, *sorted(ON_DEMAND)])
def test_the_code_of_a_rule_is_what_its_stage_imports(rules, stage):
    project, by_name = rules
    source = project.path / "src"
    wanted = closure(source / f"dawnchorus/stages/{REPEATED.get(stage, stage)}.py", source)
    # Network and kind of features are imported by name; what any of them is built from is listed whichever it is.
    params = project.params()
    network = "article" if stage == "study_model" else params["model"]["name"]
    for registry, name in (("networks", network), ("features/kinds", params["features"]["kind"])):
        folder = source / "dawnchorus" / registry
        if folder / "__init__.py" in wanted:
            members = set(folder.glob("[a-z]*.py"))
            for member in members:
                wanted |= closure(member, source) - members
            wanted.add(folder / f"{name}.py")
    wanted |= {source / "dawnchorus/report/templates" / name for name in TEMPLATES.get(stage, ())}
    # The rule that has the command, and that which repeats it with other code.
    rules_files = {path for path in RULES.glob("*.smk") if f"\nrule {REPEATED.get(stage, stage)}:" in path.read_text()}
    rules_files |= {RULES / "overfitting_study.smk"} if stage == "study_model" else set()
    wanted |= {project.path / path.relative_to(ROOT) for path in rules_files}
    listed = {project.path / str(path) for path in by_name[stage].input.code}
    assert listed == wanted


def test_rule_all_asks_for_every_product(rules):
    _, by_name = rules
    made = {
        product for name, rule in by_name.items() if name not in {"simulate", *ON_DEMAND} for product in products(rule)
    }
    assert {str(path) for path in by_name["all"].input} == made
