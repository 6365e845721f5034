"""What answers teach: data.reviews, from the tables of answers to the boxes that train, and what they never touch."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from arguments import audit_outputs
from dawnchorus.annotations import reviews
from dawnchorus.commands import cli
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import presence_targets, stretches
from dawnchorus.parameters.data import TABLES
from dawnchorus.partitioning import folds, groups
from dawnchorus.review.answers import Answer
from dawnchorus.review.kept import Kept
from dawnchorus.stages import recordings, split
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ANNOTATIONS, FALSE_POSITIVES, RECORDINGS, SAMPLE, SPLIT, UNKNOWN
from dawnchorus.workflow import last_plan
from test_review import results as results

RATE_HZ = 8000
HEADER = "clip,recording_id,start_s,end_s,species_id,answer,other_species,reviewer,time,path"
DATA = {
    "source": "table",
    "annotations": "table.csv",
    "format": "rfcx",
    "columns": {},
    "audio_dir": "audio",
    **dict.fromkeys(TABLES, "table.csv"),
    "on_bad_recording": "stop",
    "shortest_annotation_s": 0.05,
}
SPLIT_BLOCK = {
    "method": "grouped",
    "group": "recording_id",
    "test_fraction": 0.3,
    "validation_fraction": 0.2,
    "test_groups": None,
    "validation_groups": None,
}


def line(recording, start, species, answer, who="ann", other="", time="2026-05-01T06:00:00Z", end=None, path=""):
    end = start + 1.0 if end is None else end
    return f"c,{recording},{start},{end},{species},{answer},{other},{who},{time},{path}"


def write(name: str, *rows: str, header: str = HEADER) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("\n".join([header, *rows]) + "\n")
    return name


def sound(name: str, duration_s: float = 4.0) -> None:
    path = Path(f"audio/{name}.wav")
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(name)).standard_normal(round(duration_s * RATE_HZ))
    soundfile.write(path, 0.1 * noise, RATE_HZ)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Eight annotated recordings of four seconds and two species, and two that no table names yet."""
    monkeypatch.chdir(tmp_path)
    for name in (*"abcdefgh", "far/night", "new"):
        sound(name)
    rows = [f"{name},{species},0.5,1.5" for name in "abcdefgh" for species in "01"]
    write("table.csv", *rows, header="recording_id,species_id,t_min,t_max")
    return tmp_path


def audited(**data) -> None:
    arguments = ["--params", json.dumps({"data": {**DATA, **data}}), "--threads", "2", "--hash-cache", "hashes.json"]
    recordings.main([*arguments, *audit_outputs("made")])


def boxes(name: str, table) -> list[tuple]:
    return [
        (row["recording_id"], row["species_id"], row["t_min_s"], row["t_max_s"], row["from_reviews"])
        for row in made.read(f"made/{name}.csv", table)
        if row["from_reviews"]
    ]


def answer(recording="x", start=0.0, species="0", said="yes", who="ann", other="", time=""):
    span = {"recording_id": recording, "t_min_s": start, "t_max_s": start + 1, "species_id": species}
    return None, {**span, "answer": said, "reviewer": who, "other_species": other, "time": time}


def taught(*given, annotations=()):
    own = [(None, {"recording_id": r, "species_id": s, "t_min_s": a, "t_max_s": b}) for r, s, a, b in annotations]
    return reviews.taught(given, own, {"0", "1"}, {"0": "wren", "1": "Tawny owl"})


def spans(rows):
    return [(row["recording_id"], row["species_id"], row["t_min_s"]) for row in rows]


def test_reviewed_recordings_need_not_be_in_the_table_of_recordings(folder):
    """Nobody can list them there: a recording that is listed and has no annotation holds no call."""
    write(
        "sites.csv", *(f"{name},{'wood' if name < 'd' else 'bog'}" for name in "abcdefgh"), header="recording_id,site"
    )
    answers = write("heard.csv", line("new", 1, "0", "yes"), line("a", 2, "0", "yes"), line("far/night", 1, "1", "no"))
    audited(reviews=answers, recordings_table="sites.csv")
    rows = [row for row in made.read("made/annotations.csv", ANNOTATIONS) if row["from_reviews"]]
    assert {(row["recording_id"], row["site"]) for row in rows} == {("new", ""), ("a", "wood")}
    assert boxes("false_positives", FALSE_POSITIVES) == [("far/night", "1", 1.0, 2.0, "alone")]


def test_the_majority_counts_and_ties_say_nothing():
    people = ("yes", "yes", "no"), ("no", "other", "yes"), ("yes", "no"), ("unsure", "yes"), ("unsure",)
    given = [
        answer(start=float(2 * clip), said=said, who=f"p{k}")
        for clip, of in enumerate(people)
        for k, said in enumerate(of)
    ]
    found = taught(*given)
    assert spans(found.present) == [("x", "0", 0.0), ("x", "0", 6.0)]
    assert spans(found.absent) == [("x", "0", 2.0)]
    assert found.counts == {"used": 5, "outvoted": 2, "as many yes as no": 2, "unsure": 2}


def test_another_species_is_a_no_and_a_yes_for_it_where_it_is_a_class():
    found = taught(
        answer(said="other", other="tawny OWL"),
        answer(start=2.0, said="other", other="1"),
        answer(start=4.0, said="other", other="fox"),
        answer(start=6.0, said="other"),
        # Somebody says that the named one is not there: as many yes as no.
        answer(start=8.0, said="other", other="1"),
        answer(start=8.0, species="1", said="no", who="bob"),
    )
    assert spans(found.present) == [("x", "1", 0.0), ("x", "1", 2.0)]
    assert spans(found.absent) == [("x", "0", float(start)) for start in (0, 2, 4, 6, 8)]
    assert found.counts == {
        "used": 5,
        "as many yes as no": 1,
        "another species that is no class": 1,
        "another species, a yes for that one": 3,
    }


def test_of_one_person_the_later_answer_counts_whatever_the_order_of_rows():
    early, late = (answer(said=said, time=time) for said, time in (("yes", "2026-01-01"), ("no", "2026-01-02")))
    for given in ((early, late), (late, early)):
        found = taught(*given)
        assert (found.present, spans(found.absent)) == ([], [("x", "0", 0.0)])
        assert found.counts == {"used": 1, "answered anew": 1}


def test_the_users_own_annotations_stand():
    own = [("x", "0", 0.5, 0.8), ("x", "1", 2.0, 3.0)]
    found = taught(
        answer(), answer(start=2.0), answer(species="1"), answer(start=2.9, species="1", said="no"), annotations=own
    )
    assert spans(found.present) == [("x", "0", 2.0), ("x", "1", 0.0)]
    assert found.absent == []
    assert found.counts == {"used": 2, "annotated already": 1, "against an annotation": 1}


def test_reviews_become_boxes_at_the_end_and_change_nothing_else(folder, capsys):
    audited()
    before = {name: Path(f"made/{name}.csv").read_text().splitlines() for name in ("annotations", "recordings")}
    # As `review serve` writes them: a table a person, beside what is no table of answers.
    write("review/reviews/ann.csv", line("a", 2.0, "0", "yes"), line("far/night", 1.0, "0", "yes"))
    write("review/reviews/bob.csv", line("b", 2.0, "1", "no", "bob"), line("new", 0.0, "1", "no", "bob"))
    write("review/sample.csv", "x,y", header="clip,species_id")
    capsys.readouterr()
    audited(reviews="review")
    assert boxes("annotations", ANNOTATIONS) == [("a", "0", 2.0, 3.0, "beside"), ("far/night", "0", 1.0, 2.0, "alone")]
    assert boxes("false_positives", FALSE_POSITIVES) == [
        ("b", "1", 2.0, 3.0, "beside"),
        ("new", "1", 0.0, 1.0, "alone"),
    ]
    after = Path("made/annotations.csv").read_text().splitlines()
    assert after[: len(before["annotations"])] == [
        f"{before['annotations'][0]},from_reviews",
        *(f"{row}," for row in before["annotations"][1:]),
    ]
    rows = {row["recording_id"]: row["from_reviews"] for row in made.read("made/recordings.csv", RECORDINGS)}
    assert rows == {**dict.fromkeys("abcdefgh", ""), "far/night": "alone", "new": "alone"}
    # Of a recording that only reviews name nothing else is known, although all others are annotated whole.
    assert [tuple(row.values()) for row in made.read("made/unknown.csv", UNKNOWN)] == [
        ("far/night", 0.0, 4.0, ""),
        ("new", 0.0, 4.0, ""),
    ]
    said = capsys.readouterr().out.splitlines()
    assert "recordings: reviews: 4 answers used, 2 windows with calls, 2 without" in said
    assert "recordings: 2 recordings that only reviews name" in said
    assert "recordings: 16 annotations of 2 classes in 8 recordings; 0 of 16 rows left out, 0 problems" in said


def test_the_path_says_which_recording_is_meant(folder):
    """A run that searched several folders calls recordings by their names alone; `night` is one of audio/far."""
    sound("night")
    inside, outside = folder / "audio/far/night.wav", folder / "elsewhere/night.wav"
    write("r.csv", line("night", 1.0, "0", "yes", path=inside), line("night", 2.0, "0", "no", path="audio/night.wav"))
    audited(reviews="r.csv")
    assert [row[0] for row in boxes("annotations", ANNOTATIONS)] == ["far/night"]
    assert [row[0] for row in boxes("false_positives", FALSE_POSITIVES)] == ["night"]
    rows = [line("night", start, "0", "yes", path=outside) for start in (0.0, 1.0, 2.0)]
    write("r.csv", *rows, line("a", 2.0, "0", "yes"))
    with pytest.raises(InputError) as caught:
        audited(reviews="r.csv")
    assert str(caught.value).splitlines()[0] == (
        f"r.csv:2: column path: '{outside}': expected a recording in data.audio_dir, audio; 3 answers are of "
        "recordings that are not there"
    )
    assert len(str(caught.value).splitlines()) == 2
    audited(reviews="r.csv", on_bad_recording="quarantine")
    assert [row[0] for row in boxes("annotations", ANNOTATIONS)] == ["a"]


def test_each_fault_is_a_line_with_file_row_and_column(folder):
    rows = [
        line("a", 2.0, "0", "maybe"),
        line("a", 2.0, "7", "yes"),
        line("a", 2.0, "0", "yes", who=""),
        line("a", "soon", "0", "yes", end=3),
        line("a", 3.5, "0", "yes"),
        line("a", 2.0, "0", "yes", end=2.01),
        line("gone", 2.0, "0", "yes"),
        "a,b",
    ]
    write("r.csv", *rows)
    with pytest.raises(InputError) as caught:
        audited(reviews="r.csv")
    assert sorted(str(caught.value).splitlines()[:-1]) == [
        "r.csv:2: column answer: 'maybe': expected one of yes, no, unsure, other",
        "r.csv:3: column species_id: '7': expected a species of the annotations, one of 0, 1",
        "r.csv:4: column reviewer: '': expected the name of who answered",
        "r.csv:5: column start_s: 'soon': expected a finite number of seconds",
        "r.csv:6: column end_s: '4.5': expected at most the recording's 4.0000 s",
        "r.csv:7: column end_s: '2.01': expected at least data.shortest_annotation_s 0.05 s after start_s",
        "r.csv:8: column recording_id: 'gone': expected a recording in data.audio_dir, audio",
        "r.csv:9: '2 cells': expected 10 cells, as the header has",
    ]
    assert str(caught.value).splitlines()[-1].startswith("8 problems in table.csv, r.csv and their recordings")
    Path("empty").mkdir()
    with pytest.raises(InputError, match=r"^empty: no tables; expected a reviews\.csv, or a folder of them$"):
        audited(reviews="empty")


def test_no_table_of_a_folder_of_reviews_is_passed_over(folder):
    write("elsewhere/carl.csv", line("b", 2.0, "0", "yes", "carl"))
    write("review/ANN.CSV", line("a", 2.0, "0", "yes"))
    Path("review/more").symlink_to("../elsewhere")
    audited(reviews="review")
    taught = [row["recording_id"] for row in made.read("made/annotations.csv", ANNOTATIONS) if row["from_reviews"]]
    assert sorted(taught) == ["a", "b"]
    Path("review/gone").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"^review/gone: a link to nothing; expected a table, or a folder of tables$"):
        audited(reviews="review")


def split_rows() -> list[dict]:
    params = json.dumps({"split": SPLIT_BLOCK, "seed": 3})
    split.main(["--annotations", "made/annotations.csv", "--params", params, "--output", "made/split.csv"])
    return made.read("made/split.csv", SPLIT)


def test_no_answer_moves_a_recording_between_partitions_and_none_is_held_out(folder, capsys):
    audited()
    before = split_rows()
    part_of = {row["recording_id"]: row["partition"] for row in before}
    assert Counter(part_of.values()) == {"train": 4, "validation": 2, "test": 2}
    write("r.csv", *(line(name, 2.0, "0", "yes") for name in (*"abcdefgh", "far/night")))
    audited(reviews="r.csv")
    capsys.readouterr()
    after = split_rows()
    assert after[: len(before)] == before
    wanted = {name: "train" if part == "train" else "unused" for name, part in part_of.items()} | {"far/night": "train"}
    assert {row["recording_id"]: row["partition"] for row in after[len(before) :]} == wanted
    assert "split: 5 reviewed calls train, 4 are of held-out groups and left out" in capsys.readouterr().out


BY_SITE = {"method": "grouped", "group": "site"}
KNOWN = [
    {"recording_id": "a", "group": "s0", "partition": "train"},
    {"recording_id": "b", "group": "s1", "partition": "test"},
    {"recording_id": "c", "group": "s2", "partition": "train"},
    {"recording_id": "c", "group": "s2", "partition": "validation"},
]


@pytest.mark.parametrize(
    ("recording", "site", "mark", "wanted"),
    [
        ("a", "s1", "beside", "train"),
        ("b", "s0", "beside", "unused"),
        ("c", "s0", "beside", "unused"),
        ("new", "s0", "alone", "train"),
        ("new", "s1", "alone", "unused"),
        ("new", "s9", "alone", "train"),
    ],
)
def test_a_review_trains_where_its_recording_trains_else_its_site(recording, site, mark, wanted):
    box = {"recording_id": recording, "site": site, "from_reviews": mark}
    assert groups.partitions_of_boxes([box], KNOWN, BY_SITE) == [wanted]
    # And whatever reviews say, the others are where they were.
    reviewed = {"recording_id": "b", "group": "s1", "partition": "train", "from_reviews": "beside"}
    silent = [{"recording_id": name, "site": name} for name in "pqrstuvw"]
    with_reviews = groups.of_recordings([*KNOWN[:3], *silent], [*KNOWN, reviewed], BY_SITE)
    assert with_reviews == groups.of_recordings([*KNOWN[:3], *silent], KNOWN, BY_SITE)
    listed = [{"recording_id": "new", "site": site, "from_reviews": "alone"}] if mark == "alone" else []
    assert [part for _, part in groups.of_recordings(listed, KNOWN, BY_SITE)] == [wanted] * len(listed)


def test_of_a_recording_that_only_reviews_name_no_frame_is_known_but_the_answered_ones():
    """Ten seconds of 0.1 s frames: species 0 heard in [1.96, 3.04), species 1 not; all else unknown."""
    made_of = presence_targets.targets(
        np.array([[1.96, 3.04]]), np.array([0]), [(0.0, 10.0, presence_targets.EVERY)], 100, 0.1, 1, 2, True
    )
    presence_targets.absent([(1.96, 3.04, 1)], made_of, 0.1, 1)
    present, absent = np.flatnonzero(made_of[:, 0] > 0), np.flatnonzero(made_of[:, 1] == 0)
    assert (present.min(), present.max()) == (20, 30)
    assert (absent.min(), absent.max()) == (21, 29)
    assert not (made_of[:, 0] == 0).any()
    assert not (made_of[:, 1] > 0).any()


def test_of_a_long_recording_only_what_is_near_an_answer_is_drawn_from():
    pool, n = 2, 1000
    targets = np.full((n, 2), presence_targets.UNKNOWN, np.float32)
    targets[100:110, 0], targets[105:108, 1], targets[990:995, 1] = 1, 0, 0
    frames = np.arange(n * pool, dtype=np.float32)[:, None]
    found = stretches.around_known(stretches.Sounding(frames, targets), 40, pool)
    assert [(of.frames[0, 0] / pool, len(of.targets), len(of.frames)) for of in found] == [
        (80, 50, 100),
        (970, 30, 60),
    ]
    assert np.array_equal(
        np.concatenate([of.targets for of in found]), np.concatenate([targets[80:130], targets[970:]])
    )


def test_the_fingerprint_of_a_folder_of_reviews_is_of_its_content(folder):
    from dawnchorus.annotations import audit
    from dawnchorus.foundation.hashes import HashCache

    def now():
        return audit.fingerprint({**DATA, "reviews": "r"}, HashCache(Path("hashes.json")))

    write("r/ann.csv", line("a", 2.0, "0", "yes"))
    first = now()
    assert now() == first
    write("r/ann.csv", line("a", 2.0, "0", "no"))
    assert now() != first
    write("r/ann.csv", line("a", 2.0, "0", "yes"))
    assert now() == first
    # A recording that only a review names is part of it.
    write("r/ann.csv", line("new", 2.0, "0", "yes"))
    second = now()
    sound("new", 3.5)
    assert now() != second


def test_a_table_without_a_mark_is_read_as_ever(folder):
    audited()
    with open("made/annotations.csv", newline="") as file:
        assert "from_reviews" not in next(csv.reader(file))


def test_a_plan_of_a_version_without_reviews_is_not_believed(folder):
    for name in ("Snakefile", "params.yaml"):
        Path(name).write_text("")
    data = {key: value for key, value in DATA.items() if key != "reviews"}
    job = [[], ["a fingerprint"], ["made/annotations.csv"]]
    plan = {"key": "", "targets": {"recordings": ["made/annotations.csv"]}, "jobs": {"made/record": job}}
    last_plan.PLAN.parent.mkdir()
    last_plan.PLAN.write_text(json.dumps({**plan, "data": data, "audited": [], "fingerprint": "a fingerprint"}))
    assert not last_plan.holds("recordings", folder)


def test_answers_to_what_was_detected_find_their_recordings(results, tmp_path, monkeypatch):
    """From a run of `dawnchorus detect`, by the clips that were chosen and the file that the server keeps, to boxes."""
    monkeypatch.chdir(results)
    folder = tmp_path / "next"
    assert cli.main(["review", "next", "found", "--output", str(folder), "--size", "20", "--no-page"]) == 0
    rows = made.read(folder / "sample.csv", SAMPLE)
    kept = Kept(folder, {row["clip"]: row for row in rows})
    answers = ["yes" if k % 2 else "no" for k in range(len(rows))]
    kept.take("Ann", [Answer(row["clip"], "Ann", said, "") for row, said in zip(rows, answers, strict=True)])
    kept.close()
    own = rows[0]["recording_id"]
    table = [
        f"{own},{species},{start},{start + 0.001}" for species in ("s0", "s1", "s2") for start in (17.0, 17.2, 17.4)
    ]
    write(str(tmp_path / "table.csv"), *table, header="recording_id,species_id,t_min,t_max")
    names = dict.fromkeys(("annotations", *TABLES), str(tmp_path / "table.csv"))
    data = {**DATA, **names, "audio_dir": "sound", "reviews": str(folder), "shortest_annotation_s": 0.001}
    arguments = [
        "--params",
        json.dumps({"data": data}),
        "--threads",
        "2",
        "--hash-cache",
        str(tmp_path / "hashes.json"),
    ]
    recordings.main([*arguments, *audit_outputs(tmp_path / "made")])
    for name, definition, said in (("annotations", ANNOTATIONS, "yes"), ("false_positives", FALSE_POSITIVES, "no")):
        found = {
            (row["recording_id"], row["species_id"], row["t_min_s"], row["t_max_s"], row["from_reviews"])
            for row in made.read(tmp_path / f"made/{name}.csv", definition)
            if row["from_reviews"]
        }
        assert found == {
            (
                *(row["recording_id"], row["species_id"], row["start_s"], row["end_s"]),
                "beside" if row["recording_id"] == own else "alone",
            )
            for row, answer in zip(rows, answers, strict=True)
            # What touches the users' own annotations is left to these.
            if answer == said and not (row["recording_id"] == own and row["start_s"] < 17.401 and row["end_s"] > 17)
        }


def test_each_fold_tests_all_rows_but_those_of_reviews():
    """Sites of two recordings each; reviews of half of the recordings, and of one more at each of two sites."""
    own = [
        {"annotation_id": 4 * k + s, "recording_id": f"r{k}", "species_id": str(s % 2), "site": f"s{k // 2}"}
        for k in range(12)
        for s in range(4)
    ]
    named = [(f"r{k}", f"s{k // 2}", "beside") for k in range(0, 12, 2)] + [(f"n{k}", f"s{k}", "alone") for k in (0, 9)]
    reviewed = [
        {"annotation_id": 48 + n, "recording_id": name, "species_id": "0", "site": site, "from_reviews": of}
        for n, (name, site, of) in enumerate(named)
    ]
    params = {
        "seed": 1,
        "split": {"method": "grouped", "group": "site"},
        "cross_validation": {"column": None, "validation_fraction": 0.2},
        "train": {"early_stopping_patience": None},
    }
    columns = ["annotation_id", "recording_id", "species_id", "site", "from_reviews"]
    without = [fold.table for fold in folds.of_annotations(own, columns, params, 3)]
    found = [fold.table for fold in folds.of_annotations([*own, *reviewed], columns, params, 3)]
    assert [table[: len(own)] for table in found] == without
    for table in found:
        part_of = {row["group"]: row["partition"] for row in table[: len(own)]}
        for row, (_, site, _) in zip(table[len(own) :], named, strict=True):
            assert row["group"] == site
            assert row["partition"] == ("train" if part_of.get(site, "train") == "train" else "unused")
    rows = pd.DataFrame({"row": [0, 1, 2], "from_reviews": [0.0, 0.0, 1.0]})
    assert groups.own_frame(rows)["row"].tolist() == [0, 1]
    assert groups.own_frame(rows[["row"]])["row"].tolist() == [0, 1, 2]
