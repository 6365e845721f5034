"""Another number of shards: nothing is computed again, and the folder that DVC versions holds the present set alone."""

import time
from collections import Counter

import pytest
from project import IDS, rules_of
from test_one_truth import assert_settled, computed, killed_at

pytestmark = pytest.mark.table

FEATURES = "data/features"


def files_of(count: int) -> set[str]:
    return {
        f"{what}-{number}-of-{count}.{suffix}"
        for number in range(count)
        for what, suffix in (
            *(("shard", "zip"), ("negatives", "zip"), ("recordings", "zip")),
            ("shard", "provenance.json"),
        )
    }


def there(project) -> set[str]:
    return {path.name for path in (project.path / FEATURES).iterdir()}


def test_there_and_back_computes_nothing_and_runs_nothing_below(project):
    project.set("shards", 3)
    said = project.run("snakemake", "--cores", "2").stdout
    assert rules_of(said) == Counter(features=3)
    assert computed(said) == (0, 9, 0)
    assert there(project) == files_of(3)
    assert project.dvc_repro() == Counter()
    assert_settled(project)
    project.commit("B")
    project.set("shards", 8)
    said = project.run("dvc", "repro").stdout
    assert rules_of(said) == Counter(features=8)
    assert computed(said) == (0, 9, 0)
    assert there(project) == files_of(8)
    assert_settled(project)
    project.commit("C")
    # The folder is exchanged as a whole, and neither tool has anything to do.
    for commit, count in (("B", 3), ("A", 8), ("B", 3)):
        project.run("git", "checkout", "-q", commit)
        project.run("dvc", "checkout")
        assert there(project) == files_of(count)
        assert_settled(project)


@pytest.mark.again
def test_one_stage_of_dvc_leaves_the_present_set(project):
    project.set("shards", 2)
    # What a killed job was writing.
    (project.path / FEATURES / ".shard-5-of-8.abcd1234.zip").write_text("half")
    (project.path / FEATURES / "notes.txt").write_text("of a person")
    said = project.run("dvc", "repro", "features").stdout
    assert computed(said) == (0, 9, 0)
    assert there(project) == files_of(2) | {"notes.txt"}
    (project.path / FEATURES / "notes.txt").unlink()
    assert project.dvc_repro() == Counter()
    assert_settled(project)


def test_a_killed_run_loses_nothing_and_the_way_back_costs_nothing(project):
    before = there(project)
    project.set("shards", 3)
    # A run that begins within a moment of the edit keeps no plan; when a process began is known to the second.
    while time.time() - (project.path / "params.yaml").stat().st_ctime < 3:
        assert project.planned()["features"] == 3
    killed_at(project, "snakemake", "kept from before")
    assert before < there(project)
    assert "-of-3" in (project.path / ".snakemake/plan.json").read_text()
    # Back to the set that is whole: no job runs, and what the killed run had made goes before DVC looks.
    project.set("shards", 8)
    assert project.dvc_repro() == Counter()
    assert there(project) == before
    assert_settled(project)


def test_another_number_and_one_more_recording_compute_one(project):
    project.set("shards", 5)
    project.write_annotations(project.annotations() + project.add_recording("extra", 77))
    assert computed(project.run("snakemake", "--cores", "2").stdout) == (1, len(IDS), 0)
    assert there(project) == files_of(5)


def test_a_shard_that_was_exchanged_gives_nothing(project):
    path = project.path / FEATURES / "shard-1-of-8.zip"
    path.write_bytes((project.path / FEATURES / "shard-2-of-8.zip").read_bytes())
    project.set("shards", 3)
    assert computed(project.run("snakemake", "--cores", "2", "--", "all_features").stdout) == (3, 6, 0)
