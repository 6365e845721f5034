"""What the overfitting study trains: networks step by step, and one plain way of training them all."""

# The block `train` with everything off: Adam at a constant rate on the clips as they are.
PLAIN_TRAINING = {
    "optimizer": "adam",
    "schedule": "constant",
    "warmup_share": 0.0,
    "weight_decay": 0.0,
    "ema_momentum": 0.0,
    "label_smoothing": 0.0,
    "class_weights": False,
    "balanced_sampling": False,
    "shuffle": True,
    "mixup_share": 0.0,
    "mixup_alpha": 0.4,
    "frequency_masks": 0,
    "frequency_mask_width": 0,
    "time_masks": 0,
    "time_mask_width": 0,
    "background_share": 0.0,
    "background_min_db": 0.0,
    "background_max_db": 0.0,
    "negative_share": 0.0,
    "time_shift_frames": 0,
    "time_stretch": 1.0,
    "band_shift": 0.0,
    "equalizer_gain": 0.0,
    "equalizer_points": 2,
    "mixed_precision": False,
    "early_stopping_patience": None,
}


def steps(block: dict) -> list[dict]:
    """Return the steps of the block ``overfitting_study``: a ``label`` and the block ``model`` of each, in order."""
    dense = block["dense"]
    networks = [(dense[:n], []) for n in range(len(dense) + 1)]
    labels = [f"LSTM {block['units']}", *(f"+ dense {units}" for units in dense)]
    if any(block["dropout"]):
        networks.append((dense, block["dropout"]))
        labels.append("+ dropout")
    return [
        {"label": label, "model": {"name": "article", "units": block["units"], "dense": added, "dropout": dropout}}
        for label, (added, dropout) in zip(labels, networks, strict=True)
    ]


def training(block: dict) -> dict:
    """Return the block ``train`` of every step."""
    return {**PLAIN_TRAINING, **{key: block[key] for key in ("epochs", "batch_size", "learning_rate")}}
