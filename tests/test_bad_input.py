"""What bad tables and bad sound get: one clear line each, all at once, nothing half-written."""

import csv
import json
import os
import random
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from arguments import audit_outputs
from dawnchorus.annotations import audit as auditing
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.parameters.data import TABLES
from dawnchorus.sound import audio
from dawnchorus.stages import recordings
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ANNOTATIONS, AUDIT, FALSE_POSITIVES, RECORDINGS
from refused_sound import write_refused

RATE_HZ = 8000
HEADER = "recording_id,species_id,songtype_id,t_min,f_min,t_max,f_max"
DATA = {
    "source": "table",
    "annotations": "table.csv",
    "format": "rfcx",
    "columns": {},
    "audio_dir": "audio",
    **dict.fromkeys(TABLES, "table.csv"),
    "on_bad_recording": "stop",
    "shortest_annotation_s": 0.05,
}


def noise(duration_s=2.0, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(int(duration_s * RATE_HZ))).astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four good recordings with two classes, three rows of each."""
    monkeypatch.chdir(tmp_path)
    Path("audio").mkdir()
    for number in range(4):
        soundfile.write(f"audio/r{number}.wav", noise(seed=number), RATE_HZ)
    write_table([good(number, species) for number in range(4) for species in "01"])
    return tmp_path


def good(number, species="0"):
    return f"r{number},{species},1,0.5,100,1.0,2000"


def write_table(rows, header=HEADER, name="table.csv"):
    Path(name).write_text("\n".join([header, *rows]) + "\n")


def audit(planned="", /, **data):
    arguments = ["--params", json.dumps({"data": {**DATA, **data}}), "--audio", planned, "--threads", "2"]
    recordings.main([*arguments, "--hash-cache", "hashes.json", *audit_outputs("made")])


def lines_of_stop(**data) -> list[str]:
    """Run the audit, which must stop, and return what it says; nothing may have been written."""
    with pytest.raises(InputError) as caught:
        audit(**data)
    assert not list(Path().glob("made/*"))
    return str(caught.value).splitlines()


def rows_of(name: str) -> list[dict]:
    with open(f"made/{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_good_input_passes_and_says_what_it_found(folder, capsys):
    audit()
    assert len(rows_of("annotations")) == 8
    assert rows_of("audit") == []
    first = rows_of("recordings")[0]
    assert (first["path"], first["duration_s"], first["sample_rate_hz"]) == ("r0.wav", "2.0", "8000")
    assert "8 annotations of 2 classes in 4 recordings; 0 of 8 rows left out" in capsys.readouterr().out


@pytest.mark.parametrize("back", [False, True])
def test_sound_that_is_exchanged_while_it_is_decoded_ends_the_audit(folder, monkeypatch, back):
    whole, inspect = Path("audio/r2.wav").read_bytes(), audio.inspect

    def exchanged(path):
        if Path(path).name != "r2.wav":
            return inspect(path)
        soundfile.write("other.wav", noise(seed=9), RATE_HZ)
        os.replace("other.wav", path)
        found = inspect(path)
        if back:
            Path("other.wav").write_bytes(whole)
            os.replace("other.wav", path)
        return found

    monkeypatch.setattr(audio, "inspect", exchanged)
    assert lines_of_stop() == ["audio/r2.wav: changed during the audit; expected no change, run again"]


def test_sound_that_is_exchanged_after_it_was_decoded_ends_the_audit(folder, monkeypatch):
    check = auditing.check

    def exchanged(*given):
        check(*given)
        soundfile.write("audio/r1.wav", noise(seed=9), RATE_HZ)

    monkeypatch.setattr(auditing, "check", exchanged)
    assert lines_of_stop() == ["audio/r1.wav: changed during the audit; expected no change, run again"]


@pytest.mark.parametrize("changed", ["audio/r3.wav", "labels/r3.txt"])
def test_what_is_not_as_it_was_planned_ends_the_audit(folder, changed):
    """A record says what was planned: sound, and tables in folders, that are other ones would be blessed as those."""
    Path("labels").mkdir()
    for number in range(4):
        Path(f"labels/r{number}.txt").write_text("0.5\t1.0\ta\n0.5\t1.0\tb\n")
    data = {"annotations": "labels", "format": "audacity", **dict.fromkeys(TABLES, "labels")}
    planned = auditing.fingerprint({**DATA, **data}, HashCache("hashes.json"))
    audit(planned, **data)
    if changed == "audio/r3.wav":
        soundfile.write(changed, noise(seed=9), RATE_HZ)
    else:
        Path(changed).write_text("0.5\t1.0\ta\n0.5\t1.2\tb\n")
    before = {path: path.read_bytes() for path in Path("made").iterdir()}
    with pytest.raises(InputError, match="audio: recordings, or folders of tables: changed during the audit"):
        audit(planned, **data)
    assert {path: path.read_bytes() for path in Path("made").iterdir()} == before


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("r0,0,1,soon,100,1.0,2000", "table.csv:2: column t_min: 'soon': expected a finite number of seconds"),
        ("r0,0,1,0.5,100,0.5,2000", "table.csv:2: column t_max: '0.5': expected more than t_min 0.5 s"),
        ("r0,0,1,0.5,100,2.5,2000", "table.csv:2: column t_max: '2.5': expected at most the recording's 2.0000 s"),
        ("r0,0,1,0.5,-1,1.0,2000", "table.csv:2: column f_min: '-1': expected a number >= 0"),
        ("../r0,0,1,0.5,100,1.0,2000", "table.csv:2: column recording_id: '../r0': expected a recording id of"),
        ("/etc/passwd,0,1,0.5,1,1.0,2", "table.csv:2: column recording_id: '/etc/passwd': expected a recording id"),
        ("$(touch x),0,1,0.5,1,1.0,2", "table.csv:2: column recording_id: '$(touch x)': expected a recording id"),
        ("absent,0,1,0.5,1,1.0,2", "table.csv:2: column recording_id: 'absent': expected one audio file of that name"),
        ("r0,9,1,0.5,1,1.0,2", "table.csv:2: column species_id: '9': expected a class with at least 3 rows"),
        ("r0,0,1,0.5", "table.csv:2: '4 cells': expected 7 cells, as the header has"),
        (good(1), "table.csv:5: column recording_id: 'r1': expected each annotation once; line 2 says the same"),
    ],
)
def test_a_bad_row_stops_with_one_line_and_a_hint(folder, row, expected):
    write_table([row] + [good(number, species) for number in range(4) for species in "01"])
    lines = lines_of_stop()
    assert len(lines) == 2, lines
    assert lines[0].startswith(expected)
    assert lines[1].startswith("1 problem in table.csv and its recordings; data.on_bad_recording: quarantine")


def broken_files():
    whole = Path("audio/r0.wav").read_bytes()
    soundfile.write("audio/flac.flac", noise(5), RATE_HZ)
    flac = Path("audio/flac.flac").read_bytes()
    Path("audio/flac.flac").unlink()
    nan = noise()
    nan[100] = np.nan
    soundfile.write("audio/nan.wav", nan, RATE_HZ, subtype="FLOAT")
    soundfile.write("audio/silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    Path("audio/empty.wav").write_bytes(b"")
    Path("audio/header.wav").write_bytes(whole[:44])
    Path("audio/cut.flac").write_bytes(flac[: len(flac) // 2])
    Path("audio/text.mp3").write_text("not sound at all, " * 100)
    return ["nan.wav", "silent.wav", "empty.wav", "header.wav", "cut.flac", "text.mp3"]


def test_all_bad_files_are_named_at_once(folder):
    names = broken_files()
    rows = [f"{Path(name).stem},{n % 2},1,0.1,1,0.5,2" for n, name in enumerate(names)]
    write_table(rows + [good(number, species) for number in range(4) for species in "01"])
    lines = lines_of_stop()
    found = {line.split(":")[0] for line in lines[:-1]}
    assert found == {f"audio/{name}" for name in names}
    by_name = {line.split(":")[0].removeprefix("audio/"): line for line in lines}
    for name, word in (
        ("nan.wav", "finite"),
        ("silent.wav", "silent"),
        ("empty.wav", "empty"),
        ("cut.flac", "truncated"),
    ):
        assert word in by_name[name], by_name[name]
    assert lines[-1].startswith("6 problems in table.csv")


def write_with_refused(folder):
    """Good rows, and a row for each kind of file that is none or damaged."""
    for name in write_refused(folder / "audio/bad"):
        # Of two with one id each would be the other's fault.
        Path("audio/bad", name).rename(
            Path("audio/bad", f"{Path(name).stem}-{Path(name).suffix[1:]}{Path(name).suffix}")
        )
    Path("audio/bad/loop-wav.wav").unlink()
    Path("audio/bad/loop-wav.wav").symlink_to("loop-wav.wav")
    names = sorted(path.name for path in Path("audio/bad").iterdir())
    rows = [f"bad/{Path(name).stem},{n % 2},1,0.1,1,0.5,2" for n, name in enumerate(names)]
    write_table(rows + [good(number, species) for number in range(4) for species in "01"])
    return {f"audio/bad/{name}": audio.inspect(f"audio/bad/{name}")[1] for name in names}


def test_every_file_that_is_none_or_damaged_is_one_line(folder):
    refused = write_with_refused(folder)
    lines = [line for line in lines_of_stop() if line.startswith("audio/")]
    assert sorted(lines) == sorted(
        f"{path}: {problem!r}: expected whole, readable sound" for path, problem in refused.items()
    )


def test_every_file_that_is_none_or_damaged_is_left_out_in_quarantine(folder):
    refused = write_with_refused(folder)
    audit(on_bad_recording="quarantine")
    assert {row["file"]: row["value"] for row in rows_of("audit")} == refused
    assert {row["recording_id"] for row in rows_of("recordings")} == {"r0", "r1", "r2", "r3"}
    assert len(rows_of("annotations")) == 8


def test_the_fingerprint_waits_for_nothing(folder):
    from dawnchorus.foundation.hashes import HashCache

    write_with_refused(folder)
    first = auditing.fingerprint(DATA, HashCache("hashes.json"))
    Path("audio/bad/gone-wav.wav").unlink()
    Path("audio/bad/gone-wav.wav").symlink_to("pipe-wav.wav")
    assert auditing.fingerprint(DATA, HashCache("hashes.json")) != first


def test_a_recording_that_may_not_be_read_is_one_line(folder, monkeypatch):
    """Who runs the tests may be allowed everything: the system refuses by itself."""
    opened = os.open

    def refusing(path, *arguments, **options):
        if str(path).endswith("r1.wav"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    line, _ = lines_of_stop()
    assert line == "audio/r1.wav: 'unreadable: Permission denied': expected whole, readable sound"
    audit(on_bad_recording="quarantine")
    assert {row["recording_id"] for row in rows_of("recordings")} == {"r0", "r2", "r3"}


def test_quarantine_goes_on_without_them_and_says_how_many(folder, capsys):
    names = broken_files()
    rows = [f"{Path(name).stem},{n % 2},1,0.1,1,0.5,2" for n, name in enumerate(names)]
    write_table([*rows, "r0,0,1,x,1,2,3"] + [good(number, species) for number in range(4) for species in "01"])
    audit(on_bad_recording="quarantine")
    assert len(rows_of("annotations")) == 8
    assert {row["recording_id"] for row in rows_of("recordings")} == {"r0", "r1", "r2", "r3"}
    assert len(rows_of("audit")) == 7
    assert "7 of 15 rows left out, 7 problems" in capsys.readouterr().out
    line = auditing.left_out(DATA, "made/annotations.csv", "made/false_positives.csv", "made/audit.csv")
    assert line == "7 of 15 annotations; 7 problems in made/audit.csv"


def test_quarantine_counts_false_positives_apart(folder):
    write_table([good(number, species) for number in range(4) for species in "01"])
    write_table([good(0, 0), "r0,0,1,x,1,2,3"], name="fp.csv")
    audit(on_bad_recording="quarantine", false_positives="fp.csv")
    line = auditing.left_out(
        {**DATA, "false_positives": "fp.csv"}, "made/annotations.csv", "made/false_positives.csv", "made/audit.csv"
    )
    assert line == "1 of 2 false positives; 1 problem in made/audit.csv"


def test_two_files_for_one_id(folder):
    soundfile.write("audio/r1.flac", noise(), RATE_HZ)
    lines = lines_of_stop()
    assert [line.split(": expected")[0] for line in lines[:2]] == [
        "table.csv:4: column recording_id: 'r1'",
        "table.csv:5: column recording_id: 'r1'",
    ]
    assert "found 2 files (r1.flac, r1.wav)" in lines[0]


def test_a_missing_column_a_missing_table_and_a_missing_folder(folder):
    write_table(["r0,0,1"], "recording_id,species_id,t_min")
    assert lines_of_stop() == ["table.csv:1: column t_max: missing; found recording_id, species_id, t_min"]
    assert lines_of_stop(annotations="none.csv")[0].startswith("none.csv: no such file")
    write_table([good(0), good(1)])
    assert "data.audio_dir: nowhere: no such folder" in lines_of_stop(audio_dir="nowhere")[0]


def test_one_class_alone_is_a_table_to_find_calls_with(folder, capsys):
    write_table([good(number) for number in range(4)])
    audit()
    assert "4 annotations of 1 classes in 4 recordings" in capsys.readouterr().out


def test_no_row_that_is_left_is_an_error(folder):
    write_table([good(9), good(8)])
    assert lines_of_stop(on_bad_recording="quarantine")[-1] == "table.csv: no usable row; expected one or more"


def test_side_tables_must_know_every_id(folder):
    write_table(["r0,north", "r1,north", "r2,south", "r2,east"], "recording_id,site", "sites.csv")
    write_table(["0,owl"], "species_id,name", "species.csv")
    lines = lines_of_stop(recordings_table="sites.csv", species_table="species.csv")
    assert "sites.csv:5: column recording_id: 'r2': expected each id once" in lines
    assert "table.csv:8: column recording_id: 'r3': expected an id that sites.csv has too" in lines
    assert "table.csv:3: column species_id: '1': expected an id that species.csv has too" in lines


def test_extra_columns_of_both_tables_are_carried_along(folder):
    write_table([f"{good(n, s)},day{n}" for n in range(4) for s in "01"], HEADER + ",date")
    write_table([f"r{n},site{n % 2}" for n in range(4)], "recording_id,site", "sites.csv")
    write_table(["0,owl", "1,<b>frog</b>"], "species_id,name", "species.csv")
    audit(recordings_table="sites.csv", species_table="species.csv")
    assert [row["date"] for row in rows_of("annotations")][::2] == ["day0", "day1", "day2", "day3"]
    assert rows_of("annotations")[3]["site"] == "site1"
    assert rows_of("annotations")[1]["species_name"] == "<b>frog</b>"
    assert rows_of("recordings")[1]["site"] == "site1"


def test_ids_with_subfolders_and_other_formats(folder):
    Path("audio/site a/2024").mkdir(parents=True)
    stereo = np.stack([noise(seed=5), noise(seed=6)], axis=1)
    soundfile.write("audio/site a/2024/r9.ogg", stereo, 44100)
    write_table([good(n, s) for n in range(4) for s in "01"] + ["site a/2024/r9,0,1,0.1,1,0.3,2"])
    audit()
    row = rows_of("recordings")[-1]
    assert (row["path"], row["channels"], row["sample_rate_hz"]) == ("site a/2024/r9.ogg", "2", "44100")


def test_only_a_changed_recording_is_decoded_again(folder, monkeypatch):
    audit()
    decoded = []
    inspect = auditing.audio.inspect
    monkeypatch.setattr(auditing.audio, "inspect", lambda path: decoded.append(Path(path).name) or inspect(path))
    soundfile.write("audio/r2.wav", noise(seed=77), RATE_HZ)
    before = rows_of("recordings")
    audit()
    after = rows_of("recordings")
    assert decoded == ["r2.wav"]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True]


def test_the_fingerprint_follows_content_not_names_or_times(folder):
    def fingerprint():
        return auditing.fingerprint(DATA, HashCache("hashes.json"))

    first = fingerprint()
    Path("audio/r0.wav").touch()
    Path("audio/unlisted.wav").write_bytes(b"x")
    assert fingerprint() == first
    soundfile.write("audio/r0.wav", noise(seed=99), RATE_HZ)
    assert fingerprint() != first


def test_the_exit_code_is_not_0_and_there_is_no_trace(folder, capsys):
    write_table(["r0,0,1,x,1,2,3"])
    assert run(audit) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("error: table.csv:2: column t_min: 'x'")
    assert not any("Traceback" in line for line in said)


def test_boxes_that_were_checked_not_to_be_a_species(folder, capsys):
    """They are checked as annotations are; their recordings need no annotation."""
    soundfile.write("audio/extra.wav", noise(seed=9), RATE_HZ)
    write_table([f"r{n},site{n % 2}" for n in range(4)] + ["extra,site9"], "recording_id,site", "sites.csv")
    write_table(["0,owl", "1,frog"], "species_id,name", "species.csv")
    # The same lines as in the annotations: a problem here is none there.
    write_table(["r0,1,4,0.5,100,1.0,2000", "extra,0,1,0.25,,0.75,", "r0,0,4,0.5,100,1.0,2000"], name="fp.csv")
    audit(false_positives="fp.csv", recordings_table="sites.csv", species_table="species.csv")
    wanted = ("annotation_id", "recording_id", "species_id", "species_name", "songtype_id", "t_min_s", "site")
    assert [tuple(row[key] for key in wanted) for row in rows_of("false_positives")] == [
        ("0", "r0", "1", "frog", "4", "0.5", "site0"),
        ("1", "extra", "0", "owl", "1", "0.25", "site9"),
        ("2", "r0", "0", "owl", "4", "0.5", "site0"),
    ]
    assert len(rows_of("annotations")) == 8
    assert [row["recording_id"] for row in rows_of("recordings")] == ["extra", "r0", "r1", "r2", "r3"]
    assert "3 boxes that were checked not to hold their species" in capsys.readouterr().out


def test_faults_of_false_positives_are_named_and_leave_the_annotations_alone(folder):
    Path("audio/broken.wav").write_bytes(b"")
    boxes = ["r0,0,1,0.5,100,1.0,2000", "r0,7,1,0.5,100,1.0,2000", "absent,0,1,0.5,100,1.0,2000",
             "r1,0,1,0.5,100,9.0,2000", "r1,0,1,soon,100,1.0,2000", "broken,0,1,0.5,100,1.0,2000"]  # fmt: skip
    write_table(boxes, name="fp.csv")
    lines = lines_of_stop(false_positives="fp.csv")
    assert sorted(line.split(": expected")[0] for line in lines[:-1]) == [
        "audio/broken.wav: 'empty: the file has 0 bytes'",
        "fp.csv:3: column species_id: '7'",
        "fp.csv:4: column recording_id: 'absent'",
        "fp.csv:5: column t_max: '9.0'",
        "fp.csv:6: column t_min: 'soon'",
    ]
    assert "a species of the annotations, one of 0, 1" in next(line for line in lines if line.startswith("fp.csv:3"))
    assert lines[-1].startswith("5 problems in table.csv, fp.csv and their recordings")
    audit(false_positives="fp.csv", on_bad_recording="quarantine")
    assert [(row["recording_id"], row["species_id"]) for row in rows_of("false_positives")] == [("r0", "0")]
    assert len(rows_of("annotations")) == 8
    assert len(rows_of("audit")) == 5


def test_without_false_positives_their_table_has_its_header_alone(folder):
    audit()
    header, *rows = Path("made/false_positives.csv").read_text().splitlines()
    assert header == Path("made/annotations.csv").read_text().splitlines()[0]
    assert rows == []


def test_the_fingerprint_is_of_the_recordings_of_false_positives_too(folder):
    write_table(["extra,0,1,0.5,100,1.0,2000"], name="fp.csv")
    found = []
    for seed in (1, 2):
        soundfile.write("audio/extra.wav", noise(seed=seed), RATE_HZ)
        found.append(auditing.fingerprint({**DATA, "false_positives": "fp.csv"}, HashCache("hashes.json")))
    assert found[0] != found[1]


GOOD = [good(number, species) for number in range(4) for species in "01"]


def test_a_run_that_stops_leaves_the_table_of_all_its_problems(folder):
    write_table(["r0,0,1,soon,100,1.0,2000", *GOOD, "r1,=1+1,1,0.5,100,1.0,2000"])
    lines = lines_of_stop()
    assert lines[-1].endswith("a table of them: logs/audit.csv")
    rows = made.read("logs/audit.csv", AUDIT)
    assert [(row["file"], row["line"], row["column"], row["value"]) for row in rows] == [
        ("table.csv", 2, "t_min", "soon"),
        ("table.csv", 11, "species_id", "=1+1"),
    ]
    assert "'=1+1" in Path("logs/audit.csv").read_text()
    # A run that does not stop has its own audit.csv, and leaves none that speaks of another table.
    write_table(GOOD)
    audit()
    assert not Path("logs/audit.csv").exists()
    assert rows_of("audit") == []


def test_very_many_problems_are_a_few_lines_and_a_count(folder):
    write_table([*GOOD, *["r0,0,1,soon,100,1.0,2000"] * 2000])
    lines = lines_of_stop()
    assert len(lines) == auditing.MOST_LINES + 2
    assert lines[-2] == f"{2000 - auditing.MOST_LINES} problems more, all of them in logs/audit.csv"
    assert lines[-1].startswith("2000 problems in table.csv")
    assert len(made.read("logs/audit.csv", AUDIT)) == 2000
    audit(on_bad_recording="quarantine")
    assert len(rows_of("audit")) == 2000


def test_a_very_long_cell_is_a_short_line(folder):
    write_table([*GOOD, f"r0,0,1,{'9' * 100_000}x,100,1.0,2000"])
    lines = lines_of_stop()
    assert len(lines) == 2
    assert len(lines[0]) < 400
    assert len(made.read("logs/audit.csv", AUDIT)[0]["value"]) == 100_001


def test_tables_and_folders_that_are_not_there_hide_no_problem_and_make_none(folder):
    write_table([*GOOD, "r0,0,1,soon,100,1.0,2000"])
    write_table(["r1,7,1,0.5,100,1.0,2000", "r0,0,1,0.5,x,1.0,2000"], name="fp.csv")
    Path("audio").rename("elsewhere")
    os.mkfifo("sites.csv")
    lines = lines_of_stop(false_positives="fp.csv", recordings_table="sites.csv", species_table="none.csv")
    assert lines == [
        "sites.csv: a named pipe; expected a CSV table",
        "none.csv: no such file; expected a CSV table",
        "data.audio_dir: audio: no such folder; expected the folder of the recordings",
        "table.csv:10: column t_min: 'soon': expected a finite number of seconds",
        "fp.csv:3: column f_min: 'x': expected a finite number of Hz, or nothing",
        "5 problems in table.csv, fp.csv and their recordings; a table of them: logs/audit.csv",
    ]
    found = [(row["file"], row["line"], row["expected"]) for row in made.read("logs/audit.csv", AUDIT)]
    assert found[0] == ("sites.csv", 0, "a named pipe; expected a CSV table")
    assert len(found) == 5


def test_what_cannot_be_read_stops_in_quarantine_too(folder):
    assert lines_of_stop(species_table="none.csv", on_bad_recording="quarantine") == [
        "none.csv: no such file; expected a CSV table"
    ]


def test_very_many_tables_that_are_none_are_a_few_lines_and_a_count(folder):
    Path("labels").mkdir()
    for number in range(100):
        Path(f"labels/{number:03}.txt").write_bytes(b"\xff")
    lines = lines_of_stop(format="audacity", **dict.fromkeys(("annotations", *TABLES), "labels"))
    assert len(lines) == auditing.MOST_LINES + 1
    assert lines[0].startswith("labels/000.txt:1: ")
    assert lines[-1] == f"{100 - auditing.MOST_LINES} problems more, all of them in logs/audit.csv"
    assert len(made.read("logs/audit.csv", AUDIT)) == 100


def test_no_list_in_a_message_is_longer_than_a_person_reads(folder):
    """Nor is it in the table of all problems, which would be so many lists."""
    many = [good(number % 4, f"s{number // 3}") for number in range(3000)]
    write_table([row.replace("0.5", f"0.{number + 1000}") for number, row in enumerate(many)])
    write_table([good(0, "x"), good(1, "y")], name="fp.csv")
    assert max(map(len, lines_of_stop(false_positives="fp.csv"))) < 400
    write_table([], header=",".join(f"column {number}" for number in range(5000)))
    assert len(lines_of_stop()[0]) < 600
    write_table([], header=",".join(["doubled" * 1000] * 2))
    assert len(lines_of_stop(format="csv", columns={"recording_id": "r", "species_id": "s"})[0]) < 400


@pytest.mark.parametrize("mode", ["stop", "quarantine"])
def test_no_list_in_a_message_is_empty(folder, mode):
    """Where no annotation is left the cause is named, and not that a box has no species of theirs."""
    write_table([row.replace("0.5", "soon") for row in GOOD])
    write_table(GOOD[:2], name="fp.csv")
    lines = lines_of_stop(false_positives="fp.csv", on_bad_recording=mode)
    assert len(lines) == len(GOOD) + 1
    assert not [line for line in lines if line.rstrip().endswith(("one of", "of", ":", ","))]


def test_what_only_follows_from_a_table_that_is_not_there_is_not_said(folder):
    """Without the annotations no species is known, and that is no fault of the boxes that name some."""
    Path("table.csv").rename("fp.csv")
    names = {"false_positives": "fp.csv", "recordings_table": "none.csv", "species_table": "none.csv"}
    lines = lines_of_stop(
        annotations="none.csv", unknown="none.csv", annotated_spans="none.csv", reviews="none.csv", **names
    )
    assert lines == ["none.csv: no such file; expected a CSV table"]


def test_a_side_table_that_is_not_there_hides_no_class_that_is_too_rare(folder):
    write_table([*GOOD, good(1, "7")])
    write_table([good(1, "8")], name="fp.csv")
    rare, unknown = lines_of_stop(false_positives="fp.csv")[:2]
    assert "'7': expected a class with at least 3 rows" in rare
    assert unknown.startswith("fp.csv:2: column species_id: '8'")
    lines = lines_of_stop(false_positives="fp.csv", species_table="none.csv")
    assert lines[:3] == ["none.csv: no such file; expected a CSV table", rare, unknown]


@pytest.mark.parametrize(
    "row",
    [
        good(0),
        "r{n},{n},1,0.5,100,1.0,2000",
        "r0,{n},1,0.5,100,1.{n},2000",
        "r0,0,1,{n},100,1.0,2000",
        "r0,0,1,x{n},x{n},x{n},x{n}",
        "r0,{n}",
    ],
)
def test_memory_of_bad_rows_is_bounded_by_their_number(folder, row):
    """Five problems of one row cost no more than its text; a problem that kept a line of its own would."""
    n_rows = 2000
    write_table([*GOOD, *(row.replace("{n}", str(10_000 + number)) for number in range(n_rows))])
    lines_of_stop()  # what is made once
    tracemalloc.start()
    try:
        lines_of_stop()
        assert tracemalloc.get_traced_memory()[1] < n_rows * 2500
    finally:
        tracemalloc.stop()


def fingerprint(**data) -> str:
    return auditing.fingerprint({**DATA, **data}, HashCache("hashes.json"))


def test_the_fingerprint_of_a_table_with_a_long_cell_follows_the_sound(folder):
    write_table([f"{row},{'x' * 200_000 if number == 0 else ''}" for number, row in enumerate(GOOD)], HEADER + ",note")
    csv.field_size_limit(131_072)  # what a process begins with
    first = fingerprint()
    soundfile.write("audio/r3.wav", noise(seed=99), RATE_HZ)
    assert fingerprint() != first
    audit()
    assert len(rows_of("annotations")) == 8


@pytest.mark.parametrize("of_file", ["NFC", "NFD"])
def test_names_in_either_spelling_are_one_species_and_one_recording(folder, of_file):
    """macOS writes an accented letter as two characters; a person writes it as one."""
    forms = ("NFC", "NFD")
    on_disk = unicodedata.normalize(of_file, "audio/Übung/é.wav")
    Path(on_disk).parent.mkdir()
    soundfile.write(on_disk, noise(seed=9), RATE_HZ)
    rows = [unicodedata.normalize(forms[n % 2], f"Übung/é,pié,1,0.{n},100,1.0,2000") for n in range(1, 5)]
    write_table([*GOOD, *rows])
    write_table(
        [f"r{n},1" for n in range(4)] + [unicodedata.normalize("NFD", "Übung/é,2")], "recording_id,site", "s.csv"
    )
    write_table(["0,a", "1,b", unicodedata.normalize("NFD", "pié,Pié")], "species_id,name", "names.csv")
    first = fingerprint()
    audit(recordings_table="s.csv", species_table="names.csv")
    found = made.read("made/annotations.csv", ANNOTATIONS)
    assert {(row["recording_id"], row["species_id"], row["species_name"], row["site"]) for row in found[8:]} == {
        ("Übung/é", "pié", "Pié", "2")
    }
    # The path is the file's own, by which it can be opened.
    [path] = [row["path"] for row in made.read("made/recordings.csv", RECORDINGS) if row["recording_id"] == "Übung/é"]
    assert Path("audio", path).read_bytes() == Path(on_disk).read_bytes()
    soundfile.write(on_disk, noise(seed=10), RATE_HZ)
    assert fingerprint() != first


def test_two_files_whose_names_look_the_same_are_two_files_for_one_id(folder):
    for form in ("NFC", "NFD"):
        soundfile.write(unicodedata.normalize(form, "audio/é.wav"), noise(), RATE_HZ)
    write_table([*GOOD, "é,0,1,0.5,100,1.0,2000"])
    assert "found 2 files" in lines_of_stop()[0]


def test_text_of_tables_comes_through_whole_and_runs_nowhere(folder):
    notes = ["=cmd|' /C calc'!A0", "far\rnear", "a\r\nb", 'a "quoted" word', "-3.5", "'x", "@x", "two\nlines"]
    with open("table.csv", "w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow([*HEADER.split(","), "=note"])
        writer.writerows([*row.split(","), note] for row, note in zip(GOOD, notes, strict=True))
    audit()
    assert [row["=note"] for row in made.read("made/annotations.csv", ANNOTATIONS)] == notes
    cells = [text for row in rows_of("annotations") for text in (*row, *row.values())]
    assert {text for text in cells if text.startswith(("=", "-", "@", "+"))} == {"-3.5"}


def random_table(rng: random.Random) -> list[list[str]]:
    """Rows that are good, or bad in any way that a row can be."""
    rows = []
    for number in range(rng.randrange(5, 40)):
        row = [f"r{rng.randrange(4)}", rng.choice("01"), "1", f"0.{number:03}", "100", f"1.{number:03}", "2000", "far"]
        for _ in range(rng.choice([0, 0, 1, 2])):
            odd = [
                "",
                "nan",
                "absent",
                "../r0",
                "é",
                "e\u0301",
                "9",
                "-1",
                "a\rb",
                "a\nb",
                'a"b',
                '"',
                "=1",
                " ",
                "x,y",
            ]
            row[rng.randrange(len(row))] = rng.choice(odd)
        if rng.random() < 0.1:
            row = row[: rng.randrange(1, 8)] if rng.random() < 0.5 else [*row, "more"]
        if rng.random() < 0.1 and rows:
            row = list(rng.choice(rows))
        rows.append(row)
    return rows


@pytest.mark.parametrize("seed", range(25))
def test_every_row_is_kept_or_has_a_row_in_the_audit(folder, seed):
    rng = random.Random(seed)
    Path("audio/r3.wav").write_bytes(b"")  # a recording that is no sound: one line for all its rows
    for name in ("table.csv", "fp.csv"):
        rows = random_table(rng) + [row.split(",") for row in (GOOD[:6] if name == "table.csv" else [])]
        with open(name, "w", newline="") as file:
            writer = csv.writer(file, lineterminator=rng.choice(["\n", "\r\n"]), quoting=csv.QUOTE_ALL)
            writer.writerow([*HEADER.split(","), "note"])
            writer.writerows([*row, ""] if len(row) == 7 else row for row in rows)
    audit(false_positives="fp.csv", on_bad_recording="quarantine")
    problems = made.read("made/audit.csv", AUDIT)
    for name, source, table in (
        ("annotations", "table.csv", ANNOTATIONS),
        ("false_positives", "fp.csv", FALSE_POSITIVES),
    ):
        read = auditing.read_source({**DATA, "false_positives": "fp.csv"}, name)
        with open(source, newline="") as file:
            assert len(read.rows) + len(read.problems) == sum(any(map(str.strip, row)) for row in csv.reader(file)) - 1
        named = {row["line"] for row in problems if row["file"] == source}
        left = [row for row in read.rows if row.line not in named]
        of_no_sound = [row for row in left if row.cells["recording_id"] == "r3"]
        assert not of_no_sound or [row for row in problems if row["file"] == "audio/r3.wav"]
        assert len(made.read(f"made/{name}.csv", table)) == len(left) - len(of_no_sound)
