"""The sample, the answers and the summary of a review, each on small tables; and the commands on sound."""

import csv
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from dawnchorus.commands import cli, review
from dawnchorus.foundation.errors import InputError
from dawnchorus.report import review_section
from dawnchorus.review import answers, sampling, windows
from dawnchorus.review.summary import summary
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ACTIVITY, EVENTS, POPULATION, REVIEW_GROUPS, REVIEW_SUMMARY, REVIEWS, SAMPLE
from test_detections import write_model, write_sound


def test_windows_divide_a_recording_evenly():
    assert windows.edges(60.0, 3.0) == pytest.approx(np.arange(21) * 3.0)
    assert windows.edges(7.4, 3.0) == pytest.approx([0, 3.7, 7.4])
    assert windows.edges(1.0, 3.0) == pytest.approx([0, 1.0])


def test_a_window_has_the_highest_score_whose_middle_lies_in_it():
    rng = np.random.default_rng(1)
    starts_s, scores = np.arange(0, 29.5, 0.5), rng.random((59, 3)).astype(np.float32)
    edges_s = windows.edges(30.0, 3.0)
    found = windows.highest(starts_s, starts_s + 1.0, scores, edges_s)
    for k in range(10):
        inside = (starts_s + 0.5 >= 3 * k) & (starts_s + 0.5 < 3 * (k + 1))
        assert found[k] == pytest.approx(scores[inside].max(axis=0))
    assert np.isnan(windows.highest(np.array([0.0]), np.array([1.0]), scores[:1], edges_s)[1:]).all()


def test_a_window_is_detected_by_half_of_it_or_by_a_peak():
    edges_s = windows.edges(12.0, 3.0)
    event = {"start_s": 2.0, "end_s": 7.6, "peak_s": 2.5}
    assert windows.is_detected([event], edges_s).tolist() == [True, True, True, False]
    assert windows.is_detected([{**event, "end_s": 7.4}], edges_s).tolist() == [True, True, False, False]
    assert windows.is_detected([{"start_s": 11.9, "end_s": 12.0, "peak_s": 12.0}], edges_s).tolist() == [0, 0, 0, 1]
    assert not windows.is_detected([], edges_s).any()


def test_what_one_stratum_lacks_the_others_get():
    found = sampling.allocated(100, sampling.SHARES, np.array([1000, 1000, 1000, 4, 0]))
    assert found.sum() == 100
    assert found[3:].tolist() == [4, 0]
    assert found[2] == max(found)
    assert sampling.allocated(100, np.ones(3), np.array([10, 20, 30])).tolist() == [10, 20, 30]
    assert sorted(sampling.allocated(10, np.ones(3), np.array([9, 9, 9]))) == [3, 3, 4]


def a_run(seed=3, n_recordings=40, n_windows=25, n_sites=4):
    """Windows of one common and one rare species."""
    rng = np.random.default_rng(seed)
    n = n_recordings * n_windows
    scores = rng.beta(0.5, [3.0, 6.0], (n, 2)).astype(np.float32)
    names = [f"SITE{k % n_sites}_20240501_{k // n_sites:02d}0000" for k in range(n_recordings)]
    return windows.Windows(
        ["frog", "owl"],
        ["Frog", "Owl"],
        [f"sound/{name}.flac" for name in names],
        names,
        [name[:5] for name in names],
        np.repeat(np.arange(n_recordings), n_windows),
        np.tile(np.stack([np.arange(n_windows) * 3.0, np.arange(1, n_windows + 1) * 3.0], axis=1), (n_recordings, 1)),
        scores,
        scores >= 0.4,
    )


def test_the_sample_is_drawn_by_score_and_site_and_says_how_probable_each_clip_was():
    run = a_run()
    rows = sampling.sample(run, 100, 1, run.species_ids)
    assert Counter(row["species_id"] for row in rows) == {"frog": 100, "owl": 100}
    assert len({row["clip"] for row in rows}) == 200
    for index, species_id in enumerate(run.species_ids):
        mine = pd.DataFrame([row for row in rows if row["species_id"] == species_id])
        assert not mine.duplicated(["path", "start_s"]).any()
        for _, of in mine.groupby("stratum"):
            assert len(of) == of["drawn"].iloc[0]
            assert of["inclusion_probability"].to_numpy() == pytest.approx(len(of) / of["windows"].iloc[0])
            assert of["detected"].nunique() == 1
        # The strata are all windows, each once.
        sizes = mine.groupby("stratum")["windows"].first()
        assert sizes.sum() == len(run.scores)
        assert set(mine["group"]) == {"SITE0", "SITE1", "SITE2", "SITE3"}
        assert (mine["inclusion_probability"] ** -1).sum() == pytest.approx(len(run.scores))
        assert (mine["detected"] == (mine["score"] >= 0.4)).all()
        of_sites = mine[mine["stratum"].str.startswith("undetected, middle")]["group"].value_counts()
        assert of_sites.max() - of_sites.min() <= 1, "each site is heard alike often"
        low = run.scores[:, index][~run.detected[:, index]]
        of_low = mine["stratum"].str.startswith("undetected, low")
        assert mine["score"][of_low].max() <= np.quantile(low, 0.75)
        assert of_low.sum() == pytest.approx(15, abs=1) or species_id == "owl", "of which little was detected"


def test_every_window_of_a_stratum_is_as_probable_as_it_says():
    run = a_run(n_recordings=6, n_windows=20, n_sites=2)
    drawn, said = Counter(), {}
    for seed in range(1, 401):
        for row in sampling.sample(run, 30, seed, ["frog"]):
            key = row["path"], row["start_s"]
            drawn[key] += 1
            said[key] = row["inclusion_probability"]
    off = [(drawn[key] - 400 * p) / np.sqrt(400 * p * (1 - p)) for key, p in said.items() if p < 1]
    assert len(said) == 120, "every window can be drawn"
    assert np.std(off) == pytest.approx(1, abs=0.2)
    assert max(map(abs, off)) < 4.5


def test_where_a_stratum_has_no_room_for_each_site_it_is_drawn_from_as_a_whole():
    run = a_run(n_sites=40)
    rows = sampling.sample(run, 60, 1, ["frog"])
    strata = {row["stratum"] for row in rows if not row["stratum"].startswith(("detected", "undetected, high"))}
    assert strata == set(sampling.NAMES[:2]), "each has windows of 40 sites, and fewer than 80 are drawn"


def test_one_seed_is_one_sample_and_a_species_does_not_move_another():
    run = a_run()
    first = sampling.sample(run, 50, 7, run.species_ids)
    assert first == sampling.sample(run, 50, 7, run.species_ids)
    assert [row for row in first if row["species_id"] == "owl"] == sampling.sample(run, 50, 7, ["owl"])
    other = {row["clip"] for row in sampling.sample(run, 50, 8, run.species_ids)}
    assert not other & {row["clip"] for row in first}, "no clip of another sample is called so"


def test_the_population_holds_every_window():
    run = a_run()
    rows = pd.DataFrame(sampling.population(run, ["owl"]))
    assert rows["windows"].sum() == len(run.scores)
    assert rows["windows"][rows["detected"] == 1].sum() == run.detected[:, 1].sum()
    assert (rows["lowest_score"] <= rows["score"] + 1e-9).all()
    assert rows["lowest_score"].min() == run.scores[:, 1].min()


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(4)
    a = rng.choice(["yes", "no", "unsure"], 80, p=[0.5, 0.4, 0.1])
    b = np.where(rng.random(80) < 0.7, a, rng.choice(["yes", "no", "unsure"], 80))
    found = answers.kappa(list(zip(a.tolist(), b.tolist(), strict=True)))
    assert found == pytest.approx(cohen_kappa_score(a, b))
    assert math.isnan(answers.kappa([("yes", "yes")] * 3))


def test_the_majority_counts_and_an_even_vote_is_open():
    def of(*given):
        return [answers.Answer("c", f"r{k}", answer, "") for k, answer in enumerate(given)]

    assert answers.merged(of("yes", "no", "yes")) == {"c": True}
    assert answers.merged(of("no", "unsure")) == answers.merged(of("other")) == {"c": False}
    assert answers.merged(of("yes", "no")) == answers.merged(of("unsure")) == {"c": None}
    assert answers.disagreements(of("yes", "other")) == ["c"]
    assert answers.disagreements(of("no", "other", "unsure")) == []
    [pair] = answers.agreements(of("no", "other"))
    assert (pair.clips, pair.alike) == (1, 1)


def answer_rows(rows, truth, reviewer="Ann"):
    return [
        {
            **{key: row[key] for key in ("clip", "recording_id", "start_s", "end_s", "species_id", "path")},
            "answer": truth(row),
            "other_species": "",
            "reviewer": reviewer,
            "time": "2024-05-02T06:00:00Z",
        }
        for row in rows
    ]


@pytest.fixture
def sampled(tmp_path):
    """A sample of a run, and answers that are right where the score says 0.5 or more, read from a file."""
    run = a_run()
    rows = sampling.sample(run, 100, 1, run.species_ids)
    given = answer_rows(rows, lambda row: "yes" if row["score"] >= 0.5 else "no")
    made.write(tmp_path / "reviews.csv", REVIEWS, given)
    return run, rows, given, tmp_path / "reviews.csv"


def test_the_summary_is_near_the_truth(sampled):
    run, rows, _, path = sampled
    population = sampling.population(run, run.species_ids)
    given = answers.read([path], {row["clip"]: row for row in rows})
    found = summary(rows, population, given, 0.9, 0.1)
    for index, row in enumerate(found["species"]):
        truth = run.scores[:, index] >= 0.5
        detected = run.detected[:, index]
        assert row["windows"] == 1000
        assert row["windows_detected"] == detected.sum()
        assert row["answered"] == row["yes"] + row["no"] == 100
        assert row["precision_low"] <= truth[detected].mean() <= row["precision_high"]
        assert row["windows_with_calls_low"] <= truth.sum() <= row["windows_with_calls_high"]
        assert row["recall_high"] > 0.9
        assert 0.4 < row["threshold"] < 0.75, "calls begin at 0.5, and few windows are near it"
        groups = [of for of in found["groups"] if of["species_id"] == row["species_id"]]
        assert sum(of["windows"] for of in groups) == 1000
        assert sum(of["windows_with_calls"] for of in groups) == pytest.approx(row["windows_with_calls"], rel=0.02)
        curve = [point["precision"] for point in found["curves"][row["species_id"]]]
        assert curve == sorted(curve)
        assert curve[0] < 0.05
        assert curve[-1] > 0.95


def test_of_a_species_that_nobody_heard_there_may_be_none(sampled):
    run, rows, given, _ = sampled
    said = [answers.Answer(row["clip"], "Ann", "no", "") for row in given]
    found = summary(rows, sampling.population(run, run.species_ids), said, 0.9, 0.1)
    for row in found["species"]:
        assert row["recall"] is row["threshold"] is None
        assert row["precision"] == row["precision_low"] == 0
        assert row["windows_with_calls_low"] == 0
        assert 0 < row["windows_with_calls_high"] < 300


def test_few_answers_say_how_many_more_are_needed(sampled):
    run, rows, _, path = sampled
    population = sampling.population(run, run.species_ids)
    given = [a for a in answers.read([path], {row["clip"]: row for row in rows}) if a.clip in {rows[0]["clip"]}]
    frog, owl = summary(rows, population, given, 0.9, 0.1)["species"]
    assert frog["answered"] + owl["answered"] == 1
    for row in (frog, owl):
        assert row["windows_with_calls"] is row["recall"] is row["threshold"] is None
        assert row["more_answers"] >= min(90, row["windows_detected"] - 1)
    # With --half-width 0.01 even all answers are too few.
    all_given = answers.read([path], {row["clip"]: row for row in rows})
    assert summary(rows, population, all_given, 0.9, 0.01)["species"][0]["more_answers"] > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clip": "0123456789abcdef"}, "expected a clip of sample.csv; these are answers to another sample"),
        ({"answer": "maybe"}, "column answer: 'maybe': expected one of yes, no, unsure, other"),
        ({"species_id": "crow"}, "column species_id: 'crow': expected 'frog'"),
        ({"start_s": "x"}, "column start_s: 'x': expected"),
        ({"end_s": "9999"}, "column end_s: '9999': expected"),
        ({"reviewer": " "}, "column reviewer: ' ': expected the name of who answered"),
    ],
)
def test_a_wrong_answer_is_one_line(sampled, change, said):
    _, rows, given, path = sampled
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, REVIEWS.names)
        writer.writeheader()
        writer.writerows([{**given[0], **change}, given[1]])
    with pytest.raises(InputError) as error:
        answers.read([path], {row["clip"]: row for row in rows})
    assert f"{path}:2: " in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_second_answer_of_one_person_is_refused_across_files(sampled):
    _, rows, given, path = sampled
    sample = {row["clip"]: row for row in rows}
    other = path.with_name("again.csv")
    made.write(other, REVIEWS, given[:1])
    with pytest.raises(
        InputError, match=rf"again.csv:2: .*one answer of 'Ann' to each clip; another is at .*{path.name}:2"
    ):
        answers.read([path, other], sample)
    made.write(other, REVIEWS, [{**given[0], "reviewer": "Bob"}])
    assert len(answers.read([path, other], sample)) == len(given) + 1


def test_a_population_of_other_groups_is_one_line(sampled, capsys):
    run, rows, _, path = sampled
    made.write(path.with_name("sample.csv"), SAMPLE, rows)
    made.write(path.with_name("population.csv"), POPULATION, sampling.population(run, ["owl"]))
    assert cli.main(["review", "summary", str(path.parent), str(path)]) == 1
    error = capsys.readouterr().err
    assert "no windows of species 'frog' and group" in error
    assert error.count("\n") == 1
    assert not path.with_name("summary.csv").exists()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with recordings of two sites and what `dawnchorus detect` found in them."""
    folder = tmp_path_factory.mktemp("review")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for n in range(4):
            write_sound(Path(f"sound/SITE{n % 2}_2024050{n + 1}_060000.flac"), 18 + n, n)
        write_model(folder / "model")
        assert cli.main(["detect", "--model", "model", "--output", "found", "sound"]) == 0
    return folder


@pytest.fixture
def inside(results, monkeypatch):
    monkeypatch.chdir(results)
    return results


@pytest.mark.parametrize("action", ["sample", "next", "serve", "summary"])
def test_help_of_an_action_explains_every_argument(action, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["review", action, "--help"])
    assert left.value.code == 0
    assert "--verbose" in capsys.readouterr().out
    parser = cli.parser_of(["review"])._subparsers._group_actions[0].choices["review"]
    actions = parser._subparsers._group_actions[0].choices[action]._actions
    assert len(actions) > 4
    assert all(argument.help for argument in actions)


def test_from_detections_to_a_summary(inside, tmp_path, capsys):
    folder = tmp_path / "rev"
    assert cli.main(["review", "sample", "found", "--output", str(folder), "--size", "20"]) == 0
    assert "60 clips of 3 species, of 26 windows in 4 recordings and 2 groups" in capsys.readouterr().out
    rows = made.read(folder / "sample.csv", SAMPLE)
    scores = pd.read_parquet("found/scores.parquet")
    for row in rows[:10]:
        of = scores[scores["path"] == row["path"]]
        middle_s = (of["start_s"] + of["end_s"]) / 2
        within = of[(middle_s >= row["start_s"] - 1e-5) & (middle_s < row["end_s"] - 1e-5)]
        assert row["score"] == pytest.approx(within[f"score_{row['species_id']}"].max(), abs=1e-6)
    assert {row["group"] for row in rows} == {"SITE0", "SITE1"}
    assert sum(row["windows"] for row in made.read(folder / "population.csv", POPULATION)) == 3 * 26

    # Files of an even number have a low tone in their middle third, which is species s0; others a high one, s1.
    def truth(row):
        number, length_s = (
            int(row["recording_id"][13]) - 1,
            {f"{n + 1}": 18 + n for n in range(4)}[row["recording_id"][13]],
        )
        calls = row["start_s"] < length_s * 2 / 3 and row["end_s"] > length_s / 3
        return "yes" if calls and row["species_id"] == ("s1" if number % 2 else "s0") else "no"

    given = answer_rows(rows, truth)
    made.write(tmp_path / "ann.csv", REVIEWS, given)
    flipped = [
        {**row, "answer": "unsure" if k < 3 else row["answer"], "reviewer": "Bob"} for k, row in enumerate(given)
    ]
    made.write(tmp_path / "bob.csv", REVIEWS, flipped)
    assert cli.main(["review", "summary", str(folder), str(tmp_path / "ann.csv"), str(tmp_path / "bob.csv")]) == 0
    said = capsys.readouterr().out
    assert "species 0: 20 answers; precision" in said
    assert "Ann and Bob: 57 of 60 clips alike, kappa 0." in said
    species = made.read(folder / "summary.csv", REVIEW_SUMMARY)
    assert [row["species_id"] for row in species] == ["s0", "s1", "s2"]
    assert species[2]["yes"] == 0
    assert len(made.read(folder / "groups.csv", REVIEW_GROUPS)) == 6
    # The report reads in it what the tables say.
    said = review_section.read(folder / "summary.json")
    assert said["reviewers"] == ["Ann", "Bob"]
    assert said["wanted_precision"] == 0.9
    for row, of_table in zip(said["species"], species, strict=True):
        known = {key: math.nan if value is None else value for key, value in row.items()}
        assert known == pytest.approx(of_table, abs=1e-6, nan_ok=True)
    assert [row["group"] for row in said["groups"]] == ["SITE0", "SITE1"] * 3


def test_a_sample_that_is_there_is_not_written_over(inside, tmp_path, capsys):
    folder = tmp_path / "rev"
    assert cli.main(["review", "sample", "found", "--output", str(folder), "--size", "4", "--species", "s1"]) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"sample.csv", "population.csv", "review.html"}
    assert cli.main(["review", "sample", "found", "--output", str(folder), "--size", "5"]) == 1
    assert "expected a new folder" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_sample_without_a_page_and_a_summary_of_what_the_server_kept(inside, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "a rev"
    words = ["review", "sample", "found", "--output", str(folder), "--size", "6"]
    # A limit of the page alone.
    monkeypatch.setattr(review, "MOST_CLIPS", 17)
    assert cli.main(words) == 1
    assert "18 clips: expected at most 17 on a page; choose --no-page and" in capsys.readouterr().err
    assert cli.main([*words, "--no-page"]) == 0
    assert capsys.readouterr().out.endswith(f"listen: dawnchorus review serve '{folder}'\n")
    assert sorted(path.name for path in folder.iterdir()) == ["population.csv", "sample.csv"]
    assert cli.main(["review", "summary", str(folder)]) == 1
    assert capsys.readouterr().err == (
        f"error: {folder}/reviews: no answers; expected those that `dawnchorus review serve` keeps there\n"
    )
    rows = made.read(folder / "sample.csv", SAMPLE)
    for name in ("Ann", "Bob"):
        made.write(folder / f"reviews/{name}.csv", REVIEWS, answer_rows(rows, lambda row: "no", name))
    (folder / "reviews/.Ann.01234567.csv").write_text("what is being written now")
    assert cli.main(["review", "summary", str(folder)]) == 0
    assert "Ann and Bob: 18 of 18 clips alike" in capsys.readouterr().out
    assert cli.main(["review", "summary", str(folder), str(folder / "reviews/Bob.csv")]) == 0
    assert json.loads((folder / "summary.json").read_text())["reviewers"] == ["Bob"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere/scores.parquet: no such file; expected a folder of results"),
        (["found", "--species", "crow"], "--species crow: expected some of s0, s1, s2"),
        (["found", "--group", "plot"], "--group plot: expected site, date or none"),
        (["found", "--window-s", "0.1"], "--window-s 0.1: sound/SITE0_20240501_060000.flac has a score every"),
        (["found", "--recordings", "sites.csv", "--group", "plot"], "sites.csv: column recording_id: no row of"),
        (["found", "--recordings", "two.csv", "--group", "plot"], "two.csv:3: column plot: 'b': expected 'a', as an"),
    ],
)
def test_what_cannot_be_sampled_is_one_line_and_nothing_is_written(inside, tmp_path, capsys, arguments, said):
    Path("sites.csv").write_text("recording_id,plot\nSITE0_20240501_060000,a\n")
    Path("two.csv").write_text("recording_id,plot\nSITE0_20240501_060000,a\nSITE0_20240501_060000,b\n")
    assert cli.main(["review", "sample", *arguments, "--output", str(tmp_path / "rev")]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "rev").exists()


@pytest.mark.parametrize("given", ["0.05", "61", "nan", "1_0", " 3", "٣", "1,5"])
def test_a_length_of_windows_is_a_number_as_params_yaml_has_them(given, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["review", "sample", "found", "--output", "rev", "--window-s", given])
    assert ended.value.code == 2
    assert f"{given!r}: expected number from 0.1 to 60" in capsys.readouterr().err


def test_sound_that_is_gone_is_one_line(inside, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["review", "sample", str(inside / "found"), "--output", "rev", "--size", "4"]) == 1
    error = capsys.readouterr().err
    assert "expected the recording that was searched, in the folder where `dawnchorus detect` ran" in error
    assert error.count("\n") == 1
    assert not Path("rev").exists()


def test_windows_end_with_the_sound_where_those_of_the_network_do_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_sound(Path("a.wav"), 4.0, 0)
    scores = {"path": "a.wav", "recording_id": "a", "start_s": [0.0, 2.0, 4.0], "end_s": [5.0, 7.0, 9.0]}
    pd.DataFrame({**scores, "score_x": np.float32([0.1, 0.7, 0.3])}).to_parquet("scores.parquet")
    made.write("events.csv", EVENTS, [])
    made.write("activity.csv", ACTIVITY, [])
    found = windows.read(Path("."), 3.0, "none", None)
    assert found.spans_s.tolist() == [[0.0, 4.0]]
    assert found.scores.tolist() == [[np.float32(0.7)]]
    assert found.species_names == ["x"]


@pytest.mark.parametrize("rows_a_group", [1, 2, 3, 100])
def test_recordings_lie_in_row_groups_as_they_come(tmp_path, monkeypatch, rows_a_group):
    monkeypatch.chdir(tmp_path)
    lengths = {"a": 5, "b": 1, "c": 2, "d": 3}
    for name, length in lengths.items():
        write_sound(Path(f"{name}.wav"), float(length), 0)
    rows = [(name, second) for name, length in lengths.items() for second in range(length)]
    table = pd.DataFrame({
        "path": [f"{name}.wav" for name, _ in rows], "recording_id": [name for name, _ in rows],
        "start_s": [float(second) for _, second in rows], "end_s": [second + 1.0 for _, second in rows],
        "score_x": np.float32([0.01 * number for number in range(len(rows))]),
    })  # fmt: skip
    table.to_parquet("scores.parquet", row_group_size=rows_a_group)
    made.write("events.csv", EVENTS, [])
    made.write("activity.csv", ACTIVITY, [])
    found = windows.read(Path("."), 1.0, "none", None)
    assert found.paths == list(table["path"].unique())
    assert [found.recording_ids[number] for number in found.of_recording] == list(table["recording_id"])
    assert found.scores[:, 0].tolist() == table["score_x"].tolist()


@pytest.mark.parametrize(("group", "expected"), [("date", 4), ("none", 1), ("plot", 3)])
def test_groups_are_what_somebody_says(inside, group, expected):
    rows = "".join(f"SITE{n % 2}_2024050{n + 1}_060000,{'abca'[n]}\n" for n in range(4))
    Path("plots.csv").write_text(f"recording_id,plot\n{rows}")
    found = windows.read(Path("found"), 3.0, group, Path("plots.csv") if group == "plot" else None)
    assert len(set(found.groups)) == expected


def test_the_page_is_blind_unless_somebody_wants_the_score(inside, tmp_path):
    for name, arguments in (("blind", []), ("seen", ["--show-score"])):
        command = ["review", "sample", "found", "--output", str(tmp_path / name), "--size", "4", *arguments]
        assert cli.main(command) == 0
        text = (tmp_path / name / "review.html").read_text()
        data = json.loads(text.split('id="page-data">')[1].split("</script>")[0])
        assert ("score" in data["clips"][0]) == (name == "seen")
        assert not {"stratum", "detected", "inclusion_probability"} & set(data["clips"][0])
