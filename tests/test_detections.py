"""From files to results, with a classifier that needs no Keras: both commands, the store, the formats, the page."""

import argparse
import csv
import json
import re
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile

from dawnchorus.annotations import readers
from dawnchorus.commands import detect
from dawnchorus.detection import detections, score_store, scoring, sounds
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import model_file
from dawnchorus.stages import detections as gather
from dawnchorus.stages import window_scores
from test_scoring import LOG_MEL, RATE_HZ, card_of, model_of

BLOCK = {**LOG_MEL, "clip": "window"}
PARAMS = {
    "recordings": "sound", "window_s": None, "step_s": None, "channel": "mix", "batch_size": 4,
    "smoothing_windows": 1, "merge_gap_s": 0.0, "on_bad_recording": "quarantine", "sample_submission": None,
    "page_events": 2, "pictures": 1,
}  # fmt: skip
ODD_NAME = "<script>alert(1)</script> & 'co'"


def write_sound(path, duration_s, seed):
    """Noise with a tone in its middle third: low in files of an even seed, high in the others."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * (600 if seed % 2 == 0 else 4000) * time_s)
    tone[: len(tone) // 3] = tone[-(len(tone) // 3) :] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * tone + 0.003 * rng.standard_normal(len(time_s)), RATE_HZ)


def write_model(folder):
    """Write a model that knows a low tone from a high one, and its calibration."""
    card = card_of(BLOCK, frames=81)
    card["dataset"]["offset"], card["dataset"]["scale"] = [-40.0] * 24, [15.0] * 24
    card["classes"][2]["species_name"] = ODD_NAME
    card["model"] = {"name": "logistic_regression", "l2": 0.0}
    model = model_of(scoring.Recipe.of_card(card, "m"))
    # Class 0 is energy of low bands, class 1 of high ones, class 2 what is quiet.
    weights = np.zeros((4, 24, 3), np.float32)
    weights[0, :8, 0], weights[0, 8:, 1] = 1.0, 0.5
    model.arrays.update(weights=weights.reshape(-1, 3), bias=np.array([0.0, 0.0, -6.0], np.float32))
    model_file.save(model, {key: value for key, value in card.items() if key != "format"}, folder / "model.keras")
    thresholds = {"s0": 0.6, "s1": 0.6, "s2": 0.5}
    (folder / "calibration.json").write_text(json.dumps({"temperature": 1.5, "thresholds": thresholds}))


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        write_sound(tmp_path / f"sound/site {number % 2}/r{number}.flac", 6.2 + number, number)
    return tmp_path


def score_shard(model_dir, params=PARAMS, shard=0, shards=1):
    window_scores.main(
        ["--model", str(model_dir / "model.keras"), "--shard", str(shard), "--shards", str(shards), "--threads", "2",
         "--params", json.dumps({"detections": params}), "--output", f"data/shard-{shard}.parquet"]
    )  # fmt: skip


def gather_all(model_dir, params=PARAMS, shards=1):
    gather.main(
        ["--scores", *(f"data/shard-{shard}.parquet" for shard in range(shards)),
         "--model", str(model_dir / "model.keras"), "--calibration", str(model_dir / "calibration.json"),
         "--params", json.dumps({"detections": params}), "--output", "reports/detections",
         "--page", "reports/detections.html"]
    )  # fmt: skip


def test_every_format_says_the_same(folder, model_dir):
    score_shard(model_dir)
    gather_all(model_dir)
    out = folder / "reports/detections"
    parquet, table = pd.read_parquet(out / "scores.parquet"), pd.read_csv(out / "scores.csv")
    assert list(parquet.columns) == list(table.columns)
    np.testing.assert_allclose(parquet.iloc[:, 2:], table.iloc[:, 2:], rtol=1e-7)
    np.testing.assert_allclose(table[["score_s0", "score_s1", "score_s2"]].sum(axis=1), 1, atol=1e-5)
    assert pq.ParquetFile(out / "scores.parquet").metadata.num_rows == len(table)

    events = pd.read_csv(out / "events.csv")
    assert set(events["path"]) == {f"sound/site {k % 2}/r{k}.flac" for k in range(4)}
    assert {"s0", "s1"} <= set(events["species_id"])
    for path, rows in events.groupby("path"):
        of_file = table[table["path"] == path]
        for event in rows.itertuples():
            inside = of_file[(of_file["start_s"] >= event.start_s - 0.5) & (of_file["end_s"] <= event.end_s + 0.5)]
            assert inside[f"score_{event.species_id}"].max() == pytest.approx(event.peak_score, abs=1e-5)

    combined = readers.read(out / "raven.selections.txt", "raven", {})[1]
    single = [row for k in (0, 2, 1, 3) for row in readers.read(
        out / f"raven/site {k % 2}/r{k}.flac.selections.txt", "raven", {})[1]]  # fmt: skip
    assert [row.cells for row in combined] == [row.cells for row in single]
    assert [(row.cells["species_id"], float(row.cells["t_min"])) for row in combined] == [
        (event.species_id, event.start_s) for event in events.itertuples()
    ]
    bands = {(float(row.cells["f_min"]), float(row.cells["f_max"])) for row in combined}
    assert bands == {(50.0, 7000.0)}
    labels = readers.read(out / "audacity/site 1/r1.flac.txt", "audacity", {})[1]
    assert [float(row.cells["t_max"]) for row in labels] == events[events["path"] == "sound/site 1/r1.flac"][
        "end_s"
    ].tolist()


@pytest.mark.parametrize(
    ("changes", "recording_hz", "expected"),
    [
        ({"f_min_hz": 50.0, "f_max_hz": 12000.0, "sample_rate_hz": 24000}, 48000, (50.0, 12000.0)),
        ({"f_min_hz": 50.0, "f_max_hz": 12000.0, "sample_rate_hz": 24000}, 16000, (50.0, 8000.0)),
        ({"f_min_hz": 50.0, "f_max_hz": None, "sample_rate_hz": 24000}, 48000, (50.0, 12000.0)),
        ({"f_min_hz": 0.0, "f_max_hz": None, "sample_rate_hz": None}, 44100, (0.0, 22050.0)),
        # Bands made for 22.05 kHz, used at 44.1: each lies twice as high.
        ({"f_min_hz": 100.0, "f_max_hz": 8000.0, "sample_rate_hz": None, "mel_sample_rate_hz": 22050.0}, 44100,
         (200.0, 16000.0)),
    ],
)  # fmt: skip
def test_an_event_spans_what_the_model_hears(changes, recording_hz, expected):
    assert detections.model_band({**BLOCK, "mel_sample_rate_hz": None, **changes}, recording_hz) == expected


def test_scores_do_not_depend_on_how_files_are_grouped(folder, model_dir):
    score_shard(model_dir)
    one = score_store.Store("data/shard-0.parquet")
    found = {name: one.entry(name).scores for name in one.names}
    seen = set()
    for shard in range(3):
        score_shard(model_dir, {**PARAMS, "batch_size": 7}, shard, 3)
        store = score_store.Store(f"data/shard-{shard}.parquet")
        for name in store.names:
            seen.add(name)
            np.testing.assert_allclose(store.entry(name).scores, found[name], atol=1e-6, rtol=0)
    assert seen == set(found)


def test_one_new_file_costs_one_file(folder, model_dir, capsys):
    score_shard(model_dir)
    assert "4 scored, 0 kept" in capsys.readouterr().out
    before = score_store.Store("data/shard-0.parquet").entry("site 0/r0.flac")
    score_shard(model_dir)
    assert "0 scored, 4 kept" in capsys.readouterr().out
    write_sound(folder / "sound/new.wav", 2.0, 9)
    score_shard(model_dir)
    assert "1 scored, 4 kept" in capsys.readouterr().out
    after = score_store.Store("data/shard-0.parquet").entry("site 0/r0.flac")
    np.testing.assert_array_equal(after.scores, before.scores)
    write_sound(folder / "sound/new.wav", 2.0, 10)
    score_shard(model_dir, {**PARAMS, "merge_gap_s": 3.0, "batch_size": 9})
    assert "1 scored, 4 kept" in capsys.readouterr().out
    score_shard(model_dir, {**PARAMS, "step_s": 0.25})
    assert "5 scored, 0 kept" in capsys.readouterr().out
    (folder / "data/shard-0.parquet").write_bytes(b"damaged")
    score_shard(model_dir)
    assert "5 scored, 0 kept" in capsys.readouterr().out


def test_a_fingerprint_changes_with_its_own_shard_only(folder):
    from dawnchorus.foundation.hashes import HashCache

    def prints():
        return [sounds.fingerprint("sound", shard, 3, HashCache("cache.json")) for shard in range(3)]

    before = prints()
    write_sound(folder / "sound/new.wav", 1.0, 3)
    assert sum(a != b for a, b in zip(before, prints(), strict=True)) == 1
    assert "nowhere" in sounds.fingerprint("nowhere", 0, 3, HashCache("cache.json"))


def test_an_unreadable_file_is_named_and_the_rest_is_complete(folder, model_dir, capsys):
    (folder / "sound/bad.mp3").write_bytes(b"no sound at all")
    with pytest.raises(InputError, match=r"sound/bad\.mp3: no sound that can be read"):
        score_shard(model_dir, {**PARAMS, "on_bad_recording": "stop"})
    assert not (folder / "data/shard-0.parquet").exists()
    score_shard(model_dir)
    assert "error: sound/bad.mp3: no sound" in capsys.readouterr().err
    gather_all(model_dir)
    out = folder / "reports/detections"
    problems = pd.read_csv(out / "problems.csv")
    assert problems["path"].tolist() == ["sound/bad.mp3"]
    assert problems["problem"][0].startswith("no sound that can be read")
    assert pd.read_csv(out / "scores.csv")["path"].nunique() == 4
    assert "sound/bad.mp3" in (folder / "reports/detections.html").read_text()


def test_the_submission_is_the_maximum_over_windows(folder, model_dir):
    (folder / "sample.csv").write_text("recording_id,ss1,ss0\nsite 1/r1,0,0\nsite 0/r0,0,0\n")
    score_shard(model_dir)
    gather_all(model_dir, {**PARAMS, "sample_submission": "sample.csv"})
    table = pd.read_csv(folder / "reports/detections/scores.csv")
    with (folder / "reports/detections/submission.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["recording_id", "ss1", "ss0"]
    assert [row[0] for row in rows[1:]] == ["site 1/r1", "site 0/r0"]
    best = table[table["recording_id"] == "site 1/r1"]
    np.testing.assert_allclose([float(x) for x in rows[1][1:]], [best["score_s1"].max(), best["score_s0"].max()])


def test_the_page_escapes_names_and_asks_for_nothing_outside(folder, model_dir):
    shutil.copy(folder / "sound/site 0/r0.flac", folder / "sound/<img src=x onerror=alert(2)>.flac")
    score_shard(model_dir)
    gather_all(model_dir)
    page = (folder / "reports/detections.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "<img src=x" not in page
    addresses = re.findall(r'(?:src|href)="([^"]{0,12})', page)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert page.count("<audio") == page.count("data:audio/mpeg") > 0
    assert [path.suffix for path in (folder / "reports/detections/pictures").rglob("*.*")] == [".png"]


def run_detect(*arguments):
    parser = argparse.ArgumentParser()
    detect.add_arguments(parser)
    detect.main(parser.parse_args([str(argument) for argument in arguments]))


def test_the_command_gives_what_the_workflow_gives(folder, model_dir, capsys):
    score_shard(model_dir)
    gather_all(model_dir)
    run_detect("sound", "--model", model_dir, "--output", "out", "--threads", "2", "--events", "2")
    assert "events in 4 recordings" in capsys.readouterr().out
    columns = ["path", "species_id", "start_s", "end_s", "peak_score"]
    one, other = (pd.read_csv(folder / f"{out}/events.csv")[columns] for out in ("out", "reports/detections"))
    order = ["path", "start_s", "species_id"]
    one, other = one.sort_values(order), other.sort_values(order)
    np.testing.assert_array_equal(one[columns[:4]].values, other[columns[:4]].values)
    np.testing.assert_allclose(one["peak_score"], other["peak_score"], atol=2e-6)


@pytest.mark.parametrize("what", ["absent", "text", "version", "features", "classes", "calibration"])
def test_a_model_that_is_none_is_one_line(folder, model_dir, what):
    broken = folder / "model"
    shutil.copytree(model_dir, broken)
    path = broken / "model.keras"
    if what == "absent":
        path.unlink()
    elif what == "text":
        path.write_text("no model")
    elif what == "calibration":
        (broken / "calibration.json").write_text('{"temperature": 1, "thresholds": {"x": 0.5}}')
    else:
        change_card(path, what)
    expected = {
        "absent": "no such file", "text": "not a model", "version": "model format 99", "features": "lacks 'features'",
        "classes": "2 classes|one finite score", "calibration": "other classes",
    }[what]  # fmt: skip
    with pytest.raises(InputError, match=expected) as caught:
        run_detect("sound", "--model", broken, "--output", "out")
    assert "\n" not in str(caught.value)


def change_card(path, what):
    import zipfile

    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    card = json.loads(members["dawnchorus.json"])
    if what == "version":
        card["format"] = 99
    elif what == "features":
        del card["dataset"]["features"]
    else:
        card["classes"].pop()
        (path.parent / "calibration.json").write_text('{"temperature": 1, "thresholds": {"s0": 0.5, "s1": 0.5}}')
    members["dawnchorus.json"] = json.dumps(card).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_files_are_found_by_folder_and_by_list(folder):
    (folder / "sound/notes.txt").write_text("no sound")
    (folder / "sound/.hidden.wav").write_text("no sound")
    found = sounds.find("sound")
    assert [sound.name for sound in found] == ["site 0/r0.flac", "site 0/r2.flac", "site 1/r1.flac", "site 1/r3.flac"]
    assert (found[0].path, found[0].recording_id) == ("sound/site 0/r0.flac", "site 0/r0")
    (folder / "list.txt").write_text("sound/site 0/r0.flac\n\n../x/a.wav\n../y/a.wav\n")
    assert [sound.name for sound in sounds.find("list.txt")] == ["r0.flac", "x/a.wav", "y/a.wav"]


@pytest.mark.parametrize(("recordings", "expected"), [("nowhere", "expected a folder"), ("empty", "no recordings")])
def test_nothing_to_listen_to(folder, recordings, expected):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=expected):
        sounds.find(recordings)


def test_a_file_given_twice(folder):
    with pytest.raises(InputError, match=r"a\.wav: given twice"):
        sounds.named(["x/a.wav", "./x/a.wav"])
