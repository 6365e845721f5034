"""Recordings that never were: calls of invented species over rain, wind and insects, exactly annotated."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len

from dawnchorus.foundation import seeds
from dawnchorus.foundation.errors import InputError
from dawnchorus.simulation import backgrounds, calls

# Train, validation and test each need a recording of every species when whole recordings are split.
FEWEST_RECORDINGS_OF_A_SPECIES = 3
LEAST_SILENCE_SHARE = 0.1
GAIN_RANGE_DB = 6.0
PEAK = 0.95
# The level of a call is that of so long a stretch around each moment.
LEVEL_S = 0.01
# A call that should begin during another one tries so many before it stays where it is.
OVERLAP_TRIES = 4


@dataclass(frozen=True)
class Recording:
    """One simulated recording: its id, float32 samples in -1..1, site, kinds of background, and annotations.

    An annotation is a dict with the columns of the RFCX table (times in s, frequencies in Hz) and ``snr_db``.
    """

    recording_id: str
    samples: np.ndarray
    site: str
    background: str
    annotations: list[dict]


def species_table(params: dict) -> list[dict]:
    """Return one row a species: its id, an integer from 0, and its name; no two names are equal."""
    return [{"species_id": index, "name": calls.call_type(index).name} for index in range(params["species"])]


def recording_id(seed: int, index: int) -> str:
    """Return nine hexadecimal digits, as RFCX has; four count the recordings, so no two ids are equal."""
    return f"{index:04x}{seeds.derived_seed(seed, f'simulate id {index}') & 0xFFFFF:05x}"


def check(params: dict) -> None:
    """Raise an :class:`InputError` with a line for each set of values that cannot be met together."""
    problems = []
    if params["snr_min_db"] > params["snr_max_db"]:
        problems.append(
            f"simulate.snr_min_db: {params['snr_min_db']}, expected at most snr_max_db ({params['snr_max_db']})"
        )
    if params["faint_share"] > 0 and params["faint_snr_min_db"] > params["snr_min_db"]:
        problems.append(
            f"simulate.faint_snr_min_db: {params['faint_snr_min_db']}, expected at most snr_min_db "
            f"({params['snr_min_db']})"
        )
    most = params["species_per_recording"]
    if most > params["species"]:
        problems.append(f"simulate.species_per_recording: {most}, expected at most species ({params['species']})")
    places = sum(_sizes(params))
    if places < FEWEST_RECORDINGS_OF_A_SPECIES * params["species"]:
        problems.append(
            f"simulate.recordings: {params['recordings']}, expected more: they have {places} places for "
            f"{params['species']} species, but a split by recording needs each species in "
            f"{FEWEST_RECORDINGS_OF_A_SPECIES}"
        )
    needed_s = most * longest_call_s(params) / (1 - LEAST_SILENCE_SHARE)
    if needed_s > params["recording_duration_s"]:
        problems.append(
            f"simulate.recording_duration_s: {params['recording_duration_s']}, "
            f"expected at least {needed_s:.2f}: {most} calls (species_per_recording) of the longest kind "
            "must fit"
        )
    highest_hz, rate = highest_pitch_hz(params), params["sample_rate_hz"]
    if highest_hz > calls.HIGHEST_SHARE_OF_NYQUIST * rate / 2:
        problems.append(
            f"simulate.sample_rate_hz: {rate}, expected at least "
            f"{int(2 * highest_hz / calls.HIGHEST_SHARE_OF_NYQUIST) + 1}: "
            f"the highest call has {highest_hz:.0f} Hz"
        )
    if problems:
        raise InputError(*problems)


def longest_call_s(params: dict) -> float:
    """Return the longest that a call of the set can last in seconds, echo included."""
    kinds = (calls.call_type(index) for index in range(params["species"]))
    return max(kind.longest_s(params["tempo_variation"]) for kind in kinds) + params["reverberation_s"]


def highest_pitch_hz(params: dict) -> float:
    """Return the highest pitch of any call in Hz, distractor calls included if there are any."""
    kinds = calls.MOST_CALL_TYPES if params["distractors_per_recording"] > 0 else params["species"]
    return max(calls.call_type(index).highest_hz(params["pitch_variation_semitones"]) for index in range(kinds))


def _sizes(params: dict) -> list[int]:
    """Return how many species each recording has: 1, 2, ... most, and again from 1; a share of them has none."""
    sizes, n_calling = [], 0
    for index in range(params["recordings"]):
        is_free = int((index + 1) * params["call_free_share"]) > int(index * params["call_free_share"])
        sizes.append(0 if is_free else 1 + n_calling % params["species_per_recording"])
        n_calling += not is_free
    return sizes


def casting(params: dict, seed: int) -> list[list[int]]:
    """Return the species of each recording, as a list of species ids without repeats.

    The recordings take the species in turn from one shuffled round after another, so that every species is in
    as many recordings as any other, within one; a recording more moves no other. A round starts with the
    species that the end of the round before has not, so that no recording gets a species twice.
    """
    most = params["species_per_recording"]
    sizes = _sizes(params)
    order: list[int] = []
    for turn in range(-(-sum(sizes) // params["species"])):
        shuffled = seeds.rng(seed, f"simulate round {turn}").permutation(params["species"]).tolist()
        tail = order[len(order) - (most - 1) :] if order else []
        order += [species for species in shuffled if species not in tail] + tail
    ends = np.cumsum(sizes).tolist()
    return [order[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _calls_of(params: dict, cast: list[int], place: backgrounds.Site, rng: np.random.Generator) -> list[tuple]:
    """Return (species id or None, sound) of the calls in one recording, in random order.

    Each species calls 1 to 2 n - 1 times, where n is calls_per_species. Distractor calls, of species that
    are not in the set, get no annotation. Calls after the first of each species are left off where less than a
    tenth of the recording would stay silent.
    """
    rate, varies = params["sample_rate_hz"], (params["pitch_variation_semitones"], params["tempo_variation"])
    times = rng.integers(1, 2 * params["calls_per_species"], len(cast))
    further = rng.permutation(np.repeat(cast, times - 1)).tolist()
    callers = cast + further + [None] * rng.poisson(params["distractors_per_recording"])
    animals = {species: calls.individual(rng, *varies) for species in cast}
    room = (1 - LEAST_SILENCE_SHARE) * params["recording_duration_s"] * rate
    made = []
    for species in callers:
        known = species is not None
        kind = calls.call_type(species if known else int(rng.integers(params["species"], calls.MOST_CALL_TYPES)))
        animal = animals[species] if known else calls.individual(rng, *varies)
        near = calls.call(kind, animal, rng, rate, *varies)
        sound = backgrounds.from_afar(near, animal.distance, place.reverberation_s, rng, rate)
        if len(sound) <= room:
            room -= len(sound)
            made.append((species, sound))
    return [made[index] for index in rng.permutation(len(made))]


def _starts(params: dict, made: list[tuple], samples: int, rng: np.random.Generator) -> list[int]:
    """Return the first sample of each call: one after the other, but for a share that begins while others call.

    Any number may call at once, but of one species never two.
    """
    lengths = np.array([len(sound) for _, sound in made], int)
    free = samples - int(lengths.sum())
    gaps = np.sort(rng.integers(0, free, len(made)))
    starts = (gaps + np.cumsum(lengths) - lengths).tolist()
    joined = None
    for number, (species, sound) in enumerate(made):
        wanted, chorus = rng.uniform(size=2)
        others = rng.integers(0, len(made), OVERLAP_TRIES).tolist()
        shares = rng.uniform(0.2, 0.9, OVERLAP_TRIES).tolist()
        if wanted >= params["overlap_fraction"]:
            continue
        # Half of them try first what was joined last, so that several call at once.
        if joined is not None and chorus < 0.5:
            others[0] = joined
        of_species = [k for k, (of, _) in enumerate(made) if k != number and of is not None and of == species]
        for other, share in zip(others, shares, strict=True):
            start = starts[other] + int(share * lengths[other])
            end = start + len(sound)
            is_free = all(start >= starts[k] + lengths[k] or end <= starts[k] for k in of_species)
            if other != number and is_free and end <= samples:
                starts[number], joined = start, number
                break
    return starts


def box_of(sound: np.ndarray, sample_rate_hz: int, level_db: float) -> slice:
    """Return where a call is heard: from where its level first is ``level_db`` below its highest to where it last is.

    The level is that of :data:`LEVEL_S` around each sample; beyond its ends the sound is silent.
    """
    width = round(LEVEL_S * sample_rate_hz)
    energy = np.concatenate([[0.0], np.cumsum(np.pad(sound, (width // 2, width - width // 2)) ** 2)])
    power = (energy[width:] - energy[:-width])[: len(sound)]
    heard = np.flatnonzero(power >= power.max() * 10 ** (-level_db / 10))
    return slice(int(heard[0]), int(heard[-1]) + 1)


def band_of(sound: np.ndarray, sample_rate_hz: int) -> tuple[float, float]:
    """Return the band in Hz that holds the middle 98 % of a sound's energy, in whole bins of its spectrum."""
    samples = next_fast_len(len(sound), real=True)
    energy = np.cumsum(np.abs(np.fft.rfft(sound, samples)) ** 2)
    bin_hz = sample_rate_hz / samples
    low, high = np.searchsorted(energy, np.array([0.01, 0.99]) * energy[-1])
    return float(max(low - 0.5, 0) * bin_hz), float(min((high + 0.5) * bin_hz, sample_rate_hz / 2))


def _energy_in(sound: np.ndarray, band_hz: tuple[float, float], sample_rate_hz: int) -> float:
    samples = next_fast_len(len(sound), real=True)
    frequency_hz = np.fft.rfftfreq(samples, 1 / sample_rate_hz)
    spectrum = np.fft.rfft(sound, samples)[(frequency_hz >= band_hz[0]) & (frequency_hz <= band_hz[1])]
    return float(np.sum(np.abs(spectrum) ** 2))


def recording(params: dict, seed: int, index: int, cast: list[int]) -> Recording:
    """Return recording ``index`` with calls of the species in ``cast``.

    The signal-to-noise ratio of a call is its energy over that of the background (without other calls)
    between t_min and t_max and between f_min and f_max, in dB, drawn evenly from snr_min_db..snr_max_db, of a faint
    one from faint_snr_min_db..snr_min_db. A box is :func:`box_of` by the :func:`band_of` what sounds in it.
    """
    rng = seeds.rng(seed, f"simulate recording {index}")
    rate = params["sample_rate_hz"]
    samples = round(params["recording_duration_s"] * rate)
    # Sites change once all sizes of cast have been there, else a site would have recordings of one size only.
    name = chr(ord("A") + index // params["species_per_recording"] % params["sites"])
    place = backgrounds.site(name, seeds.rng(seed, f"simulate site {name}"), params["reverberation_s"])
    noise, kinds = backgrounds.background(place, samples, rate, rng)
    made = _calls_of(params, cast, place, rng)
    mix = noise.copy()
    annotations = []
    for (species, sound), start in zip(made, _starts(params, made, samples, rng), strict=True):
        box = box_of(sound, rate, params["box_level_db"])
        heard, begin, end = sound[box], start + box.start, start + box.stop
        band_hz = band_of(heard, rate)
        is_faint = rng.uniform() < params["faint_share"]
        lowest, highest = ("faint_snr_min_db", "snr_min_db") if is_faint else ("snr_min_db", "snr_max_db")
        snr_db = float(rng.uniform(params[lowest], params[highest]))
        ratio = _energy_in(noise[begin:end], band_hz, rate) / _energy_in(heard, band_hz, rate)
        mix[start : start + len(sound)] += sound * np.sqrt(ratio * 10 ** (snr_db / 10))
        if species is not None:
            annotations.append(
                {
                    "recording_id": recording_id(seed, index),
                    "species_id": species,
                    "songtype_id": 1,
                    "t_min": round(begin / rate, 6),
                    "f_min": round(band_hz[0], 2),
                    "t_max": round(end / rate, 6),
                    "f_max": round(band_hz[1], 2),
                    "snr_db": round(snr_db, 2),
                }
            )
    mix *= 10 ** ((params["background_level_dbfs"] + rng.uniform(-GAIN_RANGE_DB, GAIN_RANGE_DB)) / 20)
    mix *= min(1.0, PEAK / np.max(np.abs(mix)))
    annotations.sort(key=lambda row: (row["t_min"], row["species_id"]))
    return Recording(recording_id(seed, index), mix, name, "+".join(kinds), annotations)
