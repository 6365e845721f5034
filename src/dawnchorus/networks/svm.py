"""A support vector machine with a radial basis function on pooled statistics, balanced over classes."""

import numpy as np

from dawnchorus.parameters.base import Block, value


class Params(Block):
    """How much an error costs."""

    c: float = value(1.0, "cost of a clip on the wrong side", gt=0, le=1e6)


def fit(vectors, y, n_classes, params, train, rng):
    """Yield the fitted arrays once: there are no epochs. ``gamma`` is 1 / (n * variance), as in scikit-learn."""
    from sklearn.svm import SVC

    machine = SVC(C=params["c"], class_weight="balanced", gamma="scale", decision_function_shape="ovr")
    machine.fit(vectors, y)
    yield {
        "gamma": np.array(machine._gamma),
        "support_vectors": machine.support_vectors_,
        "dual": machine.dual_coef_,
        "intercept": machine.intercept_,
        "n_support": machine.n_support_,
        "classes": machine.classes_,
        "n_classes": np.array(n_classes),
    }


def logits(arrays, vectors, params):
    """Return votes between pairs of classes with a margin part below one vote, as scikit-learn's ``ovr`` does."""
    squared = (
        (vectors**2).sum(axis=1)[:, None]
        - 2 * vectors @ arrays["support_vectors"].T
        + (arrays["support_vectors"] ** 2).sum(axis=1)
    )
    kernel = np.exp(-arrays["gamma"] * np.maximum(squared, 0))
    ends = np.cumsum(arrays["n_support"])
    parts = [slice(end - n, end) for end, n in zip(ends, arrays["n_support"], strict=True)]
    n = len(parts)
    votes, margins = np.zeros((len(vectors), n)), np.zeros((len(vectors), n))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    for (i, j), intercept in zip(pairs, arrays["intercept"], strict=True):
        decision = kernel[:, parts[i]] @ arrays["dual"][j - 1, parts[i]]
        decision += kernel[:, parts[j]] @ arrays["dual"][i, parts[j]] + intercept
        if n == 2:
            # scikit-learn turns the sign of a machine of two classes: positive means the second.
            decision = -decision
        votes[:, i] += decision > 0
        votes[:, j] += decision <= 0
        margins[:, i] += decision
        margins[:, j] -= decision
    found = np.full((len(vectors), int(arrays["n_classes"])), -1.0)
    found[:, arrays["classes"]] = votes + margins / (3 * (np.abs(margins) + 1))
    return found
