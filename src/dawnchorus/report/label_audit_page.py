"""The page of the label audit: the annotations whose label is most likely wrong, to look at and listen to.

Everywhere: ``table`` is label_audit.csv, the label that is most likely wrong first.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from dawnchorus.evaluation import label_audit
from dawnchorus.foundation.display_names import display_names
from dawnchorus.report import excerpts, pages

IMAGE = (300, 110)
NAME_CHARACTERS = 60
NOTHING: Mapping[str, str] = {}
# So many rows without picture are listed; all are in the table beside the page.
LISTED = 500


def doubted(table: pd.DataFrame) -> int:
    """Return how many labels another species outscores: the first rows of the table."""
    return int((table["likely_species_id"] != table["given_species_id"]).sum())


def cards(table: pd.DataFrame, recordings: pd.DataFrame, audio_dir: Path, block: dict) -> dict[int, dict]:
    """Return the cards of :mod:`dawnchorus.report.excerpts` of the labels that are doubted, by position in the table.

    ``recordings``: recordings.csv; ``block``: ``report``, which says how many cards there may be.
    """
    about = recordings.set_index("recording_id").to_dict("index")
    shown = table.iloc[: min(doubted(table), block["clips"])]
    places = [
        excerpts.place_of(row, about[row["recording_id"]], audio_dir, block["context_s"], block["longest_clip_s"])
        for row in shown.to_dict("records")
    ]
    made = dict(excerpts.cards(places, block["sound_rate_hz"], IMAGE, with_mfcc=True))
    return excerpts.with_room({position: made[position] for position in sorted(made)}, block["media_mb"])


def html(
    table: pd.DataFrame, made: Mapping[int, dict], trained: Mapping[str, int], unlearned: Mapping[str, str] = NOTHING
) -> str:
    """Return the page; ``made``: :func:`cards`; ``trained``: ``n_folds`` and ``n_seeds`` of the cross-validation.

    ``unlearned``: the species that are left out, see :func:`label_audit.unlearned`.
    """
    named: dict[str, str] = dict(unlearned)
    for which in ("given", "likely"):
        named |= dict(zip(table[f"{which}_species_id"], table[f"{which}_name"], strict=True))
    label_of = dict(zip(named, display_names(list(named), list(named.values()), NAME_CHARACTERS), strict=True))
    n_doubted = doubted(table)
    first = [
        {
            **row,
            "given": label_of[row["given_species_id"]],
            "likely": label_of[row["likely_species_id"]],
            "card": made.get(position),
        }
        for position, row in enumerate(table.iloc[:n_doubted].to_dict("records"))
    ]
    without = [row for row in first if not row["card"]]
    species = [
        {**of, "name": label_of[of["species_id"]], "others": [(label_of[other], n) for other, n in of["others"]]}
        for of in label_audit.by_species(table)
    ]
    context = {
        **trained,
        "n_labels": len(table),
        "n_recordings": table["recording_id"].nunique(),
        "n_doubted": n_doubted,
        "estimate": label_audit.in_words(table),
        "unlearned": [label_of[species_id] for species_id in unlearned],
        "clips": [row for row in first if row["card"]],
        "without": without[:LISTED],
        "n_without": len(without),
        "species": species,
    }
    return pages.render("label_audit.html.j2", context)
