"""The rooms of the package: imports run one way, and every module lies in one."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src/dawnchorus"
# From the ground up: a room may import from those before it, and from itself.
ROOMS = (
    "foundation",
    "tables",
    "parameters",
    "sound",
    "features",
    "annotations",
    "partitioning",
    "survey",
    "simulation",
    "metrics",
    "networks",
    "learning",
    "evaluation",
    "detection",
    "review",
    "report",
    "workflow",
    "stages",
    "commands",
)
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def rooms_imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} if node.module != "dawnchorus" else {f"dawnchorus.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("dawnchorus.")}


def test_every_module_lies_in_a_room():
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]
    assert {path.relative_to(PACKAGE).parts[0] for path in MODULES} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path):
    room = path.relative_to(PACKAGE).parts[0]
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    assert rooms_imported(path) <= allowed, f"{room} may import from {', '.join(sorted(allowed))}"


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name == "stages"], ids=lambda path: path.name)
def test_stages_are_thin_and_import_no_other_stage(path):
    assert "stages" not in rooms_imported(path)
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) <= 110, f"{len(lines)} lines: the science of a stage lies in its room"
