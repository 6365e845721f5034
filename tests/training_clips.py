"""Clips, a block `train` and a network that several tests train with: all of it small."""

from pathlib import Path

import numpy as np
import yaml

DEFAULT = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())
ALL_OFF = {
    "optimizer": "adam",
    "schedule": "constant",
    "label_smoothing": 0.0,
    "early_stopping_patience": None,
} | dict.fromkeys(("mixup_share", "frequency_masks", "time_masks", "band_shift", "equalizer_gain"), 0)
ALL_OFF["time_stretch"] = 1.0
FRAMES, FEATURES, CLASSES = 12, 5, 3
TRAIN = {**DEFAULT["train"], **ALL_OFF, "epochs": 4, "batch_size": 20, "learning_rate": 0.01}


def clips(n=60, seed=0):
    """Return clips of unequal length whose class raises one feature, their classes and their lengths."""
    rng = np.random.default_rng(seed)
    y = rng.integers(CLASSES, size=n)
    x = np.zeros((n, FRAMES, FEATURES), np.float32)
    lengths = rng.integers(4, FRAMES + 1, size=n)
    for row, (label, length) in enumerate(zip(y, lengths, strict=True)):
        x[row, :length] = rng.normal(size=(length, FEATURES))
        x[row, :length, label] += 1.5
    return x, y, lengths


def tiny_network(seed=1, shape=(FRAMES, FEATURES), n_classes=CLASSES):
    """Return the least network that has all a training depends on: weights, statistics of batches, and dropout.

    To trace a recurrent one takes several times as long.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    made = [layers.Flatten(), layers.BatchNormalization(), layers.Dropout(0.2)]
    return keras.Sequential([keras.Input(shape), *made, layers.Dense(n_classes, activation="softmax")])
