"""What of a run can be seen and heard in its report: cuts of sound with their pictures, ready to embed.

Everywhere: ``recordings`` is path, duration_s, sample_rate_hz by recording_id; ``audio_dir`` the folder of
the paths; rows are annotations with recording_id, t_min_s, t_max_s (s), f_min_hz, f_max_hz.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dawnchorus.features import extraction, kinds
from dawnchorus.report import media, report
from dawnchorus.sound import audio

CLIP_IMAGE, EXAMPLE_IMAGE, FEATURES_IMAGE = (260, 96), (300, 110), (300, 76)
NOT_CLOSER = 0.98  # to the opposite edge: a box keeps a visible width


def excerpts(
    rows: Iterable[dict], recordings: dict[str, dict], audio_dir: Path, params: dict
) -> Iterator[tuple[int, np.ndarray, dict]]:
    """Yield the position in ``rows`` of each annotation, its sound with some context, and its place in that.

    The place: ``rate_hz``, ``start_s``, ``end_s`` and ``top_khz`` of the cut, and ``box``: how far the
    annotation is from the left, right, top and bottom edge, in percent. A long one is cut off.
    """
    by_recording: dict[str, list[tuple[int, dict]]] = {}
    for position, row in enumerate(rows):
        by_recording.setdefault(row["recording_id"], []).append((position, row))
    for recording_id, wanted in sorted(by_recording.items()):
        facts = recordings[recording_id]
        rate_hz = media.sound_rate_hz(facts["sample_rate_hz"], params["sound_rate_hz"])
        spans = [
            (
                max(0.0, row["t_min_s"] - params["context_s"]),
                min(
                    facts["duration_s"],
                    row["t_min_s"] + params["longest_clip_s"],
                    row["t_max_s"] + params["context_s"],
                ),
            )
            for _, row in wanted
        ]
        for index, y in audio.read_cuts(audio_dir / facts["path"], spans, rate_hz):
            position, row = wanted[index]
            start_s, end_s = spans[index]
            length_s, top_hz = (end_s - start_s) or 1.0, rate_hz / 2
            sides = (
                (row["t_min_s"] - start_s) / length_s,
                (end_s - row["t_max_s"]) / length_s,
                1 - row["f_max_hz"] / top_hz,
                row["f_min_hz"] / top_hz,
            )
            yield (
                position,
                y,
                {
                    "rate_hz": rate_hz,
                    "start_s": round(start_s, 3),
                    "end_s": round(end_s, 3),
                    "top_khz": f"{top_hz / 1000:g}",
                    "box": [round(100 * min(max(side, 0.0), NOT_CLOSER), 1) for side in sides],
                },
            )


def sound_of(y: np.ndarray, rate_hz: int) -> str:
    """Return a cut as an address that holds an MP3 of it, at the common level."""
    return media.data_uri(media.mp3(y * media.gain(y), rate_hz), "audio/mpeg")


def picture_of(y: np.ndarray, rate_hz: int, size: tuple[int, int]) -> str:
    """Return the spectrogram of a cut as an address that holds it."""
    pixels = media.spectrogram_pixels(y * media.gain(y), rate_hz, *size)
    return media.data_uri(media.webp(pixels), "image/webp")


def features_of(recording: dict, span_s: tuple[float, float], audio_dir: Path, params: dict) -> str | None:
    """Return a picture of the features of a span under the block ``features``; None of one that is too short.

    Without deltas, and not flattened by the clip's own statistics.
    """
    rate_hz = params["sample_rate_hz"] or recording["sample_rate_hz"]
    y = audio.read_cut(audio_dir / recording["path"], span_s, rate_hz)
    if len(y) < params["n_fft"]:
        return None
    made = extraction.extract(y, rate_hz, {**params, "deltas": 0})
    pixels = media.features_pixels(made, kinds.get(params["kind"]).KIND, *FEATURES_IMAGE)
    return media.data_uri(media.webp(pixels), "image/webp")


def embedded(
    order: Sequence[int], rows: Sequence[dict], recordings: dict, audio_dir: Path, params: dict
) -> dict[int, dict]:
    """Return picture and sound of the first clips in ``order``, by position: as many as the limits allow."""
    wanted = order[: params["clips"]]
    made = {}
    for place, y, where in excerpts([rows[i] for i in wanted], recordings, audio_dir, params):
        rate_hz = where.pop("rate_hz")
        made[wanted[place]] = {
            **where,
            "image": picture_of(y, rate_hz, CLIP_IMAGE),
            "sound": sound_of(y, rate_hz),
        }
    room, kept = params["media_mb"] * 1e6, {}
    for position in wanted:
        room -= len(made[position]["image"]) + len(made[position]["sound"])
        if room < 0:
            break
        kept[position] = made[position]
    return kept


def species_examples(rows: pd.DataFrame, n_classes: int, recordings: dict, audio_dir: Path, params: dict) -> list[dict]:
    """Return waveform, spectrogram, features and sound of one clip of each class that has any, in class order."""
    chosen = [position for position in report.example_positions(rows, n_classes) if position is not None]
    records = rows.iloc[chosen].to_dict("records")
    examples, kind = [], kinds.get(params["features"]["kind"]).KIND
    for place, y, where in excerpts(records, recordings, audio_dir, params["report"]):
        row, rate_hz = records[place], where.pop("rate_hz")
        span_s = (where["start_s"], where["end_s"])
        examples.append(
            {
                **where,
                "index": int(row["class_index"]),
                "recording": row["recording_id"],
                "clip_start_s": row["t_min_s"],
                "clip_end_s": row["t_max_s"],
                "wave": media.waveform_path(y, 300, 60),
                "image": picture_of(y, rate_hz, EXAMPLE_IMAGE),
                "features": features_of(recordings[row["recording_id"]], span_s, audio_dir, params["features"]),
                "features_name": kind.name,
                "features_caption": f"{kind.quantity}, the lowest {kind.axis} at the bottom",
                "sound": sound_of(y, rate_hz),
            }
        )
    return sorted(examples, key=lambda example: example["index"])
