"""Detections in whole recordings: metrics by hand, what is unknown of boxes, and baselines."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from dawnchorus.annotations import bands
from dawnchorus.detection import detection_baselines, detection_metrics, energy, measured, score_store
from dawnchorus.detection.detection_metrics import Detector
from dawnchorus.detection.detections import OfWindows
from dawnchorus.metrics import bootstrap

# The last class takes what the others leave of a softmax, and is never detected.
IDS = ["frog", "wren", "rest"]
PARAMS = {
    "seed": 1,
    "data": {"annotated": "all"},
    "evaluation": {"bootstrap_draws": 100, "calibration_bins": 4},
    "detection_metrics": {"segment_s": 5.0},
}


def decision(threshold=0.5, **params):
    params = {"smoothing_windows": 1, "merge_gap_s": 0.0, **params}
    return OfWindows(IDS, ["Frog", "Wren", "Rest"], np.array([threshold, threshold, 2.0]), params, {}, None, 1.0)


def entry(recording_id, frog, wren, step_s=1.0):
    """Return scores of a recording, a step a second."""
    frog, wren = np.array(frog, np.float32), np.array(wren, np.float32)
    starts_s, scores = np.arange(len(frog)) * step_s, np.stack([frog, wren, 1 - frog - wren], axis=1)
    facts = {"duration_s": len(frog) * step_s, "sample_rate_hz": 8000, "window_s": step_s}
    return score_store.Entry("p", recording_id, recording_id, "", **facts, starts_s=starts_s, scores=scores)


def held_out(**partitions):
    return [{"recording_id": key, "group": key, "partition": value} for key, value in partitions.items()]


def rows(*annotations):
    columns = ["recording_id", "class_index", "t_min_s", "t_max_s"]
    return pd.DataFrame(list(annotations), columns=columns)


def truth(duration_s, *annotations, recording_id="r", unknown=()):
    """Return the truth of a recording; ``annotations``, ``unknown``: class (of unknown -1: every one), start, end."""
    times_s, unknown_s = (np.array([of[1:] for of in given], float).reshape(-1, 2) for given in (annotations, unknown))
    classes, unknown_classes = (np.array([of[0] for of in given], int) for given in (annotations, unknown))
    of_unknown = unknown_s, unknown_classes
    return measured.Truth(recording_id, recording_id, duration_s, times_s, classes, *of_unknown)


def measured_of(*pairs, **params):
    truths = [of for of, _ in pairs]
    answers = [detection_metrics.answer_of(of, decision(**params)) for _, of in pairs]
    return measured.measure(truths, answers, 3, 5.0)


# Ten seconds: a frog from 1 to 3 s is found exactly, one from 6 to 8 s is missed; a wren from 4 to 5 s is found, and
# one at 9 s is a false alarm.
FROG, WREN = [0, 0.9, 0.9, 0, 0, 0, 0.3, 0.2, 0, 0], [0, 0, 0, 0, 0.8, 0, 0, 0, 0, 0.6]
TRUTH = truth(10.0, (0, 1, 3), (0, 6, 8), (1, 4, 5))


def test_counts_and_metrics_by_hand():
    counted = measured_of((TRUTH, entry("r", FROG, WREN)))
    assert counted.annotated.tolist() == [[2, 1, 0]]
    assert counted.detected.tolist() == [[1, 2, 0]]
    assert [counted.hits[name].tolist() for name in measured.CRITERIA] == [[[1, 1, 0]]] * 3
    assert counted.call_free_s.tolist() == [5.0]
    assert counted.call_free_alarms.tolist() == [1]
    assert counted.present.tolist() == [[True, True, False], [True, False, False]]
    np.testing.assert_allclose(counted.scores[:, :2], [[0.9, 0.8], [0.3, 0.6]], rtol=1e-6)
    found = {name: float(values[0]) for name, values in measured.computed(counted, np.ones((1, 1))).items()}
    assert found["event_precision_iou30"] == found["event_recall_iou50"] == found["event_f1_overlap"] == 2 / 3
    assert found["event_macro_f1_iou30"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert found["false_alarms_per_hour"] == 720
    assert found["segment_average_precision"] == 1  # of the wren; the frog is in every segment
    # The second frog is found at 0.2 without a false alarm; the wren before its false alarm.
    assert found["psds"] == 1


def test_where_nobody_knows_nothing_counts():
    """The wren at 9 s is no false alarm, the frog that was missed at 6 s still is; of both that segment is left out."""
    unknown = [(-1, 5.5, 7), (1, 9, 10)]
    counted = measured_of((truth(10.0, (0, 1, 3), (0, 6, 8), (1, 4, 5), unknown=unknown), entry("r", FROG, WREN)))
    assert counted.annotated.tolist() == [[2, 1, 0]]
    assert counted.detected.tolist() == [[1, 1, 0]]
    assert counted.hits["iou30"].tolist() == [[1, 1, 0]]
    # Without a call: 0 to 1, 3 to 4, 5 to 5.5 and 8 to 9 s.
    assert counted.call_free_s.tolist() == [3.5]
    assert counted.call_free_alarms.tolist() == [0]
    assert counted.known_s.tolist() == [[8.5, 7.5, 8.5]]
    assert counted.known.tolist() == [[True, True, True], [False, False, False]]
    found = {name: float(values[0]) for name, values in measured.computed(counted, np.ones((1, 1))).items()}
    assert found["event_precision_iou30"] == 1
    assert found["event_f1_overlap"] == pytest.approx(4 / 5)
    assert found["false_alarms_per_hour"] == 0
    # Of one class alone: the sound is not call-free, but of the others what is detected there is wrong.
    counted = measured_of((truth(10.0, (1, 4, 5), unknown=[(0, 9, 10)]), entry("r", FROG, WREN)))
    assert counted.detected.tolist() == [[1, 2, 0]]
    assert counted.call_free_s.tolist() == [8]
    assert counted.call_free_alarms.tolist() == [1]  # the frog at 1 s
    assert counted.known.tolist() == [[True, True, True], [False, True, True]]


def test_the_middle_of_an_event_decides_unless_it_overlaps_an_annotation():
    """The frog from 1 to 3 s, its middle at 2."""
    for span, n in (((0, 2), 1), ((2, 2.1), 0), ((1.9, 9), 0), ((2.01, 3), 1)):
        assert measured_of((truth(10.0, unknown=[(0, *span)]), entry("r", FROG, WREN))).detected[0, 0] == n
        given = truth(10.0, (0, 2.9, 6), unknown=[(0, *span)])
        assert measured_of((given, entry("r", FROG, WREN))).detected[0, 0] == 1
        given = truth(10.0, (1, 2.9, 6), unknown=[(0, *span)])
        assert measured_of((given, entry("r", FROG, WREN))).detected[0, 0] == n


def test_the_metrics_are_those_of_the_recording_without_its_unknown_end():
    """Ten seconds and five unknown ones, in which all classes seem to call, are measured as the ten alone."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        frog, wren = rng.random(10) / 2, rng.random(10) / 2
        frog[-1] = wren[-1] = 0.0
        events = [(int(rng.integers(2)), at, at + 1.5) for at in (1.0, 4.0, 7.0)]
        short = truth(10.0, *events)
        long = truth(15.0, *events, unknown=[(-1, 10, 15)])
        noisy = [np.concatenate([of, [0.0], rng.random(4) / 2]) for of in (frog, wren)]
        of_short, of_long = (
            measured.computed(measured_of(pair, threshold=0.3), np.ones((1, 1)))
            for pair in ((short, entry("r", frog, wren)), (long, entry("r", *noisy)))
        )
        for name in measured.NAMES:
            np.testing.assert_allclose(of_long[name], of_short[name], err_msg=name)


def test_a_recording_drawn_twice_counts_twice():
    rng = np.random.default_rng(0)
    pairs = [
        (truth(20.0, (0, 1, 3), (1, 8, 9.5)), entry("r", rng.random(20) / 2, rng.random(20) / 2)) for _ in range(4)
    ]
    weights = np.array([[2, 0, 1, 1]])
    drawn = measured.computed(measured_of(*pairs), weights)
    repeated = measured.computed(measured_of(*(pairs[k] for k in (0, 0, 2, 3))), np.ones((1, 4)))
    for name in measured.NAMES:
        np.testing.assert_allclose(drawn[name], repeated[name])


def test_draws_are_the_same_in_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    counted = measured_of(*((TRUTH, entry("r", rng.random(10) / 2, rng.random(10) / 2)) for _ in range(5)))
    weights = bootstrap.draws(np.arange(5), 30, rng)
    whole = measured.computed(counted, weights)
    monkeypatch.setattr(measured, "CHUNK", 20)
    for name, values in measured.computed(counted, weights).items():
        np.testing.assert_array_equal(values, whole[name])


def run(entries, partitions, annotations, annotated="all", energies=None, unknown=(), others=()):
    params = {**PARAMS, "data": {"annotated": annotated}}
    detectors = [Detector("cnn", entries, decision()), *others]
    return detection_metrics.results(
        detectors, energies or entries, held_out(**partitions), rows(*annotations), unknown, params
    )


ANNOTATIONS = [("a", 0, 1, 3), ("a", 0, 6, 8), ("a", 1, 4, 5), ("b", 1, 2, 3), ("v", 0, 2, 4), ("t", 0, 0, 2)]
PARTITIONS = {"a": "test", "b": "test", "v": "validation", "t": "train", "m": "mixed"}
ENTRIES = [entry("a", FROG, WREN), entry("b", [0] * 7, [0, 0, 1, 0, 0, 0, 0]), entry("v", FROG, WREN)]


def test_every_call_and_every_event_has_an_outcome():
    found = run(ENTRIES, PARTITIONS, ANNOTATIONS)
    table = found.tables["detection_events"]
    assert [(row["recording_id"], row["outcome"], row["species_id"]) for row in table] == [
        ("a", "hit", "frog"), ("a", "hit", "wren"), ("a", "miss", "frog"), ("a", "false_alarm", "wren"),
        ("b", "hit", "wren"),
    ]  # fmt: skip
    missed, alarm = table[2], table[3]
    assert (missed["t_min_s"], missed["t_max_s"], missed["start_s"]) == (6, 8, None)
    assert missed["score"] == pytest.approx(0.3)
    assert (alarm["start_s"], alarm["end_s"], alarm["t_min_s"], alarm["call_free"]) == (9, 10, None, 1)
    assert [row["annotated"] for row in found.tables["detection_recordings"]] == [3, 1]
    assert [row["detected"] for row in found.tables["detection_per_class"]] == [1, 3, 0]
    assert [json.loads(row["present"]) for row in found.tables["detection_segments"]] == [
        ["frog", "wren"], ["frog"], ["wren"], []
    ]  # fmt: skip


def test_the_average_precision_of_a_species_has_an_interval_where_it_calls_in_several_recordings():
    found = {row["species_id"]: row for row in run(ENTRIES, PARTITIONS, ANNOTATIONS).tables["detection_per_class"]}
    ends = [found["wren"][f"segment_average_precision{end}"] for end in ("_low", "", "_high")]
    assert ends == sorted(ends)
    assert not np.isnan(ends).any()
    # The frog calls in one test recording alone.
    assert found["frog"]["segment_average_precision"] == 1
    assert np.isnan(found["frog"]["segment_average_precision_low"])


def test_events_of_unknown_sound_have_no_verdict():
    unknown = [
        {"recording_id": "a", "t_min_s": 8.0, "t_max_s": 10.0, "species_id": "wren"},
        {"recording_id": "t", "t_min_s": 0.0, "t_max_s": 9.0, "species_id": ""},
    ]
    found = run(ENTRIES, PARTITIONS, ANNOTATIONS, unknown=unknown)
    alarm = next(row for row in found.tables["detection_events"] if row["start_s"] == 9)
    assert (alarm["outcome"], alarm["call_free"]) == ("unknown", 0)
    assert found.metrics["test"]["event_precision_iou30"] == 1
    assert [json.loads(row["unknown"]) for row in found.tables["detection_segments"]] == [[], ["wren"], [], []]
    of_wren = [row for row in found.tables["detection_curves"] if row["species_id"] == "wren"]
    assert [row["precision"] for row in of_wren] == pytest.approx([1, 1, 2 / 3])
    assert sum(row["n"] for row in found.tables["detection_reliability"]) == 4 * 3 - 1


def test_metrics_say_what_was_measured_and_what_was_left_out():
    metrics = run(ENTRIES, PARTITIONS, ANNOTATIONS).metrics
    test, validation = metrics["test"], metrics["validation"]
    assert (test["recordings"], test["groups"], test["annotated_events"], test["detected_events"]) == (2, 2, 4, 4)
    assert test["hours"] == pytest.approx(17 / 3600)
    assert test["event_f1_iou30"] == pytest.approx(6 / 8)
    assert test["event_f1_iou30_low"] <= 0.75 <= test["event_f1_iou30_high"]
    assert validation["recordings"] == 1
    assert "event_f1_iou30_low" not in validation
    assert metrics["left_out"] == 1
    assert metrics["why_unknown"] is None
    json.dumps(metrics, allow_nan=False)


def test_of_boxes_only_what_is_found_of_them_is_known():
    found = run(ENTRIES, PARTITIONS, ANNOTATIONS, "boxes")
    test = found.metrics["test"]
    known = {name for name in measured.NAMES if test[name] is not None}
    assert known == set(measured.KNOWN_OF_BOXES)
    assert "data.annotated is boxes" in found.metrics["why_unknown"]
    assert {row["outcome"] for row in found.tables["detection_events"]} == {"hit", "miss", "unknown"}
    assert found.tables["detection_curves"] == found.tables["detection_reliability"] == []
    assert {row["precision"] for row in found.tables["detection_per_class"]} == {None}
    assert all(row["event_f1_iou30"] is None for row in found.tables["detection_baselines"])


def test_without_a_whole_test_recording_nothing_is_measured_and_the_reason_is_said():
    found = run([], {"a": "mixed", "t": "train"}, ANNOTATIONS)
    assert found.metrics["test"]["event_f1_iou30"] is None
    assert "no recording has all its annotations in the test partition" in found.lines[0]
    assert found.tables["detection_events"] == []
    json.dumps(found.metrics, allow_nan=False)


def test_a_recording_without_a_call_has_false_alarms_alone():
    found = run([entry("a", FROG, WREN), entry("b", [0] * 7, [0, 0, 1, 0, 0, 0, 0])], PARTITIONS, ANNOTATIONS[:3])
    test = found.metrics["test"]
    assert test["call_free_hours"] == pytest.approx(12 / 3600)
    assert test["false_alarms_per_hour"] == pytest.approx(2 * 300)


def test_another_detector_stands_beside_the_first_whatever_the_order_of_its_recordings():
    """It finds nothing but the wren of b: one of four calls."""
    nothing = [0.0] * 10
    other = [entry("b", [0] * 7, [0, 0, 1, 0, 0, 0, 0]), entry("v", FROG, WREN), entry("a", nothing, nothing)]
    alone, found = (
        run(ENTRIES, PARTITIONS, ANNOTATIONS),
        run(ENTRIES, PARTITIONS, ANNOTATIONS, others=[Detector("deaf", other, decision())]),
    )
    first, beside, *baselines = found.tables["detection_baselines"]
    assert [first, *baselines] == alone.tables["detection_baselines"]
    assert (beside["model"], beside["event_precision_iou30"], beside["event_recall_iou30"]) == ("deaf", 1.0, 1 / 4)
    assert beside["event_recall_iou30_low"] <= 1 / 4 <= beside["event_recall_iou30_high"]
    assert found.metrics == alone.metrics
    assert {line for line in found.lines if line not in alone.lines} == {"deaf: F1 0.400 at IoU >= 0.3"}


def test_chance_finds_next_to_nothing_and_energy_finds_loud_calls():
    rng = np.random.default_rng(5)
    entries, annotations, partitions = [], [], {}
    for number in range(24):
        onset = int(rng.integers(5, 50))
        loud, quiet = (0.45 + 0.01 * rng.random(60) for _ in range(2))
        loud[onset : onset + 3], quiet[onset : onset + 3] = 0.97, 0.0
        name = f"r{number:02}"
        entries.append(entry(name, loud, quiet))
        annotations.append((name, 0, onset, onset + 3))
        partitions[name] = ("train", "validation", "test")[number % 3]
    scored = [of for of in entries if partitions[of.recording_id] != "train"]
    found = run(scored, partitions, annotations)
    by_name = {row["model"]: row for row in found.tables["detection_baselines"]}
    assert list(by_name) == ["cnn", *detection_baselines.NAMES.values()]
    assert by_name["energy in the species' band"]["event_f1_iou30"] == 1
    assert by_name["chance"]["event_f1_iou30"] < 0.5
    assert by_name["chance"]["segment_roc_auc"] == 0.5
    assert by_name["chance"]["psds"] is None


def test_power_is_that_of_the_band(tmp_path):
    """A tone of one second is loud in its band for that second, and nowhere else."""
    path = tmp_path / "a.wav"
    rng = np.random.default_rng(0)
    sound = 0.01 * rng.standard_normal(5 * 8000)
    sound[16000:24000] += 0.3 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    soundfile.write(path, sound, 8000)
    found = energy.powers(str(path), "mix", [(900, 1100), (2000, 3000), None, (1001, 1002)])
    assert (found.step_s, found.duration_s, found.power.shape) == (0.1, 5.0, (50, 4))
    scores = energy.scores(found.power)
    assert (scores[20:30, [0, 2, 3]] > 0.99).all()
    assert (scores[:20, 0] < 0.9).all()
    assert (scores[:, 1] < 0.9).all()


def test_the_band_of_a_species_ends_with_the_sound_of_the_recording():
    assert bands.in_recording((100.0, 900.0), (50.0, 4000.0), 8000) == (100, 900)
    assert bands.in_recording((100.0, 9000.0), (50.0, 4000.0), 8000) == (100, 4000)
    assert bands.in_recording((4000.0, 9000.0), (50.0, 4000.0), 8000) == (50, 4000)
    assert bands.in_recording(None, (50.0, 4000.0), 8000) == (50, 4000)


def test_bands_are_the_medians_of_the_training_annotations():
    table = pd.DataFrame(
        {
            "species_id": ["frog", "frog", "frog", "wren", "owl"],
            "partition": ["train", "train", "test", "train", "test"],
            "f_min_hz": [100.0, 200.0, 9000.0, np.nan, 1.0],
            "f_max_hz": [300.0, 500.0, 9999.0, np.nan, 2.0],
        }
    )
    assert bands.bands_hz(table, ["frog", "wren", "owl"]) == [(150.0, 400.0), None, None]
