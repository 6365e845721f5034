"""Site, date and time in the names of recordings: each format by hand, and any name at all."""

import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dawnchorus.annotations.recorded import COLUMNS, Recorded, recorded


def cells_of(name):
    return tuple(recorded(name).cells().values())


@pytest.mark.parametrize(
    ("name", "site", "start"),
    [
        # AudioMoth
        ("20240501_063000", "", "2024-05-01T06:30:00"),
        ("20240501_063000T", "", "2024-05-01T06:30:00"),
        ("ridge/20240501_063000", "ridge", "2024-05-01T06:30:00"),
        ("ridge/20240501/20240501_235959", "ridge", "2024-05-01T23:59:59"),
        ("24F3190361DA3578_20240501_063000", "24F3190361DA3578", "2024-05-01T06:30:00"),
        ("ridge/24F3190361DA3578_20240501_063000", "ridge", "2024-05-01T06:30:00"),
        # 0x5E9B0C8A = 1587219594 s after 1970, by `date -u -d @1587219594`
        ("5E9B0C8A", "", "2020-04-18T14:19:54"),
        ("ridge/5E9B0C8A", "ridge", "2020-04-18T14:19:54"),
        # Song Meter
        ("WALDEN_20240501_063000", "WALDEN", "2024-05-01T06:30:00"),
        ("WALDEN-1_20240501_000000", "WALDEN-1", "2024-05-01T00:00:00"),
        ("card 3/Data/WALDEN_20240501_063000", "WALDEN", "2024-05-01T06:30:00"),
        ("PLOT_1_20240501_063000", "PLOT_1", "2024-05-01T06:30:00"),
        ("PLOT_A_20240501_063000", "PLOT_A", "2024-05-01T06:30:00"),
        ("WALDEN_0+1_20240501_063000", "WALDEN", "2024-05-01T06:30:00"),
        ("WALDEN_0+1_20240501$063000", "WALDEN", "2024-05-01T06:30:00"),
        ("WALDEN_A_20240501$063000", "WALDEN", "2024-05-01T06:30:00"),
        ("WALDEN_1_20240501$063000", "WALDEN", "2024-05-01T06:30:00"),
        ("PLOTA_20240501$063000", "PLOTA", "2024-05-01T06:30:00"),
        ("0+1_20240501_063000", "", "2024-05-01T06:30:00"),
        ("WALDEN_20240501_063000_000", "WALDEN", "2024-05-01T06:30:00"),
        ("WALDEN_20240501_063000_123456", "WALDEN", "2024-05-01T06:30:00"),
        # With a time zone, which moves nothing
        ("20240501T063000+1000_REC", "", "2024-05-01T06:30:00"),
        ("20240501T063000-0430_REC", "", "2024-05-01T06:30:00"),
        ("20240501T063000Z", "", "2024-05-01T06:30:00"),
        # ISO 8601
        ("WALDEN-2024-05-01T06-30-00", "WALDEN", "2024-05-01T06:30:00"),
        ("WALDEN-2024-05-01T06-30-00.000Z", "WALDEN", "2024-05-01T06:30:00"),
        ("2024-05-01T06:30:00+02:00", "", "2024-05-01T06:30:00"),
        ("2024-05-01 06.30.00", "", "2024-05-01T06:30:00"),
        ("2024-05-01-06-30-00", "", "2024-05-01T06:30:00"),
        ("20240501-063000", "", "2024-05-01T06:30:00"),
        ("wet land é_2024-05-01_063000", "wet land é", "2024-05-01T06:30:00"),
        # A folder a day
        ("ridge/2024-05-01/063000", "ridge", "2024-05-01T06:30:00"),
        ("ridge/20240501/06-30-00", "ridge", "2024-05-01T06:30:00"),
        ("north/ridge/2024-05-01/063000", "north/ridge", "2024-05-01T06:30:00"),
        # The first that is a date, and what the calendar has in a leap year
        ("a_20241350_063000_20240501_070000", "a_20241350_063000", "2024-05-01T07:00:00"),
        ("a_20240501_063000_20240501_070000", "a", "2024-05-01T06:30:00"),
        ("20240229_063000", "", "2024-02-29T06:30:00"),
    ],
)
def test_names_of_recorders(name, site, start):
    assert cells_of(name) == (site, start[:10], str(int(start[11:13])), start)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "rec0",
        "species a/rec0",
        "00204008d",  # RFCX
        "XC821988-Lasiurus_blossevillii-2016.02.17-CL01712",
        "20241350_063000",
        "20230229_063000",
        "20240501_240000",
        "20240501_066000",
        "18991231_063000",
        "20240501063000",
        "120240501_063000",
        "a20240501_063000",
        "20240501_0630001",
        "20240501_063000x",
        "20240501",
        "2024-05-0106-30-00",
        "٢٠٢٤٠٥٠١_٠٦٣٠٠٠",
        "60123456",  # a number, though 2021 in hexadecimal
        "5e9b0c8a",
        "4E9B0C8A",  # 2011
        "7E9B0C8A",  # 2037
        "5E9B0C8A1",
        "x/5E9B0C8",
        "20241350/063000",
        "x/063000",
    ],
)
def test_other_names_say_nothing(name):
    assert recorded(name) == Recorded()
    assert cells_of(name) == ("", "", "", "")


def test_a_folder_that_is_a_date_says_so_without_a_time():
    assert cells_of("site-3/2024-05-01/0630") == ("site-3", "2024-05-01", "", "")
    assert cells_of("site-3/2024-05-01/a/246000") == ("site-3/a", "2024-05-01", "", "")


def test_moments_within_a_recording():
    assert recorded("a_20241231_235959").at(1.0625) == "2025-01-01T00:00:00.062"
    assert Recorded("a").at(3.0) == ""


@given(st.text() | st.from_regex(r"[A-F0-9_T$./+-]{0,40}", fullmatch=True))
@example("9" * 5000)
@example("/" * 50)
def test_any_name_is_read_as_something(name):
    found = recorded(name)
    assert list(found.cells()) == list(COLUMNS)
    assert all(isinstance(cell, str) for cell in found.cells().values())
    if found.start:
        assert found.date == found.start.date()
    if not found.date:
        assert found == Recorded()


SITES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}[A-Za-z]", fullmatch=True)
MOMENTS = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2099, 12, 31, 23, 59, 59)).map(
    lambda moment: moment.replace(microsecond=0)
)
FORMATS = (
    "{site}_%Y%m%d_%H%M%S",
    "{site}_%Y%m%d_%H%M%ST",
    "{site}_0+1_%Y%m%d_%H%M%S",
    "{site}_B_%Y%m%d$%H%M%S",
    "{site}-%Y-%m-%dT%H-%M-%S",
    "{site}/%Y%m%d_%H%M%S",
    "{site}/%Y%m%d/%Y%m%d_%H%M%S",
    "{site}/24F3190361DA3578_%Y%m%d_%H%M%S",
    "{site}/%Y%m%dT%H%M%S-0330_REC",
    "{site}/%Y-%m-%d/%H-%M-%S",
    "card/{site}_%Y%m%d_%H%M%S_000",
)


@given(SITES, MOMENTS, st.sampled_from(FORMATS))
def test_a_name_that_was_written_is_read_back(site, moment, layout):
    assert recorded(moment.strftime(layout).format(site=site)) == Recorded(site, moment.date(), moment)


@given(st.datetimes(datetime.datetime(2017, 12, 1), datetime.datetime(2020, 12, 31)))
def test_seconds_of_an_old_audiomoth_are_read_back(moment):
    moment = moment.replace(microsecond=0)
    seconds = int(moment.replace(tzinfo=datetime.UTC).timestamp())
    assert recorded(f"ridge/{seconds:08X}") == Recorded("ridge", moment.date(), moment)
