"""Where and when a recording was made, as recorders write it into the names of their files.

What counts is the clock of the recorder. A time zone in a name is not applied: neither ``Z`` nor ``+1000`` moves an
hour, since a name says the hour of the place where it was set. An AudioMoth that was not told its time zone counts UTC,
and so did its first firmware: then hours and dates are those of UTC.

==================================  ===================================================================================
``20240501_063000``                 AudioMoth; with ``T`` behind it where a sound triggered it (its firmware, main.c)
``24F3190361DA3578_20240501_...``   AudioMoth with its device id, 16 hexadecimal digits (the same)
``5E9B0C8A``                        AudioMoth's first firmware: seconds of UTC since 1970, hexadecimal
``WALDEN_20240501_063000``          Song Meter (Wildlife Acoustics, user guides of SM4, Mini 2 and SM5: file names)
``WALDEN_0+1_20240501_063000``      SM3, with its channels (user guide of the SM3BAT, 8.1)
``WALDEN_A_20240501$063000``        Song Meter with the time of a satellite, and one channel (the same)
``20240501T063000+1000_REC``        BAR (Frontier Labs), with a time zone
``WALDEN-2024-05-01T06-30-00``      ISO 8601 in characters that a file may have; seconds may have decimals, and a zone
``WALDEN/2024-05-01/06-30-00``      a folder a day; the date counts where the name is no time, too
==================================  ===================================================================================

The site is what stands before the date. Where nothing does, or an AudioMoth's device id, it is the folders of the
recording, but for those that are dates. A name that says no date has no site either: what else folders mean, such as
species, nobody knows. What the calendar lacks, such as 20241350, is no date.
"""

from __future__ import annotations

import datetime
import re
from typing import NamedTuple

# What :meth:`Recorded.cells` has, and those of them whose values say what recordings share.
COLUMNS = ("site", "date", "hour", "recorded_at")
GROUPS = ("site", "date")

_DATE = r"(?P<year>(?:19|20)[0-9]{2})(?P<dash>-?)(?P<month>[0-9]{2})(?P=dash)(?P<day>[0-9]{2})"
_TIME = r"(?P<hour>[0-9]{2})(?P<mark>[-:.]?)(?P<minute>[0-9]{2})(?P=mark)(?P<second>[0-9]{2})[TZ]?"
# No letter and no digit may touch it, else it is part of a number or a word.
_MOMENT = re.compile(rf"(?<![^\W_]){_DATE}(?P<joint>[_T$ -]){_TIME}(?![^\W_])")
_WHOLE_DATE, _WHOLE_TIME = re.compile(_DATE), re.compile(_TIME)
_AROUND = "_-. "
_CHANNELS = re.compile(r"(?:^|_)0\+1$")
# PLOT_1_20240501_063000 is plot 1 of some, and channel 1 of an SM3. Only with `$` it is a channel for sure.
_ANY_CHANNEL = re.compile(r"(?:^|_)(?:0\+1|[01AB])$")
_DEVICE_ID = re.compile(r"[0-9A-F]{16}")
# Numbers of eight digits are no times. From November 2017 to January 2021, when that firmware was in use, one digit of
# the seconds is a letter anyway.
_SECONDS = re.compile(r"(?=.*[A-F])[0-9A-F]{8}")
_FIRST_S, _END_S = 0x58684680, 0x65920080  # 2017 and 2024 begin
_EPOCH = datetime.datetime(1970, 1, 1)


class Recorded(NamedTuple):
    """What a name says: the site, empty where it says none; the date; and the moment at which the recording starts."""

    site: str = ""
    date: datetime.date | None = None
    start: datetime.datetime | None = None

    def cells(self) -> dict[str, str]:
        """Return :data:`COLUMNS` as text: ISO 8601, the hour from 0; empty where the name says nothing."""
        return {
            "site": self.site,
            "date": "" if self.date is None else self.date.isoformat(),
            "hour": "" if self.start is None else str(self.start.hour),
            "recorded_at": self.at(0.0, "seconds"),
        }

    def at(self, time_s: float, timespec: str = "milliseconds") -> str:
        """Return the moment ``time_s`` into the recording, ISO 8601; empty where nobody knows when it starts."""
        if self.start is None:
            return ""
        return (self.start + datetime.timedelta(seconds=time_s)).isoformat(timespec=timespec)


def recorded(recording_id: str) -> Recorded:
    """Return what the id of a recording says: its path without suffix, with ``/`` between folders."""
    *folders, name = recording_id.split("/")
    days = [_date_of(_WHOLE_DATE.fullmatch(folder)) for folder in folders]
    folder = "/".join(part for part, day in zip(folders, days, strict=True) if part and day is None)
    for found in _MOMENT.finditer(name):
        if start := _start_of(_date_of(found), found):
            before = name[: found.start()].strip(_AROUND)
            prefix = (_ANY_CHANNEL if found["joint"] == "$" else _CHANNELS).sub("", before).strip(_AROUND)
            site = folder or prefix if _DEVICE_ID.fullmatch(prefix) else prefix or folder
            return Recorded(site, start.date(), start)
    if _SECONDS.fullmatch(name) and _FIRST_S <= int(name, 16) < _END_S:
        start = _EPOCH + datetime.timedelta(seconds=int(name, 16))
        return Recorded(folder, start.date(), start)
    day = next((day for day in reversed(days) if day), None)
    return Recorded(folder, day, _start_of(day, _WHOLE_TIME.fullmatch(name))) if day else Recorded()


def _date_of(found: re.Match | None) -> datetime.date | None:
    """Return the date of a match, None where there is none in the calendar."""
    if found is None:
        return None
    try:
        return datetime.date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None


def _start_of(day: datetime.date | None, found: re.Match | None) -> datetime.datetime | None:
    """Return the moment of a match on a day, None where no clock shows it."""
    if day is None or found is None:
        return None
    try:
        time = datetime.time(int(found["hour"]), int(found["minute"]), int(found["second"]))
    except ValueError:
        return None
    return datetime.datetime.combine(day, time)
