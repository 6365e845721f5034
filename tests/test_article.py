"""The article's recipe, computed anew in plain librosa, numpy and scikit-learn calls, against the stages."""

import json
import os
import warnings
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import yaml
from sklearn.model_selection import train_test_split

from arguments import audit_outputs, dataset_paths
from dawnchorus import networks
from dawnchorus.parameters.data import TABLES
from dawnchorus.stages import dataset, features, recordings, split

PRESET = yaml.safe_load((Path(__file__).parents[1] / "presets/article.yaml").read_text())
FRAMES = 400


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run the stages from the audit to the data set on made sound; return the rows of the table and the folder."""
    folder = tmp_path_factory.mktemp("article")
    rng = np.random.default_rng(0)
    rates_hz = [48000, 44100, 28000, 22050]
    rows = []
    for number in range(12):
        rate_hz = rates_hz[number % 4]
        time_s = np.arange(int(6.3 * rate_hz)) / rate_hz
        sound = 0.1 * rng.standard_normal(len(time_s)) * (1 + np.sin(2 * np.pi * rng.uniform(0.2, 2) * time_s))
        sound += 0.3 * np.sin(2 * np.pi * rng.uniform(500, 5000) * time_s)
        path = folder / "audio" / f"rec{number}.flac"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.5 * sound / np.abs(sound).max(), rate_hz)
        for species, (t_min, t_max) in enumerate([(0.0, 0.7331), (1.2345, 4.0), (4.00011, 6.3)]):
            rows.append((f"rec{number}", species, t_min, t_max))
    lines = ["recording_id,species_id,songtype_id,t_min,f_min,t_max,f_max"]
    lines += [f"{r},{s},1,{a},100,{b},2000" for r, s, a, b in rows]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    data = {**PRESET["data"], "source": "table", "annotations": "table.csv", "audio_dir": "audio"}
    data |= dict.fromkeys(TABLES, "table.csv")
    before = Path.cwd()
    os.chdir(folder)
    try:
        common = ["--params", json.dumps({**PRESET, "data": data})]
        recordings.main([*common, "--threads", "1", "--hash-cache", "hashes.json", *audit_outputs("recordings")])
        tables = ["--recordings", "recordings/recordings.csv", "--annotations", "recordings/annotations.csv"]
        for shard in range(2):
            place = ["--shard", str(shard), "--shards", "2", "--output", f"shard-{shard}.zip", "--audio-dir", "audio"]
            features.main([*common, *tables, *place])
        split.main([*common, *tables[2:], "--output", "split.csv"])
        boxes = ["--false-positives", "recordings/false_positives.csv"]
        features.main([*common, *tables[:2], "--annotations", boxes[1], *place, "--output", "no.zip"])
        shards = ["--shards", "shard-0.zip", "shard-1.zip", "--split", "split.csv"]
        shards += ["--output", *dataset_paths("dataset")]
        shards += ["--negatives", "no.zip", *boxes]
        dataset.main([*common, *tables[2:], *shards])
    finally:
        os.chdir(before)
    return rows, folder


def articles_features(rows, folder) -> np.ndarray:
    """The article's loop: load at 28 kHz, cut, MFCC, pad on both sides to 400 frames."""
    padded = []
    for recording_id, _, t_min, t_max in rows:
        y, sr = librosa.load(folder / "audio" / f"{recording_id}.flac", sr=28000)
        cut = y[round(t_min * sr) : round(t_max * sr)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mfcc = librosa.feature.mfcc(y=cut, n_mfcc=128, n_fft=255, hop_length=512)
        missing = FRAMES - mfcc.shape[1]
        padded.append(np.pad(mfcc, ((0, 0), (missing // 2, missing - missing // 2))))
    return np.array(padded)


def test_features_and_normalization_are_the_articles(made):
    rows, folder = made
    x = articles_features(rows, folder)
    x = (x - x.min()) / (x.max() - x.min())
    x = x / np.std(x)
    ours = np.load(folder / "dataset/x.npy").transpose(0, 2, 1)
    assert ours.shape == x.shape == (36, 128, 400)
    np.testing.assert_allclose(ours, x, rtol=1e-4, atol=1e-4 * np.abs(x).max())
    np.testing.assert_allclose(np.median(np.abs(ours - x)), 0, atol=1e-5)


def test_the_split_is_the_articles(made):
    rows, folder = made
    y = np.array([species for _, species, _, _ in rows])
    numbers = np.arange(len(rows))
    train, test = train_test_split(numbers, test_size=0.25, random_state=123, stratify=y)
    train, validation = train_test_split(train, test_size=0.25, random_state=123)
    lines = (folder / "split.csv").read_text().splitlines()[1:]
    partition = np.array([line.split(",")[-1] for line in lines])
    for name, expected in (("train", train), ("validation", validation), ("test", test)):
        assert sorted(np.flatnonzero(partition == name)) == sorted(expected)


@pytest.mark.parametrize("n_classes", [11, 24])
def test_the_network_has_the_articles_weights_layer_by_layer(n_classes):
    model = networks.get("article").build((400, 128), n_classes, PRESET["model"])
    # LSTM: 4 gates of (inputs 400 + recurrent 128 + bias) x 128; dense: (inputs + bias) x units.
    expected = {
        "lstm": 4 * (400 + 128 + 1) * 128,
        "dense_1": 129 * 128,
        "dense_2": 129 * 64,
        "dense_3": 65 * 48,
        "scores": 49 * n_classes,
    }
    assert {layer.name: layer.count_params() for layer in model.layers if layer.count_params()} == expected
    order = [type(layer).__name__ for layer in model.layers]
    assert order == ["Permute", "LSTM", "Dropout", "Dense", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"] == [0.2, 0.4, 0.4]
    assert model.output_shape == (None, n_classes)


def test_the_simplest_model_is_one_lstm_and_a_softmax():
    model = networks.get("simplest_lstm").build((400, 128), 24, {"units": 32})
    assert [layer.count_params() for layer in model.layers] == [0, 4 * (400 + 32 + 1) * 32, 33 * 24]


def test_the_articles_training_is_the_presets():
    train = PRESET["train"]
    assert (train["epochs"], train["batch_size"], train["shuffle"]) == (50, 72, False)
    assert train["early_stopping_patience"] is None
    assert train["learning_rate"] == 0.001  # Keras's default for Adam
