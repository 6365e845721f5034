"""Calls of invented species: what a species sounds like, one individual of it, one call of that individual.

A call is a sum of partials over one frequency contour, under one amplitude envelope. Twelve families of
contour and envelope, each in five registers and four tempi, give 240 call types. They share bands on purpose,
and some pairs (rising and falling, climbing and stooping, quickening and slowing) differ in nothing but the
order in time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

REGISTERS = (("deep", 0.62), ("low", 0.79), ("", 1.0), ("high", 1.27), ("piercing", 1.61))
TEMPI = (("drawling", 0.55), ("slow", 0.74), ("", 1.0), ("quick", 1.35))
# A draw further out, in standard deviations, is cut off: the longest call of a species is known beforehand.
LARGEST_DEVIATION = 2.0
# Two calls of one individual differ by this share of what two individuals differ by.
CALL_SHARE = 0.25
# A rough voice draws a new deviation of its frequency this often: slow enough to leave no hiss far from it.
SHAKE_S = 0.002
HIGHEST_SHARE_OF_NYQUIST = 0.94

Contour = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Family:
    """A way of calling: ``shape(time_s, position, tempo, bend)`` gives octaves from the pitch, and amplitude.

    ``position`` runs from 0 to 1 over the call; each partial is a multiple of the contour and its gain.
    """

    name: str
    shape: Callable[[np.ndarray, np.ndarray, float, float], Contour]
    pitch_hz: float
    duration_s: float
    partials: tuple[tuple[float, float], ...]
    roughness_hz: float = 0.0


@dataclass(frozen=True)
class CallType:
    """The call of one species: its family in one register and at one tempo."""

    name: str
    family: Family
    pitch_hz: float
    tempo: float

    def longest_s(self, tempo_variation: float) -> float:
        """Return the longest that a call can last, in seconds and without its echo."""
        slowest = np.exp(-LARGEST_DEVIATION * (1 + CALL_SHARE) * tempo_variation)
        return float(self.family.duration_s / self.tempo / slowest)

    def highest_hz(self, pitch_variation_semitones: float) -> float:
        """Return the highest pitch in Hz that a call can have; its contour may go half an octave further."""
        return float(self.pitch_hz * 2 ** (LARGEST_DEVIATION * (1 + CALL_SHARE) * pitch_variation_semitones / 12))


@dataclass(frozen=True)
class Individual:
    """One animal: factors on its species' pitch, tempo, contour and overtones; its distance in 0..1."""

    pitch: float
    tempo: float
    bend: float
    overtones: float
    distance: float


def _note(position: np.ndarray, attack: float = 0.15, release: float = 0.3) -> np.ndarray:
    """Return an envelope over position 0..1 that rises and falls as a raised cosine and is 0 outside."""
    edge = np.minimum(position / attack, (1 - position) / release)
    return np.sin(0.5 * np.pi * np.clip(edge, 0, 1)) ** 2


def _pulses(phase: np.ndarray, duty: float) -> Contour:
    """Return the place inside the pulse (0..1) and the pulse's envelope, one pulse a unit of ``phase``."""
    inside = (phase % 1.0) / duty
    return np.clip(inside, 0, 1), _note(np.clip(inside, 0, 1), 0.25, 0.6)


def _rising(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    return 0.9 * (position**bend - 0.5), _note(position, 0.2, 0.2)


def _falling(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    return _rising(time_s, 1 - position, tempo, bend)


def _hooped(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    return 0.9 * (np.sin(np.pi * position**bend) - 0.5), _note(position, 0.2, 0.2)


def _climbing_notes(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    second = position > 0.45
    octaves = np.where(second, 0.3 + 0.2 * (position - 0.75) * bend, -0.35)
    return octaves, np.where(second, _note((position - 0.5) / 0.5), 0.8 * _note(position / 0.42))


def _stooping_notes(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    return _climbing_notes(time_s, 1 - position, tempo, bend)


def _warble(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    return 0.27 * bend * np.sin(2 * np.pi * 9.0 * tempo * time_s), _note(position)


def _piping(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    droop = 0.15 * bend * (1 - (2 * position - 0.8) ** 2)
    return droop + 0.03 * np.sin(2 * np.pi * 6.5 * tempo * time_s), _note(position, 0.12, 0.35)


def _trill(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    inside, pulse = _pulses(15.0 * tempo * time_s, 0.6)
    return 0.45 * bend * (0.5 - inside), pulse * _note(position, 0.3, 0.1)


def _quickening(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    inside, pulse = _pulses(tempo * time_s * (5.0 + 10.0 * position**bend), 0.5)
    return 0.45 * (0.5 - inside), pulse * _note(position, 0.2, 0.2)


def _slowing(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    return _quickening(time_s[::-1], 1 - position, tempo, bend)


def _croak(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    inside = (32.0 * tempo * time_s) % 1.0
    return 0.2 * bend * position - 0.1, np.exp(-3.5 * inside) * _note(inside, 0.1, 0.2) * _note(position, 0.5, 0.15)


def _buzz(time_s: np.ndarray, position: np.ndarray, tempo: float, bend: float) -> Contour:
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * 70.0 * tempo * time_s)
    return 0.25 * bend * (position - 0.5), swell * _note(position, 0.4, 0.15)


WHISTLED = ((1.0, 1.0), (2.0, 0.05))
RATTLED = ((1.0, 1.0), (2.0, 0.3))
FAMILIES = (
    Family("rising whistler", _rising, 2600.0, 0.55, WHISTLED),
    Family("dry triller", _trill, 3600.0, 0.85, RATTLED),
    Family("reedy piper", _piping, 1100.0, 0.7, tuple(enumerate((0.8, 1.0, 0.7, 0.35, 0.2), 1))),
    Family("pulsed croaker", _croak, 950.0, 0.6, ((1.0, 1.0), (1.9, 0.7), (2.7, 0.35)), 60.0),
    Family("falling whistler", _falling, 2600.0, 0.55, WHISTLED),
    Family("quickening rattler", _quickening, 2400.0, 0.9, RATTLED),
    Family("climbing two-noter", _climbing_notes, 1800.0, 0.5, WHISTLED),
    Family("rasping buzzer", _buzz, 3100.0, 0.6, ((1.0, 1.0), (1.4, 0.6)), 330.0),
    Family("slowing rattler", _slowing, 2400.0, 0.9, RATTLED),
    Family("stooping two-noter", _stooping_notes, 1800.0, 0.5, WHISTLED),
    Family("wavering warbler", _warble, 2200.0, 0.75, WHISTLED),
    Family("hooped whistler", _hooped, 3300.0, 0.55, WHISTLED),
)
MOST_CALL_TYPES = len(FAMILIES) * len(REGISTERS) * len(TEMPI)


def call_type(index: int) -> CallType:
    """Return call type ``index`` in 0..239: the families in turn, then again in other registers and tempi."""
    if not 0 <= index < MOST_CALL_TYPES:
        raise ValueError(f"call type {index} is not in 0..{MOST_CALL_TYPES - 1}")
    variant, place = divmod(index, len(FAMILIES))
    # 5 and 4 have no common factor: counting in both at once meets all 20 pairs, the plain one first.
    register, pitch = REGISTERS[(2 + 2 * variant) % len(REGISTERS)]
    pace, tempo = TEMPI[(2 + variant) % len(TEMPI)]
    family = FAMILIES[place]
    name = " ".join(word for word in (register, pace, family.name) if word)
    return CallType(name, family, family.pitch_hz * pitch, tempo)


def _deviation(rng: np.random.Generator) -> float:
    return float(np.clip(rng.standard_normal(), -LARGEST_DEVIATION, LARGEST_DEVIATION))


def individual(rng: np.random.Generator, pitch_variation_semitones: float, tempo_variation: float) -> Individual:
    """Draw one animal; the variations are standard deviations, of pitch and of the logarithm of tempo."""
    return Individual(
        pitch=2 ** (pitch_variation_semitones * _deviation(rng) / 12),
        tempo=float(np.exp(tempo_variation * _deviation(rng))),
        bend=float(np.exp(0.25 * _deviation(rng))),
        overtones=10 ** (5.0 * _deviation(rng) / 20),
        distance=float(rng.uniform()),
    )


def call(
    kind: CallType,
    animal: Individual,
    rng: np.random.Generator,
    sample_rate_hz: int,
    pitch_variation_semitones: float,
    tempo_variation: float,
) -> np.ndarray:
    """Return one call as heard close by: float64 samples, of no particular level, 0 at both ends."""
    pitch_hz = kind.pitch_hz * animal.pitch * 2 ** (CALL_SHARE * pitch_variation_semitones * _deviation(rng) / 12)
    tempo = kind.tempo * animal.tempo * np.exp(CALL_SHARE * tempo_variation * _deviation(rng))
    samples = round(kind.family.duration_s / tempo * sample_rate_hz)
    time_s = np.arange(samples) / sample_rate_hz
    position = np.linspace(0, 1, samples)
    octaves, amplitude = kind.family.shape(time_s, position, tempo, animal.bend)
    level_db = np.interp(position, np.linspace(0, 1, 7), rng.normal(0, 1.5, 7))
    frequency_hz = pitch_hz * 2**octaves
    shakes_s = np.arange(0, time_s[-1] + SHAKE_S, SHAKE_S)
    sound = np.zeros(samples)
    for order, (multiple, gain) in enumerate(kind.family.partials):
        partial_hz = multiple * frequency_hz
        if kind.family.roughness_hz:
            partial_hz += np.interp(time_s, shakes_s, rng.normal(0, kind.family.roughness_hz, len(shakes_s)))
        phase = 2 * np.pi * np.cumsum(partial_hz) / sample_rate_hz
        heard = partial_hz < HIGHEST_SHARE_OF_NYQUIST * sample_rate_hz / 2
        sound += gain * (animal.overtones if order else 1.0) * heard * np.sin(phase)
    return sound * amplitude * 10 ** (level_db / 20)
