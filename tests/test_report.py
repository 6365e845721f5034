"""What the report says, from tables and numbers whose answer is known, and that the page keeps its promises."""

import hashlib
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile
from markupsafe import escape
from PIL import Image
from sklearn.metrics import confusion_matrix

import report_run
from dawnchorus.features import kinds
from dawnchorus.learning.history import kept_epoch
from dawnchorus.report import (
    class_figures,
    confusions,
    excerpts,
    findings,
    inline_svg,
    interval_words,
    media,
    pages,
    provenance,
    report,
    summary_tables,
)
from dawnchorus.tables import definitions, made

HOSTILE = ["<script>alert(1)</script>", "a \"b\" 'c' & </script>", "long " * 100, "ضفدع \u202eevil", "🐸\tfrog"]


def some_clips(n=60, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(n_classes), size=n)
    truth = rng.integers(n_classes, size=n)
    ids = [f"s{i}" for i in range(n_classes)]
    table = pd.DataFrame(
        {
            "annotation_id": range(n),
            "recording_id": "rec",
            "t_min_s": 1.0,
            "t_max_s": 2.5,
            "true_species_id": [ids[i] for i in truth],
        }
    )
    table = table.assign(**{f"score_{name}": scores[:, i] for i, name in enumerate(ids)})
    return confusions.test_clips(table, ids), truth, scores


def test_clips_know_their_scores():
    clips, truth, scores = some_clips(n_classes=9)
    for clip, true, of in zip(clips, truth, scores, strict=True):
        ordered = np.sort(of)[::-1]
        assert (clip["true"], clip["guess"]) == (true, of.argmax())
        assert clip["confidence"] == pytest.approx(ordered[0], abs=1e-4)
        assert clip["margin"] == pytest.approx(ordered[0] - ordered[1], abs=1e-4)
        shown = dict(map(tuple, clip["top"]))
        assert len(shown) == confusions.TOP_SCORES
        assert true in shown
        assert all(score == pytest.approx(of[i], abs=1e-4) for i, score in shown.items())


def test_cells_are_the_confusion_matrix_in_the_order_to_look_at():
    clips, truth, scores = some_clips()
    by_cell = confusions.cells(clips)
    counts = confusion_matrix(truth, scores.argmax(axis=1), labels=range(4))
    matrix = confusions.matrix(by_cell, 4)
    for i in range(4):
        for j in range(4):
            assert (matrix[i][j] or {"count": 0})["count"] == counts[i, j]
            if matrix[i][j]:
                assert matrix[i][j]["share"] == pytest.approx(counts[i, j] / counts[i].sum(), abs=1e-3)
            positions = by_cell.get((i, j), [])
            key = "margin" if i == j else "confidence"
            values = [clips[p][key] for p in positions]
            assert values == sorted(values, reverse=i != j)
    pairs = confusions.confused_pairs(by_cell, 3)
    off_diagonal = sorted((counts - np.diag(np.diag(counts))).ravel())[::-1][:3]
    assert [pair["count"] for pair in pairs] == off_diagonal


def test_the_two_lists_to_look_at_first():
    clips, truth, scores = some_clips()
    wrong = confusions.confidently_wrong(clips)
    assert set(wrong) == set(np.flatnonzero(truth != scores.argmax(axis=1)))
    assert clips[wrong[0]]["confidence"] == max(clips[p]["confidence"] for p in wrong)
    ordered = np.sort(scores, axis=1)
    assert confusions.least_certain(clips)[0] == (ordered[:, -1] - ordered[:, -2]).argmin()


def test_what_is_embedded_first_covers_every_cell():
    clips, _, _ = some_clips()
    by_cell = confusions.cells(clips)
    order = confusions.embedding_order(clips, by_cell, 2)
    assert sorted(order) == list(range(len(clips)))
    assert order[:2] == confusions.confidently_wrong(clips)[:2]
    assert {(clips[p]["true"], clips[p]["guess"]) for p in order[: 4 + len(by_cell)]} == set(by_cell)


def some_metrics(train, test, half=0.05, validation=0.5, commonest=0.1):
    ends = {"accuracy_low": test - half, "accuracy_high": test + half}
    return {
        "train": {"accuracy": train, "support": 100},
        "validation": {"accuracy": validation, "support": 50},
        "majority_class": {"accuracy": 0.3, "train_accuracy": commonest},
        "test": {"accuracy": test, "support": 80, "units": "groups", **ends},
    }


@pytest.mark.parametrize(
    ("train", "test", "half", "verdict", "words"),
    [
        (0.99, 0.60, 0.05, "poor", "overfits strongly"),
        (0.80, 0.70, 0.05, "fair", "overfits somewhat"),
        (0.80, 0.70, 0.15, "good", "no sign of overfitting"),
        (0.72, 0.70, 0.01, "good", "no sign of overfitting"),
        (0.50, 0.70, 0.05, "fair", "check the split"),
        (0.12, 0.11, 0.05, "poor", "learned next to nothing"),
    ],
)
def test_the_gap_in_one_sentence(train, test, half, verdict, words):
    said = findings.gap(some_metrics(train, test, half))
    assert said["verdict"] == verdict
    assert words in said["text"]
    assert f"{100 * train:.1f}%" in said["text"]
    assert f"{100 * (train - test):.1f} percentage points" in said["text"]


@pytest.mark.parametrize(
    ("train", "test", "commonest", "words"),
    [
        (1.0, 1.0, 0.96, "no sign of overfitting"),
        (0.995, 0.99, 0.95, "no sign of overfitting"),
        (0.961, 0.96, 0.96, "learned next to nothing (96.0% of the training clips are of the commonest species)"),
        # Of the commonest species of the training few are in the test.
        (0.6, 0.1, 0.6, "learned next to nothing"),
    ],
)
def test_what_was_learned_is_held_against_the_commonest_species_of_the_training(train, test, commonest, words):
    assert words in findings.gap(some_metrics(train, test, 0.01, commonest=commonest))["text"]


def test_a_gap_without_clips_or_interval():
    metrics = some_metrics(0.9, 0.5)
    metrics["test"] |= {"accuracy_low": None, "accuracy_high": None}
    assert "overfits strongly" in findings.gap(metrics)["text"]
    metrics["test"] = {"support": 0}
    assert "no gap" in findings.gap(metrics)["text"]


def test_what_the_baselines_mean():
    with_ends = {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6, "clips": 80}
    metrics = {
        "svm": {**with_ends, "advantage": 0.05, "advantage_low": 0.01, "advantage_high": 0.09},
        "context_only": with_ends,
        "majority_class": {"accuracy": 0.2},
        "test": {"groups": 6, "units": "recordings"},
    }
    better, leak = findings.baseline_verdicts(metrics)
    assert "5.0 percentage points more accurate" in better
    assert "+1.0 to +9.0" in better
    assert "worth its effort" in better
    assert "gives species away" in leak
    metrics["svm"]["advantage_low"] = -0.01
    metrics["context_only"] = {**with_ends, "accuracy_low": 0.1}
    better, leak = findings.baseline_verdicts(metrics)
    assert "does not show" in better
    assert "not shown to be more" in leak
    metrics["svm"] |= {"advantage": -0.05, "advantage_low": -0.09, "advantage_high": -0.01}
    assert "the SVM is better" in findings.baseline_verdicts(metrics)[0]
    metrics["test"]["groups"] = 5
    assert "-9.0 to -1.0): so few recordings do not show" in findings.baseline_verdicts(metrics)[0]
    metrics["svm"] |= {"advantage": -0.05, "advantage_low": None, "advantage_high": None}
    worse, _ = findings.baseline_verdicts(metrics)
    assert "5.0 percentage points less accurate" in worse
    assert "without an interval" in worse


def test_why_there_are_no_intervals():
    by_site = interval_words.Split("grouped", "site", 9)
    alone = findings.headline_note({"support": 88, "groups": 1, "units": "recordings"}, by_site)
    assert "On 88 test clips. There are no" in alone
    assert "take two recordings or more, and the test has 1 recording." in alone


def test_intervals_say_what_they_are_drawn_over():
    """Of a fold that is the whole test recordings are drawn, which says nothing of another fold."""
    by_site, by_fold = (interval_words.Split("grouped", *of) for of in (("site", 9), ("fold", 1)))
    sites = interval_words.note({"groups": 9, "units": "groups"}, by_site)
    assert "over 9 groups (one value of “site” each)" in sites
    assert "other groups had been drawn" in sites
    assert "rough" not in sites
    folds = interval_words.note({"groups": 12, "units": "recordings"}, by_fold)
    assert "over 12 recordings:" in folds
    assert "one group of the split (one value of “fold”), so its recordings are drawn instead" in folds
    few = interval_words.note({"groups": 3, "units": "groups"}, by_site)
    assert few.endswith("So few groups leave the intervals themselves rough.")
    clips = interval_words.note({"groups": 12, "units": "recordings"}, interval_words.Split("article", "fold", 1))
    assert "one group of the split" not in clips


def test_the_split_in_a_fact():
    rows = pd.DataFrame({"group": ["a", "a", "b", "c"], "partition": ["train", "train", "train", "test"]})
    assert summary_tables.split_text(rows, {"method": "grouped", "group": "site"}) == "by site: 2 train, 1 test"
    assert summary_tables.split_text(rows, {"method": "article", "group": "site"}) == "clip by clip"


def leading(detection, accuracy=0.9, support=10):
    names = ("event_f1_iou30", "event_recall_iou30")
    ends = {f"{name}{end}": None for name in names for end in ("", "_low", "_high")}
    test = {"accuracy": accuracy, "accuracy_low": 0.8, "accuracy_high": 0.95, "support": support}
    rows = [{"model": name, names[0]: f1, names[1]: f1} for name, f1 in (("ours", 0.9), ("x", 0.2), ("y", 0.4))]
    found = {"test": {**ends, "recordings": 7, **detection}}
    return findings.lead({"test": test}, found, pd.DataFrame(rows))


def test_one_number_leads():
    f1 = leading({"event_f1_iou30": 0.7, "event_recall_iou30": 0.8, "event_f1_iou30_low": 0.6})
    assert (f1["name"], f1["value"], f1["low"], f1["high"]) == ("Event F1", 0.7, 0.6, None)
    assert "in 7 whole test recordings. The best of the simpler methods beside it, y, reaches 0.400." in f1["text"]
    assert "90.0% right" in f1["text"]
    assert leading({"event_recall_iou30": 0.8})["name"] == "Recall of calls"
    assert leading({})["name"] == "Accuracy"
    assert leading({}, None, 0) is None


def test_what_the_audit_left_out():
    columns = ["file", "line", "column", "value", "expected"]
    found = pd.DataFrame([["a.csv", 2, "t_min", "x", "-"], ["a.csv", 2, "t_max", "y", "-"]], columns=columns)
    said = summary_tables.audit_of(found, True, 40)
    assert said["text"].startswith("The audit left out 1 row of a.csv; 40 annotations are used.")
    broken = pd.DataFrame([["audio/r.flac", 0, "", "short", "-"]], columns=columns)
    both = summary_tables.audit_of(pd.concat([found, broken]), True, 40)
    assert "1 row of a.csv and the annotations of 1 unusable file" in both["text"]
    assert both["count"] == 3
    assert "nothing was left out" in summary_tables.audit_of(found[:0], True, 40)["text"]
    assert summary_tables.audit_of(broken, False, 40)["text"].startswith("The audit noted 1 problem;")


def test_a_bad_row_of_another_table_is_a_row_and_no_file():
    columns = ["file", "line", "column", "value", "expected"]
    found = pd.DataFrame([["fp.csv", 3, "t_min", "x", "-"]], columns=columns)
    assert "left out 1 row of fp.csv; 40" in summary_tables.audit_of(found, True, 40)["text"]
    other = pd.DataFrame([["site/tp.csv", 3, "t_min", "x", "-"]], columns=columns)
    assert "left out 2 rows of 2 tables;" in summary_tables.audit_of(pd.concat([found, other]), True, 40)["text"]


def test_examples_are_training_clips_of_median_duration():
    rows = pd.DataFrame(
        {
            "class_index": [0, 0, 0, 0, 1, 3, 3],
            "partition": ["train", "test", "train", "train", "test", "train", "train"],
            "t_min_s": 1.0,
            "t_max_s": np.array([3.0, 0.1, 1.0, 2.0, 9.0, 5.0, 4.0]) + 1.0,
        }
    )
    assert excerpts.median_clips(rows, 4) == [3, 4, None, 6]
    assert excerpts.commonest(rows, 4, 2) == [0, 3]
    assert excerpts.commonest(rows, 4, 9) == [0, 1, 3]
    counts = summary_tables.clips_by_partition(class_figures.class_counts(rows, 4))
    assert counts[0] == {"train": 3, "validation": 0, "test": 1, "all": 4}
    assert counts[2]["all"] == 0


def test_the_kept_epoch():
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "loss": [3.0, 2, 1], "accuracy": [0.1, 0.5, 0.9], "val_loss": [2.0, 1.5, 1.7]}
    )
    card = {"training_time_s": 2.0, "device": "CPU"}
    assert kept_epoch(history, True) == 2
    assert "epoch 2 was kept, that of the lowest validation loss" in findings.training_text(history, True, card)
    assert kept_epoch(history, False) == 3
    without = history.assign(val_loss=np.nan)
    assert kept_epoch(without, True) == 3
    assert findings.training_text(without, True, card).startswith("The last of 3 epochs was kept.")


def test_reliability_says_which_way_the_scores_are_off():
    bins = pd.DataFrame(
        [
            {"temperature": when, "n": n, "mean_score": score, "accuracy": accuracy}
            for when, shift in (("before", 0.0), ("after", 0.25))
            for n, score, accuracy in ((10, 0.9 - shift, 0.6), (0, np.nan, np.nan))
        ]
    )
    calibration = {"ece_before": 0.3, "ece_after": 0.05, "temperature": 2.0}
    metrics = {"calibration": calibration, "validation": {"support": 9}}
    said = findings.reliability_text(bins, metrics)
    assert "0.300 too high" in said
    assert "0.050 after scaling with the temperature of 2.00, which was fitted on the validation clips" in said
    assert findings.reliability_text(bins[bins["n"] == 0], metrics) is None
    without = findings.reliability_text(bins, {**metrics, "validation": {"support": 0}})
    assert "0.300. Without validation clips no temperature is fitted" in without
    assert "2.00" not in without


def test_a_table_of_classes_shows_what_there_is():
    table = pd.DataFrame({"species_id": ["7", "07"], "support": [3, 0], "recall": [0.5, np.nan]})
    absent = dict.fromkeys(set(summary_tables.PER_CLASS_TITLES) - set(table), np.nan)
    shown = summary_tables.per_class_table(table.assign(**absent), ["x", "y"])
    assert [column["title"] for column in shown["columns"]] == ["Species", "Id", "Clips", "Recall"]
    assert [cell["text"] for cell in shown["rows"][1]] == ["y", "07", "0", "–"]
    assert shown["rows"][0][3]["value"] == 0.5


def test_sound_becomes_an_mp3_of_the_same_length():
    rate_hz = 24000
    y = 0.3 * np.sin(2 * np.pi * 3000 * np.arange(2 * rate_hz) / rate_hz).astype(np.float32)
    back, back_hz = soundfile.read(io.BytesIO(media.mp3(y, rate_hz)))
    assert back_hz == rate_hz
    assert len(back) == pytest.approx(len(y), abs=3000)
    spectrum = np.abs(np.fft.rfft(back[:rate_hz]))
    assert spectrum.argmax() == pytest.approx(3000, abs=2)
    assert len(media.mp3(y, rate_hz)) < 16_000


@pytest.mark.parametrize(
    ("file_hz", "most_hz", "expected"),
    [(24000, 24000, 24000), (48000, 24000, 24000), (8000, 24000, 8000), (10000, 24000, 11025), (384000, 96000, 48000)],
)
def test_the_rate_of_the_sound_is_one_that_mp3_has(file_hz, most_hz, expected):
    assert media.sound_rate_hz(file_hz, most_hz) == expected


def test_a_tone_is_a_line_at_its_height_and_time():
    rate_hz = 16000
    y = np.zeros(rate_hz, dtype=np.float32)
    y[rate_hz // 2 :] = np.sin(2 * np.pi * 6000 * np.arange(rate_hz // 2) / rate_hz)
    db = media.spectrogram_db(y, rate_hz, 100, 80)
    assert db.shape == (80, 100)
    row = np.unravel_index(db[:, 60:90].argmax(), (80, 30))[0]
    assert 80 - row == pytest.approx(80 * 6000 / 8000, abs=1.5)
    assert db[row, 75] - db[row, 25] > 60


@pytest.mark.parametrize("y", [np.zeros(500), np.zeros(3), np.ones(1), np.full(2000, 0.1)])
def test_pictures_of_silence_and_of_next_to_nothing(y):
    y = y.astype(np.float32)
    assert media.spectrogram_pixels(y, 8000, 60, 20).shape == (20, 60, 3)
    assert media.waveform_pixels(y, 300, 48).shape == (48, 300, 3)
    assert np.isfinite(media.gain(y))


def test_images_are_webp():
    pixels = media.feature_pixels(np.random.default_rng(0).normal(size=(30, 20)), kinds.get("mfcc").KIND, 120, 76)
    assert pixels.shape == (76, 120, 3)
    image = Image.open(io.BytesIO(media.webp(pixels)))
    assert (image.format, image.size) == ("WEBP", (120, 76))


@pytest.mark.parametrize("name", kinds.names())
def test_features_stand_upright_without_their_level(name):
    kind = kinds.get(name).KIND
    features = np.zeros((40, 11), np.float32)
    features[:, : kind.level_features] = 1000.0
    features[:, 3] = 2.0
    pixels = media.feature_pixels(features, kind, 40, 110 - 10 * kind.level_features).astype(int)
    other = np.abs(pixels - pixels[0, 0]).sum(axis=(1, 2)) > 0
    row_from_below = np.flatnonzero(other[::-1])
    # Of 11 features, or 10 without the level, each is 10 pixels high.
    first = 10 * (3 - kind.level_features)
    assert set(range(first, first + 10)) <= set(row_from_below)
    assert not set(range(first + 10, len(other))) & set(row_from_below)


def test_a_waveform_is_as_high_as_the_sound_is_loud():
    y = np.concatenate([np.full(500, 0.5), np.full(500, -0.25)]).astype(np.float32)
    lit = (media.waveform_pixels(y, 100, 41) != media.WAVEFORM[0]).any(axis=2)
    assert lit[:, 10].nonzero()[0].tolist() == [0]
    assert lit[:, 90].nonzero()[0].tolist() == [30]


def test_an_excerpt_is_the_sound_around_the_annotation(tmp_path):
    y = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * 8000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", y, 8000, subtype="FLOAT")
    recording = {"path": "a.wav", "duration_s": 5.0, "sample_rate_hz": 8000}
    band = {"f_min_hz": 1000.0, "f_max_hz": 3000.0}
    rows = [{**band, "t_min_s": 4.0, "t_max_s": 4.8}, {**band, "t_min_s": 0.25, "t_max_s": 4.0}]
    rows.append({"t_min_s": 1.0, "t_max_s": 2.0, "f_min_hz": np.nan, "f_max_hz": np.nan})
    places = [excerpts.place_of(row, recording, tmp_path, 0.5, 2.0) for row in rows]
    sounds = {position: sound for position, sound, _ in excerpts.cut(places, lambda rate_hz: rate_hz)}
    assert np.array_equal(sounds[0], y[28000:40000])
    assert np.array_equal(sounds[1], y[0:14000]), "2 s from 0.5 s before the annotation, of which 0.25 s are there"
    cards = dict(excerpts.cards(places, 24000, (52, 18)))
    assert (cards[0]["start_s"], cards[0]["end_s"], cards[0]["top_khz"]) == (3.5, 5.0, "4")
    assert cards[0]["box"] == [pytest.approx(33.3), pytest.approx(13.3), 25.0, 25.0]
    assert cards[1]["box"][1] == 0
    assert cards[2]["box"] == [25.0, 25.0, 0, 0], "without a band the box is as high as the picture"


@pytest.mark.parametrize(
    ("marked_s", "peak_s", "expected"),
    [
        ((5.0, 6.0), 5.5, (4.0, 7.0)),
        ((0.2, 1.0), 0.5, (0.0, 2.0)),
        ((10.0, 50.0), 30.0, (24.0, 36.0)),
        ((10.0, 50.0), 10.0, (9.0, 21.0)),
        ((10.0, 50.0), 50.0, (39.0, 51.0)),
        ((10.0, 50.0), None, (9.0, 21.0)),
        ((59.0, 60.0), 59.5, (58.0, 60.0)),
    ],
)
def test_a_long_event_is_cut_around_its_peak(marked_s, peak_s, expected):
    assert excerpts.stretch(marked_s, 60.0, 1.0, 12.0, peak_s) == expected


def test_the_model_and_the_page_get_the_same_stretch(tmp_path):
    y = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * 8000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", y, 8000, subtype="FLOAT")
    block = {"kind": "log_mel", "sample_rate_hz": 4000, "n_fft": 256, "hop_length": 100, "n_mels": 16, "deltas": 2}
    block |= {"f_min_hz": 0.0, "f_max_hz": None, "mel_sample_rate_hz": None}
    places = [excerpts.Place(tmp_path / "a.wav", 8000, span_s, span_s) for span_s in ((0.5, 1.5), (0.0, 0.01))]
    (_, short, _, nothing), (_, sound, rate_hz, values) = excerpts.features(places, block)
    assert (len(sound), rate_hz, values.shape) == (4000, 4000, (41, 16))
    assert (len(short), nothing) == (40, None)


def test_the_md5_is_the_one_of_dvc(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"a\r\nb\n")
    assert provenance.md5_of(path) == hashlib.md5(b"a\r\nb\n").hexdigest()


def test_the_commit_and_what_changed_since(tmp_path):
    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(("git", "-C", str(tmp_path), *who, *words), check=True, capture_output=True)

    assert "not in a Git" in provenance.git_state(tmp_path)
    git("init", "-q")
    for name in ("params.yaml", "dvc.lock", "<b>.txt"):
        (tmp_path / name).write_text("1")
    git("add", "-A")
    git("commit", "-qm", "one")
    assert re.fullmatch("[0-9a-f]{40}", provenance.git_state(tmp_path))
    (tmp_path / "dvc.lock").write_text("2")
    assert re.fullmatch("[0-9a-f]{40}", provenance.git_state(tmp_path))
    (tmp_path / "params.yaml").write_text("2")
    (tmp_path / "<b>.txt").write_text("2")
    assert provenance.git_state(tmp_path).endswith("changes since in <b>.txt, params.yaml")


def test_the_model_card_says_what_is_not_known():
    params = {"data": {"source": "table", "annotations": "a.csv"}, "dataset": {"fit_on": "all"}}
    params["split"] = {"method": "article", "group": "recording_id"}
    card = dict(provenance.model_card(params, [("frog", 2), ("bird", 30)], ["CC BY 4.0", "not given"]))
    assert "CC BY 4.0; not given" in card["Data and licences"][1]
    assert card["Limits"][-1].endswith("known of frog.")
    assert "one by one" in card["How it was evaluated"][0]
    assert "fitted on all clips" in card["How it was evaluated"][1]
    params["data"]["source"] = "simulated"
    assert "synthesised" in dict(provenance.model_card(params, [], []))["Data and licences"][1]


class Page(HTMLParser):
    """Collects the tags of a page, and the text in it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    run = report_run.Run(tmp_path_factory.mktemp("run"), HOSTILE, ("<img src=x onerror=alert(1)>", "צפרדע \"'"))
    path = run.report()
    return run, path, Page(path.read_text(encoding="utf-8"))


def test_nothing_is_fetched(hostile):
    _, _, page = hostile
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'")
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            if name in attributes:
                assert attributes[name].startswith(("data:", "#")), (tag, attributes[name][:80])


def test_hostile_names_are_text(hostile):
    _, _, page = hostile
    assert sum(tag == "script" for tag, _ in page.tags) == 3, "the data, and the page's own two"
    assert all(attributes.get("src") != "x" for _, attributes in page.tags)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert any("<script>alert(1)</script>" in text for text in page.texts)
    assert any("<img src=x onerror=alert(1)>" in text for text in page.texts)


def test_images_and_players_have_names(hostile):
    _, _, page = hostile
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    players = [attributes for tag, attributes in page.tags if tag == "audio"]
    # An example of each species with three pictures; and of the errors of detection a picture each.
    errors = 2 * report_run.REPORT["detection_examples"]
    assert len(players) == len(HOSTILE) + errors
    assert len(images) == 3 * len(HOSTILE) + errors
    assert all(attributes["alt"] for attributes in images)
    assert all(attributes["aria-label"] for attributes in players)


def test_figures_are_part_of_the_page_in_its_colours(hostile):
    _, path, page = hostile
    # A figure of one panel is a drawing, one of several a grid of drawings.
    drawings = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
    assert len(drawings) == len(report_run.FIGURES)
    assert all(attributes["aria-label"] for attributes in drawings)
    hidden = [attributes for tag, attributes in page.tags if tag == "svg" and "role" not in attributes]
    assert hidden
    assert all(attributes["aria-hidden"] == "true" for attributes in hidden)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    text = path.read_text(encoding="utf-8")
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
        assert used <= set(ids), "of a grid what is used may be defined in its first drawing"
        assert not re.findall("#[0-9a-fA-F]{6}", svg), "each colour is one of the page's"
        assert "<style" not in svg
    assert "perfect calibration" in text
    assert any("This model (lstm): 0.750, 0.600 to 0.850" in drawing["aria-label"] for drawing in drawings)


SPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SVG = "<svg " + SPACES + ' width="9pt" height="9pt">{}</svg>'


@pytest.mark.parametrize(
    "bad",
    [
        "<script>alert(1)</script>",
        '<g onload="alert(1)"/>',
        '<a xlink:href="javascript:alert(1)"><text>x</text></a>',
        '<image xlink:href="https://example.org/x.png"/>',
        '<use xlink:href="other.svg#a"/>',
        "<foreignObject><p>x</p></foreignObject>",
    ],
)
def test_an_svg_that_does_something_is_refused(bad):
    with pytest.raises(ValueError, match="figure f: "):
        inline_svg.inlined(SVG.format(bad), "f", "x")


def test_an_svg_in_a_page_keeps_its_texts_and_its_references():
    inside = '<defs><path id="a"/></defs><g clip-path="url(#a)"><use xlink:href="#a" style="fill: #0072b2"/></g>'
    made = inline_svg.inlined(SVG.format(inside + "<text>&lt;b&gt; a<tspan>b</tspan> c</text>"), "f", 'say "x" <b>')
    assert 'id="f-a"' in made
    assert 'clip-path="url(#f-a)"' in made
    assert 'href="#f-a"' in made
    assert "var(--train)" in made
    assert "<text>&lt;b&gt; a<tspan>b</tspan> c</text>" in made
    assert 'aria-label="say &quot;x&quot; &lt;b&gt;"' in made


def test_a_figure_of_panels_becomes_a_grid_and_each_is_cut_out_where_it_lies():
    defined = '<defs><clipPath id="a"><rect/></clipPath></defs>'
    parts = '<g id="panel_0.0_10.0_100.0_50.0"><g clip-path="url(#a)"/></g><g id="panel_110.0_10.0_90.0_50.0"/>'
    made = inline_svg.inlined(
        SVG.format(f'<g id="figure_1">{parts}<g id="wide_0.0_70.0_150.0_9.0"/></g>{defined}'), "f", "x"
    )
    assert made.startswith('<div class="panels" role="img" aria-label="x"')
    assert re.findall('viewBox="([^"]+)"', made) == ["0 10 100 50", "110 10 90 50", "0 70 150 9"]
    assert made.count("<clipPath") == 1
    assert 'clip-path="url(#f-a)"' in made
    assert [("grid-column" in svg) for svg in made.split("<svg")[1:]] == [False, False, True]


def test_numbers_do_not_part_from_their_percent_sign(hostile):
    _, path, _ = hostile
    text = path.read_text(encoding="utf-8")
    assert "95\u00a0% interval" in text
    assert not re.findall(r"\d %", text)


def test_the_mfcc_of_a_card_are_those_of_librosa():
    import librosa

    y = np.random.default_rng(0).normal(size=8000).astype(np.float32) * np.linspace(0.1, 1, 8000, dtype=np.float32)
    expected = librosa.feature.mfcc(y=y, sr=24000, n_mfcc=20, n_mels=64, n_fft=512, hop_length=256)[1:]
    pixels = media.mfcc_pixels(y, 24000)
    assert pixels.shape == (19, expected.shape[1], 3)
    assert media.mfcc_pixels(np.tile(y, 9), 24000).shape[1] == media.MFCC_COLUMNS, "longer sound is no larger"
    # Red above 0, blue below; the first coefficient at the bottom.
    warm = pixels[::-1, :, 0].astype(int) - pixels[::-1, :, 2]
    clear = np.abs(expected) > np.percentile(np.abs(expected), 70)
    assert (np.sign(warm)[clear] == np.sign(expected)[clear]).mean() > 0.99
    assert media.mfcc_pixels(y[:10], 8000).shape[0] == 19


def test_styles_of_elements_are_classes_of_the_one_style_sheet(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "TEMPLATES", tmp_path)
    (tmp_path / "x.js").write_text("let style = '<p style=\"a\">';\n")
    template = (
        "<meta content=\"{{ '{style-hash}' }} {{ hash_of('x.js') | safe }}\"><style>p { }</style>"
        '<p title="{{ name }}" style="left:1%">{{ name }}</p>'
        '<i style="left:1%" class="x y"></i><b style="{{ more }}"></b>'
        "<script>{% include 'x.js' %}</script>"
    )
    (tmp_path / "x.j2").write_text(template)
    name = ' style="top:0" {style-hash} <script>'
    made = pages.render("x.j2", {"name": name, "more": "font: 1px 'A'"})
    [sheet], [script] = (re.findall(f"<{tag}>(.*?)</{tag}>", made, re.DOTALL) for tag in ("style", "script"))
    assert sheet == "p { }.s0.s0.s0{left:1%}\n.s1.s1.s1{font: 1px 'A'}\n"
    assert f'content="{pages.hash_of(sheet)} {pages.hash_of(script)}"' in made
    assert pages.hash_of("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    assert f'<p class="s0" title="{escape(name)}">{escape(name)}</p><i class="x y s0"></i><b class="s1"></b>' in made
    for bad in ("a:b}x{", "a:b</style>", "/*", "@import"):
        with pytest.raises(ValueError, match="expected properties and values alone"):
            pages.render("x.j2", {"name": "", "more": bad})


def test_the_data_of_a_page_hold_no_nan(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "TEMPLATES", tmp_path)
    (tmp_path / "x.j2").write_text("{{ data | tojson }}")
    assert pages.render("x.j2", {"data": {"a": "<&>"}}) == r'{"a": "\u003c\u0026\u003e"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        pages.render("x.j2", {"data": [float("nan")]})


LOUDNESS = """
from dawnchorus.features.kinds import Kind
from dawnchorus.parameters.base import Block

KIND = Kind("loudness", "sone", "critical band")


class Params(Block):
    pass


def n_features(params):
    return 3


def frames(y, sample_rate_hz, params):
    import numpy as np

    return np.arange(3.0)[:, None] * np.ones(1 + len(y) // params["hop_length"])
"""


def test_a_new_kind_of_features_reaches_figures_and_report(tmp_path, monkeypatch):
    """One file says all: nothing that draws knows kinds by their names."""
    for name in kinds.names():
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "loudness.py").write_text(LOUDNESS)
    monkeypatch.setattr(kinds, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(kinds, "__path__", [str(tmp_path)])
    run = report_run.Run(tmp_path / "run", ["a", "b"])
    run.params["features"] |= {"kind": "loudness"}
    try:
        [examples] = run.figures(["examples.svg"])
        page = run.report().read_text(encoding="utf-8")
    finally:
        sys.modules.pop("dawnchorus.features.kinds.loudness", None)
    assert {"loudness (sone)", "critical band"} <= set(re.findall(">([^<>]+)</text>", examples.read_text()))
    assert "loudness (sone), by critical band" in page
    assert 'alt="loudness of a"' in page


def test_how_it_was_made_is_in_the_page(hostile):
    run, _, page = hostile
    text = " ".join(page.texts)
    for name, value in report.flat(run.params):
        assert name in page.texts, name
        assert value is None or str(value).lower() in text.lower()
    for file in ("model.keras", "recordings.csv", "predictions.csv"):
        assert hashlib.md5((run.path / file).read_bytes()).hexdigest() in page.texts
    assert "CC BY 4.0" in text
    assert "SVM on pooled statistics" in text


def test_boxes_without_a_frequency_band_leave_the_page_alive(tmp_path):
    text = report_run.Run(tmp_path / "run", ["a", "b"], with_bands=False).report().read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', text, re.DOTALL)[1]

    def refuse(word):
        raise AssertionError(f"{word} is no JSON: JSON.parse of a browser throws, and the page's program ends there")

    assert json.loads(data, parse_constant=refuse)["media"]
    assert "nan%" not in text


def test_the_same_run_gives_the_same_page(hostile):
    run, path, _ = hostile
    before = path.read_bytes()
    assert run.report().read_bytes() == before


def test_limits_hold_the_page_small(tmp_path, capsys):
    run = report_run.Run(tmp_path / "run", ["a", "b", "c"])
    run.params["report"]["clips"] = 5
    run.report()
    assert "5 of 12 test clips" in capsys.readouterr().out
    run.params["report"] |= {"clips": 12, "media_mb": 0.05}
    size = run.report().stat().st_size
    said = re.search(r"(\d+) of 12 test clips", capsys.readouterr().out)
    assert 0 < int(said[1]) < 12
    assert size < 1_000_000


def test_a_run_without_test_clips_says_so(tmp_path):
    run = report_run.Run(tmp_path / "run", ["a", "b"])
    for table in (definitions.PREDICTIONS, definitions.RELIABILITY):
        rows = made.frame(run.path / table.name, table)
        rows = rows[:0] if table is definitions.PREDICTIONS else rows.assign(n=0, mean_score=np.nan, accuracy=np.nan)
        made.write(run.path / table.name, table, rows)
    baselines = made.frame(run.path / "baselines.csv", definitions.BASELINES)
    empty = dict.fromkeys(("accuracy", "accuracy_low", "accuracy_high"), np.nan)
    made.write(run.path / "baselines.csv", definitions.BASELINES, baselines.assign(**empty))
    metrics = json.loads((run.path / "metrics.json").read_text())
    metrics["test"] = {**dict.fromkeys(metrics["test"]), "support": 0, "groups": 0}
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    assert "There are no test clips" in run.report().read_text()


def test_the_headline_is_what_the_tables_of_metrics_say_of_test_sound_and_leaves_out_what_is_not_known(tmp_path):
    run = report_run.Run(tmp_path / "run", ["a", "b"])
    run.detection_metrics["test"] |= {"event_f1_iou30": 0.9, "false_alarms_per_hour": None}
    run.report()
    found = json.loads((run.path / "headline.json").read_text())
    svm = json.loads((run.path / "metrics.json").read_text())["svm"]["accuracy"]
    # That run has no clips without a call, so nothing is known of context alone.
    assert found["clips"] == {"accuracy": 0.75, "macro_f1": 0.75, "loss": 0.75, "svm_accuracy": svm}
    known = {"event_precision": 0.5, "event_recall": 0.5, "segment_average_precision": 0.5}
    assert found["detection"] == {"event_f1": 0.9, **known}
