"""What people checked and found NOT to be a species: RFCX's train_fp.csv, as knowledge of that class alone.

A row says that its box does not hold its species. It says nothing of other species, and never that nothing is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from dawnchorus.annotations.recordings import Box, class_order
from dawnchorus.tables.users import Problem

if TYPE_CHECKING:
    import numpy as np

COLUMNS = ("species_id", "species_name", "checked", "false_positives", "rate", "expected_at_chance")


def unknown_species(boxes: Iterable[Box], species_ids: Collection[str]) -> list[Problem]:
    """Return a problem for each row whose species is none of the model's, ``species_ids``."""
    expected = f"a species of the annotations, one of {', '.join(class_order(species_ids))}"
    return [row.problem("species_id", expected) for row, box in boxes if box["species_id"] not in species_ids]


def rates(
    boxes: Sequence[dict],
    scores: np.ndarray,
    thresholds: np.ndarray,
    species_ids: Sequence[str],
    species_names: Sequence[str],
) -> list[dict]:
    """Return, for each class, how often the model hears it in a box that was checked not to hold it.

    ``scores``: (boxes, classes), calibrated; ``thresholds``: one a class; a score that reaches it is heard. ``rate`` is
    NaN for a class without boxes. ``expected_at_chance``: the share of all boxes, whatever their species, in which the
    model hears the class: what the rate would be if it did not depend on the box having been mistaken for the class.
    """
    import numpy as np

    heard = scores >= thresholds
    of_class = np.array([box["species_id"] for box in boxes], dtype=object)
    table = []
    for number, (species_id, name) in enumerate(zip(species_ids, species_names, strict=True)):
        own = of_class == species_id
        n, wrong = int(own.sum()), int(heard[own, number].sum())
        row = {"species_id": species_id, "species_name": name, "checked": n, "false_positives": wrong}
        row["rate"] = wrong / n if n else float("nan")
        row["expected_at_chance"] = float(heard[:, number].mean()) if len(heard) else float("nan")
        table.append(row)
    return table
