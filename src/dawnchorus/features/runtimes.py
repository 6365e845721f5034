"""Models of the user's that turn a window of sound into a vector: TFLite, ONNX or Keras, told apart by their suffix.

A model has one input, float32 samples of the shape (samples,) or (1, samples), and an output that is the embedding.
Windows go through it one at a time and on one thread: sums of floats come out otherwise in a batch of another size, and
what a window is worth must not depend on its neighbours. No code of a file is run: TFLite and ONNX files hold none, and
Keras is in its safe mode, after a look at what the network is made of.
"""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from dawnchorus.foundation import archives, given_files, keras_parts
from dawnchorus.foundation.errors import InputError, one_line, shown
from dawnchorus.foundation.hashes import identity
from dawnchorus.foundation.quiet import quiet_start

if TYPE_CHECKING:
    import numpy as np

Run = Callable[["np.ndarray"], "np.ndarray"]  # (samples,) float32 -> what the output holds, of any shape
SHOWN_OUTPUTS = 12
_OPENING = threading.Lock()


class Port(NamedTuple):
    """An input of a model: its name, its shape with None or -1 where any size will do, whether it takes float32."""

    name: str
    shape: tuple[Any, ...]
    is_float32: bool


class Heard:
    """What windows of sound gave, by their samples: kept for as long as somebody wants it, until it is full."""

    MOST_BYTES = 2**28  # of vectors: nine hours of sound with two a second of 1024 values

    def __init__(self) -> None:
        self._vectors: dict[tuple[Embedder, bytes], np.ndarray] | None = None

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Keep what windows give in this block, in all threads; the next block knows nothing of it."""
        self._vectors = {}
        try:
            yield
        finally:
            self._vectors = None

    def vector(self, model: Embedder, window: np.ndarray, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what a model makes of a window, made unless the same samples have been heard."""
        if (known := self._vectors) is None:
            return make()
        key = model, hashlib.sha256(window.data).digest()
        made = known.get(key)
        if made is None:
            made = make()
            if made.nbytes * (len(known) + 1) <= self.MOST_BYTES:
                known[key] = made
        return made


HEARD = Heard()


class Embedder:
    """An opened model. Threads may call it at the same time.

    ``make`` opens the file; ``shared``: whether what it gives may be called by several threads at once, else there is
    one for each of them.
    """

    def __init__(self, path: str, dimensions: int, make: Callable[[], Run], shared: bool):
        self._path, self._dimensions, self._make, self._shared = path, dimensions, make, shared
        self._idle: list[Run] = [self._opened()]

    def __call__(self, window: np.ndarray) -> np.ndarray:
        """Return the embedding (dimensions,) float32 of a window (samples,) float32; see :class:`Heard`."""
        return HEARD.vector(self, window, lambda: self._made(window))

    def _made(self, window: np.ndarray) -> np.ndarray:
        import numpy as np

        run = self._idle[0] if self._shared else self._taken()
        made = self._shaped(self._tried(lambda: run(window)))
        if not self._shared:
            self._idle.append(run)
        if not np.isfinite(made).all():
            n_bad = int((~np.isfinite(made)).sum())
            raise InputError(
                f"{self._path}: {n_bad} of the {len(made)} values of an embedding are NaN or infinite; expected finite "
                "ones for any sound"
            )
        return made

    def _opened(self) -> Run:
        with quiet_start():
            return self._tried(self._make)

    def _taken(self) -> Run:
        try:
            return self._idle.pop()
        except IndexError:
            with _OPENING:
                return self._opened()

    def _tried(self, action: Callable[[], Any]) -> Any:
        """Return what an action gives; whatever a damaged file makes a runtime raise is one line with its path."""
        try:
            return action()
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{self._path}: not a usable model: {one_line(error, 200)}") from None

    def _shaped(self, made: np.ndarray) -> np.ndarray:
        import numpy as np

        values = np.asarray(made)
        long = [size for size in values.shape if size != 1] or [1]
        if long != [self._dimensions] or values.dtype.kind != "f":
            found = f"an output of the shape {values.shape}, {values.dtype}"
            raise InputError(
                f"{self._path}: {found}; expected one vector of features.dimensions {self._dimensions} floats a window"
            )
        return values.reshape(-1).astype(np.float32)


def runtime_of(path: str | os.PathLike) -> tuple[Callable[..., Run], bool]:
    """Return what opens a model file, and whether threads may share what it gives, by the suffix of the file."""
    suffix = Path(path).suffix.lower()
    if suffix not in RUNTIMES:
        name = shown(str(path), longest=4096)
        raise InputError(f"features.model: {name}: expected a file that ends with {', '.join(RUNTIMES)}")
    return RUNTIMES[suffix]


def opened(path: str, n_samples: int, dimensions: int, output: int | str | None) -> Embedder:
    """Return a model file, opened; one is held at a time, until the file, or what is asked of it, is another.

    Args:
        path: of the model file.
        n_samples: length of the windows.
        dimensions: length of the vector that it makes of a window.
        output: number or name of the output that is the vector; None: there is one only.

    Raises:
        InputError: no such model, another input or output than is asked for, or its runtime is not installed.
    """
    try:
        seen = tuple(identity(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    with _OPENING:
        return _opened(path, seen, n_samples, dimensions, output)


@lru_cache(maxsize=1)
def _opened(path: str, _: tuple[int, ...], n_samples: int, dimensions: int, output: int | str | None) -> Embedder:
    make, shared = runtime_of(path)
    return Embedder(path, dimensions, lambda: make(path, n_samples, output), shared)


def _tflite(path: str, n_samples: int, output: int | str | None) -> Run:
    """Open a TFLite file. ``output`` may also be the name of a tensor within: many classifiers have no other output."""
    interpreters, schema = _tflite_modules(path)
    content = _content(path, "a TFLite file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = interpreters.Interpreter(model_content=content, num_threads=1)
        outputs = [detail["name"] for detail in interpreter.get_output_details()]
        if isinstance(output, str) and output not in outputs:
            content = _with_output(path, content, schema, output)
            interpreter, outputs = interpreters.Interpreter(model_content=content, num_threads=1), [output]
    ports = []
    for detail in interpreter.get_input_details():
        sizes = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
        ports.append(Port(detail["name"], tuple(int(size) for size in sizes), detail["dtype"].__name__ == "float32"))
    shape = _shape_of_window(path, ports, n_samples)
    into = interpreter.get_input_details()[0]["index"]
    out_of = interpreter.get_output_details()[_chosen(path, outputs, output)]["index"]
    interpreter.resize_tensor_input(into, shape)
    interpreter.allocate_tensors()

    def run(window: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(into, window.reshape(shape))
        interpreter.invoke()
        return interpreter.get_tensor(out_of)

    return run


def _tflite_modules(path: str) -> tuple[ModuleType, ModuleType]:
    """Return the modules of the interpreter and of the file format: TensorFlow's while it has them, else LiteRT's."""
    try:
        import tensorflow as tf
        from tensorflow.lite.python import schema_py_generated

        return tf.lite, schema_py_generated
    except (ImportError, AttributeError):  # a later TensorFlow
        pass
    try:
        from ai_edge_litert import interpreter, schema_py_generated
    except ImportError:
        raise _not_installed(path, "TFLite", "ai-edge-litert") from None
    return interpreter, schema_py_generated


def _with_output(path: str, content: bytes, schema: ModuleType, name: str) -> bytes:
    """Return a TFLite file whose first output is the tensor of a name within it.

    The interpreter can keep all its tensors instead, but only without the kernels that make it quick.
    """
    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    names = [graph.Tensors(number).Name().decode("utf-8", "replace") for number in range(graph.TensorsLength())]
    if names.count(name) != 1 or graph.OutputsLength() < 1:
        found = f"{names.count(name)} of its {len(names)} tensors have this name"
        raise InputError(f"{path}: features.output {shown(name)}: {found}; expected the name of one")
    first = graph._tab.Vector(graph._tab.Offset(8))  # of the field `outputs` of a SubGraph: int32, one an output
    return content[:first] + names.index(name).to_bytes(4, "little") + content[first + 4 :]


def _onnx(path: str, n_samples: int, output: int | str | None) -> Run:
    """Open an ONNX file. All of it is in this file: weights that lie elsewhere are not looked for."""
    try:
        import onnxruntime
    except ImportError:
        raise _not_installed(path, "ONNX", "onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    content = _content(path, "an ONNX file")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    ports = []
    for port in session.get_inputs():
        sizes = tuple(size if isinstance(size, int) else None for size in port.shape)
        ports.append(Port(port.name, sizes, port.type == "tensor(float)"))
    shape = _shape_of_window(path, ports, n_samples)
    names = [port.name for port in session.get_outputs()]
    wanted, given = [names[_chosen(path, names, output)]], ports[0].name

    def run(window: np.ndarray) -> np.ndarray:
        return session.run(wanted, {given: window.reshape(shape)})[0]

    return run


def _keras(path: str, n_samples: int, output: int | str | None) -> Run:
    """Open a Keras file. ``output`` may also be the name of a layer within."""
    import numpy as np

    try:
        with archives.opened(path) as archive:
            config, stored_bytes = keras_parts.checked_config(archive), keras_parts.stored_bytes(archive)
    except (*archives.DAMAGE, AttributeError, TypeError) as error:
        raise InputError(f"{path}: not a usable Keras file: {one_line(error, 200)}") from None
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    if keras.backend.backend() == "tensorflow":
        _one_thread()
    keras_parts.refuse_large(config, stored_bytes)
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    ports = [Port(given.name, tuple(given.shape), given.dtype == "float32") for given in model.inputs]
    shape = _shape_of_window(path, ports, n_samples)
    names = [layer.name for layer in model.layers]
    if isinstance(output, str) and output in names:
        made = model.get_layer(output).output
    else:
        made = model.outputs[_chosen(path, list(model.output_names), output)]
    part = keras.Model(model.inputs, made)

    def run(window: np.ndarray) -> np.ndarray:
        return np.asarray(part.predict_on_batch(window.reshape(shape)))

    run(np.zeros(n_samples, np.float32))  # compiled here, by one thread
    return run


def _one_thread() -> None:
    """Let TensorFlow compute on one thread, unless it has begun on others."""
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        # A network of Keras that is at work in this process said how many.
        return


# By suffix: what opens such a file, and whether threads may share what it gives.
RUNTIMES: dict[str, tuple[Callable[..., Run], bool]] = {
    ".tflite": (_tflite, False),
    ".onnx": (_onnx, True),
    ".keras": (_keras, True),
}


def _shape_of_window(path: str, ports: Sequence[Port], n_samples: int) -> tuple[int, ...]:
    """Return the shape in which a window goes into a model, (samples,) or (1, samples), or raise InputError."""
    expected = f"expected one input of float32, (samples,) or (1, samples), with {n_samples} samples"
    if len(ports) != 1:
        raise InputError(f"{path}: {len(ports)} inputs; {expected}")
    port = ports[0]
    sizes = [None if size is None or size < 0 else size for size in port.shape]
    wanted = (1, n_samples)[-len(sizes) :] if sizes else ()
    fits = len(sizes) == len(wanted) and all(a is None or a == b for a, b in zip(sizes, wanted, strict=False))
    if not wanted or not fits or not port.is_float32:
        kind = "" if port.is_float32 else ", not of float32"
        shape = ", ".join("any" if size is None else str(size) for size in sizes)
        raise InputError(f"{path}: input {shown(port.name)} of the shape ({shape}){kind}; {expected}")
    return wanted


def _chosen(path: str, names: Sequence[str], output: int | str | None) -> int:
    """Return which of the outputs of a model is the embedding, or raise InputError."""
    if output is None and len(names) == 1:
        return 0
    if isinstance(output, str) and names.count(output) == 1:
        return names.index(output)
    if isinstance(output, int) and 0 <= output < len(names):
        return output
    listed = ", ".join(shown(name) for name in names[:SHOWN_OUTPUTS]) + ", …" * (len(names) > SHOWN_OUTPUTS)
    raise InputError(
        f"{path}: features.output {shown(output)}: expected one of its {len(names)} outputs, by number from 0 or by "
        f"name: {listed}"
    )


def _content(path: str, expected: str) -> bytes:
    with given_files.open_regular(path, expected) as file:
        return file.read()


def _not_installed(path: str, format: str, package: str) -> InputError:
    return InputError(
        f"{path}: nothing is installed that runs {format} files; expected {package}: pip install {package}, or "
        'pip install ".[embeddings]" in the clone of dawnchorus'
    )
