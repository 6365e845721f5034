import math

import numpy as np

from dawnchorus.annotations import false_positives

BOXES = [{"species_id": species_id} for species_id in ("0", "1", "1", "1")]


def test_rates_count_each_class_in_its_own_boxes():
    scores = np.array([[0.9, 0.9, 0.0], [0.9, 0.5, 0.0], [0.0, 0.4, 0.0], [0.0, 0.6, 0.9]])
    found = false_positives.rates(BOXES, scores, np.array([0.5, 0.5, 0.5]), ["0", "1", "2"], ["x", "y", "z"])
    assert [(row["checked"], row["false_positives"]) for row in found] == [(1, 1), (3, 2), (0, 0)]
    assert [row["rate"] for row in found[:2]] == [1.0, 2 / 3]
    assert math.isnan(found[2]["rate"])
    assert [row["expected_at_chance"] for row in found] == [0.5, 0.75, 0.25]
    assert list(found[0]) == list(false_positives.COLUMNS)
