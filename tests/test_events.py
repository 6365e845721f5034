import json
import os

import numpy as np
import pytest

from dawnchorus.detection import events
from dawnchorus.foundation.errors import InputError


@pytest.mark.parametrize("n", [1, 3, 5, 99])
def test_smoothing_is_the_mean_of_the_windows_that_there_are(n):
    scores = np.random.default_rng(1).random((9, 2))
    reach = n // 2
    wanted = [scores[max(0, k - reach) : k + reach + 1].mean(axis=0) for k in range(9)]
    np.testing.assert_allclose(events.smoothed(scores, n), wanted)


def of(column, threshold=0.5, step_s=2.5, first_s=0.0, duration_s=60.0, gap_s=0.0):
    starts_s = first_s + step_s * np.arange(len(column))
    return events.events(np.array(column)[:, None], starts_s, 5.0, duration_s, np.array([threshold]), gap_s)


def test_windows_that_overlap_are_one_event_with_the_peak_inside():
    [event] = of([0, 0.6, 0.9, 0.5, 0.1])
    assert event == {"class_index": 0, "start_s": 2.5, "end_s": 12.5, "peak_score": 0.9, "peak_s": 7.5}


def test_windows_that_touch_are_merged_and_others_by_the_gap():
    assert len(of([1, 0, 1])) == 1
    assert [(e["start_s"], e["end_s"]) for e in of([1, 0, 0, 1])] == [(0, 5), (7.5, 12.5)]
    assert [(e["start_s"], e["end_s"]) for e in of([1, 0, 0, 1], gap_s=2.5)] == [(0, 12.5)]


def test_events_end_where_the_recording_ends():
    [event] = of([1, 1], first_s=-1.0, duration_s=5.5)
    assert (event["start_s"], event["end_s"]) == (0.0, 5.5)
    assert 0 <= event["peak_s"] <= 5.5


def test_each_class_has_its_threshold():
    scores = np.array([[0.4, 0.4], [0.4, 0.4]])
    found = events.events(scores, np.array([0.0, 5.0]), 5.0, 10.0, np.array([0.5, 0.3]), 0.0)
    assert [event["class_index"] for event in found] == [1]


def test_nothing_that_passes_is_no_event():
    assert of([0, 0.1]) == []


def test_calibration_is_read_in_class_order(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"temperature": 1.5, "thresholds": {"7": 0.2, "3": 0.1}}))
    temperature, thresholds = events.read_calibration(path, ["3", "7"])
    assert temperature == 1.5
    assert thresholds.tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "no such file"),
        ("[]", "not a calibration .expected an object"),
        ('{"temperature": 1}', "not a calibration"),
        ('{"temperature": 1, "thresholds": {"3": 0.1}}', "other classes than the model has"),
        ('{"temperature": 0, "thresholds": {"3": 0.1, "7": 0.1}}', "a number > 0"),
        ('{"temperature": 1, "thresholds": {"3": NaN, "7": 0.1}}', "NaN; expected finite"),
        ('{"temperature": 1e-300, "thresholds": {"3": 0.1, "7": 0.1}}', "from 0.001 to 1000"),
        ('{"temperature": true, "thresholds": {"3": 0.1, "7": 0.1}}', "temperature: 'True', expected a finite number"),
        ('{"temperature": 1, "thresholds": {"3": "0.1", "7": 0.1}}', "thresholds.3: '0.1', expected a finite number"),
        ('{"temperature": 1, "thresholds": {"3": 1e999, "7": 0.1}}', "thresholds.3: 'inf', expected a finite number"),
        ('{"temperature": 1%s, "thresholds": {"3": 0.1, "7": 0.1}}' % ("0" * 400), "temperature: '10*', expected a "),
        ('{"temperature": 1, "thresholds": {"3": 0.1, "3": 0.9, "7": 0.1}}', "'3' is given twice"),
        ('{"temperature": 1, "thresholds": {"3": -5, "7": 0.1}}', "thresholds.3: -5; expected a number from 0 to 1"),
        ('{"temperature": 1, "thresholds": {"3": 0.1, "7": 1.5}}', "thresholds.7: 1.5; expected a number from 0 to 1"),
        ('{"temperature": 1, "thresholds": [1]}', "not a calibration .thresholds: expected an object"),
        ("[" * 100_000, "not a calibration"),
        ("", "not a calibration"),
    ],
)
def test_a_bad_calibration_is_one_line(tmp_path, text, expected):
    path = tmp_path / "calibration.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=f"calibration.json: .*{expected}"):
        events.read_calibration(path, ["3", "7"])


@pytest.mark.parametrize("what", ["folder", "pipe", "device"])
def test_what_is_no_file_is_no_calibration(tmp_path, what):
    path = tmp_path / "calibration.json"
    path.mkdir() if what == "folder" else os.mkfifo(path) if what == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="not a calibration"):
        events.read_calibration(path, ["3", "7"])
