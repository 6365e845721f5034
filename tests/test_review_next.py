"""Which windows teach most: uncertain, unlike each other, of many places, and not heard before."""

import csv
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from dawnchorus.commands import cli
from dawnchorus.review import choosing
from dawnchorus.tables import made
from dawnchorus.tables.definitions import REVIEWS, SAMPLE
from test_review import a_run, answer_rows
from test_review import results as results

SPECIES = ["frog", "owl"]


def test_entropy_is_that_of_a_coin():
    p = np.array([0.001, 0.2, 0.5, 0.9])
    assert choosing.entropy(p) == pytest.approx([scipy.stats.entropy([q, 1 - q], base=2) for q in p])
    assert np.isfinite(choosing.entropy(np.array([0.0, 1.0]))).all()


def naive(points, uncertainty, groups, recordings, n):
    """Return the same by plain loops, the rule in the order in which its docstring says it."""
    chosen = [max(range(len(points)), key=lambda k: uncertainty[k])]
    while len(chosen) < min(n, len(points)):
        left = [k for k in range(len(points)) if k not in chosen]
        for of in (groups, recordings):
            taken = Counter(of[k] for k in chosen)
            fewest = min(taken[of[k]] for k in left)
            left = [k for k in left if taken[of[k]] == fewest]
        far = {k: min(math.dist(points[k], points[c]) for c in chosen) for k in left}
        chosen.append(max(left, key=lambda k: (far[k], uncertainty[k], -k)))
    return chosen


def test_farthest_first_is_that_of_a_plain_loop():
    rng = np.random.default_rng(4)
    for _ in range(20):
        n = int(rng.integers(1, 30))
        recordings = rng.integers(0, 6, n)
        given = rng.random((n, 2)), rng.random(n), recordings % 3, recordings
        assert choosing.farthest_first(*given, 12) == naive(*given, 12)


def test_a_cluster_of_twins_is_heard_once():
    """Nine windows that are alike, and three that are like nothing else, of one recording."""
    points = np.array([[0.0, 0.0]] * 9 + [[9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    same = np.zeros(12, int)
    found = choosing.farthest_first(points, np.linspace(1, 0.5, 12), same, same, 4)
    assert sorted(found) == [0, 9, 10, 11]


def test_a_choice_is_uncertain_spread_and_seeded():
    run = a_run()
    rows = choosing.choice(run, 40, 1, SPECIES, {})
    assert rows == choosing.choice(run, 40, 1, SPECIES, {})
    assert Counter(row["species_id"] for row in rows) == {"frog": 20, "owl": 20}
    assert len({row["clip"] for row in rows}) == 40
    for index, species_id in enumerate(SPECIES):
        of = [row for row in rows if row["species_id"] == species_id]
        # As many of each of four sites, of as many recordings as there are clips, out of the 200 nearest to 1/2.
        assert set(Counter(row["group"] for row in of).values()) == {5}
        assert len({row["recording_id"] for row in of}) == 20
        nearest = np.sort(np.abs(run.scores[:, index] - 0.5))[: choosing.POOL * 20]
        assert max(abs(row["score"] - 0.5) for row in of) <= nearest[-1] + 1e-6
    # Of windows that score alike chance says which: another seed, other clips.
    flat = replace(run, scores=np.full_like(run.scores, 0.3))
    one, other = ({row["clip"] for row in choosing.choice(flat, 40, seed, SPECIES, {})} for seed in (1, 2))
    assert one.isdisjoint(other)


def test_what_is_left_of_a_species_goes_to_the_others():
    run = a_run(n_recordings=2, n_windows=10)
    spans = {(f"id {name}", "owl"): [(0.0, 24.0)] for name in run.recording_ids}
    rows = choosing.choice(run, 20, 1, SPECIES, spans)
    assert Counter(row["species_id"] for row in rows) == {"frog": 16, "owl": 4}
    assert all(row["start_s"] >= 24 for row in rows if row["species_id"] == "owl")


def write_answers(path: Path, rows, drop=()):
    given = answer_rows(rows, lambda row: "no")
    made.write(path, REVIEWS, given)
    if drop:
        kept = [name for name in REVIEWS.names if name not in drop]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, kept, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(given)


@pytest.mark.parametrize("drop", [(), ("path",)])
def test_what_was_heard_is_not_chosen_again(tmp_path, drop):
    """By its path, or by its id where a table has none; a window next to it is another one."""
    run = a_run(n_recordings=8)
    first = choosing.choice(run, 60, 1, SPECIES, {})
    write_answers(tmp_path / "reviews/ann.csv", first[:30], drop)
    write_answers(tmp_path / "bob.csv", first[30:], drop)
    spans = choosing.heard([tmp_path / "reviews", tmp_path / "bob.csv"])
    second = choosing.choice(run, 400, 1, SPECIES, spans)

    def places(rows):
        return {(row["path"], row["species_id"], row["start_s"]) for row in rows}

    assert len(places(second)) == 8 * 25 * 2 - 60
    assert places(first).isdisjoint(places(second))
    # Another file of that name is another recording, where a table says which was meant.
    moved = replace(run, paths=[f"elsewhere/{path}" for path in run.paths])
    assert len(choosing.choice(moved, 400, 1, SPECIES, spans)) == (340 if drop else 400)


def test_from_detections_to_the_next_clips(results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(results)
    folder, again = tmp_path / "next", tmp_path / "again"
    assert cli.main(["review", "next", "found", "--output", str(folder), "--size", "12"]) == 0
    assert "12 clips of 3 species, of 26 windows in 4 recordings and 2 groups" in capsys.readouterr().out
    rows = made.read(folder / "sample.csv", SAMPLE)
    assert len(rows) == 12
    assert all(math.isnan(row["inclusion_probability"]) for row in rows)
    assert rows[0]["clip"] in (folder / "review.html").read_text()
    write_answers(tmp_path / "ann.csv", rows)
    heard = ["--reviews", str(tmp_path / "ann.csv")]
    assert cli.main(["review", "next", "found", "--output", str(again), "--size", "99", "--no-page", *heard]) == 0
    assert len(made.read(again / "sample.csv", SAMPLE)) == 3 * 26 - 12
    capsys.readouterr()
    # It is no sample: nothing is estimated from it.
    assert cli.main(["review", "summary", str(folder), str(tmp_path / "ann.csv")]) == 1
    assert capsys.readouterr().err == (
        f"error: {folder}/sample.csv: clips that `review next` chose, from which nothing can be estimated; expected a "
        "draw of `review sample`\n"
    )
    assert not (folder / "summary.csv").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clip,answer\n", "reviews.csv:1: column recording_id, start_s, end_s, species_id, reviewer: missing"),
        (
            "recording_id,start_s,end_s,species_id,answer,reviewer\na,soon,1,s0,yes,ann\n",
            "reviews.csv:2: column start_s: 'soon': expected a finite number of seconds",
        ),
        (None, "reviews.csv: no such file"),
    ],
)
def test_answers_that_cannot_be_read_are_one_line(results, tmp_path, monkeypatch, capsys, text, said):
    monkeypatch.chdir(results)
    table = tmp_path / "reviews.csv"
    if text is not None:
        table.write_text(text)
    words = ["review", "next", "found", "--output", str(tmp_path / "next"), "--reviews", str(table)]
    assert cli.main(words) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "next").exists()
