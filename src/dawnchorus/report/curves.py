"""The curves of the report: how the training went, and whether scores can be believed."""

from collections.abc import Sequence

import pandas as pd

from dawnchorus.report.charts import Series, line_chart


def training(history: pd.DataFrame, early_stopping: bool) -> dict:
    """Return the two charts of the training, and which epoch was kept.

    ``history``: numbers, NaN where nothing was measured. With ``early_stopping`` the kept epoch is that of
    the lowest validation loss, the first of equals; else, or without validation, the last.
    """
    epochs = history["epoch"].astype(int).to_list()
    validated = "val_loss" in history and history["val_loss"].notna().any()
    kept = int(history["epoch"][history["val_loss"].idxmin()]) if early_stopping and validated else epochs[-1]
    charts = []
    for quantity in ("loss", "accuracy"):
        columns = [("training", "train", quantity), ("validation", "validation", f"val_{quantity}")]
        series = [
            Series(name, kind, epochs, history[column].to_list())
            for name, kind, column in columns
            if column in history and history[column].notna().any()
        ]
        if series:
            top = 1.0 if quantity == "accuracy" else max(y for one in series for y in one.y if y == y) * 1.05
            charts.append(
                line_chart(
                    quantity.capitalize(),
                    series,
                    (epochs[0], max(epochs[-1], epochs[0] + 1)),
                    (0.0, top or 1.0),
                    ("epoch", quantity),
                    (kept, f"epoch {kept}, kept"),
                    whole_x=True,
                )
            )
    return {
        "charts": charts,
        "kept": kept,
        "epochs": len(epochs),
        "chosen": bool(early_stopping and validated),
    }


def training_text(history: dict, card: dict) -> str:
    """Say which epoch was kept and why, how long the training took, and on what."""
    kept = (
        f"Of {history['epochs']} epochs, number {history['kept']} was kept: the lowest validation loss."
        if history["chosen"]
        else f"The last of {history['epochs']} epochs was kept."
    )
    return (
        f"{kept} Training took {card['training_time_s']:.0f} s. Device: {card['device']}. The training curves are of "
        "clips as the network met them, mixed, masked or shifted at random where that is on; the accuracies at the top "
        "are of clips as they are."
    )


def reliability(bins: Sequence[dict], calibration: dict) -> dict | None:
    """Return the reliability chart, its bins and what they say; None without test clips.

    ``bins``: rows of reports/reliability.csv with n > 0: temperature (before or after scaling), n,
    mean_score, accuracy. ``calibration``: that of metrics.json.
    """
    before = [one for one in bins if one["temperature"] == "before"]
    after = [one for one in bins if one["temperature"] == "after"]
    if not before:
        return None
    total = sum(one["n"] for one in before)
    over = sum(one["n"] * (one["mean_score"] - one["accuracy"]) for one in before) / total
    side = "too high" if over > 0 else "too low"
    text = (
        "Where the highest score is 0.8, eight of ten clips should be right. On balance this model's scores are "
        f"{abs(over):.3f} {side}; they are off by {calibration['ece_before']:.3f} (expected calibration error), "
        f"and by {calibration['ece_after']:.3f} after the temperature of {calibration['temperature']:.2f} that "
        "was fitted on the validation clips and that detection uses."
    )
    chart = line_chart(
        "Reliability on the test clips",
        [Series("as sure as right", "ideal", (0.0, 1.0), (0.0, 1.0))]
        + [
            Series(name, kind, [b["mean_score"] for b in of], [b["accuracy"] for b in of], [b["n"] for b in of])
            for name, kind, of in (("raw scores", "train", before), ("after scaling", "validation", after))
        ],
        (0.0, 1.0),
        (0.0, 1.0),
        ("highest score", "share of clips that are right"),
        note="the larger a dot, the more clips",
    )
    return {"chart": chart, "bins": before, "text": text}
