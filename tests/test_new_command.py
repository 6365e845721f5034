"""`dawnchorus new`, and the command in the folder whose code it runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dawnchorus.commands import cli, new

ROOT = Path(__file__).parents[1]


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_project_is_links_to_the_code_and_files_of_its_own(tmp_path, capsys):
    folder = tmp_path / "of mine/frogs"
    assert cli.main(["new", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"new: next, in {folder}: dawnchorus init")
    assert {name: (folder / name).readlink() for name in new.LINKS} == {name: ROOT / name for name in new.LINKS}
    assert (folder / "params.yaml").read_bytes() == (ROOT / "presets/default.yaml").read_bytes()
    assert (folder / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()
    assert (folder / ".git").is_dir()
    for product in (
        "data/features/shard-0-of-8.zip",
        "models/model.keras",
        "reports/metrics.json",
        "data/split/split.csv",
    ):
        assert subprocess.run(["git", "check-ignore", "-q", product], cwd=folder, check=False).returncode == 0, product


def test_once_more_makes_what_is_of_the_workflow_anew_and_nothing_else(tmp_path):
    folder = tmp_path / "frogs"
    assert cli.main(["new", str(folder)]) == 0
    expected = files_of(folder)
    for name in ("params.yaml", ".gitignore", ".dvc/config"):
        (folder / name).write_text("mine")
        expected[name] = b"mine"
    (folder / "dvc.yaml").write_text("of another version")
    (folder / "src").unlink()
    (folder / "src").symlink_to("/nowhere")
    assert cli.main(["new", str(folder)]) == 0
    assert files_of(folder) == expected
    assert (folder / "src").readlink() == ROOT / "src"


def test_once_more_lists_the_file_that_the_kind_of_features_reads(tmp_path):
    folder = tmp_path / "frogs"
    assert cli.main(["new", str(folder)]) == 0
    (folder / "params.yaml").write_bytes((ROOT / "presets/birdnet.yaml").read_bytes())
    assert cli.main(["new", str(folder)]) == 0
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())["stages"]
    assert {name for name, stage in stages.items() if "${features.model}" in stage["deps"]} >= {"features", "figures"}


def test_an_incomplete_recipe_is_said_line_by_line(tmp_path, capsys):
    folder = tmp_path / "frogs"
    folder.mkdir()
    (folder / "params.yaml").write_text("features: {kind: embedding, model: x.onnx}\n")
    assert cli.main(["new", str(folder)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert all(line.startswith("error: ") for line in said)
    assert "keys missing" in said[0]


def test_nothing_is_written_where_something_is_in_the_way(tmp_path, capsys):
    (tmp_path / "src").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "frogs").mkdir()
    (tmp_path / "frogs/data").touch()
    before = sorted(tmp_path.rglob("*"))
    for folder, says in (
        (tmp_path, f"error: {tmp_path}/src: in the way of a link to the workflow; expected nothing of that name"),
        (tmp_path / "frogs", f"error: {tmp_path}/frogs/data: a file; expected a folder, or nothing of that name"),
        (tmp_path / "file", f"error: {tmp_path}/file: a file; expected a folder, or nothing yet"),
        (ROOT / "data/mine", f"error: {ROOT}/data/mine: expected a folder outside of {ROOT}, whose own"),
        (ROOT.parent, f"error: {ROOT.parent}: expected a folder outside of {ROOT}, whose own"),
    ):
        assert cli.main(["new", str(folder)]) == 1
        assert capsys.readouterr().err.startswith(says)
    assert sorted(tmp_path.rglob("*")) == before
    assert not (ROOT / "data/mine").exists()


@pytest.fixture
def made(tmp_path) -> Path:
    """A folder as `make` leaves it, with a python that says whose code it was told to run."""
    folder = tmp_path / "of: mine"
    for place in (folder, tmp_path / "copy"):
        (place / "src/dawnchorus/commands").mkdir(parents=True)
        (place / "src/dawnchorus/__init__.py").touch()
        (place / "src/dawnchorus/commands/__init__.py").touch()
        (place / "src/dawnchorus/commands/cli.py").write_text(
            f"import sys\ndef main():\n    print({place.name!r}, *sys.argv[1:], sep='|')\n    return 3\n"
        )
    (folder / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "bin/dawnchorus", folder / ".venv/bin")
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    return folder


@pytest.mark.parametrize(
    ("of", "whose"), [("copy", "copy"), ("copy/src/dawnchorus", "copy"), (".", "of: mine"), ("of: mine", "of: mine")]
)
def test_the_code_of_the_folder_that_the_command_is_run_in_wins(made, of, whose):
    command = [made / ".venv/bin/dawnchorus", "detect", "a b"]
    run = subprocess.run(command, cwd=made.parent / of, stdout=subprocess.PIPE, text=True, check=False)
    assert (run.stdout, run.returncode) == (f"{whose}|detect|a b\n", 3)


def test_a_folder_that_is_gone_is_a_line(made):
    shutil.rmtree(made / "src")
    command = [made / ".venv/bin/dawnchorus", "detect"]
    run = subprocess.run(command, cwd=made.parent, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"error: {made}/.venv/bin: made by make in a folder of dawnchorus that is no more")
