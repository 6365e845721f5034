"""What group a row is of: in a split, for an interval, and for boxes that no annotation is of."""

import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.partitioning import groups

ROWS = [{"annotation_id": n, "recording_id": f"r{n // 2}", "site": f"s{n // 4}"} for n in range(6)]
COLUMNS = list(ROWS[0])
BY_SITE = {"method": "grouped", "group": "site"}
BY_ROW = {"method": "article", "group": "site"}


def test_rows_are_kept_together_by_the_column_or_as_in_the_article_not_at_all():
    assert groups.kept_together(ROWS, COLUMNS, BY_SITE) == ["s0"] * 4 + ["s1"] * 2
    assert groups.kept_together(ROWS, COLUMNS, BY_ROW) == list("012345")
    with pytest.raises(InputError, match=r"split\.group: 'place': expected a column of the annotations"):
        groups.kept_together(ROWS, COLUMNS, {"method": "grouped", "group": "place"})


def test_groups_are_resampled_unless_they_divide_recordings_or_are_all_one():
    recordings = [row["recording_id"] for row in ROWS]
    assert groups.resampled(["a", "a", "a", "a", "b", "b"], recordings) == ["a", "a", "a", "a", "b", "b"]
    assert groups.resampled(list("012345"), recordings) == recordings
    assert groups.resampled(["a"] * 6, recordings) == recordings


def test_a_box_goes_where_its_recording_is_else_its_group_else_it_trains():
    known = [
        {"recording_id": "r0", "group": "s0", "partition": "test"},
        {"recording_id": "r1", "group": "s1", "partition": "train"},
        {"recording_id": "r1", "group": "s1", "partition": "validation"},
        {"recording_id": "r2", "group": "s2", "partition": "validation"},
    ]
    boxes = [
        {"recording_id": "r0", "site": "s2"},
        {"recording_id": "r1", "site": "s2"},
        {"recording_id": "new", "site": "s2"},
        {"recording_id": "new", "site": "elsewhere"},
    ]
    assert groups.partitions_of_boxes(boxes, known, BY_SITE) == ["test", "train", "validation", "train"]
    # Rows that were drawn one by one have no group that a box could share.
    assert groups.partitions_of_boxes(boxes, known, BY_ROW) == ["test", "train", "train", "train"]


def test_a_recording_is_of_a_partition_when_all_its_annotations_are():
    known = [
        {"recording_id": "r0", "group": "s0", "partition": "test"},
        {"recording_id": "r0", "group": "s0", "partition": "test"},
        {"recording_id": "r1", "group": "a", "partition": "validation"},
        {"recording_id": "r1", "group": "b", "partition": "validation"},
        {"recording_id": "r2", "group": "s2", "partition": "train"},
        {"recording_id": "r2", "group": "s2", "partition": "test"},
    ]
    recordings = [{"recording_id": f"r{number}", "site": "s0"} for number in range(4)]
    found = [("s0", "test"), ("r1", "validation"), ("s2", groups.MIXED), ("s0", "test")]
    assert groups.of_recordings(recordings, known, BY_SITE) == found
    # Without a group that says where, a recording without annotations is not held out.
    assert groups.of_recordings(recordings, known, BY_ROW)[3] == ("s0", "train")
    assert groups.of_recordings([{"recording_id": "r9"}], known, BY_SITE) == [("r9", "train")]
