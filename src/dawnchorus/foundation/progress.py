"""How far long work is: one line that is renewed in a terminal, plain lines in a log."""

import shutil
import sys
import time
from typing import TextIO

from dawnchorus.foundation.display_names import printable

ERASE_LINE = "\r\x1b[K"


class Progress:
    """Reports steps of a work on sound; ``total`` is the number of steps, ``name`` begins every line.

    Used as a context: at its end the terminal's cursor stands on a line of its own.
    """

    def __init__(self, name: str, total: int, out: TextIO | None = None):
        self._name, self._total, self._out = name, total, out or sys.stdout
        self._in_place = self._out.isatty()
        self._started_s, self._done, self._sound_s = time.monotonic(), 0, 0.0

    def step(self, what: str, sound_s: float) -> None:
        """Say that one step is done: ``what`` it was, and how much sound it went through (s)."""
        self._done += 1
        self._sound_s += sound_s
        counted = f"{self._name}: {self._done} of {self._total}"
        if not self._in_place:
            print(f"{counted}: {printable(what)}", file=self._out, flush=True)
            return
        passed_s = max(time.monotonic() - self._started_s, 1e-3)
        left_s = passed_s / self._done * (self._total - self._done)
        speed = f"{self._sound_s / passed_s:.0f} s of sound a second"
        left = f"{left_s:.0f} s" if left_s < 100 else f"{left_s / 60:.0f} min"
        line = f"{counted}, {speed}, {left} left: {printable(what)}"
        self._out.write(ERASE_LINE + line[: shutil.get_terminal_size().columns - 1])
        self._out.flush()

    def warn(self, text: str) -> None:
        """Print a line to the error stream that stays, above the line that is renewed."""
        if self._in_place:
            self._out.write(ERASE_LINE)
            self._out.flush()
        print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._in_place and self._done:
            print(file=self._out, flush=True)
