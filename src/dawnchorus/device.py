"""Which device Keras computes on, said once, and computing that can be repeated."""

import os


def prepare(seed: int, threads: int) -> str:
    """Seed Keras, ask for repeatable operations, and return one line that names the device.

    On the CPU two runs with one seed and one number of threads give the same numbers.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        tensorflow.config.experimental.enable_op_determinism()
        gpus = tensorflow.config.list_physical_devices("GPU")
        names = [tensorflow.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    else:
        names = [device for device in keras.distribution.list_devices() if not device.startswith("cpu")]
    if names:
        return f"GPU: {', '.join(names)}"
    return f"CPU, {threads} thread{'s' * (threads > 1)} (no GPU found)"
