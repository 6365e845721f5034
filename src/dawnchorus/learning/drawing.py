"""Batches drawn on threads before they are asked for, so that what computes them need not wait."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Batch = TypeVar("Batch")
# A thread has this many batches before it: one at work, one that is finished.
_EACH = 2


class Ahead(Generic[Batch]):
    """Draws the batches of an epoch in their order, those that come next on ``threads`` while one is computed.

    Not Keras's own workers: with them a training by JAX sees other batches than without.

    Args:
        draw: makes a batch by its number; it may depend on nothing else, apart from the epoch (:meth:`restart`).
        n_batches: of an epoch.
        threads: with one, batches are drawn as they are asked for.
    """

    def __init__(self, draw: Callable[[int], Batch], n_batches: int, threads: int):
        self._draw, self._n, self._ahead = draw, n_batches, _EACH * threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._drawn: dict[int, Future[Batch]] = {}

    def batch(self, number: int) -> Batch:
        """Return a batch, and begin with those after it."""
        if self._pool is None:
            return self._draw(number)
        for later in range(number, min(number + self._ahead, self._n)):
            if later not in self._drawn:
                self._drawn[later] = self._pool.submit(self._draw, later)
        return self._drawn.pop(number).result()

    def restart(self) -> None:
        """Forget what was drawn: another epoch begins."""
        for drawn in self._drawn.values():
            drawn.cancel()
        self._drawn = {}
