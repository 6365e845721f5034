"""When and where species call: events against the sound that was searched, by hour of the day and by site.

More sound holds more calls, so a count alone says how a recorder was set. Each hour of the day has the sound of all its
days; sound that runs over the end of an hour counts in each of the hours that it lies in, an event where it begins.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dawnchorus.annotations.recorded import Recorded

HOUR_S, HOURS = 3600.0, 24
DECIMALS = 6


class Cell(NamedTuple):
    """A site, empty where names say none, and an hour of the day, None where they say no time."""

    site: str
    hour: int | None


class Rate(NamedTuple):
    """Events, and the hours of sound in which they were looked for."""

    events: int
    sound_h: float

    @property
    def per_hour(self) -> float:
        """Events per hour of sound; NaN without sound."""
        return self.events / self.sound_h if self.sound_h else math.nan


class Activity:
    """Counts of events, and effort, of recordings that are added one by one; it grows with sites and species alone."""

    def __init__(self) -> None:
        self.sound_s: dict[Cell, float] = {}
        self.recordings: Counter[Cell] = Counter()
        self.events: Counter[tuple[str, Cell]] = Counter()

    def add(self, said: Recorded, duration_s: float, events: Iterable[Mapping[str, Any]]) -> None:
        """Add a recording; ``said``: by its name; ``events``: species_id and start_s (from its start) of each."""
        for hour, sound_s in sound_by_hour(said, duration_s).items():
            cell = Cell(said.site, hour)
            self.sound_s[cell] = self.sound_s.get(cell, 0.0) + sound_s
            self.recordings[cell] += 1
        for event in events:
            self.events[event["species_id"], Cell(said.site, hour_at(said, event["start_s"]))] += 1

    @property
    def cells(self) -> list[Cell]:
        """All sites and hours with sound, in order; what has no time is the last of its site."""
        found = {*self.sound_s, *(cell for _, cell in self.events)}
        return sorted(found, key=lambda cell: (_as_people_count(cell.site), HOURS if cell.hour is None else cell.hour))

    @property
    def sites(self) -> list[str]:
        """All sites in order, the empty one too."""
        return list(dict.fromkeys(cell.site for cell in self.cells))

    def rows(self, species_ids: Sequence[str], species_names: Sequence[str]) -> Iterator[dict]:
        """Yield the rows of :data:`dawnchorus.tables.definitions.ACTIVITY`: of every species all cells with sound."""
        cells = self.cells
        for species_id, species_name in zip(species_ids, species_names, strict=True):
            for cell in cells:
                rate = Rate(self.events[species_id, cell], self.sound_s.get(cell, 0.0) / HOUR_S)
                yield {
                    "species_id": species_id,
                    "species_name": species_name,
                    **cell._asdict(),
                    "events": rate.events,
                    "recordings": self.recordings[cell],
                    "sound_h": round(rate.sound_h, DECIMALS),
                    "events_per_hour": round(rate.per_hour, DECIMALS),
                }

    def by(self, key: str, species_id: str) -> dict[Any, Rate]:
        """Return the rate of a species by ``site`` or by ``hour``, over all of the other."""
        events: Counter[Any] = Counter()
        for cell in self.sound_s:
            events[getattr(cell, key)] += self.events[species_id, cell]
        return {value: Rate(events[value], of_s / HOUR_S) for value, of_s in self.sound_by(key).items()}

    def sound_by(self, key: str) -> defaultdict[Any, float]:
        """Return the sound (s) by ``site`` or by ``hour``."""
        sound_s: defaultdict[Any, float] = defaultdict(float)
        for cell, of in self.sound_s.items():
            sound_s[getattr(cell, key)] += of
        return sound_s


def _as_people_count(site: str) -> tuple[list[tuple[int, str]], str]:
    """Return what to sort a site by, so that PLOT-2 comes before PLOT-10."""
    parts = re.split(r"([0-9]+)", site)
    return [(int(part) if part.isdecimal() else -1, part) for part in parts], site


def hour_at(said: Recorded, time_s: float) -> int | None:
    """Return the hour of the day ``time_s`` after a recording starts; None where nobody knows when that is."""
    if said.start is None:
        return None
    return (said.start.hour + int((_past_hour_s(said) + time_s) // HOUR_S)) % HOURS


def sound_by_hour(said: Recorded, duration_s: float) -> dict[int | None, float]:
    """Return how much of a recording (s) lies in each hour of the day; all in None where nobody knows its start."""
    if said.start is None:
        return {None: duration_s}
    found: dict[int | None, float] = {}
    begin_s = _past_hour_s(said)
    end_s = begin_s + duration_s
    for number in range(math.ceil(end_s / HOUR_S)):
        inside_s = min(end_s, (number + 1) * HOUR_S) - max(begin_s, number * HOUR_S)
        hour = (said.start.hour + number) % HOURS
        found[hour] = found.get(hour, 0.0) + inside_s
    return found


def _past_hour_s(said: Recorded) -> float:
    """Return how long before the recording its clock struck the hour (s)."""
    return 0.0 if said.start is None else 60.0 * said.start.minute + said.start.second
