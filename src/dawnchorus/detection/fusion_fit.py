"""How much windows count beside frames of presence: the power of their scores, learned on validation recordings.

Each power is worth the average precision of segments that it gives. That takes no threshold and no bounds, so it says
the same of other recordings sooner than F1 of events does. Windows count only where they clearly help: presence alone
is half the work. Where only some calls are annotated nobody knows in which segments a species is not, and frames count
alone.
"""

from collections.abc import Mapping, Sequence

from dawnchorus.detection import fusion, presence_fit
from dawnchorus.detection.measured import Truth
from dawnchorus.detection.score_store import Entry

WEIGHTS = (0.0, 0.25, 0.5, 1.0)
# A positive power is so much better than none, and of those about as good as the best the lowest is taken.
LEAST_GAIN, AS_GOOD = 0.02, 0.002


def fit(
    truths: Sequence[Truth],
    frames: Sequence[Entry],
    windows: Sequence[Entry] | None,
    aim: str | Mapping[str, float],
    species_ids: Sequence[str],
    segment_s: float = 5.0,
    unknown: Sequence[Sequence[presence_fit.Span]] | None = None,
) -> dict:
    """Return what :func:`presence_fit.fit` learns of frames with windows beside them, and ``fusion``.

    ``frames``, ``windows``: of the same recordings, in one order. ``fusion``: ``weight``, the power, and
    ``segment_average_precision`` of each power that was tried, by its text. None is tried with one class, which needs
    no telling apart, with one recording, with fewer events than decide anything of one class, and without windows.
    """
    worth: dict[float, float] = {}
    enough = len(truths) > 1 and sum(len(of.times_s) for of in truths) >= presence_fit.LEAST_EVENTS
    if windows is None:
        windows = frames
    elif len(species_ids) > 1 and enough:
        for weight in WEIGHTS:
            both = _fused(frames, windows, weight)
            found = presence_fit.segment_average_precision(truths, both, len(species_ids), segment_s, unknown)
            worth |= {} if found is None else {weight: found}
    weight = chosen(worth)
    fitted = presence_fit.fit(truths, _fused(frames, windows, weight), aim, species_ids, segment_s, unknown)
    said = {f"{key:g}": value for key, value in worth.items()}
    return {**fitted, "fusion": {"weight": weight, "segment_average_precision": said}}


def _fused(frames: Sequence[Entry], windows: Sequence[Entry], weight: float) -> list[Entry]:
    return [fusion.fused(*pair, weight) for pair in zip(frames, windows, strict=True)]


def chosen(worth: Mapping[float, float]) -> float:
    """Return the lowest power that is as good as the best, 0 unless the best is clearly better than that."""
    best = max(worth.values(), default=0.0)
    if best < worth.get(0.0, 0.0) + LEAST_GAIN:
        return 0.0
    return min(weight for weight, value in worth.items() if value >= best - AS_GOOD)
