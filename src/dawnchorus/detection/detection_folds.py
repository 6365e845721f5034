"""Detections out of fold: every recording as detected by models that never heard its group."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dawnchorus.detection import measured
from dawnchorus.detection.detection_comparison import Tables, of_recordings, presence
from dawnchorus.evaluation import comparison
from dawnchorus.metrics import bootstrap
from dawnchorus.partitioning import groups


def joined(of_folds: Sequence[Tables]) -> Tables:
    """Return the tables of all folds of one seed as those of one run; a recording is tested in one fold."""
    recordings, segments = (pd.concat([of[part] for of in of_folds], ignore_index=True) for part in (0, 1))
    return Tables(recordings, segments)


def row(of_seeds: Sequence[Tables], model: str, annotated: str, n_draws: int, rng: np.random.Generator) -> dict:
    """Return the metrics of all recordings with their intervals over groups: a row of detection_baselines.csv.

    ``of_seeds``: the joined folds of each seed; a metric is the mean over seeds, of the same draws. What cannot be told
    from the tables of the folds (PSDS, macro F1) or is not known (``annotated``: ``data.annotated``) is None.
    """
    ids = of_seeds[0].recordings["recording_id"].to_list()
    of_group = of_seeds[0].recordings["group"].to_list()
    units = np.array(groups.resampled(of_group, ids), dtype=str)
    weights, n_groups = bootstrap.draws(units, n_draws, rng), len(np.unique(units))
    plain = _mean_over_seeds(of_seeds, ids, np.ones((1, len(ids)))) if ids else {}
    drawn = {} if weights is None else _mean_over_seeds(of_seeds, ids, weights)
    result = {"model": model, "recordings": len(ids), "groups": n_groups}
    for name in measured.NAMES:
        known = name in plain and (annotated == "all" or name in measured.KNOWN_OF_BOXES)
        value = float(plain[name][0]) if known and not np.isnan(plain[name][0]) else None
        low, high = (None, None) if value is None else bootstrap.interval(drawn.get(name), value, n_groups)
        result |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return result


def _mean_over_seeds(of_seeds: Sequence[Tables], ids: list[str], weights: np.ndarray) -> dict[str, np.ndarray]:
    found = []
    for tables in of_seeds:
        of_events = of_recordings(tables.recordings.set_index("recording_id").loc[ids], weights)
        species_ids = comparison.classes_of(tables.segments)
        present, known, of_segment = presence(tables.segments, species_ids, ids)
        scores = comparison.scores_of(tables.segments, species_ids)
        of_segments = measured.of_segments(present, known, scores, weights[:, of_segment])
        of_recording = measured.of_whole_recordings(present, known, scores, of_segment, weights)
        found.append(of_events | of_segments | of_recording)
    return {name: np.mean([of[name] for of in found], axis=0) for name in found[0]}
