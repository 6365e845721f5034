"""Clips pooled over time, and classifiers on such vectors: the obvious recipe, which a network has to beat."""

from collections.abc import Callable

import numpy as np

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
    """Return ``offset`` and ``scale`` that give the columns of ``vectors`` mean 0 and deviation 1."""
    scale = vectors.std(axis=0)
    return {"offset": vectors.mean(axis=0), "scale": np.where(scale > 0, scale, 1).astype(np.float32)}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return scores that are positive and sum to 1 in each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class Classifier:
    """A classifier that is arrays and a function of them: it needs no pickle, and no Keras."""

    def __init__(self, network, arrays: dict[str, np.ndarray], n_classes: int, params: dict):
        self.network, self.arrays, self.n_classes, self.params = network, arrays, n_classes, params

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        """Return scores of shape (rows, n_classes) for clips of shape (rows, frames, n_features)."""
        vectors = (pool(x) - self.arrays["offset"]) / self.arrays["scale"]
        return softmax(self.network.logits(self.arrays, vectors, self.params)).astype(np.float32)

    def count_params(self) -> int:
        """Return how many numbers were fitted."""
        return sum(array.size for array in self.arrays.values())


def fit(
    network,
    x: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    n_classes: int,
    params: dict,
    rng: np.random.Generator,
    say: Callable[[str], None],
) -> tuple[Classifier, list[dict]]:
    """Fit a classifier on pooled statistics; the epoch with the lowest validation loss is kept if patience is set.

    ``params`` holds the blocks ``model`` and ``train``. Returns the classifier and the history, one row an epoch.
    """
    rows = np.concatenate([train, validation])
    vectors = np.concatenate([pool(x[rows[start : start + BATCH]]) for start in range(0, len(rows), BATCH)])
    scaling = standardizer(vectors[: len(train)])
    vectors = (vectors - scaling["offset"]) / scaling["scale"]
    parts = {"": slice(0, len(train)), "val_": slice(len(train), None)}
    patience = params["train"]["early_stopping_patience"]
    history, best, best_loss, waited = [], None, np.inf, 0
    fitted = network.fit(vectors[: len(train)], y[train], n_classes, params["model"], params["train"], rng)
    for epoch, arrays in enumerate(fitted, start=1):
        row = {"epoch": epoch, "learning_rate": params["train"]["learning_rate"]}
        for prefix, part in parts.items():
            if len(truth := y[rows[part]]):
                scores = softmax(network.logits(arrays, vectors[part], params["model"]))
                row[f"{prefix}loss"] = float(classification.cross_entropy(truth, scores).mean())
                row[f"{prefix}accuracy"] = float((scores.argmax(axis=1) == truth).mean())
        history.append(row)
        say(
            f"epoch {epoch}: "
            + ", ".join(f"{key} {row[key]:.4f}" for key in row if key[0] != "e" and "rate" not in key)
        )
        waited = 0 if row.get("val_loss", np.inf) < best_loss else waited + 1
        if best is None or patience is None or "val_loss" not in row or waited == 0:
            best, best_loss = arrays, row.get("val_loss", np.inf)
        if patience is not None and waited >= patience:
            break
    return Classifier(network, {**best, **scaling}, n_classes, params["model"]), history
