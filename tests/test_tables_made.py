"""Tables of the workflow: what is written comes back, typed, and what does not belong is named."""

import math

import numpy as np
import pandas as pd
import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.tables import definitions, made
from dawnchorus.tables.definitions import Column, Table

SMALL = Table(
    "small.csv",
    (
        Column("id", "text", "an id"),
        Column("n", "integer", "a count", empty=True),
        Column("x", "number", "a value", "s", empty=True),
    ),
)
SCORED = Table("scored.csv", (Column("id", "text", "an id"),), more="score_")
OWN = Table("own.csv", (Column("id", "text", "an id"),), more="*")


def test_cells_come_back_typed_and_every_number_as_it_was(tmp_path):
    rows = [
        {"id": "007", "n": 3, "x": 1 / 3},
        {"id": 'a,\n"b"', "n": None, "x": math.nan},
        {"id": "", "n": -1, "x": 1e-300},
    ]
    made.write(tmp_path / "t.csv", SMALL, rows)
    found = made.read(tmp_path / "t.csv", SMALL)
    assert found[0] == rows[0]
    assert found[2] == rows[2]
    assert (found[1]["id"], found[1]["n"]) == ('a,\n"b"', None)
    assert math.isnan(found[1]["x"])
    assert "nan" not in (tmp_path / "t.csv").read_text().lower()


def test_of_a_long_table_only_the_wanted_rows_are_read_but_a_row_of_a_wrong_length_is_named(tmp_path):
    wanted = "id", lambda text: text in ("a", "-c")
    made.write(tmp_path / "t.csv", SMALL, [{"id": name, "n": 1, "x": 0.5} for name in ("a", "b", "-c", "a")])
    assert [row["id"] for row in made.read(tmp_path / "t.csv", SMALL, wanted)] == ["a", "-c", "a"]
    (tmp_path / "t.csv").write_text("id,n,x\nb,no number,1\na,1,2\nb,1\n")
    with pytest.raises(InputError, match=r"t.csv:4: '2 cells': expected 3 cells"):
        made.read(tmp_path / "t.csv", SMALL, wanted)


def test_a_pandas_table_is_written_and_read_alike(tmp_path):
    scores = np.random.default_rng(0).random((50, 2)).astype(np.float32)
    table = pd.DataFrame({"id": [f"{n:03d}" for n in range(50)], "score_a": scores[:, 0], "score_b": scores[:, 1]})
    made.write(tmp_path / "t.csv", SCORED, table)
    found = made.frame(tmp_path / "t.csv", SCORED)
    assert found["id"].tolist() == table["id"].tolist()
    np.testing.assert_array_equal(found[["score_a", "score_b"]].to_numpy(np.float32), scores)
    # No digit more than a single needs.
    assert max(len(cell) for line in (tmp_path / "t.csv").read_text().splitlines()[1:] for cell in line.split(",")) < 14


def test_an_empty_table_keeps_its_columns_and_types(tmp_path):
    made.write(tmp_path / "t.csv", SMALL, [])
    assert made.read(tmp_path / "t.csv", SMALL) == []
    found = made.frame(tmp_path / "t.csv", SMALL)
    assert list(found.columns) == ["id", "n", "x"]
    assert len(found) == 0
    made.write(tmp_path / "s.csv", SCORED, pd.DataFrame({"id": [], "score_a": []}))
    assert (tmp_path / "s.csv").read_text() == "id,score_a\n"


def test_columns_of_the_user_are_carried_along_as_text(tmp_path):
    made.write(tmp_path / "t.csv", OWN, [{"id": "a", "site": "01"}, {"id": "b"}])
    assert made.read_columns(tmp_path / "t.csv", OWN) == (
        ["id", "site"],
        [{"id": "a", "site": "01"}, {"id": "b", "site": ""}],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,n,x\na,1.5,2\n", ":2: column n: '1.5': expected a whole number"),
        ("id,n,x\na,1,2\nb,1,inf\n", ":3: column x: 'inf': expected a finite number"),
        ("id,n,x\na,1_0,2\n", ":2: column n: '1_0': expected a whole number"),
        ("id,n\na,1\n", ":1: column x: missing; found id, n"),
        ("id,n,x,y\na,1,2,3\n", ":1: column y: unknown; expected id, n, x"),
        ("id,n,x\na,1\n", ":2: '2 cells': expected 3 cells, as the header has"),
    ],
)
def test_what_does_not_belong_is_one_line(tmp_path, text, expected):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        made.read(tmp_path / "t.csv", SMALL)
    assert str(caught.value) == f"{tmp_path / 't.csv'}{expected}"


def test_an_empty_number_is_refused_where_none_may_be(tmp_path):
    (tmp_path / "t.csv").write_text("annotation_id,recording_id,group,partition\n,a,b,train\n")
    with pytest.raises(InputError, match="column annotation_id: '': expected a whole number"):
        made.read(tmp_path / "t.csv", definitions.SPLIT)


def test_a_row_that_does_not_fit_its_table_is_never_written(tmp_path):
    for rows, expected in (
        ([{"id": "a", "n": 1}], "a row without x"),
        ([{"id": "a", "n": 1, "x": 2.0, "y": 3}], "no column y"),
    ):
        with pytest.raises(ValueError, match=expected):
            made.write(tmp_path / "t.csv", SMALL, rows)
    with pytest.raises(ValueError, match="names that begin with score_"):
        made.write(tmp_path / "t.csv", SCORED, [{"id": "a", "value": 1.0}])
    assert not list(tmp_path.iterdir())


def test_every_table_names_its_columns_once_and_says_what_they_are():
    tables = [value for value in vars(definitions).values() if isinstance(value, Table)]
    assert len(tables) > 15
    for table in tables:
        assert len(set(table.names)) == len(table.names), table.name
        assert all(column.meaning for column in table.columns), table.name
        for column in table.columns:
            unit = {"s": "s", "hz": "Hz"}.get(column.name.rsplit("_", 1)[-1])
            assert unit is None or column.unit == unit, f"{table.name}: {column.name}"
