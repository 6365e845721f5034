"""What people checked and found NOT to be a species: RFCX's train_fp.csv, as knowledge of that class alone.

A row says that its box does not hold its species. It says nothing of other species, and never that nothing is there.
"""

from collections.abc import Sequence

import numpy as np

from dawnchorus.recordings import class_order, read_annotations
from dawnchorus.tables import Problem, read_rows

COLUMNS = ("species_id", "species_name", "checked", "false_positives", "rate", "expected_at_chance")


def read(path: str, species_ids: Sequence[str], shortest_s: float) -> tuple[list[dict], list[Problem]]:
    """Return the boxes as canonical annotations, and the problems of the rows that cannot be used.

    A species that the model does not know is a problem of its row. A box may stand twice for two species: it is two
    facts; twice for one species it is one.
    """
    _, rows, problems = read_rows(path, ("recording_id", "species_id", "t_min", "t_max"))
    found, faulty = read_annotations(rows, shortest_s)
    known, expected = set(species_ids), f"a species of the model, one of {', '.join(class_order(species_ids))}"
    unknown = [row.problem("species_id", expected) for row, box in found if box["species_id"] not in known]
    return [box for _, box in found if box["species_id"] in known], [*problems, *faulty, *unknown]


def negative_labels(boxes: Sequence[dict], species_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (boxes, classes) float32 and a mask of the same shape: 1 where the label is known.

    Each row knows one thing, a 0 for its own class; a loss has to leave out all else.
    """
    mask = np.zeros((len(boxes), len(species_ids)), np.float32)
    position = {species_id: number for number, species_id in enumerate(species_ids)}
    mask[np.arange(len(boxes)), [position[box["species_id"]] for box in boxes]] = 1.0
    return np.zeros_like(mask), mask


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
