"""Thresholds that a review found, from its answers to what `dawnchorus detect` then calls an event."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dawnchorus.commands import cli
from dawnchorus.detection import presence, review_thresholds
from dawnchorus.foundation.files import sha256_of
from dawnchorus.tables import made
from dawnchorus.tables.definitions import REVIEW_SUMMARY, REVIEWS, SAMPLE
from test_detections import write_model, write_sound
from test_review import answer_rows

NAME = review_thresholds.NAME


def calls(row: dict, rows: list[dict]) -> bool:
    """Say what is true of a window: s0 and s1 call in the half of all windows that scores higher, s2 never."""
    of = [other["score"] for other in rows if other["species_id"] == row["species_id"]]
    return row["species_id"] != "s2" and row["score"] > np.median(of)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A folder with recordings, a model, what it detects, and a review of every window of it."""
    folder = tmp_path_factory.mktemp("thresholds")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for n in range(4):
            write_sound(Path(f"sound/SITE{n % 2}_2024050{n + 1}_060000.flac"), 18 + n, n)
        write_model(folder / "model")
        assert cli.main(["detect", "--model", "model", "--output", "found", "sound"]) == 0
        assert cli.main(["review", "sample", "found", "--output", "review", "--size", "26", "--no-page"]) == 0
        rows = made.read("review/sample.csv", SAMPLE)
        made.write("answers.csv", REVIEWS, answer_rows(rows, lambda row: "yes" if calls(row, rows) else "no"))
    return folder


@pytest.fixture
def inside(found, monkeypatch):
    monkeypatch.chdir(found)
    yield found
    Path("model", NAME).unlink(missing_ok=True)


def detect(output: str, *more: str) -> int:
    return cli.main(["detect", "--model", "model", "--output", output, "sound", *more])


def events(output: str) -> list[dict]:
    with open(f"{output}/events.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_detect_calls_what_reaches_the_threshold_of_the_review(inside, tmp_path, capsys):
    words = ["review", "summary", "review", "answers.csv", "--precision", "0.9", "--write-thresholds", "model"]
    assert cli.main(words) == 0
    summary = {row["species_id"]: row["threshold"] for row in made.read("review/summary.csv", REVIEW_SUMMARY)}
    said = json.loads(Path("model", NAME).read_text())
    assert said["model"] == "model.keras"
    assert said["model_sha256"] == sha256_of(Path("model/model.keras"))
    assert said["calibration_sha256"] == sha256_of(Path("model/calibration.json"))
    of = said["species"]
    assert {key: one["threshold"] for key, one in of.items()} == {
        key: threshold for key, threshold in summary.items() if not np.isnan(threshold)
    }
    assert {"s0", "s1"} <= of.keys()
    rows = made.read("review/sample.csv", SAMPLE)
    for key in ("s0", "s1"):
        one = of[key]
        assert (one["answers"], one["wanted_precision"]) == (26, 0.9)
        assert one["expected_precision_low"] <= one["expected_precision"] <= one["expected_precision_high"]
        # Every window was answered: the share from the threshold on is known, and is nearly that.
        above = [calls(row, rows) for row in rows if row["species_id"] == key and row["score"] >= one["threshold"]]
        assert one["expected_precision"] == pytest.approx(np.mean(above), abs=1e-6)
    assert f"model/{NAME}: `dawnchorus detect` finds {len(of)} species by these thresholds" in capsys.readouterr().out

    assert detect(str(tmp_path / "again")) == 0
    scores = pd.read_parquet(tmp_path / "again/scores.parquet")
    own = json.loads(Path("model/calibration.json").read_text())["thresholds"]
    for key in ("s0", "s1", "s2"):
        threshold = of[key]["threshold"] if key in of else own[key]
        reach = set(scores["path"][scores[f"score_{key}"] >= threshold])
        assert {row["path"] for row in events(str(tmp_path / "again")) if row["species_id"] == key} == reach
    # What the workflow made is as it was, and without the file detections are.
    Path("model", NAME).unlink()
    assert detect(str(tmp_path / "before")) == 0
    assert events(str(tmp_path / "before")) == events("found")
    assert events(str(tmp_path / "again")) != events("found")


def test_without_a_threshold_nothing_is_written(inside, tmp_path, capsys):
    rows = made.read("review/sample.csv", SAMPLE)
    made.write(tmp_path / "no.csv", REVIEWS, answer_rows(rows, lambda row: "no"))
    assert cli.main(["review", "summary", "review", str(tmp_path / "no.csv"), "--write-thresholds", "model"]) == 1
    assert "model: no species has a threshold of the wanted precision; expected more answers" in capsys.readouterr().err
    assert not Path("model", NAME).exists()
    words = ["review", "summary", "review", "answers.csv", "--write-thresholds", str(tmp_path)]
    assert cli.main(words) == 1
    assert (
        f"{tmp_path}/model.keras: no such file; expected the model that found what was reviewed"
        in capsys.readouterr().err
    )


GOOD = dict.fromkeys(review_thresholds.KEYS, 0.8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"model_sha256": "0"},
            "thresholds of another model or calibration; expected those of a review of model/model",
        ),
        ({"calibration_sha256": "0"}, "thresholds of another model or calibration"),
        ({"species": {"wren": GOOD}}, "thresholds of species that the model does not know (wren)"),
        ({"species": {"s0": {**GOOD, "threshold": 1.5}}}, "species.s0.threshold: 1.5; expected a score from 0 to 1"),
        (
            {"species": {"s0": {**GOOD, "threshold": "high"}}},
            "not thresholds of a review (species.s0.threshold: 'high'",
        ),
        ({"species": {"s0": {"threshold": 0.5}}}, "not thresholds of a review ('wanted_precision')"),
        ({"species": 3}, "not thresholds of a review"),
    ],
)
def test_thresholds_that_cannot_be_used_are_one_line_before_anything_is_scored(inside, tmp_path, capsys, change, said):
    models = Path("model")
    path = review_thresholds.write(models, models / "model.keras", models / "calibration.json", {"s0": GOOD})
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert detect(str(tmp_path / "out")) == 1
    error = capsys.readouterr().err
    assert f"model/{NAME}: {said}" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_thresholds_of_frames_are_none_of_windows(inside, tmp_path):
    models = Path("model")
    path = review_thresholds.write(models, models / "model.keras", models / "calibration.json", {"s0": GOOD})
    path.write_text(path.read_text().replace('"model.keras"', '"presence.keras"'))
    assert detect(str(tmp_path / "out")) == 0
    assert events(str(tmp_path / "out")) == events("found")


def test_frames_are_an_event_from_the_score_that_people_see():
    """Whatever the maps of a class: events are there exactly where presence reaches the threshold."""
    rng = np.random.default_rng(2)
    starts_s = np.arange(400) * 0.1
    for _ in range(50):
        scores = rng.random((400, 1)) ** 3
        decision = {
            **presence.PLAIN,
            **{
                "presence_slope": rng.uniform(0.3, 2),
                "presence_offset": rng.uniform(-2, 2),
                "off": rng.uniform(0, 0.9),
            },
            "smoothing_s": float(rng.choice([0.0, 0.3])),
        }
        decision["on"] = max(decision["off"], 0.5)
        shown = presence.presence(scores, starts_s, 0.1, [decision])[:, 0]
        threshold = float(np.float32(shown[rng.integers(400)]))
        of = {**decision, **presence.from_on(decision, threshold)}
        assert of["off"] <= of["on"]
        found = presence.events(scores, starts_s, 0.1, 40.0, [of])
        inside = [np.flatnonzero((starts_s + 0.05 >= e["start_s"]) & (starts_s + 0.05 <= e["end_s"])) for e in found]
        assert all(shown[frames].max() >= threshold - 1e-5 for frames in inside)
        reached = set(np.flatnonzero(shown >= threshold))
        assert reached <= {frame for frames in inside for frame in frames}
