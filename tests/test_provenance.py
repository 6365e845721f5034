"""Provenance records: a product is current while its record says what is there, by content, and only then."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dawnchorus.features import shards
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.tables import made as made_tables
from dawnchorus.tables.definitions import ANNOTATIONS
from dawnchorus.workflow import provenance

VALUES = {"train": {"epochs": 5, "rate": 0.1}, "seed": 3}


@pytest.fixture
def job(tmp_path, monkeypatch) -> provenance.Job:
    """A job whose products were just made from two inputs."""
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("in")
    Path("code.py").write_text("code")
    return made(VALUES)


def made(values: dict, inputs=("in.txt", "code.py")) -> provenance.Job:
    job = with_values(values, inputs)
    read = job.read(cache())
    Path("out.txt").write_text("out")
    Path("folder").mkdir(exist_ok=True)
    Path("folder/a").write_text("a")
    job.write(read, cache())
    return job


def with_values(values: dict, inputs=("in.txt", "code.py")) -> provenance.Job:
    params = (json.dumps(values, sort_keys=True), "plain")
    return provenance.Job(tuple(inputs), params, ("out.txt", "folder", "out.provenance.json"))


def cache() -> HashCache:
    return HashCache("hashes.json")


def test_a_product_that_was_just_made_is_current(job):
    assert job.differences(cache()) == []
    record = json.loads(Path("out.provenance.json").read_text())
    assert record["inputs"]["in.txt"] == hashlib.sha256(b"in").hexdigest()
    assert record["outputs"]["out.txt"] == hashlib.sha256(b"out").hexdigest()
    assert record["params"] == [json.dumps(VALUES, sort_keys=True), "plain"]
    assert record["versions"]["numpy"] == __import__("numpy").__version__


def test_an_empty_value_is_none(job):
    empty = provenance.Job(job.inputs, (*job.params, ""), job.outputs)
    assert empty.differences(cache()) == []
    assert provenance.Job(job.inputs, (*job.params, "x"), job.outputs).differences(cache()) == [
        'value 3 was not given, is "x"'
    ]


def test_times_say_nothing(job):
    for path in ("in.txt", "out.txt", "out.provenance.json"):
        os.utime(path, (0, 0))
    assert job.differences(cache()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: Path("in.txt").write_text("another"), "input in.txt changed"),
        (lambda: Path("code.py").unlink(), "input code.py is not there"),
        (lambda: Path("out.txt").write_text("damaged"), "output out.txt changed"),
        (lambda: Path("folder/a").write_text("b"), "output folder changed"),
        (lambda: Path("folder/b").write_text("b"), "output folder changed"),
        (lambda: Path("out.txt").unlink(), "output out.txt is not there"),
    ],
)
def test_what_differs_is_said(job, change, said):
    change()
    assert job.differences(cache()) == [said]


def test_a_dangling_link_is_a_missing_product(job):
    Path("out.txt").unlink()
    Path("out.txt").symlink_to("gone")
    assert job.differences(cache()) == ["output out.txt is not there"]


def test_snakemakes_time_marker_in_a_folder_says_nothing(job):
    Path("folder/.snakemake_timestamp").touch()
    assert job.differences(cache()) == []


def test_other_values_are_said_by_name(job):
    other = with_values({"train": {"epochs": 6, "rate": 0.1}, "seed": 3})
    assert other.differences(cache()) == ["train.epochs was 5, is 6"]
    assert with_values({"train": {"epochs": 5}, "seed": 3}).differences(cache()) == ["train.rate was 0.1, is not given"]


def test_a_value_that_is_no_block_has_the_name_that_people_know(job):
    def named(*params: str) -> list[str]:
        return provenance.Job(job.inputs, params, job.outputs, ("", "data.audio_dir", "the sound")).differences(cache())

    values = json.dumps(VALUES, sort_keys=True)
    assert named(values, "other") == ['data.audio_dir was "plain", is "other"']
    assert named(values, "plain", "0af5" * 16) == ["the sound changed"]


def test_what_people_change_is_said_before_the_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = ("../src/dawnchorus/a.py", "src/dawnchorus/b.py")
    Path("src/dawnchorus").mkdir(parents=True)
    for path in ("in.txt", code[1]):
        Path(path).write_text("as it was")
    made(VALUES, (code[0], "in.txt", code[1]))
    for path in ("in.txt", code[1]):
        Path(path).write_text("edited")
    other = with_values({**VALUES, "seed": 4}, ("in.txt", code[1]))
    assert other.differences(cache()) == ["seed was 3, is 4", "input in.txt changed", "the code changed, 2 files of it"]


def test_another_set_of_inputs_is_said(job):
    Path("new.txt").write_text("")
    assert with_values(VALUES, ("in.txt", "new.txt")).differences(cache()) == [
        "input code.py is not used any more",
        "input new.txt is new",
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"inputs": {}}', '{"inputs": [], "params": [], "outputs": {}}', "\0"]
)
def test_a_record_that_is_none_makes_nothing_current(job, text):
    Path("out.provenance.json").write_text(text)
    assert job.differences(cache()) == ["there is no record of how it was made"]


def test_an_input_that_changed_meanwhile_leaves_the_old_record(job):
    before = Path("out.provenance.json").read_text()
    read = job.read(cache())
    Path("in.txt").write_text("edited while the job ran")
    with pytest.raises(InputError, match=r"^in\.txt: changed while out was made; expected no change, run again$"):
        job.write(read, cache())
    assert Path("out.provenance.json").read_text() == before


def test_a_product_that_was_not_made_is_not_blessed(job):
    read = job.read(cache())
    Path("out.txt").unlink()
    with pytest.raises(InputError, match=r"^out\.txt: not there; expected that the job made it$"):
        job.write(read, cache())


def test_what_was_damaged_is_not_there_to_be_taken_over(job):
    Path("out.txt").write_text("damaged")
    job.prepare(cache())
    assert not Path("out.txt").exists()
    assert Path("folder/a").exists()


def test_without_a_record_nothing_is_taken_over(job):
    Path("out.provenance.json").unlink()
    job.prepare(cache())
    assert not Path("out.txt").exists()
    assert not Path("folder").exists()


def test_what_a_killed_job_was_writing_is_removed_and_nothing_else(job):
    before = set(Path().iterdir())
    half = {Path(name) for name in (".out.abcd_123.txt", ".out.provenance.abcd_123.json", ".folder.12345678")}
    noted = {Path(name) for name in (".out.abcd_124.txt", ".out.abcd_124.txt.notes", ".out.abcd_125.txt.notes")}
    half |= {Path("unfinished-out.abcd_123.txt")}
    noted |= {Path(f"unfinished-out.part-{number}.txt") for number in (1, 2)}
    others = (".out-1.abcd_123.txt", ".out.abcd_123.json", ".out.abcd_1234.txt", ".gitignore", "out.abcd_123.txt")
    kept = {Path(name) for name in (*others, ".out-1.abcd_123.txt.notes", "out.txt.notes", "unfinished-out.txt")}
    for path in half | noted | kept:
        path.touch()
    job.remove_half_written(with_notes=False)
    assert set(Path().iterdir()) == before | noted | kept
    job.remove_half_written(with_notes=True)
    assert set(Path().iterdir()) == before | kept
    assert job.differences(cache()) == []


def test_a_product_with_notes_and_no_record_is_half_written_again(job):
    Path("out.txt").write_text("another")
    for name in ("a", "b"):
        Path(f".out.abcd123{name}.txt.notes").touch()
    Path(".out.abcd123b.txt").write_text("b")
    job.prepare(cache())
    assert not Path("out.txt").exists()
    assert Path(".out.abcd123a.txt").read_text() == "another"
    assert Path(".out.abcd123b.txt").read_text() == "b"
    # What its record says to be a product is one.
    job = made(VALUES)
    Path(".out.abcd123a.txt").unlink()
    job.prepare(cache())
    assert Path("out.txt").read_text() == "out"
    assert not Path(".out.abcd123a.txt").exists()


def test_a_revoked_record_blesses_nothing(job):
    job.revoke()
    assert job.differences(cache()) == ["there is no record of how it was made"]
    assert job.record.exists()


def test_shards_of_features_are_one_input_however_many_there_are(job):
    def dealt(count, value=1.0):
        paths = [f"data/features/shard-{number}-of-{count}.zip" for number in range(count)]
        for number, path in enumerate(paths):
            with shards.write_shard(path, {"kind": "mfcc"}) as writer:
                for name in (name for name in "abcd" if shards.shard_of(name, count) == number):
                    clips_s = {"annotation": [(0.0, 1.0)], "margin": [], "context": []}
                    writer.add(name, f"of {name}", clips_s, [np.full((2, 3), value, np.float32)])
        return paths

    Path("data/features").mkdir(parents=True)
    made(VALUES, ["in.txt", *dealt(3)])
    assert with_values(VALUES, ["in.txt", *dealt(2)]).differences(cache()) == []
    # The same signatures, and other numbers.
    assert with_values(VALUES, ["in.txt", *dealt(2, 2.0)]).differences(cache()) == [
        "input data/features/shard-*.zip changed"
    ]
    paths = dealt(2)
    Path(paths[1]).write_text("damaged")
    assert with_values(VALUES, ["in.txt", *paths]).differences(cache()) == ["input data/features/shard-*.zip changed"]
    Path(paths[1]).unlink()
    assert with_values(VALUES, ["in.txt", *paths]).differences(cache()) == [
        "input data/features/shard-*.zip is not there"
    ]
    # Names alone make no shard of features.
    for number in range(2):
        Path(f"mine-{number}-of-2.zip").write_text(str(number))
    assert set(with_values(VALUES, ["mine-0-of-2.zip", "mine-1-of-2.zip"]).read(cache())["inputs"]) == {
        *("mine-0-of-2.zip", "mine-1-of-2.zip")
    }


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_nothing_is_written_through_a_link(job, link):
    stored = Path("stored").absolute()
    Path("out.txt").rename(stored)
    link(stored, "out.txt")
    job.prepare(cache())
    Path("out.txt").write_text("written in place")
    assert stored.read_text() == "out"


RUN = [sys.executable, "-m", "dawnchorus.stages"]


def run(*words: str) -> subprocess.CompletedProcess:
    source = str(Path(provenance.__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*RUN, *words], env=env, capture_output=True, text=True, check=False)


def test_a_job_runs_once_and_then_finds_all_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"annotation_id": n, "recording_id": f"rec{n % 9}", "species_id": "a", "t_min_s": 0.0} for n in range(18)]
    blank = dict.fromkeys(ANNOTATIONS.names, "")
    made_tables.write("annotations.csv", ANNOTATIONS, [{**blank, **row, "t_max_s": 1.0} for row in rows])
    values = {"seed": 1, "split": {"method": "grouped", "group": "recording_id", "test_fraction": 0.3}}
    values["split"] |= {"validation_fraction": 0.3, "test_groups": None, "validation_groups": None}
    text = json.dumps(values)
    words = ["--inputs", "annotations.csv", "--params", text, "--outputs", "split.csv", "split.provenance.json", "--"]
    words += ["split", "--annotations", "annotations.csv", "--params", text, "--output", "split.csv"]
    first = run(*words)
    assert first.returncode == 0, first.stderr
    made_at = Path("split.csv").stat().st_mtime_ns
    second = run(*words)
    assert second.stdout == "split: up to date\n"
    assert Path("split.csv").stat().st_mtime_ns == made_at
    Path("annotations.csv").unlink()
    third = run(*words)
    assert third.returncode == 1
    assert third.stderr == "error: annotations.csv: no such file; expected what split is made from\n"
