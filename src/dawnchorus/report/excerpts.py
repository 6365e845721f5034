"""Which stretches of sound are shown and played, and how they are cut: for the figures and for every page alike."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from dawnchorus.features import extraction, kinds
from dawnchorus.report import media
from dawnchorus.sound import audio
from dawnchorus.sound.spans import Span

NOT_CLOSER = 0.98  # to the opposite edge: a box keeps a visible width


class Place(NamedTuple):
    """A stretch of a file, and what is marked in it: an annotation or an event; seconds from the start of the file.

    ``band_hz`` is None where nothing is known of the frequencies.
    """

    path: Path
    file_rate_hz: int
    stretch_s: Span
    marked_s: Span
    band_hz: Span | None = None


def median_clips(rows: pd.DataFrame, n_classes: int) -> list[int | None]:
    """Return for each class the position in ``rows`` of a training clip of median duration.

    ``rows``: class_index, partition, t_min_s, t_max_s. Of an even number the shorter median, of equal durations the
    first; of a class without training clips any other clip; None for a class without clips.
    """
    durations_s = (rows["t_max_s"] - rows["t_min_s"]).to_numpy()
    of_class = rows["class_index"].to_numpy()
    in_train = (rows["partition"] == "train").to_numpy()
    chosen: list[int | None] = []
    for class_index in range(n_classes):
        mine = np.flatnonzero((of_class == class_index) & in_train)
        mine = mine if len(mine) else np.flatnonzero(of_class == class_index)
        # Times are given to some decimals: their differences are equal only but for rounding.
        order = mine[np.argsort(durations_s[mine].round(6), kind="stable")]
        chosen.append(int(order[(len(order) - 1) // 2]) if len(order) else None)
    return chosen


def commonest(rows: pd.DataFrame, n_classes: int, most: int) -> list[int]:
    """Return the ``most`` classes with the most ``rows``, in class order; of equal ones the first."""
    counts = np.bincount(rows["class_index"], minlength=n_classes)
    order = np.argsort(-counts, kind="stable")
    return sorted(int(index) for index in order[:most] if counts[index])


def stretch(marked_s: Span, duration_s: float, context_s: float, longest_s: float, peak_s: float | None = None) -> Span:
    """Return the seconds to cut out: what is marked with ``context_s`` on both sides, within the recording.

    Of what is longer than ``longest_s`` so much around ``peak_s``, or from the start where there is no peak.
    """
    start_s, end_s = marked_s[0] - context_s, marked_s[1] + context_s
    if end_s - start_s > longest_s:
        if peak_s is not None:
            start_s = min(max(peak_s - longest_s / 2, start_s), end_s - longest_s)
        end_s = start_s + longest_s
    return max(0.0, start_s), min(duration_s, end_s)


def place_of(row: dict, recording: dict, audio_dir: Path, context_s: float, longest_s: float) -> Place:
    """Return where an annotation is seen and heard.

    ``row``: t_min_s, t_max_s, f_min_hz, f_max_hz (NaN where it has no band); ``recording``: path, duration_s,
    sample_rate_hz.
    """
    marked_s, band_hz = (row["t_min_s"], row["t_max_s"]), (row["f_min_hz"], row["f_max_hz"])
    return Place(
        audio_dir / recording["path"],
        int(recording["sample_rate_hz"]),
        stretch(marked_s, recording["duration_s"], context_s, longest_s),
        marked_s,
        None if np.isnan(band_hz).any() else band_hz,
    )


def cut(places: Sequence[Place], rate_of: Callable[[int], int]) -> Iterator[tuple[int, np.ndarray, int]]:
    """Yield the position of each place, its sound (samples,) and the rate of that, file by file.

    ``rate_of``: the rate (Hz) to read a file at, given its own.
    """
    of_file: dict[Path, list[int]] = {}
    for position, place in enumerate(places):
        of_file.setdefault(place.path, []).append(position)
    for path, positions in sorted(of_file.items()):
        rate_hz = rate_of(places[positions[0]].file_rate_hz)
        spans_s = [places[position].stretch_s for position in positions]
        for index, y in audio.read_cuts(path, spans_s, rate_hz):
            yield positions[index], y, rate_hz


def with_room(made: dict[int, dict], media_mb: float) -> dict[int, dict]:
    """Return the first of these cards, by position, whose pictures and sounds take ``media_mb`` at most."""
    room, kept = media_mb * 1e6, {}
    for position, card in made.items():
        room -= sum(len(card[part]) for part in ("image", "mfcc", "sound"))
        if room < 0:
            break
        kept[position] = card
    return kept


def cards(
    places: Sequence[Place], most_rate_hz: int, size: tuple[int, int], with_mfcc: bool = False
) -> Iterator[tuple[int, dict]]:
    """Yield the position of each place, and what a page shows of it, for the template's ``excerpt`` and report.js.

    ``start_s``, ``end_s`` and ``top_khz`` of the picture, and ``box``: how far what is marked is from its left, right,
    top and bottom edge, in percent; ``image``: the spectrogram, ``size`` (width, height) pixels; ``sound``: an MP3;
    ``mfcc``, if asked for: a small picture of the MFCC.
    """
    for position, y, rate_hz in cut(places, partial(media.sound_rate_hz, most_hz=most_rate_hz)):
        place, level = places[position], media.gain(y)
        (start_s, end_s), top_hz = place.stretch_s, rate_hz / 2
        low_hz, high_hz = place.band_hz or (0.0, top_hz)
        length_s = (end_s - start_s) or 1.0
        sides = (
            (place.marked_s[0] - start_s) / length_s,
            (end_s - place.marked_s[1]) / length_s,
            1 - high_hz / top_hz,
            low_hz / top_hz,
        )
        pixels = media.spectrogram_pixels(y * level, rate_hz, *size)
        coefficients = {}
        if with_mfcc:
            coefficients["mfcc"] = media.data_uri(media.webp(media.mfcc_pixels(y, rate_hz)), "image/webp")
        yield (
            position,
            coefficients
            | {
                "start_s": round(start_s, 3),
                "end_s": round(end_s, 3),
                "top_khz": f"{top_hz / 1000:g}",
                "box": [round(100 * min(max(side, 0.0), NOT_CLOSER), 1) for side in sides],
                "image": media.data_uri(media.webp(pixels), "image/webp"),
                "sound": media.data_uri(media.mp3(y * level, rate_hz), "audio/mpeg"),
            },
        )


def features(places: Sequence[Place], block: dict) -> Iterator[tuple[int, np.ndarray, int, np.ndarray | None]]:
    """Yield the position of each place, its sound and rate as the model gets them, and (frames, n_features) of it.

    ``block``: the block ``features``. Without deltas, which show nothing that the features do not, and not normalized;
    None of a stretch that is too short for a frame.
    """
    for position, y, rate_hz in cut(places, lambda file_rate_hz: block["sample_rate_hz"] or file_rate_hz):
        whole = len(y) >= block["n_fft"]
        yield position, y, rate_hz, extraction.extract(y, rate_hz, {**block, "deltas": 0}) if whole else None


def as_the_model_sees_it(
    places: Sequence[Place], block: dict, wave_size: tuple[int, int], size: tuple[int, int]
) -> dict[int, dict]:
    """Return pictures of the waveform and of the features of each place, by position: ``wave``, ``features``."""
    kind = kinds.get(block["kind"]).KIND
    pictures = {}
    for position, y, _, values in features(places, block):
        wave = media.webp(media.waveform_pixels(y, *wave_size))
        made = None if values is None else media.webp(media.feature_pixels(values, kind, *size))
        pictures[position] = {
            "wave": media.data_uri(wave, "image/webp"),
            "features": made and media.data_uri(made, "image/webp"),
        }
    return pictures
