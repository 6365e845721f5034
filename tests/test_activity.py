"""Activity by hour and site: held against pandas, as tables of the page, and in the files of detect."""

import datetime
import math
import re

import numpy as np
import pandas as pd
import pytest

from dawnchorus.annotations.recorded import Recorded, recorded
from dawnchorus.commands import cli
from dawnchorus.detection.activity import Activity, sound_by_hour
from dawnchorus.report import activity_tables
from dawnchorus.tables import made
from dawnchorus.tables.definitions import ACTIVITY, EVENTS
from test_detections import ODD_NAME, command, folder, gather_all, model_dir, score_shard, write_sound  # noqa: F401

NAMES = {"a": "Wren", "b": "Owl", "c": "Silent one"}


def started(site, text):
    start = datetime.datetime.fromisoformat(text)
    return Recorded(site, start.date(), start)


def random_recordings(rng, n=60):
    """Return names as said, whole seconds of sound, and events of two species; some recordings say no time."""
    found = []
    for _ in range(n):
        duration_s = int(rng.integers(1, 30_000))
        start = datetime.datetime(2024, 5, 1) + datetime.timedelta(seconds=int(rng.integers(86_400 * 3)))
        site = str(rng.choice(["north", "south", ""]))
        said = Recorded(site, start.date(), start) if rng.random() < 0.8 else Recorded()
        times = rng.uniform(0, duration_s, int(rng.integers(6)))
        found.append((said, duration_s, [{"species_id": str(rng.choice(["a", "b"])), "start_s": t} for t in times]))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_those_of_a_plain_groupby(seed):
    activity, events, seconds = Activity(), [], []
    for number, (said, duration_s, found) in enumerate(random_recordings(np.random.default_rng(seed))):
        activity.add(said, duration_s, found)
        start = pd.Timestamp(said.start) if said.start else pd.NaT
        of_second = pd.Series(
            pd.date_range(start, periods=duration_s, freq="s") if said.start else [start] * duration_s
        )
        seconds.append(
            pd.DataFrame({"site": said.site, "hour": pd.to_datetime(of_second).dt.hour.fillna(-1), "recording": number})
        )
        for event in found:
            moment = start + pd.Timedelta(seconds=event["start_s"])
            events.append(
                {"site": said.site, "hour": moment.hour if said.start else -1, "species_id": event["species_id"]}
            )
    keys = ["site", "hour"]
    effort = pd.concat(seconds).groupby(keys)["recording"].agg(["size", "nunique"])
    counts = pd.DataFrame(events).groupby(["species_id", *keys]).size()
    rows = pd.DataFrame(activity.rows(list(NAMES), list(NAMES.values())))
    rows["hour"] = rows["hour"].astype(float).fillna(-1)
    assert len(rows) == len(NAMES) * len(effort)
    assert rows["events"].sum() == len(events)
    for row in rows.itertuples():
        n_seconds, n_recordings = effort.loc[(row.site, row.hour)]
        assert row.sound_h == pytest.approx(n_seconds / 3600, abs=1e-6)
        assert row.recordings == n_recordings
        n_events = counts.get((row.species_id, row.site, row.hour), 0)
        assert (row.species_name, row.events) == (NAMES[row.species_id], n_events)
        assert row.events_per_hour == pytest.approx(n_events * 3600 / n_seconds, abs=1e-6)


def test_sound_counts_in_every_hour_that_it_lies_in():
    assert sound_by_hour(started("", "2024-05-01T06:30:00"), 60.0) == {6: 60.0}
    assert sound_by_hour(started("", "2024-05-01T06:30:00"), 1800.0) == {6: 1800.0}
    assert sound_by_hour(started("", "2024-05-01T23:59:30"), 45.5) == {23: 30.0, 0: 15.5}
    assert sound_by_hour(started("", "2024-05-01T22:00:00"), 26 * 3600.0) == {
        **dict.fromkeys(range(24), 3600.0), 22: 7200.0, 23: 7200.0
    }  # fmt: skip
    assert sound_by_hour(Recorded("a"), 60.0) == {None: 60.0}
    assert sound_by_hour(started("", "2024-05-01T06:00:00"), 0.0) == {}


def test_an_event_counts_in_the_hour_in_which_it_begins():
    activity = Activity()
    said = started("x", "2024-05-01T23:59:30")
    activity.add(said, 60.0, [{"species_id": "a", "start_s": time_s} for time_s in (29.9, 30.0, 59.0)])
    assert [(row["hour"], row["events"], row["events_per_hour"]) for row in activity.rows(["a"], ["A"])] == [
        (0, 2, 240.0),
        (23, 1, 120.0),
    ]


def test_sites_stand_in_the_order_of_their_numbers():
    activity = Activity()
    for site in ("P10", "P2", "Q", "", "P2b", "10", "9"):
        activity.add(started(site, "2024-05-01T06:00:00"), 60.0, [])
    assert activity.sites == ["", "9", "10", "P2", "P2b", "P10", "Q"]


def days_activity():
    activity = Activity()
    for site, hour, events in (("n", 5, "aaab"), ("n", 6, "a"), ("s", 5, ""), ("s", 21, "bb")):
        found = [{"species_id": species_id, "start_s": 1.0} for species_id in events]
        activity.add(started(site, f"2024-05-01T{hour:02d}:00:00"), 1800.0, found)
    return activity


def test_the_table_of_hours_shades_each_species_by_its_own_highest_rate():
    table = activity_tables.by_hour(days_activity(), {"a": "Wren", "b": "Owl"})
    assert (table.rows, table.columns) == (["Wren", "Owl"], [str(hour) for hour in range(24)])
    wren, owl = table.cells
    # An hour of sound at 5, half an hour at 6 and at 21.
    assert [(wren[hour].text, wren[hour].shade) for hour in (4, 5, 6, 21)] == [
        ("", None), ("3.0", 10), ("2.0", 7), ("0", 0)
    ]  # fmt: skip
    assert [(owl[hour].text, owl[hour].shade) for hour in (5, 6, 21)] == [("1.0", 3), ("0", 0), ("4.0", 10)]
    assert wren[5].title == "Wren, 5 h: 3 events in 1 h of sound"
    assert [table.sound_of_columns[hour].text for hour in (4, 5, 6)] == ["", "1.0", "0.50"]
    assert table.sound_of_rows is None


def test_the_table_of_sites_has_the_fewer_as_columns():
    table = activity_tables.by_site(days_activity(), {"a": "Wren", "b": "Owl"})
    assert (table.rows, table.columns, table.sound_of_rows) == (["Wren", "Owl"], ["n", "s"], None)
    texts = [[cell.text for cell in line] for line in table.cells]
    assert texts == [["4.0", "0"], ["1.0", "2.0"]]
    turned = activity_tables.by_site(days_activity(), {"b": "Owl"})
    assert (turned.rows, turned.columns, turned.sound_of_columns) == (["n", "s"], ["Owl"], None)
    assert [[(cell.text, cell.shade) for cell in line] for line in turned.cells] == [[("1.0", 5)], [("2.0", 10)]]
    assert [cell.text for cell in turned.sound_of_rows] == ["1.0", "1.0"]


def test_where_names_say_nothing_there_is_no_table():
    activity = Activity()
    activity.add(Recorded(), 60.0, [{"species_id": "a", "start_s": 1.0}])
    assert activity_tables.by_hour(activity, NAMES) is None
    assert activity_tables.by_site(activity, NAMES) is None
    activity.add(Recorded("x", datetime.date(2024, 5, 1)), 60.0, [])
    assert activity_tables.by_hour(activity, NAMES) is None
    assert activity_tables.by_site(activity, NAMES).columns == ["(none)", "x"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.004, "<.01"), (0.01, "0.01"), (0.994, "0.99"), (0.996, "1.0"), (9.96, "10"), (840.4, "840")],
)
def test_numbers_in_cells_are_short(value, text):
    assert activity_tables.brief(value) == text


def test_detect_says_where_and_when(folder, model_dir, capsys):  # noqa: F811
    write_sound(folder / "in/ridge/20240501_235957.wav", 9.0, 0)
    write_sound(folder / "in/ridge/2024-05-02/20240502_053000.flac", 6.0, 2)
    write_sound(folder / "in/=1+1_20240501_053000.wav", 6.0, 1)
    write_sound(folder / "in/plain.wav", 6.0, 3)
    assert cli.main(command(model_dir, "in")) == 0
    events = made.read("out/events.csv", EVENTS)
    sites = {"ridge": "ridge", "=1+1_20240501_053000.wav": "=1+1", "plain.wav": ""}
    assert {row["path"].split("/")[1]: row["site"] for row in events} == sites
    for row in events:
        said = recorded(row["path"].removeprefix("in/").rpartition(".")[0])
        if said.start is None:
            assert row["recorded_at"] == ""
        else:
            moment = datetime.datetime.fromisoformat(row["recorded_at"])
            assert (moment - said.start).total_seconds() == pytest.approx(row["start_s"], abs=1e-3)
    rows = made.read("out/activity.csv", ACTIVITY)
    assert "\ns0,species 0,'=1+1,5," in (folder / "out/activity.csv").read_text()
    effort = {(row["site"], row["hour"]): (row["recordings"], row["sound_h"]) for row in rows}
    assert effort == {
        ("", None): (1, pytest.approx(6 / 3600, abs=1e-6)),
        ("=1+1", 5): (1, pytest.approx(6 / 3600, abs=1e-6)),
        ("ridge", 0): (1, pytest.approx(6 / 3600, abs=1e-6)),
        ("ridge", 5): (1, pytest.approx(6 / 3600, abs=1e-6)),
        ("ridge", 23): (1, pytest.approx(3 / 3600, abs=1e-6)),
    }
    counted = dict.fromkeys(("s0", "s1", "s2"), 0)
    for row in rows:
        counted[row["species_id"]] += row["events"]
        assert row["events_per_hour"] == pytest.approx(row["events"] / row["sound_h"], rel=1e-3)
    assert counted == {key: sum(row["species_id"] == key for row in events) for key in counted}
    page = (folder / "out/detections.html").read_text()
    assert page.count('<table class="shades') == 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "0.00167 h of sound whose names say no time are left out" in page
    assert len(re.findall(r'<td class="none[^>]*title="no sound"', page)) == 21


def test_the_workflow_takes_sites_of_folders_below_the_one_that_is_searched(folder, model_dir):  # noqa: F811
    """As the audit does: all lie in sound/, which is no site."""
    for number, name in enumerate(("a/20240501_053000", "b/20240501_063000", "20240501_073000")):
        write_sound(folder / f"sound/{name}.wav", 6.0, number)
    score_shard(model_dir)
    gather_all(model_dir)
    rows = made.read("reports/detections/activity.csv", ACTIVITY)
    assert {(row["site"], row["hour"]) for row in rows} == {("", None), ("", 7), ("a", 5), ("b", 6)}


def test_one_line_where_no_name_says_when_or_where(folder, model_dir):  # noqa: F811
    score_shard(model_dir)
    gather_all(model_dir)
    page = (folder / "reports/detections.html").read_text()
    assert "No name of a file says when or where it was recorded" in page
    assert '<table class="shades' not in page
    rows = made.read("reports/detections/activity.csv", ACTIVITY)
    assert {(row["site"], row["hour"], row["recordings"]) for row in rows} == {("", None, 4)}
    assert not any(math.isnan(row["events_per_hour"]) for row in rows)
