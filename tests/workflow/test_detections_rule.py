"""The rules of the detections on seconds of sound, with a model made by the test: what a change costs."""

import csv
import os
import re
import signal
import subprocess

import numpy as np
import pytest
import soundfile
from project import PITCHES_HZ, SAMPLE_RATE_HZ, Project, environment, rules_of, tone

from dawnchorus.detection import review_thresholds, score_store
from test_detections import SPECIES, write_model

pytestmark = pytest.mark.table

# A model that comes from somewhere else: nothing upstream of it is there, and none of it is asked for.
COMMAND = ("snakemake", "--cores", "2", "--allowed-rules", "window_scores", "detections", "--", "detections")


def add_sound(project, name, seed):
    path = project.path / "new" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    calls = [tone(pitch_hz, 1.0, seed + k) for k, pitch_hz in enumerate(PITCHES_HZ.values())]
    soundfile.write(path, np.concatenate(calls), SAMPLE_RATE_HZ)


@pytest.fixture
def project(tmp_path):
    project = Project.create(tmp_path / "project", n_recordings=1, dvc=False)
    (project.path / "models").mkdir()
    write_model(project.path / "models")
    project.set("detections.recordings", "new")
    for number in range(5):
        add_sound(project, f"site {number % 2}/night {number}.flac", 100 * number)
    return project


def costs(project):
    """Return how many jobs scored windows, and how many recordings they scored."""
    output = project.run(*COMMAND).stdout
    return rules_of(output)["window_scores"], sum(int(n) for n in re.findall(r"recordings: (\d+) computed", output))


def test_one_new_file_costs_one_file_and_a_decision_costs_none(project):
    assert costs(project) == (8, 5)
    out = project.path / "reports/detections"
    with (out / "events.csv").open(newline="") as file:
        heard = {row["path"] for row in csv.DictReader(file)}
    assert heard == {f"new/site {k % 2}/night {k}.flac" for k in range(5)}
    assert (out / "raven/site 0/night 0.flac.selections.txt").exists()
    assert (project.path / "reports/detections.html").exists()
    assert costs(project) == (0, 0)

    add_sound(project, "one more.wav", 999)
    assert costs(project) == (1, 1)
    (project.path / "new/one more.wav").unlink()
    assert costs(project) == (1, 0)
    assert not (out / "raven/one more.wav.selections.txt").exists()
    project.set("detections.merge_gap_s", 1.0)
    assert costs(project)[1] == 0

    # So is the sample of a submission.
    sample, submission = project.path / "raw/sample.csv", out / "submission.csv"
    for ids in (["site 0/night 0", "site 1/night 1"], ["site 1/night 3"]):
        sample.write_text("".join(["recording_id,ss1\n", *(f"{recording_id},0\n" for recording_id in ids)]))
        project.set("detections.sample_submission", "raw/sample.csv")
        assert costs(project) == (0, 0)
        with submission.open(newline="") as file:
            assert [row["recording_id"] for row in csv.DictReader(file)] == ids
    sample.unlink()
    gone = project.run(*COMMAND, check=False)
    assert gone.returncode != 0
    assert 'detections.sample_submission: "raw/sample.csv": no such file; expected a submission' in gone.stdout
    project.set("detections.sample_submission", None)
    costs(project)

    # Thresholds of a review are an input: where they appear or go, detections are made anew, and no sound is scored.
    with (out / "events.csv").open(newline="") as file:
        before = list(csv.DictReader(file))
    models = project.path / "models"
    said = dict.fromkeys(review_thresholds.KEYS, 0.0)
    path = review_thresholds.write(models, models / "model.keras", models / "calibration.json", {"s1": said})
    assert costs(project)[1] == 0
    with (out / "events.csv").open(newline="") as file:
        after = list(csv.DictReader(file))
    # Whatever scores 0 or more is one event, as long as its recording.
    assert [row["start_s"] for row in after if row["species_id"] == "s1"] == ["0.0"] * 5
    assert [row for row in after if row["species_id"] != "s1"] == [row for row in before if row["species_id"] != "s1"]
    assert after != before
    path.unlink()
    assert costs(project)[1] == 0
    with (out / "events.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == before


@pytest.mark.again
def test_another_number_of_shards_scores_nothing_and_one_more_file_is_one(project):
    assert costs(project) == (8, 5)
    project.set("shards", 3)
    assert costs(project) == (3, 0)
    assert {path.name for path in (project.path / "data/detections").iterdir()} == {
        f"{name}-{number}-of-3.{suffix}"
        for number in range(3)
        for name, suffix in (("shard", "parquet"), ("windows", "parquet"), ("shard", "provenance.json"))
    }
    project.set("shards", 1)
    add_sound(project, "one more.wav", 999)
    assert costs(project) == (1, 1)


def test_a_killed_run_goes_on_where_it_was_also_with_another_number_of_shards(project):
    scored = re.compile(r"recordings: [1-9]\d* computed")
    with subprocess.Popen(
        [*COMMAND[:2], "1", *COMMAND[3:]],
        cwd=project.path,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        # With the second the job of the first has ended.
        for _ in zip(range(2), filter(scored.search, process.stdout), strict=False):
            pass
        os.killpg(process.pid, signal.SIGKILL)
    finished = sum(
        len(list(score_store.Store(record.with_name(record.name.replace("provenance.json", "parquet")), SPECIES)))
        for record in (project.path / "data/detections").glob("*.provenance.json")
    )
    assert 0 < finished < 5
    project.set("shards", 2)
    assert costs(project) == (2, 5 - finished)
