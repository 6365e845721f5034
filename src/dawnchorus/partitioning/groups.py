"""Groups: which rows stay together in a split, which are resampled together for an interval, where unlabelled boxes go.

Every answer to "what group is this row of" is given here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from dawnchorus.foundation.errors import InputError, listed
from dawnchorus.foundation.spelling import composed
from dawnchorus.tables.definitions import ALONE, FROM_REVIEWS, UNUSED

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row", bound=Mapping)
ARTICLE = "article"
MIXED = "mixed"
RECORDINGS, GROUPS = "recordings", "groups"
# All of n groups lie on one side of no difference by chance alone in 2 of 2**n cases: with five in more than 5 %.
FEWEST_TO_DIFFER = 6


def column_of(rows: Sequence[Mapping], columns: Iterable[str], name: str, key: str) -> list[str]:
    """Return a column of the annotations as text; ``key`` of params.yaml names it, an unknown one is an InputError."""
    name = composed(name)
    if name not in columns:
        raise InputError(
            f"params.yaml: {key}: {name!r}: expected a column of the annotations or of data.recordings_table, one of "
            f"{listed(columns)}"
        )
    return [str(row[name]) for row in rows]


def kept_together(annotations: Sequence[Mapping], columns: Iterable[str], split: Mapping) -> list[str]:
    """Return the group of each annotation: rows of one group are never divided between partitions or folds.

    ``columns``: those of the table of annotations; ``split``: the block. The article's split keeps nothing together:
    each annotation is a group of its own.
    """
    if split["method"] == ARTICLE:
        return [str(row["annotation_id"]) for row in annotations]
    return column_of(annotations, columns, split["group"], "split.group")


def resampled(groups: Sequence[str], recordings: Sequence[str]) -> list[str]:
    """Return what each row is resampled with when an interval is drawn: its group, or else its recording.

    It is the recording where groups divide recordings (the article's split: clips of one recording are not independent
    of each other), and where all rows are of one group, such as a fold that is the whole test partition.
    """
    pairs = set(zip(groups, recordings, strict=True))
    groups_hold_recordings = len(pairs) == len(set(recordings))
    return list(groups if groups_hold_recordings and len(set(groups)) > 1 else recordings)


def units_of(resampled_with: Sequence[str], recordings: Sequence[str]) -> str:
    """Return what :func:`resampled` gave, as a word: ``recordings`` where each is a recording, else ``groups``."""
    pairs = set(zip(resampled_with, recordings, strict=True))
    return RECORDINGS if len(pairs) == len(set(resampled_with)) == len(set(recordings)) else GROUPS


def of_recordings(
    recordings: Sequence[Mapping], annotations: Sequence[Mapping], split: Mapping
) -> list[tuple[str, str]]:
    """Return the group and the partition of each recording, as all its annotations have them.

    ``annotations``: recording_id, group and partition of each. A recording whose annotations are of several groups is a
    group of its own; one whose annotations lie in several partitions is :data:`MIXED`. One without annotations goes
    where :func:`partitions_of_boxes` sends a box of it. Reviews decide nothing here.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    for row in own(annotations):
        groups, partitions = found.setdefault(row["recording_id"], (set(), set()))
        groups.add(row["group"])
        partitions.add(row["partition"])
    silent = [row for row in recordings if row["recording_id"] not in found]
    for row, partition in zip(silent, partitions_of_boxes(silent, annotations, split), strict=True):
        found[row["recording_id"]] = {str(row.get(composed(split["group"]), row["recording_id"]))}, {partition}

    def only(names: set[str], otherwise: str) -> str:
        return next(iter(names)) if len(names) == 1 else otherwise

    ids = [row["recording_id"] for row in recordings]
    return [(only(found[name][0], name), only(found[name][1], MIXED)) for name in ids]


def partitions_of_boxes(boxes: Sequence[Mapping], annotations: Sequence[Mapping], split: Mapping) -> list[str]:
    """Return the partition of each box that was checked not to hold its species.

    ``annotations``: recording_id, group and partition of each. A box goes where the annotations of its recording are,
    else where those of its group are; it trains where these lie in several partitions. A group without annotations is
    dealt: it goes where an annotated recording is that its name picks. So the partitions get their shares of such
    groups, each is tested in one fold of several, and what else is asked about makes no difference.

    What comes of reviews decides nothing of others. It trains where all of its recording, else of its group, trains,
    and is :data:`UNUSED` elsewhere: a detector chose it, and a test by it would be no fair one. A recording that only
    reviews name is not dealt, but trains.
    """
    annotations = own(annotations)
    of_recording: dict[str, set[str]] = {}
    of_group: dict[str, set[str]] = {}
    for row in annotations:
        of_recording.setdefault(row["recording_id"], set()).add(row["partition"])
        if split["method"] != ARTICLE:
            of_group.setdefault(row["group"], set()).add(row["partition"])
    companions = [recording_id for recording_id in sorted(of_recording) if len(of_recording[recording_id]) == 1]

    def of_box(box: Mapping) -> set[str]:
        group = str(box.get(composed(split["group"]), ""))
        parts = of_recording.get(box["recording_id"]) or of_group.get(group)
        if parts or not companions or box.get(FROM_REVIEWS) == ALONE:
            return parts or set()
        dealt = box["recording_id"] if split["method"] == ARTICLE or not group else group
        return of_recording[companions[int(hashlib.sha256(str(dealt).encode()).hexdigest(), 16) % len(companions)]]

    def partition(box: Mapping) -> str:
        parts = of_box(box)
        if box.get(FROM_REVIEWS):
            return "train" if parts <= {"train"} else UNUSED
        return next(iter(parts)) if len(parts) == 1 else "train"

    return [partition(box) for box in boxes]


def own_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`own` of rows.csv: no fold tests the others."""
    return rows[rows[FROM_REVIEWS] == 0] if FROM_REVIEWS in rows else rows


def own(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that do not come of reviews: the first ones, where a table has both."""
    return [row for row in rows if not row.get(FROM_REVIEWS)]
