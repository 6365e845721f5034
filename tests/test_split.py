from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from dawnchorus.foundation.errors import InputError
from dawnchorus.partitioning import split
from dawnchorus.tables.definitions import PARTITIONS


def made(n_groups=40, n_classes=6, rows_per_group=5, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"rec{g}" for g in range(n_groups)], rows_per_group)
    return rng.integers(n_classes, size=len(groups)), groups


def shares(partition):
    counts = Counter(partition)
    return {part: counts[part] / len(partition) for part in PARTITIONS}


@pytest.mark.parametrize("seed", range(5))
def test_no_group_crosses_partitions_and_the_shares_are_met(seed):
    classes, groups = made(seed=seed)
    partition = split.grouped(classes, groups, 0.25, 0.2, np.random.default_rng(seed), None, None)
    for group in set(groups):
        assert len(set(partition[groups == group])) == 1
    got = shares(partition)
    # The nearest that whole groups of five of 200 rows allow is within half a group.
    assert got["test"] == pytest.approx(0.25, abs=0.013)
    assert got["validation"] == pytest.approx(0.2, abs=0.013)


def test_classes_are_spread_better_than_by_an_arbitrary_draw():
    classes, groups = made(n_classes=12)

    def unevenness(partition):
        share = [np.mean(partition[classes == c] == "test") for c in range(12)]
        return np.std(share)

    ours = unevenness(split.grouped(classes, groups, 0.25, 0.2, np.random.default_rng(1), None, None))
    arbitrary = []
    for seed in range(20):
        names = np.random.default_rng(seed).permutation(np.unique(groups))
        arbitrary.append(unevenness(np.where(np.isin(groups, names[:10]), "test", "train")))
    assert ours < min(arbitrary)


def test_every_class_trains_where_the_groups_allow_it():
    groups = np.array(["a", "a", "b", "b", "c", "c", "d", "d"])
    classes = np.array([0, 1, 0, 1, 2, 0, 2, 1])
    partition = split.grouped(classes, groups, 0.25, 0.25, np.random.default_rng(0), None, None)
    assert set(classes[partition == "train"]) == {0, 1, 2}


def test_a_class_that_cannot_be_learned_costs_more_than_one_that_cannot_be_tested():
    # Of the two groups, the first has 3 of 4 rows of class 0 and none of class 1.
    counts, fractions = np.array([[3.0, 0.0], [1.0, 4.0]]), [0.5]
    tested, learned = np.array([0, 1]), np.array([1, 0])
    # Both miss the halves by a quarter and by a half.
    assert split.unevenness(counts, tested, fractions) == (1 / 4) ** 2 + (1 / 2) ** 2 + 10
    assert split.unevenness(counts, learned, fractions) == (1 / 4) ** 2 + (1 / 2) ** 2 + 1


def test_same_stream_same_split_another_stream_another():
    classes, groups = made()
    draw = [split.grouped(classes, groups, 0.25, 0.2, np.random.default_rng(s), None, None) for s in (1, 1, 2)]
    assert (draw[0] == draw[1]).all()
    assert (draw[0] != draw[2]).any()


def test_named_groups_are_taken_as_they_are():
    classes, groups = made()
    partition = split.grouped(classes, groups, 0.25, 0.2, np.random.default_rng(0), ["rec3"], ["rec4", "rec5"])
    assert set(groups[partition == "test"]) == {"rec3"}
    assert set(groups[partition == "validation"]) == {"rec4", "rec5"}


def test_a_named_test_group_leaves_validation_to_be_drawn():
    classes, groups = made(n_groups=5, rows_per_group=40)
    partition = split.grouped(classes, groups, 0.25, 0.2, np.random.default_rng(0), ["rec3"], None)
    assert set(groups[partition == "test"]) == {"rec3"}
    assert len(set(groups[partition == "validation"])) == 1


def test_an_integer_group_name_matches_the_text_of_the_table():
    classes, groups = np.array([0, 1, 0, 1, 0, 1]), np.array(["1", "1", "2", "2", "3", "3"])
    partition = split.grouped(classes, groups, 0.3, 0.3, np.random.default_rng(0), [3], [2])
    assert list(partition) == ["train", "train", "validation", "validation", "test", "test"]


@pytest.mark.parametrize(
    ("test_groups", "validation_groups", "expected"),
    [(["nope"], None, "'nope': no such group"), (["rec1"], ["rec1"], "'rec1': already in the other partition")],
)
def test_a_named_group_must_exist_once(test_groups, validation_groups, expected):
    classes, groups = made()
    with pytest.raises(InputError, match=expected):
        split.grouped(classes, groups, 0.2, 0.2, np.random.default_rng(0), test_groups, validation_groups)


def test_shares_of_all_rows_that_leave_none_to_train_are_an_error():
    # 80 of 100 rows are named, so a fifth of all is every row that is left.
    classes, groups = np.tile([0, 1], 50), np.repeat(["a", *"bcdefghijk"], [80] + [2] * 10)
    draw = np.random.default_rng(0)
    with pytest.raises(
        InputError, match=r"^split.validation_fraction: 0.2: .* 20 are in no named group: expected < 0.2,"
    ):
        split.grouped(classes, groups, 0.25, 0.2, draw, ["a"], None)
    partition = split.grouped(classes, groups, 0.25, 0.05, draw, ["a"], None)
    assert Counter(partition.tolist())["validation"] in (4, 6)


def test_fewer_groups_than_partitions_is_an_error():
    with pytest.raises(InputError, match=r"2 group\(s\), 2 of them free: expected at least 3"):
        split.grouped(
            np.array([0, 1, 0, 1]), np.array(["a", "a", "b", "b"]), 0.3, 0.3, np.random.default_rng(0), None, None
        )


def test_three_groups_give_one_to_each_partition():
    groups = np.repeat(["a", "b", "c"], [50, 3, 3])
    partition = split.grouped(np.tile([0, 1], 28), groups, 0.25, 0.2, np.random.default_rng(0), None, None)
    assert set(partition) == set(PARTITIONS)


def test_the_assertion_names_the_group_that_crosses():
    with pytest.raises(AssertionError, match="'b'"):
        split.assert_disjoint(np.array(["a", "b", "b"]), np.array(["train", "train", "test"]))


def test_article_split_is_scikit_learns_called_plainly():
    classes = np.random.default_rng(0).integers(5, size=200)
    indices = np.arange(200)
    train, test = train_test_split(indices, test_size=0.25, random_state=123, stratify=classes)
    train, validation = train_test_split(train, test_size=0.25, random_state=123)
    partition = split.article(classes, 123, 0.25, 0.25)
    assert set(np.flatnonzero(partition == "test")) == set(test)
    assert set(np.flatnonzero(partition == "validation")) == set(validation)
    assert set(np.flatnonzero(partition == "train")) == set(train)


def test_the_article_s_split_of_few_rows_is_made_or_is_one_line():
    draws, n_refused, n_made = np.random.default_rng(0), 0, 0
    for n_rows in range(1, 30):
        for n_classes in range(1, 6):
            for fraction in (0.05, 0.25, 0.8):
                classes = draws.integers(n_classes, size=n_rows)
                try:
                    partition = split.article(classes, 1, fraction, fraction)
                except InputError as error:
                    n_refused += 1
                    (line,) = str(error).splitlines()
                    assert line.startswith(("params.yaml: split.method: ", "params.yaml: split.validation_fraction: "))
                else:
                    n_made += 1
                    assert set(partition) == set(PARTITIONS)
    assert n_refused > 50
    assert n_made > 50
    with pytest.raises(InputError, match="4 rows of 2 classes, 1 of the rarest, 1 to test: expected two or more"):
        split.article(np.array([0, 0, 0, 1]), 1, 0.25, 0.25)
