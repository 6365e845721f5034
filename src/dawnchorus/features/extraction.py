"""Frames of features of a stretch of sound: MFCC, log-mel or PCEN, as librosa computes them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from dawnchorus.foundation.errors import InputError
from dawnchorus.sound.audio import Span, read_cuts

if TYPE_CHECKING:
    import numpy as np

# For animals outdoors: Lostanlen et al., "Per-channel energy normalization: why and how", IEEE Signal
# Processing Letters 26(1), 2019. Meant for amplitudes of 32-bit integer samples, hence the scale.
PCEN = {"gain": 0.8, "bias": 10.0, "power": 0.25, "eps": 1e-6}
PCEN_TIME_CONSTANT_S = 0.06
PCEN_SCALE = 2.0**31
DELTA_FRAMES = 9


def n_features(params: dict) -> int:
    """Return the number of values in a frame under a ``features`` block."""
    return (params["n_mfcc"] if params["kind"] == "mfcc" else params["n_mels"]) * (1 + params["deltas"])


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

    ``y``: mono samples, at least ``n_fft`` of them. ``params``: the block ``features``. Its ``kind`` is

    - ``mfcc``: ``librosa.feature.mfcc``; the decibels it starts from reach to 80 below the clip's maximum;
    - ``log_mel``: power in decibels, 0 for a power of 1, never below -100, whatever the rest of the clip is;
    - ``pcen``: ``librosa.pcen`` of the mel amplitude, with the smoother settled at the clip's start.

    ``deltas`` appends so many orders of ``librosa.feature.delta`` (9 frames; the edge frames are repeated).
    """
    import librosa
    import numpy as np

    spectrum = np.abs(librosa.stft(y, n_fft=params["n_fft"], hop_length=params["hop_length"]))
    basis = _basis(sample_rate_hz, params)
    if params["kind"] == "mfcc":
        if params["n_mfcc"] > params["n_mels"]:
            limit = f"features.n_mels {params['n_mels']}"
            raise InputError(f"features.n_mfcc: {params['n_mfcc']}: expected at most {limit}")
        log_mel = librosa.power_to_db(_mel(spectrum**2.0, basis))
        values = librosa.feature.mfcc(S=log_mel, n_mfcc=params["n_mfcc"])
    elif params["kind"] == "log_mel":
        values = librosa.power_to_db(_mel(spectrum**2.0, basis), top_db=None)
    elif params["kind"] == "pcen":
        values = _pcen(_mel(spectrum, basis) * PCEN_SCALE, sample_rate_hz / params["hop_length"])
    else:
        raise InputError(f"features.kind: {params['kind']!r}: expected mfcc, log_mel or pcen")
    orders = [
        librosa.feature.delta(values, width=DELTA_FRAMES, order=order, mode="nearest")
        for order in range(1, params["deltas"] + 1)
    ]
    return np.ascontiguousarray(np.concatenate([values, *orders]).T, dtype=np.float32)


def empty_bands(sample_rate_hz: int, params: dict) -> int:
    """Return how many mel bands are narrower than an FFT bin and have none, so that they are always zero."""
    return int((_basis(sample_rate_hz, params).max(axis=1) == 0).sum())


def _basis(sample_rate_hz: int, params: dict) -> np.ndarray:
    rate_hz = params["mel_sample_rate_hz"] or sample_rate_hz
    f_min_hz, f_max_hz = params["f_min_hz"], params["f_max_hz"] or rate_hz / 2
    if f_min_hz >= f_max_hz:
        limit = "features.f_max_hz" if params["f_max_hz"] else f"half the rate of {rate_hz:g} Hz"
        raise InputError(f"features.f_min_hz: {f_min_hz:g}: expected less than {limit}, {f_max_hz:g} Hz")
    return _mel_basis(rate_hz, params["n_fft"], params["n_mels"], f_min_hz, f_max_hz)


@lru_cache(maxsize=16)
def _mel_basis(rate_hz: float, n_fft: int, n_mels: int, f_min_hz: float, f_max_hz: float) -> np.ndarray:
    """Return ``librosa.filters.mel``, (n_mels, 1 + n_fft // 2), made once: it costs as much as a clip."""
    import librosa

    with warnings.catch_warnings():
        # The article's setting has empty bands by design; the stage says so once, not once a clip.
        warnings.filterwarnings("ignore", message="Empty filters", category=UserWarning)
        basis = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels, fmin=f_min_hz, fmax=f_max_hz)
    basis.flags.writeable = False
    return basis


def _mel(spectrum: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Map (bins, frames) to (bands, frames) by the operation that librosa uses, so that values agree."""
    import numpy as np

    return np.einsum("...ft,mf->...mt", spectrum, basis, optimize=True)


def _pcen(mel: np.ndarray, frames_per_s: float) -> np.ndarray:
    """Normalize the energy of each band, (bands, frames), with a smoother that starts at the level it finds.

    That is the mean of the first 3 time constants. librosa's own start is a level of 1, whatever the sound:
    the first frames of every clip would flare up.
    """
    import librosa
    import numpy as np

    t_frames = PCEN_TIME_CONSTANT_S * frames_per_s
    b = (np.sqrt(1 + 4 * t_frames**2) - 1) / (2 * t_frames**2)
    level = mel[:, : int(np.ceil(3 * t_frames))].mean(axis=1, keepdims=True)
    return librosa.pcen(mel, b=b, zi=(1 - b) * level, **PCEN)
