"""A file of many entries, updated: entries that still hold are kept, the others are taken elsewhere or computed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from dawnchorus.foundation.errors import InputError


class Reader(AbstractContextManager[object], Protocol):
    """A file open for reading, a context manager."""

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of its entries."""

    def signature(self, name: str, /) -> str | None:
        """Return what an entry was known by when it was made, None when there is no such entry."""


class Writer(Protocol):
    """A file being written, whole or not at all."""

    def copy(self, name: str, old: Any, /) -> None:
        """Add an entry as it is in ``old``, an open file of the same format.

        A damaged one raises :class:`InputError`, and nothing is added.
        """


# What is said of entries of the file as it was before: those that still hold, and those that nobody wants any more.
KEPT, DROPPED = "kept from before", "no longer needed"

# What finds other files that may hold the entry of a name.
Elsewhere = Callable[[str], Iterable[Path]]

Item = TypeVar("Item")
Old = TypeVar("Old", bound=Reader)
New = TypeVar("New", bound=Writer)


@dataclass(frozen=True)
class Done:
    """What was done: how many entries were computed and kept, and the names of those that are gone."""

    n_computed: int
    n_kept: int
    dropped: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.n_computed} computed, {self.n_kept} {KEPT}, {len(self.dropped)} {DROPPED}"


def nowhere(name: str) -> Iterable[Path]:
    """Find no file."""
    return ()


def _unsaid(line: str) -> None:
    """Say nothing: of a file elsewhere that is unusable nothing starts over."""


def updating(
    path: Path,
    wanted: Iterable[tuple[str, Item]],
    signature_of: Callable[[Item], str],
    opened: Callable[[Path], Old],
    written: Callable[[Path], AbstractContextManager[New]],
    compute: Callable[[Item, str, New], None],
    say: Callable[[str], None],
    step: Callable[[Item], None] = lambda item: None,
    elsewhere: Elsewhere = nowhere,
) -> Generator[None, None, Done]:
    """Make ``path`` hold exactly the wanted entries, in their order; yield after each.

    To be taken to its end (:func:`ended`), or closed: then the file is left as it is, as by an error.

    Args:
        wanted: (name, item) of each entry, taken one by one.
        signature_of: one hash of all that the entry of an item depends on.
        opened, written: open the old file and the new one; an old one that is unusable raises :class:`InputError`,
            which only costs the work of making it again.
        compute: makes the entry of an item and adds it to the new file, under a signature.
        say: takes a line about what is wrong with the old file.
        step: called when an entry is done.
        elsewhere: other files of the same format that may hold the entry of a name; they are only read.
    """
    n_computed, names = 0, set()
    with ExitStack() as stack:
        olds: dict[Path, Old | None] = {}

        def old_at(place: Path) -> Old | None:
            if place not in olds:
                olds[place] = _old(place, opened, say if place == path else _unsaid)
                stack.enter_context(olds[place] or nullcontext())
            return olds[place]

        own = old_at(path)
        writer = stack.enter_context(written(path))
        for name, item in wanted:
            names.add(name)
            signature = signature_of(item)
            if not _kept(name, signature, own, writer, say) and not any(
                _kept(name, signature, old_at(other), writer, say) for other in elsewhere(name)
            ):
                compute(item, signature, writer)
                n_computed += 1
            step(item)
            yield
        gone = set(own) - names if own else ()
    return Done(n_computed, len(names) - n_computed, tuple(sorted(gone)))


def ended(made: Generator[None, None, Done]) -> Done:
    """Take what :func:`updating` yields to its end, and return what was done."""
    while True:
        try:
            next(made)
        except StopIteration as end:
            return end.value


def _old(path: Path, opened: Callable[[Path], Old], say: Callable[[str], None]) -> Old | None:
    if not path.exists():
        return None
    try:
        return opened(path)
    except InputError as error:
        say(f"{error}; starting over")
        return None


def _kept(name: str, signature: str, old: Reader | None, writer: Writer, say: Callable[[str], None]) -> bool:
    if old is None or old.signature(name) != signature:
        return False
    try:
        writer.copy(name, old)
    except InputError as error:
        say(f"{error}; making {name} again")
        return False
    return True
