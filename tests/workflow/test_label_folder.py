"""Annotations that are a folder of tables: either tool sees when one changes, and neither when none does."""

import os
import shutil

import pytest
from project import Project, rules_of

from dawnchorus.parameters.data import OPTIONAL

pytestmark = pytest.mark.table

LOOK = ("snakemake", "--dry-run", "--allowed-rules", "recordings", "--", "data/recordings/annotations.csv")


@pytest.fixture
def labelled(tmp_path) -> Project:
    """A project whose annotations are a label track of Audacity for each recording."""
    project = Project.create(tmp_path / "project", n_recordings=3)
    labels = project.path / "raw/labels"
    labels.mkdir()
    for recording_id, species_id, _, t_min, f_min, t_max, f_max in project.annotations():
        with open(labels / f"{recording_id}.txt", "a") as file:
            file.write(f"{t_min}\t{t_max}\t{species_id}\n\\\t{f_min}\t{f_max}\n")
    for key in ("annotations", *OPTIONAL):
        project.set(f"data.{key}", "raw/labels")
    project.set("data.format", "audacity")
    project.dvc_repro("recordings")
    return project


def stale(project: Project) -> tuple[bool, bool]:
    """Say whether Snakemake and whether DVC find the annotations out of date."""
    planned = rules_of(project.run(*LOOK).stdout)
    return planned == {"recordings": 1}, "up to date" not in project.run("dvc", "status", "recordings").stdout


def test_a_label_that_changes_is_seen_by_both_tools(labelled):
    made = labelled.path / "data/recordings/annotations.csv"
    assert len(made.read_text().splitlines()) == 1 + 9
    assert stale(labelled) == (False, False)
    table = next((labelled.path / "raw/labels").iterdir())
    table.touch()
    shutil.move(shutil.copy(table, labelled.path / "copy"), table)
    assert stale(labelled) == (False, False)
    table.write_text(table.read_text() + "0.25\t0.75\t2\n")
    assert stale(labelled) == (True, True)
    labelled.dvc_repro("recordings")
    assert len(made.read_text().splitlines()) == 1 + 10
    assert stale(labelled) == (False, False)


def test_what_is_no_table_is_not_waited_for_and_a_stop_leaves_its_table(labelled):
    labels = labelled.path / "raw/labels"
    os.mkfifo(labels / "pipe.txt")
    (labels / "zero.txt").symlink_to("/dev/zero")
    output = labelled.run("snakemake", "--cores", "2", "recordings", check=False, timeout=120, screen="").stdout
    assert "error: raw/labels/pipe.txt: a named pipe; expected labels of Audacity" in output.splitlines()
    assert "error: raw/labels/zero.txt: a device; expected labels of Audacity" in output.splitlines()
    assert len((labelled.path / "logs/audit.csv").read_text().splitlines()) == 3
