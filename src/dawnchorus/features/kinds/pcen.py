"""PCEN: the per-channel energy normalization of mel amplitudes, ``librosa.pcen``."""

from dawnchorus.features.kinds import Kind, _mel

# For animals outdoors: Lostanlen et al., "Per-channel energy normalization: why and how", IEEE Signal
# Processing Letters 26(1), 2019. Meant for amplitudes of 32-bit integer samples, hence the scale.
GAIN, BIAS, POWER, EPS = 0.8, 10.0, 0.25, 1e-6
TIME_CONSTANT_S = 0.06
SCALE = 2.0**31

KIND = Kind("PCEN", "", "mel band")


class Params(_mel.MelParams):
    """The keys of PCEN: its bands."""


n_features, band_hz, remark, contradictions = _mel.n_bands, _mel.band_hz, _mel.remark, _mel.contradictions


def frames(y, sample_rate_hz, params):
    """Return (bands, frames), normalized with a smoother that starts at the level it finds.

    That is the mean of the first 3 time constants. librosa's own start is a level of 1, whatever the sound:
    the first frames of every clip would flare up.
    """
    import librosa
    import numpy as np

    mel = _mel.bands(y, sample_rate_hz, params, power=1.0) * SCALE
    t_frames = TIME_CONSTANT_S * sample_rate_hz / params["hop_length"]
    b = (np.sqrt(1 + 4 * t_frames**2) - 1) / (2 * t_frames**2)
    level = mel[:, : int(np.ceil(3 * t_frames))].mean(axis=1, keepdims=True)
    return librosa.pcen(mel, b=b, zi=(1 - b) * level, gain=GAIN, bias=BIAS, power=POWER, eps=EPS)
