"""From files to results, with a classifier that needs no Keras: both commands, the store, the formats, the page."""

import argparse
import csv
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile

from dawnchorus import networks
from dawnchorus.annotations import readers
from dawnchorus.commands import cli, detect
from dawnchorus.detection import detector, score_store, scoring, sounds
from dawnchorus.features import extraction
from dawnchorus.foundation import incremental
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import part_of, parts_of
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.learning import model_file, pooled, saved_model
from dawnchorus.sound import audio
from dawnchorus.stages import detections as gather
from dawnchorus.stages import window_scores
from dawnchorus.tables import row_groups
from dawnchorus.workflow import provenance
from embedding_models import projection, write_keras
from refused_sound import write_refused
from test_scoring import LOG_MEL, RATE_HZ, card_of, model_of

BLOCK = {**LOG_MEL, "clip": "window"}
PARAMS = {
    "recordings": "sound", "window_s": None, "step_s": None, "channel": "mix", "batch_size": 4,
    "smoothing_windows": 1, "merge_gap_s": 0.0, "on_bad_recording": "quarantine", "sample_submission": None,
    "page_events": 2, "pictures": 1,
}  # fmt: skip
SPECIES = ("s0", "s1", "s2")
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
    model.fitted.update(weights=weights.reshape(-1, 3), bias=np.array([0.0, 0.0, -6.0], np.float32))
    saved_model.save(model, {key: value for key, value in card.items() if key != "format"}, folder / "model.keras")
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


def arguments_of_scores(model_dir, params=PARAMS, shard=0, shards=1, name="shard-{0}"):
    name = name.format(shard, shards)
    return [
        *("--model", str(model_dir / "model.keras"), "--shard", str(shard), "--shards", str(shards), "--threads", "2"),
        *("--params", json.dumps({"detections": params, "searched": params["recordings"]})),
        *("--output", f"data/{name}.parquet"),
        *("--windows", f"data/{name.replace('shard', 'windows')}.parquet"),
    ]


def score_shard(*which):
    window_scores.main(arguments_of_scores(*which))


def gather_all(model_dir, params=PARAMS, shards=1):
    gather.main(
        ["--scores", *(f"data/shard-{shard}.parquet" for shard in range(shards)),
         "--windows", *(f"data/windows-{shard}.parquet" for shard in range(shards)),
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
    assert extraction.band_hz({**BLOCK, "mel_sample_rate_hz": None, **changes}, recording_hz) == expected


def test_scores_do_not_depend_on_how_files_are_grouped(folder, model_dir):
    score_shard(model_dir)
    one = score_store.Store("data/shard-0.parquet", SPECIES)
    found = {name: one.entry(name).scores for name in one}
    seen = set()
    for shard in range(3):
        score_shard(model_dir, {**PARAMS, "batch_size": 7}, shard, 3)
        store = score_store.Store(f"data/shard-{shard}.parquet", SPECIES)
        for name in store:
            seen.add(name)
            np.testing.assert_allclose(store.entry(name).scores, found[name], atol=1e-6, rtol=0)
    assert seen == set(found)


def test_another_number_of_shards_scores_nothing(folder, model_dir, capsys):
    def run(shard, shards):
        score_shard(model_dir, PARAMS, shard, shards, "shard-{0}-of-{1}")
        of_set = f"{shard}-of-{shards}"
        outputs = [f"data/{what}-{of_set}.parquet" for what in ("shard", "windows")]
        job = provenance.Job((), (), (*outputs, f"data/shard-{of_set}.provenance.json"))
        job.write(job.read(HashCache("cache.json")), HashCache("cache.json"))
        said = capsys.readouterr().out
        store = score_store.Store(outputs[0], SPECIES)
        return int(re.search(r"(\d+) computed", said)[1]), {name: store.entry(name).scores for name in store}

    n_computed, scores = run(0, 1)
    assert n_computed == len(scores) == 4
    # One new recording is one scored, in whichever shard.
    write_sound(folder / "sound/new.wav", 2.0, 9)
    runs = [run(shard, 3) for shard in range(3)]
    assert sum(n for n, _ in runs) == 1
    found = {name: of for _, shard in runs for name, of in shard.items()}
    assert found.keys() == {*scores, "new.wav"}
    for name, of in scores.items():
        np.testing.assert_array_equal(found[name], of)


def test_scores_take_the_room_of_their_numbers(tmp_path):
    scores = np.random.default_rng(0).random((50_000, 3), dtype=np.float32)
    path, starts_s = tmp_path / "scores.parquet", np.arange(50_000) / 10
    with score_store.write_store(path, SPECIES) as writer:
        writer.add(score_store.Entry("a.wav", "a.wav", "a", "made", 5000.0, RATE_HZ, 0.1, None, starts_s, scores))
    np.testing.assert_array_equal(score_store.Store(path, SPECIES).entry("a.wav").scores, scores)
    # Of a random float nothing can be saved.
    assert path.stat().st_size < 1.05 * (scores.nbytes + starts_s.nbytes)


def test_short_recordings_share_row_groups_and_are_read_as_they_were_added(tmp_path):
    rng = np.random.default_rng(0)
    lengths = [*rng.integers(0, 40, 3000), 200_000, 3]
    entries = [
        score_store.Entry(f"{number}.wav", f"{number}.wav", str(number), "made", 1.0, RATE_HZ, 0.1, None,
                          np.arange(length) / 10, rng.random((length, 3), dtype=np.float32))
        for number, length in enumerate(lengths)
    ]  # fmt: skip
    store = None
    for name in ("one", "copied"):
        with score_store.write_store(tmp_path / name, SPECIES) as writer:
            for entry in entries:
                writer.copy(entry.name, store) if store else writer.add(entry)
        store = score_store.Store(tmp_path / name, SPECIES)
        assert list(store) == [entry.name for entry in entries]
        # In their order and in another.
        for entry in [*entries, *(entries[number] for number in rng.permutation(len(entries))[:50])]:
            found = store.entry(entry.name)
            np.testing.assert_array_equal(found.starts_s, entry.starts_s)
            np.testing.assert_array_equal(found.scores, entry.scores)
            assert found.facts() == entry.facts()
        groups = pq.ParquetFile(tmp_path / name).metadata
        assert groups.num_rows == sum(lengths)
        # 58,000 rows of four values are less than one group; the long recording has one of its own.
        assert groups.num_row_groups == 3
        assert groups.row_group(1).num_rows == 200_000
    assert (tmp_path / "one").read_bytes() == (tmp_path / "copied").read_bytes()


def test_stores_that_were_read_hold_no_long_recording(tmp_path):
    import pyarrow as pa

    scores, paths = np.random.default_rng(0).random((200_000, 3), dtype=np.float32), []
    for number in range(6):
        paths.append(tmp_path / f"{number}.parquet")
        with score_store.write_store(paths[-1], SPECIES) as writer:
            for part in range(2):
                name = f"{number}-{part}.wav"
                entry = score_store.Entry(name, name, name[:-4], "made", 1.0, RATE_HZ, 0.1, None)
                writer.add(replace(entry, starts_s=np.arange(len(scores)) / 10, scores=scores))
    before = pa.total_allocated_bytes()
    stores = score_store.Stores(paths, SPECIES)
    assert sum(len(entry.scores) for entry in stores) == 12 * len(scores)
    # The last one is still in use: twelve bytes of scores and eight of its start a row.
    assert pa.total_allocated_bytes() - before < 2 * 20 * len(scores)
    assert stores.n_recordings == 12


@pytest.fixture
def own_groups(monkeypatch):
    """Give each recording a row group of its own."""
    monkeypatch.setattr(row_groups, "VALUES", 1)


@pytest.fixture
def quick_parts(monkeypatch):
    """Let a part end with the recording that it began with."""
    monkeypatch.setattr(score_store, "PART_S", 0.0)
    monkeypatch.setattr(score_store, "PART_SHARE", 0.0)


def test_a_killed_run_has_scored_what_is_in_its_parts(folder, model_dir, capsys, quick_parts, monkeypatch):
    score_shard(model_dir)
    whole = (folder / "data/shard-0.parquet").read_bytes()
    shutil.rmtree(folder / "data")
    scored = scoring.score

    def score_and_be_killed(n_scored):
        calls = iter(range(n_scored))

        def score(*of):
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return scored(*of)

        monkeypatch.setattr(scoring, "score", score)
        score_shard(model_dir)

    # The second run takes one recording over, and scores two more.
    for n_scored, n_parts in ((1, 1), (2, 3)):
        process = multiprocessing.get_context("fork").Process(target=score_and_be_killed, args=(n_scored,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert len(parts_of("data/shard-0.parquet")) == n_parts
        assert not (folder / "data/shard-0.parquet").exists()
    part_of("data/shard-0.parquet", 4).write_bytes(b"PAR1 and no end")
    capsys.readouterr()
    score_shard(model_dir)
    assert "1 computed, 3 kept" in capsys.readouterr().out
    assert (folder / "data/shard-0.parquet").read_bytes() == whole
    assert not parts_of("data/shard-0.parquet")


def test_parts_of_another_model_or_that_are_damaged_are_not_taken(folder, model_dir, capsys, quick_parts, own_groups):
    score_shard(model_dir)
    whole = folder / "data/shard-0.parquet"
    whole.rename(part_of(whole, 1))
    capsys.readouterr()
    score_shard(model_dir, {**PARAMS, "step_s": 0.25})
    assert "4 computed, 0 kept" in capsys.readouterr().out
    whole.rename(part_of(whole, 1))
    scores = pq.ParquetFile(part_of(whole, 1)).metadata.row_group(1).column(2)
    damaged = bytearray(part_of(whole, 1).read_bytes())
    damaged[scores.data_page_offset - 1] ^= 1
    part_of(whole, 1).write_bytes(damaged)
    score_shard(model_dir, {**PARAMS, "step_s": 0.25})
    assert "1 computed, 3 kept" in capsys.readouterr().out


def test_a_run_that_stops_soon_leaves_no_parts(folder, model_dir):
    (folder / "sound/z.wav").write_bytes(b"no sound")
    with pytest.raises(InputError):
        score_shard(model_dir, {**PARAMS, "on_bad_recording": "stop"})
    assert not list((folder / "data").iterdir())


def test_a_run_that_stops_late_leaves_what_it_scored(folder, model_dir, capsys, quick_parts):
    (folder / "sound/z.wav").write_bytes(b"no sound")
    with pytest.raises(InputError):
        score_shard(model_dir, {**PARAMS, "on_bad_recording": "stop"})
    (folder / "sound/z.wav").unlink()
    score_shard(model_dir)
    assert "0 computed, 4 kept" in capsys.readouterr().out


def test_parts_get_longer_as_a_run_does(tmp_path, monkeypatch):
    clock_s = [0.0]
    monkeypatch.setattr(score_store.time, "monotonic", lambda: clock_s[0])
    entry = score_store.Entry("a", "a", "a", "made", 1.0, RATE_HZ, 1.0, None, np.zeros(1), np.zeros((1, 3), np.float32))
    with pytest.raises(KeyboardInterrupt), score_store.write_store(tmp_path / "s.parquet", SPECIES, True) as writer:
        for number in range(1, 96 * 12 + 1):
            clock_s[0] = 300.0 * number
            writer.add(entry)
        raise KeyboardInterrupt
    # Five minutes each up to 250 minutes, then a fiftieth of the run or more: at most 50 and 50 ln(96 h / 250 min).
    parts = parts_of(tmp_path / "s.parquet")
    assert 100 < len(parts) <= 50 + 50 * np.log(96 * 60 / 250) + 1
    lengths = [pq.ParquetFile(part).metadata.num_rows for part in parts]
    assert lengths[:50] == [1] * 50
    assert sum(lengths) == 96 * 12


def test_one_new_file_costs_one_file(folder, model_dir, capsys):
    score_shard(model_dir)
    assert "4 computed, 0 kept" in capsys.readouterr().out
    before = score_store.Store("data/shard-0.parquet", SPECIES).entry("site 0/r0.flac")
    score_shard(model_dir)
    assert "0 computed, 4 kept" in capsys.readouterr().out
    write_sound(folder / "sound/new.wav", 2.0, 9)
    score_shard(model_dir)
    assert "1 computed, 4 kept" in capsys.readouterr().out
    after = score_store.Store("data/shard-0.parquet", SPECIES).entry("site 0/r0.flac")
    np.testing.assert_array_equal(after.scores, before.scores)
    write_sound(folder / "sound/new.wav", 2.0, 10)
    score_shard(model_dir, {**PARAMS, "merge_gap_s": 3.0, "batch_size": 9})
    assert "1 computed, 4 kept" in capsys.readouterr().out
    score_shard(model_dir, {**PARAMS, "step_s": 0.25})
    assert "5 computed, 0 kept" in capsys.readouterr().out
    score_shard(model_dir, {**PARAMS, "step_s": 0.25, "window_s": 0.75})
    assert "5 computed, 0 kept" in capsys.readouterr().out
    score_shard(model_dir, {**PARAMS, "step_s": 0.25, "window_s": 0.75, "channel": 0})
    assert "5 computed, 0 kept" in capsys.readouterr().out, "a channel is other sound than the mix"
    (folder / "data/shard-0.parquet").write_bytes(b"damaged")
    score_shard(model_dir)
    assert "data/shard-0.parquet: not a usable file of window scores" in (said := capsys.readouterr()).err
    assert "starting over" in said.err
    assert "5 computed, 0 kept" in said.out
    (folder / "sound/new.wav").unlink()
    score_shard(model_dir)
    assert "4 recordings: 0 computed, 4 kept from before, 1 no longer needed" in capsys.readouterr().out


def test_a_recording_that_could_not_be_scored_is_tried_again(folder, model_dir, capsys):
    (folder / "sound/bad.mp3").write_bytes(b"no sound at all")
    for _ in range(2):
        score_shard(model_dir)
    assert "1 computed, 4 kept from before, 0 no longer needed; 1 left out" in capsys.readouterr().out


def test_a_damaged_recording_is_scored_again(folder, model_dir, capsys, own_groups):
    score_shard(model_dir)
    path = folder / "data/shard-0.parquet"
    good = path.read_bytes()
    scores = pq.ParquetFile(path).metadata.row_group(1).column(2)
    damaged = bytearray(good)
    damaged[scores.data_page_offset - 1] ^= 1  # the last of the values, which lie before the page that counts them
    path.write_bytes(damaged)
    capsys.readouterr()
    score_shard(model_dir)
    said = capsys.readouterr()
    assert "1 computed, 3 kept" in said.out
    assert "not a usable file of window scores" in said.err
    assert "making site 0/r2.flac again" in said.err
    assert path.read_bytes() == good


def test_scores_of_another_model_are_not_kept(folder, model_dir, capsys):
    score_shard(model_dir)
    shutil.copytree(model_dir, folder / "model")
    with zipfile.ZipFile(folder / "model/model.keras", "a") as archive:
        archive.writestr("note", "the same model, in another file")
    score_shard(folder / "model")
    assert "4 computed, 0 kept" in capsys.readouterr().out


def test_scores_depend_on_the_code_of_the_network_and_of_the_kind_of_features():
    def version(network, kind):
        return detector.code_version({"model": {"name": network}, "dataset": {"features": {"kind": kind}}})

    pairs = [("svm", "log_mel"), ("logistic_regression", "log_mel"), ("svm", "pcen")]
    assert len({version(*pair) for pair in pairs}) == 3


def test_scores_depend_on_the_file_that_the_kind_of_features_reads(folder, model_dir, capsys, monkeypatch):
    for content, expected in (("a", "4 computed"), ("a", "0 computed"), ("b", "4 computed")):
        monkeypatch.setattr("dawnchorus.features.kinds.input_hashes", lambda features, content=content: [content])
        score_shard(model_dir)
        assert expected in capsys.readouterr().out


def test_embeddings_of_another_model_file_than_that_of_the_training_are_one_line(folder, capsys):
    """What a model was trained with is known by its content: a file of the same name and shapes is another."""
    matrix = projection(RATE_HZ // 2, 12)
    file = write_keras(folder / "weights/tiny.keras", matrix)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    block = {
        **{"kind": "embedding", "sample_rate_hz": RATE_HZ, "n_fft": 512, "hop_length": 4000, "deltas": 0},
        **{"clip": "window", "window_s": 1.0, "jitter_s": 0.0, "context_clips": 0, "context_gap_s": 0.5},
        **{"model": "weights/tiny.keras", "model_name": None, "model_licence": None, "model_window_s": 0.5},
        **{"model_peak": None, "dimensions": 12, "output": None},
    }
    card = card_of(block, frames=5)
    card["dataset"] |= {"offset": [0.0], "scale": [1.0], "feature_files": [digest]}
    card["model"] = {"name": "ridge", "l2": None}
    vectors = np.random.default_rng(0).normal(size=(30, 5, 12)).astype(np.float32)
    rows = np.arange(30)
    model, _ = pooled.fit(networks.get("ridge"), vectors, rows % 3, rows, rows[:0], 3, {**card, "train": {"epochs": 1,
                          "learning_rate": 0.1, "early_stopping_patience": None}}, None, print)  # fmt: skip
    saved_model.save(model, {key: value for key, value in card.items() if key != "format"}, folder / "m/model.keras")
    calibration = {"temperature": 1.0, "thresholds": dict.fromkeys(SPECIES, 0.5)}
    (folder / "m/calibration.json").write_text(json.dumps(calibration))
    assert cli.main(command(folder / "m", "sound")) == 0
    capsys.readouterr()

    write_keras(file, -2 * matrix)
    other = hashlib.sha256(file.read_bytes()).hexdigest()
    before = (folder / "out/events.csv").read_bytes()
    assert cli.main(command(folder / "m", "sound")) == 1
    expected = f"expected {digest}, of the file that {folder / 'm/model.keras'} was trained with"
    line = f'error: features.model: "weights/tiny.keras": SHA-256 {other}; {expected}\n'
    assert capsys.readouterr().err == line
    assert (folder / "out/events.csv").read_bytes() == before


def test_nothing_to_score_loads_no_network_and_no_sound(folder, model_dir):
    score_shard(model_dir)
    heavy = "'tensorflow', 'keras', 'librosa', 'soundfile', 'soxr', 'scipy', 'pandas', 'sklearn'"
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from dawnchorus.stages import window_scores;"
        f"window_scores.main(sys.argv[1:]); print(*{{{heavy}}} & set(sys.modules))"
    )
    source = str(Path(window_scores.__file__).parents[2])
    command = [sys.executable, "-c", code, source, *arguments_of_scores(model_dir)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = found.stdout.splitlines()
    assert "0 computed, 4 kept" in first
    assert second == ""


def test_a_fingerprint_changes_with_its_own_shard_only(folder):
    def prints():
        return sounds.fingerprints("sound", 3, HashCache("cache.json"))

    before = prints()
    write_sound(folder / "sound/new.wav", 1.0, 3)
    assert sum(a != b for a, b in zip(before, prints(), strict=True)) == 1
    assert all("nowhere" in said for said in sounds.fingerprints("nowhere", 3, HashCache("cache.json")))


def test_an_unreadable_file_is_named_and_the_rest_is_complete(folder, model_dir, capsys):
    (folder / "sound/bad.mp3").write_bytes(b"no sound at all")
    with pytest.raises(InputError, match=r"sound/bad\.mp3: unreadable: Format not recognised"):
        score_shard(model_dir, {**PARAMS, "on_bad_recording": "stop"})
    assert not (folder / "data/shard-0.parquet").exists()
    score_shard(model_dir)
    assert "error: sound/bad.mp3: unreadable" in capsys.readouterr().err
    gather_all(model_dir)
    out = folder / "reports/detections"
    problems = pd.read_csv(out / "problems.csv")
    assert problems["path"].tolist() == ["sound/bad.mp3"]
    assert problems["problem"][0].startswith("unreadable")
    assert pd.read_csv(out / "scores.csv")["path"].nunique() == 4
    assert "sound/bad.mp3" in (folder / "reports/detections.html").read_text()


def while_exchanged(path, work, back):
    """Return what ``work`` gives while another recording lies in the place of one, which is put back or not."""
    whole, beside = path.read_bytes(), Path("other.flac")
    write_sound(beside, 5.0, 77)
    beside.replace(path)
    found = work()
    if back:
        beside.write_bytes(whole)
        beside.replace(path)
    return found


@pytest.mark.parametrize("back", [False, True])
def test_a_recording_that_is_exchanged_while_it_is_scored_is_no_result(folder, model_dir, monkeypatch, capsys, back):
    planned = sounds.fingerprints("sound", 1, HashCache("cache.json"))
    target, score = folder / "sound/site 1/r1.flac", scoring.score

    def exchanged(path, *given):
        if path != "sound/site 1/r1.flac":
            return score(path, *given)
        return while_exchanged(target, lambda: score(path, *given), back)

    monkeypatch.setattr(scoring, "score", exchanged)
    says = r"sound/site 1/r1\.flac: changed while it was listened to; expected no change, run again"
    with pytest.raises(InputError, match=says):
        score_shard(model_dir, {**PARAMS, "on_bad_recording": "stop"})
    # Where bad recordings are left out this one is, but no record says so of a recording that is whole.
    with pytest.raises(InputError, match="sound: recordings: changed while it was listened to"):
        window_scores.main([*arguments_of_scores(model_dir), "--audio", *planned])
    score_shard(model_dir)
    assert "r1.flac: changed while it was listened to" in capsys.readouterr().err


def test_recordings_that_are_not_those_that_were_planned_are_no_result(folder, model_dir):
    (folder / "sound/bad.mp3").write_bytes(b"no sound at all")
    planned = sounds.fingerprints("sound", 1, HashCache("cache.json"))
    window_scores.main([*arguments_of_scores(model_dir), "--audio", *planned])
    write_sound(folder / "sound/site 0/r2.flac", 5.0, 77)
    with pytest.raises(InputError, match="sound: recordings: changed while it was listened to"):
        window_scores.main([*arguments_of_scores(model_dir), "--audio", *planned])


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


def results(out):
    """Return the files that are of single recordings."""
    return sorted(
        path.relative_to(out).as_posix()
        for kind in ("raven", "audacity", "pictures")
        for path in (out / kind).rglob("*")
        if path.is_file()
    )


def test_the_command_again_leaves_nothing_of_recordings_that_are_gone(folder, model_dir):
    command = ("--model", model_dir, "--output", "out", "--threads", "2", "--pictures", "4")
    run_detect("sound", *command)
    assert len(results(folder / "out")) == 4 * 3
    (folder / "out/raven/my own notes.txt").write_text("to keep")
    (folder / "sound/site 0/r0.flac").unlink()
    (folder / "sound/site 0/r2.flac").unlink()
    (folder / "sound/site 1/r1.flac").write_bytes(b"broken")
    run_detect("sound", *command, "--keep-going")
    names = ("audacity/r3.flac.txt", "pictures/r3.flac.png", "raven/my own notes.txt", "raven/r3.flac.selections.txt")
    assert results(folder / "out") == sorted(names)
    # A picture that is no longer asked for, and a submission, are results of another run too.
    listed = json.loads((folder / "out/results.json").read_text())
    (folder / "out/results.json").write_text(json.dumps({"files": [*listed["files"], "submission.csv"]}))
    (folder / "out/submission.csv").write_text("old")
    run_detect("sound", *command[:-1], "0", "--keep-going")
    assert "pictures/r3.flac.png" not in results(folder / "out")
    assert not (folder / "out/submission.csv").exists()


def test_folders_of_recordings_that_are_gone_go_too(folder, model_dir):
    shutil.copy(folder / "sound/site 0/r0.flac", folder / "sound/site 1/r0.flac")
    sites = [f"sound/site {number}/r0.flac" for number in (0, 1)]
    run_detect(*sites, "--model", model_dir, "--output", "out")
    assert "raven/sound/site 0/r0.flac.selections.txt" in results(folder / "out")
    run_detect(sites[1], "--model", model_dir, "--output", "out")
    assert results(folder / "out/raven") == []
    assert [path.name for path in (folder / "out/raven").iterdir()] == ["r0.flac.selections.txt"]


@pytest.mark.parametrize(("channel", "raven_channel"), [("mix", "1"), ("0", "1"), ("1", "2")])
def test_raven_counts_channels_from_one(folder, model_dir, channel, raven_channel):
    y, rate_hz = soundfile.read(folder / "sound/site 0/r0.flac")
    soundfile.write(folder / "stereo.flac", np.stack([y, y], axis=1), rate_hz)
    run_detect("stereo.flac", "--model", model_dir, "--output", "out", "--channel", channel)
    for name in ("raven/stereo.flac.selections.txt", "raven.selections.txt"):
        table = pd.read_csv(folder / "out" / name, sep="\t", dtype=str)
        assert len(table) > 0
        assert set(table["Channel"]) == {raven_channel}


def test_the_command_of_the_page_needs_no_folder_for_its_results(folder, model_dir):
    page = (Path(__file__).parents[1] / "docs/detection.md").read_text()
    [line] = re.findall(r"^    dawnchorus detect ([^#\n]*)", page, re.MULTILINE)
    words = {"models": model_dir, "AUDIO...": "sound"}
    run_detect(*(words.get(word, word) for word in line.split()))
    assert (folder / "detections/detections.html").exists()


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
        "absent": "no such file", "text": "not a model", "version": "model format 99",
        "features": "card: dataset.features: missing",
        "classes": "not a usable model: its scores have the shape", "calibration": "other classes",
    }[what]  # fmt: skip
    with pytest.raises(InputError, match=expected) as caught:
        run_detect("sound", "--model", broken, "--output", "out")
    assert "\n" not in str(caught.value)


def change_card(path, what):
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


@pytest.mark.parametrize("paths", [("../x.wav", "x.wav"), ("/a/x.wav", "a/x.wav")])
def test_two_files_that_would_have_one_name_are_not_one_given_twice(paths):
    with pytest.raises(InputError, match=f"{paths[1]}: would be called {paths[1]} in the results, and so would"):
        sounds.named(paths)


def command(model_dir, *words):
    return ["detect", "--model", str(model_dir), "--output", "out", "--threads", "1", *map(str, words)]


LONG = "ä" * 121  # 242 bytes: a file may be called so, but not its table for Raven


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--sample-submission", "nowhere.csv"], "nowhere.csv: no such file; expected a CSV table"),
        (["--sample-submission", "sound"], "sound: expected a CSV table, found no file"),
        (["--sample-submission", "species.csv"], "species.csv:1: column snine: expected species of the model"),
        (["--sample-submission", "lacking.csv"], "lacking.csv:2: column recording_id: 'r9': expected a recording"),
        (["more/r0.wav", "--sample-submission", "good.csv"], "good.csv: 'r0' is the id of two recordings"),
        (["--output", "good.csv"], "good.csv: expected a folder to write into, but"),
        (["--output", "good.csv/out"], "good.csv/out: expected a folder to write into, but"),
        (["--output", "taken"], "taken/raven: not a folder; expected no such name, or a folder"),
        (["--output", "busy"], "busy/raven/r0.flac.selections.txt: a folder; expected no such name, or a file"),
        (["--output", "x" * 300], "x{300}: expected a folder to write into, but File name too long"),
        (["--output", "/".join(["x" * 200] * 30)], "r0.flac: its results would have a path of more than 4000 bytes"),
        ([f"{LONG}.wav"], f"{LONG}.wav: its results would be called .* bytes; expected names of at most 240 bytes"),
        (["--window-s", "600", "--batch-size", "4096"], "detections.window_s: 600: .* the windows alone take"),
        (["--step-s", "0.0005"], "detections.step_s: 0.0005: .* over each other"),
        (["sound"], r"r\d.flac: given twice"),
    ],
)
def test_what_can_be_known_is_said_before_anything_is_scored(folder, model_dir, monkeypatch, capsys, words, expected):
    monkeypatch.setattr(detector.Detector, "updating", lambda *_: pytest.fail("scored"))
    (folder / "species.csv").write_text("recording_id,ss0,snine\nr0,0,0\n")
    (folder / "lacking.csv").write_text("recording_id,ss0\nr9,0\n")
    (folder / "good.csv").write_text("recording_id,ss0\nr0,0\n")
    (folder / "taken").mkdir()
    (folder / "taken/raven").write_text("")
    (folder / "busy/raven/r0.flac.selections.txt").mkdir(parents=True)
    for name in ("more/r0.wav", f"{LONG}.wav"):
        write_sound(folder / name, 1.0, 1)
    before = sorted(folder.rglob("*"))
    assert cli.main(command(model_dir, "sound", *words)) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert re.match(f"error: .*{expected}", line)
    assert sorted(folder.rglob("*")) == before


def test_a_list_of_recordings_has_lines_as_any_system_ends_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["a\u2028b.wav", "a\x0bb.wav", "a\x85b.wav"]
    Path("list.txt").write_bytes("\r\n".join(["\ufeff", *names]).encode())
    assert [sound.path for sound in sounds.find("list.txt")] == names
    for text, said in ((b"a\n\xff.wav\n", "list.txt:2: .*UTF-8"), (b"a" * 1_000_001, "list.txt:1: .*characters")):
        Path("list.txt").write_bytes(text)
        with pytest.raises(InputError, match=said):
            sounds.find("list.txt")


def test_every_file_bad_is_an_error_and_some_are_named(folder, model_dir, capsys):
    for name in ("bad 1.wav", "bad 2.wav"):
        (folder / name).write_bytes(b"no sound")
    assert cli.main(command(model_dir, "bad 1.wav", "bad 2.wav", "--keep-going")) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines[:2]] == ["bad 1.wav", "bad 2.wav"]
    assert lines[2].startswith("error: none of the 2 recordings could be scored; the first: bad 1.wav: ")
    assert pd.read_csv(folder / "out/problems.csv")["path"].tolist() == ["bad 1.wav", "bad 2.wav"]
    assert cli.main(command(model_dir, "sound", "bad 1.wav", "--keep-going")) == 0
    said = capsys.readouterr()
    assert said.err.startswith("error: bad 1.wav: unreadable")
    assert "events in 4 recordings; 1 left out, see out/problems.csv; look and listen" in said.out
    assert cli.main(command(model_dir, "sound", "bad 1.wav")) == 1
    (folder / "sound").rename(folder / "kept")
    (folder / "sound").mkdir()
    (folder / "sound/bad.wav").write_bytes(b"no sound")
    score_shard(model_dir)
    with pytest.raises(InputError, match=r"none of the 1 recordings could be scored; the first: sound/bad.wav: "):
        gather_all(model_dir)


def test_a_bad_recording_of_a_submission_leaves_the_other_results(folder, model_dir, capsys):
    (folder / "bad.wav").write_bytes(b"no sound")
    (folder / "sample.csv").write_text("recording_id,ss0\nr0,0\nbad,0\n")
    words = ("sound", "bad.wav", "--keep-going", "--sample-submission", "sample.csv")
    assert cli.main(command(model_dir, *words)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: sample.csv:3: column recording_id: 'bad': expected a recording with scores")
    assert (folder / "out/detections.html").exists()
    assert not (folder / "out/submission.csv").exists()


FORGED = "x\nerror: forged\r\x1b[2J\t\u202e\u2028.wav"
SHOWN = r"x\nerror: forged\r\x1b[2J\t\u202e\u2028.wav"


@pytest.mark.parametrize("content", ["sound", "none"])
def test_a_name_cannot_forge_a_line_or_a_cell(folder, model_dir, capfd, content):
    write_sound(folder / "in" / FORGED, 3.0, 0)
    if content == "none":
        (folder / "in" / FORGED).write_bytes(b"no sound")
    code = cli.main(command(model_dir, "in", "--keep-going", "--pictures", "1"))
    said = capfd.readouterr()
    assert code == (content == "none")
    if content == "none":
        code = cli.main(command(model_dir, "in"))
        said = capfd.readouterr()
        assert code == 1
        assert said.err == f"error: in/{SHOWN}: {said.err.partition('.wav: ')[2]}"
        assert (folder / "out/problems.csv").read_text().splitlines()[1].startswith(f"in/{SHOWN},")
    written = [path for path in (folder / "out").rglob("*") if path.suffix in (".txt", ".csv", ".html")]
    for text in (said.out, said.err, *(path.read_text() for path in written), *map(str, written)):
        assert not re.search(r"(?m)^error: forged|[\r\x1b\u202e\u2028]", text)
        assert "\nerror: forged" not in text
    if content == "sound":
        events = pd.read_csv(folder / "out/events.csv")
        assert set(events["path"]) == {f"in/{SHOWN}"}
        [row, *_] = readers.read(folder / "out/raven.selections.txt", "raven", {})[1]
        assert row.cells["recording_id"] == SHOWN.removesuffix(".wav")
        assert (folder / f"out/raven/{SHOWN}.selections.txt").exists()
        assert (folder / f"out/pictures/{SHOWN}.png").exists()
        assert SHOWN in (folder / "out/detections.html").read_text()


def test_names_that_become_one_are_refused(folder, model_dir, capsys):
    for name in ("a\n.wav", r"a\n.wav"):
        write_sound(folder / name, 1.0, 0)
    assert cli.main(command(model_dir, "a\n.wav", r"a\n.wav")) == 1
    assert capsys.readouterr().err == r"error: a\n.wav: two recordings would be called so in the results; " + (
        "expected names that differ\n"
    )
    assert cli.main(command(model_dir, "a\n.wav", "./a\n.wav")) == 1
    assert capsys.readouterr().err.startswith(r"error: ./a\n.wav: given twice (a\n.wav)")


def test_a_name_that_is_not_utf_8_is_one_line(folder, model_dir, capfd):
    name = os.fsdecode(b"caf\xe9.wav")
    write_sound(folder / "in/cafe.wav", 2.0, 0)
    os.rename(folder / "in/cafe.wav", folder / "in" / name)
    assert cli.main(command(model_dir, "in")) == 1
    [line] = capfd.readouterr().err.splitlines()
    assert line == r"error: in/caf\udce9.wav: the name is not UTF-8; expected one that is: rename it"
    assert cli.main(command(model_dir, "in", "sound", "--keep-going")) == 0
    assert r"in/caf\udce9.wav,the name is not UTF-8" in (folder / "out/problems.csv").read_text()
    assert "Traceback" not in capfd.readouterr().err
    assert cli.main([*command(model_dir, "sound"), "--output", os.fsdecode(b"r\xe9sultats")]) == 1
    assert capfd.readouterr().err == "error: r\\udce9sultats: expected a folder whose name is UTF-8\n"


def test_the_workflow_leaves_a_name_that_is_not_utf_8_out(folder, model_dir, capfd):
    os.rename(folder / "sound/site 0/r0.flac", folder / "sound/site 0" / os.fsdecode(b"caf\xe9.flac"))
    assert len(sounds.fingerprints("sound", 3, HashCache(folder / "hashes.json"))) == 3
    for shard in range(3):
        score_shard(model_dir, PARAMS, shard, 3)
    assert r"caf\udce9.flac: the name is not UTF-8; expected one that is: rename it; left out" in capfd.readouterr().err
    gather_all(model_dir, shards=3)
    assert r"caf\udce9.flac,the name is not UTF-8" in (folder / "reports/detections/problems.csv").read_text()
    assert len(pd.read_csv(folder / "reports/detections/events.csv")["path"].unique()) == 3


def test_a_recording_whose_rate_does_not_fit_the_model_is_left_out(folder, capfd):
    """The network hears each file at its own rate, with bands that a file of a low rate does not have."""
    block = {**BLOCK, "sample_rate_hz": None, "mel_sample_rate_hz": None}
    card = card_of(block, frames=81)
    card["model"] = {"name": "logistic_regression", "l2": 0.0}
    model = model_of(scoring.Recipe.of_card(card, "m"))
    (folder / "own").mkdir()
    saved_model.save(model, {key: value for key, value in card.items() if key != "format"}, folder / "own/model.keras")
    (folder / "own/calibration.json").write_text(
        json.dumps({"temperature": 1.0, "thresholds": dict.fromkeys(SPECIES, 0.5)})
    )
    y, _ = soundfile.read(folder / "sound/site 0/r0.flac")
    soundfile.write(folder / "sound/low.wav", y, 11_025)
    said = "sound/low.wav: features.f_max_hz: 7000: expected at most 5512.5, half the rate of 11025 Hz"
    assert cli.main(command(folder / "own", "sound")) == 1
    assert said in capfd.readouterr().err
    assert cli.main(command(folder / "own", "sound", "--keep-going")) == 0
    assert f"{said}; left out" in capfd.readouterr().err
    assert (
        'sound/low.wav,"features.f_max_hz: 7000: expected at most 5512.5, half'
        in (folder / "out/problems.csv").read_text()
    )


@pytest.mark.parametrize("what", ["pipe", "device", "folder"])
def test_what_is_no_recording_is_not_waited_for(folder, model_dir, capsys, what):
    path = folder / "x.wav"
    os.mkfifo(path) if what == "pipe" else path.symlink_to("/dev/zero") if what == "device" else None
    target = sounds.Sound("x.wav" if what != "folder" else "sound", "x.wav", "x")
    found = detector.Detector(model_dir / "model.keras", model_file.read_card(model_dir / "model.keras"), {**PARAMS}, 1)
    incremental.ended(found.updating(folder / "scores.parquet", [target]))
    assert len(found.bad) == 1
    words = "a folder, not a file" if what == "folder" else "not a regular file"
    assert f"{target.path}: unreadable: {words}; left out" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model/review_thresholds.json", "model/model.keras", "model/calibration.json"])
def test_a_pipe_in_the_folder_of_the_model_is_one_line(folder, model_dir, capsys, name):
    shutil.copytree(model_dir, folder / "model")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert cli.main(command("model", "sound")) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {name}: ")


def test_a_pipe_in_the_place_of_scores_is_one_line(folder, model_dir, capsys):
    (folder / "out").mkdir()
    os.mkfifo(folder / "out/window-scores.parquet")
    assert cli.main(command(model_dir, "sound")) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out/window-scores.parquet: no file")
    os.mkfifo(folder / "scores.parquet")
    with pytest.raises(InputError, match=r"not a usable file of window scores: .*not a regular file"):
        score_store.Store(folder / "scores.parquet", SPECIES)


@pytest.mark.parametrize("name", ["zz\nerror: forged", "n" * 300])
def test_an_option_cannot_forge_a_line_whatever_it_is_called(folder, model_dir, capsys, name):
    submission = ["--sample-submission", name]
    for words in (command(name, "sound"), command(model_dir, name), [*command(model_dir, "sound"), *submission]):
        assert cli.main(words) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert "--verbose" not in line


def test_a_link_to_its_own_folder_does_not_make_a_file_many(folder, model_dir):
    (folder / "sound/again").symlink_to(".")
    (folder / "sound/site 0/other").symlink_to("../site 1")
    (folder / "sound/aaa.flac").symlink_to("site 0/r0.flac")
    os.link(folder / "sound/site 1/r1.flac", folder / "sound/site 1/zzz.flac")
    run_detect("sound", "--model", model_dir, "--output", "out", "--threads", "2")
    paths = sorted(pd.read_csv(folder / "out/scores.csv")["path"].unique())
    assert paths == [f"sound/site {number % 2}/r{number}.flac" for number in (0, 2, 1, 3)]


@pytest.mark.long
def test_detection_refuses_what_the_audit_refuses_in_its_words(folder, model_dir, capsys):
    """Every kind of bad file in one folder: a line each, and a row each; the good ones are scored."""
    refused = write_refused(folder / "sound/bad")
    expected = {f"sound/bad/{name}": audio.inspect(folder / "sound/bad" / name)[1] for name in refused}
    assert None not in expected.values()
    assert cli.main([*command(model_dir, "sound"), "--keep-going"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert sorted(lines) == sorted(f"error: {path}: {problem}; left out" for path, problem in expected.items())
    problems = pd.read_csv(folder / "out/problems.csv").set_index("path")["problem"].to_dict()
    assert problems == expected
    assert pd.read_csv(folder / "out/scores.csv")["path"].nunique() == 4
    for name in set(refused) - {"folder.wav"}:  # which is a folder of recordings when it is named itself
        assert cli.main(command(model_dir, f"sound/bad/{name}")) == 1
        assert capsys.readouterr().err == f"error: sound/bad/{name}: {expected[f'sound/bad/{name}']}\n"


def test_the_fingerprint_of_recordings_waits_for_nothing(folder):
    from dawnchorus.foundation.hashes import HashCache

    write_refused(folder / "sound/bad")
    first = sounds.fingerprints("sound", 1, HashCache("cache.json"))
    (folder / "sound/bad/pipe.wav").unlink()
    assert sounds.fingerprints("sound", 1, HashCache("cache.json")) != first
    os.mkfifo(folder / "list")
    assert "list: a named pipe" in sounds.fingerprints("list", 1, HashCache("cache.json"))[0]


def with_card(model_dir, folder, change):
    """Copy a model, its card changed by ``change(card)``."""
    shutil.copytree(model_dir, folder)
    with zipfile.ZipFile(folder / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    card = json.loads(members["dawnchorus.json"])
    change(card)
    members["dawnchorus.json"] = json.dumps(card).encode()
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder


def test_boxes_of_raven_have_the_band_of_their_species(folder, model_dir):
    """As far as the card says it, and no higher than the sound goes."""
    bands = {"bands_hz": [[400.5, 800], [3000, RATE_HZ], None]}
    banded = with_card(model_dir, folder / "model", lambda card: card.update(bands))
    score_shard(banded)
    gather_all(banded)
    rows = readers.read(folder / "reports/detections/raven.selections.txt", "raven", {})[1]
    found = {(row.cells["species_id"], float(row.cells["f_min"]), float(row.cells["f_max"])) for row in rows}
    expected = {("s0", 400.5, 800.0), ("s1", 3000.0, RATE_HZ / 2), ("s2", 50.0, 7000.0)}
    assert {("s0", 400.5, 800.0), ("s1", 3000.0, RATE_HZ / 2)} <= found <= expected


def test_a_model_that_cannot_score_is_told_from_bad_sound(folder, model_dir, capsys):
    def damage(card):
        card["dataset"]["features"]["f_min_hz"] = 7500.0  # above f_max_hz, 7000

    broken = with_card(model_dir, folder / "model", damage)
    assert cli.main([*command(broken, "sound"), "--keep-going"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {broken}/model.keras: ")
    assert "f_min_hz" in line
    assert not (folder / "out").exists()
