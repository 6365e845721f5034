import csv
import json

import numpy as np
import pytest

from dawnchorus import dataset, shards
from dawnchorus.errors import InputError
from dawnchorus.stages import dataset as stage


def clips(lengths=(3, 7, 5), n_features=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(50, 3, size=(n, n_features)).astype("f4") * [1, 2, 3, 4] for n in lengths]


def test_right_padding_puts_zeros_after():
    padded, n_frames = dataset.fit_frames(np.ones((2, 3), "f4"), 5, "right")
    assert n_frames == 2
    assert padded[:, 0].tolist() == [1, 1, 0, 0, 0]


def test_centred_padding_rounds_down_before():
    padded, _ = dataset.fit_frames(np.ones((2, 1), "f4"), 5, "centre")
    assert padded[:, 0].tolist() == [0, 1, 1, 0, 0]


def test_a_longer_clip_keeps_its_middle():
    clip = np.arange(7, dtype="f4")[:, None]
    padded, n_frames = dataset.fit_frames(clip, 3, "right")
    assert (padded[:, 0].tolist(), n_frames) == ([2, 3, 4], 3)


def test_moments_in_pieces_are_numpys_of_the_whole():
    whole = np.random.default_rng(1).normal(1e4, 0.01, size=(1000, 3))
    moments = dataset.Moments()
    for piece in np.array_split(whole, [1, 2, 2, 500]):
        moments.add(piece)
    np.testing.assert_allclose(moments.mean, whole.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.std, whole.std(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(moments.minimum, whole.min(axis=0))
    np.testing.assert_array_equal(moments.maximum, whole.max(axis=0))


def test_per_feature_frames_have_mean_0_and_deviation_1_and_padding_stays_0():
    pieces = clips()
    statistics = dataset.fit_statistics(pieces, "per_feature", 9, "right")
    rows = [dataset.normalized(piece, statistics, 9, "right") for piece in pieces]
    sounding = np.concatenate([row[:n] for row, n in rows])
    np.testing.assert_allclose(sounding.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(sounding.std(axis=0), 1, rtol=1e-5)
    assert all((row[n:] == 0).all() for row, n in rows)


def test_a_feature_that_never_varies_becomes_0_not_nan():
    piece = np.hstack([np.full((5, 1), 7.0), np.arange(5.0)[:, None]]).astype("f4")
    row, _ = dataset.normalized(piece, dataset.fit_statistics([piece], "per_feature", 5, "right"), 5, "right")
    assert (row[:, 0] == 0).all()
    assert np.isfinite(row).all()


def test_min_max_std_is_the_articles_formula_on_the_padded_whole():
    pieces = clips()
    whole = np.zeros((3, 10, 4))
    for row, piece in zip(whole, pieces, strict=True):
        before = (10 - len(piece)) // 2
        row[before : before + len(piece)] = piece
    expected = (whole - whole.min()) / (whole.max() - whole.min())
    expected = expected / np.std(expected)
    statistics = dataset.fit_statistics(pieces, "min_max_std", 10, "centre")
    got = np.stack([dataset.normalized(piece, statistics, 10, "centre")[0] for piece in pieces])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_nothing_to_fit_on_or_nothing_that_varies_is_an_error():
    with pytest.raises(InputError, match="no clip to fit"):
        dataset.fit_statistics([], "per_feature", 5, "right")
    with pytest.raises(InputError, match="all feature values are equal"):
        dataset.fit_statistics([np.zeros((5, 2), "f4")], "min_max_std", 5, "right")


# the stage

FEATURES = {"kind": "log_mel", "context_clips": 2}
PARAMS = {"frames": None, "padding": "right", "normalization": "per_feature", "fit_on": "train"}


def a_set(folder, n_context):
    """Write two shards of recordings a, b and c, the last two in the test partition; return the arguments.

    ``n_context``: how many clips without annotation each has. Each of their values is a number of its own.
    """
    species = {"a": "xyx", "b": "yxy", "c": "x"}
    rng = np.random.default_rng(0)
    rows = [(recording, of) for recording in species for of in species[recording]]
    with open(folder / "annotations.csv", "w") as file:
        file.write("annotation_id,recording_id,species_id,species_name,row\n")
        file.writelines(f"{n},{recording},{of},{of},odd\n" for n, (recording, of) in enumerate(rows))
    with open(folder / "split.csv", "w") as file:
        file.write("annotation_id,partition\n")
        file.writelines(f"{n},{'train' if recording == 'a' else 'test'}\n" for n, (recording, _) in enumerate(rows))
    for number, held in enumerate(("ac", "b")):
        with shards.write_shard(folder / f"shard-{number}.zip", FEATURES) as writer:
            for recording in held:
                n_clips, n_free = len(species[recording]), n_context[recording]
                arrays = [rng.normal(size=(3 + n, 2)).astype("f4") for n in range(n_clips)]
                arrays += [np.full((2, 2), 100 * ord(recording) + n, "f4") for n in range(n_free)]
                writer.add(recording, "s", [(0.0, 1.0)] * len(arrays), arrays, n_free)
    arguments = {"--annotations": "annotations.csv", "--split": "split.csv", "--output": "made"}
    words = [word for key, name in arguments.items() for word in (key, str(folder / name))]
    return [*words, "--shards", *(str(folder / f"shard-{n}.zip") for n in range(2)), "--params"]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_stage_sets_context_clips_beside_the_test_rows(tmp_path, capsys):
    arguments = a_set(tmp_path, {"a": 2, "b": 2, "c": 0})
    stage.main([*arguments, json.dumps({"dataset": PARAMS})])
    made = tmp_path / "made"
    statistics = json.loads((made / "statistics.json").read_text())
    assert statistics["features"] == FEATURES
    # Recording a is for training, c has no room: three annotations of b take its two clips in turn.
    rows = table(made / "context_rows.csv")
    assert [row["row"] for row in rows] == ["0", "1", "0"]
    assert [row["annotation_id"] for row in rows] == ["3", "4", "5"]
    assert [row["class_index"] for row in rows] == ["1", "0", "1"]
    assert {row["recording_id"] for row in rows} == {"b"}
    assert {row["n_frames"] for row in rows} == {"2"}
    context = np.load(made / "context.npy")
    raw = context[:, :2] * statistics["scale"] + statistics["offset"]
    np.testing.assert_allclose(raw, [np.full((2, 2), 9800 + n) for n in range(2)], rtol=1e-5)
    assert context.shape == (2, 5, 2)
    assert (context[:, 2:] == 0).all()
    assert "2 clips without annotation stand for 3 of 4 test rows" in capsys.readouterr().out
    # The statistics are those of the training clips alone, and a column of the user's table changes no number.
    with shards.Shard(tmp_path / "shard-0.zip") as shard:
        known = np.concatenate(shard.features_of_clips("a"))
    np.testing.assert_allclose(statistics["offset"], known.mean(axis=0), rtol=1e-5)
    assert [row["row"] for row in table(made / "rows.csv")] == [str(n) for n in range(7)]


def test_stage_without_context(tmp_path):
    arguments = a_set(tmp_path, {"a": 1, "b": 0, "c": 0})
    stage.main([*arguments, json.dumps({"dataset": PARAMS})])
    assert np.load(tmp_path / "made/context.npy", mmap_mode="r").shape == (0, 5, 2)
    assert table(tmp_path / "made/context_rows.csv") == []


def test_shards_of_different_features_are_refused(tmp_path):
    arguments = a_set(tmp_path, {"a": 1, "b": 0, "c": 0})
    with shards.write_shard(tmp_path / "shard-1.zip", {**FEATURES, "kind": "mfcc"}):
        pass
    with pytest.raises(InputError, match=r"shard-1\.zip: made with another features block; expected"):
        stage.main([*arguments, json.dumps({"dataset": PARAMS})])
