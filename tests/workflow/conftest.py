import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from project import ROOT, Project


def once(tmp_path_factory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that ``make`` has filled, once for all workers of this test run."""
    # With several workers the folder above is theirs together; with one it outlives the run, and so would the folder.
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    path = root / name
    with FileLock(root / f"{name}.lock"):
        if not (path / "ready").exists():
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
            make(path)
            (path / "ready").touch()
    return path


def copied(project: Path, path: Path) -> Project:
    return Project(Path(shutil.copytree(project, path, symlinks=True)))


@pytest.fixture(scope="session")
def ran(tmp_path_factory) -> Path:
    """A project that was run by snakemake, in Git and DVC, not yet stored; made once, copied by tests."""

    def make(path: Path) -> None:
        project = Project.create(path / "project")
        for ignored in (
            of for folder in (".snakemake", "data", "models", "reports") for of in (ROOT / folder).rglob(".gitignore")
        ):
            kept = project.path / ignored.relative_to(ROOT)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ignored, kept)
        project.run("git", "add", "-A")
        project.run("git", "commit", "-qm", "what Git ignores")
        (path / "snakemake.txt").write_text(project.run("snakemake", "--cores", "2").stdout)

    return once(tmp_path_factory, "ran-project", make)


@pytest.fixture(scope="session")
def finished(ran, tmp_path_factory) -> Path:
    """A project that was run by snakemake, stored by `dvc repro` and committed as A; made once, copied by tests."""

    def make(path: Path) -> None:
        project = copied(ran / "project", path / "project")
        shutil.copy(ran / "snakemake.txt", path)
        (path / "dvc.txt").write_text(project.run("dvc", "repro").stdout)
        project.commit("A")

    return once(tmp_path_factory, "finished-project", make)


@pytest.fixture
def ran_project(ran, tmp_path) -> Project:
    """A copy of the project that was run."""
    return copied(ran / "project", tmp_path / "project")


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project."""
    return copied(finished / "project", tmp_path / "project")


@pytest.fixture
def two_commits(project) -> Project:
    """Commit A with epochs 5, commit B with epochs 7, both stored; the workspace is at B."""
    project.set("train.epochs", 7)
    project.dvc_repro()
    project.commit("B")
    return project
