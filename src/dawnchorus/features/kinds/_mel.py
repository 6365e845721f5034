"""What kinds on mel bands share: their parameters, their filter bank, and what can be said of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters.base import Block, value

if TYPE_CHECKING:
    import numpy as np


class MelParams(Block):
    """The mel bands of a kind."""

    n_mels: int = value(64, "mel bands", ge=2, le=1024)
    f_min_hz: float = value(50.0, "lower edge of the lowest mel band", ge=0, le=250_000)
    f_max_hz: float | None = value(
        12_000.0, "upper edge of the highest mel band; null is half the rate", gt=0, le=250_000
    )
    mel_sample_rate_hz: float | None = value(
        None,
        "rate that the mel filter bank is built for; null is the sound's own rate, as it should be",
        ge=1000,
        le=500_000,
    )


def n_bands(params: dict) -> int:
    """Return the number of mel bands."""
    return params["n_mels"]


def bands(y: np.ndarray, sample_rate_hz: int, params: dict, power: float) -> np.ndarray:
    """Return the mel bands of a sound, (bands, frames): of amplitudes for ``power`` 1, of powers for 2.

    By the operation that librosa uses, so that values agree.
    """
    import librosa
    import numpy as np

    spectrum = np.abs(librosa.stft(y, n_fft=params["n_fft"], hop_length=params["hop_length"]))
    return np.einsum("...ft,mf->...mt", spectrum**power, basis(sample_rate_hz, params), optimize=True)


def band_hz(params: dict, sample_rate_hz: int) -> tuple[float, float]:
    """Return the lowest and the highest frequency of a sound at this rate that falls into a band."""
    # The article makes its bands for one rate and uses them at another, which moves them.
    mel_hz = params["mel_sample_rate_hz"] or sample_rate_hz
    scale = sample_rate_hz / mel_hz
    return scale * params["f_min_hz"], scale * (params["f_max_hz"] or mel_hz / 2)


def contradictions(params: dict) -> Iterator[str]:
    """Yield a line for each value that leaves no mel band where it is asked for, as far as the rate is known."""
    n_bins = 1 + params["n_fft"] // 2
    if params["n_mels"] > n_bins:
        yield (
            f"features.n_mels: {params['n_mels']}: expected at most {n_bins}, the bins of an FFT frame of "
            f"features.n_fft {params['n_fft']}"
        )
    rate_hz = params["mel_sample_rate_hz"] or params["sample_rate_hz"]
    if rate_hz is None:
        f_max_hz = params["f_max_hz"]
    else:
        of_rate = "mel_sample_rate_hz" if params["mel_sample_rate_hz"] else "sample_rate_hz"
        f_max_hz = params["f_max_hz"] or rate_hz / 2
        if f_max_hz > rate_hz / 2:
            yield (
                f"features.f_max_hz: {f_max_hz:g}: expected at most {rate_hz / 2:g}, half of features.{of_rate} "
                f"{rate_hz:g}"
            )
    if f_max_hz is not None and params["f_min_hz"] >= f_max_hz:
        limit = "features.f_max_hz" if params["f_max_hz"] else "half the rate,"
        yield f"features.f_min_hz: {params['f_min_hz']:g}: expected less than {limit} {f_max_hz:g}"


def remark(params: dict, sample_rate_hz: int) -> str | None:
    """Say how many bands are narrower than an FFT bin and have none, as librosa would say of every clip."""
    n_empty = int((basis(sample_rate_hz, params).max(axis=1) == 0).sum())
    if not n_empty:
        return None
    return f"{n_empty} of {params['n_mels']} mel bands are narrower than an FFT bin, so always empty"


def basis(sample_rate_hz: int, params: dict) -> np.ndarray:
    """Return the filter bank, (bands, 1 + n_fft // 2); edges that allow none raise :class:`InputError`."""
    rate_hz = params["mel_sample_rate_hz"] or sample_rate_hz
    f_min_hz, f_max_hz = params["f_min_hz"], params["f_max_hz"] or rate_hz / 2
    if f_max_hz > rate_hz / 2:
        raise InputError(
            f"features.f_max_hz: {f_max_hz:g}: expected at most {rate_hz / 2:g}, half the rate of {rate_hz:g} Hz"
        )
    if f_min_hz >= f_max_hz:
        limit = "features.f_max_hz" if params["f_max_hz"] else f"half the rate of {rate_hz:g} Hz"
        raise InputError(f"features.f_min_hz: {f_min_hz:g}: expected less than {limit}, {f_max_hz:g} Hz")
    return _basis(rate_hz, params["n_fft"], params["n_mels"], f_min_hz, f_max_hz)


@lru_cache(maxsize=16)
def _basis(rate_hz: float, n_fft: int, n_mels: int, f_min_hz: float, f_max_hz: float) -> np.ndarray:
    """Return ``librosa.filters.mel``, made once: it costs as much as a clip."""
    import librosa

    with warnings.catch_warnings():
        # The article's setting has empty bands by design; `remark` says so once, not once a clip.
        warnings.filterwarnings("ignore", message="Empty filters", category=UserWarning)
        made = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels, fmin=f_min_hz, fmax=f_max_hz)
    made.flags.writeable = False
    return made
