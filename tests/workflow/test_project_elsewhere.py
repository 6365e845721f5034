"""A folder with parameters, tables and results alone, the workflow elsewhere: `dawnchorus new`; both tools in it."""

import os
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


MODULE = """
module calls:
    snakefile: {snakefile!r}
{more}
use rule * from calls as calls_*
use rule evaluation from calls as calls_evaluation with:
    benchmark: "evaluation.tsv"

rule labels:
    input: "raw/labels.csv"
    output: "raw/annotations.csv"
    shell: "cp {{input:q}} {{output}}"

rule rows:
    input: rules.calls_split.output.split
    output: "rows.txt"
    shell: "wc -l < {{input:q}} > {{output}}; echo ${{{{PYTHONPATH:-}}}} >> {{output}}"
"""


@pytest.fixture
def module(tmp_path):
    """A project whose Snakefile takes in that of a clone elsewhere; its name, and how to write the Snakefile."""
    project, clone = Project.create(tmp_path / "mine", dvc=False), tmp_path / "a clone"
    clone.mkdir()
    for name in ("Snakefile", "src", "workflow", "environment.yml"):
        (project.path / name).rename(clone / name)
    shutil.copy(project.path / "raw/annotations.csv", project.path / "raw/labels.csv")

    def write(more: str = "") -> None:
        text = MODULE.format(snakefile=str(clone / "Snakefile"), more=more)
        (project.path / "Snakefile").write_text(text)

    write()
    return project, clone, write


def test_another_snakefile_takes_the_workflow_in_as_a_module(module):
    project, clone, _ = module
    asked = ("--workflow-profile", str(clone / "workflow/profiles/default"), "--", "rows.txt")
    ours = {"calls_recordings": 1, "calls_split": 1, "rows": 1}
    os.utime(project.path / "raw/annotations.csv")
    assert project.snakemake(*asked) == ours
    assert (project.path / "rows.txt").read_text().split() == ["28"]
    assert project.snakemake(*asked) == {}
    # Their rule above ours, and our code: what follows runs in the same run.
    labels = project.path / "raw/labels.csv"
    labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:-1]))
    assert project.snakemake(*asked) == {"labels": 1, **ours}
    assert (project.path / "rows.txt").read_text().split() == ["27"]
    with (clone / "src/dawnchorus/partitioning/split.py").open("a") as source:
        source.write("\nraise ValueError('of no use')\n")
    done = project.run("snakemake", "--cores", "2", *asked, check=False, screen="")
    assert done.returncode
    assert "ValueError: of no use" in done.stdout


def test_what_a_module_may_not_change_is_refused_in_one_line(module):
    project, _, write = module
    for more, said in (
        ('    config: {"seed": 3}\n', "error: seed: given by --config or --configfile, or by a module's config; "),
        ('    prefix: "birds"\n', "error: a module with prefix or replace_prefix: expected neither; "),
    ):
        write(more)
        done = project.run("snakemake", "-n", check=False)
        assert done.returncode
        assert [line for line in done.stdout.splitlines() if "error" in line] == [done.stdout.splitlines()[-1]]
        assert done.stdout.splitlines()[-1].startswith(said)


def test_without_the_code_beside_it_the_snakefile_says_so_in_one_line(tmp_path):
    shutil.copy(ROOT / "Snakefile", tmp_path)
    asked = ["snakemake", "-n"]
    done = subprocess.run(asked, cwd=tmp_path, env=environment(), text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}: no src/dawnchorus; expected the Snakefile of a clone on this machine, code beside it"
    ]
