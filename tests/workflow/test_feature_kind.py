"""A kind of features that somebody adds in one file goes all the way to the report, whatever it reads."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from project import Project, rules_of

from dawnchorus.learning import model_file
from embedding_models import expected, projection, write_keras

SPECTRAL_CONTRAST = '''"""Spectral contrast: how far peaks stand out of valleys, octave by octave."""

from dawnchorus.features.kinds import Kind
from dawnchorus.parameters.base import Block, value

KIND = Kind("spectral contrast", "dB", "octave")


class Params(Block):
    """The octaves."""

    n_octaves: int = value(4, "octaves above the lowest one", ge=1, le=10)
    lowest_hz: float = value(200.0, "upper edge of the lowest octave", gt=0)


def n_features(params):
    return params["n_octaves"] + 1


def frames(y, sample_rate_hz, params):
    import librosa

    return librosa.feature.spectral_contrast(
        y=y,
        sr=sample_rate_hz,
        n_fft=params["n_fft"],
        hop_length=params["hop_length"],
        n_bands=params["n_octaves"],
        fmin=params["lowest_hz"],
    )
'''

PROJECTION = '''"""The power spectrum through a matrix of the user's own."""

from dawnchorus.features.kinds import Kind
from dawnchorus.parameters.base import Block, value

KIND = Kind("projection", inputs=("matrix",))


class Params(Block):
    """The matrix."""

    matrix: str = value(..., "path of an .npy file, (n_features, 1 + n_fft // 2)")
    n_rows: int = value(3, "rows of the matrix", ge=1)


def n_features(params):
    return params["n_rows"]


def frames(y, sample_rate_hz, params):
    import librosa
    import numpy as np

    spectrum = np.abs(librosa.stft(y, n_fft=params["n_fft"], hop_length=params["hop_length"]))
    return np.load(params["matrix"]) @ np.log1p(spectrum)
'''
MEL_KEYS = ("n_mels", "f_min_hz", "f_max_hz", "mel_sample_rate_hz")


def project_with(path, name, text, **own) -> Project:
    """Return a project whose features are of a kind that stands in one new file."""
    project = Project.create(path, dvc=False)
    (project.path / f"src/dawnchorus/features/kinds/{name}.py").write_text(text)
    params = project.params()
    common = {key: value for key, value in params["features"].items() if key not in MEL_KEYS}
    project.write_params({**params, "features": {**common, "kind": name, **own}})
    return project


def test_spectral_contrast_in_one_file_goes_to_the_report(tmp_path):
    project = project_with(
        tmp_path / "project", "spectral_contrast", SPECTRAL_CONTRAST, n_octaves=4, lowest_hz=200.0, deltas=1
    )
    project.run("snakemake", "--cores", "2")
    assert np.load(project.path / "data/dataset/x.npy").shape[2] == 2 * 5
    svg = (project.path / "reports/figures/examples.svg").read_text(encoding="utf-8")
    assert "spectral contrast (dB)" in svg
    assert "octave" in svg
    page = (project.path / "reports/report.html").read_text(encoding="utf-8")
    assert "spectral contrast (dB), by octave, the lowest at the bottom" in page
    assert 'alt="spectral contrast of' in page
    wrong = project.path / "params.yaml"
    wrong.write_text(wrong.read_text().replace("n_octaves: 4", "n_octaves: 40"))
    assert "features.n_octaves: 40: expected " in project.run("snakemake", "-n", check=False).stdout


def test_a_file_that_a_kind_reads_is_an_input_a_dependency_and_part_of_the_signature(tmp_path):
    project = project_with(tmp_path / "project", "projection", PROJECTION, matrix="raw/matrix.npy", n_rows=3)
    matrix = project.path / "raw/matrix.npy"
    np.save(matrix, np.eye(3, 129))
    shard = "data/features/shard-0-of-8.zip"
    command = ("snakemake", "--cores", "2", "--", shard)
    first = project.run(*command).stdout
    assert "3 computed, 0 kept" in first
    assert rules_of(project.run(*command).stdout) == {}
    np.save(matrix, np.eye(3, 129) * 2)
    again = project.run(*command).stdout
    assert rules_of(again) == {"features": 1}
    assert "3 computed, 0 kept" in again
    project.run("env", "PYTHONPATH=src", "python", "-m", "dawnchorus.workflow.dvc_file")
    stages = yaml.safe_load((project.path / "dvc.yaml").read_text())["stages"]
    for stage in ("features", "figures", "report"):
        assert "${features.matrix}" in stages[stage]["deps"]
        assert "src/dawnchorus/features/kinds/${features.kind}.py" in stages[stage]["deps"]
    assert not any("matrix" in str(stages[stage]["deps"]) for stage in ("dataset", "model", "evaluation"))
    matrix.unlink()
    assert "matrix.npy" in project.run(*command, check=False).stdout


@pytest.mark.table
def test_a_pretrained_model_goes_to_the_report_and_is_opened_no_second_time(tmp_path):
    project = Project.create(tmp_path / "project", dvc=False)
    params = project.params()
    common = {key: value for key, value in params["features"].items() if key not in MEL_KEYS}
    own = {
        **{"model": "weights/tiny.keras", "model_name": "Tiny", "model_licence": "CC BY <4.0>", "output": None},
        **{"model_window_s": 0.5, "model_peak": None, "dimensions": 24},
    }
    common |= {"kind": "embedding", "sample_rate_hz": 8000, "hop_length": 2000}
    common |= {"clip": "window", "window_s": 0.5, "jitter_s": 0.0}
    params["dataset"]["clip_normalization"] = "none"
    params["model"] = {"name": "ridge", "l2": None}
    params["presence"] |= {"network": "gru", "pool_frames": 1, "stretch_s": 2.0, "margin_s": 0.25, "units": 4}
    params["presence"] |= {"epochs": 1, "steps": 2, "batch_size": 2, "overlay_share": 0.0, "band_shift": 0.0}
    params["presence"] |= {"equalizer_db": 0.0, "frequency_masks": 0}
    project.write_params({**params, "features": {**common, **own}})
    model = project.path / "weights/tiny.keras"
    said = project.run("snakemake", "--cores", "2", check=False)
    assert said.returncode
    assert 'features.model: "weights/tiny.keras": no such file; expected a file to read' in said.stdout
    model.parent.mkdir()
    matrix = projection(4000, 24)
    write_keras(model, matrix)

    project.run("snakemake", "--cores", "2")
    x = np.load(project.path / "data/dataset/x.npy")
    assert x.shape[2] == 24
    row = pd.read_csv(project.path / "data/dataset/rows.csv", dtype={"recording_id": str}).iloc[0]
    sound, _ = soundfile.read(project.path / f"raw/audio/{row['recording_id']}.wav", dtype="float32")
    start = round(((row["t_min_s"] + row["t_max_s"]) / 2 - 0.25) * 8000)
    np.testing.assert_allclose(x[0, 0], expected(matrix, sound[start : start + 4000]), rtol=1e-3, atol=1e-5)
    assert json.loads((project.path / "reports/headline.json").read_text())
    detectors = pd.read_csv(project.path / "reports/detection_baselines.csv")["model"].to_list()
    assert detectors[:2] == ["presence network", "ridge on windows"]
    assert model_file.read_card(project.path / "models/presence.keras")["feature_files"]
    page = (project.path / "reports/report.html").read_text(encoding="utf-8")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert model_file.read_card(project.path / "models/model.keras")["dataset"]["feature_files"] == [digest]
    assert f"Tiny, weights/tiny.keras, SHA-256 {digest}. Licence of its weights: CC BY &lt;4.0&gt;." in page

    # Nothing changed: no model is opened. Another model: all its embeddings are made anew.
    assert rules_of(project.run("snakemake", "--cores", "2").stdout) == {}
    shard = "data/features/shard-0-of-8.zip"
    write_keras(model, -2 * matrix)
    again = project.run("snakemake", "--cores", "2", "--", shard).stdout
    assert rules_of(again) == {"features": 1}
    assert "3 computed, 0 kept" in again
    # What is no model is one line.
    model.write_text("no model")
    damaged = project.run("snakemake", "--cores", "2", "--", shard, check=False)
    assert damaged.returncode
    assert "error: weights/tiny.keras: not a usable Keras file: " in damaged.stdout
