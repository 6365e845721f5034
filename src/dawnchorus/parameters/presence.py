"""The block `presence`: a network that says of every frame which species are there, and how it is trained."""

from typing import Annotated, Literal

from pydantic import Field

from dawnchorus.parameters.base import Block, value

Channels = Annotated[int, Field(ge=1, le=2048)]
TRAINING = ("presence", "report")


class Presence(Block):
    """The network that finds calls in continuous sound. It learns from stretches of whole recordings."""

    meaning = "the network that finds calls in whole recordings: which species are there, frame by frame"
    follows = "train"
    read_by = TRAINING

    network: Literal["crnn", "gru", "none"] = value(
        "crnn",
        "crnn: convolutions and a GRU over time, of log_mel; gru: a GRU over time, of embeddings, without what is "
        "said of bands and levels; none: there is none, and windows of the network of `model` find calls",
        read_by=("features", *TRAINING),
    )
    stretch_s: float = value(10.0, "length of the stretches that it learns from and is given", gt=0, le=600)
    margin_s: float = value(
        1.0, "what is left out at both ends of a stretch when recordings are scored: context", ge=0, le=300
    )
    pool_frames: Literal[1, 2, 4, 8] = value(4, "frames of features in a frame of presence")
    background_quantile: float = value(
        0.5, "each band is given above this quantile of its level in the stretch", ge=0, le=1
    )
    widths: list[Channels] = value(
        [16, 32, 64, 96],
        "channels of each convolution; each halves the bands, the first ones time until pool_frames is reached",
        min_length=1,
        max_length=6,
    )
    units: int = value(64, "GRU units in each direction", ge=1, le=4096)
    dropout: float = value(0.2, "share of values dropped before and after the GRU", ge=0, lt=1)
    epochs: int = value(24, "epochs, of `steps` batches each", ge=1, le=100_000)
    steps: int = value(30, "batches an epoch", ge=1, le=100_000)
    batch_size: int = value(16, "stretches a batch", ge=1, le=4096)
    learning_rate: float = value(0.002, "highest step size of AdamW; a cosine that rises for a tenth", gt=0, le=10)
    weight_decay: float = value(0.02, "of AdamW, a step, times the learning rate", ge=0, le=10)
    ema_momentum: float = value(
        0.99,
        "momentum of the exponential moving average (EMA) of the weights that is kept; 0 keeps the last weights",
        ge=0,
        lt=1,
    )
    overlay_share: float = value(
        0.5, "share of stretches that another one is laid over: what is in either is present", ge=0, le=1
    )
    overlay_gain_db: float = value(6.0, "gain of the other, at most, up or down", ge=0, le=100)
    band_shift: float = value(1.0, "bands by which a stretch is moved in frequency, at most; 0 is off", ge=0, le=1024)
    equalizer_db: float = value(
        3.0, "gain of a random frequency response of each stretch, at most; 0 is off", ge=0, le=100
    )
    equalizer_points: int = value(6, "places along the bands at which that response is drawn", ge=2, le=1024)
    frequency_masks: int = value(1, "runs of bands set to their background in each stretch", ge=0, le=100)
    frequency_mask_width: int = value(6, "bands of such a run, at most", ge=0, le=1024)
    pseudo_label_rounds: int = value(
        0,
        "more trainings, each with the scores of the network before as soft labels of what is unknown; 0 is off",
        ge=0,
        le=10,
    )
    mixed_precision: bool = value(True, "compute in half precision on a GPU; on a CPU it changes nothing")
