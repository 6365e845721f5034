"""Which device Keras computes on, said once, and computing that can be repeated."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dawnchorus.foundation.quiet import quiet_start

# How many threads of the CPU a network computes with, on however many cores: sums of floats depend on it, and so does a
# model. With fewer cores the threads take turns.
THREADS = 8


def prepare(seed: int, threads: int) -> str:
    """Seed Keras, ask for repeatable operations, and return one line that names the device.

    On the CPU two runs with one seed and one number of threads give the same numbers.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_start():
        import keras

        keras.utils.set_random_seed(seed)
        names = _tensorflow_gpus(threads) if keras.backend.backend() == "tensorflow" else _accelerators()
    if names:
        return f"GPU: {', '.join(names)}"
    return f"CPU, {threads} thread{'s' * (threads > 1)} (no GPU found)"


def is_gpu(used: str) -> bool:
    """Say whether a GPU computes, ``used`` being what :func:`prepare` said."""
    return used.startswith("GPU")


def drawing_threads(used: str, threads: int) -> int:
    """Return how many of a training's CPU threads draw batches ahead, ``used`` being what :func:`prepare` said.

    All of them where a GPU computes, which would wait for one; elsewhere one, and the others compute.
    """
    return threads if is_gpu(used) else 1


@contextmanager
def mixed_precision(wanted: bool) -> Iterator[None]:
    """Let layers that are made inside compute in half precision, with their weights and the scores in single."""
    import keras

    if wanted:
        keras.config.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def _tensorflow_gpus(threads: int) -> list[str]:
    import tensorflow as tf

    # Where a pretrained model of Keras makes embeddings in this process, TensorFlow has begun, on one thread.
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    # The first operation starts the device, and with it the last of TensorFlow's messages.
    tf.add(1, 1)
    return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]


def _accelerators() -> list[str]:
    import keras

    return [device for device in keras.distribution.list_devices() if not device.startswith("cpu")]
