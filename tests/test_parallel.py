"""Threads that work on many items: the order, errors, and how far they run ahead."""

import pytest

from dawnchorus.foundation.parallel import in_threads


def test_results_come_in_the_order_of_the_items():
    assert list(in_threads(lambda number: number**2, range(500), 3)) == [number**2 for number in range(500)]
    assert list(in_threads(str, [], 3)) == []


def test_of_endless_items_only_a_few_are_taken_ahead():
    taken = []

    def items():
        while True:
            taken.append(len(taken))
            yield taken[-1]

    made = in_threads(str, items(), 2)
    assert [next(made) for _ in range(10)] == [str(number) for number in range(10)]
    assert len(taken) < 50
    made.close()


def test_what_an_item_raises_is_raised_in_its_turn():
    made = in_threads(lambda number: 12 // number, [3, 2, 0, 1], 4)
    assert [next(made), next(made)] == [4, 6]
    with pytest.raises(ZeroDivisionError):
        next(made)
