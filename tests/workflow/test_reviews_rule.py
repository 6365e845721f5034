"""Answers as an input of the workflow: what runs, what trains, and that no test row and no partition changes."""

import csv
import json
import shutil

import pytest
from project import Project

from test_review_section import SUMMARY

pytestmark = pytest.mark.table

HEADER = "clip,recording_id,start_s,end_s,species_id,answer,other_species,reviewer,time"


WANTED = ("reports/predictions.csv", "data/recording_scores/recordings.csv")


def rows(project, name):
    with (project.path / name).open(newline="") as file:
        return list(csv.DictReader(file))


def answer(project, *answers):
    """Write what Ann says of windows: recording, start, species and answer."""
    lines = [f"c,{name},{start},{start + 0.7},{species},{said},,ann," for name, start, species, said in answers]
    path = project.path / "raw/reviews/ann.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([HEADER, *lines]) + "\n")


def test_reviews_train_and_neither_test_nor_move_anything(tmp_path):
    project = Project.create(tmp_path / "project")
    project.add_recording("heard", 50)
    project.snakemake("--", *WANTED)
    before = {row["annotation_id"]: row for row in rows(project, "data/dataset/rows.csv")}
    part_of = {row["recording_id"]: row["partition"] for row in before.values()}
    of_test = [row["annotation_id"] for row in rows(project, "reports/predictions.csv")]
    held_out = next(name for name, part in part_of.items() if part == "test")

    answer(project, ("heard", 0.1, "0", "yes"), ("heard", 1.1, "1", "no"), (held_out, 0.0, "0", "no"))
    project.set("data.reviews", "raw/reviews")
    project.snakemake("--", *WANTED)
    after = {row["annotation_id"]: row for row in rows(project, "data/dataset/rows.csv")}
    new = [row for key, row in after.items() if key not in before]
    assert [(row["recording_id"], row["species_id"], row["partition"]) for row in new] == [("heard", "0", "train")]
    assert {key: after[key] for key in before} == {key: {**row, "from_reviews": "0"} for key, row in before.items()}
    # The no about a test recording is in no partition, the other one trains.
    negatives = rows(project, "data/dataset/negative_rows.csv")
    assert [(row["recording_id"], row["partition"]) for row in negatives] == [("heard", "train")]
    assert [row["annotation_id"] for row in rows(project, "reports/predictions.csv")] == of_test
    scored = rows(project, "data/recording_scores/recordings.csv")
    assert {row["recording_id"]: row["partition"] for row in scored} == {**part_of, "heard": "train"}


def test_both_tools_see_an_answer_that_changes(tmp_path):
    project = Project.create(tmp_path / "project", n_recordings=3)
    name = project.annotations()[0][0]
    project.set("data.reviews", "raw/reviews")
    answer(project, (name, 2.2, "0", "unsure"))
    assert project.dvc_repro("recordings") == {"recordings": 1}
    assert project.dvc_repro("recordings") == {}
    answer(project, (name, 2.2, "0", "no"))
    assert "recordings" in project.planned("data/recordings/annotations.csv")
    assert "up to date" not in project.run("dvc", "status", "recordings").stdout


def test_a_folder_of_reviews_that_is_not_there_is_a_line(tmp_path):
    project = Project.create(tmp_path / "project", n_recordings=3, dvc=False)
    project.set("data.reviews", "raw/reviews")
    done = project.run("snakemake", "--cores", "1", check=False)
    assert done.returncode
    wanted = "expected a reviews.csv, or a folder of them, or data.annotations again"
    assert any(line.endswith(wanted) for line in done.stdout.splitlines())


def test_the_summary_of_a_review_makes_the_report_alone(project):
    assert not project.planned()
    path, page = project.path / "raw/summary.json", project.path / "reports/report.html"
    path.write_text(json.dumps(SUMMARY))
    project.set("data.review_summary", "raw/summary.json")
    assert set(project.planned()) == {"report"}
    assert project.dvc_repro() == {"report": 1}
    assert "By listening to 105 windows" in page.read_text()
    assert not project.planned()
    path.write_text(json.dumps({**SUMMARY, "reviewers": ["Ann"]}))
    assert project.changed_stages() == ["report"]
    assert project.snakemake() == {"report": 1}
    assert "(1 person)" in page.read_text()
    # A table of annotations is no summary, and the page of before stays.
    before = page.read_bytes()
    shutil.copy(project.path / "raw/annotations.csv", path)
    done = project.run("snakemake", "--cores", "1", check=False)
    assert done.returncode
    assert (
        "error: raw/summary.json: Expecting value: line 1 column 1 (char 0); expected JSON, the summary" in done.stdout
    )
    assert page.read_bytes() == before
