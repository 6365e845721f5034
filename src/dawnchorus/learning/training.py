"""Fit a network to the rows of a memory-mapped array."""

import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from dawnchorus.foundation.files import path_for_whole
from dawnchorus.learning import augmentation, drawing, early_stopping

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")

# Where the cosine schedule starts and ends, as shares of the learning rate.
FIRST_RATE, LAST_RATE = 0.05, 0.01
# A checkpoint costs a fraction of a second; this is what a killed training loses at most, beside the epoch at hand.
CHECKPOINT_INTERVAL_S = 60.0

# What the arguments of the same names of :class:`Batches` are.
Draw = Callable[[int, np.random.Generator], np.ndarray]
Negatives = tuple[np.ndarray, np.ndarray, np.ndarray]


class Batches(keras.utils.PyDataset):
    """Batches of a memory-mapped array: only the rows of the batch at hand are read, and augmented for training.

    A batch depends on the seed, the epoch and its number alone, in whatever order batches are fetched.

    Args:
        x: features, shape (rows, frames, n_features), float32, possibly memory-mapped.
        targets: what to learn, shape (rows,) class indices or (rows, classes) one-hot.
        rows: which rows to serve, in this order unless ``params`` shuffles.
        params: the block ``train``; None serves the rows as they are, for validation.
        seed: of the order and of the augmentation.
        draw: makes a row's clip of an epoch, given its position in ``rows`` and a generator; None takes that of ``x``.
        negatives: clips that were checked and lack a species, shaped like ``x``; which of them to serve, (n,); and the
            class index of that species, (n,). For each training clip, ``negative_share`` of them are served; their
            target is -1 for that class, 0 for all others (see :class:`Loss`). Only with one-hot targets.
        row_weights: the weight of each row of ``x`` in the loss, (rows,); None is 1 for all.
        threads: how many of them draw batches ahead.
    """

    def __init__(
        self,
        x: np.ndarray,
        targets: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        params: dict | None = None,
        seed: int = 0,
        draw: Draw | None = None,
        negatives: Negatives | None = None,
        row_weights: np.ndarray | None = None,
        threads: int = 1,
    ):
        super().__init__()
        self.x, self.targets, self.rows, self.draw = x, targets, np.array(rows), draw
        self.negatives, self.row_weights = negatives, row_weights
        self.place = {row: place for place, row in enumerate(self.rows.tolist())}
        self.batch_size, self.params, self.seed = batch_size, params, seed
        self.ahead = drawing.Ahead(self._drawn, len(self), threads)
        self.start(0)

    def start(self, epoch: int) -> None:
        """Serve the batches of an epoch, from 0, next."""
        self.ahead.restart()
        self.epoch, self.served = epoch, self.rows
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

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        return self.ahead.batch(index)

    def _drawn(self, index: int) -> tuple[np.ndarray, ...]:
        rows = self.served[index * self.batch_size : (index + 1) * self.batch_size]
        if self.params is None:
            return self.x[rows], self.targets[rows]
        rng = np.random.default_rng([self.seed, self.epoch, index])
        # Indexing with an array copies, so that the augmentation never writes into the data set.
        batch = np.stack([self.draw(self.place[row], rng) for row in rows.tolist()]) if self.draw else self.x[rows]
        batch, targets = augmentation.augment(batch, self.targets[rows], self.params, rng)
        weights = np.ones(len(rows), np.float32) if self.row_weights is None else self.row_weights[rows]
        if self.negatives:
            n_negatives = round(self.params["negative_share"] * len(rows))
            clips, classes = drawn_negatives(self.negatives, n_negatives, targets.shape[1], self.params, rng)
            batch, targets = np.concatenate([batch, clips]), np.concatenate([targets, classes])
            weights = np.concatenate([weights, np.ones(len(clips), np.float32)])
        return batch, targets, weights

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)


def drawn_negatives(
    negatives: Negatives, n: int, n_classes: int, params: dict, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``n`` of the clips that lack their class. They are augmented like all others, but not mixed."""
    clips, places, classes = negatives
    drawn = np.sort(rng.integers(len(places), size=n))
    targets = np.zeros((n, n_classes), np.float32)
    targets[np.arange(n), classes[drawn]] = -1
    return augmentation.augment(clips[places[drawn]], targets, {**params, "mixup_share": 0.0}, rng)


class Loss(keras.losses.Loss):
    """Cross-entropy with label smoothing; a clip with a target of -1 costs -log(1 - score) of that class instead.

    Such a clip says that one species is not there, and nothing of any other.
    """

    def __init__(self, smoothing: float):
        super().__init__(name="loss")
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        ops = keras.ops
        n_classes = y_pred.shape[-1]
        scores = ops.clip(y_pred, keras.config.epsilon(), 1 - keras.config.epsilon())
        wanted, unwanted = ops.relu(y_true), ops.relu(-y_true)
        positive = ops.max(wanted, axis=-1, keepdims=True) > 0
        spread = ops.where(positive, self.smoothing / n_classes, 0.0)
        smooth = wanted * (1 - self.smoothing) + spread
        return -ops.sum(smooth * ops.log(scores) + unwanted * ops.log(1 - scores), axis=-1)


class Accuracy(keras.metrics.Mean):
    """Share of the clips of a known species whose highest score is that of this species."""

    def __init__(self):
        super().__init__(name="accuracy")

    def update_state(self, y_true, y_pred, sample_weight=None):
        known = keras.ops.max(y_true, axis=-1) > 0
        right = keras.ops.equal(keras.ops.argmax(y_true, axis=-1), keras.ops.argmax(y_pred, axis=-1))
        return super().update_state(right, sample_weight=known)


class Report(keras.callbacks.Callback):
    """Collect the history, and report one line an epoch, so that a log shows how far the training is.

    ``before``: epochs of trainings before this one; ``epochs`` is the number of all.
    """

    def __init__(self, epochs: int, say: Callable[[str], None], before: int = 0):
        super().__init__()
        self.epochs, self.say, self.before = epochs, say, before
        self.rows: list[dict] = []

    def on_epoch_end(self, epoch, logs=None):
        row = {key: float(value) for key, value in logs.items()}
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        self.rows.append({"epoch": epoch + 1, **row})
        values = ", ".join(f"{key} {row[key]:.4f}" for key in METRICS if key in row)
        self.say(f"epoch {self.before + epoch + 1}/{self.epochs}: {values}")


class KeepBest(keras.callbacks.Callback):
    """Stop as ``stopping`` says, and give the model the weights of the best epoch in the end."""

    def __init__(self, stopping: early_stopping.EarlyStopping):
        super().__init__()
        self.stopping = stopping

    def on_epoch_end(self, epoch, logs=None):
        if self.stopping.is_best(logs["val_loss"]):
            self.stopping.kept = self.model.get_weights()
        if self.stopping.exhausted:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.model.set_weights(self.stopping.kept)


class Checkpoint(keras.callbacks.Callback):
    """Save before an epoch all that the training depends on: one that is killed can then be resumed without a trace.

    One .npz of arrays, without pickle: the variables of model and optimizer, the history, the state of ``stopping``,
    and ``key``, which names what is trained: a file with another key, or a damaged one, is ignored.
    """

    def __init__(self, path: Path, key: str, report: Report, stopping: early_stopping.EarlyStopping | None):
        super().__init__()
        self.path, self.key, self.report, self.stopping = path, key, report, stopping
        self.saved_s = time.monotonic()

    def _variables(self, model: keras.Model) -> list:
        return [*model.variables, *model.optimizer.variables]

    def restore(self, model: keras.Model) -> int:
        """Put a compiled model back to where it was when the file was saved; return how many epochs it had then."""
        if not self.path.exists():
            return 0
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                if str(stored["key"]) != self.key:
                    return 0
                state = json.loads(str(stored["state"]))
                values = [stored[f"variable_{n}"] for n in range(state["n_variables"])]
                kept = [stored[f"kept_{n}"] for n in range(state["n_kept"])]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return 0
        model.optimizer.build(model.trainable_variables)
        for variable, value in zip(self._variables(model), values, strict=True):
            variable.assign(value)
        self.report.rows = state["history"]
        if self.stopping:
            self.stopping.best_loss, self.stopping.waited = state["best_loss"], state["waited"]
            self.stopping.kept = kept
        return len(state["history"])

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0 or time.monotonic() - self.saved_s < CHECKPOINT_INTERVAL_S:
            return
        self.saved_s = time.monotonic()
        values, kept = self._variables(self.model), self.stopping.kept if self.stopping else []
        state = {"history": self.report.rows, "n_variables": len(values), "n_kept": len(kept)}
        if self.stopping:
            state |= {"best_loss": self.stopping.best_loss, "waited": self.stopping.waited}
        arrays = {f"variable_{n}": keras.ops.convert_to_numpy(value) for n, value in enumerate(values)}
        arrays |= {f"kept_{n}": value for n, value in enumerate(kept)}
        with path_for_whole(self.path) as temporary:
            np.savez(temporary, key=self.key, state=json.dumps(state), **arrays)


def learning_rate(params: dict, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
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
    averaging = params["ema_momentum"]
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
    draw: Draw | None = None,
    checkpoint: tuple[Path, str] | None = None,
    negatives: Negatives | None = None,
    threads: int = 1,
) -> list[dict]:
    """Train a model in place and return its history, one row an epoch.

    ``x``: (rows, frames, n_features) float32; ``y``: (rows,) class index; ``train``, ``validation``: positions of rows.
    With ``early_stopping_patience`` the weights of the epoch with the lowest validation loss are restored;
    with null, or without validation rows, those of the last epoch stay. ``draw``, ``negatives``, ``threads``: see
    :class:`Batches`, for the training rows. ``checkpoint``: a file, and a key that names what is trained; the training
    resumes from the file if it is there and has this key, saves to it as it goes, and removes it at its end.
    """
    targets = np.eye(model.output_shape[-1], dtype=np.float32)[y]
    weights = None
    if params["class_weights"]:
        counts = np.bincount(y[train], minlength=model.output_shape[-1])
        weights = (len(train) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype(np.float32)[y]
    size = params["batch_size"]
    batches = Batches(x, targets, train, size, params, seed, draw, negatives, weights, threads)
    made = optimizer(params, len(batches) * params["epochs"])
    model.compile(optimizer=made, loss=Loss(params["label_smoothing"]), metrics=[Accuracy()])
    report = Report(params["epochs"], say)
    callbacks = [report]
    if params["ema_momentum"]:
        # Validation sees, and early stopping keeps, the averaged weights.
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    saved, done = None, 0
    stopping = early_stopping.of(params["early_stopping_patience"], len(validation))
    if stopping:
        callbacks.append(KeepBest(stopping))
    if checkpoint:
        saved = Checkpoint(*checkpoint, report, stopping)
        done = saved.restore(model)
        batches.start(done)
        callbacks.append(saved)
        if done:
            say(f"resuming after epoch {done}, from {saved.path}")
    model.fit(
        batches,
        validation_data=Batches(x, targets, validation, size) if len(validation) else None,
        initial_epoch=done,
        epochs=params["epochs"],
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    if saved:
        saved.path.unlink(missing_ok=True)
    return report.rows
