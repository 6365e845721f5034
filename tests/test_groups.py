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


def test_a_box_goes_where_its_recording_is_else_its_group():
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
    ]
    assert groups.partitions_of_boxes(boxes, known, BY_SITE) == ["test", "train", "validation"]
    # Rows that were drawn one by one have no group that a box could share.
    assert groups.partitions_of_boxes(boxes, known, BY_ROW)[:2] == ["test", "train"]
    # Without any annotation there is nothing to follow.
    assert groups.partitions_of_boxes(boxes, [], BY_SITE) == ["train"] * 3


BY_RECORDING = {"method": "grouped", "group": "recording_id"}


def of_fold(fold, n_folds=5, n=100):
    """Return the annotations of a fold: every fifth recording is tested, every fifth of the others validates."""
    parts = [
        "test" if number % n_folds == fold else "validation" if number % 7 == 0 else "train" for number in range(n)
    ]
    return [{"recording_id": f"r{k}", "group": f"r{k}", "partition": part} for k, part in enumerate(parts)]


def test_recordings_without_annotations_are_dealt_to_the_partitions_in_their_shares():
    silent = [{"recording_id": f"silent {number}"} for number in range(1000)]
    known = of_fold(0)
    found = groups.of_recordings(silent, known, BY_RECORDING)
    assert [group for group, _ in found] == [row["recording_id"] for row in silent]
    of_silent = [partition for _, partition in found]
    for part in ("train", "validation", "test"):
        share = sum(row["partition"] == part for row in known) / len(known)
        # Of 1000 draws: within four standard deviations.
        assert abs(of_silent.count(part) / 1000 - share) < 4 * (share * (1 - share) / 1000) ** 0.5
    # Each stays where it is whatever else is there, and its boxes go with it.
    assert groups.of_recordings(silent[:3], known, BY_RECORDING) == found[:3]
    assert groups.partitions_of_boxes(silent, known, BY_RECORDING) == of_silent


def test_a_recording_without_annotations_is_tested_in_one_fold():
    silent = [{"recording_id": f"silent {number}"} for number in range(60)]
    of_folds = [groups.partitions_of_boxes(silent, of_fold(fold), BY_RECORDING) for fold in range(5)]
    assert {parts.count("test") for parts in zip(*of_folds, strict=True)} == {1}


def test_a_group_without_annotations_is_dealt_whole():
    silent = [{"recording_id": f"{site} {n}", "site": site} for site in map(str, range(40)) for n in range(5)]
    found = groups.partitions_of_boxes(silent, of_fold(0), BY_SITE)
    parts = [set(found[first : first + 5]) for first in range(0, 200, 5)]
    assert all(len(of) == 1 for of in parts)
    assert set().union(*parts) == {"train", "validation", "test"}


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
    # Without a group that says where, a recording without annotations goes where another is; never is it mixed.
    parts = {groups.of_recordings([{"recording_id": f"r{n}"}], known, BY_SITE)[0][1] for n in range(9, 99)}
    assert parts == {"test", "validation"}
