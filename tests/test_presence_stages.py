"""Detection by presence from features to what users get: one tiny network is trained, and the real stages run on it."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.special import expit, logit

from dawnchorus.annotations import readers
from dawnchorus.commands import cli
from dawnchorus.detection import score_store
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import sha256_of
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.learning import dataset as data_files
from dawnchorus.learning import model_file
from dawnchorus.stages import (
    dataset,
    detection_metrics,
    evaluation,
    features,
    model,
    presence,
    presence_calibration,
    recording_scores,
    svm_scores,
)
from dawnchorus.tables import definitions, made
from dawnchorus.workflow import params_file

pytestmark = pytest.mark.long

RATE_HZ, RECORDING_S, CALL_S = 8000, 8.0, 0.5
PITCH_HZ = {"low": 600.0, "high": 2400.0}
BAND_HZ = {"low": (500.0, 700.0), "high": (2200.0, 2600.0)}
PARTS = ("train",) * 5 + ("validation",) * 2 + ("test",) * 3
VALUES = {
    "features": {"sample_rate_hz": RATE_HZ, "n_fft": 256, "hop_length": 128, "n_mels": 16, "f_max_hz": None,
                 "context_clips": 0},
    "presence": {"stretch_s": 3.0, "margin_s": 0.5, "widths": [8, 8], "units": 8, "dropout": 0.0, "epochs": 8,
                 "steps": 10, "batch_size": 8, "learning_rate": 0.02, "ema_momentum": 0.0, "band_shift": 0.0,
                 "equalizer_db": 0.0, "frequency_masks": 0},
    "train": {"background_share": 0.0, "early_stopping_patience": None},
    "evaluation": {"bootstrap_draws": 100},
}  # fmt: skip


def params_of(**changes) -> dict:
    values = params_file.defaults(model="logistic_regression")
    for block, of in {**VALUES, **changes}.items():
        values[block] |= of
    return params_file.canonical(values)


class Made:
    """A folder in which the stages run one after the other, each given the values that its rule hands it."""

    def __init__(self, path: Path):
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def files(self, **names) -> list[str]:
        return [part for key, name in names.items() for part in (f"--{key.replace('_', '-')}", str(self.path / name))]

    def run(self, stage, params: dict, *more: str, **names: str) -> None:
        name = stage.__name__.rpartition(".")[2]
        stage.main([*self.files(**names), "--params", params_file.handed_to(name, params), *more])

    def dataset(self) -> list[str]:
        return [str(self.path / f"data/dataset/{name}") for name in data_files.FILES]


def calls_of(number: int) -> list[tuple[str, float]]:
    """Return what calls from when on in a recording: both species, one after the other and at once."""
    first = 1.0 + 0.13 * number
    return [("low", first), ("high", first + 1.7), ("low", first + 3.4), ("high", first + 3.6), ("high", first + 5.0)]


def write_tables(folder: Made) -> None:
    """Write recordings of two species, each a tone in noise, and one recording without a call, with their tables."""
    recordings, annotations, split = [], [], []
    for number, partition in enumerate((*PARTS, "")):
        name, rng = f"r{number:02}" if partition else "quiet", np.random.default_rng(number)
        sound, time_s = 0.01 * rng.standard_normal(round(RECORDING_S * RATE_HZ)), np.arange(RATE_HZ * CALL_S) / RATE_HZ
        for species_id, onset_s in calls_of(number) if partition else ():
            first = round(onset_s * RATE_HZ)
            sound[first : first + len(time_s)] += 0.1 * np.sin(2 * np.pi * PITCH_HZ[species_id] * time_s)
            key = {"annotation_id": len(annotations), "recording_id": name}
            of_call = {"species_id": species_id, "species_name": f"the {species_id} one", "songtype_id": "1"}
            of_call |= {"t_min_s": onset_s, "t_max_s": onset_s + CALL_S}
            of_call |= dict(zip(("f_min_hz", "f_max_hz"), BAND_HZ[species_id], strict=True))
            annotations.append({**key, **of_call})
            split.append({**key, "group": name, "partition": partition})
        (folder / "sound").mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"sound/{name}.wav", sound, RATE_HZ, subtype="FLOAT")
        facts = {
            "sha256": sha256_of(folder / f"sound/{name}.wav"),
            "duration_s": RECORDING_S,
            "sample_rate_hz": RATE_HZ,
            "channels": 1,
        }
        facts |= {"n_samples": round(RECORDING_S * RATE_HZ), "inspected_with": ""}
        recordings.append({"recording_id": name, "path": f"{name}.wav", **facts})
    for name, table, rows in (
        ("recordings", definitions.RECORDINGS, recordings),
        ("annotations", definitions.ANNOTATIONS, annotations),
        ("false_positives", definitions.FALSE_POSITIVES, []),
        ("unknown", definitions.UNKNOWN, []),
        ("split", definitions.SPLIT, split),
    ):
        made.write(folder / f"data/{name}.csv", table, rows)


def train(folder: Made, params: dict) -> None:
    """Run the stages from features to the networks."""
    folder.run(
        features, params, "--shard", "0", "--shards", "1", recordings="data/recordings.csv",
        annotations="data/annotations.csv", false_positives="data/false_positives.csv", audio_dir="sound",
        output="data/shard.zip", negatives="data/negatives.zip", whole="data/whole.zip",
    )  # fmt: skip
    folder.run(
        dataset, params, "--output", *folder.dataset(), shards="data/shard.zip", annotations="data/annotations.csv",
        negatives="data/negatives.zip", false_positives="data/false_positives.csv", split="data/split.csv",
    )  # fmt: skip
    folder.run(
        model, params, "--threads", "2", "--dataset", *folder.dataset(), model="models/model.keras",
        history="models/history.csv", classes="models/classes.csv",
    )  # fmt: skip
    train_presence(folder, params)


def train_presence(folder: Made, params: dict, models: str = "models") -> None:
    folder.run(
        presence, params, "--threads", "2", shards="data/whole.zip", rows="data/dataset/rows.csv",
        classes="data/dataset/classes.csv", recordings="data/recordings.csv", unknown="data/unknown.csv",
        false_positives="data/false_positives.csv", model=f"{models}/presence.keras",
        history=f"{models}/presence_history.csv", rounds=f"{models}/presence_rounds.npz",
    )  # fmt: skip


def score(folder: Made, params: dict, out: str) -> None:
    """Score the held-out recordings by all detectors but the SVM, into a folder."""
    folder.run(
        recording_scores, params, "--threads", "2", model="models/model.keras", presence="models/presence.keras",
        rows="data/dataset/rows.csv", recordings="data/recordings.csv", audio_dir="sound",
        held_out=f"{out}/held_out.csv", scores=f"{out}/scores.parquet", presence_scores=f"{out}/presence.parquet",
        energy=f"{out}/energy.parquet",
    )  # fmt: skip


def measure(folder: Made, params: dict) -> None:
    """Run the stages from the networks to the metrics of detection."""
    score(folder, params, "data")
    folder.run(
        svm_scores, params, "--threads", "2", "--dataset", *folder.dataset(), held_out="data/held_out.csv",
        recordings="data/recordings.csv", audio_dir="sound", scores="data/svm.parquet",
        calibration="data/svm_calibration.json",
    )  # fmt: skip
    tables = {name: f"reports/{name}.csv" for name in evaluation.TABLES}
    folder.run(
        evaluation, params, "--threads", "2", "--dataset", *folder.dataset(), model="models/model.keras",
        presence_scores="data/presence.parquet", metrics="reports/metrics.json",
        calibration="models/calibration.json", **tables,
    )  # fmt: skip
    calibrate(folder, params)
    measure_detection(folder, params)


def measure_detection(
    folder: Made, params: dict, calibration: str = "models", windows: str = "data", reports: str = "reports"
) -> None:
    """Run the stage of the metrics of detection by the calibration of presence, and with the windows, of a folder."""
    tables = {name: f"{reports}/{name}.csv" for name in detection_metrics.TABLES}
    folder.run(
        detection_metrics, params, scores=f"{windows}/scores.parquet", presence_scores="data/presence.parquet",
        energy="data/energy.parquet", svm_scores="data/svm.parquet", svm_calibration="data/svm_calibration.json",
        held_out="data/held_out.csv", rows="data/dataset/rows.csv", unknown="data/unknown.csv",
        model="models/model.keras", calibration="models/calibration.json",
        presence="models/presence.keras", presence_calibration=f"{calibration}/presence_calibration.json",
        metrics=f"{reports}/detection_metrics.json", **tables,
    )  # fmt: skip


def calibrate(
    folder: Made, params: dict, output: str = "models/presence_calibration.json", windows: str = "data/scores.parquet"
) -> None:
    folder.run(
        presence_calibration, params, scores="data/presence.parquet", window_scores=windows,
        held_out="data/held_out.csv", rows="data/dataset/rows.csv", classes="data/dataset/classes.csv",
        unknown="data/unknown.csv", output=output,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Made:
    """The folder after all stages."""
    folder = Made(tmp_path_factory.mktemp("presence"))
    write_tables(folder)
    train(folder, params_of())
    measure(folder, params_of())
    return folder


def detect(folder: Path, out: Path, models: Path, *words: str) -> pd.DataFrame:
    """Run `dawnchorus detect` on the recordings of test, and return its events."""
    names = [row["path"] for row in made.read(folder / "data/held_out.csv", definitions.HELD_OUT) if is_of_test(row)]
    options = ["--model", str(models), "--output", str(out), "--threads", "2", "--pictures", "0", "--events", "0"]
    assert cli.main(["detect", *options, *words, *(str(folder / "sound" / name) for name in names)]) == 0
    return pd.read_csv(out / "events.csv")


def is_of_test(row: dict) -> bool:
    return row["partition"] == "test"


KEYS = ["recording_id", "species_id", "start_s", "end_s"]


def assert_same(users: pd.DataFrame, ours: pd.DataFrame) -> None:
    users, ours = (of[[*KEYS, "score"]].sort_values(KEYS, ignore_index=True) for of in (users, ours))
    pd.testing.assert_frame_equal(users, ours, check_dtype=False, rtol=0, atol=1e-5)


def test_users_get_the_events_that_are_measured(ready, tmp_path):
    """`dawnchorus detect` on the same recordings finds what the table of events says, bounds and scores."""
    users = detect(ready.path, tmp_path / "out", ready / "models").rename(columns={"peak_score": "score"})
    table = pd.read_csv(ready / "reports/detection_events.csv")
    assert_same(users, table[table["outcome"] != "miss"])
    # The recordings are easy: each of the five calls of each is there, with bounds of its own, not those of a window.
    calls = [(f"r{number:02}", *call) for number in (7, 8, 9) for call in calls_of(number)]
    assert len(users) == len(calls)
    for recording_id, species_id, onset_s in calls:
        of = users[(users["recording_id"] == recording_id) & (users["species_id"] == species_id)]
        assert (abs(of["start_s"] - onset_s) < 0.15).sum() == (abs(of["end_s"] - onset_s - CALL_S) < 0.15).sum() == 1


@pytest.fixture(scope="module")
def fused(ready) -> Path:
    """The folder of models, with a calibration by which windows of another length count beside frames."""
    models = ready / "fused"
    shutil.copytree(ready / "models", models)
    params = params_of(detections={"window_s": 1.5, "step_s": 0.4})
    score(ready, params, "fused")
    calibrate(ready, params, "fused/presence_calibration.json", "fused/scores.parquet")
    path = models / "presence_calibration.json"
    said = json.loads(path.read_text())
    # Ten calls do not decide that windows count.
    assert said["fusion"] == {"weight": 0.0, "window_s": 1.5, "step_s": 0.4, "segment_average_precision": {}}
    path.write_text(json.dumps({**said, "fusion": {**said["fusion"], "weight": 0.5}}))
    return models


def test_users_get_the_events_that_are_measured_where_windows_count_beside_frames(ready, fused, tmp_path):
    """Windows lie as they did in the calibration, whatever the options of windows; so events and scores are the same.

    And they are those of the numbers put together by hand.
    """
    users = detect(ready.path, tmp_path / "out", fused).rename(columns={"peak_score": "score"})
    measure_detection(ready, params_of(), "fused", "fused", "of_fused")
    table = pd.read_csv(ready / "of_fused/detection_events.csv")
    assert_same(users, table[table["outcome"] != "miss"])
    alone = detect(ready.path, tmp_path / "alone", ready / "models").rename(columns={"peak_score": "score"})
    assert len(users) > 0
    assert not np.allclose(users["score"].sum(), alone["score"].sum())

    scores = pd.read_parquet(tmp_path / "out/scores.parquet")
    ids = [row["species_id"] for row in made.read(ready / "data/dataset/classes.csv", definitions.CLASSES)]
    decisions = json.loads((fused / "presence_calibration.json").read_text())["decisions"]
    for name in ("r07", "r08", "r09"):
        frames, windows = (
            next(of for of in score_store.Stores([path], ids) if of.recording_id == name)
            for path in (ready / "data/presence.parquet", fused / "scores.parquet")
        )
        assert (windows.window_s, np.diff(windows.starts_s).round(6).tolist()[0]) == (1.5, 0.4)
        middles_s = frames.starts_s + frames.window_s / 2
        said = [
            windows.scores[(windows.starts_s <= middle_s) & (middle_s < windows.starts_s + 1.5)].mean(axis=0)
            for middle_s in middles_s
        ]
        fused_by_hand = frames.scores * np.clip(said, 1e-3, 1) ** 0.5
        for index, species_id in enumerate(ids):
            of = decisions[species_id]
            assert of["smoothing_s"] < frames.window_s
            odds = logit(fused_by_hand[:, index]) * of["presence_slope"] + of["presence_offset"]
            mine = scores[scores["recording_id"] == name][f"score_{species_id}"]
            np.testing.assert_allclose(mine, expit(odds), atol=1e-4)


def test_bad_recordings_are_said_once_and_what_is_scored_is_kept_where_windows_count(ready, fused, tmp_path, capsys):
    (tmp_path / "bad.wav").write_bytes(b"RIFF of nothing")
    words = ["--model", str(fused), "--output", str(tmp_path / "out"), "--pictures", "0", "--events", "0"]
    words += ["--keep-going", str(ready / "sound/r07.wav"), str(tmp_path / "bad.wav")]
    before = None
    for _ in range(2):
        assert cli.main(["detect", *words]) == 0
        assert capsys.readouterr().err.count("bad.wav") == 1
        assert len(pd.read_csv(tmp_path / "out/problems.csv")) == 1
        kept = [(tmp_path / f"out/{name}-scores.parquet").read_bytes() for name in ("window", "clip")]
        assert before in (None, kept)
        before = kept


def test_a_folder_without_the_network_whose_windows_count_is_one_line(ready, fused, tmp_path, capsys):
    models = tmp_path / "models"
    shutil.copytree(fused, models)
    (models / "model.keras").unlink()
    words = ["--model", str(models), "--output", str(tmp_path / "out"), str(ready / "sound/r07.wav")]
    assert cli.main(["detect", *words]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {models / 'model.keras'}: no such file; expected the network that names clips: frames of "
        "presence.keras count times its windows (fusion.weight 0.5)"
    )
    assert not (tmp_path / "out").exists()


def test_boxes_in_raven_have_the_band_that_the_species_has_in_the_training(ready, tmp_path):
    detect(ready.path, tmp_path / "out", ready / "models")
    rows = readers.read(tmp_path / "out/raven.selections.txt", "raven", {})[1]
    found = {row.cells["species_id"]: (float(row.cells["f_min"]), float(row.cells["f_max"])) for row in rows}
    assert found == BAND_HZ
    assert model_file.read_card(ready / "models/presence.keras")["bands_hz"] == [
        list(BAND_HZ[name]) for name in ("high", "low")
    ]


def test_scores_of_frames_are_what_users_get_of_every_recording(ready, tmp_path):
    detect(ready.path, tmp_path / "out", ready / "models")
    scores = pd.read_parquet(tmp_path / "out/scores.parquet")
    frame_s = 4 * 128 / RATE_HZ
    n_frames = -(-(1 + round(RECORDING_S * RATE_HZ) // 128) // 4)
    assert scores.groupby("recording_id").size().tolist() == [n_frames] * 3
    np.testing.assert_allclose(scores["end_s"] - scores["start_s"], frame_s, atol=1e-5)
    # Two species at once are two present ones: no softmax.
    both = scores[
        (scores["recording_id"] == "r07") & scores["start_s"].between(*np.add(calls_of(7)[3][1], (0.05, 0.15)))
    ]
    assert len(both) > 0
    calm = scores[(scores["recording_id"] == "r07") & (scores["start_s"] < 0.7)]
    for species_id in ("low", "high"):
        assert both[f"score_{species_id}"].min() > calm[f"score_{species_id}"].max()


def test_windows_are_used_where_they_are_asked_for_or_nothing_else_is_there(ready, tmp_path):
    asked = detect(ready.path, tmp_path / "asked", ready / "models", "--windows")
    assert len(asked)
    by_presence = detect(ready.path, tmp_path / "presence", ready / "models")
    assert not asked[KEYS].equals(by_presence[KEYS])
    alone = tmp_path / "models"
    alone.mkdir()
    for name in ("model.keras", "calibration.json"):
        shutil.copy(ready / f"models/{name}", alone)
    pd.testing.assert_frame_equal(detect(ready.path, tmp_path / "alone", alone), asked)
    # As of a run that asked for no presence network.
    train_presence(ready, params_of(presence={"network": "none"}), "of_none")
    for name in ("presence.keras", "presence_history.csv"):
        shutil.copy(ready / f"of_none/{name}", alone)
    assert made.read(alone / "presence_history.csv", definitions.PRESENCE_HISTORY) == []
    pd.testing.assert_frame_equal(detect(ready.path, tmp_path / "none", alone), asked)
    # Presence is taken where it is, and asks for its own calibration.
    shutil.copy(ready / "models/presence.keras", alone)
    shutil.copy(ready / "models/presence_calibration.json", alone)
    pd.testing.assert_frame_equal(detect(ready.path, tmp_path / "both", alone), by_presence)


def test_windows_cannot_find_calls_of_one_class(ready):
    one = made.read(ready / "data/dataset/classes.csv", definitions.CLASSES)[:1]
    made.write(ready / "data/one.csv", definitions.CLASSES, one)
    expected = (
        f"data/one.csv: only class '{one[0]['species_id']}'; expected two or more, because presence.network is none"
    )
    with pytest.raises(InputError, match=expected):
        ready.run(
            presence, params_of(presence={"network": "none"}), "--threads", "2", shards="data/whole.zip",
            rows="data/dataset/rows.csv", classes="data/one.csv", recordings="data/recordings.csv",
            unknown="data/unknown.csv", false_positives="data/false_positives.csv", model="of_one/presence.keras",
            history="of_one/presence_history.csv", rounds="of_one/presence_rounds.npz",
        )  # fmt: skip
    assert not (ready / "of_one/presence.keras").exists()


class Captured(Exception):
    """Raised in place of a training."""


def test_answers_train_and_validate_nothing(ready, monkeypatch):
    """A recording that only reviews name trains by its answered second alone; a no about a validation recording says
    nothing, one about a training recording does.
    """
    recordings = made.read(ready / "data/recordings.csv", definitions.RECORDINGS)
    unknown = [{"recording_id": name, "t_min_s": 0.0, "t_max_s": 0.9, "species_id": "low"} for name in ("r00", "r05")]
    unknown.append({"recording_id": "quiet", "t_min_s": 0.0, "t_max_s": RECORDING_S, "species_id": ""})
    facts = {"annotation_id": 0, "species_name": "", "songtype_id": "", "f_min_hz": None, "f_max_hz": None}
    absent = [
        {
            **facts,
            "recording_id": name,
            "species_id": "low",
            "t_min_s": start_s,
            "t_max_s": start_s + 0.9,
            "from_reviews": of,
        }
        for name, start_s, of in (("r00", 0.0, "beside"), ("r05", 0.0, "beside"), ("quiet", 4.0, "alone"))
    ]
    marked = [{**row, "from_reviews": "alone" if row["recording_id"] == "quiet" else ""} for row in recordings]
    made.write(ready / "reviewed/recordings.csv", definitions.RECORDINGS, marked)
    made.write(ready / "reviewed/unknown.csv", definitions.UNKNOWN, unknown)
    made.write(ready / "reviewed/false_positives.csv", definitions.FALSE_POSITIVES, absent)

    def capture(of_training, of_validation, *_):
        raise Captured(of_training, of_validation)

    monkeypatch.setattr("dawnchorus.learning.presence.train", capture)
    with pytest.raises(Captured) as caught:
        ready.run(
            presence, params_of(), "--threads", "2", shards="data/whole.zip", rows="data/dataset/rows.csv",
            classes="data/dataset/classes.csv", recordings="reviewed/recordings.csv",
            unknown="reviewed/unknown.csv", false_positives="reviewed/false_positives.csv",
            model="reviewed/presence.keras", history="reviewed/presence_history.csv",
            rounds="reviewed/presence_rounds.npz",
        )  # fmt: skip
    of_training, of_validation = caught.value.args
    low = [row["species_id"] for row in made.read(ready / "data/dataset/classes.csv", definitions.CLASSES)].index("low")
    # The recordings come in the order of their table, the quiet one last; the first second of r00 and r05 is unknown.
    assert (len(of_training), len(of_validation)) == (6, 2)
    frame_s = 4 * 128 / RATE_HZ
    first = slice(1, int(0.9 / frame_s) - 1)
    assert (of_training[0].targets[first, low] == 0).all()
    assert (of_validation[0].targets[first, low] == -1).all()
    heard = of_training[-1].targets
    assert (heard[:, 1 - low] == -1).all()
    assert set(np.unique(heard[:, low])) == {-1.0, 0.0}
    assert (heard[:, low] == 0).sum() == pytest.approx(0.9 / frame_s, abs=2)
    # A stretch is 3 s long: half of it on both sides of 0.9 s, where the recording has 8 s.
    assert len(heard) * frame_s == pytest.approx(3.9, abs=0.3)


def test_where_none_validates_the_last_part_of_each_training_recording_is_not_learned(ready, monkeypatch):
    """A fifth of its time; a recording that only reviews name, of which little is known, is learned from whole."""
    rows = made.frame(ready / "data/dataset/rows.csv", definitions.ROWS)
    made.write(ready / "parted/rows.csv", definitions.ROWS, rows[rows["partition"] != "validation"])
    recordings = made.read(ready / "data/recordings.csv", definitions.RECORDINGS)
    left = [row for row in recordings if row["recording_id"] not in ("r05", "r06")]
    marked = [{**row, "from_reviews": "alone" if row["recording_id"] == "quiet" else ""} for row in left]
    made.write(ready / "parted/recordings.csv", definitions.RECORDINGS, marked)
    unknown = [{"recording_id": "quiet", "t_min_s": 1.0, "t_max_s": RECORDING_S, "species_id": ""}]
    made.write(ready / "parted/unknown.csv", definitions.UNKNOWN, unknown)

    def captured(params, **names):
        with pytest.raises(Captured) as caught:
            ready.run(
                presence, params, "--threads", "2", shards="data/whole.zip",
                classes="data/dataset/classes.csv", false_positives="data/false_positives.csv",
                model="parted/presence.keras", history="parted/presence_history.csv",
                rounds="parted/presence_rounds.npz", **names,
            )  # fmt: skip
        return caught.value.args

    def capture(of_training, of_validation, *_):
        raise Captured(of_training, of_validation)

    monkeypatch.setattr("dawnchorus.learning.presence.train", capture)
    whole, _ = captured(
        params_of(), rows="data/dataset/rows.csv", recordings="data/recordings.csv", unknown="data/unknown.csv"
    )
    *learned, quiet = captured(
        params_of(), rows="parted/rows.csv", recordings="parted/recordings.csv", unknown="parted/unknown.csv"
    )[0]
    last = captured(
        params_of(), rows="parted/rows.csv", recordings="parted/recordings.csv", unknown="parted/unknown.csv"
    )[1]
    assert (len(learned), len(last)) == (5, 5)
    for of, first, end in zip(whole[:5], learned, last, strict=True):
        np.testing.assert_array_equal(np.concatenate([first.targets, end.targets]), of.targets)
        np.testing.assert_array_equal(np.concatenate([first.frames, end.frames]), of.frames)
        assert len(end.targets) == pytest.approx(len(of.targets) / 5, abs=1)
    # A second of which something is known, and half a stretch after it: 2.5 s of 8.
    assert len(quiet.targets) == pytest.approx(len(whole[0].targets) * 2.5 / RECORDING_S, abs=2)


def test_presence_names_clips_beside_the_model(ready):
    table = pd.read_csv(ready / "reports/baselines.csv").set_index("model")
    assert table.index[0] == "logistic_regression"
    row = table.loc["presence network"]
    assert (row["clips"], row["groups"], row["accuracy"]) == (15, 3, 1.0)
    assert row["advantage"] == table["accuracy"].iloc[0] - 1.0
    metrics = json.loads((ready / "reports/metrics.json").read_text())
    assert metrics["presence"]["clips"] == 15
    assert metrics["presence"]["accuracy"] == 1.0
    answers = pd.read_csv(ready / "reports/baseline_predictions.csv")
    of_presence = answers[answers["model"] == "presence network"]
    predictions = pd.read_csv(ready / "reports/predictions.csv")
    assert sorted(of_presence["annotation_id"]) == sorted(predictions["annotation_id"])
    truth = predictions.set_index("annotation_id")["true_species_id"][of_presence["annotation_id"]]
    said = np.where(of_presence["score_high"] > of_presence["score_low"], "high", "low")
    assert said.tolist() == truth.tolist()


def test_rows_of_detection_are_named_by_what_detects(ready):
    table = pd.read_csv(ready / "reports/detection_baselines.csv")
    assert table["model"].tolist() == [
        "presence network", "logistic_regression on windows", "SVM on windows", "energy in the species' band",
        "chance",
    ]  # fmt: skip
    presence_row, windows_row = table.iloc[0], table.iloc[1]
    assert presence_row["event_f1_iou30"] == 1.0
    assert presence_row["event_f1_iou30"] > windows_row["event_f1_iou30"] > 0
    metrics = json.loads((ready / "reports/detection_metrics.json").read_text())
    assert metrics["test"]["event_f1_iou30"] == presence_row["event_f1_iou30"]
    assert metrics["test"]["annotated_events"] == 15


def test_the_recording_without_a_call_counts_where_it_was_dealt(ready):
    held_out = {row["recording_id"]: row for row in made.read(ready / "data/held_out.csv", definitions.HELD_OUT)}
    n = {name: sum(row["partition"] == name for row in held_out.values()) for name in ("train", "validation", "test")}
    assert sum(n.values()) == len(PARTS) + 1
    metrics = json.loads((ready / "reports/detection_metrics.json").read_text())
    assert {name: metrics[name]["recordings"] for name in ("validation", "test")} == {
        name: n[name] for name in ("validation", "test")
    }


def test_a_calibration_that_is_damaged_or_of_another_model_is_one_line(ready, tmp_path, capsys):
    models = tmp_path / "models"
    shutil.copytree(ready / "models", models)
    path = models / "presence_calibration.json"
    good = json.loads(path.read_text())
    others = {**good, "decisions": {**good["decisions"], "owl": good["decisions"]["low"]}}
    for text, expected in (
        ("{", "not a calibration of presence"),
        (json.dumps(others), "of other classes than the model has (owl)"),
        (None, "no such file; expected what rule presence_calibration makes"),
    ):
        path.unlink() if text is None else path.write_text(text)
        words = ["--model", str(models), "--output", str(tmp_path / "out"), str(ready / "sound/r07.wav")]
        assert cli.main(["detect", *words]) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {path}: {expected}")
        assert not (tmp_path / "out").exists()


def test_the_presence_network_does_not_depend_on_the_one_that_names_clips(ready):
    """Neither by its values nor by its code; else each change of `model` would train it again."""
    one, other = params_of(), params_file.defaults(model="lstm")
    for block, of in VALUES.items():
        other[block] |= of
    other["train"]["epochs"] = 7
    assert params_file.handed_to("presence", params_file.canonical(other)) == params_file.handed_to("presence", one)
    for chosen in ("logistic_regression", "lstm"):
        chosen_by = {"networks": chosen, "features.kinds": "log_mel"}
        files = SourceCode().needed_by("stages.presence", chosen=chosen_by)
        assert not [path for path in files if path.parent.name == "networks"]


def test_training_again_gives_the_same_network(ready):
    train_presence(ready, params_of(), "again")
    one, other = (model_file.load(ready / f"{name}/presence.keras", 2)[0] for name in ("models", "again"))
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert (ready / "again/presence_history.csv").read_bytes() == (ready / "models/presence_history.csv").read_bytes()
    assert not list((ready / "again").glob("*checkpoint*"))


def test_another_aim_gives_other_thresholds_and_says_what_it_reaches(ready, capsys):
    aim = {"presence_calibration": {"aim": "false_alarms_per_hour", "false_alarms_per_hour": 2.0}}
    calibrate(ready, params_of(**aim), "other/presence_calibration.json")
    assert re.search(r"presence_calibration: fitted on 10 calls in \d validation recordings", capsys.readouterr().out)
    found = json.loads((ready / "other/presence_calibration.json").read_text())
    assert found["aim"] == {"false_alarms_per_hour": 2.0}
    assert set(found["decisions"]) == {"low", "high"}


class Handed(Exception):
    pass


def test_a_checkpoint_of_presence_is_of_every_input_all_values_and_the_code(ready, tmp_path, monkeypatch):
    """One that was made of anything else is never gone on with: half of the network would be of what is gone."""

    def handed(*given):
        raise Handed(given[-2])

    monkeypatch.setattr(presence.presence, "train", handed)
    shutil.copytree(ready / "data", tmp_path / "data")
    folder = Made(tmp_path)

    def key(params):
        with pytest.raises(Handed) as caught:
            train_presence(folder, params)
        path, found = caught.value.args[0]
        assert path == tmp_path / "models/presence_checkpoint.npz"
        return found

    first = key(params_of())
    assert key(params_of()) == first
    assert key(params_of(presence={**VALUES["presence"], "pseudo_label_rounds": 3})) == first
    found = {first}
    for name in ("dataset/rows.csv", "dataset/classes.csv", "recordings.csv", "unknown.csv", "false_positives.csv"):
        content = (tmp_path / "data" / name).read_bytes()
        # The same table in other bytes.
        (tmp_path / "data" / name).write_bytes(content.replace(b"\n", b"\r\n"))
        found.add(key(params_of()))
        (tmp_path / "data" / name).write_bytes(content)
    found.add(key(params_of(presence={**VALUES["presence"], "learning_rate": 0.007})))
    found.add(key({**params_of(), "seed": 99}))
    with monkeypatch.context() as patched:
        patched.setattr(presence, "content_of_set", lambda contents: "of other sound")
        found.add(key(params_of()))
    monkeypatch.setattr(SourceCode, "version_of", lambda self, *modules, **options: f"{modules}")
    found.add(key(params_of()))
    assert len(found) == 10
    assert key(params_of()) in found
