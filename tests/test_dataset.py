import csv
import json

import numpy as np
import pytest

from arguments import dataset_paths
from dawnchorus.features import shards
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import assembly, dataset
from dawnchorus.stages import dataset as stage
from dawnchorus.tables.definitions import ANNOTATIONS


def clips(lengths=(3, 7, 5), n_features=4, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.normal(50, 3, size=(n, n_features)) * [1, 2, 3, 4]).astype("f4") for n in lengths]


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


def block(normalization, frames, padding="right", clip_normalization="none"):
    return {
        "normalization": normalization,
        "clip_normalization": clip_normalization,
        "frames": frames,
        "padding": padding,
        "features": {"deltas": 0},
    }


def test_clip_normalization_by_its_definition():
    (piece,) = clips((9,))
    median = dataset.clip_normalized(piece, "median", 0)
    np.testing.assert_allclose(median, piece - np.median(piece, axis=0), atol=1e-5)
    standard = dataset.clip_normalized(piece, "standard", 0)
    np.testing.assert_allclose(standard, (piece - piece.mean()) / piece.std(), atol=1e-4)
    assert standard.dtype == np.float32
    # Differences over time have nothing taken away, and the scale of what they are differences of.
    with_deltas = dataset.clip_normalized(np.hstack([piece, 0 * piece + 3]), "standard", 1)
    np.testing.assert_allclose(with_deltas[:, :4], standard, atol=1e-5)
    np.testing.assert_allclose(with_deltas[:, 4:], 3 / piece.std(), rtol=1e-5)
    assert not dataset.clip_normalized(np.full((3, 2), 7, "f4"), "standard", 0).any()
    assert dataset.clip_normalized(piece, "none", 0) is piece
    with pytest.raises(InputError, match=r"dataset\.clip_normalization: 'max'"):
        dataset.clip_normalized(piece, "max", 0)


def test_statistics_are_those_of_clips_that_were_normalized_by_themselves():
    pieces = clips()
    own = np.concatenate([piece - np.median(piece, axis=0) for piece in pieces])
    statistics = dataset.fit_statistics(pieces, block("per_feature", 9, clip_normalization="median"))
    np.testing.assert_allclose(statistics["offset"], own.mean(axis=0), atol=1e-4)
    row, n = dataset.normalized(pieces[0], statistics)
    np.testing.assert_allclose(row[:n], (own[:n] - own.mean(axis=0)) / own.std(axis=0), atol=1e-4)


def test_per_feature_frames_have_mean_0_and_deviation_1_and_padding_stays_0():
    pieces = clips()
    statistics = dataset.fit_statistics(pieces, block("per_feature", 9))
    rows = [dataset.normalized(piece, statistics) for piece in pieces]
    sounding = np.concatenate([row[:n] for row, n in rows])
    np.testing.assert_allclose(sounding.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(sounding.std(axis=0), 1, rtol=1e-5)
    assert all((row[n:] == 0).all() for row, n in rows)


def test_a_feature_that_never_varies_becomes_0_not_nan():
    piece = np.hstack([np.full((5, 1), 7.0), np.arange(5.0)[:, None]]).astype("f4")
    row, _ = dataset.normalized(piece, dataset.fit_statistics([piece], block("per_feature", 5)))
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
    statistics = dataset.fit_statistics(pieces, block("min_max_std", 10, "centre"))
    got = np.stack([dataset.normalized(piece, statistics)[0] for piece in pieces])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_nothing_to_fit_on_or_nothing_that_varies_is_an_error():
    with pytest.raises(InputError, match="no clip to fit"):
        dataset.fit_statistics([], block("per_feature", 5))
    with pytest.raises(InputError, match="all feature values are equal"):
        dataset.fit_statistics([np.zeros((5, 2), "f4")], block("min_max_std", 5))


# the stage

FEATURES = {"kind": "log_mel", "deltas": 0, "clip": "window", "window_s": 3.0, "jitter_s": 1.0, "context_clips": 2}
FILES = ["ab12"]
SPLIT = {"method": "grouped", "group": "recording_id"}
PARAMS = {
    "frames": None,
    "clip_normalization": "none",
    "padding": "right",
    "normalization": "per_feature",
    "fit_on": "train",
}


def a_set(folder, n_context, margins=False, boxes=()):
    """Write two shards of recordings a, b and c, the last two in the test partition; return the arguments.

    ``boxes``: recording, species and site of each box that was checked not to hold its species.

    ``n_context``: how many clips without annotation each has. Each of their values is a number of its own.
    ``margins``: whether clips have a second of margin on both sides; a frame is a second.
    """
    species = {"a": "xyx", "b": "yxy", "c": "x"}
    rng = np.random.default_rng(0)
    rows = [(recording, of) for recording in species for of in species[recording]]
    header = ",".join(ANNOTATIONS.names)
    with open(folder / "annotations.csv", "w") as file:
        file.write(f"{header},row\n")
        file.writelines(f"{n},{recording},{of},{of},,11,12,,,odd\n" for n, (recording, of) in enumerate(rows))
    with open(folder / "split.csv", "w") as file:
        file.write("annotation_id,recording_id,group,partition\n")
        parts = {recording: "train" if recording == "a" else "test" for recording in species}
        file.writelines(f"{n},{key},at {key},{parts[key]}\n" for n, (key, _) in enumerate(rows))
    with open(folder / "false_positives.csv", "w") as file:
        file.write(f"{header},site\n")
        file.writelines(f"{n},{recording},{of},{of},,0,1,,,{site}\n" for n, (recording, of, site) in enumerate(boxes))
    with shards.write_shard(folder / "negatives.zip", FEATURES, FILES) as writer:
        for recording in sorted({box[0] for box in boxes}):
            # The value of a frame is that of its row; the lengths are 2 frames, and 9, longer than any annotation.
            numbers = [n for n, box in enumerate(boxes) if box[0] == recording]
            arrays = [np.full((9 if n == 1 else 2, 2), n, "f4") for n in numbers]
            clips_s = {"annotation": [(0.0, 1.0)] * len(arrays), "margin": [], "context": []}
            writer.add(recording, "s", clips_s, arrays)
    for number, held in enumerate(("ac", "b")):
        with shards.write_shard(folder / f"shard-{number}.zip", FEATURES, FILES) as writer:
            for recording in held:
                n_clips, n_free = len(species[recording]), n_context[recording]
                wide = [rng.normal(size=(5 + n, 2)).astype("f4") for n in range(n_clips)]
                arrays = [clip[1:-1] for clip in wide] + (wide if margins else [])
                arrays += [np.full((2, 2), 100 * ord(recording) + n, "f4") for n in range(n_free)]
                clips_s = {
                    "annotation": [(10.0, 13.0)] * n_clips,
                    "margin": [(9.0, 13.0 + n) for n in range(n_clips)] * margins,
                    "context": [(0.0, 1.0)] * n_free,
                }
                writer.add(recording, "s", clips_s, arrays)
    arguments = {"--annotations": "annotations.csv", "--split": "split.csv"}
    arguments |= {"--negatives": "negatives.zip", "--false-positives": "false_positives.csv"}
    words = [word for key, name in arguments.items() for word in (key, str(folder / name))]
    words += ["--output", *dataset_paths(folder / "made")]
    return [*words, "--shards", *(str(folder / f"shard-{n}.zip") for n in range(2)), "--params"]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_stage_writes_clips_without_annotation_as_they_were_extracted(tmp_path, capsys):
    arguments = a_set(tmp_path, {"a": 2, "b": 2, "c": 0})
    stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": SPLIT})])
    made = tmp_path / "made"
    statistics = json.loads((made / "statistics.json").read_text())
    assert statistics["features"] == FEATURES
    assert statistics["feature_files"] == FILES
    rows = table(made / "context_rows.csv")
    assert [row["row"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["recording_id"] for row in rows] == ["a", "a", "b", "b"]
    assert [row["partition"] for row in rows] == ["train", "train", "test", "test"]
    assert {row["n_frames"] for row in rows} == {"2"}
    context = np.load(made / "context.npy")
    np.testing.assert_array_equal(context[:, :2], [np.full((2, 2), value) for value in (9700, 9701, 9800, 9801)])
    assert context.shape == (4, 5, 2)
    assert (context[:, 2:] == 0).all()
    assert "4 clips without annotation, of 2 recordings" in capsys.readouterr().out
    # The statistics are those of the training clips alone, and a column of the user's table changes no number.
    with shards.Shard(tmp_path / "shard-0.zip") as shard:
        known = np.concatenate(shard.features_of_clips("a"))
    np.testing.assert_allclose(statistics["offset"], known.mean(axis=0), rtol=1e-5)
    assert [row["row"] for row in table(made / "rows.csv")] == [str(n) for n in range(7)]


def test_stage_writes_training_clips_with_their_margins(tmp_path):
    arguments = a_set(tmp_path, {"a": 0, "b": 0, "c": 0}, margins=True)
    stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": SPLIT})])
    rows, training = table(tmp_path / "made/training_rows.csv"), np.load(tmp_path / "made/training.npy")
    assert [row["annotation_id"] for row in rows] == ["0", "1", "2"]
    assert [row["n_frames"] for row in rows] == ["3", "4", "5"]
    with shards.Shard(tmp_path / "shard-0.zip") as shard:
        wide = shard.features_of_clips("a", "margin")
    assert training.shape == (3, 7, 2)
    for clip, row in zip(wide, training, strict=True):
        np.testing.assert_array_equal(row[: len(clip)], clip)
        assert not row[len(clip) :].any()
    # 5 frames of 4 s: the window of 3 s lies at 10 s, a second into its margin, and may start a frame to each side.
    assert (rows[0]["first_start"], rows[0]["last_start"]) == ("0", "1")
    assert (rows[1]["first_start"], rows[1]["last_start"]) == ("0", "2")
    x = np.load(tmp_path / "made/x.npy")
    statistics = json.loads((tmp_path / "made/statistics.json").read_text())
    np.testing.assert_allclose(dataset.normalized(wide[0][1:4], statistics)[0], x[0])


def test_stage_without_context_or_margins(tmp_path):
    arguments = a_set(tmp_path, {"a": 1, "b": 0, "c": 0})
    stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": SPLIT})])
    assert np.load(tmp_path / "made/context.npy", mmap_mode="r").shape == (1, 5, 2)
    rows, training = table(tmp_path / "made/training_rows.csv"), np.load(tmp_path / "made/training.npy")
    assert {(row["first_start"], row["last_start"]) for row in rows} == {("0", "0")}
    assert training.shape == (3, 5, 2)


def test_a_recording_with_rows_in_several_partitions_lends_its_background_to_none(tmp_path):
    arguments = a_set(tmp_path, {"a": 2, "b": 0, "c": 0})
    split = (tmp_path / "split.csv").read_text().replace("1,a,at a,train", "1,a,at a,test")
    (tmp_path / "split.csv").write_text(split)
    stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": SPLIT})])
    assert {row["partition"] for row in table(tmp_path / "made/context_rows.csv")} == {"several"}


def test_shards_of_different_features_are_refused(tmp_path):
    arguments = a_set(tmp_path, {"a": 1, "b": 0, "c": 0})
    with shards.write_shard(tmp_path / "shard-1.zip", {**FEATURES, "kind": "mfcc"}):
        pass
    with pytest.raises(InputError, match=r"shard-1\.zip: made with another features block; expected"):
        stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": SPLIT})])


def test_shards_of_different_files_are_refused(tmp_path):
    arguments = a_set(tmp_path, {"a": 1, "b": 0, "c": 0})
    with shards.write_shard(tmp_path / "shard-1.zip", FEATURES, ["cd34"]):
        pass
    with pytest.raises(InputError, match=r"shard-1\.zip: made with other files that its kind .* read; expected those"):
        stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": SPLIT})])


def test_boxes_without_their_species_are_cut_like_clips_and_stay_with_their_recordings(tmp_path):
    boxes = [("b", "x", "at a"), ("a", "y", "at b"), ("z", "x", "at b"), ("b", "y", ""), ("n", "y", "nowhere")]
    arguments = a_set(tmp_path, {"a": 1, "b": 1, "c": 0}, boxes=boxes)
    split = {"method": "grouped", "group": "site"}
    stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": split})])
    made = tmp_path / "made"
    rows = table(made / "negative_rows.csv")
    assert list(rows[0]) == ["row", "annotation_id", "recording_id", "class_index", "partition", "n_frames"]
    assert [row["row"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["recording_id"] for row in rows] == ["b", "a", "z", "b", "n"]
    assert [row["class_index"] for row in rows] == ["0", "1", "0", "1", "1"]
    # Recordings z and n have no annotation: z is of a site of the test, n of none that is known, so it is dealt.
    assert [row["partition"] for row in rows[:4]] == ["test", "train", "test", "test"]
    assert rows[4]["partition"] in {"train", "test"}
    assert [row["n_frames"] for row in rows] == ["2", "5", "2", "2", "2"]
    negatives, statistics = np.load(made / "negatives.npy"), json.loads((made / "statistics.json").read_text())
    assert negatives.shape == (5, *np.load(made / "x.npy").shape[1:])
    raw = negatives * statistics["scale"] + statistics["offset"]
    for number, row in enumerate(rows):
        n_frames = int(row["n_frames"])
        np.testing.assert_allclose(raw[number, :n_frames], number, atol=1e-5)
        assert (negatives[number, n_frames:] == 0).all()
    # They are in nothing else.
    without = tmp_path / "without"
    without.mkdir()
    arguments = a_set(without, {"a": 1, "b": 1, "c": 0})
    stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": SPLIT})])
    for name in ("x.npy", "rows.csv", "training.npy", "context.npy", "statistics.json", "classes.csv"):
        assert (made / name).read_bytes() == (without / "made" / name).read_bytes(), name
    assert np.load(without / "made/negatives.npy", mmap_mode="r").shape == (0, 5, 2)
    assert table(without / "made/negative_rows.csv") == []


def test_rows_drawn_one_by_one_give_a_box_the_partition_of_all_rows_of_its_recording(tmp_path):
    arguments = a_set(tmp_path, {"a": 1, "b": 1, "c": 0}, boxes=[("a", "x", ""), ("b", "x", "")])
    lines = (tmp_path / "split.csv").read_text().splitlines()
    lines[1] = lines[1].replace("train", "test")
    (tmp_path / "split.csv").write_text("\n".join(lines) + "\n")
    split = {"method": "article", "group": "recording_id"}
    stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": split})])
    assert [row["partition"] for row in table(tmp_path / "made/negative_rows.csv")] == ["train", "test"]


def test_what_one_long_clip_costs_is_said():
    # 98 of a hundred clips have 10 frames, two have 200: 19 of 20 frames of most rows are padding.
    said = assembly.padding([10] * 98 + [200] * 2)
    assert said.startswith("; 93 % of that is padding"), said
    assert "dataset.frames: 10 keeps 98 %" in said
    assert assembly.padding([10] * 90 + [20] * 10) == ""


def test_a_data_set_is_opened_by_one_call(tmp_path):
    arguments = a_set(tmp_path, {"a": 1, "b": 1, "c": 0}, boxes=[("b", "x", "")])
    stage.main([*arguments, json.dumps({"dataset": PARAMS, "split": SPLIT})])
    made = tmp_path / "made"
    opened = dataset.open_dataset(dataset_paths(made))
    assert opened.x.shape == (7, 5, 2)
    assert opened.rows["group"].tolist() == ["at a"] * 3 + ["at b"] * 3 + ["at c"]
    assert opened.rows["t_max_s"].tolist() == [12.0] * 7
    assert opened.rows_of("train").tolist() == [0, 1, 2]
    assert opened.rows_of("validation").tolist() == []
    assert opened.class_index.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert opened.classes["species_id"].tolist() == ["x", "y"]
    assert (len(opened.training), len(opened.context), len(opened.negatives)) == (3, 2, 1)
    assert opened.statistics["frames"] == 5

    with pytest.raises(InputError, match=r"data set: .*: expected the files x\.npy"):
        dataset.open_dataset(dataset_paths(made)[1:])
    np.save(made / "context.npy", np.zeros((1, 5, 2), "f4"))
    with pytest.raises(InputError, match=r"context\.npy: 1 rows, but 2 in context_rows\.csv"):
        dataset.open_dataset(dataset_paths(made))
    (made / "context.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"context\.npy: not a usable array"):
        dataset.open_dataset(dataset_paths(made))


def test_a_row_that_is_not_used_leaves_no_trace(tmp_path):
    """Rows 4 and 6 of seven; the latter is all that recording c has, whose context then goes too."""
    params = [json.dumps({"dataset": PARAMS, "split": SPLIT})]
    (tmp_path / "whole").mkdir()
    stage.main([*a_set(tmp_path / "whole", {"a": 1, "b": 1, "c": 1}, margins=True), *params])
    arguments = a_set(tmp_path, {"a": 1, "b": 1, "c": 1}, margins=True)
    split = (tmp_path / "split.csv").read_text()
    (tmp_path / "split.csv").write_text(
        split.replace("4,b,at b,test", "4,b,at b,unused").replace("at c,test", "at c,unused")
    )
    stage.main([*arguments, *params])
    whole, made, left = tmp_path / "whole/made", tmp_path / "made", [0, 1, 2, 3, 5]
    assert np.array_equal(np.load(made / "x.npy"), np.load(whole / "x.npy")[left])
    rows, all_rows = table(made / "rows.csv"), table(whole / "rows.csv")
    assert [{**row, "row": ""} for row in rows] == [{**all_rows[n], "row": ""} for n in left]
    assert [row["row"] for row in rows] == list("01234")
    for name in ("training.npy", "training_rows.csv"):
        assert (made / name).read_bytes() == (whole / name).read_bytes()
    assert [row["recording_id"] for row in table(made / "context_rows.csv")] == ["a", "b"]
