"""Sound and pictures small enough to live inside a page: MP3 cuts; spectrograms, features and waveforms as pixels.

A picture without axes is made here; one with axes is a figure. Everywhere: ``y`` (samples,) mono float32 in [-1, 1] at
``sample_rate_hz``; pixels are colours (rows, columns, 3), uint8.
"""

import base64
import io
from typing import Any

import numpy as np

from dawnchorus.features.kinds import Kind

# The rates that MPEG audio layer III has; every browser plays it, Safari before 18.4 no Ogg.
MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# libsndfile's scale from 0 (large) to 1 (small): about 32 kbit/s, enough to hear what an animal does.
COMPRESSION = 0.9
PEAK = 0.7  # MP3 overshoots a little; leaves room for it
IMAGE_QUALITY = 55
DYNAMIC_RANGE_DB = 70.0
FLOOR = 1e-9
MFCC, MFCC_SHOWN, MFCC_COLUMNS = Kind("MFCC", axis="coefficient", signed=True, level_features=1), 19, 72
WAVEFORM = np.array([(0, 0, 4), (178, 192, 206)], dtype=np.uint8)  # behind the sound, and the sound


def sound_rate_hz(file_rate_hz: int, most_hz: int) -> int:
    """Return the lowest MP3 rate that reaches the file's or ``most_hz``, whichever is lower."""
    wanted_hz = min(file_rate_hz, most_hz)
    return next((rate_hz for rate_hz in MP3_RATES_HZ if rate_hz >= wanted_hz), MP3_RATES_HZ[-1])


def gain(y: np.ndarray) -> float:
    """Return the factor that brings the peak of ``y`` to a common level for listening; 1 for silence."""
    peak = float(np.abs(y).max(initial=0.0))
    return PEAK / peak if peak > 0 else 1.0


def mp3(y: np.ndarray, sample_rate_hz: int) -> bytes:
    """Return ``y`` as an MP3 file; ``sample_rate_hz`` is one of :data:`MP3_RATES_HZ`."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, y, sample_rate_hz, format="MP3", subtype="MPEG_LAYER_III", compression_level=COMPRESSION)
    return file.getvalue()


def window_samples(sample_rate_hz: float) -> int:
    """Return the length of the windows of pictures: about 21 ms, a power of two."""
    return 2 ** max(5, round(np.log2(0.021 * sample_rate_hz)))


def spectrogram_db(y: np.ndarray, sample_rate_hz: int, width: int, height: int) -> np.ndarray:
    """Return a picture of the sound, (height, width) in dB relative to its peak, the highest frequency first.

    Hann windows of about 21 ms, ``width`` of them evenly over the sound; bins are averaged as power where
    there are more of them than rows. A constant, such as silence, gives zeros.
    """
    n_fft = window_samples(sample_rate_hz)
    padded = np.pad(np.asarray(y, dtype=np.float64), n_fft // 2)
    starts = np.linspace(0, max(0, len(padded) - n_fft), width).astype(int)
    padded = np.pad(padded, (0, max(0, n_fft - len(padded))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[starts] * np.hanning(n_fft)
    power = np.abs(np.fft.rfft(frames, axis=1)[:, :-1]) ** 2
    rows = np.linspace(0, power.shape[1], height + 1)
    low = rows[:-1].astype(int)
    summed = np.concatenate([np.zeros((width, 1)), np.cumsum(power, axis=1)], axis=1)
    high = np.maximum(low + 1, np.ceil(rows[1:]).astype(int))
    mean = (summed[:, high] - summed[:, low]) / (high - low)
    db = 10 * np.log10(np.maximum(mean, FLOOR))
    return (db - db.max()).T[::-1]


def shades(values: np.ndarray, low: float, high: float, colours: np.ndarray) -> np.ndarray:
    """Map values (rows, columns) from ``low`` to ``high`` to ``colours`` (n, 3) uint8: (rows, columns, 3)."""
    share = (values - low) / ((high - low) or 1.0)
    return colours[np.clip(share * len(colours), 0, len(colours) - 1).astype(int)]


def colour_map(name: str) -> np.ndarray:
    """Return a colour map of matplotlib as (256, 3) uint8."""
    import matplotlib

    return (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def spectrogram_pixels(y: np.ndarray, sample_rate_hz: int, width: int, height: int) -> np.ndarray:
    """Return the spectrogram as colours (height, width, 3); the noise floor of the sound is dark."""
    db = spectrogram_db(y, sample_rate_hz, width, height)
    floor_db = max(-DYNAMIC_RANGE_DB, float(np.percentile(db, 30)))
    return shades(db, min(floor_db, -20.0), 0.0, colour_map("magma"))


def feature_colours(features: np.ndarray, kind: Kind) -> tuple[str, float, float]:
    """Return the colour map for features (frames, n_features), and the values at its two ends.

    Symmetric around 0 where the kind is signed; a few extreme values saturate.
    """
    if kind.signed:
        limit = float(np.percentile(np.abs(features), 99)) or 1.0
        return "RdBu_r", -limit, limit
    low, high = (float(value) for value in np.percentile(features, (2, 99)))
    return "magma", low, max(high, low + 1e-6)


def feature_pixels(features: np.ndarray, kind: Kind, width: int, height: int) -> np.ndarray:
    """Return features (frames, n_features) as colours (height, width, 3), the first feature at the bottom.

    Those that say only how loud the sound is are left out: they would drown the others.
    """
    shown = kind.without_level(features)
    name, low, high = feature_colours(shown, kind)
    columns = np.linspace(0, len(shown) - 1, width).round().astype(int)
    rows = ((np.arange(height)[::-1] + 0.5) / height * shown.shape[1]).astype(int)
    return shades(shown[columns].T[rows], low, high, colour_map(name))


def mfcc_pixels(y: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Return the MFCC of a sound as colours (coefficients, columns, 3), a pixel each, the first at the bottom.

    Windows of about 21 ms, half of that apart, of which at most :data:`MFCC_COLUMNS` are shown; coefficient 0, which
    says only how loud the sound is, is left out.
    """
    import librosa

    n_fft = window_samples(sample_rate_hz)
    padded = np.pad(np.asarray(y, dtype=np.float32), (0, max(0, n_fft - len(y))))
    # Of low rates fewer bands, so that each holds a bin.
    bands: dict[str, Any] = {"n_mels": min(64, max(24, n_fft // 8)), "n_fft": n_fft, "hop_length": n_fft // 2}
    values = librosa.feature.mfcc(y=padded, sr=sample_rate_hz, n_mfcc=MFCC.level_features + MFCC_SHOWN, **bands).T
    return feature_pixels(values, MFCC, min(len(values), MFCC_COLUMNS), MFCC_SHOWN)


def envelope(y: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the middle (in samples), lowest and highest sample of at most ``bins`` equal stretches of ``y``."""
    edges = np.unique(np.linspace(0, len(y), min(bins, len(y)) + 1).astype(int))
    starts = edges[:-1]
    if not len(starts):
        return np.zeros(1), np.zeros(1), np.zeros(1)
    return starts + np.diff(edges) / 2, np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)


def waveform_pixels(y: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the outline of the sound as colours (height, width, 3), light on dark, the peak at the edges."""
    _, low, high = envelope(y, width)
    columns = np.linspace(0, len(low) - 1, width).round().astype(int)
    scale = (float(np.abs(y).max(initial=0.0)) or 1.0) * 2 / (height - 1)
    level = np.arange(height)[:, None]
    middle = (height - 1) / 2
    top, bottom = np.floor(middle - high[columns] / scale), np.ceil(middle - low[columns] / scale)
    inside = (level >= top) & (level <= bottom)
    return shades(inside.astype(float), 0.0, 1.0, WAVEFORM)


def webp(pixels: np.ndarray) -> bytes:
    """Return colours (rows, columns, 3) uint8 as a WebP file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=IMAGE_QUALITY, method=4)
    return file.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """Return a file as an address that holds its content."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
