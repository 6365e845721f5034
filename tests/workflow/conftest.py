import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from project import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A project that was run by snakemake, stored by `dvc repro` and committed as A; made once, copied by tests."""
    # With several workers the folder above is theirs together; with one it outlives the run, and so would the project.
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    path = root / "finished-project"
    with FileLock(root / "finished-project.lock"):
        if not (path / "ready").exists():
            shutil.rmtree(path, ignore_errors=True)
            project = Project.create(path / "project")
            (path / "snakemake.txt").write_text(project.run("snakemake", "--cores", "2").stdout)
            (path / "dvc.txt").write_text(project.run("dvc", "repro").stdout)
            project.commit("A")
            (path / "ready").touch()
    return path


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project."""
    return Project(Path(shutil.copytree(finished / "project", tmp_path / "project", symlinks=True)))


@pytest.fixture
def two_commits(project) -> Project:
    """Commit A with epochs 5, commit B with epochs 7, both stored; the workspace is at B."""
    project.set("train.epochs", 7)
    project.dvc_repro()
    project.commit("B")
    return project
