"""One clear line for every mistake that a user can make."""

import sys
from collections.abc import Callable


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
