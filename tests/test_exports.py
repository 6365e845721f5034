import csv
import math

import numpy as np
import pandas as pd
import pytest

from dawnchorus.annotations import exports, readers, recordings
from dawnchorus.foundation.errors import InputError
from dawnchorus.tables import users
from dawnchorus.tables.definitions import RFCX

NAMES = ["Eleutherodactylus 'coqui'", 'bird "x", with comma', "ruído à noite", "plain"]


def annotations(n=40, seed=0):
    """Rows as RFCX has them, with full float64 times, odd names, missing bands and a column of the user's."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        t_min, t_max = sorted(rng.uniform(0, 60, 2))
        f_min, f_max = sorted(rng.uniform(50, 16_000, 2))
        banded = k % 5 != 0
        rows.append(
            {
                "recording_id": f"site {k % 3}/rec{k % 7}",
                "species_id": str(k % 4),
                "songtype_id": str(1 + 3 * (k % 2)),
                "t_min": repr(float(t_min)),
                "f_min": repr(float(f_min)) if banded else "",
                "t_max": repr(float(t_max)),
                "f_max": repr(float(f_max)) if banded else "",
                "fold": f"f{k % 3}",
            }
        )
    return rows


def selections(rows):
    return [
        {**row, "path": f"/data/{row['recording_id']}.flac", "species_name": NAMES[int(row["species_id"])]}
        for row in rows
    ]


def canonical(rows):
    made, problems = recordings.read_annotations([users.Row("t", k, r) for k, r in enumerate(rows)], 1e-6)
    assert problems == []
    return [annotation for _, annotation in made]


def same(left, right):
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            both_nan = isinstance(a[key], float) and math.isnan(a[key]) and math.isnan(b[key])
            assert both_nan or a[key] == b[key], key


@pytest.mark.parametrize("combined", [False, True])
def test_annotations_to_raven_and_back_lose_nothing(tmp_path, combined):
    rows = annotations()
    begins_s = exports.begins_of({s["path"]: 60.1 for s in selections(rows)}) if combined else None
    exports.write_raven(tmp_path / "all.txt", selections(rows), begins_s)
    columns, read, problems = readers.read(tmp_path / "all.txt", "raven", {})
    assert problems == []
    assert columns == [*RFCX.names, "fold"]
    assert [row.cells for row in read] == rows
    same(canonical([row.cells for row in read]), canonical(rows))


def test_a_raven_table_as_pandas_reads_it(tmp_path):
    rows = selections(annotations(9))
    begins_s = exports.begins_of(dict.fromkeys(sorted({row["path"] for row in rows}), 60.0))
    exports.write_raven(tmp_path / "a.txt", rows, begins_s)
    table = pd.read_csv(tmp_path / "a.txt", sep="\t", dtype={"Species ID": str})
    assert list(table.columns[:7]) == [
        *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)")
    ]
    assert table["Selection"].tolist() == list(range(1, 10))
    assert table["Species"].tolist() == [row["species_name"] for row in rows]
    offsets = table["Begin Time (s)"] - table["File Offset (s)"]
    np.testing.assert_allclose(offsets, [begins_s[path] for path in table["Begin Path"]], atol=1e-9)
    np.testing.assert_allclose(table["File Offset (s)"], [float(row["t_min"]) for row in rows])


def test_raven_as_crowsetta_reads_it(tmp_path):
    crowsetta = pytest.importorskip("crowsetta")
    rows = [row for row in selections(annotations(9)) if row["f_min"]]
    exports.write_raven(tmp_path / "a.txt", rows, None)
    raven = crowsetta.formats.bbox.Raven.from_file(tmp_path / "a.txt", annot_col="Species")
    boxes = raven.to_bbox()
    assert [box.label for box in boxes] == [row["species_name"] for row in rows]
    assert [box.onset for box in boxes] == [float(row["t_min"]) for row in rows]
    assert [box.high_freq for box in boxes] == [float(row["f_max"]) for row in rows]


def test_audacity_as_crowsetta_reads_it(tmp_path):
    crowsetta = pytest.importorskip("crowsetta")
    rows = [{**row, "f_min": "", "f_max": ""} for row in selections(annotations(5))]
    exports.write_audacity(tmp_path / "a.txt", rows)
    sequence = crowsetta.formats.seq.AudSeq.from_file(tmp_path / "a.txt").to_seq()
    assert list(sequence.labels) == [row["species_name"] for row in rows]
    # It rounds to milliseconds.
    np.testing.assert_allclose(sequence.onsets_s, [float(row["t_min"]) for row in rows], atol=6e-4)


def test_audacity_labels_and_back(tmp_path):
    rows = annotations(6)
    wanted = [{**row, "recording_id": "rec", "songtype_id": ""} for row in rows]
    for row in wanted:
        del row["fold"]
    exports.write_audacity(tmp_path / "rec.labels.txt", wanted)
    _, read, problems = readers.read(tmp_path / "rec.labels.txt", "audacity", {})
    assert problems == []
    assert [row.cells for row in read] == wanted


def test_a_label_is_one_line_with_its_score():
    assert exports.label({"species_id": "1", "species_name": "a\tb\nc", "score": 0.876}) == "a b c 0.88"


ODD = ['"coqui', '"a" and "b"', "=cmd|' /C calc'!A0", "-1+1", "a,b;c", "'x", "@me"]


def test_labels_of_raven_and_audacity_are_exact(tmp_path):
    """Other programs take every character as it is, so that nothing is quoted and nothing is put before a text."""
    base = {"recording_id": "rec", "songtype_id": "", "f_min": "", "f_max": "", "path": "rec.wav"}
    rows = [
        {**base, "species_id": name, "species_name": name, "t_min": str(n), "t_max": str(n + 1)}
        for n, name in enumerate(ODD)
    ]
    exports.write_raven(tmp_path / "rec.selections.txt", rows, None)
    exports.write_audacity(tmp_path / "rec.txt", rows)
    lines = (tmp_path / "rec.selections.txt").read_text().splitlines()
    column = lines[0].split("\t").index("Species")
    assert [line.split("\t")[column] for line in lines[1:]] == ODD
    assert [line.split("\t")[2] for line in (tmp_path / "rec.txt").read_text().splitlines()] == ODD
    for name, form in (("rec.selections.txt", "raven"), ("rec.txt", "audacity")):
        _, read, problems = readers.read(tmp_path / name, form, {})
        assert [row.cells["species_id"] for row in read] == ODD
        assert problems == []


def test_no_text_ends_a_cell_or_a_row_of_raven(tmp_path):
    row = {"recording_id": "rec", "species_id": "1", "species_name": "a\tb\r\nc", "songtype_id": "", "f_min": "",
           "f_max": "", "path": "rec.wav", "t_min": "1", "t_max": "2"}  # fmt: skip
    exports.write_raven(tmp_path / "rec.txt", [row], None)
    _, line = (tmp_path / "rec.txt").read_text().splitlines()
    assert "\ta b c\t" in line


def test_a_submission_knows_a_recording_by_either_spelling(tmp_path):
    (tmp_path / "sample.csv").write_text("recording_id,s0\n\u00fc,0\n")
    _, rows = exports.submission(tmp_path / "sample.csv", {"u\u0308": np.array([0.5])}, ["0"])
    assert rows == [{"recording_id": "\u00fc", "s0": "0.5"}]


SAMPLE = "recording_id,s1,s0\nb,0.5,0.5\na,0.5,0.5\n"


def test_submission_has_the_order_and_count_of_the_sample(tmp_path):
    (tmp_path / "sample.csv").write_text(SAMPLE)
    maxima = {"a": np.array([0.25, 0.5]), "b": np.array([0.125, 0.75]), "c": np.array([1.0, 1.0])}
    columns, rows = exports.submission(tmp_path / "sample.csv", maxima, ["0", "1"])
    users.write_rows(tmp_path / "submission.csv", columns, rows)
    with (tmp_path / "submission.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["recording_id", "s1", "s0"],
            ["b", "0.75", "0.125"],
            ["a", "0.5", "0.25"],
        ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recording_id,s0,s7\na,0,0\n", "column s7: expected species of the model: 0, 1"),
        ("recording_id,s0\na,0\nz,0\n", "sample.csv:3: column recording_id: 'z': .* 1 of 2 have none"),
        ("recording_id,x\na,0\n", "column x: expected recording_id, s0, s1"),
        ("id,s0\na,0\n", "column recording_id: missing"),
    ],
)
def test_a_submission_that_cannot_be_made_says_why(tmp_path, text, expected):
    (tmp_path / "sample.csv").write_text(text)
    with pytest.raises(InputError, match=expected):
        exports.submission(tmp_path / "sample.csv", {"a": np.zeros(2)}, ["0", "1"])


def test_a_submission_of_very_many_bad_rows_is_a_few_lines_and_a_count(tmp_path):
    (tmp_path / "sample.csv").write_text("recording_id,s0\n" + "a\n" * 1000)
    with pytest.raises(InputError) as caught:
        exports.submission(tmp_path / "sample.csv", {"a": np.zeros(1)}, ["0"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("sample.csv: 980 problems more")
