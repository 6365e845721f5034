"""Use a trained model, and compare experiments. Everything else is a run of the workflow: `snakemake --cores 8`."""

import argparse
import importlib
import os
import sys

from dawnchorus.foundation.errors import run

# A module has add_arguments(parser) and main(args); it is imported only when its command is called, since what it
# needs takes seconds to load.
COMMANDS = {
    "compare": ("dawnchorus.commands.compare", "say whether two commits or experiments really differ"),
    "detect": ("dawnchorus.commands.detect", "find species in new recordings with a trained model"),
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
    args = parser_of(words).parse_args(words)
    if args.verbose:
        args.main(args)
        return 0
    try:
        code = run(lambda: args.main(args))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read has seen enough, as `head` has; Python would complain again when it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        said = " ".join(str(error).split())
        print(f"error: {type(error).__name__}: {said} (--verbose shows where)", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
