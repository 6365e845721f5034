"""Listen to a sample of what a run detected and did not, and say what its numbers are worth.

`review sample` draws windows of each species by score and by site, and writes them as sample.csv and as a page to
listen, review.html, which saves the answers as reviews.csv. `review serve` serves that page on this machine instead,
and keeps each answer at once, in the folder reviews beside sample.csv. `review summary` makes of the answers precision,
recall, thresholds and windows with calls, with intervals. `review next` chooses the windows whose answers would teach
the model most.
"""

import argparse
import contextlib
import shlex
from pathlib import Path
from typing import Any

from dawnchorus.commands import cli, options
from dawnchorus.foundation.display_names import printable
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import write_json, write_whole

EXAMPLES = """examples:
  dawnchorus review sample detections --output review
  dawnchorus review sample detections --output review --species frog owl --size 200 --seed 2
  dawnchorus review sample detections --output review --size 500 --no-page
  dawnchorus review serve review
  dawnchorus review summary review
  dawnchorus review summary review --precision 0.95 --write-thresholds models
  dawnchorus review next detections --output second --size 50 --reviews review/reviews
  dawnchorus review summary review ~/Downloads/reviews.csv ann/reviews.csv --precision 0.95
"""
MOST_CLIPS, MOST_SIZE, MOST_SEED = 3_000, 1_000_000, 2**31 - 1
# One port, by which a browser knows the page again: what it could not send is sent by the page of the next start.
PORT, MOST_PORT = 8642, 65_535
SHOW_SCORE = "on the page (default: who listens does not know it)"
SHORTEST_S, LONGEST_S = 0.1, 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="what to do", metavar="ACTION", required=True, help="one of these")
    drawn = actions.add_parser("sample", help="draw windows to listen to, and make the page for it")
    _add_windows(drawn, "windows of each species")
    drawn.set_defaults(action=sample)
    chosen = actions.add_parser("next", help="choose the windows that would teach most, and make the page for it")
    _add_windows(chosen, "windows in all")
    chosen.add_argument(
        "--reviews",
        type=options.path,
        nargs="+",
        default=[],
        metavar="REVIEWS.csv",
        help="answers so far, tables or folders of them: what was heard is not chosen again",
    )
    chosen.set_defaults(action=choose)
    served = actions.add_parser("serve", help="serve the page to listen on this machine, and keep each answer at once")
    served.add_argument("folder", type=options.path, metavar="FOLDER", help="of the sample")
    served.add_argument(
        "--port",
        type=options.whole_number(MOST_PORT, 0),
        default=PORT,
        metavar="N",
        help="of 127.0.0.1; 0: any that is free (default: %(default)s)",
    )
    served.add_argument("--show-score", action="store_true", help=SHOW_SCORE)
    served.set_defaults(action=serve)
    told = actions.add_parser("summary", help="say what the answers mean for all windows")
    told.add_argument("folder", type=options.path, metavar="FOLDER", help="of the sample")
    told.add_argument(
        "reviews",
        type=options.path,
        nargs="*",
        metavar="REVIEWS.csv",
        help="answers, of one or more people (default: all that `review serve` kept, FOLDER/reviews/*.csv)",
    )
    told.add_argument(
        "--precision",
        type=options.number(0.01, 0.999),
        default=0.9,
        metavar="P",
        help="the wanted one, for thresholds (default: %(default)g)",
    )
    told.add_argument(
        "--half-width",
        type=options.number(0.01, 0.5),
        default=0.1,
        metavar="W",
        help="of the interval of precision at which there are answers enough (default: %(default)g)",
    )
    told.add_argument(
        "--write-thresholds",
        type=options.path,
        metavar="MODELS",
        help="write the thresholds beside the model that was reviewed, where `dawnchorus detect` finds them",
    )
    told.set_defaults(action=summary)
    for action in (drawn, chosen, served, told):
        action.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=cli.VERBOSE)


def _add_windows(parser: argparse.ArgumentParser, size: str) -> None:
    """Add what says which windows there are, how many are wanted (``size``: of what) and how they are shown."""
    parser.add_argument("results", type=options.path, metavar="RESULTS", help="a folder that `dawnchorus detect` wrote")
    parser.add_argument("--output", type=options.path, required=True, metavar="FOLDER", help="for the clips; a new one")
    parser.add_argument(
        "--size",
        type=options.whole_number(MOST_SIZE),
        default=100,
        metavar="N",
        help=f"{size} (default: %(default)s)",
    )
    parser.add_argument("--species", nargs="+", metavar="ID", help="of these species (default: of all)")
    parser.add_argument(
        "--window-s",
        type=options.number(SHORTEST_S, LONGEST_S),
        default=3.0,
        metavar="S",
        help="length of a window (default: %(default)g)",
    )
    parser.add_argument(
        "--group",
        default="site",
        metavar="COLUMN",
        help="what recordings share that are counted together: site or date, as names of files say, none, or a column "
        "of --recordings (default: %(default)s)",
    )
    parser.add_argument(
        "--recordings", type=options.path, metavar="CSV", help="a table with recording_id and the column of --group"
    )
    parser.add_argument(
        "--seed",
        type=options.whole_number(MOST_SEED),
        default=1,
        metavar="N",
        help="of what chance decides (default: %(default)s)",
    )
    page = parser.add_mutually_exclusive_group()
    page.add_argument("--show-score", action="store_true", help=SHOW_SCORE)
    page.add_argument("--no-page", action="store_true", help="no review.html: `dawnchorus review serve` needs none")


def main(args: argparse.Namespace) -> None:
    args.action(args)


def sample(args: argparse.Namespace) -> None:
    """Draw a sample, and write it with its page; sample.csv comes last, and says that all is there."""
    from dawnchorus.review import sampling
    from dawnchorus.tables import made
    from dawnchorus.tables.definitions import POPULATION

    found, species = windows_of(args)
    rows = sampling.sample(found, args.size, args.seed, species)
    listen = page_of(args, rows)
    made.write(args.output / POPULATION.name, POPULATION, sampling.population(found, species))
    finish(args, found, species, rows, listen)


def choose(args: argparse.Namespace) -> None:
    """Choose the windows that would teach most, and write them as a sample is written."""
    from dawnchorus.review import choosing

    spans = choosing.heard(args.reviews)
    found, species = windows_of(args)
    rows = choosing.choice(found, args.size, args.seed, species, spans)
    if not rows:
        raise InputError(f"{args.results}: every window was heard; expected some that no table of --reviews has")
    finish(args, found, species, rows, page_of(args, rows))


def windows_of(args: argparse.Namespace) -> tuple:
    """Return all windows of the results, and of which species some are wanted; nothing is written before."""
    from dawnchorus.review import windows
    from dawnchorus.tables.definitions import SAMPLE

    if (args.output / SAMPLE.name).exists():
        raise InputError(f"{args.output}: there is a {SAMPLE.name}, which answers may be to; expected a new folder")
    if args.output.exists() and not args.output.is_dir():
        raise InputError(f"{args.output}: a file; expected a folder, or nothing yet")
    if args.recordings is None and args.group not in (*windows.OF_NAMES, "none"):
        raise InputError(f"--group {args.group}: expected site, date or none, or a column of a table of --recordings")
    found = windows.read(args.results, args.window_s, args.group, args.recordings)
    species = args.species or found.species_ids
    if unknown := [name for name in species if name not in found.species_ids]:
        raise InputError(f"--species {unknown[0]}: expected some of {', '.join(found.species_ids)}")
    return found, list(dict.fromkeys(species))


def page_of(args: argparse.Namespace, rows: list) -> str:
    """Write the page to listen, if it is wanted, and return where to listen."""
    from dawnchorus.foundation.progress import Progress
    from dawnchorus.report import review_page

    served = f"dawnchorus review serve {shlex.quote(str(args.output))}"
    if args.no_page:
        return served
    if len(rows) > MOST_CLIPS:
        raise InputError(
            f"{len(rows)} clips: expected at most {MOST_CLIPS} on a page; choose --no-page and `dawnchorus review "
            "serve`, a smaller --size, or some --species"
        )
    with Progress("review", len(rows)) as progress:
        page = review_page.html(rows, args.show_score, progress.step)
    with write_whole(args.output / review_page.NAME) as file:
        file.write(page)
    return f"{args.output / review_page.NAME} ({len(page.encode()) / 1e6:.0f} MB), or {served}"


def finish(args: argparse.Namespace, found: Any, species: list, rows: list, listen: str) -> None:
    """Write sample.csv, and say what it holds."""
    from dawnchorus.tables import made
    from dawnchorus.tables.definitions import SAMPLE

    made.write(args.output / SAMPLE.name, SAMPLE, rows)
    groups = len(set(found.groups))
    print(
        f"review: {len(rows)} clips of {len(species)} species, of {len(found.scores)} windows in {len(found.paths)} "
        f"recordings and {groups} group{'s' * (groups != 1)}; listen: {listen}"
    )


def serve(args: argparse.Namespace) -> None:
    """Serve the page of a sample until somebody ends it."""
    from dawnchorus.report import review_page
    from dawnchorus.report.review_server import Server
    from dawnchorus.review.kept import Kept
    from dawnchorus.tables import made
    from dawnchorus.tables.definitions import SAMPLE

    rows = made.read(args.folder / SAMPLE.name, SAMPLE)
    if not rows:
        raise InputError(f"{args.folder / SAMPLE.name}: no clips; expected some to listen to")
    with contextlib.closing(Kept(args.folder, {row["clip"]: row for row in rows})) as kept:
        # The first clip also says whether this is the folder where the recordings are.
        review_page.card(rows[0])
        with Server(args.port, rows, args.show_score, kept) as server:
            print(f"review: open {server.address} in a browser on this machine; Ctrl+C ends this", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()
        said = [f"{count} answers of {printable(name)}" for name, count in kept.counts().items()]
    print(f"review: {', '.join(said) or 'no answers'} in {kept.folder}")


def summary(args: argparse.Namespace) -> None:
    """Read answers, write summary.csv, groups.csv and summary.json, and print what they say of each species."""
    from dawnchorus.review import answers, choosing, kept
    from dawnchorus.review.summary import summary as summarized
    from dawnchorus.tables import made
    from dawnchorus.tables.definitions import POPULATION, REVIEW_GROUPS, REVIEW_SUMMARY, SAMPLE

    rows = made.read(args.folder / SAMPLE.name, SAMPLE)
    if choosing.is_choice(rows):
        said = "clips that `review next` chose, from which nothing can be estimated; expected a draw of `review sample`"
        raise InputError(f"{args.folder / SAMPLE.name}: {said}")
    population = made.read(args.folder / POPULATION.name, POPULATION)
    known = {(row["species_id"], row["group"]) for row in population}
    for row in rows:
        if (row["species_id"], row["group"]) not in known:
            said = f"no windows of species {row['species_id']!r} and group {row['group']!r}, which {SAMPLE.name} has"
            raise InputError(f"{args.folder / POPULATION.name}: {said}; expected both files as one command wrote them")
    given = answers.read(args.reviews or kept.of_folder(args.folder), {row["clip"]: row for row in rows})
    found = summarized(rows, population, given, args.precision, args.half_width)
    made.write(args.folder / REVIEW_GROUPS.name, REVIEW_GROUPS, found["groups"])
    write_json(args.folder / "summary.json", found)
    made.write(args.folder / REVIEW_SUMMARY.name, REVIEW_SUMMARY, found["species"])
    for line in lines(found):
        print(line)
    print(f"review: {args.folder / REVIEW_SUMMARY.name}, {REVIEW_GROUPS.name}, summary.json")
    if args.write_thresholds:
        write_thresholds(args.write_thresholds, found["thresholds"])


def write_thresholds(folder: Path, thresholds: dict) -> None:
    """Write the thresholds of a summary beside the model that finds calls, and say so."""
    from dawnchorus.commands.detect import detector_of
    from dawnchorus.detection import review_thresholds

    if not thresholds:
        raise InputError(f"{folder}: no species has a threshold of the wanted precision; expected more answers")
    path = review_thresholds.write(folder, *detector_of(folder, False), thresholds)
    print(f"review: {path}: `dawnchorus detect` finds {len(thresholds)} species by these thresholds")


def lines(found: dict) -> list[str]:
    """Return what people read at once: a line a species, and how they agree."""
    said = []
    for row in found["species"]:
        parts = [f"{row['answered']} answers"]
        if row["precision"] is not None:
            parts.append("precision {precision:.2f} ({precision_low:.2f} to {precision_high:.2f})".format(**row))
        if row["recall"] is not None:
            parts.append("recall {recall:.2f} ({recall_low:.2f} to {recall_high:.2f})".format(**row))
        if row["windows_with_calls"] is not None:
            ends = "{windows_with_calls:.0f} ({windows_with_calls_low:.0f} to {windows_with_calls_high:.0f})"
            parts.append(f"calls in {ends.format(**row)} of {row['windows']} windows")
        if row["threshold"] is not None:
            parts.append(f"precision {found['wanted_precision']:g} from score {row['threshold']:.3g} on")
        if row["more_answers"]:
            parts.append(
                f"{row['more_answers']} more answers to windows with detections until precision is known to "
                f"{found['wanted_half_width']:g}"
            )
        said.append(f"{printable(row['species_name'])}: {'; '.join(parts)}")
    for pair in found["agreement"]:
        kappa = "not defined" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
        names = f"{printable(pair['a'])} and {printable(pair['b'])}"
        said.append(f"{names}: {pair['alike']} of {pair['clips']} clips alike, kappa {kappa}")
    return said
