"""Annotated clips named by presence: the frames of each, pooled."""

from pathlib import Path

import numpy as np

from dawnchorus.detection import presence
from dawnchorus.detection.score_store import Store
from dawnchorus.learning.dataset import Dataset


def of_test(path: Path, data: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the positions of the test clips whose recordings are scored, and their scores (clips, classes).

    ``path``: presence in the held-out recordings. None where no recording of a test clip is there.
    """
    rows = data.rows.iloc[data.rows_of("test")].reset_index(drop=True)
    positions, scores = [], []
    with Store(path, data.classes["species_id"].to_list()) as store:
        scored = set(store)
        for recording_id, of in rows.groupby("recording_id", sort=False):
            if recording_id in scored:
                entry = store.entry(str(recording_id))
                spans_s = of[["t_min_s", "t_max_s"]].to_numpy(float)
                scores.append(presence.clip_scores(entry.scores, entry.starts_s, entry.window_s, spans_s))
                positions.append(of.index.to_numpy())
    if not positions:
        return None
    order = np.argsort(np.concatenate(positions))
    return np.concatenate(positions)[order], np.concatenate(scores)[order]
