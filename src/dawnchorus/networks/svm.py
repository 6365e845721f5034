"""A support vector machine with a radial basis function on pooled statistics, balanced over classes.

Saved by skops: scikit-learn's own machine, without pickle; to load one, no code of the file is run.
"""

import io

from dawnchorus.foundation import archives
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
SCHEMA_BYTES = 2**24


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
    with archives.opened(io.BytesIO(content)) as archive:
        foreign = _types(archives.strict_json(archives.member(archive, "schema.json", SCHEMA_BYTES))) - TYPES
    if foreign:
        raise ValueError(f"it holds {', '.join(sorted(foreign))}; expected the parts of a support vector machine alone")
    machine = loads(content, trusted=[])
    if not isinstance(machine, SVC):
        raise ValueError(f"{type(machine).__name__}: expected a support vector machine")
    check_is_fitted(machine)
    _check_sizes(machine)
    return machine


def _check_sizes(machine):
    """Raise ValueError unless the arrays of a machine fit each other: libsvm, which is C, reads them as they say."""
    import numpy as np

    n_classes, n_vectors, n_columns = len(machine.classes_), len(machine.support_vectors_), machine.n_features_in_
    pairs = n_classes * (n_classes - 1) // 2
    shapes = {
        "support_": (n_vectors,),
        "support_vectors_": (n_vectors, n_columns),
        "_n_support": (n_classes,),
        "_dual_coef_": (n_classes - 1, n_vectors),
        "_intercept_": (pairs,),
        "_probA": (0,),
        "_probB": (0,),
    }
    for name, shape in shapes.items():
        found = np.asarray(getattr(machine, name))
        if found.shape != shape or found.dtype.kind not in "if" or not np.isfinite(found).all():
            raise ValueError(f"{name} of the shape {found.shape}; expected finite numbers, {shape}")
    counts, classes = np.asarray(machine._n_support), np.asarray(machine.classes_)
    if (counts < 0).any() or counts.sum() != n_vectors:
        raise ValueError(f"_n_support: expected counts that add up to the {n_vectors} support vectors")
    if classes.dtype.kind != "i" or (np.diff(classes) <= 0).any() or classes[0] < 0:
        raise ValueError("classes_: expected numbers of classes in order")
    if machine._sparse is not False or machine.decision_function_shape != "ovr":
        raise ValueError("a machine of sparse vectors, or of another kind of decisions; expected one as fit makes it")
    if machine.kernel != "rbf" or not 0 < float(machine._gamma) < float("inf"):
        raise ValueError(f"kernel {machine.kernel}, gamma {machine._gamma}; expected rbf and a finite number > 0")


def _types(node):
    """Return the dotted names of all types in a schema of skops."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = {f"{node['__module__']}.{node['__class__']}"} if isinstance(node, dict) and "__class__" in node else set()
    return own.union(*map(_types, inner))
