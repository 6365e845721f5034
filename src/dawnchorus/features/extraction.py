"""Frames of features of a stretch of sound, of the kind that ``features.kind`` names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dawnchorus.features import kinds
from dawnchorus.foundation.errors import InputError
from dawnchorus.sound.audio import read_cuts
from dawnchorus.sound.spans import Span

if TYPE_CHECKING:
    import numpy as np

DELTA_FRAMES = 9


def n_features(params: dict) -> int:
    """Return the number of values in a frame under a ``features`` block."""
    return kinds.get(params["kind"]).n_features(params) * (1 + params["deltas"])


def of_recording(
    path: str | os.PathLike, clips_s: Sequence[Span], sample_rate_hz: int, params: dict
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(index of the clip, features)`` for each clip of a file, in order of their start.

    ``sample_rate_hz`` is the file's own, used when ``params`` asks for no other. Raises :class:`InputError`,
    naming the file and the time, for a clip that is too short for one FFT frame or not finite.
    """
    import numpy as np

    rate_hz = params["sample_rate_hz"] or sample_rate_hz
    for index, samples in read_cuts(path, clips_s, rate_hz):
        where = f"{path}: from {clips_s[index][0]:g} to {clips_s[index][1]:g} s"
        if len(samples) < params["n_fft"]:
            raise InputError(
                f"{where}: {len(samples)} samples at {rate_hz} Hz; expected one FFT frame at least, "
                f"features.n_fft {params['n_fft']}"
            )
        if not np.isfinite(samples).all():
            raise InputError(f"{where}: NaN or infinite samples; expected finite ones")
        yield index, extract(samples, rate_hz, params)


def extract(y: np.ndarray, sample_rate_hz: int, params: dict) -> np.ndarray:
    """Return the features of a sound: float32, (frames, n_features), frame t centred at ``t * hop_length``.

    ``y``: mono samples, at least ``n_fft`` of them. ``params``: the block ``features``. ``deltas`` appends so many
    orders of ``librosa.feature.delta`` (9 frames; the edge frames are repeated).
    """
    import librosa
    import numpy as np

    kind = kinds.get(params["kind"])
    values = kind.frames(y, sample_rate_hz, params)
    # librosa pads by n_fft // 2 on both sides: an odd FFT frame is a sample longer than that.
    n_frames = 1 + (len(y) - params["n_fft"] % 2) // params["hop_length"]
    expected = (kind.n_features(params), n_frames)
    if values.shape != expected:
        raise ValueError(f"{kind.__name__}.frames: shape {values.shape}; expected (n_features, frames), {expected}")
    orders = [
        librosa.feature.delta(values, width=DELTA_FRAMES, order=order, mode="nearest")
        for order in range(1, params["deltas"] + 1)
    ]
    return np.ascontiguousarray(np.concatenate([values, *orders]).T, dtype=np.float32)


def band_hz(params: dict, sample_rate_hz: int) -> tuple[float, float]:
    """Return the lowest and the highest frequency (Hz) of a recording that its features see.

    ``sample_rate_hz`` is the recording's own.
    """
    rate_hz = params["sample_rate_hz"] or sample_rate_hz
    kind = kinds.get(params["kind"])
    low_hz, high_hz = kind.band_hz(params, rate_hz) if hasattr(kind, "band_hz") else (0.0, rate_hz / 2)
    return low_hz, min(high_hz, sample_rate_hz / 2)


def remark(params: dict, sample_rate_hz: int) -> str | None:
    """Return what the kind has to say of recordings at a rate (Hz), or None."""
    kind = kinds.get(params["kind"])
    return kind.remark(params, params["sample_rate_hz"] or sample_rate_hz) if hasattr(kind, "remark") else None
