"""Small models of sound that tests make: each turns a window into a projection of it, which numpy computes as well."""

from pathlib import Path

import numpy as np


def projection(n_samples: int, dimensions: int, seed: int = 0) -> np.ndarray:
    """Return a matrix (samples, dimensions) of waves, so that tones are told apart: float32."""
    rng = np.random.default_rng(seed)
    cycles = np.sort(rng.uniform(2, n_samples / 2.5, dimensions))
    made = np.sin(2 * np.pi * cycles * np.arange(n_samples)[:, None] / n_samples + rng.uniform(0, 6, dimensions))
    return (made / np.sqrt(n_samples)).astype(np.float32)


def network(matrix: np.ndarray, n_classes: int = 3):
    """Return a Keras model (1, samples) -> squared projection, named `vector`, -> scores of classes, named `scores`."""
    import keras

    sound = keras.Input((len(matrix),), name="sound")
    vector = keras.layers.Dense(matrix.shape[1], use_bias=False, name="projection")(sound)
    vector = keras.layers.Multiply(name="vector")([vector, vector])
    scores = keras.layers.Dense(n_classes, activation="softmax", name="scores")(vector)
    made = keras.Model(sound, [vector, scores])
    made.get_layer("projection").set_weights([matrix])
    return made


def expected(matrix: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return what :func:`network` makes of a window (samples,), in double precision."""
    return (window.astype(np.float64) @ matrix.astype(np.float64)) ** 2


def write_keras(path: Path, matrix: np.ndarray) -> Path:
    """Write the model as a Keras file, with one output: the vector."""
    import keras

    path.parent.mkdir(parents=True, exist_ok=True)
    made = network(matrix)
    keras.Model(made.inputs, made.outputs[0]).save(path)
    return path


def write_tflite(path: Path, matrix: np.ndarray) -> Path:
    """Write the model as a TFLite file whose one output are the scores, as classifiers are published."""
    import keras
    import tensorflow as tf

    made = network(matrix)
    only_scores = keras.Model(made.inputs, made.outputs[1])
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(only_scores).convert())
    return path


def write_onnx(path: Path, matrix: np.ndarray) -> Path:
    """Write the model as an ONNX file with the outputs `flat`, (1, dimensions) before it is squared, and `vector`.

    By the protocol buffers' wire format itself: a package that writes ONNX files is not needed.
    """
    n_samples, dimensions = matrix.shape
    weights = _field(1, n_samples) + _field(1, dimensions) + _field(2, 1) + _field(8, b"matrix")
    weights += _field(9, np.ascontiguousarray(matrix, "<f4").tobytes())
    graph = b"".join(
        [
            _field(1, _node(["sound", "matrix"], "flat", b"MatMul")),
            _field(1, _node(["flat", "flat"], "vector", b"Mul")),
            _field(2, b"graph"),
            _field(5, weights),
            _field(11, _value("sound", [b"batch", n_samples])),
            _field(12, _value("flat", [b"batch", dimensions])),
            _field(12, _value("vector", [b"batch", dimensions])),
        ]
    )
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, 13)))
    return path


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])


def _field(number: int, content: int | bytes) -> bytes:
    """Return a field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _node(inputs: list[str], output: str, operation: bytes) -> bytes:
    return b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode()) + _field(4, operation)


def _value(name: str, sizes: list[int | bytes]) -> bytes:
    """Return a ValueInfoProto: the name of a float tensor, and its sizes, of which bytes name any size."""
    shape = b"".join(_field(1, _field(1 if isinstance(size, int) else 2, size)) for size in sizes)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))
