"""Frames of presence beside windows: what the windows say at a frame, what both say, and how much windows count."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dawnchorus.detection import fusion, fusion_fit, presence_calibration, presence_fit, score_store
from dawnchorus.detection.measured import Truth
from dawnchorus.detection.score_store import Entry
from dawnchorus.foundation.errors import InputError

IDS = ["a", "b"]
FRAME_S, DURATION_S = 0.1, 60.0


def entry(scores, starts_s, length_s, name="r"):
    scores = np.asarray(scores, np.float32)
    return Entry(name, name, name, "", DURATION_S, 8000, length_s, None, np.asarray(starts_s, float), scores)


def at_frames_plainly(windows, starts_s, frame_s):
    """Frame by frame, as the definition says it."""
    made = []
    for start_s in starts_s:
        middle_s = start_s + frame_s / 2
        inside = [k for k, begin_s in enumerate(windows.starts_s) if begin_s <= middle_s < begin_s + windows.window_s]
        if not inside:
            apart_s = np.abs(windows.starts_s + windows.window_s / 2 - middle_s)
            inside = [int(apart_s.argmin())]
        made.append(windows.scores[inside].astype(float).mean(axis=0))
    return np.array(made)


@pytest.mark.parametrize(
    ("first_s", "step_s", "length_s", "n_windows"),
    [(-0.7, 0.5, 2.0, 30), (0.0, 1.0, 3.0, 7), (2.03, 2.0, 2.0, 3), (3.0, 0.7, 1.0, 1), (-1.0, 3.0, 1.0, 4)],
)
def test_a_frame_hears_the_mean_of_the_windows_that_hold_its_middle_or_the_nearest(
    first_s, step_s, length_s, n_windows
):
    """Also before the first window, behind the last one, and between those that do not touch."""
    rng = np.random.default_rng(n_windows)
    windows = entry(rng.uniform(0, 1, (n_windows, 3)), first_s + step_s * np.arange(n_windows), length_s)
    starts_s = -0.037 + FRAME_S * np.arange(120)
    found = fusion.at_frames(windows, starts_s, FRAME_S)
    np.testing.assert_allclose(found, at_frames_plainly(windows, starts_s, FRAME_S), atol=1e-6)
    assert found.dtype == np.float32


def test_scores_of_both_are_multiplied():
    rng = np.random.default_rng(0)
    starts_s = FRAME_S * np.arange(100)
    frames = entry(rng.uniform(0, 1, (100, 2)), starts_s, FRAME_S)
    windows = entry([[1.0, 0.0], [0.25, 0.75], [0.5, 0.5]], [0.0, 3.0, 6.0], 4.0)
    for weight in (0.25, 1.0):
        found = fusion.fused(frames, windows, weight)
        at = at_frames_plainly(windows, starts_s, FRAME_S)
        expected = frames.scores * np.clip(at, 1e-3, 1) ** weight
        np.testing.assert_allclose(found.scores, expected, rtol=1e-5)
        assert found.scores.dtype == np.float32
        assert {**found.facts(), "scores": 0} == {**frames.facts(), "scores": 0}
        np.testing.assert_array_equal(found.starts_s, starts_s)
    assert fusion.fused(frames, windows, 0.0) is frames


def write(path, entries, species_ids=IDS):
    with score_store.write_store(path, species_ids) as writer:
        for of in entries:
            writer.add(of)


def test_stored_recordings_are_fused_one_by_one_and_bad_ones_are_said_once(tmp_path):
    rng = np.random.default_rng(0)
    frames = [entry(rng.uniform(0, 1, (50, 2)), FRAME_S * np.arange(50), FRAME_S, name) for name in ("x", "y", "z")]
    windows = [entry(rng.uniform(0, 1, (9, 2)), np.arange(9.0), 2.0, name) for name in ("y", "x")]
    bad = Entry("bad.wav", "bad.wav", "bad", "", problem="no sound")
    lost = Entry("z", "z", "z", "", problem="gone since")
    write(tmp_path / "frames.parquet", [*frames, bad])
    write(tmp_path / "windows.parquet", [*windows, lost])
    paths = [tmp_path / "frames.parquet"], [tmp_path / "windows.parquet"]
    stores = fusion.stores(*paths, IDS, 0.5)
    found = {of.name: of for of in stores}
    for of, beside in zip(frames[:2], (windows[1], windows[0]), strict=True):
        np.testing.assert_array_equal(found[of.name].scores, fusion.fused(of, beside, 0.5).scores)
        np.testing.assert_array_equal(stores.of_path(of.name).scores, found[of.name].scores)
    assert (stores.n_recordings, stores.duration_s) == (2, 2 * DURATION_S)
    assert stores.problems == [{"path": "bad.wav", "problem": "no sound"}, {"path": "z", "problem": "gone since"}]
    # Windows that do not count need not be there.
    alone = list(fusion.stores(paths[0], [], IDS, 0.0))
    np.testing.assert_array_equal(alone[1].scores, frames[0].scores)


def test_a_recording_without_windows_is_one_line(tmp_path):
    write(tmp_path / "frames.parquet", [entry(np.ones((5, 2)), np.arange(5.0), 1.0, "x")])
    write(tmp_path / "windows.parquet", [])
    stores = fusion.stores([tmp_path / "frames.parquet"], [tmp_path / "windows.parquet"], IDS, 1.0)
    with pytest.raises(InputError, match=r"^x: no scores of it in .*windows.parquet; make them again$"):
        list(stores)


def scenes(confused, windows_know, n_classes=2, seed=0):
    """Return truths, frames and windows of five minutes: calls of a second each 5 s, of the classes in turn.

    ``confused``: frames are as sure of every class as of the one that calls; ``windows_know``: windows tell which it
    is, else they say something at random.
    """
    rng = np.random.default_rng(seed)
    starts_s, begins_s = FRAME_S * np.arange(600), np.arange(59.0)
    truths, frames, windows = [], [], []
    for number in range(5):
        onsets_s = np.arange(2.0, 58.0, 5.0) + rng.uniform(-0.5, 0.5, 12)
        classes = np.arange(12) % n_classes
        scores, said = rng.uniform(0.001, 0.02, (600, n_classes)), rng.dirichlet(np.ones(n_classes), 59)
        for onset_s, index in zip(onsets_s, classes, strict=True):
            inside = (starts_s + FRAME_S / 2 >= onset_s) & (starts_s + FRAME_S / 2 < onset_s + 1)
            for other in range(n_classes) if confused else [index]:
                scores[inside, other] = rng.uniform(0.6, 0.95)
            if windows_know:
                heard = (begins_s < onset_s + 1.5) & (begins_s + 2.0 > onset_s - 0.5)
                said[heard] = 0.02
                said[heard, index] = 0.98
        times_s = np.stack([onsets_s, onsets_s + 1], axis=1)
        truths.append(Truth(f"r{number}", f"r{number}", DURATION_S, times_s, classes))
        frames.append(entry(scores, starts_s, FRAME_S))
        windows.append(entry(said, begins_s, 2.0))
    return truths, frames, windows


def test_windows_count_where_frames_confuse_species_that_windows_tell_apart():
    fitted = fusion_fit.fit(*scenes(confused=True, windows_know=True), "f1", IDS)
    found = fitted["fusion"]
    assert found["weight"] > 0
    worth = found["segment_average_precision"]
    assert list(worth) == ["0", "0.25", "0.5", "1"]
    # Every call is also found as the other species.
    assert worth["0"] < 0.75
    assert worth[f"{found['weight']:g}"] > 0.95
    # What is learned of others holds on these too: with the rest of the calibration, of what was fused.
    alone = presence_fit.fit(*scenes(confused=True, windows_know=True)[:2], "f1", IDS)
    assert fitted["decisions"] != alone["decisions"]


def test_windows_of_noise_do_not_count():
    truths, frames, windows = scenes(confused=False, windows_know=False)
    fitted = fusion_fit.fit(truths, frames, windows, "f1", IDS)
    assert fitted["fusion"]["weight"] == 0
    assert fitted["decisions"] == presence_fit.fit(truths, frames, "f1", IDS)["decisions"]


def test_windows_that_only_agree_do_not_count():
    assert fusion_fit.fit(*scenes(confused=False, windows_know=True), "f1", IDS)["fusion"]["weight"] == 0


def test_one_class_few_calls_and_one_recording_leave_frames_alone():
    one = fusion_fit.fit(*scenes(confused=False, windows_know=True, n_classes=1), "f1", ["a"])
    assert one["fusion"] == {"weight": 0.0, "segment_average_precision": {}}
    of_one = [values[:1] for values in scenes(confused=True, windows_know=True)]
    assert fusion_fit.fit(*of_one, "f1", IDS)["fusion"] == {"weight": 0.0, "segment_average_precision": {}}
    # Nobody calls.
    quiet = [Truth("q", "q", DURATION_S, np.empty((0, 2)), np.empty(0, int)) for _ in range(5)]
    _, frames, windows = scenes(confused=True, windows_know=True)
    assert fusion_fit.fit(quiet, frames, windows, "f1", IDS)["fusion"]["weight"] == 0
    assert fusion_fit.fit([], [], [], "f1", IDS)["fusion"]["weight"] == 0


def test_the_worth_of_a_power_is_the_mean_average_precision_of_segments():
    truths, frames, _ = scenes(confused=True, windows_know=True)
    there, highest = [], []
    for truth, of in zip(truths, frames, strict=True):
        middles_s = of.starts_s + of.window_s / 2
        for start_s in np.arange(0, DURATION_S, 5.0):
            inside = (middles_s >= start_s) & (middles_s < start_s + 5)
            overlaps = (truth.times_s[:, 0] < start_s + 5) & (truth.times_s[:, 1] > start_s)
            there.append([overlaps[truth.class_index == index].any() for index in range(2)])
            highest.append(of.scores[inside].max(axis=0))
    expected = average_precision_score(np.array(there), np.array(highest), average="macro")
    assert presence_fit.segment_average_precision(truths, frames, 2) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("worth", "expected"),
    [
        ({}, 0.0),
        ({0.0: 0.5}, 0.0),
        ({0.0: 0.5, 0.25: 0.519, 0.5: 0.4, 1.0: 0.3}, 0.0),
        ({0.0: 0.5, 0.25: 0.52, 0.5: 0.56, 1.0: 0.561}, 0.5),
        ({0.0: 0.0, 0.25: 0.0, 0.5: 0.0, 1.0: 0.2}, 1.0),
    ],
)
def test_the_lowest_power_of_those_as_good_as_the_best_if_that_is_clearly_better_than_none(worth, expected):
    assert fusion_fit.chosen(worth) == expected


def test_lines_say_whether_windows_count():
    of = {"aim": "f1", "annotated_events": 30, "recordings": 3, "hours": 0.05, "pooled": [], "decisions": {}}
    said = {"segment_average_precision": {"0": 0.612, "0.25": 0.7, "0.5": 0.731}}
    assert presence_calibration.lines({**of, "fusion": {"weight": 0.5, **said}})[1:] == [
        "frames count times what the network that names clips says of the windows around them to the power 0.5: cmAP "
        "of segments 0.731, 0.612 by frames alone"
    ]
    assert presence_calibration.lines({**of, "fusion": {"weight": 0.0, **said}})[1:] == [
        "frames count alone: with windows of the network that names clips cmAP of segments is 0.731, 0.612 without"
    ]
    assert (
        presence_calibration.lines({**of, "fusion": {"weight": 0.0, "segment_average_precision": {"0": 0.6}}})[1:] == []
    )
