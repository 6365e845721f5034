"""A folder with parameters, tables and results alone, the workflow elsewhere: `dawnchorus new`; both tools in it."""

import shutil
import subprocess
import sys

import pytest
from project import ROOT, Project, environment

pytestmark = pytest.mark.table


def test_both_tools_and_experiments_work_in_a_folder_of_links(tmp_path):
    project = Project.create(tmp_path / "mine", dvc=False)
    for name in ("src", "workflow", "presets", ".gitignore", ".dvcignore", "dvc.yaml", "README.md"):
        path = project.path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in ("Snakefile", "environment.yml", "profiles"):
        (project.path / name).unlink()
    environ = {**environment(), "PYTHONPATH": "src"}
    new = "import sys; from dawnchorus.commands import cli; sys.exit(cli.main())"
    subprocess.run([sys.executable, "-c", new, "new", project.path], cwd=ROOT, env=environ, check=True)
    project.commit("mine")
    target = "data/split/split.csv"
    assert project.snakemake("--", target) == {"recordings": 1, "split": 1}
    before = (project.path / target).read_bytes()
    assert project.dvc_repro("split") == {}
    assert project.run("dvc", "status", "--json", "split").stdout.strip() == "{}"
    project.commit("made")
    ran = project.run("dvc", "exp", "run", "--temp", "-n", "other", "-S", "split.test_fraction=0.4", "split")
    assert "rule split:" in ran.stdout
    assert (project.path / target).read_bytes() == before
    assert project.planned(target) == {}


def test_what_is_no_module_says_so_in_one_line(tmp_path):
    (tmp_path / "Snakefile").write_text(
        f"module other:\n    snakefile: {str(ROOT / 'Snakefile')!r}\nuse rule * from other\n"
    )
    asked = ["snakemake", "-n"]
    done = subprocess.run(asked, cwd=tmp_path, env=environment(), text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}: no src/dawnchorus; expected no `module`, but a folder of `dawnchorus new FOLDER`"
    ]
