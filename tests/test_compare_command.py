"""`dawnchorus compare` on a DVC project: commits, experiments by name, the workspace, and what it refuses."""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dawnchorus.commands import compare
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import sha256_of
from dawnchorus.parameters.fields import defaults
from dawnchorus.parameters.report import Report
from dawnchorus.tables import definitions

# Stands for the pipeline: a model that is right on `model.right` of 40 clips of 10 recordings.
PIPELINE = """
import csv, json, pathlib, yaml
params = yaml.safe_load(open("params.yaml"))
pathlib.Path("reports").mkdir(exist_ok=True)
pathlib.Path("data/dataset").mkdir(parents=True, exist_ok=True)
pathlib.Path("models").mkdir(exist_ok=True)
record = {"versions": {"numpy": f"2.{params['model']['right']}", "scipy": "1.15"}}
pathlib.Path("models/model.provenance.json").write_text(json.dumps(record))
names = {"a": "<script>alert(1)</script>", "b": "bird"}
with open("reports/predictions.csv", "w", newline="") as file, open("data/dataset/rows.csv", "w", newline="") as table:
    out, rows = csv.writer(file), csv.writer(table)
    rows.writerow("row,annotation_id,recording_id,species_id,species_name,class_index,group,partition,t_min_s,t_max_s,"
                  "f_min_hz,f_max_hz,n_frames".split(","))
    out.writerow("annotation_id,recording_id,t_min_s,t_max_s,partition,true_species_id,true_name,"
                 "predicted_species_id,predicted_name,score_a,score_b".split(","))
    for i in range(params["clips"]):
        truth = "ab"[i % 2]
        guess = truth if i < params["model"]["right"] else "ab"[1 - i % 2]
        rows.writerow([i, i, f"rec{i % 10}", truth, names[truth], i % 2, f"rec{i % 10}", "test", i, i + 0.5, "", "", 9])
        out.writerow([i, f"rec{i % 10}", i, i + 0.5, "test", truth, names[truth], guess, names[guess],
                      0.9 if guess == "a" else 0.1, 0.1 if guess == "a" else 0.9])
"""
DVC_YAML = """
stages:
  evaluation:
    cmd: python pipeline.py
    deps: [pipeline.py]
    params: [clips, model]
    outs: [reports/predictions.csv, data/dataset/rows.csv, models/model.provenance.json]
"""
ROLES = ("AUTHOR", "COMMITTER")
PARAMS = (
    "seed: 1\nclips: 40\nmodel: {{right: {right}}}\n"
    "evaluation: {{bootstrap_draws: 200, top_k: 1}}\ndata: {{annotated: all}}\n"
)


class Project:
    def __init__(self, path: Path):
        self.path = path
        path.mkdir()
        (path / "pipeline.py").write_text(PIPELINE)
        (path / "dvc.yaml").write_text(DVC_YAML)
        self.params(20)
        self.run("git", "init", "-q", "-b", "main")
        self.run("dvc", "init", "-q")
        self.run("dvc", "repro", "-q")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "start")
        self.run("dvc", "exp", "run", "-q", "-n", "wild-frog", "-S", "model.right=38")
        self.run("git", "checkout", "-q", "--", ".")
        self.run("dvc", "checkout", "-q")

    def params(self, right: int) -> None:
        (self.path / "params.yaml").write_text(PARAMS.format(right=right))

    def run(self, *command: str) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        who = {
            f"GIT_{role}_{what}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environment = {**os.environ, **who, "PATH": path, "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("compare") / "project")


@pytest.fixture
def project(made, monkeypatch):
    monkeypatch.chdir(made.path)
    return made


def called(*words):
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    compare.main(parser.parse_args(words))


def as_json(capsys, *words):
    called(*words, "--json")
    return json.loads(capsys.readouterr().out)


def test_head_against_the_workspace_is_the_default(project, capsys):
    result = as_json(capsys)
    assert result["a"]["name"] == "HEAD"
    assert len(result["a"]["commit"]) == 40
    assert result["b"] == {"name": "workspace", "commit": None}
    assert result["clips"] == 40
    assert result["params"] == result["changed"] == []
    assert result["detection"] is None


def test_an_experiment_by_name(project, capsys):
    result = as_json(capsys, "main", "wild-frog")
    accuracy = next(row for row in result["metrics"] if row["metric"] == "accuracy")
    assert (accuracy["a"], accuracy["b"], accuracy["verdict"]) == (0.5, 0.95, "better")
    assert accuracy["low"] > 0
    assert result["mcnemar"] == {"became_right": 18, "became_wrong": 0, "p_value": 2 / 2**18}
    assert result["params"] == [{"name": "model.right", "a": 20, "b": 38}]


def test_text_says_what_changed(project, capsys):
    called("wild-frog", "HEAD")
    out = capsys.readouterr().out
    assert "40 test clips in both, 10 recordings" in out
    assert "B is worse" in out
    assert "model.right  38 -> 20" in out
    assert "made with other versions of libraries:\n  numpy  2.38 -> 2.20" in out
    assert "0 clips became right, 18 became wrong" in out


def test_from_a_folder_within_and_draws_of_ones_own(project, capsys, monkeypatch):
    monkeypatch.chdir(project.path / "reports")
    assert as_json(capsys, "--draws", "100")["clips"] == 40


def test_what_both_detect_is_compared_where_both_say_so(project, capsys, tmp_path):
    """In the workspace alone there are tables of detections: the last commit knows of none."""
    tables = {
        "detection_recordings.csv": [
            "recording_id,group,duration_s,call_free_s,annotated,detected,hits_overlap,hits_iou30,hits_iou50,"
            "call_free_alarms",
            *(f"rec{number},rec{number},20,10,4,5,4,3,2,1" for number in range(6)),
        ],
        "detection_segments.csv": [
            "recording_id,start_s,end_s,present,unknown,score_a",
            *(f'rec{number},0,5,"[""a""]",[],0.9' for number in range(6)),
        ],
    }
    files = [project.path / "reports" / name for name in tables]
    try:
        for file, lines in zip(files, tables.values(), strict=True):
            file.write_text("\n".join(lines) + "\n")
        assert as_json(capsys)["detection"] is None
        result = as_json(capsys, "workspace", "workspace")
        assert result["detection"]["recordings"] == 6
        assert {row["difference"] for row in result["detection"]["metrics"]} == {0}
        called("workspace", "workspace")
        assert "detection in 6 whole test recordings of both, 6 recordings" in capsys.readouterr().out
        called("workspace", "workspace", "--html", str(tmp_path / "page.html"))
        assert "Detection in 6 whole test recordings" in (tmp_path / "page.html").read_text()
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def test_html_shows_names_as_text(project, tmp_path, capsys):
    called("HEAD", "wild-frog", "--html", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "B is better" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_clips_that_changed_are_to_hear_where_the_recordings_are_those_of_the_run(project):
    """The block `report` and the folder of the recordings are those of run B."""
    b = compare.Revision(project.path, "workspace")
    changed = [{"became": "wrong", "annotation_id": 0, "recording_id": "rec0"}]
    assert compare.heard(b, {}, changed) == {}
    folder = project.path / "data/recordings"
    folder.mkdir()
    try:
        sound = project.path / "audio/rec0.wav"
        sound.parent.mkdir()
        soundfile.write(sound, np.zeros(8000), 8000)
        row = f"rec0,rec0.wav,{sha256_of(sound)},1.0,8000,1,8000,"
        header = ",".join(definitions.RECORDINGS.names)
        (folder / "recordings.csv").write_text(f"{header}\n{row}\n")
        params = {"data": {"audio_dir": "audio"}, "report": defaults(Report)}
        assert list(compare.heard(b, params, changed)) == [0]
        with pytest.raises(InputError, match=r"workspace: params.yaml: report\.clips: missing"):
            compare.heard(b, {"data": {"audio_dir": "audio"}}, changed)
        assert compare.heard(b, {}, []) == {}
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(project.path / "audio")


def test_other_test_clips_are_refused_unless_common_is_asked_for(project, capsys):
    file = project.path / "reports/predictions.csv"
    whole = file.read_bytes()
    try:
        file.unlink()
        file.write_bytes(b"".join(whole.splitlines(keepends=True)[:31]))
        with pytest.raises(InputError, match="30 in both, 10 only in A, 0 only in B; --common"):
            called()
        assert as_json(capsys, "--common")["clips"] == 30
        file.unlink()
        with pytest.raises(InputError, match=r"workspace: reports/predictions.csv is not there"):
            called()
    finally:
        file.write_bytes(whole)


LAUGHS = (
    "a: &a ["
    + "x, " * 9
    + "x]\n"
    + "".join(
        f"{name}: &{name} [" + ", ".join([f"*{before}"] * 10) + "]\n"
        for before, name in itertools.pairwise("abcdefghi")
    )
)
BLOCK = "evaluation: {bootstrap_draws: 200, top_k: 1}\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "params.yaml: no such file"),
        ("", "empty; expected blocks of keys and values"),
        ("# nothing\n", "empty; expected blocks of keys and values"),
        ("[1, 2]", "a list; expected blocks of keys and values"),
        ("just text", '"just text"; expected blocks of keys and values'),
        ("a: [", "no YAML: "),
        ("a:\n\tb: 1", "params.yaml:2: a tab"),
        ("a: *nowhere", "an alias; expected the value itself"),
        ("a: 1\n---\nb: 2\n", "a second document; expected one"),
        ("a: !!python/object/apply:os.system [id]", "a tag; expected the value alone"),
        ("\x00", "character U+0000"),
        (b"\xff\xfe\xfa", "byte 0xFF is not UTF-8"),
        (b"x: caf\xe9", "byte 0xE9 is not UTF-8"),
        ("x: " + "y" * 2**21, "more than 1,000,000 bytes"),
        ("x: " + "[" * 5000 + "]" * 5000, "nested more than 20 deep"),
        ("x: " + "{a: " * 30 + "1" + "}" * 30, "nested more than 20 deep"),
        (LAUGHS, "an anchor; expected the value alone"),
        ("a: &a [*a]", "an anchor; expected the value alone"),
        ("1: 2", "a key that is no text; expected a name"),
        ("? [a]\n: 1", "a key that is no plain text"),
        ("a: .nan", "a: .nan: not finite"),
        ("a: {b: 2024-01-01}", "a.b: 2024-01-01: a date in YAML"),
        ("other: 1", "evaluation.bootstrap_draws: missing; expected integer from 100 to 100000"),
        ("evaluation: 5", "evaluation.bootstrap_draws: missing"),
        ("evaluation: [bootstrap_draws]", "evaluation.bootstrap_draws: missing"),
        ("evaluation: {bootstrap_draws: many, top_k: 1}", "evaluation.bootstrap_draws: 'many': expected integer"),
        ("evaluation: {bootstrap_draws: yes, top_k: 1}", "evaluation.bootstrap_draws: 'yes': expected integer"),
        ("evaluation: {bootstrap_draws: 999999999, top_k: 1}", "evaluation.bootstrap_draws: '999999999': expected"),
        ("evaluation: {bootstrap_draws: 200, top_k: -1}", "evaluation.top_k: '-1': expected integer from 1"),
        ("evaluation: {bootstrap_draws: 200}", "evaluation.top_k: missing"),
        (BLOCK, "params.yaml: seed: missing; expected integer"),
        (BLOCK + "seed: -1", "params.yaml: seed: '-1': expected integer from 0"),
    ],
)
def test_odd_parameters_are_one_line(project, capsys, content, expected):
    file = project.path / "params.yaml"
    whole = file.read_bytes()
    try:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InputError) as caught:
            called()
    finally:
        file.write_bytes(whole)
    assert str(caught.value).startswith("workspace: params.yaml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("what", ["folder", "pipe", "device"])
def test_parameters_that_are_no_file_are_one_line(project, what):
    file = project.path / "params.yaml"
    kept = file.with_name("kept.yaml")
    file.rename(kept)
    try:
        file.mkdir() if what == "folder" else os.mkfifo(file) if what == "pipe" else file.symlink_to("/dev/zero")
        with pytest.raises(InputError, match=r"workspace: params.yaml: a .*; expected a YAML file"):
            called()
    finally:
        file.rmdir() if what == "folder" else file.unlink()
        kept.rename(file)


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e3", "1_000", "99999999999"])
def test_draws_are_a_number_that_can_be_drawn(project, capsys, text):
    with pytest.raises(SystemExit):
        called("--draws", text)
    assert "expected integer from 1 to 100000" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["no-such-thing", "HEAD^{tree}", "HEAD:params.yaml", "a\nb", "\udcff", "", " "])
def test_what_is_no_commit_is_one_clear_line(project, name):
    with pytest.raises(InputError, match="expected a commit, a branch, a tag or an experiment") as caught:
        called(name)
    assert "\n" not in str(caught.value)


def test_outside_of_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="not in a DVC project"):
        called()
