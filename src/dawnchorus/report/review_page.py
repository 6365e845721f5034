"""The page to listen to a sample on: one file that a browser opens from disk, one clip at a time, one key an answer.

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
    """Return the page of the rows of sample.csv, in their order; a recording that cannot be read is an InputError.

    ``step`` is called with the recording of each clip that was cut.
    """
    sounds = {path: windows.sound(path) for path in sorted({row["path"] for row in sample})}
    places, cards = [], {}
    for row in sample:
        rate_hz, duration_s = sounds[row["path"]]
        marked_s = (row["start_s"], min(row["end_s"], duration_s))
        stretch_s = excerpts.stretch(marked_s, duration_s, CONTEXT_S, LONGEST_CUT_S)
        places.append(excerpts.Place(Path(row["path"]), rate_hz, stretch_s, marked_s))
    for number, card in excerpts.cards(places, HIGHEST_RATE_HZ, IMAGE_SIZE):
        cards[number] = card
        step(sample[number]["path"])
    said = (*SAID, "score") if show_score else SAID
    species = list(dict.fromkeys((row["species_id"], row["species_name"]) for row in sample))
    context = {
        "sample": hashlib.sha256("\n".join(row["clip"] for row in sample).encode()).hexdigest()[:16],
        "clips": [{key: row[key] for key in said} for row in sample],
        "cards": [cards[number] for number in range(len(sample))],
        "species": [{"id": species_id, "name": name} for species_id, name in species],
        "size": IMAGE_SIZE,
    }
    return pages.render("review.html.j2", context)
