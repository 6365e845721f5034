"""What is said of intervals: what they are drawn over, and where there are too few of these."""

from collections.abc import Mapping
from typing import NamedTuple

from dawnchorus.partitioning.groups import ARTICLE, GROUPS

# With fewer than this, which of them come into the test moves the ends of the interval itself.
FEW = 8
PERCENT = "95\u00a0%"


class Split(NamedTuple):
    """What a group of the split is: a value of ``column``, or a clip by itself; how many the test partition has."""

    method: str
    column: str
    groups_in_test: int


def drawn_over(test: Mapping) -> str:
    """Return what intervals are drawn over, with its number; ``test``: of metrics.json or detection_metrics.json."""
    n, units = test["groups"], test["units"]
    return f"{n} {units.removesuffix('s') if n == 1 else units}"


def note(test: Mapping, split: Split) -> str:
    """Say what the intervals mean, and what they do not say; or why there are none."""
    units = test["units"]
    if test["groups"] < 2:
        return (
            f"There are no {PERCENT} intervals: they take two recordings or more, and the test has {drawn_over(test)}."
        )
    said = [
        f"The small numbers are {PERCENT} intervals over {drawn_over(test)}{_named(units, split)}: how much a number "
        f"would vary if other {units} had been drawn for the test."
    ]
    if split.method != ARTICLE and units != GROUPS and split.groups_in_test == 1 and test["groups"] > 1:
        said.append(
            f"The whole test is one group of the split (one value of “{split.column}”), so its recordings are drawn "
            "instead: how another such group would do is not in the intervals."
        )
    if test["groups"] < FEW:
        said.append(f"So few {units} leave the intervals themselves rough.")
    return " ".join(said)


def _named(units: str, split: Split) -> str:
    return f" (one value of “{split.column}” each)" if units == GROUPS else ""
