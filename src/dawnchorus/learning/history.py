"""What a training history says; ``history``: epoch (from 1), loss, and, if there was validation, val_loss."""

import pandas as pd


def best_epoch(history: pd.DataFrame) -> int | None:
    """Return the epoch with the lowest validation loss (the first of equals); None when none was validated."""
    if "val_loss" not in history or not history["val_loss"].notna().any():
        return None
    return int(history["epoch"][history["val_loss"].idxmin()])


def kept_epoch(history: pd.DataFrame, early_stopping: bool) -> int:
    """Return the epoch whose weights were kept: that of the lowest validation loss, or the last."""
    best = best_epoch(history) if early_stopping else None
    return int(history["epoch"].iloc[-1]) if best is None else best
