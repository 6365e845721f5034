"""Features equal plain librosa calls; the stage computes what changed and nothing else."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from dawnchorus.features import extraction, kinds, shards, tasks
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.parameters.base import Block
from dawnchorus.stages import features as stage
from dawnchorus.workflow import provenance
from embedding_models import projection, write_keras

ARTICLE = {
    "kind": "mfcc",
    "sample_rate_hz": 28_000,
    "n_fft": 255,
    "hop_length": 512,
    "n_mels": 128,
    "n_mfcc": 128,
    "f_min_hz": 0.0,
    "f_max_hz": None,
    "mel_sample_rate_hz": 22_050,
    "deltas": 0,
    "clip": "annotation",
    "window_s": 5.0,
    "jitter_s": 0.0,
    "context_clips": 0,
    "context_gap_s": 0.5,
}
LOG_MEL = {
    **ARTICLE,
    "kind": "log_mel",
    "n_fft": 1024,
    "hop_length": 256,
    "n_mels": 40,
    "f_min_hz": 200.0,
    "f_max_hz": 9_000.0,
    "mel_sample_rate_hz": None,
}
PCEN = {**LOG_MEL, "kind": "pcen"}
EMBEDDING = {
    **ARTICLE,
    **{"kind": "embedding", "model": "", "model_name": None, "model_licence": None, "model_peak": None},
    **{"model_window_s": 0.1, "dimensions": 5, "output": None},
}
OF_KIND = {"mfcc": ARTICLE, "log_mel": LOG_MEL, "pcen": PCEN, "embedding": EMBEDDING}
# Files that a kind reads, made by the test.
FILES = {("embedding", "model"): lambda path: write_keras(path / "model.keras", projection(2800, 5))}


def sound(seconds=1.3, rate_hz=28_000, seed=0):
    """A sweep in noise, quiet at first."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    y = np.sin(2 * np.pi * (500 + 2_000 * t) * t) * t / seconds
    return (y + np.random.default_rng(seed).normal(0, 0.01, len(t))).astype(np.float32)


def test_the_article_exactly():
    y = sound()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = librosa.feature.mfcc(y=y, n_mfcc=128, n_fft=255, hop_length=512)
    found = extraction.extract(y, 28_000, ARTICLE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.T, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("rate_hz", [28_000, 16_000])
def test_mfcc_of_the_audios_own_rate(rate_hz):
    changes = {"mel_sample_rate_hz": None, "n_fft": 512, "n_mels": 30, "n_mfcc": 13, "f_min_hz": 50.0}
    params = {**ARTICLE, **changes}
    expected = librosa.feature.mfcc(y=sound(), sr=rate_hz, n_mfcc=13, n_fft=512, hop_length=512, n_mels=30, fmin=50.0)
    np.testing.assert_allclose(extraction.extract(sound(), rate_hz, params), expected.T, rtol=1e-6, atol=1e-4)


def test_log_mel_is_decibels_of_the_mel_power():
    power = librosa.feature.melspectrogram(
        y=sound(), sr=28_000, n_fft=1024, hop_length=256, n_mels=40, fmin=200.0, fmax=9_000.0
    )
    expected = 10 * np.log10(np.maximum(power.astype(np.float64), 1e-10))
    np.testing.assert_allclose(extraction.extract(sound(), 28_000, LOG_MEL), expected.T, atol=1e-3)


def test_log_mel_does_not_depend_on_what_else_is_in_the_clip():
    quiet = 1e-4 * sound()
    loud_later = np.concatenate([quiet, sound(seed=1)])
    n_frames = len(quiet) // 256 - 4
    alone, before = (extraction.extract(y, 28_000, LOG_MEL)[:n_frames] for y in (quiet, loud_later))
    np.testing.assert_allclose(alone, before, atol=1e-3)
    assert extraction.extract(0 * quiet, 28_000, LOG_MEL) == pytest.approx(-100)


def test_pcen_by_its_definition():
    mel = 2.0**31 * librosa.feature.melspectrogram(
        y=sound(), sr=28_000, n_fft=1024, hop_length=256, n_mels=40, fmin=200.0, fmax=9_000.0, power=1.0
    ).astype(np.float64)
    t_frames = 0.06 * 28_000 / 256
    s = (np.sqrt(1 + 4 * t_frames**2) - 1) / (2 * t_frames**2)
    smooth, expected = mel[:, : int(np.ceil(3 * t_frames))].mean(axis=1), []
    for frame in mel.T:
        smooth = (1 - s) * smooth + s * frame
        expected.append((frame / (1e-6 + smooth) ** 0.8 + 10) ** 0.25 - 10**0.25)
    np.testing.assert_allclose(extraction.extract(sound(), 28_000, PCEN), expected, rtol=2e-3)


def test_pcen_of_steady_noise_is_steady_from_the_first_frame():
    y = np.random.default_rng(0).normal(0, 0.1, 28_000 * 3).astype(np.float32)
    found = extraction.extract(y, 28_000, PCEN).mean(axis=1)
    assert found[1:4].mean() == pytest.approx(found[100:].mean(), rel=0.1)


@pytest.mark.parametrize("params", [ARTICLE, LOG_MEL, PCEN], ids=lambda params: params["kind"])
@pytest.mark.parametrize("n_orders", [1, 2])
def test_deltas_are_appended(params, n_orders):
    plain = extraction.extract(sound(), 28_000, params)
    found = extraction.extract(sound(), 28_000, {**params, "deltas": n_orders})
    expected = [plain.T] + [
        librosa.feature.delta(plain.T, width=9, order=order, mode="nearest") for order in range(1, n_orders + 1)
    ]
    np.testing.assert_allclose(found, np.concatenate(expected).T, rtol=1e-4, atol=1e-3)
    assert found.shape[1] == extraction.n_features({**params, "deltas": n_orders})


@pytest.mark.parametrize("params", [ARTICLE, LOG_MEL, PCEN], ids=lambda params: params["kind"])
def test_the_shortest_clip_and_no_warning(params):
    params = {**params, "deltas": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n_samples in (params["n_fft"], params["n_fft"] + 1, 3_000):
            found = extraction.extract(sound()[-n_samples:], 28_000, params)
            assert found.shape == (1 + n_samples // params["hop_length"], extraction.n_features(params))
            assert np.isfinite(found).all()


def test_empty_bands_are_counted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        basis = librosa.filters.mel(sr=22_050, n_fft=255, n_mels=128)
    n_empty = (basis.sum(axis=1) == 0).sum()
    assert n_empty > 0
    said = extraction.remark(ARTICLE, 28_000)
    assert said == f"{n_empty} of 128 mel bands are narrower than an FFT bin, so always empty"
    assert extraction.remark(LOG_MEL, 28_000) is None


@pytest.mark.parametrize("name", kinds.names())
def test_a_kind_has_all_that_the_registry_asks_for(name, tmp_path):
    kind = kinds.get(name)  # which says what its file lacks
    assert isinstance(kind.KIND, kinds.Kind), f"{name}: KIND is no Kind"
    assert issubclass(kind.Params, Block), f"{name}: Params is no Block"
    keys = kind.Params.model_fields
    assert all(field.description for field in keys.values()), f"{name}: a key of Params has no meaning"
    assert set(kind.KIND.inputs) <= set(keys), f"{name}: KIND.inputs names a key that Params lacks"
    assert name in OF_KIND, f"{name}: no entry in OF_KIND of this test: say what its parameters are on 1.3 s at 28 kHz"
    params = OF_KIND[name] | {key: str(FILES[name, key](tmp_path)) for key in kind.KIND.inputs}
    kind.Params(**{key: params[key] for key in keys})
    assert extraction.extract(sound(), 28_000, params).shape[1] == kind.n_features(params)


def test_a_file_that_is_no_kind_is_said_to_lack_what_it_lacks(monkeypatch):
    monkeypatch.delattr("dawnchorus.features.kinds.pcen.n_features")
    monkeypatch.delattr("dawnchorus.features.kinds.pcen.KIND")
    with pytest.raises(InputError, match=r"features\.kind: pcen: its file lacks KIND, n_features; expected KIND"):
        extraction.extract(sound(), 28_000, PCEN)


@pytest.mark.parametrize("made", [np.zeros((40, 3)), np.zeros((143, 40))], ids=["too few frames", "turned"])
def test_a_kind_that_gives_another_shape_than_it_says_is_told_so(monkeypatch, made):
    monkeypatch.setattr("dawnchorus.features.kinds.log_mel.frames", lambda *_: made)
    with pytest.raises(ValueError, match=r"log_mel.frames: shape .*; expected \(n_features, frames\), \(40, 143\)"):
        extraction.extract(sound(), 28_000, LOG_MEL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "mel"}, "features.kind: 'mel': expected one of embedding, log_mel, mfcc, pcen"),
        ({"n_mfcc": 200}, "features.n_mfcc: 200: expected at most features.n_mels 128"),
        ({"f_min_hz": 9_000.0, "f_max_hz": 5_000.0}, "features.f_min_hz: 9000: expected less than"),
        ({"f_min_hz": 12_000.0}, "features.f_min_hz: 12000: expected less than half the rate of 22050 Hz"),
        ({"f_max_hz": 11_026.0}, "features.f_max_hz: 11026: expected at most 11025, half the rate of 22050 Hz"),
    ],
)
def test_values_that_do_not_fit_are_input_errors(changes, message):
    with pytest.raises(InputError, match=message):
        extraction.extract(sound(), 28_000, {**ARTICLE, **changes})


# the stage

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
TIMES = [(0.1, 0.9), (1.2, 2.0), (0.1, 0.9), (1.5, 3.0)]
N_SHARDS = 3


class Project:
    """A folder with recordings, their tables, and the command on them."""

    def __init__(self, folder):
        self.folder, self.params = folder, dict(ARTICLE)
        self.recordings, self.annotations = {}, []
        kinds = [("wav", 44_100, 1), ("flac", 48_000, 1), ("flac", 22_050, 2), ("ogg", 32_000, 2)]
        for number in range(12):
            suffix, rate_hz, channels = kinds[number % len(kinds)]
            recording_id = f"sub/rec {number}" if number % 5 == 0 else f"rec{number}"
            self.record(recording_id, f"{recording_id}.{suffix}", rate_hz, channels, seed=number)
            self.annotations += [(recording_id, *span) for span in TIMES[: 1 + number % 4]]

    def record(self, recording_id, path, rate_hz, channels, seed):
        file = self.folder / "audio" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(seed).uniform(-0.3, 0.3, (3 * rate_hz, channels))
        soundfile.write(file, samples, rate_hz)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        self.recordings[recording_id] = [recording_id, path, digest, 3.0, rate_hz, channels]

    def arguments(self, shard):
        with (self.folder / "recordings.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            columns = "recording_id,path,sha256,duration_s,sample_rate_hz,channels,n_samples,inspected_with"
            writer.writerow(columns.split(","))
            writer.writerows([*row, 1, "any"] for row in self.recordings.values())
        with (self.folder / "annotations.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            columns = "annotation_id,recording_id,species_id,species_name,songtype_id,t_min_s,t_max_s,f_min_hz,f_max_hz"
            writer.writerow(columns.split(","))
            for number, (recording_id, t_min_s, t_max_s) in enumerate(self.annotations):
                writer.writerow([number, recording_id, "0", "a bird", "1", t_min_s, t_max_s, "", ""])
        return [
            *("--recordings", str(self.folder / "recordings.csv")),
            *("--annotations", str(self.folder / "annotations.csv")),
            *("--audio-dir", str(self.folder / "audio")),
            *("--shard", str(shard), "--shards", str(N_SHARDS)),
            *("--params", json.dumps({"features": self.params})),
            *("--output", str(self.shard(shard))),
        ]

    def shard(self, number):
        return self.folder / "features" / f"shard-{number}.zip"

    def of_shard(self, number):
        return sorted(key for key in self.recordings if zlib.crc32(key.encode()) % N_SHARDS == number)

    def run(self, capsys, shard=0):
        """Run the stage; return the counts of its last line: recordings, computed, kept, dropped."""
        stage.main(self.arguments(shard))
        line = capsys.readouterr().out.splitlines()[-1]
        said = (
            rf"features shard {shard}: \w+ of \d+ clips in (\d+) recordings: (\d+) computed, "
            r"(\d+) kept from before, (\d+) no longer needed"
        )
        counts = [int(number) for number in re.fullmatch(said, line).groups()]
        return tuple(counts)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_every_value_of_every_shard(project, capsys):
    seen = []
    for number in range(N_SHARDS):
        project.run(capsys, number)
        with shards.Shard(project.shard(number)) as shard:
            assert shard.recording_ids == project.of_shard(number)
            seen += shard.recording_ids
            for recording_id in shard.recording_ids:
                y, _ = librosa.load(project.folder / "audio" / project.recordings[recording_id][1], sr=28_000)
                spans = [span for key, *span in project.annotations if key == recording_id]
                found = shard.features_of_clips(recording_id)
                assert [list(clip[:2]) for clip in shard.clips(recording_id)] == spans
                for (t_min, t_max), got in zip(spans, found, strict=True):
                    cut = y[round(t_min * 28_000) : round(t_max * 28_000)]
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        expected = librosa.feature.mfcc(y=cut, n_mfcc=128, n_fft=255, hop_length=512)
                    np.testing.assert_allclose(got, expected.T, rtol=1e-4, atol=1e-2)
    assert sorted(seen) == sorted(project.recordings)


def test_another_number_of_shards_computes_nothing(project, capsys, monkeypatch):
    monkeypatch.chdir(project.folder)
    kept = {}

    def run(count, number):
        names = [f"features/{what}-{number}-of-{count}.zip" for what in ("shard", "recordings")]
        job = provenance.Job((), (), (*names, f"features/shard-{number}-of-{count}.provenance.json"))
        arguments = project.arguments(number)
        arguments[arguments.index("--shards") + 1] = str(count)
        arguments[arguments.index("--output") + 1] = names[0]
        params = json.dumps({"features": project.params, "presence": {"network": "cnn"}})
        stage.main([*arguments, "--params", params, "--whole", names[1]])
        job.write(job.read(HashCache("cache")), HashCache("cache"))
        found = re.findall(r": (\d+) computed, (\d+) kept from before, (\d+) no", capsys.readouterr().out)
        for name in names:
            with shards.Shard(name) as shard:
                for key in shard:
                    _, clips, member = shard.as_stored(key)
                    assert kept.setdefault((name.partition("-")[0], key), (clips, member)) == (clips, member)
        return [sum(map(int, column)) for column in zip(*found, strict=True)]

    n = 2 * len(project.recordings)
    assert sum(run(2, number)[0] for number in range(2)) == n
    of_3 = [run(3, number) for number in range(3)]
    assert (sum(row[0] for row in of_3), sum(row[1] for row in of_3), sum(row[2] for row in of_3)) == (0, n, 0)
    # Of a shard that is not as its record says nothing is taken; of a value that changed nothing holds.
    for path in (project.folder / "features").glob("*-of-2.*"):
        path.unlink()
    record = project.folder / "features/shard-1-of-3.provenance.json"
    record.unlink()
    of_1 = run(1, 0)
    assert of_1 == [2 * sum(zlib.crc32(key.encode()) % 3 == 1 for key in project.recordings), n - of_1[0], 0]
    assert 0 < of_1[0] < n


def test_false_positives_have_a_shard_of_their_own_with_nothing_else_in_it(project, capsys):
    project.params |= {**LOG_MEL, "clip": "window", "window_s": 0.5, "jitter_s": 0.25, "context_gap_s": 0.0}
    project.params["context_clips"] = 1
    arguments, boxes = project.arguments(0), project.folder / "false_positives.csv"
    header, *rows = (project.folder / "annotations.csv").read_text().splitlines()
    boxes.write_text("\n".join([header, *rows[::2]]) + "\n")
    path = project.folder / "negatives-0.zip"
    stage.main([*arguments, "--false-positives", str(boxes), "--negatives", str(path)])
    found = {}
    for name in (project.shard(0), path):
        with shards.Shard(name) as shard:
            assert shard.params == project.params
            of_roles = {role: [shard.clips(key, role) for key in shard.recording_ids] for role in shards.ROLES}
            found[name] = {role: sum(map(len, clips)) for role, clips in of_roles.items()}
    of_shard = [key in project.of_shard(0) for key, *_ in project.annotations]
    assert found[project.shard(0)]["annotation"] == found[project.shard(0)]["margin"] == sum(of_shard)
    assert found[project.shard(0)]["context"] > 0
    assert found[path] == {"annotation": sum(of_shard[::2]), "margin": 0, "context": 0}
    said = capsys.readouterr().out
    assert "features negatives 0:" in said
    # Most tables have none; nothing is said of that.
    boxes.write_text(header + "\n")
    path.unlink()
    stage.main([*arguments, "--false-positives", str(boxes), "--negatives", str(path)])
    assert "negatives" not in capsys.readouterr().out
    with shards.Shard(path) as shard:
        assert shard.recording_ids == []


def test_own_rate_and_windows(project, capsys):
    project.params |= {**LOG_MEL, "sample_rate_hz": None, "clip": "window", "window_s": 1.0, "jitter_s": 0.25}
    project.run(capsys)
    with shards.Shard(project.shard(0)) as shard:
        for recording_id in shard.recording_ids:
            _, path, _, _, rate_hz, _ = project.recordings[recording_id]
            y, _ = librosa.load(project.folder / "audio" / path, sr=None)
            spans = [span for key, *span in project.annotations if key == recording_id]
            for role, length_s in (("annotation", 1.0), ("margin", 1.5)):
                found = shard.features_of_clips(recording_id, role)
                for (t_min, t_max), got in zip(spans, found, strict=True):
                    start_s = min(max((t_min + t_max - length_s) / 2, 0.0), 3.0 - length_s)
                    cut = y[round(start_s * rate_hz) : round((start_s + length_s) * rate_hz)]
                    np.testing.assert_allclose(got, extraction.extract(cut, rate_hz, project.params), atol=1e-3)


def test_context_is_sound_away_from_annotations(project, capsys):
    project.params |= {"context_clips": 2, "context_gap_s": 0.1}
    n_recordings = project.run(capsys)[0]
    assert project.run(capsys) == (n_recordings, 0, n_recordings, 0)
    n_found = 0
    with shards.Shard(project.shard(0)) as shard:
        for recording_id in shard.recording_ids:
            y, _ = librosa.load(project.folder / "audio" / project.recordings[recording_id][1], sr=28_000)
            spans = [span for key, *span in project.annotations if key == recording_id]
            assert len(shard.clips(recording_id)) == len(spans)
            context = shard.clips(recording_id, "context")
            assert len(context) <= min(2, len(spans))
            n_found += len(context)
            for clip, got in zip(context, shard.features_of_clips(recording_id, "context"), strict=True):
                start_s, stop_s = clip[:2]
                assert all(stop_s < t_min - 0.09 or start_s > t_max + 0.09 for t_min, t_max in spans)
                cut = y[round(start_s * 28_000) : round(stop_s * 28_000)]
                expected = extraction.extract(cut, 28_000, project.params)
                np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-2)
    assert n_found > 0


def test_only_what_changed_is_computed(project, capsys, monkeypatch):
    ids = project.of_shard(0)
    assert len(ids) >= 3
    assert project.run(capsys) == (len(ids), len(ids), 0, 0)
    before = project.shard(0).read_bytes()
    assert project.run(capsys) == (len(ids), 0, len(ids), 0)
    assert project.shard(0).read_bytes() == before

    # One recording with other sound; another with one more annotation.
    project.record(ids[0], project.recordings[ids[0]][1], 44_100, 1, seed=99)
    assert project.run(capsys) == (len(ids), 1, len(ids) - 1, 0)
    project.annotations.append((ids[1], 2.0, 2.5))
    assert project.run(capsys) == (len(ids), 1, len(ids) - 1, 0)

    # A row of another recording moves no entry: clips belong to rows by their order within a recording.
    elsewhere = project.of_shard(1)[0]
    project.annotations.insert(0, (elsewhere, 0.5, 0.8))
    assert project.run(capsys) == (len(ids), 0, len(ids), 0)

    # A recording that is gone.
    gone = ids.pop()
    del project.recordings[gone]
    project.annotations = [row for row in project.annotations if row[0] != gone]
    assert project.run(capsys) == (len(ids), 0, len(ids), 1)

    # What was kept is what would be made anew.
    after = project.shard(0).read_bytes()
    project.shard(0).unlink()
    assert project.run(capsys) == (len(ids), len(ids), 0, 0)
    assert project.shard(0).read_bytes() == after

    # Parameters and code concern every entry.
    project.params["n_mfcc"] = 20
    assert project.run(capsys) == (len(ids), len(ids), 0, 0)
    monkeypatch.setattr(shards, "code_version", lambda kind: "another")
    assert project.run(capsys) == (len(ids), len(ids), 0, 0)


def test_a_recording_without_annotations_has_no_entry(project, capsys):
    first = project.of_shard(0)[0]
    project.annotations = [row for row in project.annotations if row[0] != first]
    project.run(capsys)
    with shards.Shard(project.shard(0)) as shard:
        assert first not in shard.recording_ids


def test_a_shard_can_be_empty(project, capsys):
    project.recordings.clear()
    project.annotations.clear()
    assert project.run(capsys) == (0, 0, 0, 0)
    assert project.run(capsys) == (0, 0, 0, 0)


def in_a_new_process(code, *arguments):
    source = Path(stage.__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_to_compute_imports_no_numerical_library(project, capsys):
    project.run(capsys)
    code = (
        "import sys; from dawnchorus.stages import features; features.main(sys.argv[1:]);"
        "print(*{'numpy', 'librosa', 'scipy', 'pandas', 'soundfile', 'soxr', 'numba'} & set(sys.modules))"
    )
    found = in_a_new_process(code, *project.arguments(0))
    assert found.stderr == ""
    first, second = found.stdout.splitlines()
    assert " 0 computed" in first
    assert second == ""


def test_the_command_says_one_line_for_bad_input(project):
    project.annotations[0] = ("rec1", 0.5, 0.505)
    arguments = project.arguments(zlib.crc32(b"rec1") % N_SHARDS)
    found = in_a_new_process(
        "import runpy, sys; runpy.run_module('dawnchorus.stages.features', run_name='__main__')", *arguments
    )
    assert found.returncode == 1
    assert found.stderr.startswith("error: ")
    assert found.stderr.count("\n") == 1
    assert "rec1.flac: from 0.5 to 0.505 s: 140 samples at 28000 Hz; expected one FFT frame" in found.stderr


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "other zip"])
def test_an_unusable_old_shard_is_made_anew(project, capsys, damage):
    n_recordings = project.run(capsys)[0]
    path = project.shard(0)
    good = path.read_bytes()
    contents = {"empty": b"", "text": b"hello", "cut": good[: len(good) // 2], "other zip": EMPTY_ZIP}
    path.write_bytes(contents[damage])
    stage.main(project.arguments(0))
    first, *_, last = capsys.readouterr().out.splitlines()
    assert "not a usable shard" in first
    assert "starting over" in first
    assert f"{n_recordings} computed, 0 kept" in last
    assert path.read_bytes() == good


def test_a_damaged_entry_is_computed_again(project, capsys):
    n_recordings = project.run(capsys)[0]
    path = project.shard(0)
    good = path.read_bytes()
    damaged = bytearray(good)
    damaged[2_000] ^= 1  # inside the first array
    path.write_bytes(damaged)
    assert project.run(capsys) == (n_recordings, 1, n_recordings - 1, 0)
    assert path.read_bytes() == good


def test_a_failure_leaves_the_old_shard_as_it_was(project, capsys, monkeypatch):
    project.run(capsys)
    before, there = project.shard(0).read_bytes(), set(project.shard(0).parent.iterdir())
    project.params["n_mfcc"] = 20
    monkeypatch.setattr(tasks, "computed", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        stage.main(project.arguments(0))
    assert project.shard(0).read_bytes() == before
    assert set(project.shard(0).parent.iterdir()) == there


def test_sound_exchanged_and_put_back_meanwhile_is_refused(project, monkeypatch):
    path = project.folder / "audio" / project.recordings[project.of_shard(0)[0]][1]
    right, times = path.read_bytes(), path.stat()
    of_recording = extraction.of_recording

    def exchanged(source, *others):
        samples, rate_hz = soundfile.read(path)
        soundfile.write(path, 0.9 * samples, rate_hz)
        made = list(of_recording(source, *others))
        path.write_bytes(right)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return made

    monkeypatch.setattr(extraction, "of_recording", exchanged)
    with pytest.raises(InputError, match=r"changed since the audit of the recordings"):
        stage.main(project.arguments(0))


def test_sound_changed_after_the_audit_is_refused(project):
    recording_id = project.of_shard(0)[0]
    path = project.folder / "audio" / project.recordings[recording_id][1]
    samples, rate_hz = soundfile.read(path)
    soundfile.write(path, 0.9 * samples, rate_hz)
    with pytest.raises(InputError, match=r"rec.*: changed since the audit of the recordings"):
        stage.main(project.arguments(0))
    path.unlink()
    with pytest.raises(InputError, match="No such file"):
        stage.main(project.arguments(0))
    assert not project.shard(0).exists()


@pytest.mark.parametrize(
    "path",
    ["../outside.wav", "a/../../b.wav", "/etc/passwd", "a//b.wav", "./a.wav", "a\\..\\b.wav", "", "a\0b"],
)
def test_a_path_that_leaves_the_audio_folder_is_refused(path, tmp_path):
    with pytest.raises(InputError, match="expected a relative path inside the audio folder"):
        tasks.inside(tmp_path, path)
    assert tasks.inside(tmp_path, "sub/a b..wav") == tmp_path / "sub" / "a b..wav"


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("annotations", 1, "x", r"annotations\.csv:2: column t_min_s: 'x': expected a finite number"),
        ("annotations", 2, "nan", r"annotations\.csv:2: column t_max_s: 'nan': expected a finite number"),
        ("annotations", 0, "nobody", r"recordings\.csv: column recording_id: lacks 'nobody', which has annotations"),
        ("recordings", 3, "", r"recordings\.csv:\d+: column duration_s: '': expected a finite number"),
        ("recordings", 1, "../x.wav", r"'\.\./x\.wav': expected a relative path"),
    ],
)
def test_faulty_tables_are_named(project, monkeypatch, table, column, value, message):
    monkeypatch.setattr(shards, "shard_of", lambda *_: 0)
    if table == "annotations":
        row = list(project.annotations[0])
        row[column] = value
        project.annotations[0] = tuple(row)
    else:
        project.recordings["rec1"][column] = value
    with pytest.raises(InputError, match=message):
        stage.main(project.arguments(0))
    assert not project.shard(0).exists()


def test_a_shard_number_out_of_range(project):
    with pytest.raises(InputError, match="--shard 3: expected 0 to 2"):
        stage.main(project.arguments(3))


@pytest.mark.parametrize("n_fft", [254, 255])
@pytest.mark.parametrize("length", [24 * 512 - 1, 24 * 512, 24 * 512 + 1])
def test_frames_are_as_many_as_librosas_for_even_and_odd_fft_frames(n_fft, length):
    params = {"kind": "log_mel", "n_fft": n_fft, "hop_length": 512, "n_mels": 8, "deltas": 0}
    params |= {"sample_rate_hz": 28000, "f_min_hz": 0.0, "f_max_hz": None, "mel_sample_rate_hz": None}
    y = np.random.default_rng(0).standard_normal(length).astype(np.float32)
    found = extraction.extract(y, 28000, params)
    assert len(found) == librosa.stft(y, n_fft=n_fft, hop_length=512).shape[1]
