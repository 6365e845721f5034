"""Begin with your own recordings, use a trained model, compare experiments.

Everything else is a run of the workflow: `snakemake --cores 8`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import one_line, run

# A module has add_arguments(parser) and main(args); it is imported only when its command is called, since what it
# needs takes seconds to load.
COMMANDS = {
    "compare": ("dawnchorus.commands.compare", "say whether two commits or experiments really differ"),
    "curves": ("dawnchorus.commands.curves", "draw the learning curves of several projects in one figure"),
    "detect": ("dawnchorus.commands.detect", "find species in new recordings with a trained model"),
    "init": ("dawnchorus.commands.init", "look at recordings and tables, and write a params.yaml for them"),
    "new": ("dawnchorus.commands.new", "make a folder for a project of its own, with this workflow"),
    "review": ("dawnchorus.commands.review", "listen to a sample of detections, and say what they are worth"),
}
VERBOSE = "show where an error comes from, not only its line"


def parser_of(words: list[str]) -> argparse.ArgumentParser:
    """Return the parser of a command line; only the command that is called knows its arguments."""
    parser = argparse.ArgumentParser(
        prog="dawnchorus", description=__doc__, epilog="`dawnchorus COMMAND --help` explains a command."
    )
    parser.add_argument("--verbose", action="store_true", help=VERBOSE)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    called = next((word for word in words if word in COMMANDS), None)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == called:
            loaded = importlib.import_module(module)
            command.description, command.epilog = loaded.__doc__, loaded.EXAMPLES
            loaded.add_arguments(command)
            # Suppressed: else its default would undo a --verbose before the command.
            command.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=VERBOSE)
            command.set_defaults(main=loaded.main)
    return parser


def main(words: list[str] | None = None) -> int:
    """Run `dawnchorus COMMAND ...` and return its exit code."""
    words = sys.argv[1:] if words is None else words
    # A stream that was closed before the start is None, and nobody reads it.
    sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    try:
        with ended_by_signals():
            try:
                return _run(words)
            finally:
                # What is written too late is complained about by Python itself.
                sys.stdout.flush()
                sys.stderr.flush()
    except BrokenPipeError:
        # Whoever read has seen enough, as `head` has; Python would complain again when it closes the pipes.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 1


def _run(words: list[str]) -> int:
    verbose = False
    try:
        args = parser_of(words).parse_args(words)
        verbose = args.verbose
        if verbose:
            args.main(args)
            return 0
        return run(lambda: args.main(args))
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if verbose:
            raise
        said = escaped(one_line(error))
        print(f"error: {type(error).__name__}: {said} (--verbose shows where)", file=sys.stderr)
        return 1


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let a request to end, or a terminal that goes away, end the command as an error would: what is half made goes."""
    asked: list[int] = []
    report = sys.unraisablehook

    def end(number: int, frame: FrameType | None) -> None:
        # One of its own comes after another, which was dropped; a second one is not heard while the first is obeyed,
        # a third is: what the end waits for may never come.
        if number != signal.SIGALRM:
            asked.append(number)
            if len(asked) == 2:
                return
        elif not asked:
            return
        if asked[-1] == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + asked[-1])

    def dropped(said: sys.UnraisableHookArgs) -> None:
        """Hear what Python would print and forget, as in a callback of its own: a request to end comes a moment later.

        What else half made objects say while the command ends, nobody has to read.
        """
        if not asked:
            report(said)
        elif issubclass(said.exc_type, (SystemExit, KeyboardInterrupt)):
            signal.setitimer(signal.ITIMER_REAL, 0.02)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # One that is ignored, as by nohup, stays ignored.
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    heeded = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]
    kept = [(number, signal.signal(number, end)) for number in heeded]
    sys.unraisablehook = dropped
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not asked:
            sys.unraisablehook = report
        for number, handler in kept:
            signal.signal(number, handler or signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
