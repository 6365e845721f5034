import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dawnchorus.annotations import column_names
from dawnchorus.foundation import strict_yaml


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("t_min", ("tmin", 1.0)),
        ("Begin Time (s)", ("begintime", 1.0)),
        ("onset_s", ("onset", 1.0)),
        ("start_ms", ("start", 0.001)),
        ("High Freq (kHz)", ("highfreq", 1000.0)),
        ("length_min", ("length", 60.0)),
        ("freq_min", ("freqmin", 1.0)),
        ("start", ("start", 1.0)),
        ("s", ("s", 1.0)),
        ("", ("", 1.0)),
        ("_" * 1_000_000 + "ms", ("ms", 1.0)),
    ],
)
def test_a_name_and_its_unit(name, expected):
    assert column_names.plain(name) == expected


def test_the_likelier_of_two_columns_is_taken():
    assert column_names.likely(["name", "Species", "call"], "species_id") == "Species"
    assert column_names.likely(["colour"], "species_id") is None


@example({"species_id": "A "})
@given(st.dictionaries(st.sampled_from(["species_id", "t_min", "f_max"]), st.text(min_size=1)))
def test_what_a_hint_says_to_write_is_read_as_it_was_meant(columns):
    printable = {cell: name for cell, name in columns.items() if name.isprintable()}
    text = f"columns: {column_names.in_yaml(printable)}\n"
    assert strict_yaml.parse(text.encode(), "params.yaml").values == {"columns": printable}
