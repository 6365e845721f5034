"""Whether two models differ on the same test clips, and by how much: paired intervals and McNemar's test.

Everywhere: ``a`` and ``b`` are the tables predictions.csv of two revisions; a difference is the value of b minus that
of a.
"""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from dawnchorus.foundation.errors import InputError
from dawnchorus.metrics import average_precision, bootstrap, classification
from dawnchorus.partitioning import groups as groups_of_rows
from dawnchorus.tables.definitions import SCORES

LOWER_IS_BETTER = ("loss",)
# The share of draws beyond one end of an interval.
TAIL = (1 - bootstrap.LEVEL) / 2


def keys(table: pd.DataFrame) -> list[tuple]:
    """Return what identifies each clip whatever its annotation_id: recording, times, species, and a count of equals.

    Times are equal to the microsecond: rounding may have changed what lies below.
    """
    times = (table[name].round(6) for name in ("t_min_s", "t_max_s"))
    plain = list(zip(table["recording_id"], *times, table["true_species_id"], strict=True))
    seen: dict[tuple, int] = {}
    numbered = []
    for key in plain:
        seen[key] = seen.get(key, 0) + 1
        numbered.append((*key, seen[key]))
    return numbered


def match(a: pd.DataFrame, b: pd.DataFrame, common: bool) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Return the positions in ``a`` and ``b`` of the clips that are in both, in the order of ``b``.

    And how many are only in ``a``, only in ``b``. Unless ``common`` is asked for, raises :class:`InputError`
    when there are any; with no clip in common always.
    """
    in_a = {key: position for position, key in enumerate(keys(a))}
    in_b = keys(b)
    both = [(in_a[key], position) for position, key in enumerate(in_b) if key in in_a]
    only_a, only_b = len(a) - len(both), len(b) - len(both)
    if not both:
        raise InputError(f"the two runs have no test clip in common: {len(a)} in A, {len(b)} in B")
    if (only_a or only_b) and not common:
        raise InputError(
            f"the test clips differ: {len(both)} in both, {only_a} only in A, {only_b} only in B; "
            "--common compares those in both"
        )
    pairs = np.array(both)
    return pairs[:, 0], pairs[:, 1], only_a, only_b


def classes_of(*tables: pd.DataFrame) -> list[str]:
    """Return the species ids for which any of the tables has scores, in order."""
    columns = dict.fromkeys(name for table in tables for name in table if name.startswith(SCORES))
    return [name.removeprefix(SCORES) for name in columns]


def scores_of(table: pd.DataFrame, ids: Sequence[str]) -> np.ndarray:
    """Return the scores (rows, classes); 0 for a class that the model did not know."""
    wanted = [f"{SCORES}{species_id}" for species_id in ids]
    return table.reindex(columns=wanted, fill_value=0.0).to_numpy(dtype=float)


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test that as many clips became right as became wrong.

    Under that hypothesis each of the clips that changed went either way with probability 1/2. The test takes clips to
    be independent, which those of one recording are not; the intervals, which draw groups, do not.
    """
    return float(binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0


def difference(
    metric: str, a: float, b: float, drawn: np.ndarray | None, n_groups: int, lower_is_better: bool = False
) -> dict:
    """Return a metric of both runs, their difference, its 95 % interval over groups, and what that says.

    ``drawn``: (draws,), the difference in each draw of ``n_groups`` groups. ``verdict``: better, worse, or unclear if
    the interval includes 0, there is none, or groups are fewer than ``groups.FEWEST_TO_DIFFER``: no draw goes beyond
    the outermost of them, and so few lie on one side by chance. The interval reaches to 0 where that many draws show no
    difference or the opposite one: what a single group decides is gone in every third draw, yet the interval, moved by
    its bias, could miss 0.
    """
    low, high = bootstrap.interval(drawn, b - a, n_groups)
    if drawn is not None and low is not None and high is not None:
        known = drawn[~np.isnan(drawn)]
        low = min(low, 0.0) if (known <= 0).mean() >= TAIL else low
        high = max(high, 0.0) if (known >= 0).mean() >= TAIL else high
    verdict = "unclear"
    enough = n_groups >= groups_of_rows.FEWEST_TO_DIFFER
    if enough and low is not None and high is not None and (low > 0 or high < 0):
        verdict = "better" if (low > 0) != lower_is_better else "worse"
    found = {"metric": metric, "a": a, "b": b, "difference": b - a, "low": low, "high": high, "groups": n_groups}
    return found | {"verdict": verdict}


def differences(
    true_index: np.ndarray,
    scores: tuple[np.ndarray, np.ndarray],
    n_groups: int,
    top_k: int,
    weights: np.ndarray | None,
) -> list[dict]:
    """Return :func:`difference` of each metric.

    ``weights``: (draws, rows) of draws of ``n_groups`` groups. Both models are measured on the same draws, so what is
    common to both cancels.
    """
    once = np.ones((1, len(true_index)))
    plain = [classification.compute(true_index, of, once, top_k) for of in scores]
    drawn = [] if weights is None else [classification.compute(true_index, of, weights, top_k) for of in scores]
    rows = []
    for name in classification.names(top_k):
        in_a, in_b = (float(found[name][0]) for found in plain)
        if math.isnan(in_a) or math.isnan(in_b):
            continue
        gains = drawn[1][name] - drawn[0][name] if drawn else None
        rows.append(difference(name, in_a, in_b, gains, n_groups, name in LOWER_IS_BETTER))
    return rows


def by_species(
    truth: np.ndarray, scores: tuple[np.ndarray, np.ndarray], of_row: np.ndarray, weights: np.ndarray | None
) -> list[list[dict]]:
    """Return :func:`difference` of recall and of average precision of each class, in class order.

    ``truth``: (rows, classes) bool; ``of_row``: (rows,), the group of each row; ``weights``: (draws, rows). A class
    without rows has none of both; one whose rows are all of one group has differences without intervals.
    """
    known, once = np.ones_like(truth), np.ones((1, len(truth)))
    hits = [truth & (of.argmax(axis=1)[:, None] == np.arange(truth.shape[1])) for of in scores]
    plain = [average_precision.of_classes(truth, of, known, once)[0] for of in scores]
    drawn = None
    if weights is not None:
        drawn = [average_precision.of_classes(truth, of, known, weights) for of in scores]
    found = []
    for index in range(truth.shape[1]):
        mine = truth[:, index]
        n, n_groups, rows = int(mine.sum()), len(np.unique(of_row[mine])), []
        if n:
            right = [of[mine, index].astype(np.float64) for of in hits]
            gains = None if weights is None else classification.mean_of_rows(right[1] - right[0], weights[:, mine])
            rows.append(difference("recall", float(right[0].mean()), float(right[1].mean()), gains, n_groups))
        if not np.isnan(plain[0][index]):
            gains = None if drawn is None else drawn[1][:, index] - drawn[0][:, index]
            ends = float(plain[0][index]), float(plain[1][index])
            rows.append(difference("average_precision", *ends, gains, n_groups))
        found.append(rows)
    return found


def changed_clips(a: pd.DataFrame, b: pd.DataFrame) -> list[dict]:
    """Return the clips that became ``right`` or ``wrong``, in the order of the tables, which agree row by row."""
    right = [(table["predicted_species_id"] == table["true_species_id"]).to_numpy() for table in (a, b)]
    return [
        {
            "became": "right" if right[1][row] else "wrong",
            "annotation_id": int(b["annotation_id"].iloc[row]),
            "recording_id": b["recording_id"].iloc[row],
            "t_min_s": float(b["t_min_s"].iloc[row]),
            "t_max_s": float(b["t_max_s"].iloc[row]),
            "species": b["true_name"].iloc[row],
            "predicted_by_a": a["predicted_name"].iloc[row],
            "predicted_by_b": b["predicted_name"].iloc[row],
        }
        for row in np.flatnonzero(right[0] != right[1])
    ]


def compare(
    a: pd.DataFrame,
    b: pd.DataFrame,
    groups: Mapping[tuple, str],
    common: bool,
    top_k: int,
    n_draws: int,
    rng: np.random.Generator,
) -> dict:
    """Return the whole comparison of two runs on the same test clips; plain values, ready for JSON.

    ``groups``: the group of each clip of b, by its key of :func:`keys`.
    """
    in_a, in_b, only_a, only_b = match(a, b, common)
    of_clip = keys(b)
    of_row = np.array([groups[of_clip[position]] for position in in_b])
    a, b = a.iloc[in_a].reset_index(drop=True), b.iloc[in_b].reset_index(drop=True)
    ids = classes_of(a, b)
    index = {species_id: number for number, species_id in enumerate(ids)}
    true_index = np.array([index[species_id] for species_id in b["true_species_id"]])
    units = np.array(groups_of_rows.resampled(of_row.tolist(), b["recording_id"].to_list()), dtype=str)
    changed = changed_clips(a, b)
    gained = sum(clip["became"] == "right" for clip in changed)
    lost = len(changed) - gained
    scores = scores_of(a, ids), scores_of(b, ids)
    weights, n_groups = bootstrap.draws(units, n_draws, rng), len(np.unique(units))
    truth = np.eye(len(ids), dtype=bool)[true_index]
    name_of = dict(zip(b["true_species_id"], b["true_name"], strict=True))
    species = [
        {"species_id": ids[index], "species": name_of[ids[index]], "clips": int(truth[:, index].sum()), "metrics": rows}
        for index, rows in enumerate(by_species(truth, scores, units, weights))
        if rows
    ]
    return {
        "clips": len(b),
        "groups": n_groups,
        "units": groups_of_rows.units_of(units.tolist(), b["recording_id"].to_list()),
        "only_in_a": only_a,
        "only_in_b": only_b,
        "metrics": differences(true_index, scores, n_groups, top_k, weights),
        "species": species,
        "mcnemar": {"became_right": gained, "became_wrong": lost, "p_value": mcnemar(gained, lost)},
        "changed": changed,
    }


def params_diff(a: dict, b: dict, prefix: str = "") -> list[dict]:
    """Return every value of nested blocks that differs: its dotted ``name``, and ``a`` and ``b`` where they have it."""
    found = []
    for name in dict.fromkeys([*a, *b]):
        values = {side: block[name] for side, block in (("a", a), ("b", b)) if name in block}
        if any(isinstance(value, dict) for value in values.values()):
            of_a, of_b = (value if isinstance(value := values.get(side), dict) else {} for side in ("a", "b"))
            found += params_diff(of_a, of_b, f"{prefix}{name}.")
        elif len(values) < 2 or values["a"] != values["b"]:
            found.append({"name": f"{prefix}{name}", **values})
    return found


def written(value: object) -> str:
    """Return a value as params.yaml would spell it: null and true, not None and True."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
