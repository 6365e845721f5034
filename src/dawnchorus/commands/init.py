"""Look at the recordings and tables that you have, and write a params.yaml for them.

Finds the annotations (RFCX, Raven selection tables, Audacity labels, CSV by whatever columns it has), the folder of the
recordings, and tables of recordings, species and spans; says what it took for what; and proposes every value from how
long and how high the calls are, with the reason. What it could not know it names. It asks nothing, and changes none of
your files.
"""

import argparse
import itertools
import os
import subprocess
import textwrap
from pathlib import Path
from typing import Any

from dawnchorus.commands import options
from dawnchorus.foundation import strict_yaml
from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import write_whole
from dawnchorus.foundation.given_files import fault_of_file

EXAMPLES = """examples:
  dawnchorus init /data/mine
  dawnchorus init /data/mine/labels.csv /data/mine/audio
  dawnchorus init --preset song --output song.yaml /data/finch
"""
# What a preset says is kept, but for what is of the data alone.
OF_DATA = ("data.", "split.group", "cross_validation.column")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "places",
        nargs="+",
        type=options.path,
        metavar="FOLDER_OR_TABLE",
        help="folders and tables to look at, all together",
    )
    parser.add_argument("--preset", metavar="NAME", help="start from presets/NAME.yaml: its values are kept")
    parser.add_argument(
        "--output",
        type=options.path,
        default=Path("params.yaml"),
        metavar="FILE",
        help="to write (default: %(default)s)",
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite a file that somebody has edited; it is kept beside"
    )


def main(args: argparse.Namespace) -> None:
    from dawnchorus.parameters import fields
    from dawnchorus.survey import proposal, rules
    from dawnchorus.tables.users import write_rows
    from dawnchorus.workflow import params_texts

    preset = _preset(args.preset)
    folder = args.output.parent
    kept = {key: fields.value_of(preset, key) for key in fields.keys(preset) if not key.startswith(OF_DATA)}
    made = proposal.proposed(args.places, folder, os.cpu_count() or 1, kept)
    source = f"--preset {args.preset}" if preset else str(args.output)
    params = _params(made.values, preset, source)
    chosen = []
    for choice in made.chosen:
        own = {key: value for key, value in choice.values.items() if key not in kept and _value(params, key) == value}
        # A reason is one of all values of its choice.
        reason = choice.reason if len(own) == len(choice.values) else f"beside what preset {args.preset} says"
        if own:
            chosen.append(f"{', '.join(f'{key} {params_texts.flow(value)}' for key, value in own.items())}: {reason}")
    of_preset = [
        f"{key} {params_texts.flow(value)} ({params_texts.flow(made.without[key])} without)"
        for key, value in kept.items()
        if key in made.without and made.without[key] != value
    ]
    if of_preset:
        chosen.append(f"of preset {args.preset}: {', '.join(of_preset)}")
    # Who brings a model is not told to bring one.
    has_model = params["features"]["kind"] == "embedding"
    undecided = [line for line in made.undecided if not (has_model and rules.PRETRAINED in line)]
    parts = [("found", made.found), ("chosen", chosen), ("not decided", undecided)]
    said = [(title, [escaped(line) for line in lines]) for title, lines in parts if lines]
    text = params_texts.text_of(params, _head(said))
    if strict_yaml.parse(text.encode(), str(args.output)).values != params:
        raise InputError(f"{args.output}: a name among the data that YAML would change; expected plain names")
    table = folder / proposal.MADE
    _refuse(args.output, text, args.force)
    if made.table and table.exists() and not args.force and not _holds(table, *made.table):
        raise InputError(f"{table}: there already; expected no such file (--force overwrites it)")
    before = []
    if made.table:
        if table.exists() and not _holds(table, *made.table):
            before += [_kept(table)]
        write_rows(table, *made.table)
    if args.output.exists() and args.output.read_bytes() != text.encode():
        before += [_kept(args.output)]
    with write_whole(args.output) as file:
        file.write(text)
    for title, lines in said:
        print(f"{title}:", *(f"  {line}" for line in lines), sep="\n")
    print(f"written: {args.output}{f' and {table}' if made.table else ''}")
    print(*(f"before: {line}\n" for line in before), sep="", end="")
    print("next: check in params.yaml what was not decided, then `snakemake --cores 8`")


def _preset(name: str | None) -> dict[str, Any]:
    """Return what a preset changes, without its data."""
    from dawnchorus.workflow import params_texts

    folder = params_texts.ROOT / params_texts.CHANGES
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if name is None or name == "default":
        return {}
    if name not in names:
        raise InputError(f"--preset: {name!r}: expected one of {', '.join(names)}")
    changes = strict_yaml.read(folder / f"{name}.yaml").values
    return {block: value for block, value in changes.items() if block not in ("data", "simulate")}


def _params(values: dict[str, Any], preset: dict[str, Any], source: str) -> dict[str, Any]:
    """Return the complete recipe: the default one with the values of the proposal, those of the preset among them.

    Values that do not fit each other raise :class:`InputError`, which names their ``source``.
    """
    from dawnchorus.workflow import params_file, params_texts

    base = params_texts.completed(preset)
    changes: dict[str, Any] = {}
    for key, value in values.items():
        block, _, name = key.partition(".")
        if not name:
            changes[block] = value
        elif name in base[block] or block == "data":
            changes.setdefault(block, {})[name] = value
    return params_file.canonical(params_texts.completed(changes), source)


def _value(params: dict[str, Any], key: str) -> Any:
    block, _, name = key.partition(".")
    return params[block].get(name) if name else params[block]


def _head(said: list[tuple[str, list[str]]]) -> str:
    """Return the comment at the top of the file: what was found, chosen and not decided."""
    lines = [
        "# Written by `dawnchorus init`. Change a value, run `snakemake --cores 8`, and what depends on it runs again."
    ]
    for title, found in said:
        lines += ["#", f"# {title}:"]
        for line in found:
            lines += textwrap.wrap(
                line,
                120,
                initial_indent="# - ",
                subsequent_indent="#   ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines) + "\n"


def _holds(path: Path, columns: list[str], rows: list[dict[str, str]]) -> bool:
    """Say whether a table is the one that would be written."""
    from dawnchorus.tables.users import read_rows

    there = read_rows(path, ())
    return there.columns == columns and [row.cells for row in there.rows] == rows


def _default() -> bytes:
    from dawnchorus.workflow import params_texts

    return params_texts.preset(params_texts.ROOT / params_texts.CHANGES / "default.yaml").encode()


def _kept(path: Path) -> str:
    """Return where what a file holds is to be found once it is written over; a copy where it would be nowhere."""
    there = path.read_bytes()
    if there == _default():
        return f"{path} was the default one, which presets/default.yaml is too"
    if there == _in_git(path):
        return f"{path} is in Git as it was: git show HEAD:./{path.name}"
    numbers = itertools.count(1)
    copy = next(copy for n in numbers if not (copy := path.with_name(f"{path.stem}.before-{n}{path.suffix}")).exists())
    with write_whole(copy, "wb") as file:
        file.write(there)
    return f"{path} as it was is {copy}"


def _in_git(path: Path) -> bytes | None:
    """Return a file as the last commit has it; None where it has none."""
    command = ["git", "-C", str(path.parent), "show", f"HEAD:./{path.name}"]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _refuse(path: Path, text: str, force: bool) -> None:
    """Raise :class:`InputError` where a file would be lost that somebody has edited."""
    if not path.exists():
        return
    if fault := fault_of_file(path):
        raise InputError(f"{path}: {fault}; expected the name of a file")
    if not force and path.read_bytes() not in (text.encode(), _default()):
        raise InputError(
            f"{path}: was edited, and is left as it is; expected --force to overwrite it, or --output FILE for another"
        )
