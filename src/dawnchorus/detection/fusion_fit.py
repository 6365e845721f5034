"""How much windows count beside frames of presence: the power of their scores, learned on validation recordings.

Each power has the calibration that fits it, and is worth the F1 of events that this reaches on recordings that did not
choose it. Windows count only where they clearly help: presence alone is half the work.
"""

from collections.abc import Mapping, Sequence

from dawnchorus.detection import fusion, presence_fit
from dawnchorus.detection.measured import Truth
from dawnchorus.detection.score_store import Entry

WEIGHTS = (0.25, 0.5, 1.0)


def fit(
    truths: Sequence[Truth],
    frames: Sequence[Entry],
    windows: Sequence[Entry],
    aim: str | Mapping[str, float],
    species_ids: Sequence[str],
    segment_s: float = 5.0,
    unknown: Sequence[Sequence[presence_fit.Span]] | None = None,
) -> dict:
    """Return what :func:`presence_fit.fit` learns of frames with windows beside them, and ``fusion``.

    ``frames``, ``windows``: of the same recordings, in one order. ``fusion``: ``weight``, the power, and ``event_f1``
    of each power that was tried, by its text. 0 is the only one with one class, which needs no telling apart, and with
    fewer events than decide anything of one class.
    """
    alone = presence_fit.fit(truths, frames, aim, species_ids, segment_s, unknown)
    fits = {0.0: alone}
    worth: dict[float, float] = {} if alone["event_f1"] is None else {0.0: alone["event_f1"]}
    if worth and len(species_ids) > 1 and alone["annotated_events"] >= presence_fit.LEAST_EVENTS:
        for weight in WEIGHTS:
            both = [fusion.fused(*pair, weight) for pair in zip(frames, windows, strict=True)]
            fits[weight] = presence_fit.fit(truths, both, aim, species_ids, segment_s, unknown)
            worth[weight] = fits[weight]["event_f1"]
    weight = chosen(worth)
    return {**fits[weight], "fusion": {"weight": weight, "event_f1": {f"{key:g}": f1 for key, f1 in worth.items()}}}


def chosen(worth: Mapping[float, float]) -> float:
    """Return the lowest power that is as good as the best, 0 unless the best is clearly better than that."""
    best = max(worth.values(), default=0.0)
    if best < worth.get(0.0, 0.0) + presence_fit.LEAST_GAIN:
        return 0.0
    return min(weight for weight, f1 in worth.items() if f1 >= best - presence_fit.AS_GOOD)
