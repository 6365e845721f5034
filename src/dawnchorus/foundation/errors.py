"""One clear line for every mistake that a user can make."""

import sys
from collections.abc import Callable
from pathlib import Path


class InputError(Exception):
    """Bad input: the message names file, row, column, value and what was expected; one line a problem."""


def run(main: Callable[[], None]) -> int:
    """Call a command's ``main`` and return its exit code; an :class:`InputError` is printed without a trace."""
    try:
        main()
    except InputError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 1
    return 0


def reported_since(logs: Path, time_s: float) -> list[str]:
    """Return the error lines of all logs written since a time: what a long run's output has long scrolled past."""
    recent = (path for path in sorted(logs.glob("*.log")) if path.stat().st_mtime >= time_s)
    return [
        line
        for path in recent
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith("error: ")
    ]
