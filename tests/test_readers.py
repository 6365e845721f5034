import os
import random
import re

import pytest

from dawnchorus.annotations import readers
from dawnchorus.foundation import strict_yaml
from dawnchorus.foundation.errors import InputError

# As Raven Pro 1.6 writes a table: each selection once a view, and an annotation column of the user's.
RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tCall\tNote\n"
    "1\tWaveform 1\t1\t1.250000000\t2.500000000\t0.000\t24000.000\tcoqui\tfar\n"
    "1\tSpectrogram 1\t1\t1.250000000\t2.500000000\t1500.000\t3200.000\tcoqui\tfar\n"
    "2\tSpectrogram 1\t1\t4.0\t5.0\t900.0\t1200.0\tcrow\n"
)


def cells(rows):
    return [row.cells for row in rows]


def test_raven_lists_a_selection_once_a_view(tmp_path):
    path = tmp_path / "rec 7.Table.1.selections.txt"
    path.write_text(RAVEN)
    columns, rows, problems = readers.read(path, "raven", {"species_id": "Call"})
    assert problems == []
    assert columns[-1] == "Note"
    assert cells(rows) == [
        {
            "recording_id": "rec 7", "species_id": "coqui", "songtype_id": "", "t_min": "1.250000000",
            "f_min": "1500.000", "t_max": "2.500000000", "f_max": "3200.000", "Note": "far",
        },
        {
            "recording_id": "rec 7", "species_id": "crow", "songtype_id": "", "t_min": "4.0",
            "f_min": "900.0", "t_max": "5.0", "f_max": "1200.0", "Note": "",
        },
    ]  # fmt: skip
    assert [row.line for row in rows] == [3, 4]


def test_raven_table_of_many_files_gives_times_in_the_file(tmp_path):
    path = tmp_path / "all.txt"
    path.write_text(
        "Selection\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tSpecies\n"
        "1\t61.5\t62.75\tC:\\sound\\b 1.wav\t1.5\tcrow\n"
        "2\t3\t4\t/sound/a.v2.flac\t3\tcrow\n"
    )
    rows = cells(readers.read(path, "raven", {})[1])
    assert [(row["recording_id"], row["t_min"], row["t_max"]) for row in rows] == [
        ("b 1", "1.5", "2.75"),
        ("a.v2", "3", "4"),
    ]


def test_a_selection_that_was_moved_in_raven_wins_over_our_own_column(tmp_path):
    path = tmp_path / "all.txt"
    path.write_text(
        "Selection\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tSpecies\tFile End (s)\n"
        "1\t61.5\t64.0\tb.wav\t1.5\tcrow\t2.5\n"
    )
    [row] = cells(readers.read(path, "raven", {})[1])
    assert (row["t_min"], row["t_max"]) == ("1.5", "4.0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "no such file"),
        ("Selection\tBegin Time (s)\n", r"column End Time \(s\): missing"),
        ("Begin Time (s)\tEnd Time (s)\n1\t2\n", "column Species ID or Species: missing; found Begin Time"),
    ],
)
def test_a_table_that_is_none_says_why(tmp_path, text, expected):
    path = tmp_path / "a.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=expected):
        readers.read(path, "raven", {})


def test_a_bad_time_is_a_problem_of_its_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Begin Time (s)\tEnd Time (s)\tSpecies\n1\tx\tcrow\n2\t3\tcrow\n")
    _, rows, [problem] = readers.read(path, "raven", {})
    assert (problem.line, problem.column, len(rows)) == (2, "End Time (s)", 1)


def test_audacity_labels_with_and_without_bands(tmp_path):
    path = tmp_path / "rec1.txt"
    path.write_text("0.5\t1.5\tcrow\n\\\t900.5\t1500\n2\t2\tpoint\n3\t4\tcoqui\n\\\t-1.0\t1500\n5\t6\n")
    _, rows, [problem] = readers.read(path, "audacity", {})
    found = [(row["species_id"], row["t_min"], row["f_min"], row["f_max"]) for row in cells(rows)]
    assert found == [("crow", "0.5", "900.5", "1500"), ("point", "2", "", ""), ("coqui", "3", "", "1500")]
    assert (rows[0].cells["recording_id"], problem.line) == ("rec1", 6)


def test_any_csv_by_a_map_of_its_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("file,label,from,to,site\nx/a.WAV,crow,1,2.5,north\nb,coqui,3,4,south\n")
    columns = {"recording_id": "file", "species_id": "label", "t_min": "from", "t_max": "to"}
    header, rows, problems = readers.read(path, "csv", columns)
    assert problems == []
    assert header == ["recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max", "site"]
    assert cells(rows)[0] == {
        "recording_id": "x/a", "species_id": "crow", "songtype_id": "", "t_min": "1", "f_min": "",
        "t_max": "2.5", "f_max": "", "site": "north",
    }  # fmt: skip


def test_a_map_that_lacks_a_column_or_knows_too_many(tmp_path):
    with pytest.raises(InputError, match=r"data\.columns: t_max: missing"):
        readers.read_csv(tmp_path / "a.csv", {"recording_id": "f", "species_id": "s", "t_min": "a"})
    with pytest.raises(InputError, match=r"data\.columns: colour: unknown"):
        required = {"recording_id": "f", "species_id": "s", "t_min": "a", "t_max": "b"}
        readers.read_csv(tmp_path / "a.csv", {**required, "colour": "c"})


@pytest.mark.parametrize(
    ("name", "recording_id"),
    [
        ("a.txt", "a"),
        ("a.b.wav.selections.txt", "a.b"),
        ("a.BirdNET.selection.table.txt", "a"),
        ("a.labels.txt", "a"),
    ],
)
def test_the_recording_that_the_name_of_a_table_speaks_of(tmp_path, name, recording_id):
    assert readers.recording_of_table(tmp_path / name) == recording_id


UNLABELLED = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("Annotation", "{species_id: Annotation}"),
        ("Call Type", "{species_id: Call Type}"),
        ("CODE", "{species_id: CODE}"),
        ('"label"', '{species_id: "\\"label\\""}'),
    ],
)
def test_a_raven_table_without_species_says_what_to_write(tmp_path, column, written):
    path = tmp_path / "a.txt"
    path.write_text(f"{UNLABELLED}\t{column}\n1\tSpectrogram 1\t1\t0.5\t1.5\t100\t900\tcrow\n")
    with pytest.raises(InputError) as caught:
        readers.read(path, "raven", {})
    said = str(caught.value)
    assert said.startswith(f"{path}:1: column Species ID or Species: missing; found Selection, View")
    assert said.endswith(f"; to read it as it is, write data.columns: {written} in params.yaml")
    assert "\n" not in said
    # What it says to write is read as it says.
    columns = strict_yaml.parse(f"columns: {written}".encode(), "params.yaml").values["columns"]
    assert [row.cells["species_id"] for row in readers.read(path, "raven", columns).rows] == ["crow"]


@pytest.mark.parametrize(
    ("cells", "column", "value"),
    [
        ("nan\t1.5\t", "Begin Time (s)", "nan"),
        ("\t1.5\t", "Begin Time (s)", ""),
        ("0.5\tsoon\t7", "End Time (s)", "soon"),
        ("0.5\t1.5\tinf", "File Offset (s)", "inf"),
    ],
)
def test_a_time_of_raven_that_is_none_is_named(tmp_path, cells, column, value):
    path = tmp_path / "a.txt"
    path.write_text(f"Species\tBegin Time (s)\tEnd Time (s)\tFile Offset (s)\ncrow\t{cells}\ncrow\t1\t2\t1\n")
    table = readers.read(path, "raven", {})
    assert len(table.rows) == 1
    [problem] = map(str, table.problems)
    assert problem == f"{path}:2: column {column}: '{value}': expected a finite number of seconds"


def test_a_raven_table_without_anything_like_a_species_has_no_hint(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(f"{UNLABELLED}\tBegin File\tSNR NIST Quick (dB)\n1\tWaveform 1\t1\t0.5\t1.5\t1\t9\ta.wav\t3\n")
    with pytest.raises(InputError, match=r"missing; found .*SNR NIST Quick \(dB\)$"):
        readers.read(path, "raven", {})


def test_a_csv_with_columns_of_its_own_says_what_to_write(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("File Name,Call,Onset (s),Offset (s),yes,FMIN\na.wav,crow,0.5,1.5,1,100\n")
    columns = "{recording_id: File Name, species_id: Call, t_min: Onset (s), t_max: Offset (s), f_min: FMIN}"
    columns = columns.replace("t_max: Offset (s), f_min: FMIN", "f_min: FMIN, t_max: Offset (s)")
    with pytest.raises(InputError) as caught:
        readers.read(path, "rfcx", {})
    assert str(caught.value).endswith(
        f"; to read it as it is, write data.format: csv and data.columns: {columns} in params.yaml"
    )
    with pytest.raises(InputError) as caught:
        readers.read(path, "csv", {"recording_id": "file"})
    assert "data.columns: species_id: missing; expected recording_id" in str(caught.value)
    assert str(caught.value).endswith(f"; to read it as it is, write data.columns: {columns} in params.yaml")
    given = strict_yaml.parse(f"columns: {columns}".encode(), "params.yaml").values["columns"]
    assert readers.read(path, "csv", given).rows[0].cells["t_max"] == "1.5"


def test_an_unknown_format(tmp_path):
    with pytest.raises(InputError, match="format 'xls': expected one of rfcx, raven, audacity, csv"):
        readers.read(tmp_path / "a", "xls", {})


RAVEN_HEADER = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n"


def raven(tmp_path, *rows, header=RAVEN_HEADER):
    path = tmp_path / "rec.txt"
    path.write_text(header + "".join("\t".join(row.split(" ")) + "\n" for row in rows))
    return readers.read(path, "raven", {})


def test_a_label_of_raven_may_begin_with_a_quote(tmp_path):
    rows = ['1 S 1 1 2 0 9 "coqui', "2 S 1 2 3 0 9 crow", '3 S 1 3 4 0 9 "owl"', '4 S 1 4 5 0 9 a"b']
    found = raven(tmp_path, *rows)
    assert [row.cells["species_id"] for row in found.rows] == ['"coqui', "crow", '"owl"', 'a"b']
    assert found.problems == []


def test_a_table_of_raven_that_was_written_with_quotes(tmp_path):
    header = "\t".join(f'"{name}"' for name in RAVEN_HEADER.strip().split("\t")) + "\n"
    found = raven(tmp_path, '1 "S" 1 1 2 0 9 "a""b"', '2 "S" 1 2 3 0 9 "crow"', header=header)
    assert [row.cells["species_id"] for row in found.rows] == ['a"b', "crow"]


def test_a_column_of_raven_that_is_given_twice_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"rec\.txt:1: column Species: given twice; expected each column once"):
        raven(tmp_path, "1 S 1 1 2 0 9 crow owl", header=RAVEN_HEADER.replace("\n", "\tSpecies\n"))


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (["1 Waveform 1 1 2 0 9 crow", "1 Spectrogram 1 1 2 3 4 crow"], [3]),
        (["1 Spectrogram 1 1 2 3 4 crow", "1 Waveform 1 1 2 0 9 crow"], [2]),
        (["1 Waveform 1 1 2 0 9 crow", "1 Waveform 1 1 2 0 9 crow"], [2]),
        # Of another time, label or channel, or a selection without a number: not the same one.
        (["1 Waveform 1 5 6 0 9 crow", "1 Spectrogram 1 1 2 3 4 crow"], [2, 3]),
        (["1 Waveform 1 1 2 0 9 owl", "1 Spectrogram 1 1 2 3 4 crow"], [2, 3]),
        (["1 Waveform 2 1 2 0 9 crow", "1 Spectrogram 1 1 2 3 4 crow"], [2, 3]),
        (["1 Waveform 1 1 2 0 9 crow", "1 Waveform 1 5 6 0 9 crow"], [2, 3]),
        ([" Waveform 1 1 2 0 9 crow", " Spectrogram 1 1 2 3 4 crow"], [2, 3]),
    ],
)
def test_only_the_waveform_of_a_selection_that_is_there_is_left_out(tmp_path, rows, lines):
    found = raven(tmp_path, *rows)
    assert [row.line for row in found.rows] == lines
    assert found.problems == []


def test_no_selection_of_raven_is_lost(tmp_path):
    """Of random tables: a row is there, or a problem, or the waveform of a row that is there."""
    rng = random.Random(3)
    for _ in range(200):
        rows = [
            (rng.choice(["1", "2", ""]), rng.choice(["Waveform 1", "Spectrogram 1"]), "1",
             *rng.choice(["12", "23", "x2"]), "0", "9", rng.choice(['"crow', "owl", '"']))
            for _ in range(rng.randrange(12))
        ]  # fmt: skip
        (tmp_path / "rec.txt").write_text(RAVEN_HEADER + "".join("\t".join(row) + "\n" for row in rows))
        found = readers.read(tmp_path / "rec.txt", "raven", {})
        there = {row.line for row in found.rows} | {problem.line for problem in found.problems}
        for line, row in enumerate(rows, 2):
            twins = {other for other, cells in enumerate(rows, 2) if (cells[0], *cells[2:]) == (row[0], *row[2:])}
            left_out = row[0] and row[1] == "Waveform 1" and (twins - {line}) & there
            assert line in there or left_out


def test_a_band_of_audacity_is_that_of_the_label_above_it(tmp_path):
    path = tmp_path / "rec1.txt"
    path.write_text("\\\t1\t2\n1\t2\tcrow\n3\t4\n\\\t900\t1500\n5\t6\towl\n\\\t7\n")
    _, rows, problems = readers.read(path, "audacity", {})
    assert [(row.cells["species_id"], row.cells["f_min"]) for row in rows] == [("crow", ""), ("owl", "")]
    assert [problem.line for problem in problems] == [1, 3, 6]


def test_no_text_of_a_label_of_audacity_is_lost(tmp_path):
    path = tmp_path / "rec1.txt"
    path.write_text("1\t2\tcrow\t\n3\t4\tcrow\tcarrion\n")
    _, rows, problems = readers.read(path, "audacity", {})
    assert [row.cells["species_id"] for row in rows] == ["crow"]
    [said] = map(str, problems)
    assert said.endswith(r"rec1.txt:2: '3\t4\tcrow\tcarrion': expected start, end and a label, with tabs between")


def test_a_table_whose_name_has_two_lines_is_one_line(tmp_path):
    (tmp_path / "labels").mkdir()
    os.mkfifo(tmp_path / "labels" / "a\nerror: all is well\x1b[2J.txt")
    with pytest.raises(InputError) as caught:
        readers.read(tmp_path / "labels", "audacity", {})
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith(": a named pipe; expected labels of Audacity")


def test_a_label_of_audacity_may_hold_what_only_python_takes_for_the_end_of_a_line(tmp_path):
    path = tmp_path / "rec1.txt"
    path.write_text('1\t2\tcrow\u2028x\x0b\n3\t4\t"owl\n')
    _, rows, problems = readers.read(path, "audacity", {})
    assert [row.cells["species_id"] for row in rows] == ["crow\u2028x", '"owl']
    assert problems == []


@pytest.mark.parametrize(
    ("form", "columns"),
    [("rfcx", {}), ("csv", {"recording_id": "r", "species_id": "Art\u0308", "t_min": "t_min", "t_max": "t_max"})],
)
def test_both_spellings_of_an_accent_are_one(tmp_path, form, columns):
    path = tmp_path / "a.csv"
    names = "r,Ar\u1e97" if form == "csv" else "recording_id,species_id"
    path.write_text(f"{names},t_min,t_max\nU\u0308bung,pi\u00e9,1,2\n\u00dcbung,pie\u0301,3,4\n")
    rows = cells(readers.read(path, form, columns).rows)
    assert [(row["recording_id"], row["species_id"]) for row in rows] == [("\u00dcbung", "pi\u00e9")] * 2


def test_what_is_no_table_in_a_folder_is_named_with_all_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels/inner").mkdir(parents=True)
    (tmp_path / "labels/a.txt").write_text("1\t2\tcrow\n")
    (tmp_path / "labels/b.txt").write_bytes(b"1\t2\t\xff\n")
    os.mkfifo("labels/c.txt")
    os.symlink("/dev/zero", "labels/d.txt")
    os.symlink("nowhere", "labels/e.txt")
    os.symlink("nowhere", "labels/site 2")
    os.symlink("..", "labels/inner/loop")
    with pytest.raises(InputError) as caught:
        readers.read(tmp_path / "labels", "audacity", {})
    said = [line.removeprefix(f"{tmp_path}/labels/") for line in str(caught.value).splitlines()]
    assert sorted(said) == [
        "b.txt:1: expected labels of Audacity in UTF-8, but byte 0xff is none of it",
        "c.txt: a named pipe; expected labels of Audacity",
        "d.txt: a device; expected labels of Audacity",
        "e.txt: a link to no file; expected labels of Audacity",
        f"inner/loop: the same folder as {tmp_path}/labels; expected each table once",
        "site 2: a link to nothing; expected a table, or a folder of tables",
    ]
    with pytest.raises(InputError, match=re.escape("site 2: a link to nothing")):
        readers.tables_of(tmp_path / "labels")


def test_a_folder_named_as_a_table_is_a_folder(tmp_path):
    (tmp_path / "labels/site.txt").mkdir(parents=True)
    (tmp_path / "labels/site.txt/a.txt").write_text("1\t2\tcrow\n")
    [row] = readers.read(tmp_path / "labels", "audacity", {}).rows
    assert row.cells["recording_id"] == "site.txt/a"
