"""What the overfitting study trains: networks step by step, and one plain way of training them all."""

from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters import train


def steps(block: dict) -> list[dict]:
    """Return the steps of the block ``overfitting_study``: a ``label`` and the block ``model`` of each, in order."""
    dense = block["dense"]
    networks: list[tuple[list[int], list[float]]] = [(dense[:n], []) for n in range(len(dense) + 1)]
    labels = [f"LSTM {block['units']}", *(f"+ dense {units}" for units in dense)]
    if any(block["dropout"]):
        networks.append((dense, block["dropout"]))
        labels.append("+ dropout")
    return [
        {"label": label, "model": {"name": "article", "units": block["units"], "dense": added, "dropout": dropout}}
        for label, (added, dropout) in zip(labels, networks, strict=True)
    ]


def check(split: dict) -> None:
    """Raise :class:`InputError` where the block ``split`` leaves no rows to validate with: the study is about them."""
    if split["validation_fraction"] == 0 and split["validation_groups"] is None:
        raise InputError(
            "params.yaml: split.validation_fraction: 0: expected more than 0 (or split.validation_groups), because "
            "overfitting_study is about the validation loss"
        )


def training(block: dict) -> dict:
    """Return the block ``train`` of every step: nothing that holds overfitting back, Adam at a constant rate."""
    return {**train.plain(), **{key: block[key] for key in ("epochs", "batch_size", "learning_rate")}}
