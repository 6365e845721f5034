"""Compare the test predictions of two revisions, and say whether the difference is real.

REV_A and REV_B are commits, branches, tags, names of DVC experiments, or `workspace`: the files as they are.
Their files are read through DVC; nothing is checked out and nothing runs.

Test clips are matched by recording, times and species. Each metric comes with the 95 % interval of its
difference: groups of the split are drawn again and again, the same for both. McNemar's test asks whether as many
clips became right as became wrong. Then follow the clips that changed and the parameters that differ.
"""

import argparse
import io
import json
from pathlib import Path

import pandas as pd
import yaml

from dawnchorus.evaluation import comparison
from dawnchorus.foundation.display_names import printable
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import write_whole
from dawnchorus.foundation.seeds import rng
from dawnchorus.report import report

EXAMPLES = """examples:
  dawnchorus compare                           the last commit against the files as they are
  dawnchorus compare main smoky-frog           a branch against an experiment of `dvc exp run`
  dawnchorus compare HEAD~1 HEAD --html c.html
"""
WORKSPACE = "workspace"
PREDICTIONS, SPLIT, PARAMS = "reports/predictions.csv", "data/split/split.csv", "params.yaml"
LISTED = 20
COMMON_NOTE = (
    "The runs were split differently: one of them may have been trained on other clips of a recording that is tested "
    "here."
)
ONE_GROUP_NOTE = "All these clips are of one group, so there are no intervals and no difference can be shown."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", nargs="?", metavar="REV_A", default="HEAD", help="what to compare with (default: HEAD)")
    parser.add_argument("b", nargs="?", metavar="REV_B", default=WORKSPACE, help="what is new (default: workspace)")
    parser.add_argument(
        "--common",
        action="store_true",
        help="where the test clips differ, compare those that are in both (default: refuse)",
    )
    parser.add_argument(
        "--draws", type=positive, metavar="N", help="draws of groups (default: evaluation.bootstrap_draws of REV_B)"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print everything as JSON")
    output.add_argument("--html", type=Path, metavar="FILE", help="write a page instead of text")


def positive(text: str) -> int:
    """Return a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return int(text)


class Revision:
    """The files of one revision of a DVC project; what cannot be read is an :class:`InputError`."""

    def __init__(self, root: Path, name: str):
        self.root, self.name, self.commit, self._files = root, name, None, None
        if name == WORKSPACE:
            return
        from dvc.api import DVCFileSystem
        from dvc.exceptions import DvcException
        from dvc.scm import SCM, resolve_rev

        try:
            # Names of experiments are resolved here too.
            self.commit = resolve_rev(SCM(str(root)), name)
            self._files = DVCFileSystem(str(root), rev=self.commit)
        except (DvcException, OSError) as error:
            raise InputError(f"{name}: expected a commit, a branch, a tag or an experiment: {_line(error)}") from None

    def read(self, path: str) -> str:
        try:
            if self._files is None:
                return (self.root / path).read_text(encoding="utf-8")
            return self._files.read_text(path, encoding="utf-8")
        except FileNotFoundError as error:
            hint = "run `snakemake --cores 8`" if self._files is None else "it may have to be fetched: `dvc pull`"
            raise InputError(f"{self.name}: {path} is not there ({hint}): {_line(error)}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.name}: {path} cannot be read: {_line(error)}") from None

    def table(self, path: str, required: tuple[str, ...]) -> pd.DataFrame:
        try:
            table = pd.read_csv(io.StringIO(self.read(path)), dtype=str, keep_default_na=False)
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise InputError(f"{self.name}: {path}: expected a CSV table: {_line(error)}") from None
        missing = [name for name in required if name not in table]
        if missing:
            raise InputError(f"{self.name}: {path}: column {', '.join(missing)}: missing")
        return table

    def predictions(self) -> pd.DataFrame:
        columns = ("annotation_id", "recording_id", "t_min_s", "t_max_s", "true_species_id", "true_name")
        table = self.table(PREDICTIONS, (*columns, "predicted_species_id", "predicted_name"))
        if table.empty:
            raise InputError(f"{self.name}: {PREDICTIONS} has no test clips; nothing can be compared")
        return table

    def params(self) -> dict:
        try:
            return yaml.safe_load(self.read(PARAMS)) or {}
        except yaml.YAMLError as error:
            raise InputError(f"{self.name}: {PARAMS}: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def project_root() -> Path:
    """Return the folder of the DVC project that the working directory is in."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        return Path(Repo.find_root())
    except DvcException as error:
        raise InputError(f"not in a DVC project: {_line(error)}") from None


def groups_of(revision: Revision, predictions: pd.DataFrame) -> dict[tuple, str]:
    """Return the group of each test clip, by its key."""
    split = revision.table(SPLIT, ("annotation_id", "group"))
    by_annotation = dict(zip(split["annotation_id"], split["group"], strict=True))
    unknown = [number for number in predictions["annotation_id"] if number not in by_annotation]
    if unknown:
        raise InputError(f"{revision.name}: annotation {unknown[0]} of {PREDICTIONS} is not in {SPLIT}")
    of_clip = (by_annotation[number] for number in predictions["annotation_id"])
    return dict(zip(comparison.keys(predictions), of_clip, strict=True))


def metric_name(key: str) -> str:
    """Return a metric's name as the report has it."""
    return report.METRICS[key][0] if key in report.METRICS else key.replace("_", " ").capitalize()


def text(result: dict) -> str:
    """Return the comparison as lines for a terminal."""
    lines = [
        f"A  {_named(result['a'])}",
        f"B  {_named(result['b'])}",
        f"{result['clips']} test clips in both, {result['groups']} groups{_left_out(result)}",
        *([COMMON_NOTE] if result["only_in_a"] or result["only_in_b"] else []),
        *([ONE_GROUP_NOTE] if result["groups"] < 2 else []),
        "",
        f"{'':24}{'A':>8}{'B':>8}{'B - A':>9}   95 % interval",
    ]
    for row in result["metrics"]:
        ends = "none" if row["low"] is None else f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        verdict = {"better": "B is better", "worse": "B is worse", "unclear": "no difference shown"}[row["verdict"]]
        name = metric_name(row["metric"])
        lines.append(f"{name:24}{row['a']:8.3f}{row['b']:8.3f}{row['difference']:+9.3f}   {ends:18} {verdict}")
    test = result["mcnemar"]
    lines += [
        "",
        f"{test['became_right']} clips became right, {test['became_wrong']} became wrong: "
        f"McNemar's exact test p = {test['p_value']:.3g}",
    ]
    for became in ("wrong", "right"):
        clips = [clip for clip in result["changed"] if clip["became"] == became]
        lines += [f"became {became}:"] * bool(clips)
        lines += [
            f"  {printable(c['recording_id'])} {c['t_min_s']:.2f} to {c['t_max_s']:.2f} s, {printable(c['species'])}: "
            f"{printable(c['called_by_a'])} -> {printable(c['called_by_b'])}"
            for c in clips[:LISTED]
        ]
        lines += [f"  and {len(clips) - LISTED} more (--json or --html lists all)"] * (len(clips) > LISTED)
    lines += ["", "parameters that differ:" if result["params"] else "no parameter differs"]
    width = max((len(p["name"]) for p in result["params"]), default=0)
    lines += [f"  {printable(p['name']):{width}}  {_value(p, 'a')} -> {_value(p, 'b')}" for p in result["params"]]
    return "\n".join(lines)


def _value(param: dict, of: str) -> str:
    return printable(comparison.written(param[of])) if of in param else "not there"


def _named(revision: dict) -> str:
    return revision["name"] + (f" ({revision['commit'][:10]})" if revision["commit"] else " (the files as they are)")


def _left_out(result: dict) -> str:
    only_a, only_b = result["only_in_a"], result["only_in_b"]
    return f"; left out: {only_a} only in A, {only_b} only in B" if only_a or only_b else ""


def main(args: argparse.Namespace) -> None:
    root = project_root()
    a, b = Revision(root, args.a), Revision(root, args.b)
    params = {"a": a.params(), "b": b.params()}
    block = params["b"].get("evaluation", {})
    n_draws = args.draws or block.get("bootstrap_draws")
    if not n_draws or n_draws < 1 or "top_k" not in block:
        raise InputError(f"{b.name}: {PARAMS}: expected evaluation.bootstrap_draws and evaluation.top_k")
    in_a, in_b = a.predictions(), b.predictions()
    draws = rng(params["b"].get("seed", 0), "comparison")
    result = comparison.compare(in_a, in_b, groups_of(b, in_b), args.common, block["top_k"], n_draws, draws)
    result |= {
        "a": {"name": a.name, "commit": a.commit},
        "b": {"name": b.name, "commit": b.commit},
        "params": comparison.params_diff(params["a"], params["b"]),
    }
    if args.json:
        print(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False))
    elif args.html:
        from dawnchorus.report import pages

        written = [
            {"name": p["name"]} | {of: comparison.written(p[of]) for of in ("a", "b") if of in p}
            for p in result["params"]
        ]
        words = {"common_note": COMMON_NOTE, "one_group_note": ONE_GROUP_NOTE, "metric_name": metric_name}
        page = pages.render("compare.html.j2", result | words | {"params": written})
        with write_whole(args.html) as file:
            file.write(page)
        print(f"compare: {args.html}")
    else:
        print(text(result))
