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
from dawnchorus.metrics import bootstrap, classification
from dawnchorus.partitioning import groups as groups_of_rows
from dawnchorus.tables.definitions import SCORES

LOWER_IS_BETTER = ("loss",)


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


def differences(
    true_index: np.ndarray,
    scores: tuple[np.ndarray, np.ndarray],
    of_row: np.ndarray,
    top_k: int,
    n_draws: int,
    rng: np.random.Generator,
) -> list[dict]:
    """Return each metric's value in a and b, their difference, and the 95 % interval of that over groups.

    ``of_row``: the group of each row. Both models are measured on the same draws of groups, so what is common
    to both cancels. ``verdict``: better, worse, or unclear if the interval includes 0 or there is none.
    """
    once = np.ones((1, len(true_index)))
    weights = bootstrap.draws(of_row, n_draws, rng)
    n_groups = len(np.unique(of_row))
    plain = [classification.compute(true_index, of, once, top_k) for of in scores]
    drawn = [] if weights is None else [classification.compute(true_index, of, weights, top_k) for of in scores]
    rows = []
    for name in classification.names(top_k):
        in_a, in_b = (float(found[name][0]) for found in plain)
        if math.isnan(in_a) or math.isnan(in_b):
            continue
        values = drawn[1][name] - drawn[0][name] if drawn else None
        low, high = bootstrap.interval(values, in_b - in_a, n_groups)
        verdict = "unclear"
        if low is not None and high is not None and (low > 0 or high < 0):
            verdict = "better" if (low > 0) != (name in LOWER_IS_BETTER) else "worse"
        row = {"metric": name, "a": in_a, "b": in_b, "difference": in_b - in_a}
        rows.append(row | {"low": low, "high": high, "verdict": verdict})
    return rows


def changed_clips(a: pd.DataFrame, b: pd.DataFrame) -> list[dict]:
    """Return the clips that became ``right`` or ``wrong``, in the order of the tables, which agree row by row."""
    right = [(table["predicted_species_id"] == table["true_species_id"]).to_numpy() for table in (a, b)]
    return [
        {
            "became": "right" if right[1][row] else "wrong",
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
    return {
        "clips": len(b),
        "groups": len(np.unique(units)),
        "only_in_a": only_a,
        "only_in_b": only_b,
        "metrics": differences(true_index, scores, units, top_k, n_draws, rng),
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
