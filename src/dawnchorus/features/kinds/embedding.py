"""Embedding: what a pretrained model of the user's makes of the sound around each frame, one vector a frame.

Everything that counts stands in params.yaml. A card may lie beside the model, ``<model>.json``: it says what the model
is, and has to say the same. It is held against params.yaml before a run, and no stage opens it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError

from dawnchorus.features import runtimes
from dawnchorus.features.kinds import Kind
from dawnchorus.foundation import archives, files
from dawnchorus.foundation.errors import one_line, shown
from dawnchorus.parameters import fields
from dawnchorus.parameters.base import Block, value
from dawnchorus.parameters.data import Path as PathText

if TYPE_CHECKING:
    import numpy as np
    from pydantic_core import ErrorDetails

KIND = Kind("embedding", "", "dimension", signed=True, vectors=True, inputs=("model",))
CARD_BYTES = 2**16
# What a card calls the keys of the block `features`.
KEYS = {
    "name": "model_name",
    "licence": "model_licence",
    "sample_rate_hz": "sample_rate_hz",
    "window_s": "model_window_s",
    "peak": "model_peak",
    "dimensions": "dimensions",
    "output": "output",
}

Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Window = Annotated[float, Field(ge=0.001, le=600)]
Peak = Annotated[float, Field(gt=0, le=1)]
Dimensions = Annotated[int, Field(ge=1, le=65_536)]
Output = Annotated[int, Field(ge=0, le=65_535)] | Line | None


class Params(Block):
    """The model, and what has to be known of it without opening it."""

    model: PathText = value(..., "your model file, .tflite, .onnx or .keras; it hears sound at sample_rate_hz")
    model_name: Line | None = value(None, "name of the model, for the report; null: its file")
    model_licence: Line | None = value(None, "licence of its weights, for the report; null: not known")
    model_window_s: Window = value(..., "length of the sound that it takes")
    model_peak: Peak | None = value(
        None, "each such window is given with mean 0 and this largest absolute value; null: as it is"
    )
    dimensions: Dimensions = value(..., "length of the vector that it makes of it")
    output: Output = value(
        None,
        "which output is that vector: a number from 0 or a name, of TFLite also of a tensor within, of Keras also of "
        "a layer; null: there is one",
    )


class Card(Block):
    """What a card may say of a model."""

    name: Line = value(None, "name of the model", required=False)
    licence: Line = value(None, "licence of its weights", required=False)
    sample_rate_hz: int = value(None, "rate of the sound that it takes", ge=1000, le=500_000, required=False)
    window_s: Window = value(None, "length of that sound", required=False)
    peak: Peak = value(None, "largest absolute value of a window, whose mean is 0", required=False)
    dimensions: Dimensions = value(None, "length of the vector", required=False)
    output: Output = value(None, "which output is the vector", required=False)


def n_features(params):
    """Return the number of dimensions."""
    return params["dimensions"]


def frames(y, sample_rate_hz, params):
    """Return (dimensions, frames): of each frame the embedding of the window of sound around it, see :func:`windows`.

    Frames whose windows are the same are computed once. Each window goes to the model by itself.
    """
    import numpy as np

    n_frames = 1 + (len(y) - params["n_fft"] % 2) // params["hop_length"]
    ranges, window_of_frame = windows(range(n_frames), len(y), sample_rate_hz, params)
    return np.stack([vector(y[first:stop], sample_rate_hz, params) for first, stop in ranges])[window_of_frame].T


def windows(frames: range, length: int, sample_rate_hz: int, params: dict) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return the different windows [first, stop) of some frames, and which of them each frame has, (frames,).

    The window of frame t is ``model_window_s`` long, around sample ``t * hop_length``, and is moved into the sound, of
    ``length`` samples, where it would stick out of it. Sound that is shorter than a window is all in one.
    """
    import numpy as np

    n_samples = min(length, round(params["model_window_s"] * sample_rate_hz))
    around = np.asarray(frames) * params["hop_length"] - n_samples // 2
    firsts, window_of_frame = np.unique(np.clip(around, 0, length - n_samples), return_inverse=True)
    return [(first, first + n_samples) for first in firsts.tolist()], window_of_frame


def vector(y: np.ndarray, sample_rate_hz: int, params: dict) -> np.ndarray:
    """Return the embedding (dimensions,) float32 of a window of sound; one that is short gets zeros on both sides."""
    import numpy as np

    n_samples = round(params["model_window_s"] * sample_rate_hz)
    model = runtimes.opened(params["model"], n_samples, params["dimensions"], params["output"])
    lacking = max(0, n_samples - len(y))
    padded = np.pad(np.asarray(y, np.float32), (lacking // 2, lacking - lacking // 2)) if lacking else y
    return model(levelled(np.asarray(padded, np.float32), params["model_peak"]))


def levelled(window: np.ndarray, peak: float | None) -> np.ndarray:
    """Return a window (samples,) with mean 0 and ``peak`` as its largest absolute value; None: as it is.

    One that does not vary is silence. Perch is given its windows so, with a peak of 0.25.
    """
    import numpy as np

    if peak is None:
        return window
    centred = window - window.mean(dtype=np.float64)
    highest = np.abs(centred).max()
    return (centred * (peak / highest if highest > 0 else 0)).astype(np.float32)


def contradictions(params):
    """Yield a line where the rate is not said: a model takes sound at one rate."""
    if params["sample_rate_hz"] is None:
        yield "features.sample_rate_hz: null: expected the rate of the sound that features.model takes"


def file_faults(params: dict) -> Iterator[str]:
    """Yield a line for each value of the card beside the model that is wrong, or says other than ``params``."""
    path = f"{params['model']}.json"
    try:
        with files.open_regular(path) as file:
            content = file.read(CARD_BYTES + 1)
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"features.model: {path}: {error.strerror}; expected a card of the model, or no such file"
        return
    try:
        if len(content) > CARD_BYTES:
            raise ValueError(f"more than {CARD_BYTES} bytes")
        card = Card.model_validate(archives.strict_json(content))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        yield f"features.model: {path}: {_said(problem)}"
        return
    except (ValueError, RecursionError) as error:
        said = one_line(error, 200)
        yield f"features.model: {path}: {said}; expected JSON with some of {', '.join(KEYS)}"
        return
    for name in sorted(card.model_fields_set):
        key, expected = KEYS[name], getattr(card, name)
        if params[key] != expected:
            yield f"features.{key}: {shown(params[key])}: expected {shown(expected)}, as {path} says ({name})"


def _said(problem: ErrorDetails) -> str:
    """Return what is wrong with a card, of a problem that pydantic names."""
    if not problem["loc"]:
        return f"{shown(problem['input'])}: expected an object with some of {', '.join(KEYS)}"
    key = str(problem["loc"][0])
    if key not in Card.model_fields:
        return f"{shown(key, quotes=False)}: unknown key; known keys: {', '.join(KEYS)}"
    return f"{key}: {shown(problem['input'])}: expected {fields.words(fields.rule_of(Card, key))}"


def origin(params: dict, hashes: list[str]) -> str:
    """Return the sentence of the model card of a run that says where the embeddings are from.

    ``hashes``: the SHA-256 of the model file alone.
    """
    [digest] = hashes
    named = f"{params['model_name']}, {params['model']}" if params["model_name"] else params["model"]
    licence = params["model_licence"] or "not given; what its terms allow holds for this network too"
    return (
        f"Sound becomes embeddings by a pretrained model: {named}, SHA-256 {digest}. Licence of its weights: {licence}."
    )
