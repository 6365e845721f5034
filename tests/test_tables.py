import re

import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.tables.users import number, read_rows, write_rows


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_keep_the_line_that_an_editor_shows(tmp_path):
    path = table(tmp_path, 'id,note\n\na,"two\nlines"\nb, spaced \n')
    columns, rows, problems = read_rows(path, ("id",))
    assert columns == ["id", "note"]
    assert [(row.line, row.cells) for row in rows] == [
        (3, {"id": "a", "note": "two\nlines"}),
        (5, {"id": "b", "note": "spaced"}),
    ]
    assert problems == []


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    columns, _, _ = read_rows(table(tmp_path, "id\na\n", "utf-8-sig"), ("id",))
    assert columns == ["id"]


def test_a_row_of_another_length_is_a_problem_not_a_guess(tmp_path):
    path = table(tmp_path, "id,x\na,1,2\nb,3\n")
    _, rows, problems = read_rows(path, ("id",))
    assert [row.cells["id"] for row in rows] == ["b"]
    assert str(problems[0]) == f"{path}:2: '3 cells': expected 2 cells, as the header has"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", "column id: missing; found a, b"),
        ("", "column id: missing; found no header"),
        ("id,id\n1,2\n", "column id: given twice"),
        ('id\na\n"open\nb\n', ":3: expected a CSV table, but a quote that is opened in this row is never closed"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(tmp_path, text, expected):
    path = table(tmp_path, text)
    with pytest.raises(InputError, match=expected) as caught:
        read_rows(path, ("id",))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "none.csv", ())
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="expected a CSV table in UTF-8"):
        read_rows(tmp_path / "bytes.csv", ())


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "", "1,5", "1_000", "one"])
def test_what_is_no_finite_number_is_refused(text):
    with pytest.raises(ValueError, match=f"^(could not convert|{re.escape(text)})"):
        number(text)


def test_numbers_survive_a_round_trip_exactly(tmp_path):
    values = [0.1, 1 / 3, 1e-300, 123456789.123456789]
    write_rows(tmp_path / "t.csv", ("x",), ({"x": value} for value in values))
    _, rows, _ = read_rows(tmp_path / "t.csv", ("x",))
    assert [number(row.cells["x"]) for row in rows] == values
