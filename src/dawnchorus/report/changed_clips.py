"""The clips whose answer changed from one run to another, to see and hear on the page of a comparison."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dawnchorus.foundation.files import sha256_of
from dawnchorus.report import excerpts

IMAGE = (300, 110)


def order(changed: Sequence[dict]) -> list[int]:
    """Return the positions of the clips, those that became wrong and those that became right by turns."""
    turns = {became: [n for n, clip in enumerate(changed) if clip["became"] == became] for became in ("wrong", "right")}
    ranked = [(rank, became != "wrong", position) for became, of in turns.items() for rank, position in enumerate(of)]
    return [position for *_, position in sorted(ranked)]


def cards(
    changed: Sequence[dict], rows: pd.DataFrame, recordings: pd.DataFrame, audio_dir: Path, block: dict
) -> dict[int, dict]:
    """Return the cards of :mod:`dawnchorus.report.excerpts` by the position of the clip: as many as ``block`` allows.

    ``changed``: recording_id and annotation_id of each; ``rows``: rows.csv; ``recordings``: recordings.csv; ``block``:
    ``report``. A recording that is not there, or not with the content that recordings.csv names, is left out.
    """
    annotations = rows.set_index("annotation_id").to_dict("index")
    about = recordings.set_index("recording_id").to_dict("index")
    wanted = order(changed)[: block["clips"]]
    same: dict[str, bool] = {}
    for position in wanted:
        name = changed[position]["recording_id"]
        if name not in same:
            path = audio_dir / about[name]["path"] if name in about else None
            same[name] = path is not None and path.is_file() and sha256_of(path) == about[name]["sha256"]
    shown = [position for position in wanted if same[changed[position]["recording_id"]]]
    places = [
        excerpts.place_of(
            annotations[changed[position]["annotation_id"]],
            about[changed[position]["recording_id"]],
            audio_dir,
            block["context_s"],
            block["longest_clip_s"],
        )
        for position in shown
    ]
    made = dict(excerpts.cards(places, block["sound_rate_hz"], IMAGE, with_mfcc=True))
    return excerpts.with_room({position: made[number] for number, position in enumerate(shown)}, block["media_mb"])
