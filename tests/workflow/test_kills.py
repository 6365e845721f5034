"""A run that is killed at any moment: the next plain run makes what a run from nothing makes, and no trace is left.

Two moments with the table; `KILLS=50` draws fifty (`make test-kills`). Every process of a run is killed, by SIGKILL.
"""

import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from project import Project, environment
from test_sequences import COMMANDS, TARGETS, Oracle, products_of

from conftest import copied

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("KILLS", "2"))
# One of each part of the workflow: all of it runs again.
CHANGED = {"data.shortest_annotation_s": 0.06, "features.n_mels": 12, "split.test_fraction": 0.3, "train.epochs": 30}


def changed(project: Project) -> Project:
    for key, value in CHANGED.items():
        project.set(key, value)
    return project


def started(project: Project, tool: str) -> subprocess.Popen:
    return subprocess.Popen(
        COMMANDS[tool],
        cwd=project.path,
        env={**environment(warmed=True), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture(scope="module")
def durations_s(finished, tmp_path_factory) -> dict[str, float]:
    """How long the run takes that is to be killed, by tool."""
    found = {}
    for tool in COMMANDS:
        project = changed(copied(finished / "project", tmp_path_factory.mktemp("whole") / "project"))
        begun_s = time.monotonic()
        with started(project, tool) as run:
            said, _ = run.communicate()
        assert run.returncode == 0, said
        found[tool] = time.monotonic() - begun_s
    return found


def hidden(project: Project) -> list[Path]:
    """Return the files among the products that are hidden, or called unfinished: what was being written."""
    found = [path for folder in ("data", "models", "reports") for path in (project.path / folder).rglob("*")]
    half = [path for path in found if path.name.startswith((".", "unfinished-"))]
    return [path for path in half if path.name not in (".gitignore", ".snakemake_timestamp")]


@pytest.mark.parametrize("number", [0, *(pytest.param(number, marks=pytest.mark.again) for number in range(1, KILLS))])
def test_a_run_that_was_killed_at_a_random_moment(project, tmp_path, pytestconfig, durations_s, number):
    rng = random.Random(number)
    killed, then = rng.choice(sorted(COMMANDS)), rng.choice(sorted(COMMANDS))
    changed(project)
    with started(project, killed) as run:
        try:
            run.communicate(timeout=rng.random() * durations_s[killed])
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
    if run.returncode == 0:
        pytest.skip("it was quicker than the one before, and had ended")
    project.delete_what_dvc_left_half()
    project.run(*COMMANDS[then])
    assert products_of(project) == Oracle(tmp_path / "oracle", pytestconfig.cache).products(project)
    assert project.dvc_repro("evaluation") == Counter()
    assert project.planned(*TARGETS) == Counter()
    assert project.run("dvc", "status", "--json", "--with-deps", "evaluation").stdout.strip() == "{}"
    assert hidden(project) == []
    assert not [path for name in ("locks", "incomplete") for path in (project.path / ".snakemake" / name).glob("*")]
