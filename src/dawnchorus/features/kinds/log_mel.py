"""Log-mel: the power of each mel band in decibels, 0 for a power of 1, never below -100."""

from dawnchorus.features.kinds import Kind, _mel

KIND = Kind("log-mel", "dB", "mel band", powers_in_db=True)


class Params(_mel.MelParams):
    """The keys of log-mel: its bands."""


n_features, band_hz, remark, contradictions = _mel.n_bands, _mel.band_hz, _mel.remark, _mel.contradictions


def frames(y, sample_rate_hz, params):
    """Return (bands, frames); no value depends on what else the clip holds."""
    import librosa

    return librosa.power_to_db(_mel.bands(y, sample_rate_hz, params, power=2.0), top_db=None)
