"""Fit a presence network to stretches of recordings; unknown frames cost nothing."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from dawnchorus.learning import drawing, stretches, training
from dawnchorus.learning.presence_targets import UNKNOWN


class Batches(keras.utils.PyDataset):
    """The batches of an epoch, as :class:`dawnchorus.learning.stretches.Stretches` draws them, on ``threads`` ahead."""

    def __init__(self, drawn: stretches.Stretches, steps: int, threads: int = 1):
        super().__init__()
        self.steps, self.epoch = steps, 0
        self.ahead = drawing.Ahead(lambda index: drawn.batch(self.epoch, index), steps, threads)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.ahead.batch(index)

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)

    def start(self, epoch: int) -> None:
        """Serve the batches of an epoch, from 0, next."""
        self.epoch = epoch
        self.ahead.restart()


class Fixed(keras.utils.PyDataset):
    """Stretches that are the same in every epoch, and their targets."""

    def __init__(self, frames: np.ndarray, targets: np.ndarray, batch_size: int):
        super().__init__()
        self.frames, self.targets, self.batch_size = frames, targets, batch_size

    def __len__(self) -> int:
        return -(-len(self.frames) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.frames[part], self.targets[part]


class Loss(keras.losses.Loss):
    """Binary cross-entropy of logits, the mean over the frames and classes of a batch that are known."""

    def __init__(self):
        super().__init__(name="loss")

    def call(self, y_true, y_pred):
        ops = keras.ops
        known = ops.cast(ops.not_equal(y_true, UNKNOWN), y_pred.dtype)
        each = ops.binary_crossentropy(ops.relu(y_true), y_pred, from_logits=True) * known
        inner = tuple(range(1, len(y_pred.shape)))
        # Keras takes the mean over the stretches; each counts by its share of what is known.
        return ops.sum(each, axis=inner) / ops.maximum(ops.mean(ops.sum(known, axis=inner)), 1.0)


# AdamW at a rate that rises for a tenth of the steps and falls as a cosine: see training.optimizer.
OPTIMIZER = {"optimizer": "adamw", "schedule": "cosine", "warmup_share": 0.1}


def fit(
    model: keras.Model,
    drawn: stretches.Stretches,
    validation: tuple[np.ndarray, np.ndarray] | None,
    params: dict,
    say: Callable[[str], None] = print,
    checkpoint: tuple[Path, str] | None = None,
    threads: int = 1,
    place: tuple[int, int] = (0, 1),
) -> list[dict]:
    """Train a network in place on drawn stretches and return its history, one row an epoch.

    ``validation``: stretches as the network is given them, (stretches, frames, bands), and their targets. ``params``:
    the block ``presence``. ``checkpoint``: see :func:`dawnchorus.learning.training.fit`; ``threads``: how many draw
    batches ahead; ``place``: how many such trainings came before, of how many, for what is said.
    """
    made = training.optimizer({**params, **OPTIMIZER}, params["steps"] * params["epochs"])
    model.compile(optimizer=made, loss=Loss())
    batches = Batches(drawn, params["steps"], threads)
    report = training.Report(place[1] * params["epochs"], say, place[0] * params["epochs"])
    callbacks: list[keras.callbacks.Callback] = [report]
    if params["ema_momentum"]:
        # Validation sees the averaged weights, and what is kept has them.
        callbacks.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    saved, done = None, 0
    if checkpoint:
        saved = training.Checkpoint(*checkpoint, report, None)
        done = saved.restore(model)
        batches.start(done)
        callbacks.append(saved)
        if done:
            say(f"resuming after epoch {done}, from {saved.path}")
    model.fit(
        batches,
        validation_data=Fixed(*validation, params["batch_size"]) if validation else None,
        initial_epoch=done,
        epochs=params["epochs"],
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    if saved:
        saved.path.unlink(missing_ok=True)
    return report.rows
