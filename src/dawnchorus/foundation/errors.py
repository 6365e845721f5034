"""One clear line for every mistake that a user can make."""

import errno
import json
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from dawnchorus.foundation.display_names import escaped


class InputError(Exception):
    """Bad input: each text is a line of the message, and names file, row, column, value and what was expected.

    A line break in a text, of a name or cell that a stranger wrote, begins no other line.
    """

    def __str__(self) -> str:
        return "\n".join(str(line).replace("\n", "\\n") for line in self.args)


LONGEST_NAME = 80  # of a name in a list

# What a disk or an administrator says no to, or no file can be called: the system's words are clear enough, and a trace
# says no more.
REFUSALS = {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
REFUSALS |= {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR}


def run(main: Callable[[], None]) -> int:
    """Call a command's ``main`` and return its exit code.

    An :class:`InputError` is printed without a trace, and so is a disk that fails, is full or may not be written.
    """
    try:
        main()
    except InputError as error:
        print(_lines(error), file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        where = escaped(str(error.filename or "reading or writing"))
        print(f"error: {where}: {error.strerror}; nothing was left half-written", file=sys.stderr)
        return 1
    return 0


def stop(error: InputError) -> NoReturn:
    """End this process as :func:`run` does: Snakemake puts lines of its own and a trace around other exceptions."""
    sys.exit(_lines(error))


def _lines(error: InputError) -> str:
    return "\n".join(f"error: {escaped(line)}" for line in str(error).split("\n"))


def one_line(error: object, longest: int | None = None) -> str:
    """Return what an error says, in one line of at most ``longest`` characters; its type where it says nothing."""
    return " ".join(str(error).split())[:longest] or type(error).__name__


def listed(names: Iterable[str], most: int = 20) -> str:
    """Return names as a line lists them: the first ones, each cut where it is long, and how many more there are."""
    names = list(names)
    said = ", ".join(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names[:most])
    return said if len(names) <= most else f"{said} and {len(names) - most} more"


def shown(value: object, longest: int = 80, quotes: bool = True) -> str:
    """Return a value as a line shows it: as it stands in YAML and JSON, printable, and cut where it is long."""
    text = value if isinstance(value, str) and not quotes else json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
