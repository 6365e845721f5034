"""The rules of `dawnchorus init`, each by itself, with expectations worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from dawnchorus.parameters import fields
from dawnchorus.parameters.recipe import RECIPE
from dawnchorus.partitioning import split
from dawnchorus.survey import rules
from dawnchorus.survey.rules import Facts

# Like Kaggle's RFCX: calls of 0.6 to 6.5 s, boxes to 13.7 kHz, one or two a recording of a minute, false positives.
RFCX = Facts(
    durations_s=np.linspace(0.6, 6.5, 100),
    gaps_s=np.full(10, 2.3),
    bands_hz=np.column_stack([np.full(100, 300.0), np.linspace(2000, 13_687.5, 100)]),
    rates_hz=[48_000] * 90,
    recordings_s=[60.0] * 90,
    species=[str(k % 24) for k in range(100)],
    groups={rules.RECORDING: [f"r{k % 90}" for k in range(100)]},
    shortest_negative_s=0.3,
)


def facts(**changes):
    return replace(RFCX, **changes)


@pytest.mark.parametrize(
    ("rates_hz", "top_hz", "expected_hz", "undecided"),
    [
        ([48_000] * 3, None, 48_000, False),
        ([48_000] * 3, 900.0, 2000, False),
        # 2.1 times 10 kHz is just below 22.05 kHz, of 10.6 kHz just above.
        ([48_000] * 3, 10_400.0, 22_050, False),
        ([48_000] * 3, 10_600.0, 24_000, False),
        ([48_000] * 3, 23_500.0, 48_000, False),
        ([44_100, 48_000, 48_000], None, 44_100, False),
        ([8000] + [48_000] * 9, None, 48_000, True),
        ([8000] * 5 + [48_000] * 5, None, 8000, False),
        ([200] * 3, None, 1000, False),
        ([768_000] * 3, None, 500_000, False),
    ],
)
def test_rate(rates_hz, top_hz, expected_hz, undecided):
    bands = np.empty((0, 2)) if top_hz is None else np.array([[100.0, top_hz]] * 50)
    choice = rules.rate(facts(rates_hz=rates_hz, bands_hz=bands))
    assert choice.values == {"features.sample_rate_hz": expected_hz}
    assert bool(choice.undecided) == undecided
    assert choice.reason


@pytest.mark.parametrize(
    ("call_s", "window_s", "step_s"),
    # Six tenths of a call, and a third of that; short calls leave it to the training.
    [(5.0, 3.0, 1.0), (2.0, 1.2, 0.4), (1.7, 1.0, 0.33), (1.5, None, None), (0.05, None, None)],
)
def test_windows(call_s, window_s, step_s):
    choice = rules.windows(facts(durations_s=np.full(9, call_s)))
    assert choice.values == {"detections.window_s": window_s, "detections.step_s": step_s}
    assert choice.reason


@pytest.mark.parametrize(
    ("call_s", "rate_hz", "n_fft", "hop"),
    [
        # The presets: 64 ms at 32 kHz for calls of seconds, 16 ms and 5 ms for syllables of 40 ms.
        (1.0, 32_000, 2048, 1024),
        (0.04, 32_000, 512, 160),
        (1.0, 24_000, 1024, 512),
        # A pulse of 1 ms at 250 kHz: 0.4 ms are 100 samples, the nearest power of two 128; an eighth of it is 31.
        (0.001, 250_000, 128, 31),
        # Of a pulse of 10 ms at 2.5 kHz: 10 samples, but 32 at least.
        (0.01, 2500, 32, 4),
        (10.0, 1000, 64, 32),
    ],
)
def test_frame(call_s, rate_hz, n_fft, hop):
    found = rules.frame(facts(durations_s=np.full(20, call_s)), rate_hz).values
    assert found == {"features.n_fft": n_fft, "features.hop_length": hop}


def test_clips_are_windows_where_calls_are_shorter_than_a_frame():
    frame_s = 512 / 32_000
    short = rules.clip(facts(durations_s=np.full(100, 0.01)), 32_000, 512).values
    assert (short["features.clip"], short["features.window_s"]) == ("window", 0.064)
    assert short["data.shortest_annotation_s"] == 0.005
    long = rules.clip(facts(), 32_000, 512).values
    # Half of the shortest false positive.
    assert long == {"features.clip": "annotation", "data.shortest_annotation_s": 0.15}
    one = rules.clip(facts(durations_s=np.array([0.01, *np.full(199, 1.0)])), 32_000, 512).values
    assert one["features.clip"] == "annotation"
    assert one["data.shortest_annotation_s"] >= frame_s
    assert one["data.on_bad_recording"] == "quarantine"


@pytest.mark.parametrize(
    "durations_s",
    [
        [130.0] * 20,
        # Spans of a quarter of an hour, and clicks among them.
        [900.0] * 20,
        [0.01] + [900.0] * 20,
        [2500.0] * 99 + [10_000.0],
    ],
)
def test_nothing_is_beyond_what_params_yaml_takes(durations_s):
    long = facts(durations_s=np.array(durations_s), recordings_s=[20_000.0] * 90, shortest_negative_s=float("inf"))
    values = {key: value for choice in rules.decisions(long) for key, value in choice.values.items()}
    for key, value in values.items():
        block, _, name = key.rpartition(".")
        params_block = fields.block(RECIPE, block) if block else RECIPE
        if name in params_block.model_fields and value is not None:
            assert fields.parsed(params_block, name, value) == value, key
    assert values["data.shortest_annotation_s"] == (60.0 if min(durations_s) > 1 else 0.005)
    assert values["features.clip"] == ("annotation" if min(durations_s) > 1 else "window")


def test_a_few_very_long_clips_are_cut():
    assert rules.length(facts(), 0.032, False).values == {"dataset.frames": None}
    cut = rules.length(facts(durations_s=np.array([*np.full(99, 1.0), 60.0])), 0.032, False)
    assert cut.values["dataset.frames"] < 60 / 0.032 / 10


@pytest.mark.parametrize(
    ("band_hz", "rate_hz", "expected_hz"),
    [
        # A little below the lowest boxes, 50 Hz at least, and never the upper half of the band.
        ((1000.0, 3000.0), 8000, (800.0, 4000.0)),
        ((40.0, 3000.0), 8000, (50.0, 4000.0)),
        ((90_000.0, 110_000.0), 250_000, (62_000.0, 125_000.0)),
        # Without boxes all that there is: of sound at 200 Hz that is brought up to 1 kHz, 5 to 100 Hz.
        (None, 8000, (50.0, 4000.0)),
        (None, 1000, (7.8, 100.0)),
    ],
)
def test_band(band_hz, rate_hz, expected_hz):
    bands = np.empty((0, 2)) if band_hz is None else np.array([band_hz] * 50)
    n_fft = 64 if rate_hz == 1000 else 1024
    found = rules.band(facts(bands_hz=bands, rates_hz=[200 if rate_hz == 1000 else 500_000]), rate_hz, n_fft).values
    assert tuple(found.values()) == expected_hz


def test_rates_that_differ_do_not_matter_above_what_is_taken():
    bands = np.array([[100.0, 900.0]] * 50)
    assert rules.rate(facts(rates_hz=[8000] + [48_000] * 9, bands_hz=bands)).undecided == ""


def test_the_song_of_one_bird_gets_what_its_preset_has():
    song = facts(
        durations_s=np.concatenate([np.full(20, 0.04), np.full(160, 0.054), np.full(20, 0.083)]),
        gaps_s=np.full(100, 0.02),
        bands_hz=np.empty((0, 2)),
        rates_hz=[32_000] * 26,
        recordings_s=[2.5] * 26,
        species=["a", "b"] * 100,
        groups={rules.RECORDING: [str(k % 26) for k in range(200)], "day": [str(k % 26 % 3) for k in range(200)]},
        shortest_negative_s=float("inf"),
    )
    values = {key: value for choice in rules.decisions(song) for key, value in choice.values.items()}
    expected = {
        **{"features.sample_rate_hz": 32_000, "features.n_fft": 512, "features.hop_length": 160},
        **{"features.f_max_hz": 16_000.0, "features.n_mels": 64, "features.context_gap_s": 0.02},
        **{"presence.pool_frames": 2, "presence.stretch_s": 2.5, "detection_metrics.segment_s": 0.5},
        **{"report.context_s": 0.1, "split.group": "day", "cross_validation.column": "day", "data.annotated": "all"},
    }
    assert {key: values[key] for key in expected} == expected


def test_rfcx_gets_what_its_preset_has():
    values = {key: value for choice in rules.decisions(RFCX) for key, value in choice.values.items()}
    expected = {
        **{"features.sample_rate_hz": 32_000, "features.n_fft": 2048, "features.hop_length": 1024},
        **{"features.f_max_hz": 16_000.0, "presence.pool_frames": 2, "presence.widths": [24, 48, 96, 128]},
        **{"presence.epochs": 40, "presence.steps": 40, "train.epochs": 80, "presence_calibration.aim": "f1"},
        **{"data.annotated": "boxes", "cross_validation.validation_fraction": 0.1, "split.group": "recording_id"},
    }
    assert {key: values[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "boxes"),
        ({"shortest_negative_s": float("inf")}, "boxes"),
        ({"shortest_negative_s": float("inf"), "recordings_s": [60.0] * 20}, "all"),
        ({"shortest_negative_s": float("inf"), "spans": True}, "all"),
    ],
)
def test_annotated(changes, expected):
    assert rules.annotated(facts(**changes)).values == {"data.annotated": expected}


@pytest.mark.parametrize(
    ("n_classes", "of_each", "test_share"),
    # One of each class tests: of 30 rows a quarter is 8, so for 10 classes it has to be more.
    [(1, 3, 0.25), (2, 3, 0.25), (3, 3, 0.25), (10, 3, 0.31), (40, 3, 0.33), (10, 4, 0.25), (100, 4, 0.25)],
)
def test_rows_of_one_recording_are_divided_as_the_split_allows(n_classes, of_each, test_share):
    species = [str(k % n_classes) for k in range(n_classes * of_each)]
    alone = facts(species=species, groups={rules.RECORDING: ["r"] * len(species)})
    choice = rules.split(alone, rules.RECORDING)
    assert (choice.values["split.method"], choice.values["split.test_fraction"]) == ("article", test_share)
    assert choice.undecided == "one recording trains and tests: its numbers say nothing of other recordings"
    of_row = split.class_indices(species)[1]
    part = split.article(of_row, 1, test_share, choice.values["split.validation_fraction"])
    assert {*of_row[part == "test"]} == {*of_row}
    # A preset that divides rows does so whatever recordings there are.
    many = facts(species=species, groups={rules.RECORDING: [str(k) for k in range(len(species))]})
    of_preset = rules.split(many, rules.RECORDING, {"split.method": "article"})
    assert ({**of_preset.values, "split.group": rules.RECORDING}, of_preset.undecided) == (choice.values, "")


def test_rows_that_no_share_divides_are_said():
    choice = rules.split(facts(species=["a", "b"], groups={rules.RECORDING: ["r", "r"]}), rules.RECORDING)
    assert "split.test_fraction: no share of 2 rows holds one of each of 2 classes" in choice.undecided


@pytest.mark.parametrize(
    ("n_annotated", "n_sounds", "expected"),
    # A job of 25 recordings or more, eight jobs until these have 1,500 each, powers of two.
    [
        *((1, 1, 1), (20, 20, 1), (20, 50, 2), (99, 99, 2), (100, 100, 4), (200, 0, 8), (500, 10_000, 8)),
        *((500, 23_999, 8), (500, 24_000, 16), (500, 100_000, 64), (500, 10_000_000, 256)),
    ],
)
def test_shards(n_annotated, n_sounds, expected):
    chosen = rules.shards(facts(recordings_s=[60.0] * n_annotated, n_sounds=n_sounds))
    assert chosen.values == {"shards": expected}
    assert chosen.reason.startswith(f"{max(n_annotated, n_sounds)} recording")


def test_every_choice_says_why_in_a_line():
    for choice in rules.decisions(RFCX):
        assert choice.reason
        assert "\n" not in choice.reason + choice.undecided


@pytest.mark.parametrize(
    ("labels", "recordings", "rate_hz", "said"),
    [
        # Of three species, the labels of each and their recordings; what counts is the one in the middle.
        ((20, 20, 20), (4, 4, 4), 48_000, None),
        ((5, 20, 50), (4, 4, 4), 48_000, None),
        ((19, 19, 50), (4, 4, 4), 48_000, "19 labels of a species in the middle, from 4 recordings"),
        ((20, 30, 50), (3, 3, 9), 48_000, "30 labels of a species in the middle, from 3 recordings"),
        ((5, 5, 5), (1, 1, 1), 250_000, None),
    ],
)
def test_few_labels_or_recordings_are_said(labels, recordings, rate_hz, said):
    species = np.repeat(["a", "b", "c"], labels).tolist()
    of_row = [f"r{k % n}" for n_labels, n in zip(labels, recordings, strict=True) for k in range(n_labels)]
    found = rules.training(facts(species=species, groups={rules.RECORDING: of_row}, rates_hz=[rate_hz]), 10.0)
    assert found.undecided.startswith(f"model: {said}") if said else found.undecided == ""
