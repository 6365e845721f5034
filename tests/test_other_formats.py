"""Annotations of other programs, through the audit: the same clean table as from RFCX's columns."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from arguments import audit_outputs
from dawnchorus.annotations import audit as auditing
from dawnchorus.annotations import exports, readers
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.stages import recordings
from dawnchorus.tables import users

RATE_HZ = 8000
IDS = ("north/a", "north/b", "c")
DATA = {
    "source": "table",
    "format": "rfcx",
    "columns": {},
    "audio_dir": "audio",
    "species_table": "species.csv",
    "on_bad_recording": "stop",
    "shortest_annotation_s": 0.05,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three recordings in two folders, and names for two species that are called by text."""
    monkeypatch.chdir(tmp_path)
    for number, recording_id in enumerate(IDS):
        path = Path("audio", f"{recording_id}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = 0.1 * np.random.default_rng(number).standard_normal(4 * RATE_HZ)
        soundfile.write(path, sound.astype(np.float32), RATE_HZ)
    Path("species.csv").write_text("species_id,name\nwood owl,Strix\ncrow,Corvus\n")
    return tmp_path


def rows_of_rfcx():
    """Two calls of each species in each recording, times with all the digits of a float64, a column of the user's."""
    rng, rows = np.random.default_rng(5), []
    for recording_id in IDS:
        for species_id in ("wood owl", "crow"):
            for songtype_id in ("1", "4"):
                t_min, t_max = rng.uniform(0, 1.9), rng.uniform(2, 3.9)
                rows.append(
                    {
                        "recording_id": recording_id,
                        "species_id": species_id,
                        "songtype_id": songtype_id,
                        "t_min": repr(float(t_min)),
                        "f_min": "812.5" if songtype_id == "1" else "",
                        "t_max": repr(float(t_max)),
                        "f_max": "2000.25" if songtype_id == "1" else "",
                        "observer": "x, y",
                    }
                )
    return rows


def audit(annotations: str, output="made", **data) -> dict[str, list[dict]]:
    """Run the stage, and return the tables that it made."""
    optional = ("false_positives", "recordings_table", "unknown", "annotated_spans", "reviews")
    none = dict.fromkeys(("annotations", *optional), annotations)
    data = {**DATA, **none, **data}
    arguments = ["--params", json.dumps({"data": data}), "--threads", "2", "--hash-cache", "hashes.json"]
    recordings.main([*arguments, *audit_outputs(output)])
    tables = {}
    for name in ("annotations", "recordings", "audit"):
        with open(f"{output}/{name}.csv", newline="") as file:
            tables[name] = list(csv.DictReader(file))
    return tables


@pytest.mark.parametrize("combined", [True, False])
def test_a_table_through_raven_gives_the_same_annotations(folder, combined):
    rows = rows_of_rfcx()
    users.write_rows("table.csv", list(rows[0]), rows)
    named = [{**row, "path": f"audio/{row['recording_id']}.wav", "species_name": "x"} for row in rows]
    if combined:
        exports.write_raven(Path("raven"), named, exports.begins_of({row["path"]: 4.0 for row in named}))
    else:
        for recording_id in IDS:
            own = [row for row in named if row["recording_id"] == recording_id]
            path = Path("raven", f"{recording_id}.Table.1.selections.txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            exports.write_raven(path, own, None)
    wanted = audit("table.csv")
    made = audit("raven", "made from raven", format="raven")
    key = ("recording_id", "species_id", "songtype_id")

    def told(row):
        return {name: value for name, value in row.items() if name != "annotation_id"}

    def order(row):
        return [row[name] for name in key]

    # One table a recording comes in the order of the files.
    assert [told(row) for row in sorted(made["annotations"], key=order)] == [
        told(row) for row in sorted(wanted["annotations"], key=order)
    ]
    if combined:
        assert Path("made from raven/annotations.csv").read_bytes() == Path("made/annotations.csv").read_bytes()
    assert {row["songtype_id"] for row in made["annotations"]} == {"1", "4"}
    assert {row["species_name"] for row in made["annotations"]} == {"Strix", "Corvus"}
    assert made["recordings"] == wanted["recordings"]


def write_labels():
    Path("labels/north").mkdir(parents=True)
    text = "0.5\t1.25\twood owl\n\\\t300\t900\n2\t3\tcrow\n3\t3.5\twood owl\n"
    for recording_id in IDS:
        Path("labels", f"{recording_id}.txt").write_text(text)


def test_a_folder_of_audacity_labels(folder):
    write_labels()
    Path("labels/.hidden.txt").write_text("none of ours")
    Path("labels/c.wav").write_bytes(b"")
    found = audit("labels", format="audacity")["annotations"]
    told = [(row["recording_id"], row["species_id"], row["t_min_s"], row["t_max_s"], row["f_min_hz"]) for row in found]
    assert told == [
        (recording_id, *rest)
        for recording_id in ("c", "north/a", "north/b")
        for rest in (
            ("wood owl", "0.5", "1.25", "300.0"),
            ("crow", "2.0", "3.0", ""),
            ("wood owl", "3.0", "3.5", ""),
        )
    ]


def test_any_csv_by_a_map_of_its_columns_and_its_problems_in_its_own_words(folder):
    rows = [f"{recording_id}.WAV;{label};{start};{start + 1}" for recording_id in IDS for label, start in
            (("wood owl", 0.5), ("crow", 2.25))]  # fmt: skip
    lines = ["file;label;from;to", *rows]
    Path("any.csv").write_text("\n".join(lines).replace(";", ",") + "\n")
    columns = {"recording_id": "file", "species_id": "label", "t_min": "from", "t_max": "to"}
    found = audit("any.csv", format="csv", columns=columns)["annotations"]
    assert [(row["recording_id"], row["t_min_s"]) for row in found[:2]] == [("north/a", "0.5"), ("north/a", "2.25")]
    Path("any.csv").write_text("\n".join([*lines, "c.wav;crow;soon;3", "c;crow;1;9"]).replace(";", ",") + "\n")
    with pytest.raises(InputError) as caught:
        audit("any.csv", format="csv", columns=columns)
    assert str(caught.value).splitlines()[:2] == [
        "any.csv:8: column from: 'soon': expected a finite number of seconds",
        "any.csv:9: column to: '9': expected at most the recording's 4.0000 s",
    ]


def test_a_bad_map_is_one_line(folder):
    Path("any.csv").write_text("file,label,from,to\nc,crow,1,2\n")
    columns = {"recording_id": "file", "species_id": "label", "t_min": "from"}
    with pytest.raises(InputError) as caught:
        audit("any.csv", format="csv", columns=columns)
    assert str(caught.value).startswith("any.csv: data.columns: t_max: missing; expected recording_id, species_id")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError) as caught:
        audit("any.csv", format="csv", columns={**columns, "t_max": "end"})
    assert str(caught.value) == (
        "any.csv:1: column end: missing; found file, label, from, to; to read it as it is, write "
        "data.columns: {recording_id: file, species_id: label, t_min: from, t_max: to} in params.yaml"
    )


def test_ids_alone_are_those_of_the_rows(folder):
    text = "file,kind,from,to\n a.WAV ,owl,1,2\nnorth/b.flac,owl,1,2\na,owl,3,4\n\nlacks,cells\n"
    Path("any.csv").write_text(text)
    columns = {"recording_id": "file", "species_id": "kind", "t_min": "from", "t_max": "to"}
    assert readers.recording_ids(Path("any.csv"), "csv", columns) == {"a", "north/b"}
    assert {row.cells["recording_id"] for row in readers.read(Path("any.csv"), "csv", columns).rows} == {"a", "north/b"}
    for lacking in ({**columns, "t_max": "till"}, {"species_id": "kind"}):
        said = []
        for read in (readers.read, readers.recording_ids):
            with pytest.raises(InputError) as caught:
                read(Path("any.csv"), "csv", lacking)
            said.append(str(caught.value))
        assert said[0] == said[1]


def test_faults_of_many_tables_are_named_at_once_each_by_its_own_file(folder):
    write_labels()
    Path("labels/north/a.txt").write_text("1\t2\tcrow\nsoon\t2\tcrow\n1\t2\tcrow\n3\t4\n")
    Path("labels/absent.txt").write_text("1\t2\tcrow\n")
    with pytest.raises(InputError) as caught:
        audit("labels", format="audacity")
    said = str(caught.value).splitlines()
    assert len(said) == 5
    assert "labels/north/a.txt:4: '3\\t4': expected start, end and a label, with tabs between" in said
    assert "labels/north/a.txt:2: column t_min: 'soon': expected a finite number of seconds" in said
    assert any(line.startswith("labels/north/a.txt:3: column recording_id: 'north/a': expected each") for line in said)
    assert any(
        line.startswith("labels/absent.txt:1: column recording_id: 'absent': expected one audio") for line in said
    )
    # A line number is of one file: the rows of line 2 in the others are good.
    found = audit("labels", format="audacity", on_bad_recording="quarantine")
    counted = [row["recording_id"] for row in found["annotations"]]
    assert {key: counted.count(key) for key in counted} == {"c": 3, "north/a": 1, "north/b": 3}
    assert len(found["audit"]) == 4


@pytest.mark.parametrize("name", ["", "notes.md", ".txt"])
def test_a_folder_without_tables(folder, name):
    Path("labels").mkdir()
    if name:
        Path("labels", name).write_text("1\t2\tcrow\n")
    with pytest.raises(InputError, match=r"^labels: no tables; expected a folder of \.txt or \.tsv files$"):
        audit("labels", format="audacity")


def test_tables_of_a_folder_that_are_none_are_all_named(folder):
    write_labels()
    with pytest.raises(InputError) as caught:
        audit("labels", format="raven")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        f"labels/{recording_id}.txt:1" for recording_id in ("c", "north/a", "north/b")
    ]


def test_the_fingerprint_is_of_the_tables_of_a_folder_too(folder):
    write_labels()

    def fingerprint():
        optional = ("false_positives", "recordings_table", "unknown", "annotated_spans", "reviews")
        data = {**DATA, **dict.fromkeys(("annotations", *optional), "labels"), "format": "audacity"}
        return auditing.fingerprint(data, HashCache("hashes.json"))

    first = fingerprint()
    Path("labels/c.txt").touch()
    Path("labels/notes.md").write_text("x")
    assert fingerprint() == first
    Path("labels/c.txt").write_text("0.5\t1.5\tcrow\n")
    changed = fingerprint()
    assert changed != first
    Path("labels/north/b.txt").unlink()
    assert fingerprint() not in (first, changed)
