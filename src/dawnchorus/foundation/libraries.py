"""The libraries whose version can change a result: recorded, not compared; `dawnchorus compare` says which differ."""

import platform
from importlib.metadata import PackageNotFoundError, version

# TensorFlow, JAX and PyTorch are what Keras computes with, whichever of them KERAS_BACKEND names.
NAMES = (
    *("jax", "keras", "librosa", "numpy", "onnxruntime", "scikit-learn", "scipy"),
    *("soundfile", "soxr", "tensorflow", "torch"),
)


def versions() -> dict[str, str]:
    """Return the version of Python, and of each of :data:`NAMES` that is installed."""
    found = {"python": platform.python_version()}
    for name in NAMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
