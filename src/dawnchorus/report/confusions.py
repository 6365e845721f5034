"""The test clips as the page lists them: by cell of the confusion matrix, and those to look at first.

Everywhere: ``clips`` is what :func:`test_clips` returns, in which a class is its index.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

TOP_SCORES = 5


def test_clips(table: pd.DataFrame, ids: Sequence[str]) -> list[dict]:
    """Return one dictionary a clip of predictions.csv, in its order; ``ids``: the species ids in class order.

    ``true``, ``guess``: class indices; ``confidence``: the highest score; ``margin``: how far the second is
    below it; ``top``: [class, score] of the highest scores, the true class always among them.
    """
    index = {species_id: i for i, species_id in enumerate(ids)}
    scores = table[[f"score_{species_id}" for species_id in ids]].to_numpy(dtype=float)
    clips = []
    for row, of_classes in zip(table.to_dict("records"), scores, strict=True):
        order = np.argsort(-of_classes, kind="stable")
        true = index[row["true_species_id"]]
        top = list(order[:TOP_SCORES])
        top = top if true in top else [*top[:-1], true]
        second = of_classes[order[1]] if len(order) > 1 else 0.0
        clips.append(
            {
                "annotation": row["annotation_id"],
                "recording": row["recording_id"],
                "start_s": row["t_min_s"],
                "end_s": row["t_max_s"],
                "true": true,
                "guess": int(order[0]),
                "confidence": round(float(of_classes[order[0]]), 4),
                "margin": round(float(of_classes[order[0]] - second), 4),
                "top": [[int(i), round(float(of_classes[i]), 4)] for i in top],
            }
        )
    return clips


def cells(clips: Sequence[dict]) -> dict[tuple[int, int], list[int]]:
    """Return the positions of the clips of each cell (true, guess) of the confusion matrix that has any.

    In a cell off the diagonal the most confident errors come first, in one on the diagonal the least certain clips.
    """
    found: dict[tuple[int, int], list[int]] = {}
    for position, clip in enumerate(clips):
        found.setdefault((clip["true"], clip["guess"]), []).append(position)
    for (true, guess), positions in found.items():
        if true == guess:
            positions.sort(key=lambda position: clips[position]["margin"])
        else:
            positions.sort(key=lambda position: -clips[position]["confidence"])
    return found


def confidently_wrong(clips: Sequence[dict]) -> list[int]:
    """Return the positions of the misclassified clips, the highest score first."""
    wrong = [position for position, clip in enumerate(clips) if clip["true"] != clip["guess"]]
    return sorted(wrong, key=lambda position: -clips[position]["confidence"])


def least_certain(clips: Sequence[dict]) -> list[int]:
    """Return the positions of all clips, the smallest difference between the two highest scores first."""
    return sorted(range(len(clips)), key=lambda position: clips[position]["margin"])


def embedding_order(clips: Sequence[dict], by_cell: dict, n_highlights: int) -> list[int]:
    """Return the positions of all clips, those first that the page should show even if it has room for few.

    First the two lists at the top of the page, then the first clip of every cell, then the second, ...; at each
    rank the errors before the others.
    """
    ranked = sorted(
        (rank, true == guess, position)
        for (true, guess), positions in by_cell.items()
        for rank, position in enumerate(positions)
    )
    order = [*confidently_wrong(clips)[:n_highlights], *least_certain(clips)[:n_highlights]]
    return list(dict.fromkeys([*order, *(position for *_, position in ranked)]))


def matrix(by_cell: dict, n_classes: int) -> list[list[dict | None]]:
    """Return the confusion matrix: None for an empty cell, else ``count`` and ``share`` of the true class's clips."""
    totals = [sum(len(of) for (true, _), of in by_cell.items() if true == i) for i in range(n_classes)]
    rows: list[list[dict | None]] = [[None] * n_classes for _ in range(n_classes)]
    for (true, guess), positions in by_cell.items():
        rows[true][guess] = {"count": len(positions), "share": round(len(positions) / totals[true], 3)}
    return rows


def confused_pairs(by_cell: dict, most: int) -> list[dict]:
    """Return the cells of errors with the most clips: ``true``, ``guess``, ``count``."""
    errors = [
        {"true": true, "guess": guess, "count": len(of)} for (true, guess), of in by_cell.items() if true != guess
    ]
    return sorted(errors, key=lambda pair: (-pair["count"], pair["true"], pair["guess"]))[:most]
