"""Clips pooled over time, and classifiers on such vectors: the obvious recipe, which a network has to beat."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from dawnchorus.learning import early_stopping
from dawnchorus.metrics import classification

POOLS = 4
BATCH = 1024


def pool(x: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation, maximum and mean absolute difference of each feature over a clip's frames.

    Args:
        x: shape (rows, frames, n_features); frames that are all zero are padding and are left out.

    Returns:
        float32, shape (rows, 4 * n_features).
    """
    pooled = np.zeros((len(x), POOLS, x.shape[2]), dtype=np.float32)
    for row, clip in enumerate(x):
        sounding = clip[np.any(clip != 0, axis=1)]
        if len(sounding) == 0:
            continue
        pooled[row, :3] = sounding.mean(axis=0), sounding.std(axis=0), sounding.max(axis=0)
        if len(sounding) > 1:
            pooled[row, 3] = np.abs(np.diff(sounding, axis=0)).mean(axis=0)
    return pooled.reshape(len(x), -1)


def standardizer(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Return ``offset`` and ``scale``, (columns,), that give the columns of ``vectors`` mean 0 and deviation 1.

    A column that does not vary has the scale 1.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(vectors)
    return {"offset": scaler.mean_.astype(np.float32), "scale": scaler.scale_.astype(np.float32)}


def standardized(vectors: np.ndarray, scaling: dict[str, np.ndarray]) -> np.ndarray:
    """Return vectors less the offset, divided by the scale, of :func:`standardizer`."""
    return (vectors - scaling["offset"]) / scaling["scale"]


def vectors_of(network: ModuleType, x: np.ndarray, learned: dict[str, np.ndarray]) -> np.ndarray:
    """Return what a classifier takes of clips (rows, frames, n_features), before scaling: (rows, columns) float32.

    That is what its ``vectors`` makes of them, by what it ``learned`` if it does, else their pooled statistics.
    """
    if hasattr(network, "learn"):
        return network.vectors(x, learned)
    return getattr(network, "vectors", pool)(x)


class Classifier:
    """A classifier on pooled statistics, with the interface of a Keras model: it needs no pickle, and no Keras.

    ``network``: a module of :mod:`dawnchorus.networks`; ``fitted``: what its ``fit`` gave; ``scaling``: of
    :func:`standardizer`, empty where the network has ``vectors`` of its own; ``learned``: what its ``learn`` gave.
    """

    def __init__(
        self,
        network: ModuleType,
        fitted: Any,
        scaling: dict[str, np.ndarray],
        n_classes: int,
        learned: dict[str, np.ndarray] | None = None,
    ):
        self.network, self.fitted, self.scaling, self.n_classes = network, fitted, scaling, n_classes
        self.learned = learned or {}

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        """Return scores of shape (rows, n_classes), float32, for clips of shape (rows, frames, n_features)."""
        from scipy.special import softmax

        vectors = vectors_of(self.network, x, self.learned)
        if self.scaling:
            vectors = standardized(vectors, self.scaling)
        return softmax(self.network.logits(self.fitted, vectors, self.n_classes), axis=1).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that was fitted, as arrays of numbers."""
        as_arrays = getattr(self.network, "to_arrays", dict)
        return {**as_arrays(self.fitted), **self.scaling, **self.learned}

    @classmethod
    def of_arrays(cls, network: ModuleType, arrays: dict[str, np.ndarray], n_classes: int) -> "Classifier":
        """Return the classifier that :meth:`arrays` was called on; KeyError or ValueError where that cannot be."""
        names = () if hasattr(network, "vectors") else ("offset", "scale")
        scaling = {name: arrays[name] for name in names}
        learned = {name: arrays[name] for name in getattr(network, "LEARNED", ())}
        fitted = {name: array for name, array in arrays.items() if name not in scaling and name not in learned}
        return cls(network, getattr(network, "of_arrays", dict)(fitted), scaling, n_classes, learned)


def fit(
    network: ModuleType,
    x: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    n_classes: int,
    params: dict,
    rng: np.random.Generator,
    say: Callable[[str], None],
    background: np.ndarray | None = None,
) -> tuple[Classifier, list[dict]]:
    """Fit a classifier on pooled statistics, and return it with its history, one row an epoch.

    ``params`` holds the blocks ``model`` and ``train``; ``background``: clips like those of ``x`` that hold no
    annotation, for a network that ``takes_background``. What is kept is that of the epoch with the lowest validation
    loss if there is patience and there are validation rows, else that of the last.
    """
    from scipy.special import softmax

    rows = np.concatenate([train, validation])
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    learned = {}
    if hasattr(network, "learn"):
        heard = [x[row] for row in train] + list(() if background is None else background)
        learned = network.learn(heard, params["model"], rng)
    vectors = np.concatenate([vectors_of(network, x[batch], learned) for batch in batches])
    scaling = {}
    if not hasattr(network, "vectors"):
        scaling = standardizer(vectors[: len(train)])
        vectors = standardized(vectors, scaling)
    parts = {"": slice(0, len(train)), "val_": slice(len(train), None)}
    stopping = early_stopping.of(params["train"]["early_stopping_patience"], len(validation))
    history, last = [], None
    known, classes = vectors[: len(train)], y[train]
    if background is not None and len(background):
        of_background = vectors_of(network, background, learned)
        known = np.concatenate([known, standardized(of_background, scaling) if scaling else of_background])
        classes = np.concatenate([classes, np.full(len(background), -1)])
    epochs = network.fit(known, classes, n_classes, params["model"], params["train"], rng)
    for epoch, fitted in enumerate(epochs, start=1):
        row, last = {"epoch": epoch, "learning_rate": params["train"]["learning_rate"]}, fitted
        for prefix, part in parts.items():
            if len(truth := y[rows[part]]):
                scores = softmax(network.logits(fitted, vectors[part], n_classes), axis=1)
                row[f"{prefix}loss"] = float(classification.cross_entropy(truth, scores).mean())
                row[f"{prefix}accuracy"] = float(classification.correct(truth, scores).mean())
        history.append(row)
        numbers = [f"{name} {row[name]:.4f}" for name in row if name not in ("epoch", "learning_rate")]
        say(f"epoch {epoch}/{params['train']['epochs']}: {', '.join(numbers)}")
        if stopping and stopping.is_best(row["val_loss"]):
            stopping.kept = fitted
        if stopping and stopping.exhausted:
            break
    return Classifier(network, stopping.kept if stopping else last, scaling, n_classes, learned), history
