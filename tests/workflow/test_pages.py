"""README and the pages of docs/: links lead somewhere, commands and keys of params.yaml are ones that there are."""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import yaml
from project import ROOT

from dawnchorus.commands import cli
from dawnchorus.parameters import fields
from dawnchorus.parameters.recipe import RECIPE
from dawnchorus.workflow import params_file, reruns
from test_layers import ROOMS

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
pages = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what a link to a heading is called, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[str]:
    """Return the commands that a page shows: indented lines, those that go on joined, without comments."""
    lines = "\n".join(re.findall(r"^    (?:\$ )?(\S.*|    .*)$", prose(page), re.MULTILINE)).replace("\\\n", " ")
    return [command for line in lines.splitlines() if (command := re.sub(r"(^|\s)#.*", "", line).strip())]


SHOWN = [(name, command) for name, page in zip(NAMES, PAGES, strict=True) for command in commands(page)]


@pages
def test_links_lead_somewhere(page):
    text = prose(page)
    links = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}: no such heading"


def test_every_page_can_be_reached_from_readme():
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", (ROOT / "README.md").read_text()))
    assert linked == {name for name in NAMES if name.startswith("docs/")}


def test_the_packages_are_listed_in_the_order_of_their_imports():
    text = (ROOT / "docs/extending.md").read_text()
    [listed] = re.findall(r"from the ground up: ([^.]*)\.", text)
    assert tuple(re.findall(r"`(\w+)`", listed)) == ROOMS


def test_readme_is_two_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


@pages
def test_keys_are_those_of_params_yaml(page):
    chosen = ("cnn", "crnn", "lstm", "logistic_regression")
    keys = {key for model in chosen for key in fields.keys(params_file.defaults(model=model))} | {"data.columns"}
    keys |= {f"features.{key}" for key in params_file.joined("features", "embedding").model_fields}
    blocks = set(RECIPE.model_fields) - {"seed"}
    for span in re.findall(r"`([^`\n]+)`", prose(page)):
        key, _, value = span.partition(": ")
        if (named := re.fullmatch(r"(\w+)\.(\w+)", key)) and named[1] in blocks and named[2] not in SUFFIXES:
            assert key in keys, f"{page.name}: {span}: no such key"
            assert not value or yaml.safe_load(value) is not None


# `simulate.set` is a block; the others are names of files: report.html, split.csv.
SUFFIXES = {"html", "csv", "json", "set"}


@pytest.mark.parametrize("command", [pytest.param(command, id=f"{name}: {command}") for name, command in SHOWN])
def test_commands_are_ones_that_there_are(command):
    for part in re.split(r"\s*(?:&&|[|>])\s*", command):
        words = shlex.split(part)
        check = CHECKS.get(words[0])
        assert check or words[0] in OTHERS, f"{command}: neither run nor known here"
        if check:
            check(words[1:])


@cache
def rules() -> set[str]:
    return {rule.name for rule in reruns.rules(ROOT)}


def snakemake(words: list[str]) -> None:
    from snakemake.cli import get_argument_parser

    if "--executor" in words:
        # Of plugins that are not installed; the page says that nobody tried these.
        return
    args = get_argument_parser().parse_args(words)
    assert set(args.targets) <= rules()
    if args.workflow_profile:
        assert (ROOT / args.workflow_profile / "config.yaml").is_file()


def dvc(words: list[str]) -> None:
    from dvc.cli import parse_args

    assert parse_args(words).func


def dawnchorus(words: list[str]) -> None:
    assert cli.parser_of(words).parse_args(words).main


def make(words: list[str]) -> None:
    words = [word for word in words if "=" not in word]
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(words) <= targets


def copy(words: list[str]) -> None:
    assert (ROOT / words[0]).is_file()


CHECKS = {"snakemake": snakemake, "dvc": dvc, "dawnchorus": dawnchorus, "make": make, "cp": copy, "bash": copy}
# Of other programs, and what is printed.
OTHERS = {"source", "kaggle", "unzip", "pip", "grep", "dot", "rm", "dag.svg", "reports/headline.json"}
