"""Fit a network to the rows of a memory-mapped array."""

from collections.abc import Callable

import keras
import numpy as np

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")


class Batches(keras.utils.PyDataset):
    """Batches of a memory-mapped array: only the rows of the batch at hand are read.

    Args:
        x: features, shape (rows, frames, n_features), float32, possibly memory-mapped.
        y: class index of each row, shape (rows,).
        rows: which rows to serve, in this order unless ``rng`` is given.
        rng: draws a new order before each epoch; None keeps the order of ``rows``.
    """

    def __init__(self, x, y, rows, batch_size: int, rng: np.random.Generator | None = None):
        super().__init__()
        self.x, self.y, self.rows = x, y, np.array(rows)
        self.batch_size, self.rng = batch_size, rng
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rows[index * self.batch_size : (index + 1) * self.batch_size]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self) -> None:
        if self.rng is not None:
            self.rng.shuffle(self.rows)


class Report(keras.callbacks.Callback):
    """Collect the history and say one line an epoch, so that a log shows where training is."""

    def __init__(self, epochs: int, say: Callable[[str], None]):
        super().__init__()
        self.epochs, self.say, self.rows = epochs, say, []

    def on_epoch_end(self, epoch, logs=None):
        row = {key: float(value) for key, value in logs.items()}
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        self.rows.append({"epoch": epoch + 1, **row})
        values = ", ".join(f"{key} {row[key]:.4f}" for key in METRICS if key in row)
        self.say(f"epoch {epoch + 1}/{self.epochs}: {values}")


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    params: dict,
    rng: np.random.Generator,
    say: Callable[[str], None] = print,
) -> list[dict]:
    """Train a model in place and return its history, one row an epoch.

    With ``early_stopping_patience`` the weights of the epoch with the lowest validation loss are restored;
    with null, or without validation rows, those of the last epoch stay.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(params["learning_rate"]),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    report = Report(params["epochs"], say)
    callbacks = [report]
    if params["early_stopping_patience"] is not None and len(validation):
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=params["early_stopping_patience"], restore_best_weights=True
            )
        )
    size = params["batch_size"]
    model.fit(
        Batches(x, y, train, size, rng if params["shuffle"] else None),
        validation_data=Batches(x, y, validation, size) if len(validation) else None,
        epochs=params["epochs"],
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    return report.rows
