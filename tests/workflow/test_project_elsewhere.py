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


def test_another_snakefile_takes_the_workflow_in_as_a_module(tmp_path):
    project, clone = Project.create(tmp_path / "mine", dvc=False), tmp_path / "a clone"
    clone.mkdir()
    for name in ("Snakefile", "src", "workflow", "environment.yml"):
        (project.path / name).rename(clone / name)
    profile = clone / "workflow/profiles/default"
    (project.path / "Snakefile").write_text(
        f"module calls:\n    snakefile: {str(clone / 'Snakefile')!r}\nuse rule * from calls as calls_*\n"
        "rule rows:\n    input: rules.calls_split.output.split\n    output: 'rows.txt'\n"
        "    shell: 'wc -l < {input:q} > {output}'\n"
    )
    asked = ("--workflow-profile", str(profile), "--", "rows.txt")
    assert project.snakemake(*asked) == {"calls_recordings": 1, "calls_split": 1, "rows": 1}
    assert (project.path / "rows.txt").read_text().strip() == "28"
    assert project.snakemake(*asked) == {}
    with (clone / "src/dawnchorus/partitioning/split.py").open("a") as module:
        module.write("\n# edited\n")
    assert project.snakemake(*asked) == {"calls_split": 1, "rows": 1}


def test_without_the_code_beside_it_the_snakefile_says_so_in_one_line(tmp_path):
    shutil.copy(ROOT / "Snakefile", tmp_path)
    asked = ["snakemake", "-n"]
    done = subprocess.run(asked, cwd=tmp_path, env=environment(), text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}: no src/dawnchorus; expected the Snakefile of a clone on this machine, code beside it"
    ]
