"""A presence network: what it learns from, that it learns, that a killed training leaves no trace, what it saves."""

import json

import numpy as np
import pandas as pd
import pytest

from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import device, model_file, presence, saved_model, stretches
from dawnchorus.learning.presence_targets import UNKNOWN
from dawnchorus.partitioning import held_back

FEATURES = {
    **{"kind": "log_mel", "sample_rate_hz": 8000, "n_fft": 256, "hop_length": 80, "deltas": 0, "clip": "annotation"},
    **{"window_s": 1.0, "jitter_s": 0.0, "context_clips": 0, "context_gap_s": 0.5},
    **{"n_mels": 8, "f_min_hz": 0.0, "f_max_hz": 4000.0, "mel_sample_rate_hz": None},
}
BLOCK = {
    **{"network": "crnn", "stretch_s": 0.8, "margin_s": 0.1, "pool_frames": 2, "background_quantile": 0.5},
    **{"widths": [8, 8], "units": 8, "dropout": 0.0, "epochs": 3, "steps": 6, "batch_size": 8},
    **{"learning_rate": 0.02, "weight_decay": 0.0, "overlay_share": 0.5, "overlay_gain_db": 3.0, "band_shift": 0.0},
    **{"frequency_masks": 0, "frequency_mask_width": 0, "mixed_precision": False, "ema_momentum": 0.5},
    **{"equalizer_db": 0.0, "equalizer_points": 4, "pseudo_label_rounds": 0},
}
PARAMS = {"seed": 1, "presence": BLOCK, "features": FEATURES}
CLASSES = [{"class_index": n, "species_id": name, "species_name": name.upper()} for n, name in enumerate("ab")]


def recording(seed: int, n_frames: int = 400) -> tuple[np.ndarray, pd.DataFrame]:
    """Return frames in which species a lifts the low bands and b the high ones, and its annotations."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(-70, 2, (n_frames, 8)).astype(np.float32)
    rows = []
    for index, bands in ((0, slice(0, 4)), (1, slice(4, 8))):
        for _ in range(4):
            start = int(rng.integers(0, n_frames - 20))
            frames[start : start + 20, bands] += 30
            rows.append({"class_index": index, "t_min_s": (start - 0.5) / 100, "t_max_s": (start + 19.5) / 100})
    return frames, pd.DataFrame(rows).assign(recording_id=f"r{seed}", partition="train")


def soundings(rows, frames, partitions=("train",), unknown=(), absent=(), annotated="all", belongs="train", **part):
    return presence.soundings(
        lambda name: frames,
        [{"recording_id": "r1", "partition": belongs}],
        rows,
        list(partitions),
        unknown,
        absent,
        ["a", "b"],
        {**PARAMS, "data": {"annotated": annotated}},
        **part,
    )


@pytest.mark.parametrize(("n_frames", "expected"), [(20, [8, 2]), (4, [2]), (2, [1])])
def test_a_recording_too_short_to_hold_a_part_back_is_learned_from_whole(n_frames, expected):
    frames, rows = recording(1)
    parts = (held_back.TRAINS, held_back.VALIDATES)
    found = [soundings(rows, frames[:n_frames], part=part, parted={"r1"}) for part in parts]
    assert [len(of.targets) for one in found for of in one] == expected


def test_annotations_of_another_partition_are_unknown_and_nothing_else_is():
    frames, rows = recording(1)
    rows.loc[rows["class_index"] == 1, "partition"] = "test"
    (of,) = soundings(rows, frames, belongs="mixed")
    others = rows[rows["class_index"] == 1]
    middles_s = (np.arange(len(of.targets)) * 2 + 0.5) / 100
    inside = (
        (middles_s[:, None] > others["t_min_s"].to_numpy()) & (middles_s[:, None] < others["t_max_s"].to_numpy())
    ).any(axis=1)
    assert (of.targets[inside, 1] == UNKNOWN).all()
    assert (of.targets[:, 1] <= 0).all(), "what the test rows say is not learned"
    assert (of.targets[:, 0] == 1).any()
    assert soundings(rows, frames, ["validation"], belongs="mixed") == []


def test_unknown_spans_and_checked_boxes_are_those_of_their_recording_and_species():
    frames, rows = recording(1)
    span = {"recording_id": "r1", "t_min_s": 0.0, "t_max_s": 4.0}
    (of,) = soundings(rows, frames, unknown=[{**span, "species_id": "b"}])
    assert set(np.unique(of.targets[:, 1])) >= {UNKNOWN, 1.0}
    assert not (of.targets[:, 1] == 0).any()
    assert not (of.targets[:, 0] == UNKNOWN).any()
    (of,) = soundings(rows, frames, unknown=[{**span, "species_id": "", "recording_id": "r2"}])
    assert not (of.targets == UNKNOWN).any()
    (of,) = soundings(rows, frames, annotated="boxes", absent=[{**span, "species_id": "a"}])
    assert (of.targets[:, 0] == 0).any()
    assert not (of.targets[:, 1] == 0).any()


def test_a_recording_without_a_call_is_learned_from_too():
    frames, rows = recording(1)
    (of,) = soundings(rows.iloc[:0], frames)
    assert (of.targets == 0).all()


def trained(tmp_path=None, epochs=3, **changes):
    pairs = [recording(seed) for seed in range(1, 5)]
    made = []
    for frames, rows in pairs:
        made += soundings(rows.assign(recording_id="r1"), frames)
    params = {**PARAMS, "presence": {**BLOCK, "epochs": epochs, **changes}}
    checkpoint = (tmp_path / "checkpoint.npz", "key") if tmp_path else None
    return presence.train(made[:3], made[3:], CLASSES, params, 1, lambda line: None, checkpoint), made


@pytest.mark.long
def test_stretches_drawn_ahead_by_several_threads_are_the_same(monkeypatch):
    (model, history, _), _ = trained(epochs=2)
    monkeypatch.setattr(device, "drawing_threads", lambda used, threads: 3)
    (ahead, same, _), _ = trained(epochs=2)
    assert same == history
    assert all((a == b).all() for a, b in zip(model.get_weights(), ahead.get_weights(), strict=True))


@pytest.mark.long
def test_it_learns_two_species_at_once_and_saves_what_it_needs(tmp_path):
    (model, history, card), made = trained(epochs=8)
    assert history[-1]["loss"] < history[0]["loss"] / 3
    assert history[-1]["val_loss"] < history[0]["val_loss"] / 3
    batch = np.stack([stretches.above_background(made[3].frames[:80], 0.5)])
    logits = np.asarray(model.predict_on_batch(batch))[0]
    right = (logits > 0) == (made[3].targets[:40] > 0.5)
    assert right.mean() > 0.9
    saved_model.save(model, card, tmp_path / "presence.keras")
    again, read = model_file.load(tmp_path / "presence.keras", 1)
    assert (np.asarray(again.predict_on_batch(batch))[0] == logits).all()
    assert read["presence"] == {**BLOCK, "epochs": 8}
    assert (read["input_shape"], read["epochs_trained"]) == ([80, 8], 8)


def test_unknown_frames_cost_nothing(eager):
    from dawnchorus.learning.presence_training import Loss

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (3, 5, 2)).astype(np.float32)
    truth[0, :, 1] = UNKNOWN
    truth[2] = UNKNOWN
    logits = rng.normal(size=(3, 5, 2)).astype(np.float32)
    known = truth != UNKNOWN
    plain = np.log1p(np.exp(-np.where(truth == 1, logits, -logits)))[known].mean()
    assert float(Loss()(truth, logits)) == pytest.approx(plain, rel=1e-5)
    logits[2] = 1e3
    assert float(Loss()(truth, logits)) == pytest.approx(plain, rel=1e-5)


@pytest.mark.long
def test_a_killed_training_is_resumed_without_a_trace(tmp_path, monkeypatch):
    from dawnchorus.learning import training

    (model, history, _), _ = trained()
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL_S", 0.0)
    saved, on_epoch_begin = [], training.Checkpoint.on_epoch_begin

    def killed(self, epoch, logs=None):
        on_epoch_begin(self, epoch, logs)
        if epoch == 2 and not saved:
            saved.append(epoch)
            raise KeyboardInterrupt

    monkeypatch.setattr(training.Checkpoint, "on_epoch_begin", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path)
    (resumed, after, _), _ = trained(tmp_path)
    assert after == history
    assert all((a == b).all() for a, b in zip(model.get_weights(), resumed.get_weights(), strict=True))
    assert not list(tmp_path.iterdir())


def test_recordings_of_which_nothing_is_known_are_one_line():
    frames, rows = recording(1)
    made = soundings(rows.iloc[:0], frames, annotated="boxes")
    with pytest.raises(InputError, match="no recording of partition train of which anything is known"):
        presence.train(made, [], CLASSES, PARAMS, 1, print)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"presence": {**BLOCK, "pool_frames": 3}}, "presence.pool_frames: 3: expected one of 1, 2, 4, 8"),
        ({"input_shape": [90, 8]}, r"input_shape: \[90, 8\]: expected \[80, 8\]"),
        ({"features": {**FEATURES, "sample_rate_hz": None}}, "features.sample_rate_hz"),
        ({"features": {**FEATURES, "n_mels": 9}}, "input_shape"),
        ({"features": {**FEATURES, "kind": "x"}}, 'features.kind: "x": expected one of'),
    ],
)
def test_a_card_that_says_something_else_is_one_line(tmp_path, change, said):
    card = {**PARAMS, "classes": CLASSES, "input_shape": [80, 8], **change}
    saved_model.save_card(card, tmp_path / "presence.keras")
    with pytest.raises(InputError, match=said):
        from dawnchorus.detection.presence_scoring import Recipe

        Recipe.of_card(model_file.read_card(tmp_path / "presence.keras"), "presence.keras")


def test_a_card_alone_says_what_was_asked_for(tmp_path):
    saved_model.save_card({"classes": CLASSES, "presence": {"network": "none"}}, tmp_path / "presence.keras")
    card = model_file.read_card(tmp_path / "presence.keras")
    assert not presence.wanted(card["presence"])
    assert json.dumps(card["classes"]) == json.dumps(CLASSES)


def test_without_a_known_absence_there_is_nothing_to_learn():
    frames, rows = recording(1)
    made = soundings(rows, frames, annotated="boxes")
    with pytest.raises(InputError, match="no species is known to be absent anywhere"):
        presence.train(made, [], CLASSES, PARAMS, 1, print)
