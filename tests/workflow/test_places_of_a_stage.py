"""A stage is found by its noun in every place that docs/extending.md names: here fails the one that was forgotten."""

import re

import pytest
from project import ROOT

from dawnchorus.parameters import fields
from dawnchorus.workflow import params_file, reruns

# Rules that share a file make one noun together: detections have window scores, cross-validation has folds.
NOUNS = sorted(path.stem for path in (ROOT / "workflow/rules").glob("*.smk") if path.stem != "common")

PAGE = "docs/extending.md"


def test_every_stage_has_a_row_in_the_table_of_the_page():
    _, shown = (ROOT / PAGE).read_text().split("## Where things are")
    rows = re.findall(r"^\| `(\w+)` \|", shown, re.MULTILINE)
    lacking = set(NOUNS) - set(rows)
    assert not lacking, f"{PAGE}: the table of stages lacks {', '.join(lacking)}"
    first = rows[: len(NOUNS)]
    assert set(first) == set(NOUNS), f"{PAGE}: the table of stages has {set(first) - set(NOUNS)}, which is no stage"


@pytest.mark.parametrize("noun", NOUNS)
def test_every_stage_has_a_module_and_tests_of_its_name(noun):
    stage, block = f"src/dawnchorus/stages/{noun}.py", f"src/dawnchorus/parameters/{noun}.py"
    assert (ROOT / stage).exists(), f"{stage} is not there: the stage {noun} lies there"
    # A stage may read what others declare, as recordings reads the block `data`.
    read = noun in set(fields.readers(params_file.model_of(params_file.defaults())))
    assert read or (ROOT / block).exists(), f"{block} is not there, and no other block names {noun} as a reader"
    tests = [ROOT / f"tests/test_{name}.py" for name in (noun, f"{noun}s")]
    assert any(path.exists() for path in tests), f"{tests[0].relative_to(ROOT)} is not there: stage {noun} has no test"


def test_the_picture_of_the_dag_shows_the_rules_that_lead_to_the_report():
    needs = {rule.name: rule.needs for rule in reruns.rules(ROOT)}
    wanted, waiting = set(), ["report"]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += needs[name]
    svg = (ROOT / "docs/dag.svg").read_text(encoding="utf-8")
    shown = set(re.findall(r">(\w+)</text>", svg))
    assert shown == wanted, f"docs/dag.svg: {', '.join(shown ^ wanted)}: it is out of date: make docs/dag.svg"
    titles = dict(re.findall(r"<title>(\d+)</title>\n<path.*\n<text[^>]*>(\w+)</text>", svg))
    edges = {(titles[a], titles[b]) for a, b in re.findall(r"<title>(\d+)&#45;&gt;(\d+)</title>", svg)}
    expected = {(need, name) for name in wanted for need in needs[name]}
    odd = ", ".join(f"{a} -> {b}" for a, b in sorted(edges ^ expected))
    assert not odd, f"docs/dag.svg: {odd}: it is out of date: make docs/dag.svg"
