"""Two runs on the same whole recordings: what differs, with intervals that know the pairs."""

import json

import numpy as np
import pandas as pd
import pytest

from dawnchorus.detection import detection_comparison, detection_folds
from dawnchorus.detection.detection_comparison import Tables

N = 12


def tables(hits, detected=10, score=0.5, names=range(N)):
    """Return the tables of a run that hits so many of 10 calls in each recording, of groups of two."""
    recordings = pd.DataFrame({"recording_id": [f"r{number}" for number in names]})
    recordings = recordings.assign(group=[f"g{number // 2}" for number in names], duration_s=20.0, call_free_s=10.0)
    recordings = recordings.assign(annotated=10, detected=detected, hits_overlap=hits, hits_iou30=hits, hits_iou50=0)
    recordings["call_free_alarms"] = detected - recordings["hits_overlap"]
    segments = pd.DataFrame({"recording_id": np.repeat(recordings["recording_id"].to_numpy(), 2)})
    segments = segments.assign(start_s=[0.0, 5.0] * len(names), end_s=[5.0, 10.0] * len(names))
    segments["present"] = [json.dumps(["s0"]), json.dumps([])] * len(names)
    segments["unknown"] = json.dumps([])
    return Tables(recordings, segments.assign(score_s0=[score, 0.3] * len(names)))


def compared(a, b, annotated="all"):
    found = detection_comparison.compare(a, b, annotated, 200, np.random.default_rng(0))
    return found, {row["metric"]: row for row in found["metrics"]}


def test_what_differs_everywhere_is_better_and_fewer_false_alarms_are_too():
    found, rows = compared(tables(4, score=0.2), tables(8, score=0.9))
    assert (found["recordings"], found["groups"], found["only_in_a"], found["only_in_b"]) == (N, N // 2, 0, 0)
    f1 = rows["event_f1_iou30"]
    assert (f1["a"], f1["b"], f1["verdict"]) == (pytest.approx(0.4), pytest.approx(0.8), "better")
    assert f1["low"] == f1["high"] == pytest.approx(0.4)
    assert rows["false_alarms_per_hour"]["difference"] == pytest.approx(-4 * 360)
    assert rows["false_alarms_per_hour"]["verdict"] == "better"
    assert (rows["segment_roc_auc"]["a"], rows["segment_roc_auc"]["b"]) == (0, 1)
    assert rows["event_f1_iou50"]["verdict"] == "unclear"


def test_what_differs_by_chance_is_unclear():
    rng = np.random.default_rng(3)
    _, rows = compared(tables(rng.integers(3, 8, N)), tables(rng.integers(3, 8, N)))
    row = rows["event_recall_iou30"]
    assert row["low"] < 0 < row["high"]
    assert row["verdict"] == "unclear"


def test_a_species_of_which_one_run_knows_nothing_is_not_compared():
    """It has calls in B alone, where A neither knows nor finds any: its F1 in A is 0 of 0."""
    hits = [(f"r{number}", key) for number in range(N) for key in ("s0", "s1")]
    events = pd.DataFrame(hits, columns=["recording_id", "species_id"]).assign(outcome="hit")
    events["species_name"] = events["species_id"]
    of_a = events[events["species_id"] == "s0"]
    in_b = Tables(tables(8).recordings, tables(8).segments.assign(score_s1=0.5))
    found = detection_comparison.compare(tables(8), in_b, "all", 50, np.random.default_rng(0), (of_a, events))
    assert [row["species_id"] for row in found["species"]] == ["s0"]
    json.dumps(found, allow_nan=False)


def test_recordings_of_one_run_alone_are_counted_and_left_out():
    found, rows = compared(tables(4), tables(4, names=range(2, N + 5)))
    assert (found["recordings"], found["only_in_a"], found["only_in_b"]) == (N - 2, 2, 5)
    assert rows["event_f1_iou30"]["difference"] == 0
    found, rows = compared(tables(4), tables(4, names=range(N, N + 2)))
    assert (found["recordings"], rows) == (0, {})


def test_of_boxes_only_recall_is_compared():
    _, rows = compared(tables(4), tables(6), "boxes")
    assert set(rows) == {"event_recall_iou30", "event_recall_iou50"}


def test_other_segments_are_not_compared():
    other = tables(4)
    _, rows = compared(tables(4), Tables(other.recordings, other.segments.assign(end_s=[4.0, 10.0] * N)))
    assert "segment_roc_auc" not in rows
    assert "event_f1_iou30" in rows


def test_folds_are_the_recordings_of_one_run_and_seeds_are_averaged():
    of_folds = [tables(4, names=range(first, first + 4)) for first in (0, 4, 8)]
    one_seed = detection_folds.joined(of_folds)
    assert one_seed.recordings["recording_id"].to_list() == [f"r{number}" for number in range(N)]
    row = detection_folds.row([one_seed, tables(8)], "cnn", "all", 100, np.random.default_rng(0))
    assert (row["recordings"], row["groups"], row["event_f1_iou30"]) == (N, N // 2, pytest.approx(0.6))
    assert row["segment_roc_auc"] == 1
    assert row["psds"] is None
    row = detection_folds.row([one_seed], "cnn", "boxes", 100, np.random.default_rng(0))
    assert (row["event_recall_iou30"], row["event_f1_iou30"]) == (pytest.approx(0.4), None)


def test_folds_that_divide_recordings_detect_nothing():
    nothing = Tables(*(table.iloc[:0] for table in tables(4)))
    row = detection_folds.row([nothing], "cnn", "all", 100, np.random.default_rng(0))
    assert (row["recordings"], row["event_f1_iou30"], row["event_f1_iou30_low"]) == (0, None, None)


def events(outcomes, names=range(N)):
    """Return detection_events.csv of so many events of species s0 in each recording, by their outcome."""
    rows = [
        {"recording_id": f"r{number}", "species_id": "s0", "species_name": "frog", "outcome": outcome}
        for number in names
        for outcome, n in outcomes.items()
        for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["recording_id", "species_id", "species_name", "outcome"])


def test_each_species_has_its_f1_and_average_precision_with_paired_intervals():
    """By hand: 2 hits of 4 calls with 2 false alarms are F1 1/2; 3 of 4 with none are 6/7. What is unknown is none."""
    before = events({"hit": 2, "miss": 2, "false_alarm": 2})
    after = events({"hit": 3, "miss": 1, "unknown": 5})
    draws = np.random.default_rng(0)
    given = tables(4, score=0.2), tables(8, score=0.9)
    found = detection_comparison.compare(*given, "all", 200, draws, (before, after))
    [of] = found["species"]
    assert (of["species"], of["calls"]) == ("frog", 4 * N)
    rows = {row["metric"]: row for row in of["metrics"]}
    f1 = rows["event_f1_iou30"]
    assert (f1["a"], f1["b"]) == (pytest.approx(1 / 2), pytest.approx(6 / 7))
    assert f1["low"] == pytest.approx(f1["high"]) == pytest.approx(6 / 7 - 1 / 2)
    assert f1["verdict"] == "better"
    # Half of the segments hold the frog, at first below all others.
    assert rows["segment_average_precision"]["b"] == 1
    assert rows["segment_average_precision"]["a"] == pytest.approx(0.5)
    of_boxes = detection_comparison.compare(*given, "boxes", 200, draws, (before, after))["species"]
    [recall] = of_boxes[0]["metrics"]
    assert (recall["metric"], recall["a"], recall["b"]) == ("event_recall_iou30", 0.5, 0.75)


def test_a_species_that_calls_in_one_recording_has_no_interval_and_one_that_never_calls_no_row():
    alone = events({"hit": 1, "miss": 1}, names=[0])
    found = detection_comparison.compare(tables(4), tables(8), "boxes", 100, np.random.default_rng(0), (alone, alone))
    assert [(row["low"], row["verdict"]) for row in found["species"][0]["metrics"]] == [(None, "unclear")]
    nothing = events({"false_alarm": 1})
    found = detection_comparison.compare(tables(4), tables(8), "all", 100, np.random.default_rng(0), (nothing, nothing))
    assert found["species"] == []
