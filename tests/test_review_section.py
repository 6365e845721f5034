"""What the report says of a review: a summary written by hand, what is refused of one, and its place in the page."""

import copy
import json
import re

import pytest

import report_run
from dawnchorus.foundation.errors import InputError
from dawnchorus.report import review_section

FROG = {
    **{"species_id": "s0", "species_name": "frog", "windows": 4000, "windows_detected": 300, "answered": 100},
    **{"windows_with_calls": 1234.4, "windows_with_calls_low": 1100.2, "windows_with_calls_high": 1399.6},
    **{"yes": 60, "no": 40, "open": 2, "disagreements": 1},
    **{"precision": 0.875, "precision_low": 0.8, "precision_high": 0.93},
    **{"recall": 0.6, "recall_low": 0.456, "recall_high": 0.7},
    **{"threshold": 0.61239, "more_answers": 0},
}
NOTHING = {
    f"{name}{end}": None for name in ("precision", "recall", "windows_with_calls") for end in ("", "_low", "_high")
}
WREN = {**FROG, **NOTHING, "species_id": "s1", "species_name": "wren", "answered": 5, "threshold": None}
WREN |= {"yes": 5, "no": 0, "more_answers": 92}
SITES = ("north", "")
SUMMARY = {
    "species": [FROG, WREN],
    "groups": [
        {key: row[key] for key in review_section.REVIEW_GROUPS.names if key != "group"} | {"group": site}
        for row in (FROG, WREN)
        for site in SITES
    ],
    "curves": {"s0": [], "s1": []},
    "reviewers": ["Ann", "Bob"],
    "wanted_precision": 0.9,
    "wanted_half_width": 0.1,
}


@pytest.fixture
def run(tmp_path):
    made = report_run.Run(tmp_path / "run", ["frog", "wren"])
    made.review = tmp_path / "summary.json"
    return made


def test_numbers_intervals_and_what_is_missing(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(SUMMARY))
    shown = review_section.section(review_section.read(path))
    assert shown["lead"] == (
        "By listening to 105 windows (2 people): for 1 of 2 species there is a score from which on windows hold calls "
        "with a precision of 0.9; 1 needs more answers until precision is known to ± 0.1."
    )
    assert shown["columns"][2] == "Threshold for 0.9"
    frog, wren = shown["rows"]
    calls = "1,234 (1,100 to 1,400) of 4,000"
    assert frog == {
        "name": "frog",
        "cells": ["100", "0.88 (0.80 to 0.93)", "0.612", "0.60 (0.46 to 0.70)", calls, "0"],
    }
    assert wren["cells"] == ["5", "–", "–", "–", "– of 4,000", "92"]
    assert [(row["name"], row["group"]) for row in shown["groups"]] == [
        *(("frog", "north"), ("frog", "–"), ("wren", "north"), ("wren", "–")),
    ]
    assert shown["groups"][0]["cells"] == ["100", calls]


def test_one_group_is_no_table_and_many_are_counted():
    one = {**SUMMARY, "groups": SUMMARY["groups"][::2]}
    assert review_section.section(one)["groups"] == []
    many = {**SUMMARY, "groups": [{**SUMMARY["groups"][0], "group": f"p{k}"} for k in range(2001)]}
    shown = review_section.section(many)
    assert (len(shown["groups"]), shown["n_groups"]) == (2000, 2001)


def test_without_an_answer_nothing_is_claimed():
    rows = [{**row, **NOTHING, "answered": 0, "threshold": None} for row in SUMMARY["species"]]
    assert review_section.lead({**SUMMARY, "species": rows}) == "No window has an answer that counts yet."


def test_the_section_follows_detection_and_its_file_is_named(run):
    run.review.write_text(json.dumps(SUMMARY))
    page = run.report().read_text()
    assert re.findall(r"<h2 id=\"(\w+)-title\">", page)[1:4] == ["detection", "review", "glance"]
    assert '<a href="#review">Review</a>' in page
    section = page[page.index('id="review-title"') : page.index('id="glance-title"')]
    assert "By listening to 105 windows" in section
    assert section.count("<table") == 2
    assert str(run.review) in page[page.index("Files that this page was made from") :]


def test_without_a_review_the_page_says_nothing_of_one(run):
    run.review = None
    page = run.report().read_text()
    assert 'id="review' not in page
    assert "#review" not in page


def test_hostile_names_are_text(run):
    named = copy.deepcopy(SUMMARY)
    evil = "<script>alert(1)</script>\u202e\n"
    for row in named["species"]:
        row["species_name"] = evil
    named["groups"][0]["group"] = evil
    run.review.write_text(json.dumps(named))
    page = run.report().read_text()
    section = page[page.index('id="review-title"') : page.index('id="glance-title"')]
    assert "<script>" not in section
    assert "\u202e" not in section
    # Two rows of species, four of groups, and one name of a group.
    assert section.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 7


def without(row, key):
    return {name: value for name, value in row.items() if name != key}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"species": {}}, "species: {}: expected a list"),
        ({"species": [3]}, "species.0: 3: expected an object"),
        ({"species": [{**FROG, "precision": 1.5}]}, "species.0.precision: 1.5: expected a number from 0 to 1"),
        ({"species": [{**FROG, "precision": "0.5"}]}, 'species.0.precision: "0.5": expected a number from 0 to 1'),
        ({"species": [{**FROG, "threshold": True}]}, "species.0.threshold: true: expected a number from 0 to 1"),
        ({"species": [FROG, {**WREN, "answered": -1}]}, "species.1.answered: -1: expected a number from 0 to 9007199"),
        ({"species": [{**FROG, "answered": 5.5}]}, "species.0.answered: 5.5: expected a whole number from 0"),
        ({"species": [{**FROG, "windows": None}]}, "species.0.windows: null: expected a whole number from 0"),
        ({"species": [{**FROG, "windows": 10**400}]}, "species.0.windows: 1000000"),
        ({"species": [{**FROG, "species_name": 7}]}, "species.0.species_name: 7: expected text"),
        ({"species": [without(FROG, "recall")]}, "species.0.recall: missing; expected share of the windows with calls"),
        ({"species": [{**FROG, "recall_low": None}]}, "species.0.recall_low: null: expected a number, as the others"),
        ({"species": [FROG, FROG]}, 'species.1.species_id: "s0": expected each species once'),
        ({"species": [FROG]}, 'groups.2.species_id: "s1": expected one of species'),
        ({"groups": None}, "groups: null: expected a list"),
        ({"reviewers": ["Ann", None]}, "reviewers.1: null: expected text"),
        ({"wanted_precision": None}, "wanted_precision: null: expected a number from 0 to 1"),
    ],
)
def test_a_value_that_cannot_be_is_one_line(tmp_path, changes, said):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({**SUMMARY, **changes}))
    with pytest.raises(InputError) as error:
        review_section.read(path)
    assert str(error.value).startswith(f"{path}: {said}")
    assert "`dawnchorus review summary`" in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < len(str(path)) + 250


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "[]: expected the summary.json of"),
        ("recording_id,species_id\n", "Expecting value: line 1 column 1 (char 0); expected JSON"),
        ('{"species": NaN}', "NaN; expected finite numbers; expected JSON"),
        ('{"species": [], "species": []}', "'species' is given twice; expected JSON"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        (b"\xff\xfe{", "'utf-16-le' codec can't decode"),
    ],
)
def test_what_is_no_summary_is_one_line(tmp_path, text, said):
    path = tmp_path / "summary.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as error:
        review_section.read(path)
    assert str(error.value).startswith(f"{path}: {said}")
    assert len(str(error.value).splitlines()) == 1


def test_a_bad_summary_leaves_no_page(run):
    run.review.write_text("{}")
    with pytest.raises(InputError, match=r"summary\.json: species: null: expected a list"):
        run.report()
    assert not (run.path / "report.html").exists()


def test_a_summary_far_too_large_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(review_section, "MOST_BYTES", 20)
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    with pytest.raises(InputError, match=r"more than 20 bytes; expected the summary\.json"):
        review_section.read(tmp_path / "summary.json")


def test_a_summary_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no such file; expected the summary\.json"):
        review_section.read(tmp_path / "summary.json")
