"""A support vector machine with a radial basis function on pooled statistics, balanced over classes.

Saved by skops: scikit-learn's own machine, without pickle; to load one, no code of the file is run.
"""

import io
import json
import zipfile

from dawnchorus.parameters.base import Block, value


class Params(Block):
    """How much an error costs."""

    c: float = value(1.0, "cost of a clip on the wrong side", gt=0, le=1e6)


# All that a saved machine is made of; a file that names anything else is not loaded.
TYPES = {
    "sklearn.svm._classes.SVC",
    "numpy.ndarray",
    "numpy.float64",
    *(f"builtins.{name}" for name in ("dict", "list", "str", "tuple")),
}


def fit(vectors, y, n_classes, params, train, rng):
    """Yield the fitted machine once: there are no epochs."""
    from sklearn.svm import SVC

    yield SVC(C=params["c"], class_weight="balanced", gamma="scale", decision_function_shape="ovr").fit(vectors, y)


def logits(machine, vectors, n_classes):
    """Return scikit-learn's ``ovr`` decision values, (rows, n_classes): votes between pairs of classes, plus a margin
    of less than half a vote. A class without training rows has -1, less than any other can have.
    """
    import numpy as np

    values = machine.decision_function(vectors)
    if values.ndim == 1:
        # Of two classes scikit-learn gives the margin of the second alone; here as it does for three and more.
        margins = values / (3 * (np.abs(values) + 1))
        values = np.stack([(values < 0) - margins, (values >= 0) + margins], axis=1)
    found = np.full((len(vectors), n_classes), -1.0)
    found[:, machine.classes_] = values
    return found


def to_arrays(machine):
    """Return the machine as one array of bytes."""
    import numpy as np
    from skops.io import dumps

    return {"machine": np.frombuffer(dumps(machine), dtype=np.uint8)}


def of_arrays(arrays):
    """Return the machine of :func:`to_arrays`; anything else than a fitted SVC raises ValueError or KeyError."""
    from sklearn.svm import SVC
    from sklearn.utils.validation import check_is_fitted
    from skops.io import loads

    content = arrays["machine"].tobytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        foreign = _types(json.loads(archive.read("schema.json"))) - TYPES
    if foreign:
        raise ValueError(f"it holds {', '.join(sorted(foreign))}; expected the parts of a support vector machine alone")
    machine = loads(content, trusted=[])
    if not isinstance(machine, SVC):
        raise ValueError(f"{type(machine).__name__}: expected a support vector machine")
    check_is_fitted(machine)
    return machine


def _types(node):
    """Return the dotted names of all types in a schema of skops."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = {f"{node['__module__']}.{node['__class__']}"} if isinstance(node, dict) and "__class__" in node else set()
    return own.union(*map(_types, inner))
