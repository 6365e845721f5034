"""Sound of which nobody knows what calls there: the two tables of spans, and the one that the audit makes of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from arguments import audit_outputs
from dawnchorus.annotations import audit as auditing
from dawnchorus.annotations import unknown
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.parameters.data import TABLES
from dawnchorus.stages import recordings
from dawnchorus.tables import made
from dawnchorus.tables.definitions import AUDIT, RECORDINGS, UNKNOWN

RATE_HZ = 8000
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


def write(name: str, header: str, *rows: str) -> str:
    Path(name).write_text("\n".join([header, *rows]) + "\n")
    return name


def sound(name: str, duration_s: float = 2.0) -> None:
    noise = np.random.default_rng(len(name)).standard_normal(round(duration_s * RATE_HZ))
    soundfile.write(f"audio/{name}.wav", 0.1 * noise, RATE_HZ)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three annotated recordings of two seconds and two species, and two that no table names yet."""
    monkeypatch.chdir(tmp_path)
    Path("audio").mkdir()
    for name in ("a", "b", "c", "hush", "spare"):
        sound(name)
    rows = [f"{name},{species},1,0.5,1.0" for name in "abc" for species in "01"]
    write("table.csv", "recording_id,species_id,songtype_id,t_min,t_max", *rows)
    return tmp_path


def audit(**data) -> list[tuple]:
    """Run the stage, and return the rows of unknown.csv."""
    arguments = ["--params", json.dumps({"data": {**DATA, **data}}), "--threads", "2", "--hash-cache", "hashes.json"]
    recordings.main([*arguments, *audit_outputs("made")])
    return [tuple(row.values()) for row in made.read("made/unknown.csv", UNKNOWN)]


def test_times_merge_where_they_overlap_or_touch():
    assert unknown.merged([(3.0, 4.0), (0.0, 1.0), (1.0, 2.0), (3.5, 3.7)]) == [(0.0, 2.0), (3.0, 4.0)]
    assert unknown.merged([]) == []


def test_the_complement_is_what_no_span_covers():
    rng = np.random.default_rng(5)
    for _ in range(200):
        start_s = rng.uniform(0, 10, rng.integers(0, 6))
        spans = list(zip(start_s, start_s + rng.uniform(0.1, 4, len(start_s)), strict=True))
        moments_s = rng.uniform(0, 9, 300)
        inside, outside = (
            np.any([(moments_s >= a) & (moments_s < b) for a, b in of] or [np.zeros(300, bool)], axis=0)
            for of in (spans, unknown.complement(spans, 9.0))
        )
        assert np.array_equal(outside, ~inside)
    assert unknown.complement([], 2.0) == [(0.0, 2.0)]
    assert unknown.complement([(0, 1), (1, 2.0)], 2.0) == []


def test_without_the_tables_nothing_is_unknown(folder):
    assert audit() == []
    assert Path("made/unknown.csv").read_text().splitlines() == ["recording_id,t_min_s,t_max_s,species_id"]


def test_unknown_spans_are_sorted_merged_and_end_with_their_recording(folder):
    spans = ("b,1.0,99,", "b,0.25,0.5,", "b,0.5,0.75,", "a,0,0.5,1", "a,0.25,1,1", "a,0.25,1,")
    write("unknown.csv", "recording_id,t_min,t_max,species_id,label", *(f"{row},s" for row in spans))
    assert audit(unknown="unknown.csv") == [
        ("a", 0.0, 1.0, "1"),
        ("a", 0.25, 1.0, ""),
        ("b", 0.25, 0.75, ""),
        ("b", 1.0, 2.0, ""),
    ]


def test_outside_of_annotated_spans_all_is_unknown(folder, capsys):
    """And unknown spans inside of them too; a recording that the table does not name is unknown whole."""
    write("spans.csv", "recording_id,t_min,t_max", "a,0,1", "a,1,2", "b,0.5,1.5", "hush,0,1")
    write("unknown.csv", "recording_id,t_min,t_max,label", "b,1.25,1.75,noise", "a,1,1.5,noise")
    assert audit(unknown="unknown.csv", annotated_spans="spans.csv") == [
        ("a", 1.0, 1.5, ""),
        ("b", 0.0, 0.5, ""),
        ("b", 1.25, 2.0, ""),
        ("c", 0.0, 2.0, ""),
        ("hush", 1.0, 2.0, ""),
    ]
    assert [row["recording_id"] for row in made.read("made/recordings.csv", RECORDINGS)] == ["a", "b", "c", "hush"]
    said = capsys.readouterr().out
    assert "1 recording without annotations" in said
    assert "5 spans of unknown content, 4.8 s" in said


def test_faults_of_both_tables_are_lines_and_may_be_left_out(folder):
    sound("short", 0.5)
    faults = ("a,0,soon", "a,-1,1", "a,1,1", "../a,0,1", "gone,0,1", "short,0.5,1", "a,0", "b,0.5,1")
    write("spans.csv", "recording_id,t_min,t_max", *faults)
    write("unknown.csv", "recording_id,t_min,t_max,species_id", "a,0,1,7", "a,0,nan,1", "a,0,1,0")
    given = {"unknown": "unknown.csv", "annotated_spans": "spans.csv"}
    with pytest.raises(InputError) as caught:
        audit(**given)
    assert not list(Path().glob("made/*"))
    lines = str(caught.value).splitlines()
    assert sorted(line.split(", found")[0] for line in lines[:-1]) == [
        "spans.csv:2: column t_max: 'soon': expected a finite number of seconds",
        "spans.csv:3: column t_min: '-1': expected a number >= 0",
        "spans.csv:4: column t_max: '1': expected more than t_min 1 s",
        "spans.csv:5: column recording_id: '../a': expected a recording id of letters, digits and ' .,+@=:_-', with "
        "'/' only between the names of subfolders (no '..', no absolute path, no shell characters)",
        "spans.csv:6: column recording_id: 'gone': expected one audio file of that name in audio",
        "spans.csv:7: column t_min: '0.5': expected less than the recording's 0.5000 s",
        "spans.csv:8: '2 cells': expected 3 cells, as the header has",
        "unknown.csv:2: column species_id: '7': expected a species of the annotations, one of 0, 1",
        "unknown.csv:3: column t_max: 'nan': expected a finite number of seconds",
    ]
    assert lines[-1].startswith("9 problems in table.csv, unknown.csv, spans.csv and their recordings")
    assert audit(on_bad_recording="quarantine", **given) == [
        ("a", 0.0, 2.0, ""),
        ("a", 0.0, 1.0, "0"),
        ("b", 0.0, 0.5, ""),
        ("b", 1.0, 2.0, ""),
        ("c", 0.0, 2.0, ""),
    ]
    assert len(made.read("made/audit.csv", AUDIT)) == 9


@pytest.mark.parametrize("name", unknown.TABLES)
def test_a_table_without_a_column_stops(folder, name):
    write("spans.csv", "recording_id,start,t_max", "a,0,1")
    with pytest.raises(InputError, match=r"spans\.csv:1: column t_min: missing; found recording_id, start, t_max"):
        audit(**{name: "spans.csv", "on_bad_recording": "quarantine"})


def test_recordings_that_the_table_of_recordings_lists_need_no_annotation(folder, capsys):
    """But one whose only annotation is faulty is not without calls, and one that has no file says nothing."""
    write("sites.csv", "recording_id,site", "a,n", "b,n", "c,s", "hush,s", "elsewhere,s", "spare,n")
    with open("table.csv", "a") as file:
        file.write("spare,0,1,1.0,0.5\n")
    audit(recordings_table="sites.csv", on_bad_recording="quarantine")
    rows = made.read("made/recordings.csv", RECORDINGS)
    assert [(row["recording_id"], row["site"]) for row in rows] == [("a", "n"), ("b", "n"), ("c", "s"), ("hush", "s")]
    assert "1 recording without annotations" in capsys.readouterr().out


def test_a_recording_without_annotations_is_audited_as_others_are(folder):
    Path("audio/broken.wav").write_bytes(b"")
    Path("audio/hush.flac").write_bytes(b"")
    sound("it's")
    write("sites.csv", "recording_id,site", *(f"{name},n" for name in ("a", "b", "c", "hush", "broken", "it's")))
    with pytest.raises(InputError) as caught:
        audit(recordings_table="sites.csv")
    lines = sorted(str(caught.value).splitlines())
    assert lines[1] == "audio/broken.wav: 'empty: the file has 0 bytes': expected whole, readable sound"
    assert lines[2].startswith(
        "sites.csv:5: column recording_id: 'hush': expected one audio file of that name in audio"
    )
    assert lines[3].startswith('sites.csv:7: column recording_id: "it\'s": expected a recording id of letters')
    assert len(lines) == 4


@pytest.mark.parametrize("name", ["recordings_table", *unknown.TABLES])
def test_the_fingerprint_is_of_every_recording_that_is_named(folder, name):
    write("named.csv", "recording_id,t_min,t_max", "a,0,1", "hush,0,1")
    data, found = {**DATA, name: "named.csv"}, []
    for duration_s in (2.0, 1.5):
        sound("hush", duration_s)
        found.append(auditing.fingerprint(data, HashCache("hashes.json")))
    assert found[0] != found[1]
    sound("spare", 1.0)
    assert auditing.fingerprint(data, HashCache("hashes.json")) == found[1]
