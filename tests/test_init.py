"""`dawnchorus init` on folders that the tests make, and on real sets where they are there.

What it writes is held against the workflow's own reader and audit: every annotation of the folder has to arrive.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dawnchorus.annotations import audit
from dawnchorus.commands import cli
from dawnchorus.commands import init as init_command
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.survey import proposal
from dawnchorus.tables.users import read_rows
from dawnchorus.workflow import params_file, params_texts

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("DAWNCHORUS_REAL_SETS", ROOT.parent / "shared/data"))
RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"
# Six recordings of 4 s with three species each: (species, start, end).
IDS = [f"rec{number}" for number in range(6)]
CALLS = [("crow", 0.5, 1.0), ("jay", 1.25, 1.75), ("owl", 2.5, 3.0)]


def write_sounds(folder, ids=IDS, rate_hz=8000, duration_s=4.0, suffix=".wav"):
    for number, name in enumerate(ids):
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(0, 0.1, round(rate_hz * duration_s))
        soundfile.write(path, noise, rate_hz)


def write_csv(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def rfcx(folder, ids=IDS, calls=CALLS, name="train_tp.csv"):
    write_csv(folder / name, "recording_id,species_id,t_min,t_max", [(i, *call) for i in ids for call in calls])


def csv_of_files(folder):
    rows = [(f"{i}.wav", s, a, b, 100, 900, "me") for i in IDS for s, a, b in CALLS]
    write_csv(folder / "labels.csv", "File Name,Call,Onset (s),Offset (s),fmin_hz,FMAX (Hz),who", rows)


def csv_without_names(folder):
    rows = [(n, s, f"{i}.wav", a, b) for n, (i, (s, a, b)) in enumerate((i, c) for i in IDS for c in CALLS)]
    write_csv(folder / "table.csv", "nr,was,welche,von,bis", rows)


def csv_of_points(folder):
    write_csv(folder / "clicks.csv", "recording_id,label,time_s", [(i, s, a) for i in IDS for s, a, _ in CALLS])


def csv_of_lengths(folder):
    write_csv(
        folder / "labels.csv",
        "file,label,start,duration",
        [(i, s, a, round(b - a, 3)) for i in IDS for s, a, b in CALLS],
    )


def csv_of_milliseconds(folder):
    rows = [(i, s, 1000 * a, 1000 * b, 0.1, 0.9) for i in IDS for s, a, b in CALLS]
    write_csv(folder / "labels.csv", "file,label,start_ms,end_ms,low_freq_khz,high_freq_khz", rows)


def csv_of_a_recording_each(folder):
    for i in IDS:
        write_csv(folder / f"tables/{i}.csv", "onset_s,offset_s,label", [(a, b, s) for s, a, b in CALLS])


def raven_folder(folder):
    for i in IDS:
        lines = [f"{n}\tSpectrogram 1\t1\t{a}\t{b}\t100\t900\t{s}" for n, (s, a, b) in enumerate(CALLS)]
        path = folder / f"tables/{i}.Table.1.selections.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([f"{RAVEN}\tAnnotation", *lines]) + "\n")


def raven_table(folder):
    lines = [
        f"{n}\tSpectrogram 1\t1\t{a}\t{b}\t100\t900\t{i}.wav\t{s}" for i in IDS for n, (s, a, b) in enumerate(CALLS)
    ]
    (folder / "all.txt").write_text("\n".join([f"{RAVEN}\tBegin File\tSpecies", *lines]) + "\n")


def audacity_folder(folder):
    (folder / "labels").mkdir()
    for i in IDS:
        (folder / f"labels/{i}.txt").write_text("".join(f"{a}\t{b}\t{s}\n" for s, a, b in CALLS))


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "mine"
    write_sounds(folder / "audio")
    return folder


def init(*words, capsys=None):
    """Run the command; it has to succeed. Returns the values of params.yaml and what was printed."""
    assert cli.main(["init", *map(str, words)]) == 0
    return params_file.load("params.yaml", with_files=True), capsys.readouterr().out if capsys else ""


def audited(params):
    found = audit.audit(params["data"], {}, HashCache("../cache.json"), 1)
    assert (found.faults, [str(problem) for problem in found.problems]) == ([], [])
    return found


def refused(*words, capsys):
    """Run the command; it has to fail, and leave nothing. Returns its lines."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert cli.main(["init", *map(str, words)]) == 1
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert all(line.startswith("error: ") and line.isprintable() for line in lines)
    return lines


@pytest.mark.parametrize(
    ("write", "form", "columns"),
    [
        (rfcx, "rfcx", {}),
        (raven_folder, "raven", {"species_id": "Annotation"}),
        (raven_table, "raven", {}),
        (audacity_folder, "audacity", {}),
        (
            csv_of_files,
            "csv",
            {
                **{"recording_id": "File Name", "species_id": "Call", "t_min": "Onset (s)", "t_max": "Offset (s)"},
                **{"f_min": "fmin_hz", "f_max": "FMAX (Hz)"},
            },
        ),
        (csv_without_names, "csv", {"recording_id": "welche", "species_id": "was", "t_min": "von", "t_max": "bis"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_every_annotation_of_every_format_arrives(write, form, columns, mine, home, capsys):
    write(mine)
    params, out = init(mine, capsys=capsys)
    assert (params["data"]["format"], params["data"]["columns"]) == (form, columns)
    assert params["data"]["audio_dir"] == str(mine / "audio")
    found = [
        (box["recording_id"], box["species_id"], box["t_min_s"], box["t_max_s"])
        for _, box in audited(params).annotations
    ]
    assert sorted(found) == sorted((i, *call) for i in IDS for call in CALLS)
    assert sorted(os.listdir()) == ["params.yaml"]
    assert "18 in 6 recordings" in out
    assert all(name in out for name in columns.values())
    # Boxes up to 900 Hz fit into half of 2000 Hz with a tenth to spare, a usual rate; without boxes all of it is taken.
    rate_hz = 2000 if write in (raven_folder, raven_table, csv_of_files) else 8000
    assert (params["features"]["sample_rate_hz"], params["features"]["f_max_hz"]) == (rate_hz, rate_hz / 2)


@pytest.mark.parametrize(
    ("write", "spans"),
    [
        (csv_of_a_recording_each, {call: call[1:] for call in CALLS}),
        (csv_of_lengths, {call: call[1:] for call in CALLS}),
        (csv_of_milliseconds, {call: call[1:] for call in CALLS}),
        # 0.75 s is the usual least gap between two points: spans of 0.4 of it.
        (csv_of_points, {call: (call[1] - 0.15, call[1] + 0.15) for call in CALLS}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_the_workflow_cannot_read_as_it_is_is_written_anew(write, spans, mine, home, capsys):
    write(mine)
    params, out = init(mine, capsys=capsys)
    assert (params["data"]["annotations"], params["data"]["format"]) == ("annotations.csv", "rfcx")
    assert "written anew as annotations.csv" in out
    assert ("how long a call around a point is" in out) == (write is csv_of_points)
    boxes = [box for _, box in audited(params).annotations]
    found = sorted((box["recording_id"], box["species_id"], box["t_min_s"], box["t_max_s"]) for box in boxes)
    assert found == sorted(
        (i, call[0], pytest.approx(a), pytest.approx(b)) for i in IDS for call, (a, b) in spans.items()
    )
    if write is csv_of_milliseconds:
        assert {(box["f_min_hz"], box["f_max_hz"]) for box in boxes} == {(100.0, 900.0)}


@pytest.mark.parametrize(
    ("rate_hz", "call_s"), [(200, 2.0), (2500, 0.01), (44_100, 0.3), (96_000, 5.0), (500_000, 0.004)]
)
def test_frames_fit_the_calls_at_every_rate(rate_hz, call_s, tmp_path, home, capsys):
    calls = [(name, round(k * 2 * call_s, 6), round((k * 2 + 1) * call_s, 6)) for k, name in enumerate(("a", "b", "c"))]
    write_sounds(tmp_path / "mine", rate_hz=rate_hz, duration_s=8 * call_s)
    rfcx(tmp_path / "mine", calls=calls)
    params, _ = init(tmp_path / "mine", capsys=capsys)
    features, presence = params["features"], params["presence"]
    taken_hz = features["sample_rate_hz"]
    assert taken_hz == max(rate_hz, 1000)
    assert features["f_max_hz"] == rate_hz / 2
    assert 0 < features["f_min_hz"] < features["f_max_hz"]
    assert features["n_fft"] / taken_hz <= max(0.065, 32 / taken_hz)
    # What is said of the bands in the log of a run would be said of this.
    from dawnchorus.features import kinds

    assert kinds.get(features["kind"]).remark(features, taken_hz) is None
    decision_s = presence["pool_frames"] * features["hop_length"] / taken_hz
    assert decision_s <= call_s / 2
    assert presence["stretch_s"] >= 1.9 * call_s
    assert params["data"]["shortest_annotation_s"] <= call_s
    assert len(audited(params).annotations) == 18


def test_labels_of_minutes(tmp_path, home, capsys):
    write_sounds(tmp_path / "mine", rate_hz=1000, duration_s=400.0)
    rfcx(tmp_path / "mine", calls=[("crow", 0, 130), ("jay", 140, 270), ("owl", 270, 400)])
    params, _ = init(tmp_path / "mine", capsys=capsys)
    assert params["data"]["shortest_annotation_s"] == 60.0
    assert len(audited(params).annotations) == 18


def test_recordings_of_several_rates_are_brought_to_the_lowest_or_to_that_of_most(mine, home, capsys):
    rfcx(mine)
    write_sounds(mine / "audio", IDS[:3], rate_hz=16_000)
    params, out = init(mine, capsys=capsys)
    assert params["features"]["sample_rate_hz"] == 8000
    assert "recordings differ (3 at 8000 Hz, 3 at 16000 Hz)" in out

    write_sounds(mine / "audio", IDS[:5], rate_hz=32_000)
    params, out = init("--force", mine, capsys=capsys)
    assert params["features"]["sample_rate_hz"] == 32_000
    assert "features.f_max_hz 4000" in out[out.index("not decided:") :]


def test_two_folders_that_would_do_and_two_tables(mine, home, capsys):
    rfcx(mine, name="labels_ann.csv")
    rfcx(mine, name="labels_bob.csv")
    write_sounds(mine / "denoised")
    params, out = init(mine, capsys=capsys)
    undecided = out[out.index("not decided:") :]
    assert params["data"]["audio_dir"] == str(mine / "audio")
    assert f"data.audio_dir: {mine / 'denoised'} has the same recordings" in undecided
    assert params["data"]["annotations"] == str(mine / "labels_ann.csv")
    assert f"data.annotations: {mine / 'labels_bob.csv'} (18 rows) could be the annotations too" in undecided

    params, out = init("--force", mine / "labels_bob.csv", mine / "denoised", capsys=capsys)
    assert (params["data"]["annotations"], params["data"]["audio_dir"]) == (
        str(mine / "labels_bob.csv"),
        str(mine / "denoised"),
    )
    assert "labels_ann" not in out


def test_a_table_alone_is_enough_where_its_recordings_lie_beside_it(mine, home, capsys):
    rfcx(mine)
    params, _ = init(mine / "train_tp.csv", capsys=capsys)
    assert params["data"]["audio_dir"] == str(mine / "audio")


def test_paths_below_the_folder_of_params_are_written_from_there(home, capsys):
    write_sounds(home / "mine/audio")
    rfcx(home / "mine")
    params, _ = init("mine", capsys=capsys)
    assert params["data"]["audio_dir"] == "mine/audio"
    assert params["data"]["annotations"] == params["data"]["species_table"] == "mine/train_tp.csv"
    assert params["detections"]["recordings"] is None


def test_ids_with_subfolders_and_files_in_several_folders(tmp_path, home, capsys):
    ids = [f"site-{number % 2}/2024/{number}" for number in range(6)]
    write_sounds(tmp_path / "one/sound", ids)
    rfcx(tmp_path / "one", ids)
    params, _ = init(tmp_path / "one", capsys=capsys)
    assert params["data"]["audio_dir"] == str(tmp_path / "one/sound")
    assert {box["recording_id"] for _, box in audited(params).annotations} == set(ids)

    # The table says less than the path of each file: the annotations are written with the whole of it.
    rfcx(tmp_path / "one", [name.rpartition("/")[2] for name in ids])
    params, out = init("--force", tmp_path / "one", capsys=capsys)
    assert "called by their path in sound" in out
    assert {box["recording_id"] for _, box in audited(params).annotations} == set(ids)


def test_absolute_paths_of_another_system_find_their_files(mine, home, capsys):
    rows = [(rf"C:\\rec\\{i}.wav", *call) for i in IDS for call in CALLS]
    write_csv(mine / "a.csv", "path,label,start,end", rows)
    params, _ = init(mine, capsys=capsys)
    assert {box["recording_id"] for _, box in audited(params).annotations} == set(IDS)


HOURS = [f"20240501_0{hour}0000" for hour in range(6)]


def of_folders(folder, said, sound, ids=HOURS, header="file,label,start,end"):
    """Write a table that has the recordings in folders, each with calls at its own times, and sound in others."""
    rows = [
        (f"{prefix}{i}.wav", *(name, a + 0.1 * k, b + 0.1 * k))
        for k, prefix in enumerate(said)
        for i in ids
        for name, a, b in CALLS
    ]
    write_csv(folder / "a.csv", header, rows)
    for inside in sound:
        write_sounds(folder / inside, ids)


@pytest.mark.parametrize(
    ("said", "sound", "place"),
    [
        (["A/", "B/"], "audio/B", "."),
        (["A/", "B/"], "audio/B", "audio"),
        # The folder of the recordings may be the site itself.
        (["A/", "B/"], "audio/B", "audio/B"),
        (["data/A/", "data/B/"], "audio/B", "."),
        (["A\\", "B\\"], "audio/B", "."),
        (["/mnt/field/A/", "/mnt/field/B/"], "audio/B", "."),
        (["C:\\field\\A\\", "D:\\field\\B\\"], "audio/B", "."),
        (["/mnt/A/2024/", "/mnt/B/2024/"], "audio/B/2024", "."),
    ],
)
@pytest.mark.parametrize("n_of_other", [6, 3])
def test_annotations_of_a_site_whose_sound_is_not_there_are_left_out(
    said, sound, place, n_of_other, tmp_path, home, capsys
):
    mine = tmp_path / "mine"
    of_folders(mine, said, [sound])
    # Without those of some hours of the other site, sound is there that no cell but one of the first site may mean.
    lines = (mine / "a.csv").read_text().splitlines(keepends=True)
    (mine / "a.csv").write_text("".join(lines[: 19 + 3 * n_of_other]))
    _, out = init(mine / "a.csv", mine / place, capsys=capsys)
    params = params_file.load("params.yaml")
    found = audit.audit(params["data"], {}, HashCache("../cache.json"), 1)
    calls = [(name, pytest.approx(a + 0.1), pytest.approx(b + 0.1)) for name, a, b in CALLS]
    boxes = [(box["recording_id"][-15:], box["species_id"], box["t_min_s"], box["t_max_s"]) for box in boxes_of(found)]
    assert sorted(boxes) == sorted((i, *call) for i in HOURS[:n_of_other] for call in calls)
    assert "18 rows or recordings cannot be used, the first:" in out[out.index("not decided:") :]


def boxes_of(found):
    return [box for _, box in found.annotations]


@pytest.mark.parametrize(
    ("said", "sound", "place", "is_told"),
    [
        ("/mnt/field/A/", "audio/A", ".", False),
        ("/mnt/field/rec/", "audio", ".", True),
        ("A/", "audio/A", "audio/A", False),
        ("x/A/", "audio/x/A", "audio/x/A", False),
        ("../data/A/", "audio/A", ".", False),
        ("./A/", "audio/A", "audio", False),
        ("a\\", "audio/A", "audio", False),
        # Named by itself, a folder is that of the recordings.
        ("wavs/", "audio", "audio", True),
        ("", "audio/A", ".", False),
    ],
)
def test_folders_of_another_machine_find_their_files(said, sound, place, is_told, tmp_path, home, capsys):
    mine = tmp_path / "mine"
    of_folders(mine, [said], [sound])
    params, out = init(mine / "a.csv", mine / place, capsys=capsys)
    found = audited(params)
    assert sorted({box["recording_id"][-15:] for box in boxes_of(found)}) == HOURS
    assert len(found.annotations) == 18
    assert ("taken for the same" in out) == is_told


@pytest.mark.parametrize(
    ("said", "sound"),
    [
        (["A/"], ["audio/B"]),
        (["2023/A/"], ["audio/2024/A"]),
        (["/mnt/1/A/", "/mnt/2/A/"], ["audio/A"]),
        (["/mnt/A/", "/mnt/B/"], ["audio"]),
        (["C:\\A\\", "D:\\A\\"], ["audio/A"]),
    ],
)
def test_recordings_of_other_folders_are_refused_in_a_line(said, sound, tmp_path, home, capsys):
    of_folders(tmp_path / "mine", said, sound)
    (line,) = refused(tmp_path / "mine", capsys=capsys)
    assert "is in another folder than the table says, or several of its names lead to it" in line


def test_several_names_of_one_file_are_never_one_recording(tmp_path, home, capsys):
    rows = [(f"night.{k}", *call) for k in (1, 2, 3) for call in CALLS]
    write_csv(tmp_path / "mine/a.csv", "recording,label,start,end", rows)
    write_sounds(tmp_path / "mine", ["night"])
    assert any(
        "no sound file is called as its recordings are" in line for line in refused(tmp_path / "mine", capsys=capsys)
    )
    # What a file was before it was converted is no other name of it.
    write_csv(tmp_path / "mine/a.csv", "file,label,start,end", [(f"{i}.m4a", *call) for i in IDS for call in CALLS])
    write_sounds(tmp_path / "mine", suffix=".flac")
    params, _ = init(tmp_path / "mine", capsys=capsys)
    assert {box["recording_id"] for box in boxes_of(audited(params))} == set(IDS)


def test_sites_with_recordings_of_the_same_names_stay_apart(tmp_path, home, capsys):
    for number, said in enumerate((["A/", "B/"], ["A\\", "B\\"], ["E:\\A\\", "E:\\B\\"])):
        of_folders(tmp_path / f"mine{number}", said, ["audio/A", "audio/B"])
        params, _ = init("--force", tmp_path / f"mine{number}", capsys=capsys)
        found = [(box["recording_id"], box["t_min_s"]) for box in boxes_of(audited(params))]
        expected = [(f"{s}/{i}", a + 0.1 * k) for k, s in enumerate("AB") for i in HOURS for _, a, _ in CALLS]
        assert sorted(found) == [(name, pytest.approx(a)) for name, a in sorted(expected)]


def test_tables_of_a_recording_each_are_of_the_site_in_whose_folder_they_lie(tmp_path, home, capsys):
    mine = tmp_path / "mine"
    for k, site in enumerate("AB"):
        for i in HOURS:
            write_csv(mine / f"{site}/{i}.csv", "onset_s,offset_s,label", [(a + k, b + k, s) for s, a, b in CALLS])
    write_sounds(mine / "B", HOURS)
    write_sounds(mine / "other", IDS)
    _, out = init(mine, capsys=capsys)
    found = audit.audit(params_file.load("params.yaml")["data"], {}, HashCache("../cache.json"), 1)
    assert {box["t_min_s"] for box in boxes_of(found)} == {a + 1 for _, a, _ in CALLS}
    assert len(found.annotations) == 18
    assert "20240501_000000.csv" in out


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda folder: None, "no table of annotations"),
        (lambda folder: write_sounds(folder), "no table of annotations"),
        (lambda folder: rfcx(folder), "no sound files; expected the folder of the recordings too"),
        (
            lambda folder: (rfcx(folder), write_sounds(folder, ["other"])),
            "no sound file is called as its recordings are",
        ),
        (
            lambda folder: write_csv(folder / "a.csv", "recording_id;species_id;t_min;t_max", [("a;b;1;2",)]),
            "cells between",
        ),
        (
            lambda folder: (folder / "a.csv").write_bytes(b"recording_id,label,t_min,t_max\na,gr\xfcn,1,2\n"),
            "byte 0xfc",
        ),
        (lambda folder: (folder / "a.csv").write_bytes(b"\x00\x01\xff" * 100), "0xff"),
        (lambda folder: (folder / "a.txt").write_text("I went out and heard a crow\n"), "no table of Raven"),
        (lambda folder: (folder / "a.csv").write_text(""), "no table of annotations"),
        (lambda folder: os.mkfifo(folder / "a.csv"), "a named pipe"),
        (lambda folder: (rfcx(folder, calls=[("a", 3, 2)]), write_sounds(folder)), "more than t_min 3 s"),
        (lambda folder: (rfcx(folder), [(folder / f"{i}.wav").write_bytes(b"RIFF") for i in IDS]), "rec0.wav"),
    ],
)
def test_nothing_to_learn_from_is_said_in_a_line_and_nothing_is_written(prepare, said, tmp_path, home, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    prepare(folder)
    lines = refused(folder, capsys=capsys)
    assert any(said in line for line in lines)
    assert len(lines) <= 4


def test_a_place_that_is_not_there(home, capsys):
    assert refused("nowhere", capsys=capsys) == [
        "error: nowhere: no such file or folder; expected recordings, a table, or a folder of both"
    ]


HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "{fold}",
    "\x1b[2Jred",
    "two\nlines: [",
    "\u202eturned",
    "# no comment",
    "x" * 500,
)


def test_labels_and_columns_that_would_break_out_stay_data(mine, home, capsys):
    labels = [f'"{label}"' for label in HOSTILE]
    rows = [(i, label, k, k + 0.1, "p") for i in IDS for k, label in enumerate(labels[:8])]
    write_sounds(mine / "audio", duration_s=9.0)
    write_csv(mine / "a.csv", 'recording_id,"label","t: [{ ""min""",t_max,"- site #1"', rows)
    columns = proposal.tables.read(mine / "a.csv", proposal.sounds.Names([])).taken
    assert columns["species_id"].name == "label"
    write_csv(mine / "a.csv", 'recording_id,"label","start",t_max,"- site #1"', rows)
    params, out = init(mine, capsys=capsys)
    assert out.replace("\n", "").isprintable()
    text = Path("params.yaml").read_text()
    assert text.replace("\n", "").isprintable()
    assert {box["species_id"] for _, box in audited(params).annotations} == {label.strip() for label in HOSTILE}


def test_what_somebody_edited_is_not_overwritten(mine, home, capsys):
    rfcx(mine)
    fresh = params_texts.preset(ROOT / "presets/changes/default.yaml")
    Path("params.yaml").write_text(fresh)
    _, out = init(mine, capsys=capsys)
    assert "before: params.yaml was the default one, which presets/default.yaml is too\n" in out
    made = Path("params.yaml").read_text()
    _, out = init(mine, capsys=capsys)
    assert Path("params.yaml").read_text() == made
    assert "before: " not in out

    Path("params.yaml").write_text(made.replace("seed: 123", "seed: 124"))
    assert refused(mine, capsys=capsys) == [
        "error: params.yaml: was edited, and is left as it is; expected --force to overwrite it, or --output FILE for "
        "another"
    ]
    assert cli.main(["init", str(mine), "--output", "other.yaml"]) == 0
    assert Path("other.yaml").read_text() == made


def test_what_is_overwritten_by_force_is_kept_beside_or_said_to_be_in_git(mine, home, capsys):
    rfcx(mine)
    for number, edited in enumerate(("seed: 1\n", "seed: 2\n"), start=1):
        Path("params.yaml").write_text(edited)
        _, out = init(mine, "--force", capsys=capsys)
        assert out.splitlines()[-2] == f"before: params.yaml as it was is params.before-{number}.yaml"
        assert Path(f"params.before-{number}.yaml").read_text() == edited
    Path("params.yaml").write_text("seed: 3\n")
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (["init", "-q"], ["add", "params.yaml"], [*who, "commit", "-qm", "start"]):
        subprocess.run(["git", *command], check=True)
    _, out = init(mine, "--force", capsys=capsys)
    assert out.splitlines()[-2] == "before: params.yaml is in Git as it was: git show HEAD:./params.yaml"
    assert subprocess.run(["git", "show", "HEAD:./params.yaml"], capture_output=True).stdout == b"seed: 3\n"
    assert not Path("params.before-3.yaml").exists()


def test_a_table_of_somebody_else_s_is_not_overwritten(mine, home, capsys):
    csv_of_points(mine)
    Path("annotations.csv").write_text("mine\n")
    assert refused(mine, capsys=capsys) == [
        "error: annotations.csv: there already; expected no such file (--force overwrites it)"
    ]
    init(mine, "--force", capsys=capsys)
    assert Path("annotations.before-1.csv").read_text() == "mine\n"
    init(mine, capsys=capsys)
    assert len(read_rows("annotations.csv", ()).rows) == 18


def test_values_of_a_preset_are_kept_but_for_its_data(mine, home, capsys):
    rfcx(mine)
    params, out = init(mine, "--preset", "fast", capsys=capsys)
    assert params["data"]["audio_dir"] == str(mine / "audio")
    assert (params["features"]["hop_length"], params["features"]["n_mels"]) == (1024, 40)
    assert (params["train"]["epochs"], params["presence"]["epochs"]) == (15, 10)
    assert "train.epochs 15 (80 without)" in out
    # The reason for frames is not said of half of what makes one.
    (of_frames,) = (line for line in out.splitlines() if line.startswith("  features.n_fft"))
    assert of_frames.endswith(": beside what preset fast says")
    assert "hop_length" not in of_frames
    assert refused(mine, "--preset", "slow", capsys=capsys) == [
        "error: --preset: 'slow': expected one of article, birdnet, default, fast, perch, rfcx, song"
    ]
    # What the recordings would ask for stands beside what the preset says.
    _, out = init(mine, "--preset", "rfcx", "--force", capsys=capsys)
    assert "of preset rfcx: features.sample_rate_hz 32000 (8000 without)" in out
    # Calls that its frames are too long for become windows.
    rfcx(mine, calls=[(name, a, a + 0.02) for name, a, _ in CALLS])
    params, out = init(mine, "--preset", "rfcx", "--force", capsys=capsys)
    assert (params["features"]["n_fft"], params["features"]["clip"]) == (1536, "window")
    assert "18 annotations are shorter than a frame of 48 ms" in out


PRESETS = sorted(path.stem for path in (ROOT / "presets/changes").glob("*.yaml"))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("rate_hz", "call_s"), [(1000, 1.0), (8000, 0.03), (16_000, 0.5), (250_000, 0.004)])
def test_what_is_derived_fits_what_a_preset_says(preset, rate_hz, call_s, tmp_path, home, capsys):
    calls = [(name, round(k * 2 * call_s, 6), round((k * 2 + 1) * call_s, 6)) for k, name in enumerate("abcabcabcabc")]
    write_sounds(tmp_path / "mine", rate_hz=rate_hz, duration_s=34 * call_s)
    rfcx(tmp_path / "mine", calls=calls)
    # One call is much longer than all others.
    with (tmp_path / "mine/train_tp.csv").open("a") as file:
        file.write(f"{IDS[0]},a,{25 * call_s},{33 * call_s}\n")
    # What it writes has to pass the checks of the workflow, but for the weights that are not there.
    assert cli.main(["init", "--preset", preset, str(tmp_path / "mine")]) == 0
    params = params_file.load("params.yaml")
    features, presence = params["features"], params["presence"]
    audited(params)
    hop_s = features["hop_length"] / features["sample_rate_hz"]
    if features["kind"] != "embedding":
        assert features["hop_length"] <= features["n_fft"]
    if preset != "article":
        frames = params["dataset"]["frames"]
        assert (frames is None) == (features["clip"] == "window")
        assert frames is None or call_s - 1e-9 <= frames * hop_s <= call_s + 1.01 * hop_s
    if presence["network"] != "none":
        assert presence["stretch_s"] > 2 * presence["margin_s"]


def test_what_a_preset_leaves_open_follows_what_it_says(mine, home, capsys):
    # 30 ms alone would have frames of 8 ms, every 4 ms.
    rfcx(mine, calls=[(name, a, a + 0.03) for name, a, _ in CALLS])
    params, out = init(mine, "--preset", "fast", capsys=capsys)
    assert (params["features"]["n_fft"], params["features"]["hop_length"]) == (1024, 1024)
    assert params["features"]["clip"] == "window"
    assert params["presence"]["pool_frames"] == 1
    # What stands as the value without it is that of no preset.
    assert "of preset fast: features.hop_length 1024 (30 without)" in out


def test_tables_beside_the_annotations_find_their_places(mine, home, capsys):
    rfcx(mine)
    rfcx(mine, calls=[("crow", 3.25, 3.5)], name="train_fp.csv")
    write_csv(mine / "places.csv", "recording_id,site,gain", [(i, "ABC"[k % 3], k) for k, i in enumerate(IDS)])
    write_csv(mine / "names.csv", "species_id,name", [("crow", "Corvus"), ("jay", "Garrulus"), ("owl", "Strix")])
    write_csv(mine / "unknown.csv", "recording_id,t_min,t_max,label", [(IDS[0], 3.5, 4.0, "crow")])
    write_csv(mine / "listened_spans.csv", "recording_id,t_min,t_max", [(i, 0, 4) for i in IDS])
    write_csv(mine / "sample_submission.csv", "recording_id,s0,s1,s2", [("a", 0, 0, 0)])
    of_answers = "clip,recording_id,start_s,end_s,species_id,answer,other_species,reviewer,time"
    write_csv(mine / "answers.csv", of_answers, [("c", i, 0, 3, "crow", "no", "", "ann", "") for i in IDS] * 9)
    params, out = init(mine, capsys=capsys)
    names = {
        **{"annotations": "train_tp.csv", "false_positives": "train_fp.csv", "recordings_table": "places.csv"},
        **{"species_table": "names.csv", "unknown": "unknown.csv", "annotated_spans": "listened_spans.csv"},
    }
    assert {key: params["data"][key] for key in names} == {key: str(mine / name) for key, name in names.items()}
    assert params["data"]["annotated"] == "boxes"
    assert params["presence_calibration"]["aim"] == "f1"
    assert (params["split"]["group"], params["cross_validation"]["column"]) == ("site", "site")
    assert "Corvus 6, Garrulus 6, Strix 6" in out
    assert "sample_submission.csv: a sample submission" in out
    assert "answers.csv: answers of a review, for data.reviews" in out
    assert params["data"]["reviews"] == params["data"]["annotations"]
    found = audited(params)
    assert (len(found.annotations), len(found.false_positives), len(found.unknown)) == (18, 6, 1)


def test_tables_of_other_recordings_are_left_aside(mine, home, capsys):
    rfcx(mine)
    rfcx(mine, ["other"], name="fp.csv")
    write_csv(mine / "unknown.csv", "recording_id,t_min,t_max", [("other", 1, 2)])
    write_csv(mine / "effort.csv", "recording_id,t_min,t_max", [("other", 1, 2)])
    params, out = init(mine, capsys=capsys)
    for key in ("false_positives", "unknown", "annotated_spans", "reviews", "review_summary"):
        assert params["data"][key] == params["data"]["annotations"]
    assert out.count("of other recordings") == 3


def test_a_table_that_lacks_recordings_is_left_out_and_named(mine, home, capsys):
    rfcx(mine)
    write_csv(mine / "places.csv", "recording_id,site", [(i, "A") for i in IDS[1:]])
    params, out = init(mine, capsys=capsys)
    assert params["data"]["recordings_table"] == params["data"]["annotations"]
    assert "places.csv lacks 1 of those that are annotated (rec0): left out" in out


def test_rows_that_cannot_be_used_are_counted_and_left_out(mine, home, capsys):
    write_csv(
        mine / "a.csv",
        "recording_id,species_id,t_min,t_max",
        [
            *((i, *call) for i in IDS for call in CALLS),
            ("gone", "crow", 1, 2),
            (IDS[0], "crow", 3.5, 9),
            (IDS[1], "wren", 1, 2),
        ],
    )
    params, out = init(mine, capsys=capsys)
    assert params["data"]["on_bad_recording"] == "quarantine"
    undecided = out[out.index("not decided:") :]
    assert "3 rows or recordings cannot be used, the first:" in undecided
    found = audit.audit(params["data"], {}, HashCache("../cache.json"), 1)
    assert (len(found.annotations), len(found.problems)) == (18, 3)


def test_species_that_live_in_one_recording_each_become_one_class(mine, home, capsys):
    rows = [(i, f"species {k}", 0.5 * n, 0.5 * n + 0.25) for k, i in enumerate(IDS) for n in range(4)]
    write_csv(mine / "a.csv", "recording_id,species_id,t_min,t_max", rows)
    params, out = init(mine, capsys=capsys)
    boxes = [box for _, box in audited(params).annotations]
    assert {box["species_id"] for box in boxes} == {"call"}
    assert sorted((box["recording_id"], box["label"]) for box in boxes) == sorted((row[0], row[1]) for row in rows)
    assert "6 of 6 are in one recording_id alone" in out[out.index("not decided:") :]
    assert params["train"]["epochs"] == 1


def lonely(folder, header="recording_id,species_id,t_min,t_max", extra=(), name="train_tp.csv", begin_s=0.0):
    rows = [
        (i, f"species {k}", begin_s + 0.5 * n, begin_s + 0.5 * n + 0.25, *extra)
        for k, i in enumerate(IDS)
        for n in range(4)
    ]
    write_csv(folder / name, header, rows)
    return [(row[0], row[1]) for row in rows]


def test_one_class_has_no_false_positives_of_species_and_says_so(mine, home, capsys):
    lonely(mine)
    lonely(mine, name="train_fp.csv", begin_s=2.0)
    write_csv(mine / "names.csv", "species_id,name", [(f"species {k}", f"Name {k}") for k in range(6)])
    params, out = init(mine, capsys=capsys)
    table = params["data"]["annotations"]
    assert (params["data"]["false_positives"], params["data"]["species_table"], table) == (
        table,
        table,
        "annotations.csv",
    )
    # Nor do they decide anything.
    assert params["data"]["annotated"] == "all"
    found, undecided = out[: out.index("chosen:")], out[out.index("not decided:") :]
    assert "false positives" not in found
    assert f"data.false_positives: {mine / 'train_fp.csv'}: says where single species do not call" in undecided
    assert f"data.species_table: {mine / 'names.csv'}: names species" in undecided
    assert "there is a table of false positives" not in out


def test_one_class_has_the_calls_of_species_that_are_too_few_for_a_class(mine, home, capsys):
    """Nobody may take the sound around them for sound without a call."""
    rows = [(i, f"species {k}", 0.5 * n, 0.5 * n + 0.25) for k, i in enumerate(IDS) for n in range(1 + 3 * (k == 0))]
    write_csv(mine / "a.csv", "recording_id,species_id,t_min,t_max", rows)
    params, out = init(mine, capsys=capsys)
    boxes = [box for _, box in audited(params).annotations]
    assert sorted((box["recording_id"], box["label"]) for box in boxes) == sorted((row[0], row[1]) for row in rows)
    assert "cannot be used" not in out


def test_one_class_has_no_unknown_spans_of_species_and_says_so(mine, home, capsys):
    lonely(mine)
    write_csv(mine / "unknown.csv", "recording_id,species_id,t_min,t_max", [(IDS[0], "species 0", 3.0, 3.5)])
    params, out = init(mine, capsys=capsys)
    assert params["data"]["unknown"] == params["data"]["annotations"]
    assert f"data.unknown: {mine / 'unknown.csv'}: is of single species" in out[out.index("not decided:") :]
    audited(params)
    write_csv(mine / "unknown.csv", "recording_id,t_min,t_max", [(IDS[0], 3.0, 3.5)])
    params, _ = init("--force", mine, capsys=capsys)
    assert params["data"]["unknown"].endswith("unknown.csv")


def test_one_class_keeps_the_species_beside_a_column_label_of_the_table(mine, home, capsys):
    species = lonely(mine, "recording_id,species_id,t_min,t_max,label", ("song",))
    write_csv(mine / "recordings.csv", "recording_id,label_2", [(i, "x") for i in IDS])
    params, out = init(mine, capsys=capsys)
    boxes = [box for _, box in audited(params).annotations]
    assert sorted((box["recording_id"], box["label_3"]) for box in boxes) == sorted(species)
    assert {box["label"] for box in boxes} == {"song"}
    assert "(column label_3 has the species)" in out
    assert "6 classes: species 0 4" in out


def test_products_of_the_workflow_and_of_init_itself_are_no_input(home, capsys):
    csv_of_points(home / "mine")
    write_sounds(home / "mine/audio")
    for folder in ("data/recordings", "data/older"):
        rfcx(home / folder, name="annotations.csv")
        (home / folder / "x.provenance.json").write_text("{}")
    write_sounds(home / "data/older/train")
    first, _ = init(".", capsys=capsys)
    assert first["data"]["audio_dir"] == "mine/audio"
    again, out = init(".", capsys=capsys)
    assert again == first
    assert "not used" not in out
    (home / "mine/clicks.csv").unlink()
    assert any("annotations.csv: what this command writes itself" in line for line in refused(".", capsys=capsys))
    # Whoever names such a folder means it.
    params, _ = init("--force", "data/older", capsys=capsys)
    assert params["data"]["annotations"] == "data/older/annotations.csv"


def test_starts_without_ends_are_no_points_whatever_times_are_beside_them(mine, home, capsys):
    write_csv(
        mine / "a.csv", "recording_id,species_id,t_min,time", [(i, "crow", n, 6 + n) for i in IDS for n in (1, 2)]
    )
    assert any("column t_min has starts, and no column their ends" in line for line in refused(mine, capsys=capsys))


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("file,site", "rec0,A", "column file names recordings: call it recording_id"),
        ("start,end,label", "1,2,crow", "labels and times, but no column names the recordings"),
        ("file,start,end,label", "rec0,00:01,00:02,crow", "column start: not all of it are numbers of seconds"),
    ],
)
def test_a_table_that_nearly_is_one_says_what_it_lacks(header, row, said, mine, home, capsys):
    write_csv(mine / "a.csv", header, [(row,)])
    assert any(said in line for line in refused(mine, capsys=capsys))


def with_groups(folder, column, values):
    rfcx(folder)
    write_csv(folder / "recordings.csv", f"recording_id,{column}", zip(IDS, values, strict=True))


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        # (group, test share, validation share, folds, column of the folds)
        ("site", "ABCABC", ("site", 0.33, 0.33, 3, "site")),
        ("Recording_Site", "ABCDEE", ("Recording_Site", 0.2, 0.2, 5, "Recording_Site")),
        # Two sites are too few to learn, validate and test.
        ("site", "AABBAB", ("recording_id", 0.25, 0.2, 5, None)),
        # A column of measurements is no group, and neither is one that is empty somewhere.
        ("gain_db", "123456", ("recording_id", 0.25, 0.2, 5, None)),
        ("site", ["A", "", "B", "C", "A", "B"], ("recording_id", 0.25, 0.2, 5, None)),
    ],
)
def test_groups_and_shares(column, values, expected, mine, home, capsys):
    with_groups(mine, column, values)
    params, out = init(mine, capsys=capsys)
    split, folds = params["split"], params["cross_validation"]
    found = (split["group"], split["test_fraction"], split["validation_fraction"], folds["folds"], folds["column"])
    assert found == expected
    assert ("site has 2 values" in out) == (values == "AABBAB")


@pytest.mark.parametrize(("n", "expected"), [(1, ("article", 0.25)), (2, ("grouped", 0.0)), (3, ("grouped", 0.33))])
def test_few_recordings_are_dealt_as_far_as_they_go(n, expected, tmp_path, home, capsys):
    write_sounds(tmp_path / "mine", IDS[:n])
    calls = [(name, k, k + 0.5) for k, name in enumerate(["crow", "jay"] * 2)] * 1
    calls += [(name, k + 0.5, k + 0.75) for k, name in enumerate(["jay", "crow"] * 2)]
    rfcx(tmp_path / "mine", IDS[:n], calls)
    params, out = init(tmp_path / "mine", capsys=capsys)
    assert (params["split"]["method"], params["split"]["validation_fraction"]) == expected
    assert ("one recording trains and tests" in out) == (n == 1)
    assert ("no recording is left to validate" in out) == (n == 2)
    assert "0 minutes to validate" not in out


def test_who_brings_a_model_is_not_told_to_bring_one(mine, home, capsys):
    rfcx(mine)
    assert "a pretrained model of yours" in init(mine, capsys=capsys)[1]
    assert cli.main(["init", str(mine), "--preset", "birdnet", "--force"]) == 0
    assert "a pretrained model of yours" not in capsys.readouterr().out


real = pytest.mark.parametrize(
    ("name", "n", "expected"),
    [
        ("a60", 440, {"split.group": "fold", "data.annotated": "all", "features.sample_rate_hz": 24_000}),
        # presets/song.yaml, which was made for it.
        (
            "finch",
            1559,
            {
                **{"split.group": "day", "features.sample_rate_hz": 32_000, "features.n_fft": 512},
                **{"features.hop_length": 160, "features.f_max_hz": 16_000.0, "features.context_gap_s": 0.02},
                **{"presence.stretch_s": 3.0, "presence.pool_frames": 2, "detection_metrics.segment_s": 0.5},
            },
        ),
        (
            "flysong",
            435,
            {"features.clip": "window", "features.sample_rate_hz": 2500, "split.validation_fraction": 0.0},
        ),
        ("bats", 433, {"features.clip": "annotation", "features.sample_rate_hz": 250_000, "data.annotated": "all"}),
    ],
)


@real
def test_real_sets(name, n, expected, home, capsys):
    if not (REAL / name).is_dir():
        pytest.skip(f"{REAL / name}: not there; DAWNCHORUS_REAL_SETS names the folder of the real sets")
    params, _ = init(REAL / name, capsys=capsys)
    assert {key: params[key.partition(".")[0]][key.partition(".")[2]] for key in expected} == expected
    assert len(audited(params).annotations) == n


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_an_output_that_is_no_file_is_one_line_and_not_waited_for(tmp_path, what):
    path = tmp_path / "params.yaml"
    os.mkfifo(path) if what == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"params.yaml: a .*; expected the name of a file"):
        init_command._refuse(path, "text", False)


def test_a_table_without_a_row_is_one_line(tmp_path, monkeypatch, capsys):
    write_sounds(tmp_path / "audio")
    write_csv(tmp_path / "labels.csv", "recording_id,species_id,t_min,t_max", [])
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "labels.csv", "audio"]) != 0
    said = capsys.readouterr().err.strip()
    assert said.splitlines()[-1].endswith("labels.csv: no row below the header; expected one for each call")
    assert not (tmp_path / "params.yaml").exists()


def test_one_time_of_few_that_is_none_is_named(tmp_path, monkeypatch, capsys):
    """In a short table a single cell is more than one in twenty; its column is one of times all the same."""
    monkeypatch.chdir(tmp_path)
    write_sounds(tmp_path)
    rfcx(tmp_path)
    table = tmp_path / "train_tp.csv"
    table.write_text(table.read_text().replace("rec1,jay,1.25,1.75", "rec1,jay,1.25,nan"))
    assert cli.main(["init", "."]) == 0
    assert (
        "1 rows or recordings cannot be used, the first: train_tp.csv:6: column t_max: 'nan': expected a finite number"
    ) in capsys.readouterr().out
