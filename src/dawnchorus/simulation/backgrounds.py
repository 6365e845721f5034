"""What a place adds to calls: distance and echo; and its hush, with wind, rain and insects over it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len

KINDS = ("wind", "rain", "insects")


@dataclass(frozen=True)
class Insect:
    """One insect choir: a band around a carrier, pulsed, the pulses grouped into chirps."""

    carrier_hz: float
    width_hz: float
    pulses_hz: float
    chirps_hz: float
    sung_share: float


@dataclass(frozen=True)
class Site:
    """The character of a place: how its hush falls with frequency, its weather, its insects and its echo."""

    name: str
    slope_db_per_octave: float
    chances: dict[str, float]
    insects: tuple[Insect, ...]
    reverberation_s: float


def site(name: str, rng: np.random.Generator, reverberation_s: float) -> Site:
    """Draw a site; its echo decays by 60 dB in half to all of ``reverberation_s``."""
    insects = tuple(
        Insect(
            carrier_hz=float(np.exp(rng.uniform(np.log(3200.0), np.log(9000.0)))),
            width_hz=float(rng.uniform(80, 500)),
            pulses_hz=float(rng.uniform(12, 60)),
            chirps_hz=float(rng.uniform(0.5, 3.0)),
            sung_share=float(rng.uniform(0.35, 1.0)),
        )
        for _ in range(3)
    )
    chances = {kind: float(rng.uniform(0.35, 0.85)) for kind in KINDS}
    return Site(name, float(rng.uniform(-5.0, -2.0)), chances, insects, float(reverberation_s * rng.uniform(0.5, 1)))


def from_afar(
    sound: np.ndarray, distance: float, reverberation_s: float, rng: np.random.Generator, sample_rate_hz: int
) -> np.ndarray:
    """Return a call as heard over a distance in 0..1: with less treble, by up to 2 dB a kHz, and an echo.

    The echo is noise that decays by 60 dB in ``reverberation_s``, with up to 0.4 of the energy of the direct
    sound. The call ends where 0.2 % of its energy is left; a fade makes sure that nothing sounds later.
    """
    tail = round(reverberation_s * sample_rate_hz)
    response = np.zeros(tail + 1)
    if tail:
        echo = rng.standard_normal(tail) * 10 ** (-3 * np.arange(tail) / tail)
        response[1:] = echo * np.sqrt(0.4 * distance / np.sum(echo**2))
    response[0] = 1.0
    samples = next_fast_len(len(sound) + tail, real=True)
    absorption_db = 2.0 * distance * np.fft.rfftfreq(samples, 1 / sample_rate_hz) / 1000
    spectrum = np.fft.rfft(sound, samples) * np.fft.rfft(response, samples) * 10 ** (-absorption_db / 20)
    heard = np.fft.irfft(spectrum, samples)
    energy = np.cumsum(heard**2)
    heard = heard[: int(np.searchsorted(energy, 0.998 * energy[-1])) + 1]
    fade = min(len(heard), round(0.005 * sample_rate_hz))
    heard[len(heard) - fade :] *= np.linspace(1, 0, fade)
    return heard


def _noise(
    samples: int, sample_rate_hz: int, rng: np.random.Generator, gain: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return Gaussian noise, float32 (samples,) of unit RMS, with the spectrum ``gain(frequency_hz)``."""
    weights = gain(np.fft.rfftfreq(samples, 1 / sample_rate_hz)).astype(np.float32)
    weights[0] = 0.0
    sounding = np.flatnonzero(weights > 1e-4 * weights.max())
    band = slice(sounding[0], sounding[-1] + 1)
    spectrum = np.zeros(len(weights), np.complex64)
    draws = rng.standard_normal((band.stop - band.start, 2), np.float32)
    spectrum[band] = weights[band] * draws.view(np.complex64)[:, 0]
    sound = np.fft.irfft(spectrum, samples)
    return sound / np.sqrt(np.mean(sound**2))


def _slow_level(
    samples: int, sample_rate_hz: int, rng: np.random.Generator, every_s: float, sd_db: float
) -> np.ndarray:
    """Return an amplitude that wanders around 1: a new level in dB every ``every_s``, straight between."""
    knots = int(np.ceil(samples / sample_rate_hz / every_s)) + 2
    places = np.arange(knots) * every_s * sample_rate_hz
    return np.interp(np.arange(samples), places, 10 ** (rng.normal(0, sd_db, knots) / 20))


def hush(place: Site, samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return the steady noise of a site, falling with frequency above 200 Hz."""
    power = place.slope_db_per_octave / (20 * np.log10(2))
    return _noise(samples, sample_rate_hz, rng, lambda f: (np.maximum(f, 200.0) / 1000.0) ** power)


def wind(place: Site, samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return gusts: a rumble below some 200 Hz and the leaves' rustle, swelling and sinking together."""
    corner_hz = rng.uniform(80, 250)
    rumble = _noise(samples, sample_rate_hz, rng, lambda f: 1 / (1 + (f / corner_hz) ** 2.0))
    rustle = _noise(samples, sample_rate_hz, rng, lambda f: (f / 2500.0) / (1 + (f / 2500.0) ** 2))
    gusts = _slow_level(samples, sample_rate_hz, rng, rng.uniform(0.6, 2.0), 5.0)
    return gusts * (3.0 * rumble + 0.35 * gusts * rustle)


def rain(place: Site, samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return rain: a broad hiss, and drops that strike leaves near by, each ringing for some milliseconds."""
    centre_hz = rng.uniform(2500, 6000)
    hiss = _noise(samples, sample_rate_hz, rng, lambda f: np.exp(-0.5 * (np.log2((f + 1) / centre_hz) / 1.3) ** 2))
    drops = rng.poisson(rng.uniform(10, 80) * samples / sample_rate_hz)
    time_s = np.arange(round(0.012 * sample_rate_hz)) / sample_rate_hz
    starts = rng.integers(0, samples, drops)[:, None]
    ring_hz = np.exp(rng.uniform(np.log(900.0), np.log(0.4 * sample_rate_hz), drops))[:, None]
    decay_s = rng.uniform(0.0006, 0.003, drops)[:, None]
    strikes = rng.lognormal(0.5, 0.7, drops)[:, None]
    rings = strikes * np.exp(-time_s / decay_s) * np.sin(2 * np.pi * ring_hz * time_s)
    places = np.minimum(starts + np.arange(len(time_s)), samples)
    patter = np.bincount(places.ravel(), rings.ravel(), samples + 1)[:samples]
    return _slow_level(samples, sample_rate_hz, rng, 3.0, 1.5) * (hiss + patter)


def insects(place: Site, samples: int, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return one or two of the site's insect choirs, all faster and higher on a warm day."""
    time_s = np.arange(samples, dtype=np.float32) / np.float32(sample_rate_hz)
    total = np.zeros(samples, np.float32)
    warmth = rng.uniform(0.93, 1.07)
    chosen = rng.choice(len(place.insects), rng.integers(1, 3), replace=False)
    for insect in (place.insects[index] for index in chosen):
        carrier_hz = min(insect.carrier_hz * warmth, 0.4 * sample_rate_hz)

        def band_of(frequency_hz, centre=carrier_hz, width=insect.width_hz):
            return np.exp(-0.5 * ((frequency_hz - centre) / width) ** 2)

        band = _noise(samples, sample_rate_hz, rng, band_of)
        pulses = 0.5 + 0.5 * np.sin(2 * np.pi * insect.pulses_hz * warmth * time_s)
        chirp = (insect.chirps_hz * warmth * time_s + rng.uniform()) % 1.0 / insect.sung_share
        sung = np.clip(8 * np.minimum(chirp, 1 - chirp), 0, 1) if insect.sung_share < 0.9 else 1.0
        total += rng.uniform(0.4, 1.0) * band * pulses * sung
    return total


MAKERS = {"wind": wind, "rain": rain, "insects": insects}


def background(
    place: Site, samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a recording's background, float32 (samples,) of unit RMS, and which of :data:`KINDS` are in it.

    At least one kind is; each lies 0 to 15 dB above the hush of the site.
    """
    draws = {kind: rng.uniform() / place.chances[kind] for kind in KINDS}
    heard = tuple(kind for kind in KINDS if draws[kind] < 1) or (min(KINDS, key=lambda kind: draws[kind]),)
    total = hush(place, samples, sample_rate_hz, rng)
    for kind in heard:
        sound = MAKERS[kind](place, samples, sample_rate_hz, rng)
        total += sound * 10 ** (rng.uniform(0, 15) / 20) / np.sqrt(np.mean(sound**2))
    return total / np.sqrt(np.mean(total**2)), heard
