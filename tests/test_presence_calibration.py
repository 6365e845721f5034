"""The calibration of presence: what thresholds aim at, what is unknown, the lines about it, the file; and its stage."""

import json

import numpy as np
import pytest

from dawnchorus.detection import presence, presence_calibration, score_store
from dawnchorus.detection.measured import Truth
from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters import fields
from dawnchorus.parameters.presence_calibration import PresenceCalibration
from dawnchorus.stages import presence_calibration as stage
from dawnchorus.tables import definitions, made

BLOCK = {**fields.defaults(PresenceCalibration), "aim": "f1"}
IDS = ["frog", "wren"]
STEP_S, N_FRAMES = 0.1, 600


def test_an_aim_is_said_with_the_value_of_its_name():
    assert presence_calibration.aim_of(BLOCK) == "f1"
    given = {**BLOCK, "precision": 0.8, "false_alarms_per_hour": 3.0}
    assert presence_calibration.aim_of({**given, "aim": "precision"}) == {"precision": 0.8}
    assert presence_calibration.aim_of({**given, "aim": "false_alarms_per_hour"}) == {"false_alarms_per_hour": 3.0}


def truth(*calls, unknown=(), duration_s=10.0):
    times_s = np.array(calls, float).reshape(-1, 2)
    unknown_s = np.array(unknown, float).reshape(-1, 2)
    return Truth("r", "r", duration_s, times_s, np.zeros(len(times_s), int), unknown_s, np.full(len(unknown_s), -1))


def test_where_all_calls_are_annotated_unknown_are_the_spans_that_are_said_to_be():
    assert presence_calibration.unknown_of(truth((1, 2)), "all") == []
    assert presence_calibration.unknown_of(truth((1, 2), unknown=[(4, 5)]), "all") == [(4.0, 5.0)]


def test_where_some_calls_are_annotated_nothing_is_known_beside_them():
    """Of a call from 1 to 2 s and of two that overlap, from 6 to 8 s."""
    of = truth((1, 2), (6, 7.5), (7, 8), unknown=[(1.5, 3)])
    assert presence_calibration.unknown_of(of, "boxes") == [(1.5, 3.0), (0.0, 1.0), (2.0, 6.0), (8.0, 10.0)]
    assert presence_calibration.unknown_of(truth(), "boxes") == [(0.0, 10.0)]


FITTED = {"aim": "f1", "annotated_events": 12, "recordings": 3, "hours": 0.05, "pooled": [], "decisions": {}}
FITTED |= {"fusion": {"weight": 0.0, "segment_average_precision": {}}}


def test_lines_say_on_what_it_rests_and_where_the_aim_is_missed():
    assert presence_calibration.lines({**FITTED, "annotated_events": 0}) == [
        "no validation recording has a call: scores are taken as they are, with thresholds of 0.5"
    ]
    decisions = {f"s{number:02}": {"aim_reached": number != 1} for number in range(3)}
    assert presence_calibration.lines({**FITTED, "pooled": ["s00", "s02"], "decisions": decisions}) == [
        "fitted on 12 calls in 3 validation recordings (3.0 minutes)",
        "2 of 3 species have a threshold of all species together",
        "the aim is not reached for 1 species: s01",
    ]
    # 3 minutes, of one class: a false alarm is 20 an hour.
    for allowed, n_lines in ((19.0, 2), (21.0, 1)):
        one = {**FITTED, "aim": {"false_alarms_per_hour": allowed}, "decisions": {"s00": {"aim_reached": True}}}
        assert len(presence_calibration.lines(one)) == n_lines
    assert presence_calibration.lines({**one, "aim": {"false_alarms_per_hour": 19.0}})[1] == (
        "3.0 minutes are too few to tell 19 false alarms an hour from none, so none pass, at the price of calls; "
        "presence_calibration.aim: f1 weighs both"
    )
    # Not more names than a person reads.
    decisions = {f"s{number:02}": {"aim_reached": False} for number in range(40)}
    said = presence_calibration.lines({**FITTED, "decisions": decisions})
    assert said[1] == "the aim is not reached for 40 species: " + ", ".join(f"s{number:02}" for number in range(10))


EXPECTED = dict.fromkeys(presence_calibration.EXPECTED)


def a_file(path, **changes):
    """Write a calibration of two species; ``changes``: values of the wren."""
    frog = {**presence.PLAIN, **EXPECTED, "on": 0.7, "expected_precision": 0.9, "note": "read by people"}
    path.write_text(json.dumps({"decisions": {"wren": {**presence.PLAIN, **EXPECTED, **changes}, "frog": frog}}))
    return path


def test_a_calibration_is_read_in_the_order_of_the_classes(tmp_path):
    frog, wren = presence_calibration.read(a_file(tmp_path / "c.json", gap_s=2), IDS)
    assert frog == {**presence.PLAIN, "on": 0.7, "expected_precision": 0.9}
    assert wren == {**presence.PLAIN, "gap_s": 2.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"on": 1.5}, "decisions.wren.on: 1.5; expected a score from 0 to 1"),
        ({"off": -0.1}, "decisions.wren.off: -0.1; expected a score from 0 to 1"),
        ({"presence_slope": 0}, "decisions.wren.presence_slope: 0; expected a number > 0"),
        ({"slope": -1.5}, "decisions.wren.slope: -1.5; expected a number > 0"),
        ({"gap_s": -1}, "decisions.wren.gap_s: -1; expected 0 to 3600 s"),
        ({"smoothing_s": 3601}, "decisions.wren.smoothing_s: 3601; expected 0 to 3600 s"),
        ({"slope": "steep"}, "(decisions.wren.slope: 'steep', expected a finite number)"),
        ({"slope": True}, "(decisions.wren.slope: 'True', expected a finite number)"),
        ({"min_duration_s": None}, "(decisions.wren.min_duration_s: 'None', expected a finite number)"),
        ({"expected_precision": []}, "(decisions.wren.expected_precision: '[]', expected a finite number)"),
    ],
)
def test_a_value_that_cannot_be_is_one_line_that_names_it(tmp_path, changes, expected):
    path = a_file(tmp_path / "c.json", **changes)
    with pytest.raises(InputError) as caught:
        presence_calibration.read(path, IDS)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ")
    assert expected in line


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"5", b"{}", b'{"decisions": 5}', b'{"decisions": [1]}', b'{"decisions": {"frog": 5}}',
     b'{"decisions": {"frog": {}}}', b'{"decisions": {"frog": {"slope": NaN}}}', b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_calibration_is_one_line(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=r"c\.json: not a calibration of presence \(.*\); make it again$") as caught:
        presence_calibration.read(path, IDS)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400 + len(str(path))


def test_no_file_a_folder_and_other_classes_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"c\.json: no such file; expected what rule presence_calibration makes$"):
        presence_calibration.read(tmp_path / "c.json", IDS)
    with pytest.raises(InputError, match=r": not a calibration of presence \(not a file\)"):
        presence_calibration.read(tmp_path, IDS)
    path = a_file(tmp_path / "c.json")
    with pytest.raises(InputError, match=r"of other classes than the model has \(owl, wren\); make it again$"):
        presence_calibration.read(path, ["frog", "owl"])


def test_how_much_windows_count_is_read_and_nothing_said_is_not_at_all(tmp_path):
    path = a_file(tmp_path / "c.json")
    assert presence_calibration.read_fusion(path) == (0.0, None, None)
    said = json.loads(path.read_text())
    for fusion, expected in (
        ({"weight": 0.5, "window_s": 3, "step_s": 1.5, "segment_average_precision": {}}, (0.5, 3.0, 1.5)),
        ({"weight": 1, "window_s": None, "step_s": None}, (1.0, None, None)),
    ):
        path.write_text(json.dumps({**said, "fusion": fusion}))
        assert presence_calibration.read_fusion(path) == expected


WINDOWS = {"weight": 0.5, "window_s": 3.0, "step_s": None}


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        ({**WINDOWS, "weight": -0.1}, "c.json: fusion.weight: -0.1; expected 0 to 10"),
        ({**WINDOWS, "weight": 11}, "c.json: fusion.weight: 11; expected 0 to 10"),
        ({**WINDOWS, "weight": None}, "(fusion.weight: 'None', expected a finite number)"),
        ({**WINDOWS, "weight": float("nan")}, "not a calibration of presence ("),
        ({**WINDOWS, "window_s": 0}, "c.json: fusion.window_s: 0; expected more than 0 and at most 600 s"),
        ({**WINDOWS, "step_s": 601.0}, "c.json: fusion.step_s: 601; expected more than 0 and at most 600 s"),
        ({**WINDOWS, "step_s": "long"}, "(fusion.step_s: 'long', expected a finite number)"),
        ({"weight": 0.5}, "not a calibration of presence ('window_s')"),
        (0.5, "not a calibration of presence ("),
        (None, "not a calibration of presence ("),
    ],
)
def test_windows_that_cannot_count_so_are_one_line(tmp_path, fusion, expected):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"decisions": {}, "fusion": fusion}))
    with pytest.raises(InputError) as caught:
        presence_calibration.read_fusion(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(path))
    assert expected in line


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four recordings of a minute, two of validation: calls of 2 s each 10 s, frogs from 3 s on and wrens from 7 s."""
    monkeypatch.chdir(tmp_path)
    rng, starts_s = np.random.default_rng(1), STEP_S * np.arange(N_FRAMES)
    rows, held_out = [], []
    with (
        score_store.write_store("presence.parquet", IDS) as writer,
        score_store.write_store("scores.parquet", IDS) as windows,
    ):
        for number, partition in enumerate(("validation", "validation", "test", "train")):
            name, scores = f"r{number}", rng.uniform(0.001, 0.03, (N_FRAMES, 2))
            for index, first_s in enumerate((3.0, 7.0)):
                for onset_s in np.arange(first_s, 60, 10):
                    scores[(starts_s >= onset_s) & (starts_s < onset_s + 2), index] = rng.uniform(0.8, 0.95)
                    row = {"row": len(rows), "annotation_id": len(rows), "recording_id": name, "group": name}
                    row |= {"species_id": IDS[index], "species_name": "x", "class_index": index, "n_frames": 1}
                    row |= {"partition": partition, "t_min_s": onset_s, "t_max_s": onset_s + 2}
                    rows.append({**row, "f_min_hz": None, "f_max_hz": None})
            held_out.append({"recording_id": name, "path": name, "group": name, "partition": partition})
            if partition != "train":
                facts = {"duration_s": 60.0, "sample_rate_hz": 8000, "window_s": STEP_S, "starts_s": starts_s}
                writer.add(score_store.Entry(name, name, name, "", **facts, scores=scores.astype(np.float32)))
                # Windows of 2 s that tell nothing apart.
                facts |= {"window_s": 2.0, "starts_s": np.arange(59.0)}
                windows.add(score_store.Entry(name, name, name, "", **facts, scores=np.full((59, 2), 0.5, np.float32)))
    made.write("rows.csv", definitions.ROWS, rows)
    made.write("held_out.csv", definitions.HELD_OUT, held_out)
    classes = [{"class_index": k, "species_id": name, "species_name": "x"} for k, name in enumerate(IDS)]
    made.write("classes.csv", definitions.CLASSES, classes)
    made.write("unknown.csv", definitions.UNKNOWN, [])
    return tmp_path


def calibrate(annotated="all", **block):
    params = {"presence_calibration": {**BLOCK, **block}, "detection_metrics": {"segment_s": 5.0}}
    params["detections"] = {"window_s": 2.0, "step_s": 1.0}
    stage.main(
        ["--scores", "presence.parquet", "--window-scores", "scores.parquet", "--held-out", "held_out.csv",
         "--rows", "rows.csv", "--classes", "classes.csv",
         "--unknown", "unknown.csv", "--params", json.dumps({**params, "data": {"annotated": annotated}}),
         "--output", "out.json"]
    )  # fmt: skip
    return presence_calibration.read(stage.Path("out.json"), IDS)


def events_of(decisions, recording_id):
    with score_store.Store("presence.parquet", IDS) as store:
        entry = store.entry(recording_id)
    found = presence.events(entry.scores, entry.starts_s, entry.window_s, entry.duration_s, decisions)
    return [(event["class_index"], event["start_s"], event["end_s"]) for event in found]


@pytest.mark.parametrize("annotated", ["all", "boxes"])
def test_the_stage_fits_on_validation_recordings_what_finds_the_calls_of_others(folder, capsys, annotated):
    decisions = calibrate(annotated)
    found = json.loads((folder / "out.json").read_text())
    assert (found["aim"], found["annotated_events"], found["recordings"]) == ("f1", 24, 2)
    said = capsys.readouterr().out
    assert "presence_calibration: fitted on 24 calls in 2 validation recordings" in said
    # Where only some calls are annotated nobody knows in which segments a species is not: nothing tells powers apart.
    assert ("presence_calibration: frames count alone" in said) == (annotated == "all")
    assert (found["fusion"]["weight"], found["fusion"]["window_s"], found["fusion"]["step_s"]) == (0.0, 2.0, 1.0)
    assert presence_calibration.read_fusion(folder / "out.json") == (0.0, 2.0, 1.0)
    expected = [(index, onset_s, onset_s + 2) for index, first in enumerate((3, 7)) for onset_s in range(first, 60, 10)]
    np.testing.assert_allclose(events_of(decisions, "r2"), expected, atol=0.2)


def test_what_is_unknown_does_not_count(folder):
    """What sounds like a frog all through a minute of unknown sound is no reason for a higher threshold."""
    with score_store.Store("presence.parquet", IDS) as store:
        entries = [store.entry(name) for name in store]
    entries[1].scores[:] = 0.99
    with score_store.write_store("presence.parquet", IDS) as writer:
        for entry in entries:
            writer.add(entry)
    rows = made.frame("rows.csv", definitions.ROWS)
    made.write("rows.csv", definitions.ROWS, rows[rows["recording_id"] != "r1"])
    trusted = calibrate()
    made.write(
        "unknown.csv", definitions.UNKNOWN, [{"recording_id": "r1", "t_min_s": 0, "t_max_s": 60, "species_id": ""}]
    )
    found = calibrate()
    assert all(one["on"] < 0.99 for one in found)
    assert trusted != found
    assert len(events_of(found, "r2")) == 12


def test_where_none_validates_the_last_parts_of_training_recordings_do(folder, capsys):
    """Of each minute the last 12 s: what presence says of those before, which it has learned, changes nothing."""
    with score_store.Store("presence.parquet", IDS) as store:
        entries = [store.entry(name) for name in store]
    held_out = made.read("held_out.csv", definitions.HELD_OUT)
    trains = [{**row, "partition": "test" if row["recording_id"] == "r2" else "train"} for row in held_out]
    made.write("held_out.csv", definitions.HELD_OUT, trains)
    made.write("rows.csv", definitions.ROWS, made.frame("rows.csv", definitions.ROWS).assign(partition="train"))
    found = calibrate()
    # A call of each species lies in the last 12 s of each of the two recordings that are scored and train.
    fitted = json.loads((folder / "out.json").read_text())
    assert (fitted["annotated_events"], fitted["recordings"]) == (4, 2)
    assert fitted["hours"] == pytest.approx(2 * 12 / 3600)
    assert fitted["fusion"]["segment_average_precision"] == {}
    assert "fitted on 4 calls in 2 training recordings, in their last parts, which" in capsys.readouterr().out
    for entry in entries[:2]:
        entry.scores[entry.starts_s < 40.0] = 0.99
    with score_store.write_store("presence.parquet", IDS) as writer:
        for entry in entries:
            writer.add(entry)
    assert calibrate() == found


def test_without_a_scored_recording_scores_are_taken_as_they_are(folder, capsys):
    """As where no presence network is asked for: its store of scores is empty."""
    with score_store.write_store("presence.parquet", IDS):
        pass
    assert calibrate() == [presence.PLAIN] * 2
    assert "no detector (presence.network: none)" in capsys.readouterr().out
