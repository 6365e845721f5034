"""The study of overfitting: its steps, its plain training, its table by hand, its figure looked into."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from dawnchorus.evaluation import overfitting_study
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import study_steps
from dawnchorus.report import overfitting_figure
from dawnchorus.stages import overfitting_study as stage
from dawnchorus.tables import definitions, made

ROOT = Path(__file__).parents[1]
BLOCK = {"units": 8, "dense": [6, 4], "dropout": [0.2, 0.4], "epochs": 9, "batch_size": 4, "learning_rate": 0.01}


def history(losses, val_losses):
    return pd.DataFrame(
        {
            "epoch": range(1, len(losses) + 1),
            "loss": losses,
            "accuracy": [1 - loss / 4 for loss in losses],
            "val_loss": val_losses,
            "val_accuracy": [1 - loss / 4 for loss in val_losses],
        }
    )


OVERFITS = history([2.0, 1.0, 0.5, 0.1], [2.0, 1.5, 1.6, 2.4])


def test_steps_grow_by_a_layer_and_end_with_dropout():
    steps = study_steps.steps(BLOCK)
    assert [step["label"] for step in steps] == ["LSTM 8", "+ dense 6", "+ dense 4", "+ dropout"]
    assert [step["model"]["dense"] for step in steps] == [[], [6], [6, 4], [6, 4]]
    assert [step["model"]["dropout"] for step in steps] == [[], [], [], [0.2, 0.4]]
    assert len(study_steps.steps({**BLOCK, "dropout": []})) == 3


def test_the_plain_training_names_every_value_of_the_block_and_turns_all_off():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    made = study_steps.training(BLOCK)
    assert set(made) == set(params["train"])
    assert (made["epochs"], made["batch_size"], made["learning_rate"]) == (9, 4, 0.01)
    shares = ("mixup_share", "background_share", "label_smoothing", "ema_momentum", "weight_decay", "frequency_masks")
    assert all(made[name] == 0 for name in (*shares, "time_masks", "band_shift", "equalizer_gain"))
    assert made["time_stretch"] == 1


def test_the_table_by_hand():
    (row,) = overfitting_study.table(["LSTM 8"], [OVERFITS])
    assert row["overfitting_begins_at_epoch"] == 2
    assert row["gap_loss_there"] == pytest.approx(0.5)
    assert row["gap_loss_last"] == pytest.approx(2.3)
    assert row["gap_accuracy_last"] == pytest.approx(0.575)
    assert (row["accuracy_last"], row["val_accuracy_last"]) == pytest.approx((0.975, 0.4))


def test_where_the_validation_loss_still_falls_no_overfitting_was_seen():
    falls = history([2.0, 1.0, 0.5, 0.1], [2.0, 1.5, 1.4, 1.3])
    falling, turning = overfitting_study.table(["a", "b"], [falls, OVERFITS])
    assert falling["overfitting_begins_at_epoch"] is falling["gap_loss_there"] is None
    assert falling["gap_loss_last"] == pytest.approx(1.2)
    assert "no overfitting seen, validation loss still falls" in overfitting_study.sentence(falling)
    assert "overfitting begins at epoch 2" in overfitting_study.sentence(turning)
    drawn = overfitting_figure.draw(["a", "b"], [falls, OVERFITS])
    # Of each column the curves of both, and a third line where overfitting begins.
    assert [len(ax.lines) for ax in drawn.axes[:2]] == [2, 3]
    assert [ax.get_xlabel().split(":")[0] for ax in drawn.axes[4:]] == ["none seen", "overfits from epoch 2"]
    assert overfitting_figure.BEGINS in [text.get_text() for text in drawn.legends[0].get_texts()]


@pytest.mark.parametrize("n", [1, 5, 12])
def test_the_figure_shows_curves_turning_points_and_gaps(n):
    drawn = overfitting_figure.draw([f"step {k}" for k in range(n)], [OVERFITS] * n)
    assert len(drawn.axes) == 3 * n
    loss, accuracy, gap = drawn.axes[0], drawn.axes[n], drawn.axes[2 * n]
    np.testing.assert_allclose(loss.lines[1].get_ydata(), OVERFITS["val_loss"])
    np.testing.assert_allclose(accuracy.lines[0].get_ydata(), OVERFITS["accuracy"])
    assert loss.lines[2].get_xdata()[0] == 2
    assert gap.patches[0].get_height() == pytest.approx(0.575)
    assert loss.get_ylim()[1] > 2.0


def test_stage_writes_table_and_figure(tmp_path, capsys):
    paths = []
    for number in range(4):
        path = tmp_path / f"step-{number}.csv"
        made.write(path, definitions.HISTORY, OVERFITS.assign(learning_rate=0.01))
        paths.append(str(path))
    block = json.dumps({"overfitting_study": BLOCK})
    products = [str(tmp_path / f"out/overfitting_study.{suffix}") for suffix in ("csv", "png", "svg")]
    arguments = ["--histories", *paths, "--params", block, "--table", products[0], "--figures", *products[1:]]
    stage.main(arguments)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "overfitting_study.csv",
        "overfitting_study.png",
        "overfitting_study.svg",
    }
    table = pd.read_csv(tmp_path / "out/overfitting_study.csv")
    assert table["network"].tolist() == ["LSTM 8", "+ dense 6", "+ dense 4", "+ dropout"]
    assert "+ dropout: overfitting begins at epoch 2" in capsys.readouterr().out
    made.write(paths[0], definitions.HISTORY, OVERFITS.assign(learning_rate=0.01, val_loss=np.nan))
    with pytest.raises(InputError, match=r"step-0.csv: no validation loss; expected validation rows"):
        stage.main(arguments)
