import math
import subprocess
import sys
from pathlib import Path

import pytest

from dawnchorus.annotations import recordings
from dawnchorus.tables.users import Row

COLUMNS = ("recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max")
GOOD = ("a", "3", "1", "0.5", "100", "1.5", "2000")


def row(line=2, **changes):
    return Row("t.csv", line, {**dict(zip(COLUMNS, GOOD, strict=True)), **changes})


def problems_of(*rows, shortest_s=0.05):
    return recordings.read_annotations(rows, shortest_s)[1]


def test_a_good_row_becomes_numbers_with_units_and_keeps_extra_columns():
    good, problems = recordings.read_annotations([row(fold="4")], 0.05)
    assert problems == []
    assert good[0][1] == {
        "recording_id": "a",
        "species_id": "3",
        "songtype_id": "1",
        "t_min_s": 0.5,
        "t_max_s": 1.5,
        "f_min_hz": 100.0,
        "f_max_hz": 2000.0,
        "fold": "4",
    }


def test_frequencies_may_be_absent():
    cells = {"recording_id": "a", "species_id": "x", "t_min": "0", "t_max": "1"}
    good, problems = recordings.read_annotations([Row("t.csv", 2, cells)], 0.05)
    assert problems == []
    assert math.isnan(good[0][1]["f_min_hz"])


@pytest.mark.parametrize(
    ("changes", "column", "expected"),
    [
        ({"t_min": "soon"}, "t_min", "a finite number of seconds"),
        ({"t_max": "nan"}, "t_max", "a finite number of seconds"),
        ({"t_max": ""}, "t_max", "a finite number of seconds"),
        ({"t_max": "0.5"}, "t_max", "more than t_min 0.5 s"),
        ({"t_max": "0.4"}, "t_max", "more than t_min 0.5 s"),
        ({"t_max": "0.52"}, "t_max", "at least data.shortest_annotation_s 0.05 s after t_min"),
        ({"t_min": "-1"}, "t_min", "a number >= 0"),
        ({"f_min": "-100"}, "f_min", "a number >= 0"),
        ({"f_max": "99"}, "f_max", "more than f_min 100 Hz"),
        ({"f_max": "high"}, "f_max", "a finite number of Hz, or nothing"),
        ({"species_id": ""}, "species_id", "a species id"),
    ],
)
def test_each_faulty_cell_is_named_with_what_was_expected(changes, column, expected):
    (problem,) = problems_of(row(line=7, **changes))
    assert (problem.file, problem.line, problem.column, problem.value) == ("t.csv", 7, column, changes[column])
    assert problem.expected == expected


def test_all_faults_of_a_row_are_listed_at_once():
    assert [p.column for p in problems_of(row(t_min="x", f_max="y", species_id=""))] == [
        "species_id",
        "t_min",
        "f_max",
    ]


@pytest.mark.parametrize(
    "recording_id",
    ["../a", "a/../b", "/etc/passwd", "a//b", "", ".hidden", "-rf", "a;rm", "$(id)", "`id`", "a|b", "a\\b", "a*", "{x}",
     "a\nb", "a'b", 'a"b', "a/", "~root", "a&b", "a>b", "a\0b", "#a", "!a", "a "],
)  # fmt: skip
def test_an_id_that_could_leave_the_folder_or_mean_something_to_a_shell_is_refused(recording_id):
    assert recordings.id_problem(recording_id)
    (problem,) = problems_of(row(recording_id=recording_id))
    assert problem.column == "recording_id"


@pytest.mark.parametrize(
    "recording_id", ["003bec244", "site 1/2024-05-01/rec_06.30", "Wald/Übung", "SMM1_20200101_000000"]
)
def test_ids_of_real_recorders_and_subfolders_are_welcome(recording_id):
    assert recordings.id_problem(recording_id) is None


def test_the_second_of_two_equal_rows_is_a_problem():
    problems = problems_of(row(line=2), row(line=3), row(line=4, t_max="1.6"))
    assert [(p.line, p.expected) for p in problems] == [(3, "each annotation once; line 2 says the same")]


def test_rows_that_say_the_same_in_other_words_are_equal():
    assert len(problems_of(row(line=2), row(line=3, t_min="0.50", t_max="1.500"))) == 1


def test_files_are_found_by_id_with_subfolders_and_any_case_of_suffix():
    files = recordings.files_by_id(["a.flac", "b.WAV", "s/a.ogg", "notes.txt", "a.json"])
    assert files == {"a": ["a.flac"], "b": ["b.WAV"], "s/a": ["s/a.ogg"]}


def test_a_missing_file_and_two_files_for_one_id_are_problems():
    good, _ = recordings.read_annotations([row(2), row(3, recording_id="b"), row(4, recording_id="c")], 0.05)
    matched, problems = recordings.match_files(good, {"a": ["a.wav"], "b": ["b.flac", "b.wav"]}, "audio")
    assert matched == {"a": "a.wav"}
    assert [str(p) for p in problems] == [
        "t.csv:3: column recording_id: 'b': expected one audio file of that name in audio, "
        "found 2 files (b.flac, b.wav)",
        "t.csv:4: column recording_id: 'c': expected one audio file of that name in audio, found none",
    ]


def test_an_annotation_may_end_with_its_recording_but_not_beyond():
    rows = [row(2, t_max="10"), row(3, t_max="10.009"), row(4, t_max="10.02")]
    good, _ = recordings.read_annotations(rows, 0.05)
    problems = recordings.end_problems(good, {"a": 10.0})
    assert [(p.line, p.value, p.expected) for p in problems] == [(4, "10.02", "at most the recording's 10.0000 s")]


def test_of_an_annotation_that_ends_a_little_after_its_recording_enough_lies_within():
    """What is cut out of the recording ends with it: too little of that would be no frame of features."""
    times = [("9.94", "10.009"), ("9.958", "10.0085"), ("10", "10.01")]
    good, _ = recordings.read_annotations(
        [row(line, t_min=t_min, t_max=t_max) for line, (t_min, t_max) in enumerate(times, 2)], 0.005
    )
    problems = recordings.end_problems(good, {"a": 10.0}, 0.05)
    expected = "at least data.shortest_annotation_s 0.05 s before the recording's end at 10.0000 s"
    assert [(p.line, p.column, p.expected) for p in problems] == [(3, "t_min", expected), (4, "t_min", expected)]
    [problem] = recordings.end_problems(good, {"a": 10.0})
    assert (problem.line, problem.expected) == (4, "less than the recording's end at 10.0000 s")


def test_a_class_that_cannot_reach_all_partitions_is_a_problem_in_each_row():
    rows = [row(n, species_id=s, t_min=str(n), t_max=str(n + 1)) for n, s in enumerate("1112")]
    good, _ = recordings.read_annotations(rows, 0.05)
    problems = recordings.rare_class_problems(good)
    assert [(p.line, p.value) for p in problems] == [(3, "2")]
    assert "at least 3 rows" in problems[0].expected
    assert [r.line for r, _ in recordings.without(good, problems)] == [0, 1, 2]


def test_classes_are_ordered_as_numbers_then_as_words():
    assert recordings.class_order(["10", "9", "wren", "9", "owl"]) == ["9", "10", "owl", "wren"]
    # More digits than Python reads as a number.
    assert recordings.class_order(["wren", "1" * 4301, "2"]) == ["2", "1" * 4301, "wren"]


def test_what_the_snakefile_imports_loads_no_numerical_library():
    """Every snakemake process, each job of a cluster too, would wait for it."""
    root = Path(__file__).parents[1]
    lines = (root / "Snakefile").read_text().splitlines()
    imports = [line for line in lines if line.startswith("from dawnchorus")]
    assert imports
    loaded = "print(sorted({'numpy', 'pandas', 'librosa', 'keras', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    code = "\n".join(["import sys", f"sys.path.insert(0, {str(root / 'src')!r})", *imports, loaded])
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
