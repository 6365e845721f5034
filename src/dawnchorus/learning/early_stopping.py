"""When a training stops for its validation loss, and what it then keeps: one rule for every kind of model."""

import math
from typing import Any


class EarlyStopping:
    """Knows which epoch had the lowest validation loss, and stops ``patience`` epochs after it.

    ``best_loss``, ``waited`` (epochs since the best one) and ``kept`` (what was fitted in the best one, put there by
    whoever trains) are all its state.
    """

    def __init__(self, patience: int):
        self.patience = patience
        self.best_loss, self.waited = math.inf, 0
        self.kept: Any = None

    def is_best(self, validation_loss: float) -> bool:
        """Count an epoch, and return whether it is the best so far: the caller then sets ``kept``.

        The first one is, even if its loss is not a number.
        """
        best = self.kept is None or validation_loss < self.best_loss
        self.waited = 0 if best else self.waited + 1
        if validation_loss < self.best_loss:
            self.best_loss = float(validation_loss)
        return best

    @property
    def exhausted(self) -> bool:
        """Whether patience is at its end."""
        return self.waited >= self.patience


def of(patience: int | None, n_validation_rows: int) -> EarlyStopping | None:
    """Return the rule for a training; None without patience, or without validation rows to stop for."""
    return EarlyStopping(patience) if patience is not None and n_validation_rows else None
