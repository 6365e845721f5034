"""A multilayer perceptron with one hidden layer on the mean frame of a clip, for embeddings, without Keras.

Some networks are trained from different starts, and their logits averaged: with few labels each is another chance
draw, and the mean is steadier. Each output says of one class whether it is there, so sound without a call, which is
none of them, teaches too.
"""

from dawnchorus.features import vectors as of_embeddings
from dawnchorus.parameters.base import Block, value

vectors = of_embeddings.of_clips
takes_background = True


class Params(Block):
    """How large it is, and how much its coefficients are held back."""

    units: int = value(128, "units of the hidden layer", ge=1, le=4096)
    l2: float = value(0.1, "weight of the squared coefficients", ge=0, le=1000)
    members: int = value(5, "networks whose logits are averaged", ge=1, le=100)


def fit(vectors, y, n_classes, params, train, rng):
    """Yield the fitted arrays after each pass over ``vectors``. ``y``: the class index of each row, or -1."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    # Of length 1 they are too short for the start that the weights have.
    scale = np.sqrt(vectors.shape[1])
    # A column that is never 1 makes two of the one that there is: with one column scikit-learn has two classes.
    targets = (y[:, None] == np.arange(max(2, n_classes))).astype(int)
    networks = [
        MLPClassifier(
            hidden_layer_sizes=(params["units"],),
            alpha=params["l2"],
            batch_size=min(train["batch_size"], len(y)),
            learning_rate_init=train["learning_rate"],
            shuffle=train["shuffle"],
            random_state=int(rng.integers(2**31)),
        )
        for _ in range(params["members"])
    ]
    for _ in range(train["epochs"]):
        for network in networks:
            network.partial_fit(scale * vectors, targets, classes=np.arange(targets.shape[1]))
        yield {
            # The mean of networks is one network: their hidden units beside each other.
            "hidden": scale * np.hstack([network.coefs_[0] for network in networks]),
            "hidden_bias": np.hstack([network.intercepts_[0] for network in networks]),
            "weights": np.vstack([network.coefs_[1] for network in networks])[:, :n_classes] / len(networks),
            "bias": np.mean([network.intercepts_[1] for network in networks], axis=0)[:n_classes],
        }


def logits(arrays, vectors, n_classes):
    """Return the logits (rows, n_classes) of the vectors of clips."""
    import numpy as np

    hidden = np.maximum(vectors @ arrays["hidden"] + arrays["hidden_bias"], 0)
    return hidden @ arrays["weights"] + arrays["bias"]
