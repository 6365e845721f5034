"""MFCC: mel-frequency cepstral coefficients, ``librosa.feature.mfcc``."""

from pydantic import ValidationInfo, field_validator

from dawnchorus.features.kinds import Kind, _mel
from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters.base import value

KIND = Kind("MFCC", "", "coefficient", signed=True, level_features=1)


class Params(_mel.MelParams):
    """The keys of MFCC: the bands, and how many coefficients are kept of their cosine transform."""

    n_mfcc: int = value(20, "coefficients kept; at most n_mels", ge=1, le=1024)

    @field_validator("n_mfcc")
    @classmethod
    def _no_more_than_bands(cls, n_mfcc: int, info: ValidationInfo) -> int:
        if n_mfcc > info.data.get("n_mels", n_mfcc):
            raise ValueError(f"expected at most features.n_mels {info.data['n_mels']}")
        return n_mfcc


band_hz, remark, contradictions = _mel.band_hz, _mel.remark, _mel.contradictions


def n_features(params):
    """Return the number of coefficients."""
    return params["n_mfcc"]


def frames(y, sample_rate_hz, params):
    """Return (coefficients, frames); the decibels it starts from reach to 80 below the clip's maximum."""
    import librosa

    if params["n_mfcc"] > params["n_mels"]:
        limit = f"features.n_mels {params['n_mels']}"
        raise InputError(f"features.n_mfcc: {params['n_mfcc']}: expected at most {limit}")
    log_mel = librosa.power_to_db(_mel.bands(y, sample_rate_hz, params, power=2.0))
    return librosa.feature.mfcc(S=log_mel, n_mfcc=params["n_mfcc"])
