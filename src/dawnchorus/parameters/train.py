"""The block `train`: how a network is fitted, and what is done to the training clips."""

from typing import Any, Literal

from dawnchorus.parameters.base import Block, said_of, value


class Train(Block):
    """Optimization and augmentation. What a key's ``off`` turns off is a technique that plain training is without."""

    meaning = "how the network is fitted, and what is done to the training clips"
    follows = "model"
    read_by = ("model", "learning_curve_draw", "report")

    epochs: int = value(40, "passes over the training rows, at most", ge=1, le=100_000)
    batch_size: int = value(16, "clips a step", ge=1, le=65_536)
    optimizer: Literal["adam", "adamw"] = value(
        "adamw", "adamw decays weights and clips the gradient's norm at 1", off="adam"
    )
    learning_rate: float = value(0.002, "step size; the highest one, with a schedule", gt=0, le=10)
    schedule: Literal["constant", "cosine"] = value(
        "cosine",
        "cosine rises for warmup_share of the steps and falls to 1 % at the last epoch",
        off="constant",
    )
    warmup_share: float = value(0.1, "share of all steps in which the cosine schedule rises", ge=0, le=0.9)
    weight_decay: float = value(0.02, "of adamw, a step, times the learning rate", ge=0, le=10, off=0.0)
    ema_momentum: float = value(
        0.0,
        "momentum of the exponential moving average (EMA) of the weights that is kept; 0 keeps the last weights",
        ge=0,
        lt=1,
    )
    label_smoothing: float = value(0.1, "share of each target that is spread over all classes", ge=0, lt=1, off=0.0)
    class_weights: bool = value(False, "weigh each clip by how rare its class is")
    balanced_sampling: bool = value(False, "draw as many clips of each class an epoch, with replacement; needs shuffle")
    shuffle: bool = value(True, "draw a new order of the training rows before each epoch")
    mixup_share: float = value(0.5, "share of clips that are mixed with another; 0 is off", ge=0, le=1, off=0.0)
    mixup_alpha: float = value(0.4, "of the Beta distribution of the mixing weight", gt=0, le=100)
    frequency_masks: int = value(2, "runs of bands set to the mean in each clip; 0 is off", ge=0, le=100, off=0)
    frequency_mask_width: int = value(8, "bands of such a run, at most", ge=0, le=1024)
    time_masks: int = value(2, "runs of frames set to the mean in each clip; 0 is off", ge=0, le=100, off=0)
    time_mask_width: int = value(15, "frames of such a run, at most, and at most a fifth of the clip", ge=0, le=100_000)
    background_share: float = value(
        0.5,
        "share of clips that get sound of another training recording, without a call, added; needs log_mel",
        ge=0,
        le=1,
        off=0.0,
    )
    background_min_db: float = value(-15.0, "weakest gain of that sound", ge=-100, le=100)
    background_max_db: float = value(0.0, "strongest gain of that sound", ge=-100, le=100)
    negative_share: float = value(
        0.5,
        "clips of data.false_positives that come with each training clip, on average; networks of Keras only",
        ge=0,
        le=100,
        off=0.0,
    )
    time_shift_frames: int = value(0, "frames by which a clip is rolled in time, at most; 0 is off", ge=0, le=100_000)
    time_stretch: float = value(
        1.15, "factor by which a clip is read faster or slower, at most; 1 is off", ge=1, le=4, off=1.0
    )
    band_shift: float = value(
        1.5, "bands by which a clip is moved in frequency, at most; 0 is off", ge=0, le=1024, off=0.0
    )
    equalizer_gain: float = value(
        0.5,
        "gain of a random frequency response, at most, in units of the normalized features; 0 is off",
        ge=0,
        le=100,
        off=0.0,
    )
    equalizer_points: int = value(6, "places along the bands at which that response is drawn", ge=2, le=1024)
    mixed_precision: bool = value(True, "compute in half precision on a GPU; on a CPU it changes nothing", off=False)
    # The folds are without validation rows unless cross_validation.validation_fraction says otherwise.
    early_stopping_patience: int | None = value(
        None,
        "epochs without a lower validation loss before training ends and the best weights return; or null",
        ge=1,
        le=100_000,
        read_by=("model", "learning_curve_draw", "folds", "figures", "report"),
    )


def plain() -> dict[str, Any]:
    """Return the block with every technique off: Adam at a constant rate on the clips as they are."""
    keys = {name: said_of(field) for name, field in Train.model_fields.items()}
    return {name: key.get("off", key["default"]) for name, key in keys.items()}
