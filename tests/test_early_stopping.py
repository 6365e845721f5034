"""When a training stops, and what it keeps."""

import math

import pytest

from dawnchorus.learning import early_stopping


def run(losses, patience):
    """Return the epochs that were trained, and the one that was kept, both from 1."""
    stopping = early_stopping.EarlyStopping(patience)
    for epoch, loss in enumerate(losses, start=1):
        if stopping.is_best(loss):
            stopping.kept = epoch
        if stopping.exhausted:
            break
    return epoch, stopping.kept


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([3, 2, 1, 2, 3, 0], 2, (5, 3)),
        ([3, 2, 1, 2, 0.5, 4], 2, (6, 5)),
        # As good is no better.
        ([1, 1, 1, 1], 2, (3, 1)),
        ([3, 2], 1, (2, 2)),
        # A loss that is no number is better than nothing, and worse than any number.
        ([math.nan, 2, 3, 4], 2, (4, 2)),
        ([math.nan, math.nan, math.nan], 2, (3, 1)),
    ],
)
def test_the_epoch_with_the_lowest_loss_is_kept(losses, patience, expected):
    assert run(losses, patience) == expected


def test_nothing_stops_without_patience_or_without_rows_to_validate_on():
    assert early_stopping.of(None, 20) is None
    assert early_stopping.of(3, 0) is None
    assert early_stopping.of(3, 1).patience == 3
