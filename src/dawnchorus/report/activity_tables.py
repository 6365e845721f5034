"""Activity as tables of shades for a page: how often each species calls by hour of the day, and at each site.

A shade is a share of the highest rate of its species, so that a rare species shows its day as a common one does; the
number is the rate itself, in events per hour of sound. Cells without sound are hatched: nobody listened there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dawnchorus.detection.activity import HOUR_S, HOURS, Activity, Rate
from dawnchorus.foundation.display_names import display_names

SHADES = 10
# Names of rows may take several lines; those of columns stand upright on one.
NAME_CHARACTERS, ROW_CHARACTERS = 28, 60
NO_SITE = "(none)"
NOTHING = Rate(0, 0.0)


@dataclass(frozen=True)
class Shaded:
    """A cell: its number, ``shade`` from 0 (nothing) to :data:`SHADES` (None: no sound), and what it says in words."""

    text: str
    shade: int | None
    title: str


@dataclass(frozen=True)
class ShadeTable:
    """Names of rows and columns, and cells (rows, columns); sound (h) of each column, or else of each row."""

    rows: list[str]
    columns: list[str]
    cells: list[list[Shaded]]
    sound_of_columns: list[Shaded] | None
    sound_of_rows: list[Shaded] | None


def by_hour(activity: Activity, species: Mapping[str, str]) -> ShadeTable | None:
    """Return a table of species and hours; None where no name says a time.

    ``species``: the names of those that are shown by id, in order.
    """
    sound_s = activity.sound_by("hour")
    if not sound_s.keys() - {None}:
        return None
    hours = list(range(HOURS))
    rates = [[of.get(hour, NOTHING) for hour in hours] for of in (activity.by("hour", key) for key in species)]
    names = _labels(species, ROW_CHARACTERS)
    cells = [_shaded(line, [f"{name}, {hour} h" for hour in hours]) for name, line in zip(names, rates, strict=True)]
    return ShadeTable(names, [str(hour) for hour in hours], cells, _sounds([sound_s[hour] for hour in hours]), None)


def by_site(activity: Activity, species: Mapping[str, str]) -> ShadeTable | None:
    """Return a table of species and sites, the fewer of them as columns; None where no name says a site."""
    sites = activity.sites
    if not any(sites):
        return None
    sound_s = activity.sound_by("site")
    sounds = _sounds([sound_s[site] for site in sites])
    rates = [[of.get(site, NOTHING) for site in sites] for of in (activity.by("site", key) for key in species)]
    turns = len(species) < len(sites)
    names = _labels(species, NAME_CHARACTERS if turns else ROW_CHARACTERS)
    places = _labels({site: site or NO_SITE for site in sites}, ROW_CHARACTERS if turns else NAME_CHARACTERS)
    cells = [_shaded(line, [f"{name}, {place}" for place in places]) for name, line in zip(names, rates, strict=True)]
    if not turns:
        return ShadeTable(names, places, cells, sounds, None)
    turned = [list(column) for column in zip(*cells, strict=True)] or [[] for _ in places]
    return ShadeTable(places, names, turned, None, sounds)


def _labels(names: Mapping[str, str], characters: int) -> list[str]:
    return display_names(list(names), list(names.values()), characters)


def _shaded(rates: Sequence[Rate], places: Sequence[str]) -> list[Shaded]:
    """Return the cells of one species, whose ``rates`` are of ``places``, in words."""
    highest = max((rate.per_hour for rate in rates if rate.sound_h), default=0.0)
    cells = []
    for rate, place in zip(rates, places, strict=True):
        if not rate.sound_h:
            cells.append(Shaded("", None, f"{place}: no sound"))
            continue
        shade = math.ceil(SHADES * rate.per_hour / highest) if rate.events else 0
        said = f"{place}: {rate.events} event{'s' * (rate.events != 1)} in {rate.sound_h:.3g} h of sound"
        cells.append(Shaded(brief(rate.per_hour), min(shade, SHADES), said))
    return cells


def _sounds(sounds_s: Sequence[float]) -> list[Shaded]:
    """Return cells that say how much sound there is, in hours."""
    most_s = max(sounds_s, default=0.0)
    return [
        Shaded(brief(sound_s / HOUR_S), math.ceil(SHADES * sound_s / most_s), f"{sound_s / HOUR_S:.3g} h of sound")
        if sound_s
        else Shaded("", None, "no sound")
        for sound_s in sounds_s
    ]


def brief(value: float) -> str:
    """Return a number from 0 on in five characters at most, up to 99,999."""
    if not value:
        return "0"
    if value < 0.01:
        return "<.01"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"
