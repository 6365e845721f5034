"""What the report says of detections: numbers, reasons, and the errors to look at first."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import report_run
from dawnchorus.detection import measured
from dawnchorus.report import detection_figure, detection_section
from dawnchorus.tables import definitions, made

NAMES = ["frog", "wren"]


@pytest.fixture
def run(tmp_path):
    return report_run.Run(tmp_path / "run", NAMES)


def test_detection_comes_first_in_the_page(run):
    page = run.report().read_text()
    headings = re.findall(r"<h2 id=\"(\w+)-title\">", page)
    assert headings[:3] == ["lead", "detection", "glance"]
    first = page[page.index('id="detection-title"') : page.index('id="glance-title"')]
    assert "Event F1" in first
    assert "95\u00a0% intervals over 2 recordings" in first
    assert "So few recordings leave the intervals themselves rough." in first
    assert "to the power 0.25" in first
    assert "1 recording was left out: its annotations" in first
    assert first.count("<audio") == 4
    assert "False alarm of frog" in first
    assert "Missed call of wren" in first


def test_what_cannot_be_known_is_said_and_left_out(run):
    known = {f"{name}{end}" for name in measured.KNOWN_OF_BOXES for end in ("", "_low", "_high")}
    test = run.detection_metrics["test"]
    for name in measured.NAMES:
        test |= {key: test[key] if key in known else None for key in (name, f"{name}_low", f"{name}_high")}
    run.detection_metrics["test"] = {**test, "presence_calibration_error": None}
    run.detection_metrics["why_unknown"] = "data.annotated is boxes"
    for table in (definitions.DETECTION_CURVES, definitions.DETECTION_RELIABILITY):
        run.write(table, [])
    rows = made.frame(run.path / "detection_baselines.csv", definitions.DETECTION_BASELINES)
    lost = {f"{name}{end}": np.nan for name in measured.NAMES for end in ("", "_low", "_high")}
    lost = {name: value for name, value in lost.items() if name not in known}
    made.write(run.path / "detection_baselines.csv", definitions.DETECTION_BASELINES, rows.assign(**lost))
    assert [tile["name"] for tile in detection_section.headline(run.detection_metrics)] == ["Recall"]
    page = run.report().read_text()
    assert "cannot be known: data.annotated is boxes." in page
    assert "false alarms an hour" not in page.lower()


def test_without_test_recordings_the_page_says_why(run):
    empty = {**dict.fromkeys(run.detection_metrics["test"]), "recordings": 0, "groups": 0, "units": "recordings"}
    run.detection_metrics = {"test": empty, "left_out": 3, "why_unknown": "no recording is of the test partition"}
    for table in (definitions.DETECTION_CURVES, definitions.DETECTION_RELIABILITY, definitions.DETECTION_EVENTS):
        run.write(table, [])
    rows = made.frame(run.path / "detection_baselines.csv", definitions.DETECTION_BASELINES)
    nothing = {f"{name}{end}": np.nan for name in measured.NAMES for end in ("", "_low", "_high")}
    made.write(run.path / "detection_baselines.csv", definitions.DETECTION_BASELINES, rows.assign(**nothing))
    page = run.report().read_text()
    assert "cannot be known: no recording is of the test partition." in page
    assert "3 recordings were left out" in page


def test_the_worst_errors_are_confident_false_alarms_and_hopeless_misses():
    rows = [("hit", 0.99), ("false_alarm", 0.6), ("miss", 0.2), ("false_alarm", 0.9), ("miss", 0.01), ("unknown", 1.0)]
    table = pd.DataFrame(rows, columns=["outcome", "score"])
    alarms, misses = detection_section.worst(table, 5)
    assert [row["score"] for row in alarms] == [0.9, 0.6]
    assert [row["score"] for row in misses] == [0.01, 0.2]
    assert [len(part) for part in detection_section.worst(table, 1)] == [1, 1]


@pytest.mark.parametrize(
    ("fusion", "said"),
    [
        (
            {"weight": 0.5, "segment_average_precision": {"0": 0.8, "0.5": 0.9, "1": 0.85}},
            "to the power 0.5, which the validation recordings chose: there the average precision of segments is "
            "0.900, and 0.800 by presence alone.",
        ),
        (
            {"weight": 0.0, "segment_average_precision": {"0": 0.8, "0.5": 0.81, "1": 0.7}},
            "Presence counts alone (power 0): in the validation recordings the average precision of segments is 0.800 "
            "so, and 0.810 at best with",
        ),
        ({"weight": 0.0, "segment_average_precision": {}}, "Presence counts alone (power 0): with one species"),
    ],
)
def test_how_much_windows_count_is_one_sentence(fusion, said):
    assert said in detection_section.fusion({"fusion": fusion})


def test_without_a_network_of_presence_nothing_is_said_of_it(run):
    run.params["presence"] |= {"network": "none"}
    assert "Presence counts" not in run.report().read_text()
    assert "moment of presence" not in run.report().read_text()


def test_the_mean_curve_is_the_area_that_is_stated():
    """The highest precision at each recall or more, averaged over species; where a curve ends, 0."""
    curves = pd.DataFrame(
        {"species_id": list("aab"), "precision": [1.0, 0.5, 0.8], "recall": [0.5, 1.0, 0.25]},
    )
    mean = detection_figure.mean_curve(curves)
    assert mean[[0, 25, 26, 50, 51, 100]] == pytest.approx([0.9, 0.9, 0.5, 0.5, 0.25, 0.25])


def test_numbers_are_plain_json(run):
    json.dumps(detection_section.headline(run.detection_metrics), allow_nan=False)
