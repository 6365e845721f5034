import pytest

from dawnchorus.annotations import readers
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
    assert (problem.line, problem.column, len(rows)) == (2, "Begin Time (s)", 1)


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


def test_an_unknown_format(tmp_path):
    with pytest.raises(InputError, match="format 'xls': expected one of rfcx, raven, audacity, csv"):
        readers.read(tmp_path / "a", "xls", {})
