"""Site, date and hour of names as columns: through the audit to a split, and in what `dawnchorus init` proposes."""

import csv
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile

from arguments import audit_outputs
from dawnchorus.annotations import recorded
from dawnchorus.foundation.errors import InputError
from dawnchorus.stages import folds, recordings, split
from dawnchorus.tables import made
from dawnchorus.tables.definitions import RECORDINGS
from test_bad_input import DATA
from test_init import home, init, mine, rfcx, write_csv, write_sounds  # noqa: F401

SITES = ("BOG", "FEN", "RIDGE", "SHORE", "WOOD", "HEATH")
IDS = [f"{site}_2024050{day}_{hour:02d}3000" for site, day, hour in product(SITES, (1, 2), (5, 21))]
SPLIT = {
    "method": "grouped", "group": "site", "test_fraction": 0.25, "validation_fraction": 0.25, "test_groups": None,
    "validation_groups": None,
}  # fmt: skip


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def audited(ids=IDS, header="recording_id,species_id,t_min,t_max", more="", **data):
    """Write sound and a table of two species, and run the audit."""
    for number, name in enumerate(ids):
        path = Path("audio", f"{name}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(4000), 8000)
    rows = [f"{name},{species},0.1,0.3{more}" for name in ids for species in "ab"]
    Path("table.csv").write_text("\n".join([header, *rows]) + "\n")
    arguments = ["--params", json.dumps({"data": {**DATA, **data}}), "--threads", "1"]
    recordings.main([*arguments, "--hash-cache", "hashes.json", *audit_outputs("made")])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_become_columns_of_recordings_and_annotations(folder, capsys):
    audited([*IDS, "plain"])
    said = "columns from names of files: site of 24, date of 24, hour of 24, recorded_at of 24 of 25"
    assert said in capsys.readouterr().out
    listed = {row["recording_id"]: row for row in rows_of("made/recordings.csv")}
    wanted = {"site": "FEN", "date": "2024-05-02", "hour": "21", "recorded_at": "2024-05-02T21:30:00"}
    found = listed["FEN_20240502_213000"]
    assert {name: found[name] for name in wanted} == wanted
    assert {listed["plain"][name] for name in recorded.COLUMNS} == {""}
    for row in rows_of("made/annotations.csv"):
        assert [row[name] for name in recorded.COLUMNS] == [
            listed[row["recording_id"]][name] for name in recorded.COLUMNS
        ]


def test_a_split_and_folds_go_by_the_site_of_names(folder):
    audited()
    words = ["--annotations", "made/annotations.csv", "--params"]
    split.main([*words, json.dumps({"split": SPLIT, "seed": 3}), "--output", "split.csv"])
    rows = rows_of("split.csv")
    assert all(row["group"] == row["recording_id"].split("_")[0] for row in rows)
    partitions = {
        row["group"]: {other["partition"] for other in rows if other["group"] == row["group"]} for row in rows
    }
    assert set(partitions) == set(SITES)
    assert all(len(parts) == 1 for parts in partitions.values())
    assert {part for parts in partitions.values() for part in parts} == {"train", "validation", "test"}
    block = {"column": "date", "validation_fraction": 0.2, "folds": 2}
    params = {"split": {**SPLIT, "group": "recording_id"}, "cross_validation": block, "seed": 3}
    params["train"] = {"early_stopping_patience": None}
    folds.main([*words, json.dumps(params), "--output", "fold-0/split.csv", "fold-1/split.csv"])
    for number, date in enumerate(("20240501", "20240502")):
        tested = {r["recording_id"] for r in rows_of(f"fold-{number}/split.csv") if r["partition"] == "test"}
        assert tested == {name for name in IDS if date in name}


def test_a_column_of_the_users_wins_wherever_it_stands(folder, capsys):
    audited(header="recording_id,species_id,t_min,t_max,site,hour", more=",mine,")
    rows = rows_of("made/annotations.csv")
    assert {(row["site"], row["hour"]) for row in rows} == {("mine", "")}
    assert {row["date"] for row in rows} == {"2024-05-01", "2024-05-02"}
    assert not {"site", "hour"} & set(rows_of("made/recordings.csv")[0])
    assert "from names of files: date of 24, recorded_at of 24 of 24" in capsys.readouterr().out
    write_csv(Path("places.csv"), "recording_id,site,date", [(name, "theirs", n) for n, name in enumerate(IDS)])
    audited(recordings_table="places.csv")
    rows = rows_of("made/recordings.csv")
    assert {row["recording_id"]: row["date"] for row in rows} == {name: str(n) for n, name in enumerate(IDS)}
    assert {row["site"] for row in rows} == {"theirs"}
    assert {row["hour"] for row in rows} == {"5", "21"}
    assert "from names of files: hour of 24, recorded_at of 24 of 24" in capsys.readouterr().out


def test_names_that_say_nothing_make_no_column(folder, capsys):
    audited(["species a/rec0", "rec1", "20241350_063000", "60123456"])
    assert list(rows_of("made/recordings.csv")[0]) == list(RECORDINGS.names)
    assert "from names" not in capsys.readouterr().out
    with pytest.raises(InputError, match=r"split\.group: 'site': expected a column of the annotations"):
        params = json.dumps({"split": SPLIT, "seed": 3})
        split.main(["--annotations", "made/annotations.csv", "--params", params, "--output", "split.csv"])


def test_recordings_without_annotations_have_the_columns_too(folder):
    Path("audio").mkdir()
    soundfile.write("audio/FEN_20240503_043000.wav", 0.1 * np.random.default_rng(0).standard_normal(4000), 8000)
    write_csv(Path("listened.csv"), "recording_id", [(name,) for name in [*IDS, "FEN_20240503_043000"]])
    audited(recordings_table="listened.csv")
    silent = [row for row in made.read("made/recordings.csv", RECORDINGS) if row["date"] == "2024-05-03"]
    assert [(row["site"], row["hour"]) for row in silent] == [("FEN", "4")]


def test_what_an_earlier_audit_knew_is_kept(folder, monkeypatch):
    """A table of before there were these columns, and one of now."""
    audited()
    rows = made.read("made/recordings.csv", RECORDINGS)
    made.write("made/recordings.csv", RECORDINGS, [{key: row[key] for key in RECORDINGS.names} for row in rows])
    for _ in range(2):
        monkeypatch.setattr("dawnchorus.sound.audio.inspect", lambda path: pytest.fail(f"{path} is decoded again"))
        audited()
        assert made.read("made/recordings.csv", RECORDINGS) == rows


@pytest.mark.parametrize(
    ("ids", "group", "reason"),
    [
        (IDS, "site", "recordings of one site (6 of them, as the names of files say) stay together"),
        # As many sites as a column of a table would need: three that hold the species.
        (IDS[:12], "site", "recordings of one site (3 of them, as the names of files say)"),
        (IDS[:8], "recording_id", "a recording stays whole"),
        ([name.replace("_", "/", 1) for name in IDS], "site", "recordings of one site (6 of them"),
        # No site, but days
        (
            [f"2024050{day}_0{hour}3000" for day in (1, 2, 3, 4) for hour in range(3)],
            "date",
            "recordings of one date (4",
        ),
        # One recording has no name of the kind.
        ([*IDS, "plain"], "recording_id", "a recording stays whole"),
    ],
)
def test_init_proposes_what_names_say(ids, group, reason, tmp_path, home, capsys):  # noqa: F811
    write_sounds(tmp_path / "mine/audio", ids)
    rfcx(tmp_path / "mine", ids)
    params, out = init(tmp_path / "mine", capsys=capsys)
    assert params["split"]["group"] == group
    assert reason in " ".join(out.split())


def test_init_proposes_the_users_own_column_first(tmp_path, home, capsys):  # noqa: F811
    write_sounds(tmp_path / "mine/audio", IDS)
    rfcx(tmp_path / "mine", IDS)
    places = [(name, "NSWE"[number % 4]) for number, name in enumerate(IDS)]
    write_csv(tmp_path / "mine/recordings.csv", "recording_id,site", places)
    params, out = init(tmp_path / "mine", capsys=capsys)
    assert params["split"]["group"] == "site"
    assert "recordings of one site (4 of them) stay together" in " ".join(out.split())
