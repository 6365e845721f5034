"""Fit a network to the rows of a memory-mapped array."""

from collections.abc import Callable

import keras
import numpy as np

from dawnchorus import augmentation

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")

# Where the cosine schedule starts and ends, as shares of the learning rate.
FIRST_RATE, LAST_RATE = 0.05, 0.01


class Batches(keras.utils.PyDataset):
    """Batches of a memory-mapped array: only the rows of the batch at hand are read, and changed for training.

    A batch depends on the seed, the epoch and its number alone, however it is fetched.

    Args:
        x: features, shape (rows, frames, n_features), float32, possibly memory-mapped.
        targets: what to learn, shape (rows,) class indices or (rows, classes) one-hot.
        rows: which rows to serve, in this order unless ``params`` shuffles.
        params: the block ``train``; None serves the rows as they are, for validation.
        seed: of the order and of the augmentation.
    """

    def __init__(self, x, targets, rows, batch_size: int, params: dict | None = None, seed: int = 0):
        super().__init__()
        self.x, self.targets, self.rows = x, targets, np.array(rows)
        self.batch_size, self.params, self.seed, self.epoch = batch_size, params, seed, 0
        self._order()

    def _order(self) -> None:
        self.served = self.rows
        if self.params is None or not self.params["shuffle"]:
            return
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.params["balanced_sampling"]:
            labels = self.targets.argmax(axis=1) if self.targets.ndim == 2 else self.targets
            counts = np.bincount(labels[self.rows])
            share = 1 / counts[labels[self.rows]]
            self.served = rng.choice(self.rows, size=len(self.rows), p=share / share.sum())
        else:
            self.served = rng.permutation(self.rows)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.served[index * self.batch_size : (index + 1) * self.batch_size]
        # Indexing with an array copies, so that the augmentation never writes into the data set.
        batch, targets = self.x[rows], self.targets[rows]
        if self.params is None:
            return batch, targets
        return augmentation.augment(batch, targets, self.params, np.random.default_rng([self.seed, self.epoch, index]))

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._order()


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


def learning_rate(params: dict, steps: int):
    """Return a constant rate, or a rise over the first ``warmup_share`` of the steps and a cosine down to 1 % of it."""
    peak = params["learning_rate"]
    if params["schedule"] == "constant":
        return peak
    warmup = max(1, round(params["warmup_share"] * steps))
    return keras.optimizers.schedules.CosineDecay(
        peak * FIRST_RATE, max(1, steps - warmup), alpha=LAST_RATE, warmup_target=peak, warmup_steps=warmup
    )


def optimizer(params: dict, steps: int) -> keras.optimizers.Optimizer:
    """Return Adam, or AdamW without decay of biases and normalization, both with averaged weights if asked for."""
    averaging = params["weight_averaging"]
    options = {"use_ema": averaging > 0, "ema_momentum": averaging or 0.99}
    rate = learning_rate(params, steps)
    if params["optimizer"] == "adam":
        return keras.optimizers.Adam(rate, **options)
    made = keras.optimizers.AdamW(rate, weight_decay=params["weight_decay"], clipnorm=1.0, **options)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    params: dict,
    seed: int,
    say: Callable[[str], None] = print,
) -> list[dict]:
    """Train a model in place and return its history, one row an epoch.

    With ``early_stopping_patience`` the weights of the epoch with the lowest validation loss are restored;
    with null, or without validation rows, those of the last epoch stay.
    """
    soft = params["mixup_share"] > 0 or params["label_smoothing"] > 0
    targets = np.eye(model.output_shape[-1], dtype=np.float32)[y] if soft else y
    loss = (
        keras.losses.CategoricalCrossentropy(label_smoothing=params["label_smoothing"])
        if soft
        else keras.losses.SparseCategoricalCrossentropy()
    )
    size = params["batch_size"]
    batches = Batches(x, targets, train, size, params, seed)
    model.compile(optimizer=optimizer(params, len(batches) * params["epochs"]), loss=loss, metrics=["accuracy"])
    report = Report(params["epochs"], say)
    callbacks = [report]
    if params["weight_averaging"]:
        # Validation sees, and early stopping keeps, the averaged weights.
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if params["early_stopping_patience"] is not None and len(validation):
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=params["early_stopping_patience"], restore_best_weights=True
            )
        )
    weights = None
    if params["class_weights"]:
        counts = np.bincount(y[train], minlength=model.output_shape[-1])
        present = max(1, np.count_nonzero(counts))
        weights = {label: len(train) / (present * count) for label, count in enumerate(counts) if count}
    model.fit(
        batches,
        validation_data=Batches(x, targets, validation, size) if len(validation) else None,
        epochs=params["epochs"],
        callbacks=callbacks,
        class_weight=weights,
        shuffle=False,
        verbose=0,
    )
    return report.rows
