"""How far long work is: one line that is renewed in a terminal, plain lines now and then in a log."""

from __future__ import annotations

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

    def step(self, what: str) -> None:
        """Say that one step is done, and ``what`` it was."""
        self._done += 1
        if self._bar is not None:
            self._bar.set_postfix_str(printable(what), refresh=False)
            self._bar.update()
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

    form = "{desc}: {n_fmt} of {total_fmt}, {remaining} left{postfix}"
    return tqdm(desc=name, total=total, file=out, ncols=shutil.get_terminal_size().columns - 1, bar_format=form)
