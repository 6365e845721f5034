"""What the overfitting study trains: networks step by step, and one plain way of training them all."""

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


def training(block: dict) -> dict:
    """Return the block ``train`` of every step: nothing that holds overfitting back, Adam at a constant rate."""
    return {**train.plain(), **{key: block[key] for key in ("epochs", "batch_size", "learning_rate")}}
