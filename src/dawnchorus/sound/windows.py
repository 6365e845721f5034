"""Windows over a long recording: where each one lies, and its samples out of a stream of blocks.

Everything is counted in samples at the rate at which features are made. A window that reaches beyond either
end of its recording is filled with the sound mirrored at that end (the last sample is repeated first). The
excess of the grid over the recording is shared evenly between the two ends, so a recording played backwards
has the same windows backwards. Starts can be held to multiples of a unit, which costs this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dawnchorus.foundation.errors import InputError

if TYPE_CHECKING:
    import numpy as np

SampleRange = tuple[int, int]  # [first, stop)


@dataclass(frozen=True)
class Plan:
    """The windows of a recording: their length, their step, and of what the first start is a multiple."""

    rate_hz: int
    length_samples: int
    step_samples: int
    unit_samples: int = 1

    def starts(self, n_samples: int) -> range:
        """Return the first sample of each window of a recording; the first and last may reach beyond its ends."""
        return grid(n_samples, self.length_samples, self.step_samples, self.unit_samples)

    def ranges(self, n_samples: int) -> list[SampleRange]:
        """Return [first, stop) of the sound of each window."""
        return [(start, start + self.length_samples) for start in self.starts(n_samples)]


def plan(
    features: dict, frames: int, rate_hz: int, window_s: float | None, step_s: float | None, unit_samples: int = 1
) -> Plan:
    """Return how to lay windows, as the model was trained where None is given.

    ``features``: the block that the model was trained with. ``frames``: the model's input length. Without
    ``window_s`` a window is ``features.window_s``, or, of a model trained on whole annotations, what fills
    ``frames``. Without ``step_s`` half a window. ``unit_samples``: see :func:`grid`. Raises :class:`InputError` for
    lengths that make no sense.
    """
    if window_s is not None:
        length = round(window_s * rate_hz)
    elif features["clip"] == "window":
        length = round(features["window_s"] * rate_hz)
    else:
        length = (frames - 1) * features["hop_length"]
    step = round(step_s * rate_hz) if step_s is not None else length // 2
    if length < features["n_fft"]:
        least_s = features["n_fft"] / rate_hz
        raise InputError(f"detections.window_s: {length / rate_hz:g}: expected one FFT frame at least, {least_s:g} s")
    if not 1 <= step <= length:
        expected = f"more than 0 and at most the window, {length / rate_hz:g} s"
        raise InputError(f"detections.step_s: {step / rate_hz:g}: expected {expected}")
    return Plan(rate_hz, length, step, unit_samples)


def grid(n_samples: int, length_samples: int, step_samples: int, unit_samples: int = 1) -> range:
    """Return the starts of the fewest windows that cover ``n_samples``, centred on the recording.

    The excess is split evenly; of an odd one the sample more is at the end. The first start is the multiple of
    ``unit_samples`` next to that, towards the recording. One window at least.
    """
    steps = max(0, math.ceil((n_samples - length_samples) / step_samples))
    excess = steps * step_samples + length_samples - n_samples
    first = -(excess // 2 // unit_samples * unit_samples)
    return range(first, first + steps * step_samples + 1, step_samples)


def cut(blocks: Iterable[np.ndarray], ranges: Sequence[SampleRange], n_samples: int) -> Iterator[np.ndarray]:
    """Yield the samples of each range of a recording that comes in blocks, float32, in the order of the ranges.

    ``ranges`` are sorted by their start and by their stop, and may reach beyond [0, ``n_samples``): there the
    sound is mirrored. A stream that ends early is filled with zeros, one that is longer is cut. Only what the
    next range needs is kept, so memory does not depend on the length of the recording. The stream is taken to its end
    in any case: who makes it may have something to say there.
    """
    import numpy as np

    stream, held = iter(blocks), np.empty(0, np.float32)
    position = 0  # samples taken off the stream
    for start, stop in ranges:
        first, end = max(0, start), min(stop, n_samples)
        parts = [held[max(0, len(held) - (position - first)) :] if first < position else held[:0]]
        while position < end:
            block = next(stream, None)
            if block is None:
                block = np.zeros(end - max(position, first), np.float32)
                position = max(position, first)
            parts.append(block[max(0, first - position) :])
            position += len(block)
        held = np.concatenate(parts)
        yield np.pad(held[: end - first], (first - start, stop - end), mode="symmetric")
    for _ in stream:
        pass
