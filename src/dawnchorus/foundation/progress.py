"""How far long work is: one line that is renewed in a terminal, plain lines now and then in a log."""

from __future__ import annotations

import io
import math
import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

from dawnchorus.foundation.display_names import escaped, printable

if TYPE_CHECKING:
    from tqdm import tqdm


class Progress:
    """Reports steps of a work; ``total`` is the number of steps, ``name`` begins every line. Used as a context.

    In a log a line appears when ``log_interval_s`` have passed since the one before: short work leaves none.
    """

    def __init__(self, name: str, total: int, out: TextIO | None = None, log_interval_s: float = 5.0):
        self._name, self._total, self._out = name, total, out or sys.stdout
        self._log_interval_s, self._reported_s = log_interval_s, time.monotonic()
        self._done = 0
        self._bar = _bar(name, total, self._out) if self._out.isatty() else None

    @classmethod
    def silent(cls) -> Progress:
        """Return one that says nothing of steps, and warns as any."""
        return cls("", 0, io.StringIO(), math.inf)

    def step(self, what: str) -> None:
        """Say that one step is done, and ``what`` it was."""
        self._done += 1
        self._say(self._done, what)

    def part(self, share: float, what: str) -> None:
        """Say how much of the next step is done, 0 to 1, and ``what`` it is: of long steps, for the time left.

        All of it is for :meth:`step` to say.
        """
        if share < 1:
            self._say(self._done + share, f"{share:.0%} of {what}")

    def _say(self, done: float, what: str) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"{self._name}: {self._done} of {self._total}", refresh=False)
            self._bar.set_postfix_str(printable(what), refresh=False)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() - self._reported_s >= self._log_interval_s:
            self._reported_s = time.monotonic()
            print(f"{self._name}: {self._done} of {self._total}: {printable(what)}", file=self._out, flush=True)

    def warn(self, text: str) -> None:
        """Print a line to the error stream that stays, above the line that is renewed."""
        if self._bar is not None:
            self._bar.clear()
        print(escaped(text), file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _bar(name: str, total: int, out: TextIO) -> tqdm:
    from tqdm import tqdm

    form = "{desc}, {remaining} left{postfix}"
    columns = shutil.get_terminal_size().columns - 1
    return tqdm(desc=f"{name}: 0 of {total}", total=total, file=out, ncols=columns, bar_format=form)
