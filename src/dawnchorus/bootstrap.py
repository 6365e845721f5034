"""Intervals from resampled groups: how far a measure would move had other recordings been drawn.

Clips of one recording are alike, so they are drawn together: n groups out of n, with replacement. The interval
is the percentile interval, 2.5 to 97.5 % of the draws. With few groups (below about 20) it is somewhat too narrow.
"""

import numpy as np

LEVEL = 0.95
# Fewer groups than this say nothing of how groups differ.
FEWEST_GROUPS = 2


def units(groups: np.ndarray, recordings: np.ndarray) -> np.ndarray:
    """Return what is drawn as a whole for each row: its group, or its recording where groups cut one up.

    The article's split makes every annotation a group of its own; its intervals would take clips of one
    recording for independent. Two arrays of text, (rows,), give one.
    """
    pairs = set(zip(groups.tolist(), recordings.tolist(), strict=True))
    return np.asarray(groups if len(pairs) == len(set(recordings.tolist())) else recordings)


def draws(of_row: np.ndarray, n_draws: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return how often each row counts in each draw of groups, (n_draws, rows) integers.

    ``of_row``: (rows,), the group of each row. None when there are fewer than two groups.
    """
    names, index = np.unique(of_row, return_inverse=True)
    if len(names) < FEWEST_GROUPS:
        return None
    return rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_draws)[:, index]


def interval(values: np.ndarray | None) -> tuple[float | None, float | None]:
    """Return the ends of the central 95 % of ``values`` (draws,); draws that are NaN are left out.

    (None, None) when there are no values.
    """
    defined = np.array([]) if values is None else values[~np.isnan(values)]
    if len(defined) == 0:
        return None, None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
