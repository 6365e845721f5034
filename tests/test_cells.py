"""Tables as text: nothing is lost between a cell and its text, nothing runs, and what is no table is one line."""

import csv
import io
import os
import random
import socket
from pathlib import Path

import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.tables import cells, made
from dawnchorus.tables.cells import CSV, RAVEN
from dawnchorus.tables.definitions import EVENTS, PROBLEMS, Column, Table
from dawnchorus.tables.users import read_rows

OWN = Table("own.csv", (Column("id", "text", "an id"), Column("x", "number", "a value")), more="*")
# Whatever has a meaning of its own to somebody on the way.
PIECES = [
    *"=+-@',;\"\t\r\n\\ aé1.",
    "\r\n",
    "＝",
    " ",
    "\u2028",
    "\x85",
    "\x0b",
    "cmd|' /C calc'!A0",
    "-1.5",
    "''",
    "e\u0301",
]


def random_text(rng: random.Random) -> str:
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(7)))


def test_every_text_comes_back_and_none_runs(tmp_path):
    rng = random.Random(11)
    names = list(dict.fromkeys(random_text(rng) for _ in range(20)))
    rows = [{"id": f"r{n}", "x": -1.5, **{name: random_text(rng) for name in names}} for n in range(400)]
    made.write(tmp_path / "t.csv", OWN, rows)
    assert made.read(tmp_path / "t.csv", OWN) == rows
    with open(tmp_path / "t.csv", newline="") as file:
        for row in csv.reader(file):
            for text in row:
                assert not text.strip().startswith(tuple("=+-@＝＋－＠")) or float(text) == float(text), text
                assert not text.startswith(("\t", "\r", "\n")), text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ("'=1", "''=1"),
        ("-73.5", "-73.5"),
        ("+1e-5", "+1e-5"),
        ("'quoted'", "'quoted'"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text, written):
    assert cells.inert(text) == written
    assert cells.original(written) == text


def test_tables_for_people_run_nothing(tmp_path):
    event = dict.fromkeys(EVENTS.names, 0.5) | {
        "path": "=a.wav",
        "recording_id": "=a",
        "species_id": "-",
        "species_name": "@x",
    }
    made.write(tmp_path / "events.csv", EVENTS, [event])
    made.write(tmp_path / "problems.csv", PROBLEMS, [{"path": "+a.wav", "problem": "empty"}])
    assert (tmp_path / "events.csv").read_text().splitlines()[1].startswith("'=a.wav,'=a,'-,'@x,0.5")
    assert (tmp_path / "problems.csv").read_text().splitlines()[1] == "'+a.wav,empty"


def test_a_carriage_return_is_quoted():
    file = io.StringIO(newline="")
    cells.Writer(file).writerow(["a\rb", None, 1, ""])
    assert file.getvalue() == '"a\rb",,1,\n'


def test_a_row_of_one_empty_cell_is_no_blank_line():
    file = io.StringIO(newline="")
    cells.Writer(file).writerow([""])
    assert file.getvalue() == '""\n'


def put(kind: str, path: Path) -> None:
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a link to no file":
        path.symlink_to("nowhere")
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder", "a link to no file", "a socket"])
@pytest.mark.parametrize("layout", [CSV, RAVEN])
def test_what_is_no_regular_file_is_one_line_and_is_not_waited_for(tmp_path, monkeypatch, kind, layout):
    monkeypatch.chdir(tmp_path)
    put(kind, Path("table"))
    with pytest.raises(InputError) as caught:
        read_rows("table", (), layout)
    assert str(caught.value) == f"table: {kind}; expected {layout.name}"


def test_a_disk_that_fails_while_a_table_is_read_is_one_line():
    # The memory of this process, whose first page is nobody's: it opens, and the first byte is an error of the device.
    with pytest.raises(InputError) as caught:
        read_rows("/proc/self/mem", ())
    assert str(caught.value) == "/proc/self/mem: input/output error; expected a CSV table"


def test_a_file_without_an_end_of_line_eats_no_memory(tmp_path):
    path = tmp_path / "zeros.csv"
    with open(path, "wb") as file:
        file.write(b"id\n")
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"zeros\.csv:2: expected a CSV table, but the line has more than 1000000"):
        read_rows(path, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'id,x\na,1\nb,"x"y\n', "3: expected a CSV table, but a quote is closed inside a cell"),
        (
            b'id,x\na,1\nb,"open\nc,2\n',
            "3: expected a CSV table, but a quote that is opened in this row is never closed",
        ),
        (b"id,x\na,1\nb,\xff\n", "3: expected a CSV table in UTF-8, but byte 0xff is none of it"),
        (b"\xff\xfei\x00d\x00", "1: expected a CSV table in UTF-8, but byte 0xff is none of it"),
        (
            b'id,x\n"a\n' + b"0123456789\n" * 100_000 + b'",2\n',
            "2: expected a CSV table, but a cell has more than 1000000",
        ),
    ],
)
def test_what_is_wrong_with_the_text_is_said_with_its_line(tmp_path, text, expected):
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(InputError) as caught:
        read_rows(tmp_path / "t.csv", ("id",))
    assert str(caught.value).startswith(f"{tmp_path}/t.csv:{expected}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("layout", [CSV, RAVEN])
def test_lines_end_as_on_any_system(tmp_path, end, layout):
    rows = [["id", "x"], ["a", "1\u2028\x0b\x85!"], ["b", "2"]]
    (tmp_path / "t").write_bytes(end.join(layout.separator.join(row) for row in rows).encode())
    found = read_rows(tmp_path / "t", ("id",), layout)
    assert [(row.line, row.cells["id"], row.cells["x"]) for row in found.rows] == [(2, *rows[1]), (3, *rows[2])]


def test_a_long_cell_is_a_cell(tmp_path):
    (tmp_path / "t.csv").write_text(f"id,x\na,{'x' * 200_000}\n")
    assert len(read_rows(tmp_path / "t.csv", ("id",)).rows[0].cells["x"]) == 200_000


@pytest.mark.parametrize("layout", [CSV, RAVEN])
def test_a_column_given_twice_is_an_error_in_every_table(tmp_path, layout):
    (tmp_path / "t").write_text(layout.separator.join(["id", "x", "id"]) + "\n" + layout.separator.join("abc") + "\n")
    with pytest.raises(InputError, match=":1: column id: given twice; expected each column once"):
        read_rows(tmp_path / "t", ("id",), layout)


@pytest.mark.parametrize("layout", [CSV, RAVEN])
def test_every_row_is_a_row_or_a_problem(tmp_path, layout):
    """Rows of any length with any text that is not a quote: each is there again, by its line."""
    rng = random.Random(5)
    texts = [piece for piece in PIECES if not set(piece) & set('",;\t\r\n')]
    for _ in range(50):
        n_rows, n_columns = rng.randrange(1, 30), rng.randrange(2, 6)
        rows = [
            ["x"] + ["".join(rng.choices(texts, k=3)) for _ in range(rng.randrange(n_columns + 2))]
            for _ in range(n_rows)
        ]
        header = [f"c{n}" for n in range(n_columns)]
        if layout is RAVEN:
            # A quote is a character like any other.
            rows = [[rng.choice(['"', '""', "", 'x"']) + cell for cell in row] for row in rows]
        (tmp_path / "t").write_text("\n".join(map(layout.separator.join, [header, *rows])), newline="")
        found = read_rows(tmp_path / "t", (), layout)
        lines = sorted([row.line for row in found.rows] + [problem.line for problem in found.problems])
        assert lines == list(range(2, n_rows + 2))
        assert all(row.cells["c0"] == rows[row.line - 2][0].strip() for row in found.rows)


def test_a_table_of_very_many_columns_is_read(tmp_path):
    """Each column is looked at once, not once for each other: that would take minutes."""
    (tmp_path / "wide.csv").write_text(",".join(f"c{number}" for number in range(100_000)) + "\n")
    assert len(read_rows(tmp_path / "wide.csv", ()).columns) == 100_000
