"""The block `features`: what is cut out of a recording for each annotation, and which numbers it becomes."""

from typing import Literal

from dawnchorus.parameters.base import Block, value


class Features(Block):
    """How sound becomes frames, and where clips are cut; ``Params`` of the chosen kind are the other keys of the block.

    Figures and report extract their own examples, and read the block as a whole: which keys there are depends on the
    kind, and DVC names a key only where it always is.
    """

    meaning = "what is cut out of the recordings, and which numbers it becomes"
    follows = "simulate"
    read_by = ("features", "figures", "report")

    kind: str = value(
        "log_mel", "what a frame holds, a file of src/dawnchorus/features/kinds; the last keys are its own"
    )
    sample_rate_hz: int | None = value(
        24_000,
        "rate that the sound is resampled to; null keeps each file's own",
        ge=1000,
        le=500_000,
    )
    n_fft: int = value(1024, "length of an FFT frame", unit="samples", ge=16, le=65_536)
    hop_length: int = value(512, "from one frame to the next", unit="samples", ge=1, le=65_536)
    deltas: int = value(0, "orders of differences over time that are appended", ge=0, le=2)
    clip: Literal["annotation", "window"] = value(
        "annotation", "a clip is the annotation itself, or window_s around its middle"
    )
    window_s: float = value(5.0, "length of a window", gt=0, le=600)
    jitter_s: float = value(0.5, "how far the training moves a window to either side, at most; 0 is off", ge=0, le=60)
    context_clips: int = value(
        4,
        "clips of each recording away from every annotation, for the context-only baseline; 0 leaves it out",
        ge=0,
        le=1000,
    )
    context_gap_s: float = value(0.5, "distance between such a clip and the nearest annotation, at least", ge=0, le=60)
