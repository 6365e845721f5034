"""The band in which a species calls, as its annotations say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Band = tuple[float, float]


def bands_hz(rows: pd.DataFrame, species_ids: Sequence[str]) -> list[Band | None]:
    """Return the band of each class: the medians of the edges of its training annotations, None where none has any.

    ``rows``: species_id, partition, f_min_hz, f_max_hz (NaN without a band).
    """
    known = rows[(rows["partition"] == "train") & rows["f_min_hz"].notna() & rows["f_max_hz"].notna()]
    medians = known.groupby("species_id")[["f_min_hz", "f_max_hz"]].median()
    return [
        (float(medians["f_min_hz"][key]), float(medians["f_max_hz"][key])) if key in medians.index else None
        for key in species_ids
    ]


def in_recording(band_hz: Band | None, seen_hz: Band, sample_rate_hz: int) -> Band:
    """Return the band of a class in a recording: no higher than its sound goes.

    ``seen_hz``: what the model sees of it, the band of a class that has none of its own, or none so low.
    """
    if band_hz is None or band_hz[0] >= sample_rate_hz / 2:
        return seen_hz
    return band_hz[0], min(band_hz[1], sample_rate_hz / 2)
