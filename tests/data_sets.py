"""A data set in memory, and its files."""

import json

import numpy as np
import pandas as pd

from dawnchorus.learning import dataset
from dawnchorus.tables import made

STATISTICS = {
    "offset": [0.0],
    "scale": [1.0],
    "normalization": "none",
    "clip_normalization": "none",
    "padding": "right",
    "features": {"deltas": 0, "clip": "annotation", "jitter_s": 0.0},
}


def data_set(x, class_index, partition, classes, **others) -> dataset.Dataset:
    """Return a data set of clips ``x`` (rows, frames, n_features), two of each recording.

    ``others``: columns of its rows, or parts of it: ``context``, ``context_rows``, ``negatives``, ``negative_rows``,
    ``training``, ``training_rows``, ``statistics``; what is not given is empty.
    """
    n, frames, n_features = x.shape
    rows = pd.DataFrame({"row": range(n), "annotation_id": range(n)})
    rows["recording_id"] = [f"site/{number // 2:03}" for number in range(n)]
    rows["species_id"] = classes["species_id"].to_numpy()[class_index]
    rows["species_name"] = classes["species_name"].to_numpy()[class_index]
    rows = rows.assign(class_index=class_index, group=rows["recording_id"], partition=partition)
    rows = rows.assign(t_min_s=0.1, t_max_s=0.7, f_min_hz=np.nan, f_max_hz=np.nan, n_frames=frames)
    nothing = np.zeros((0, frames, n_features), np.float32)
    parts = {}
    for name, table in (
        ("context", dataset.CONTEXT_ROWS),
        ("negatives", dataset.NEGATIVE_ROWS),
        ("training", dataset.TRAINING_ROWS),
    ):
        of_rows = "negative_rows" if name == "negatives" else f"{name}_rows"
        parts[name] = others.pop(name, nothing)
        parts[of_rows] = others.pop(of_rows, pd.DataFrame(columns=table.names))
    statistics = {**STATISTICS, "frames": frames, **others.pop("statistics", {})}
    return dataset.Dataset(x=x, rows=rows.assign(**others), classes=classes, statistics=statistics, **parts)


def write(data: dataset.Dataset, folder) -> list[str]:
    """Write the files of a data set into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in dataset.ARRAYS:
        np.save(folder / name, getattr(data, name.removesuffix(".npy")))
    for name, table in dataset.TABLES.items():
        made.write(folder / name, table, getattr(data, name.removesuffix(".csv")))
    (folder / dataset.STATISTICS).write_text(json.dumps(data.statistics))
    return [str(folder / name) for name in dataset.FILES]
