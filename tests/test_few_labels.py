"""Draws of few labels: nested, spread over groups, and nothing else of the data set changed."""

import numpy as np
import pandas as pd

import data_sets
from dawnchorus.learning import few_labels, fresh_clips

CLASSES = pd.DataFrame({"class_index": [0, 1, 2], "species_id": ["a", "b", "c"], "species_name": ["Ant", "Bee", "Cat"]})


def table(counts, seed=0):
    """Return class, group and recording of rows: ``counts`` clips of each class, in 4 groups of 3 recordings each."""
    rng = np.random.default_rng(seed)
    class_index = np.repeat(np.arange(len(counts)), counts)
    recording = rng.integers(12, size=len(class_index))
    return class_index, recording // 3, recording


def drawn(counts, n, seed):
    class_index, group, recording = table(counts)
    return few_labels.ranks(class_index, group, recording, np.random.default_rng(seed)) < n


def test_each_class_gives_as_many_as_asked_or_all_it_has():
    class_index, _, _ = table((30, 7, 3))
    for n, expected in ((1, [1, 1, 1]), (5, [5, 5, 3]), (100, [30, 7, 3])):
        assert np.bincount(class_index[drawn((30, 7, 3), n, 1)], minlength=3).tolist() == expected


def test_a_draw_holds_the_smaller_ones_and_another_seed_draws_others():
    one, two, five = (drawn((30, 20, 10), n, 4) for n in (1, 2, 5))
    assert not (one & ~two).any()
    assert not (two & ~five).any()
    assert (drawn((30, 20, 10), 5, 4) == five).all()
    assert (drawn((30, 20, 10), 5, 5) != five).any()


def test_labels_come_from_as_many_groups_and_recordings_as_there_are():
    class_index, group, recording = table((40, 40))
    for seed in range(20):
        for n in range(1, 13):
            kept = drawn((40, 40), n, seed)
            for of in range(2):
                here = kept & (class_index == of)
                n_groups = len(np.unique(group[class_index == of]))
                counts = np.bincount(group[here], minlength=4)
                assert len(np.unique(group[here])) == min(n, n_groups)
                assert counts.max() - counts.min() <= 1
                # Three labels of a group of three recordings are of all three, where these have the class.
                for name in np.flatnonzero(counts):
                    there = np.unique(recording[(class_index == of) & (group == name)])
                    assert len(np.unique(recording[here & (group == name)])) == min(counts[name], len(there))


def test_every_clip_of_a_class_is_as_likely_as_another():
    class_index, group, recording = np.zeros(8, int), np.arange(8) // 2, np.arange(8)
    rng = np.random.default_rng(0)
    first = [int(np.argmin(few_labels.ranks(class_index, group, recording, rng))) for _ in range(1600)]
    # 200 of each are expected; five standard deviations are 66.
    assert np.abs(np.bincount(first, minlength=8) - 200).max() < 66


def whole():
    """Return a data set of 36 clips of 3 classes, two of each recording, 24 of which train."""
    n, rng = 36, np.random.default_rng(3)
    x = rng.normal(size=(n, 6, 4)).astype(np.float32)
    partition = np.array(["train", "test", "train"] * 6 + ["train", "validation", "train"] * 6)
    train = np.flatnonzero(partition == "train")
    training_rows = pd.DataFrame({"row": range(24), "annotation_id": train, "n_frames": 6, "first_start": 0})
    context_rows = pd.DataFrame(
        {"row": range(18), "recording_id": [f"site/{n:03}" for n in range(18)], "n_frames": 6, "partition": "train"}
    )
    context_rows.loc[0, "partition"] = "several"
    return data_sets.data_set(
        x,
        np.arange(n) // 2 % 3,
        partition,
        CLASSES,
        training=x[train] + 100,
        training_rows=training_rows.assign(last_start=0),
        context=np.zeros((18, 6, 4), np.float32),
        context_rows=context_rows,
    )


def test_only_the_drawn_labels_train_and_all_else_stays():
    data = whole()
    few = few_labels.drawn(data, 2, np.random.default_rng(1))
    train = few.rows_of("train")
    assert np.bincount(few.class_index[train]).tolist() == [2, 2, 2]
    assert set(train) < set(data.rows_of("train"))
    for part in ("validation", "test"):
        assert few.rows_of(part).tolist() == data.rows_of(part).tolist()
    assert few.x is data.x
    assert few.statistics == data.statistics
    # Its training clips are those of the same annotations, in the order of its rows that train.
    np.testing.assert_array_equal(few.training, data.x[train] + 100)
    assert few.training_rows["annotation_id"].tolist() == few.rows["annotation_id"].iloc[train].tolist()
    assert few.training_rows["row"].tolist() == list(range(6))
    # What nothing calls in is known of recordings with a label alone.
    heard = few.context_rows["recording_id"].isin(few.rows["recording_id"].iloc[train])
    assert (few.context_rows["partition"] == "train").tolist() == (heard & (heard.index > 0)).tolist()
    assert data.rows_of("train").size == 24


def test_clips_drawn_anew_in_training_are_those_of_the_drawn_labels():
    few = few_labels.drawn(whole(), 1, np.random.default_rng(2))
    columns = few.training_rows[["n_frames", "first_start", "last_start"]].to_numpy()
    nothing = np.zeros((0, 2), int)
    clips = fresh_clips.FreshClips(few.training, columns, few.context, nothing, few.statistics, {})
    for place, row in enumerate(few.rows_of("train")):
        np.testing.assert_array_equal(clips.draw(place, np.random.default_rng(0)), few.x[row] + 100)
