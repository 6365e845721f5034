"""Where overfitting begins: the article's network from its LSTM alone upwards, layer by layer, then with dropout.

Every step is trained in the same plain way (:mod:`dawnchorus.learning.study_steps`), with nothing that holds
overfitting back.
"""

from collections.abc import Sequence

import pandas as pd

from dawnchorus.foundation.errors import InputError
from dawnchorus.learning.history import best_epoch


def validated(history: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return a training history; one without validation raises :class:`InputError` naming ``source``."""
    if history["val_loss"].isna().any():
        raise InputError(f"{source}: no validation loss; expected validation rows (split.validation_fraction)")
    return history


def turning_point(history: pd.DataFrame) -> int | None:
    """Return the epoch where overfitting begins, that of the lowest validation loss; None where that is the last.

    There the loss still falls, so no overfitting was seen in these epochs.
    """
    best = best_epoch(history)
    return None if best == int(history["epoch"].iloc[-1]) else best


def table(labels: Sequence[str], histories: Sequence[pd.DataFrame]) -> list[dict]:
    """Return one row a step: the epoch where overfitting begins, and the gap there and at the last epoch.

    Where no overfitting was seen there is no such epoch, and no gap there: None.

    ``histories``: epoch, loss, accuracy, val_loss, val_accuracy. Gaps are training minus validation for the accuracy
    and the reverse for the loss, so that overfitting is positive.
    """
    rows = []
    for number, (label, history) in enumerate(zip(labels, histories, strict=True), start=1):
        turn = turning_point(history)
        row = {"step": number, "network": label, "overfitting_begins_at_epoch": turn}
        for when, epoch in (("there", turn), ("last", int(history["epoch"].iloc[-1]))):
            at = None if epoch is None else history[history["epoch"] == epoch].iloc[0]
            for name in ("accuracy", "val_accuracy", "loss", "val_loss"):
                row[f"{name}_{when}"] = None if at is None else float(at[name])
            row[f"gap_accuracy_{when}"] = None if at is None else float(at["accuracy"] - at["val_accuracy"])
            row[f"gap_loss_{when}"] = None if at is None else float(at["val_loss"] - at["loss"])
        rows.append(row)
    return rows


def sentence(row: dict) -> str:
    """Say in one line what a row of the table says."""
    turn = row["overfitting_begins_at_epoch"]
    begins = (
        "no overfitting seen, validation loss still falls" if turn is None else f"overfitting begins at epoch {turn}"
    )
    return (
        f"{row['network']}: {begins}; at the last epoch, "
        f"accuracy {row['accuracy_last']:.3f} in training and {row['val_accuracy_last']:.3f} in validation, gap "
        f"{row['gap_accuracy_last']:.3f}"
    )
