"""The page of detections: the strongest events of each species to look at and listen to, and whole recordings.

One file with all sound and pictures inside, that a browser opens from disk without a network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dawnchorus.detection.activity import HOUR_S
from dawnchorus.detection.detections import Decision, Written
from dawnchorus.detection.score_store import Entry
from dawnchorus.foundation.files import write_whole
from dawnchorus.report import activity_tables, excerpts, media, pages
from dawnchorus.sound import audio
from dawnchorus.sound.spans import Span

CONTEXT_S = 1.0  # before and after an event, to hear it begin
LONGEST_CUT_S = 12.0
HIGHEST_RATE_HZ = 32_000
PICTURE_S = 120.0
IMAGE_SIZE = (520, 180)


def strongest(found: Sequence[dict], n: int) -> dict[str, list[dict]]:
    """Return the ``n`` events of each species with the highest peak, the highest first; the first of equal ones."""
    by_species: dict[str, list[dict]] = {}
    for event in found:
        by_species.setdefault(event["species_id"], []).append(event)
    return {species_id: sorted(rows, key=lambda row: -row["peak_score"])[:n] for species_id, rows in by_species.items()}


def stretch_of(rows: Sequence[dict], duration_s: float) -> Span:
    """Return the seconds that a picture shows: the whole recording, or what is around its strongest event."""
    if not rows:
        return 0.0, min(duration_s, PICTURE_S)
    peak_s = max(rows, key=lambda row: row["peak_score"])["peak_s"]
    return excerpts.stretch((0.0, duration_s), duration_s, 0.0, PICTURE_S, peak_s)


def cards_of(found: Sequence[dict], entry_of: Callable[[str], Entry], decision: Decision) -> list[dict]:
    """Return what the page shows of each event: all of it with some context, or what is around its peak.

    What is marked is as high as the band of the species.

    Each card of :func:`dawnchorus.report.excerpts.cards`, with the ``event``, and its ``start`` and ``end`` in words.
    """
    places = []
    for event in found:
        entry, marked_s = entry_of(event["path"]), (event["start_s"], event["end_s"])
        stretch_s = excerpts.stretch(marked_s, entry.duration_s, CONTEXT_S, LONGEST_CUT_S, event["peak_s"])
        band_hz = decision.bands_in(entry.sample_rate_hz)[event["species_id"]]
        places.append(excerpts.Place(Path(entry.path), entry.sample_rate_hz, stretch_s, marked_s, band_hz))
    made = dict(excerpts.cards(places, HIGHEST_RATE_HZ, IMAGE_SIZE))
    return [
        {**made[number], "event": event, "start": clock(event["start_s"]), "end": clock(event["end_s"])}
        for number, event in enumerate(found)
    ]


def clock(time_s: float) -> str:
    """Return a time as 1:02:03.4, or 2:03.4 within the first hour."""
    tenths = round(time_s * 10)
    minutes, seconds = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{minutes:02d}" if hours else f"{minutes}"
    return f"{hours}:" * bool(hours) + f"{rest}:{seconds // 10:02d}.{seconds % 10}"


def picture(entry: Entry, rows: Sequence[dict], decision: Decision) -> bytes:
    """Return the PNG of one recording; see :mod:`dawnchorus.report.detection_picture`."""
    from dawnchorus.report import detection_picture, figure_style

    start_s, end_s = stretch_of(rows, entry.duration_s)
    y = audio.read_cut(entry.path, (start_s, end_s), None)
    centres_s, tracks = entry.starts_s + entry.window_s / 2, decision.tracks(entry)
    figure = detection_picture.draw(y, entry.sample_rate_hz, start_s, entry.name, rows, centres_s, tracks, decision)
    return figure_style.encoded(figure, "png")


def write(
    page: Path, pictures: Path, made: Written, entry_of: Callable[[str], Entry], decision: Decision, facts: dict
) -> None:
    """Write the page, and the pictures of the recordings with the strongest events as PNG files too.

    ``made``: what was found; ``entry_of`` gives the recording of a path. ``facts``: what the page says at its
    top: ``n_recordings``, ``duration_s``, ``problems`` (rows of problems.csv), ``model``.
    """
    found, species = made.events, list[dict[str, Any]]()
    counts = Counter(event["species_id"] for event in found)
    best = strongest(found, decision.params["page_events"])
    for species_id, name, threshold in zip(
        decision.species_ids, decision.species_names, decision.thresholds, strict=True
    ):
        rows = best.get(species_id, [])
        facts_of = {"id": species_id, "name": name, "n_events": counts[species_id], "threshold": float(threshold)}
        highest = rows[0]["peak_score"] if rows else 0.0
        species.append({**facts_of, "cards": cards_of(rows, entry_of, decision), "best": highest})
    species.sort(key=lambda row: -row["best"])

    by_path: dict[str, list[dict]] = {}
    for event in sorted(found, key=lambda row: -row["peak_score"]):
        by_path.setdefault(event["path"], []).append(event)
    shown = []
    for path in list(by_path)[: decision.params["pictures"]]:
        entry = entry_of(path)
        png = picture(entry, by_path[path], decision)
        with write_whole(pictures / f"{entry.name}.png", "wb") as file:
            file.write(png)
        shown.append({"path": path, "image": media.data_uri(png, "image/png")})

    common = {row["id"]: row["name"] for row in sorted(species, key=lambda row: -row["n_events"]) if row["n_events"]}
    activity = {
        "by_hour": activity_tables.by_hour(made.activity, common),
        "by_site": activity_tables.by_site(made.activity, common),
        "untimed_h": made.activity.sound_by("hour")[None] / HOUR_S,
        "n_silent": len(species) - len(common),
    }
    context = {**facts, **activity, "duration": clock(facts["duration_s"]), "species": species, "pictures": shown}
    text = pages.render("detections.html.j2", {**context, "n_events": len(found)})
    with write_whole(page) as file:
        file.write(text)
