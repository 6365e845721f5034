"""The command `dawnchorus`: what is asked of a model and of experiments by hand, beside the workflow."""

import argparse
import importlib
import sys

from dawnchorus.errors import run

# Each module has SUMMARY, add_arguments(parser) and main(args); it is imported only when its command is called.
COMMANDS = {
    "compare": "dawnchorus.compare",
    "detect": "dawnchorus.detect",
}


def main() -> int:
    """Run `dawnchorus COMMAND ...` and return its exit code."""
    parser = argparse.ArgumentParser(prog="dawnchorus", description=__doc__)
    parser.add_argument("--verbose", action="store_true", help="show the whole trace of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        loaded = importlib.import_module(module)
        command = commands.add_parser(name, help=loaded.SUMMARY, description=loaded.__doc__)
        loaded.add_arguments(command)
        command.set_defaults(main=loaded.main)
    args = parser.parse_args()
    if args.verbose:
        args.main(args)
        return 0
    return run(lambda: args.main(args))


if __name__ == "__main__":
    sys.exit(main())
