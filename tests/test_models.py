"""What trains a model on a data set and says so in its card; the stage, and what its checkpoints are of."""

import csv
import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import data_sets
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.learning import dataset, device, model_file, models, pooled, training
from dawnchorus.stages import model as stage
from training_clips import CLASSES, DEFAULT, FEATURES, FRAMES, clips

NAMES = pd.DataFrame({"class_index": range(CLASSES), "species_id": list("abc"), "species_name": ["x", "y", "z"]})
NETWORK = {"name": "article", "units": 4, "dense": [], "dropout": [0.5]}
PARAMS = {"seed": 1, "model": NETWORK, "train": {**DEFAULT["train"], "epochs": 2, "background_share": 0.5}}


def a_data_set(negatives=0):
    """Return 60 clips that jitter, a background of train and one of test, and negatives of class 1 in train."""
    x, y, _ = clips()
    rng = np.random.default_rng(0)
    block = {"kind": "log_mel", "deltas": 0, "clip": "window", "window_s": 1.0, "jitter_s": 0.1, "context_clips": 1}
    training_rows = {"row": range(40), "annotation_id": range(40), "n_frames": FRAMES, "first_start": 0}
    context_rows = {"row": [0, 1], "recording_id": ["p", "q"], "partition": ["train", "test"], "n_frames": FRAMES}
    lacking = pd.DataFrame({"class_index": [1, 0] * negatives, "partition": ["train", "test"] * negatives})
    lacking = lacking.assign(row=lacking.index, annotation_id=lacking.index, recording_id="r", n_frames=FRAMES)
    return data_sets.data_set(
        x,
        y,
        np.repeat(["train", "validation"], [40, 20]),
        NAMES,
        training=np.concatenate([x[:40], x[:40, :3]], axis=1),
        training_rows=pd.DataFrame({**training_rows, "last_start": 2}),
        context=rng.normal(size=(2, FRAMES, FEATURES)).astype(np.float32),
        context_rows=pd.DataFrame(context_rows),
        negatives=rng.normal(size=(2 * negatives, FRAMES, FEATURES)).astype(np.float32),
        negative_rows=lacking,
        statistics={"clip_normalization": "standard", "features": block},
    )


@pytest.fixture
def said(monkeypatch, eager):
    """Return a list that takes what is said; TensorFlow, which takes its number of threads once, is left alone."""
    monkeypatch.setattr(device, "prepare", lambda seed, threads: keras.utils.set_random_seed(seed) or "CPU")
    return []


def outputs(folder) -> list[str]:
    return [f"--model={folder}/model.keras", f"--history={folder}/history.csv", f"--classes={folder}/classes.csv"]


def test_stage_trains_on_all_that_the_data_set_has_and_saves_the_network_alone(tmp_path, capsys, said):
    data = a_data_set(negatives=3)
    words = ["--dataset", *data_sets.write(data, tmp_path / "data"), "--params", json.dumps(PARAMS), "--threads", "1"]
    stage.main([*words, *outputs(tmp_path / "out")])
    assert "3 clips that were checked and lack a species" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.keras", "history.csv", "classes.csv"}
    with open(tmp_path / "out/history.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert (tmp_path / "out/classes.csv").read_text() == (tmp_path / "data/classes.csv").read_text()
    plain = keras.saving.load_model(tmp_path / "out/model.keras")
    assert getattr(plain, "optimizer", None) is None
    found, card = model_file.load(tmp_path / "out/model.keras", 1)
    np.testing.assert_array_equal(found(data.x), plain(data.x))
    assert card["epochs_trained"] == 2
    assert card["classes"] == NAMES.to_dict("records")
    assert (card["dataset"], card["input_shape"]) == (data.statistics, [FRAMES, FEATURES])


def test_negatives_train_only_where_there_are_any_and_they_are_asked_for(said):
    def lacking(negatives, share):
        return models._negatives(a_data_set(negatives), share, said.append)

    assert lacking(0, 2.0) is lacking(3, 0) is None
    _, rows, classes = lacking(3, 2.0)
    assert (rows.tolist(), classes.tolist()) == ([0, 2, 4], [1, 1, 1])


def test_backgrounds_are_those_of_training_recordings(said):
    block = PARAMS["train"]
    assert models._clips_of_epochs(a_data_set(), block, said.append).usable.tolist() == [[0, FRAMES]]
    assert said == []
    data = a_data_set()
    data.context_rows["partition"] = "test"
    assert len(models._clips_of_epochs(data, block, said.append).usable) == 0
    assert "the training recordings have no clip without an annotation" in said[0]


def test_sound_without_a_call_of_training_recordings_alone_goes_to_who_takes_it(monkeypatch, said):
    given, fit = [], pooled.fit
    monkeypatch.setattr(pooled, "fit", lambda *args: given.append(args[-1]) or fit(*args))
    data = a_data_set()
    data.context_rows["n_frames"] = FRAMES - 2
    models.train(data, {**PARAMS, "model": {"name": "ridge", "l2": None}}, 1, said.append)
    clip = data.context[0, : FRAMES - 2].astype(np.float64)
    expected = np.pad((clip - clip.mean()) / clip.std(), ((0, 2), (0, 0)))
    np.testing.assert_allclose(given.pop(), expected[None], rtol=1e-4, atol=1e-5)
    assert "1 clips of training recordings without an annotation, as sound of no class" in said
    models.train(data, {**PARAMS, "model": {"name": "logistic_regression", "l2": 0.1}}, 1, said.append)
    assert given.pop() is None
    data.context_rows["partition"] = "test"
    models.train(data, {**PARAMS, "model": {"name": "ridge", "l2": None}}, 1, said.append)
    assert given.pop() is None


def test_the_root_seed_moves_first_weights_batches_and_classifiers(monkeypatch, said):
    started = []
    monkeypatch.setattr(training, "fit", lambda *args: started.append((args[0].get_weights()[0], args[6])) or [])
    for seed in (1, 1, 2):
        models.train(a_data_set(), {**PARAMS, "seed": seed}, 1, said.append)
    (weights, batches), (same_weights, same_batches), (other_weights, other_batches) = started
    np.testing.assert_array_equal(weights, same_weights)
    assert batches == same_batches != other_batches
    assert (weights != other_weights).any()
    block = {**PARAMS, "model": {"name": "logistic_regression", "l2": 0.01}}
    one, same, other = (
        models.train(a_data_set(), {**block, "seed": seed}, 1, said.append)[0].fitted["weights"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_half_precision_is_used_while_training_and_not_in_what_is_saved(monkeypatch, said):
    policies, fit = [], training.fit
    monkeypatch.setattr(device, "prepare", lambda seed, threads: "GPU: pretended")
    monkeypatch.setattr(training, "fit", lambda *args: policies.append(args[0].layers[-2].compute_dtype) or fit(*args))
    params = {**PARAMS, "train": {**PARAMS["train"], "epochs": 1}}
    for mixed in (True, False):
        params["train"]["mixed_precision"] = mixed
        model, _, _ = models.train(a_data_set(), params, 1, said.append)
        assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert policies == ["float16", "float32"]
    assert keras.config.dtype_policy().name == "float32"


def test_a_data_set_without_training_rows_is_one_line(said):
    data = a_data_set()
    data.rows["partition"] = "test"
    with pytest.raises(InputError, match=r"rows.csv: no row of partition train; expected rows to train on"):
        models.train(data, PARAMS, 1, said.append)


# Keras asks whether a softmax of one class was meant: here it is.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1:UserWarning:keras")
def test_one_class_alone_is_for_networks(said):
    data = a_data_set()
    data.rows["class_index"] = 0
    data = dataclasses.replace(data, classes=NAMES.iloc[:1])
    params = {**PARAMS, "model": {"name": "logistic_regression", "l2": 0.1}}
    with pytest.raises(InputError, match=r"model.name: logistic_regression: .* there is one class alone: 'a'"):
        models.train(data, params, 1, said.append)
    model, _, _ = models.train(data, {**PARAMS, "train": {**PARAMS["train"], "epochs": 1}}, 1, said.append)
    assert model.output_shape == (None, 1)


class Handed(Exception):
    pass


def test_a_checkpoint_is_of_every_input_all_parameters_and_the_code(tmp_path, monkeypatch):
    def handed(*args):
        raise Handed(args[-1])

    monkeypatch.setattr(models, "train", handed)
    files = [Path(path) for path in data_sets.write(a_data_set(3), tmp_path / "data")]
    monkeypatch.setattr(dataset, "open_dataset", lambda paths: None)

    def key(params=PARAMS):
        words = ["--dataset", *map(str, files), "--params", json.dumps(params), "--threads", "1"]
        with pytest.raises(Handed) as caught:
            stage.main([*words, *outputs(tmp_path)])
        path, found = caught.value.args[0]
        assert path == tmp_path / "checkpoint.npz"
        return found

    first, found = key(), {}
    assert key() == first
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        found[path.name] = key()
        path.write_bytes(content)
    assert len({first, *found.values()}) == 1 + len(dataset.FILES)
    assert key({**PARAMS, "seed": 2}) != first
    monkeypatch.setattr(SourceCode, "version_of", lambda self, *modules, **options: f"{modules} {options}")
    of_code = key()
    assert of_code != first
    monkeypatch.setattr(SourceCode, "version_of", lambda self, *modules, **options: "newer")
    assert key() not in (first, of_code)


def test_the_code_of_a_checkpoint_is_that_of_the_stage_with_its_network():
    code = SourceCode()
    named = {path.stem for path in code.needed_by("stages.model", chosen={"networks": "gru"})}
    assert {"training", "models", "fresh_clips", "gru", "_layers"} <= named
    assert not {"cnn", "report", "charts"} & named


@pytest.mark.long
def test_two_trainings_with_one_seed_are_the_same_in_processes_of_their_own(tmp_path, said):
    """The stage as the rule calls it, with Keras, and here."""
    x, y, _ = clips()
    data = data_sets.data_set(x, y, np.repeat(["train", "validation"], [40, 20]), NAMES)
    params = {**PARAMS, "train": {**PARAMS["train"], "background_share": 0.0}}
    words = ["--dataset", *data_sets.write(data, tmp_path / "data"), "--params", json.dumps(params), "--threads", "2"]
    env = {**os.environ, "PYTHONPATH": str(Path(stage.__file__).parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "dawnchorus.stages.model", *words, *outputs(tmp_path / "there")]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    assert Counter(line.split(":")[0] for line in done.stdout.splitlines())["model"] >= 5
    assert "model: CPU" in done.stdout or "model: GPU" in done.stdout
    stage.main([*words, *outputs(tmp_path / "here")])
    here, there = (pd.read_csv(tmp_path / run / "history.csv") for run in ("here", "there"))
    pd.testing.assert_frame_equal(here, there, check_exact=True)
