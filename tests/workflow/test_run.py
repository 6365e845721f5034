"""Whole runs as a user starts them: what is printed, what is left behind, what comes out the same."""

import csv
import hashlib
import json

import pytest
from project import IDS, Project


@pytest.fixture
def bare(tmp_path) -> Project:
    """A project that was never run, without Git or DVC."""
    return Project.create(tmp_path / "project", dvc=False)


def last_lines(output: str, n: int = 15) -> str:
    return "\n".join(output.splitlines()[-n:])


def test_bad_input_stops_the_run_and_the_last_lines_say_why(bare):
    rows = bare.annotations()
    rows[0][3] = "soon"
    bare.write_annotations(rows)
    (bare.path / f"raw/audio/{IDS[3]}.wav").write_bytes(b"")
    done = bare.run("snakemake", "--cores", "2", check=False, screen="")
    assert done.returncode != 0
    end = last_lines(done.stdout)
    assert "error: raw/annotations.csv:2: column t_min: 'soon': expected a finite number of seconds" in end
    assert f"error: raw/audio/{IDS[3]}.wav: 'empty: the file has 0 bytes': expected whole, readable sound" in end
    assert "Traceback" not in done.stdout
    assert not list((bare.path / "data").rglob("*.csv"))


def test_quarantine_goes_on_and_says_at_the_end_how_much_is_missing(ran_project):
    (ran_project.path / f"raw/audio/{IDS[3]}.wav").write_bytes(b"")
    ran_project.set("data.on_bad_recording", "quarantine")
    output = ran_project.run("snakemake", "--cores", "2", screen="").stdout
    assert "workflow specific profile profiles/default" in output
    assert "  left out       3 of 27 annotations; 1 problem in data/recordings/audit.csv" in last_lines(output)
    with open(ran_project.path / "data/recordings/audit.csv", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [f"raw/audio/{IDS[3]}.wav"]
    metrics = json.loads((ran_project.path / "reports/metrics.json").read_text())
    assert sum(metrics[part]["support"] for part in ("train", "validation", "test")) == 24


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.epochs", 0, ": train.epochs: 0: expected integer from 1 to 100000"),
        ("train.epoch", 5, ": train.epoch: unknown key; did you mean epochs?"),
    ],
)
def test_a_wrong_parameter_stops_before_anything_runs(bare, key, value, expected):
    bare.set(key, value)
    done = bare.run("snakemake", "--cores", "2", check=False, screen="")
    assert done.returncode != 0
    assert expected in last_lines(done.stdout, 4)
    assert "Traceback" not in done.stdout
    assert not (bare.path / "data").exists()


def test_values_of_the_command_line_are_refused(bare):
    done = bare.run("snakemake", "--cores", "2", "--config", "seed=5", check=False, screen="")
    assert done.returncode != 0
    assert "seed: given by --config or --configfile" in last_lines(done.stdout, 4)


def test_a_group_that_is_no_column_is_named(bare):
    bare.set("split.group", "site")
    done = bare.run("snakemake", "--cores", "2", check=False, screen="")
    assert done.returncode != 0
    assert "error: params.yaml: split.group: 'site': expected a column of the annotations" in last_lines(done.stdout)


def test_what_was_checked_not_to_be_a_species_reaches_the_metrics(ran_project):
    """Of a box in each recording, and of one in a recording without annotations; both tools agree on all of it."""
    project = ran_project
    rows = project.annotations()
    boxes = [["0" if column == 1 else cell for column, cell in enumerate(row)] for row in rows if row[1] == "1"]
    boxes.append(project.add_recording("elsewhere", 99)[0])
    header = "recording_id,species_id,songtype_id,t_min,f_min,t_max,f_max"
    (project.path / "raw/fp.csv").write_text("\n".join([header, *(",".join(box) for box in boxes)]) + "\n")
    project.set("data.false_positives", "raw/fp.csv")
    project.dvc_repro()

    def table(name):
        with open(project.path / name, newline="") as file:
            return list(csv.DictReader(file))

    negatives = table("data/dataset/negative_rows.csv")
    partition = {row["recording_id"]: row["partition"] for row in table("data/dataset/rows.csv")}
    # A recording without annotations is dealt: it goes where the one is that its name picks.
    dealt = sorted(partition)[int(hashlib.sha256(b"elsewhere").hexdigest(), 16) % len(partition)]
    wanted = [(box[0], partition[dealt if box[0] == "elsewhere" else box[0]]) for box in boxes]
    assert [(row["recording_id"], row["partition"]) for row in negatives] == wanted
    n_test = sum(part == "test" for _, part in wanted)
    metrics = json.loads((project.path / "reports/metrics.json").read_text())
    assert metrics["checked_absent"]["absent_clips"] == n_test > 0
    assert [row["absent_clips"] for row in table("reports/per_class.csv")] == [str(n_test), "0", "0"]
    # What is annotated is extracted and counted as without them.
    assert len(table("data/dataset/rows.csv")) == len(rows)
    assert sum(metrics[part]["support"] for part in ("train", "validation", "test")) == len(rows)
    assert project.planned() == {}
    assert project.dvc_is_clean()
    (project.path / "raw/fp.csv").write_text("\n".join([header, *(",".join(box) for box in boxes[1:])]) + "\n")
    assert {"recordings", "features", "dataset", "evaluation"} <= set(project.planned())
    assert not project.dvc_is_clean()


def test_without_a_detector_its_calibration_says_so(ran):
    said = (ran / "project/logs/presence_calibration.log").read_text()
    assert said == (
        "presence_calibration: no detector (presence.network: none): windows of the classifier find calls, "
        "nothing is fitted\n"
    )
