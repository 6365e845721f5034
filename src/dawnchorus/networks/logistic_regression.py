"""Softmax regression on pooled statistics: no hidden layer, trained by Adam like a network, without Keras."""

from dawnchorus.parameters.base import Block, value


class Params(Block):
    """How much the coefficients are held back."""

    l2: float = value(0.001, "weight of the squared coefficients", ge=0, le=1000)


def fit(vectors, y, n_classes, params, train, rng):
    """Yield the fitted arrays after each pass over ``vectors`` (rows, n), ``y`` the class index of each row."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(
        hidden_layer_sizes=(),
        alpha=params["l2"],
        batch_size=min(train["batch_size"], len(y)),
        learning_rate_init=train["learning_rate"],
        shuffle=train["shuffle"],
        random_state=int(rng.integers(2**31)),
    )
    for _ in range(train["epochs"]):
        classifier.partial_fit(vectors, y, classes=np.arange(n_classes))
        yield {"weights": classifier.coefs_[0].copy(), "bias": classifier.intercepts_[0].copy()}


def logits(arrays, vectors, n_classes):
    """Return the logits (rows, n_classes) of standardized pooled vectors."""
    import numpy as np

    found = vectors @ arrays["weights"] + arrays["bias"]
    # With two classes scikit-learn keeps the one logit of the second.
    return np.hstack([np.zeros_like(found), found]) if found.shape[1] == 1 else found
