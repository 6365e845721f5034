"""Rounds of pseudo-labels, with tiny networks: what is unknown gets soft targets, what is known never changes."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from dawnchorus.foundation.seeds import derived_seed
from dawnchorus.learning import (
    device,
    presence,
    presence_network,
    presence_targets,
    presence_training,
    pseudo_labels,
    stretches,
)
from dawnchorus.learning.presence_targets import UNKNOWN
from dawnchorus.learning.stretches import Sounding
from dawnchorus.workflow import params_file

FEATURES = {"hop_length": 80, "sample_rate_hz": 8000}
BANDS = 4
CLASSES = [{"class_index": n, "species_id": f"s{n}", "species_name": f"S{n}"} for n in range(2)]
BLOCK = {
    **params_file.defaults()["presence"],
    **{"widths": [3], "units": 2, "epochs": 2, "steps": 2, "batch_size": 3, "stretch_s": 0.4, "margin_s": 0.1},
    **{"network": "crnn", "pool_frames": 2, "frequency_masks": 0, "pseudo_label_rounds": 0},
}
N_FRAMES, MARGIN = stretches.n_frames_of(BLOCK, FEATURES)


class Position:
    """A network whose logits are the mean level of a frame of presence, and its negative."""

    def predict_on_batch(self, x):
        level = x.reshape(len(x), -1, BLOCK["pool_frames"], BANDS).mean(axis=(2, 3))
        return np.stack([level, -level], axis=2)


def recording(n_targets=150, seed=0, unknown=0.6) -> Sounding:
    """Return noise of which some frames are known, of some species."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(-60, 10, (n_targets * BLOCK["pool_frames"], BANDS)).astype(np.float32)
    targets = (rng.random((n_targets, 2)) > 0.7).astype(np.float32)
    targets[rng.random((n_targets, 2)) < unknown] = UNKNOWN
    return Sounding(frames, targets)


def trained(of, rounds=0, checkpoint=None, say=lambda text: None, kept=None, **block):
    params = {"seed": 3, "presence": {**BLOCK, "pseudo_label_rounds": rounds, **block}, "features": FEATURES}
    return presence.train(of, of[:1], CLASSES, params, 1, say, checkpoint, kept)


@pytest.mark.parametrize("n_targets", [3, 10, 20, 21, 57, 150])
def test_every_frame_has_the_score_of_a_stretch_around_it(n_targets):
    """Levels above the lowest of all are the same in every stretch that holds it: then stretches leave no trace."""
    of = recording(n_targets)
    # The background is the lowest frame of a stretch: put one into each, far below the others, but not out of range.
    of.frames[:] = np.clip(of.frames, -70, -50)
    of.frames[:: N_FRAMES // 4] = -90
    params = {**BLOCK, "background_quantile": 0.0}
    found = pseudo_labels.scores(Position(), of, N_FRAMES, MARGIN, params)
    level = (of.frames.reshape(n_targets, -1).mean(axis=1) + 90) / 10
    np.testing.assert_allclose(found, expit(np.stack([level, -level], axis=1)), rtol=1e-5)


def test_away_from_the_ends_no_score_is_of_a_margin():
    class Edges:
        """A network that is sure in the margins of a stretch alone."""

        def predict_on_batch(self, x):
            logits = np.full((len(x), N_FRAMES // 2, 2), -9.0)
            logits[:, : MARGIN // 2] = logits[:, -MARGIN // 2 :] = 9.0
            return logits

    found = pseudo_labels.scores(Edges(), recording(100), N_FRAMES, MARGIN, BLOCK)
    inside = found[MARGIN // 2 : -MARGIN // 2]
    assert (inside < 0.5).mean() > 0.9
    # The last stretch ends with the recording, and scores what the one before it left out.
    assert (found[: MARGIN // 2] > 0.5).all()
    assert (found[-MARGIN // 2 :] > 0.5).all()


def test_unknown_frames_get_soft_targets_and_known_ones_stay():
    of, known = recording(), recording(seed=1, unknown=0.0)
    before = of.targets.copy()
    filled, same = pseudo_labels.labelled([of, known], Position(), N_FRAMES, MARGIN, BLOCK)
    unknown = before == UNKNOWN
    assert (filled.targets[~unknown] == before[~unknown]).all()
    assert (filled.targets[unknown] == pseudo_labels.scores(Position(), of, N_FRAMES, MARGIN, BLOCK)[unknown]).all()
    assert ((filled.targets[unknown] > 0) & (filled.targets[unknown] < 1)).all()
    assert filled.targets.dtype == np.float32
    assert same is known
    assert (of.targets == before).all(), "the next round begins with what was unknown at first"


def test_where_other_partitions_are_annotated_nothing_is_filled():
    rows = pd.DataFrame(
        [("r", 0, "train", 0.2, 0.4), ("r", 1, "test", 1.0, 1.3)],
        columns=["recording_id", "class_index", "partition", "t_min_s", "t_max_s"],
    )
    frames = recording().frames
    params = {"presence": BLOCK, "features": FEATURES, "data": {"annotated": "boxes"}}
    given = [{"recording_id": "r", "partition": "mixed"}], rows, ["train"], [], [], ["s0", "s1"], params
    [of] = presence.soundings(lambda name: frames, *given)
    [filled] = pseudo_labels.labelled([of], Position(), N_FRAMES, MARGIN, BLOCK)
    edges_s = presence_targets.frame_edges_s(len(of.targets), 0.01, BLOCK["pool_frames"])
    foreign = (edges_s[:-1] < 1.3 - 1e-6) & (edges_s[1:] > 1.0 + 1e-6)
    assert (filled.targets[foreign] == UNKNOWN).all()
    assert not (filled.targets[~foreign] == UNKNOWN).any()
    [whole] = presence.soundings(lambda name: frames, given[0], rows[rows["partition"] == "train"], *given[2:])
    assert whole.closed is None


@pytest.mark.long
def test_no_round_is_the_training_itself_to_the_last_bit():
    of = [recording(seed=n) for n in range(3)]
    model, history, card = trained(of)
    device.prepare(derived_seed(3, "presence"), 1)
    drawn = stretches.Stretches(of, N_FRAMES, BLOCK, derived_seed(3, "stretches"))
    plain = presence_network.build((N_FRAMES, BANDS), 2, BLOCK)
    validation = presence.validation_stretches(of[:1], N_FRAMES, BLOCK)
    rows = presence_training.fit(plain, drawn, validation, BLOCK, lambda text: None)
    assert [row["loss"] for row in history] == [row["loss"] for row in rows]
    assert all((a == b).all() for a, b in zip(model.get_weights(), plain.get_weights(), strict=True))
    assert card["epochs_trained"] == 2


@pytest.mark.long
def test_rounds_are_skipped_where_nothing_is_unknown():
    said = []
    _, history, _ = trained([recording(seed=n, unknown=0.0) for n in range(2)], rounds=2, say=said.append)
    assert any("nothing is unknown" in text for text in said)
    assert len(history) == 2, "the epochs of one training"


class Killed(Exception):
    """What ends a training in the middle."""


@pytest.mark.long
def test_a_training_that_is_killed_between_rounds_goes_on_and_ends_the_same(tmp_path):
    of = [recording(seed=n) for n in range(2)]
    first, of_first, _ = trained(of)
    whole, history, card = trained(of, rounds=1)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert card["epochs_trained"] == 4
    assert history[:2] == of_first
    assert not all((a == b).all() for a, b in zip(first.get_weights(), whole.get_weights(), strict=True))

    def say(text):
        if text.startswith("round 1"):
            raise Killed

    checkpoint, again = (tmp_path / "presence_checkpoint.npz", "key"), []
    with pytest.raises(Killed):
        trained(of, rounds=1, checkpoint=checkpoint, say=say)
    assert [path.name for path in tmp_path.iterdir()] == ["presence_checkpoint_round.npz"]
    resumed, of_resumed, _ = trained(of, rounds=1, checkpoint=checkpoint, say=again.append)
    epochs = [text.partition(":")[0] for text in again if text.startswith("epoch")]
    assert epochs == ["epoch 3/4", "epoch 4/4"], "the first training is not done again"
    assert of_resumed == history
    assert all((a == b).all() for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.again
def test_a_round_more_is_one_training_more_and_a_round_less_is_none(tmp_path):
    """What is kept of a training that had other rounds is what one from nothing keeps, to the last byte."""
    of = [recording(seed=n) for n in range(2)]
    checkpoint, kept, anew = (tmp_path / "checkpoint.npz", "key"), tmp_path / "kept.npz", tmp_path / "anew.npz"
    whole, history, _ = trained(of, rounds=2, checkpoint=checkpoint, kept=anew)
    for rounds, n_epochs in ((0, 2), (2, 4), (1, 0), (2, 2)):
        said = []
        model, of_rounds, _ = trained(of, rounds=rounds, checkpoint=checkpoint, kept=kept, say=said.append)
        assert sum(text.startswith("epoch") for text in said) == n_epochs
        assert of_rounds == history[: 2 * (rounds + 1)]
    assert all((a == b).all() for a, b in zip(model.get_weights(), whole.get_weights(), strict=True))
    assert kept.read_bytes() == anew.read_bytes()
    said = []
    trained(of, rounds=1, checkpoint=(checkpoint[0], "other"), kept=kept, say=said.append)
    assert sum(text.startswith("epoch") for text in said) == 4


def test_what_is_done_is_kept_for_its_key_alone(tmp_path):
    path = tmp_path / "a.npz"
    done = [
        pseudo_labels.Training([{"epoch": 1, "loss": 0.5}], [np.arange(3.0), np.eye(2)]),
        pseudo_labels.Training([{"epoch": 1, "loss": 0.4}], [np.ones(3), np.zeros((2, 2))]),
    ]
    assert pseudo_labels.restored(path, "key") == []
    pseudo_labels.save(path, "key", done)
    found = pseudo_labels.restored(path, "key")
    assert [training.history for training in found] == [training.history for training in done]
    for one, other in zip(found, done, strict=True):
        assert all((a == b).all() for a, b in zip(one.weights, other.weights, strict=True))
    assert pseudo_labels.restored(path, "other") == []
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert pseudo_labels.restored(path, "key") == []
    # Every byte may be another: encrypted, packed as nobody knows, of another shape.
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x11]) + content[position + 1 :])
        found = pseudo_labels.restored(path, "key")
        assert [training.history for training in found] in ([], [training.history for training in done])
