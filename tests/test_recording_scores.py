"""Whole held-out recordings are scored as users score theirs, and what users would get is measured."""

import json
from pathlib import Path

import pandas as pd
import pytest

from dawnchorus.detection import energy, score_store
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import sha256_of
from dawnchorus.learning import model_file, saved_model
from dawnchorus.stages import detection_metrics as measuring
from dawnchorus.stages import recording_scores as scoring
from dawnchorus.tables import definitions, made
from test_detection_metrics import PARAMS
from test_detections import RATE_HZ, while_exchanged, write_model, write_sound


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Five recordings and a model: one of training, one of validation, two of test, and one of two partitions.

    No presence network is asked for: windows of the model find calls.
    """
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path)
    classes = [{"species_id": f"s{number}", "species_name": "x"} for number in range(3)]
    saved_model.save_card({"presence": {"network": "none"}, "classes": classes}, tmp_path / "presence.keras")
    # Nor is there an SVM: as where there are no two classes to tell apart.
    with score_store.write_store("svm.parquet", [row["species_id"] for row in classes]):
        pass
    facts = {"duration_s": 9.0, "sample_rate_hz": RATE_HZ, "channels": 1, "n_samples": 9 * RATE_HZ}
    recordings, table = [], []
    parts = (("train",), ("validation",), ("test",), ("test",), ("train", "test"))
    for number, partitions in enumerate(parts):
        name = f"site {number % 2}/r{number}"
        write_sound(tmp_path / f"sound/{name}.flac", 9.0, number)
        sha256 = sha256_of(tmp_path / f"sound/{name}.flac")
        listed = {"recording_id": name, "path": f"{name}.flac", "sha256": sha256, "inspected_with": ""}
        recordings.append(listed | facts)
        for partition in partitions:
            row = {"row": len(table), "annotation_id": len(table), "recording_id": name, "partition": partition}
            row |= {"species_id": f"s{number % 2}", "species_name": "x", "class_index": number % 2, "group": name}
            row |= {"t_min_s": 3.0, "t_max_s": 6.0, "f_min_hz": 500.0, "f_max_hz": 700.0, "n_frames": 20}
            table.append(row)
    made.write("recordings.csv", definitions.RECORDINGS, recordings)
    made.write("rows.csv", definitions.ROWS, table)
    return tmp_path


def score(capsys):
    detections = {"window_s": 1.0, "step_s": 0.5, "channel": "mix", "batch_size": 4}
    params = {"split": {"method": "grouped", "group": "recording_id"}, "detections": detections}
    scoring.main(
        ["--model", "model.keras", "--presence", "presence.keras", "--rows", "rows.csv", "--recordings",
         "recordings.csv", "--audio-dir", "sound", "--params", json.dumps(params), "--threads", "2",
         "--held-out", "out/recordings.csv", "--scores", "out/scores.parquet",
         "--presence-scores", "out/presence.parquet", "--energy", "out/energy.parquet"]
    )  # fmt: skip
    return capsys.readouterr().out


def measure(*unknown):
    params = {**PARAMS, "detections": {"smoothing_windows": 1, "merge_gap_s": 0.0}}
    tables = [part for name in measuring.TABLES for part in (f"--{name.replace('_', '-')}", f"out/{name}.csv")]
    made.write("unknown.csv", definitions.UNKNOWN, unknown)
    measuring.main(
        ["--scores", "out/scores.parquet", "--presence-scores", "out/presence.parquet",
         "--energy", "out/energy.parquet", "--held-out", "out/recordings.csv", "--rows", "rows.csv",
         "--unknown", "unknown.csv", "--model", "model.keras", "--calibration", "calibration.json",
         "--presence", "presence.keras", "--presence-calibration", "none.json",
         "--svm-scores", "svm.parquet", "--svm-calibration", "calibration.json",
         "--params", json.dumps(params), "--metrics", "out/metrics.json", *tables]
    )  # fmt: skip


def test_the_stages_score_whole_held_out_recordings_and_measure_them(project, capsys):
    said = score(capsys)
    assert (
        "1 recordings of validation, 2 of test: 3 computed, 0 kept from before, 0 no longer needed; 1 left out" in said
    )
    assert "0 computed, 3 kept" in score(capsys)
    measure()
    said = capsys.readouterr().out
    metrics = json.loads((project / "out/metrics.json").read_text())
    assert metrics["test"]["recordings"] == 2
    assert metrics["left_out"] == 1
    assert metrics["test"]["event_recall_iou30"] == 1
    assert "1 recordings have annotations in several partitions" in said
    events = made.read("out/detection_events.csv", definitions.DETECTION_EVENTS)
    assert {row["recording_id"] for row in events} == {"site 0/r2", "site 1/r3"}
    for name, table in measuring.TABLES.items():
        made.frame(f"out/{name}.csv", table)


@pytest.mark.parametrize("back", [False, True])
def test_a_recording_that_is_exchanged_while_it_is_scored_ends_the_job(project, capsys, monkeypatch, back):
    """Put back meanwhile or not: a baseline heard it last, and the networks before."""
    powers, path = energy.powers, Path("sound/site 1/r3.flac")

    monkeypatch.setattr(energy, "powers", lambda *given: while_exchanged(path, lambda: powers(*given), back))
    with pytest.raises(InputError, match=r"sound/site 1/r3\.flac: changed since the audit"):
        score(capsys)


def test_a_recording_that_is_another_than_the_audit_knew_is_not_scored(project, capsys):
    write_sound(Path("sound/site 0/r2.flac"), 9.0, 77)
    with pytest.raises(InputError, match=r"sound/site 0/r2\.flac: changed since the audit"):
        score(capsys)


def test_where_none_validates_training_recordings_are_scored_for_presence(project, capsys):
    """Windows of the model are fitted on clips: without a network of presence nothing needs them."""
    rows = made.frame("rows.csv", definitions.ROWS)
    made.write("rows.csv", definitions.ROWS, rows[rows["partition"] != "validation"])
    recordings = made.read("recordings.csv", definitions.RECORDINGS)
    made.write("recordings.csv", definitions.RECORDINGS, [row for row in recordings if row["recording_id"][-1] != "1"])
    assert "0 recordings of validation, 2 of test: 2 computed" in score(capsys)
    classes = [{"species_id": f"s{number}", "species_name": "x"} for number in range(3)]
    # The model of windows in its place: what counts here is which recordings are asked for.
    card = model_file.read_card(Path("model.keras"))
    saved_model.save_card({**card, "presence": {"network": "crnn"}, "classes": classes}, Path("presence.keras"))
    asked = {}

    class Scorer:
        bad = frozenset()

        def update(self, out, wanted, step):
            asked[out.name] = [sound.recording_id for sound in wanted]

        def updating(self, out, wanted, step, elsewhere):
            asked[out.name] = []
            for sound in wanted:
                asked[out.name].append(sound.recording_id)
                yield
            return f"{len(asked[out.name])} scored"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "Detector", lambda *_: Scorer())
        patch.setattr(scoring, "EnergyDetector", lambda *_: Scorer())
        said = score(capsys)
    assert "0 recordings of validation, 2 of test, 1 of training for their last parts: 2 scored" in said
    names = ["site 0/r0", "site 0/r2", "site 1/r3"]
    assert asked == {"scores.parquet": names[1:], "presence.parquet": names, "energy.parquet": names}


def test_what_is_unknown_is_not_measured(project, capsys):
    """Unknown whole, a recording leaves the metrics those of the other, and its events without a verdict."""
    score(capsys)
    measure()
    before = pd.read_csv("out/detection_recordings.csv").set_index("recording_id")
    measure({"recording_id": "site 1/r3", "t_min_s": 0.0, "t_max_s": 1e9, "species_id": ""})
    after = pd.read_csv("out/detection_recordings.csv").set_index("recording_id")
    pd.testing.assert_series_equal(before.loc["site 0/r2"], after.loc["site 0/r2"])
    assert after["call_free_s"]["site 1/r3"] == after["call_free_alarms"]["site 1/r3"] == 0
    assert after["annotated"]["site 1/r3"] == before["annotated"]["site 1/r3"] > 0
    events = pd.read_csv("out/detection_events.csv")
    assert "false_alarm" not in set(events["outcome"][events["recording_id"] == "site 1/r3"])


def test_users_get_the_events_that_are_measured(project, capsys):
    """`dawnchorus detect` on the same recordings, with the same values, finds what the table of events says."""
    from dawnchorus.commands import cli

    score(capsys)
    measure()
    cli.main(["detect", "--model", ".", "--output", "users", "--window-s", "1", "--step-s", "0.5", "--events", "0",
              "--pictures", "0", "sound/site 0/r2.flac", "sound/site 1/r3.flac"])  # fmt: skip
    users, table = pd.read_csv("users/events.csv"), pd.read_csv("out/detection_events.csv")
    detected = table[table["outcome"] != "miss"]
    ours = detected.assign(recording_id=detected["recording_id"].str.split("/").str[-1])
    keys = ["recording_id", "species_id", "start_s", "end_s"]
    pd.testing.assert_frame_equal(
        users[keys].sort_values(keys, ignore_index=True),
        ours[keys].sort_values(keys, ignore_index=True),
        check_dtype=False,
    )


def test_where_every_recording_is_of_several_partitions_the_stages_say_so(project, capsys):
    """As with the article's split: nothing is scored, no model is loaded, and every table is there, empty."""
    table = made.frame("rows.csv", definitions.ROWS)
    both = pd.concat([table.assign(partition=partition) for partition in ("train", "test")], ignore_index=True)
    made.write("rows.csv", definitions.ROWS, both)
    assert (
        "0 recordings of validation, 0 of test: 0 computed, 0 kept from before, 0 no longer needed; 5 left out"
        in score(capsys)
    )
    measure()
    assert "nothing is measured: no recording has all its annotations in the test" in capsys.readouterr().out
    for name, of in measuring.TABLES.items():
        made.frame(f"out/{name}.csv", of)
    events = made.read("out/detection_events.csv", definitions.DETECTION_EVENTS)
    assert events == made.read("out/detection_segments.csv", definitions.DETECTION_SEGMENTS) == []
