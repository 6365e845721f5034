"""Where the split leaves no recording to validate: the last part of each training recording, which nothing learns from.

Thresholds, lengths and probabilities of presence are fitted there, on sound that the network does not know.
"""

from collections.abc import Collection, Mapping, Sequence

from dawnchorus.tables.definitions import ALONE, FROM_REVIEWS

# Of the time of a recording.
SHARE = 0.2
TRAINS, VALIDATES, WHOLE = (0.0, 1.0 - SHARE), (1.0 - SHARE, 1.0), (0.0, 1.0)


def parted(recordings: Sequence[Mapping], partitions: Sequence[str]) -> Collection[str]:
    """Return the ids of the recordings whose last part is held back: none where one validates.

    ``recordings``: rows of recordings.csv; ``partitions``: where each is. A recording of which only reviews say
    something stays whole, because of most of it nothing is known.
    """
    if "validation" in partitions:
        return frozenset()
    pairs = zip(recordings, partitions, strict=True)
    return frozenset(
        row["recording_id"] for row, partition in pairs if partition == "train" and row.get(FROM_REVIEWS) != ALONE
    )


def learned_s(duration_s: float) -> tuple[float, float]:
    """Return the span of a parted recording that is learned from (s)."""
    return TRAINS[0] * duration_s, TRAINS[1] * duration_s
