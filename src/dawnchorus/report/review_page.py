"""The page to listen to a sample on, one clip at a time, one key an answer; as one file that a browser opens from disk,
or served, see :mod:`dawnchorus.report.review_server`. These differ in where cards come from and where answers go.

It knows of a clip what can be seen and heard. Score, stratum and whether the run detected the species are not in it,
unless scores are asked for: who knows the answer that is expected hears it more often.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dawnchorus.report import excerpts, pages
from dawnchorus.review import windows

NAME = "review.html"
CONTEXT_S = 1.0  # before and after a window, to hear a call begin
LONGEST_CUT_S = 90.0
HIGHEST_RATE_HZ = 32_000
IMAGE_SIZE = (640, 220)
# What a page says of a clip, and writes into reviews.csv.
SAID = ("clip", "path", "recording_id", "start_s", "end_s", "species_id", "species_name")


def html(sample: Sequence[Mapping[str, Any]], show_score: bool, step: Callable[[str], object]) -> str:
    """Return the page of the rows of sample.csv, in their order, with all pictures and sounds in it.

    A recording that cannot be read is an InputError. ``step`` is called with the recording of each clip that was cut.
    """
    sounds = {path: windows.sound(path) for path in sorted({row["path"] for row in sample})}
    cards = {}
    places = [_place(row, sounds[row["path"]]) for row in sample]
    for number, made in excerpts.cards(places, HIGHEST_RATE_HZ, IMAGE_SIZE):
        cards[number] = made
        step(sample[number]["path"])
    return _rendered(sample, show_score, {"cards": [cards[number] for number in range(len(sample))], "served": False})


def served(sample: Sequence[Mapping[str, Any]], show_score: bool) -> str:
    """Return the page of the rows of sample.csv that asks for each :func:`card`, and sends each answer."""
    return _rendered(sample, show_score, {"cards": [], "served": True})


def card(row: Mapping[str, Any]) -> dict:
    """Return what the page shows and plays of one clip; a recording that cannot be read is an InputError."""
    place = _place(row, windows.sound(row["path"]))
    return next(made for _, made in excerpts.cards([place], HIGHEST_RATE_HZ, IMAGE_SIZE))


def _place(row: Mapping[str, Any], sound: windows.Sound) -> excerpts.Place:
    marked_s = (row["start_s"], min(row["end_s"], sound.duration_s))
    stretch_s = excerpts.stretch(marked_s, sound.duration_s, CONTEXT_S, LONGEST_CUT_S)
    return excerpts.Place(Path(row["path"]), sound.sample_rate_hz, stretch_s, marked_s)


def _rendered(sample: Sequence[Mapping[str, Any]], show_score: bool, of_kind: Mapping[str, Any]) -> str:
    said = (*SAID, "score") if show_score else SAID
    species = list(dict.fromkeys((row["species_id"], row["species_name"]) for row in sample))
    context = {
        "sample": hashlib.sha256("\n".join(row["clip"] for row in sample).encode()).hexdigest()[:16],
        "clips": [{key: row[key] for key in said} for row in sample],
        "species": [{"id": species_id, "name": name} for species_id, name in species],
        "size": IMAGE_SIZE,
    }
    return pages.render("review.html.j2", {**context, **of_kind})
