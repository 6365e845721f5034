"""Compare the test predictions of two revisions, and say whether the difference is real.

REV_A and REV_B are commits, branches, tags, names of DVC experiments, or `workspace`: the files as they are.
Their files are read through DVC; nothing is checked out and nothing runs.

Test clips are matched by recording, times and species. Each metric comes with a 95 % interval of its difference,
bootstrapped over the groups of the split with the same draws for both. McNemar's test asks whether as many clips
became right as became wrong. Then follow each species, what both detect in whole test recordings, the clips that
changed, on the page (--html) to see and hear, and the parameters that differ.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from dawnchorus.commands import options
from dawnchorus.detection import detection_comparison
from dawnchorus.evaluation import comparison
from dawnchorus.foundation import archives, strict_yaml
from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import InputError, one_line
from dawnchorus.foundation.files import write_whole
from dawnchorus.foundation.seeds import rng
from dawnchorus.parameters import fields
from dawnchorus.parameters.base import Block
from dawnchorus.parameters.data import Data
from dawnchorus.parameters.evaluation import Evaluation
from dawnchorus.parameters.recipe import Recipe
from dawnchorus.parameters.report import Report
from dawnchorus.report import comparison_page
from dawnchorus.tables import definitions, made

EXAMPLES = """examples:
  dawnchorus compare                           the last commit against the files as they are
  dawnchorus compare main smoky-frog           a branch against an experiment of `dvc exp run`
  dawnchorus compare HEAD~1 HEAD --html c.html
"""
WORKSPACE = "workspace"
MOST_DRAWS = 100_000
MOST_PARAMS_BYTES = 2**20
MODEL_RECORD = "models/model.provenance.json"
PREDICTIONS, ROWS, PARAMS = "reports/predictions.csv", "data/dataset/rows.csv", "params.yaml"
DETECTED, SEGMENTS = "reports/detection_recordings.csv", "reports/detection_segments.csv"
EVENTS, RECORDINGS = "reports/detection_events.csv", "data/recordings/recordings.csv"
HEARD = ("clips", "context_s", "longest_clip_s", "sound_rate_hz", "media_mb")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", nargs="?", metavar="REV_A", default="HEAD", help="the run to compare with (default: HEAD)")
    parser.add_argument("b", nargs="?", metavar="REV_B", default=WORKSPACE, help="the new run (default: workspace)")
    parser.add_argument(
        "--common",
        action="store_true",
        help="compare the test clips that both runs have (default: refuse if they differ)",
    )
    parser.add_argument(
        "--draws",
        type=options.whole_number(MOST_DRAWS),
        metavar="N",
        help="bootstrap draws (default: evaluation.bootstrap_draws of REV_B)",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print everything as JSON")
    output.add_argument("--html", type=options.path, metavar="FILE", help="write a page instead of text")


class Revision:
    """The files of one revision of a DVC project; what cannot be read is an :class:`InputError`."""

    def __init__(self, root: Path, name: str):
        self.root, self.name, self.commit, self._files = root, name, None, None
        if name == WORKSPACE:
            return
        from dvc.api import DVCFileSystem
        from dvc.exceptions import DvcException
        from dvc.scm import SCM, resolve_rev

        expected = "expected a commit, a branch, a tag or an experiment"
        if not name.strip():
            raise InputError(f"a revision without a name, {name!r}: {expected}")
        try:
            # Names of experiments are resolved here too.
            git = SCM(str(root))
            self.commit = resolve_rev(git, name)
            git.resolve_commit(self.commit)
            self._files = DVCFileSystem(str(root), rev=self.commit)
        # A folder or a file of Git's, as HEAD:src is one, has not what a commit has.
        except (DvcException, OSError, AttributeError, ValueError) as error:
            raise InputError(f"{escaped(name)}: {expected}: {one_line(error, 300)}") from None

    def has(self, path: str) -> bool:
        """Say whether the revision has a file."""
        return (self.root / path).exists() if self._files is None else self._files.exists(path)

    def read(self, path: str, most_bytes: int = -1) -> str:
        try:
            if self._files is None:
                if (self.root / path).exists() and not (self.root / path).is_file():
                    raise InputError(f"{self.name}: {path}: expected a file")
                file = (self.root / path).open("rb")
            else:
                file = self._files.open(path, "rb")
            with file:
                content = file.read(most_bytes + 1 if most_bytes > 0 else -1)
            if most_bytes > 0 and len(content) > most_bytes:
                raise InputError(f"{self.name}: {path}: expected at most {most_bytes} bytes")
            return content.decode("utf-8")
        except FileNotFoundError:
            hint = (
                "run `snakemake --cores 8`"
                if self._files is None
                else "`dvc repro` and a commit store a run; `dvc pull` fetches"
            )
            raise InputError(f"{self.name}: {path} is not there ({hint})") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.name}: {path} cannot be read: {one_line(error, 300)}") from None

    def table(self, path: str, table: definitions.Table) -> pd.DataFrame:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / table.name
            copy.write_text(self.read(path), encoding="utf-8")
            try:
                return made.frame(copy, table)
            except InputError as error:
                raise InputError(*(line.replace(str(copy), f"{self.name}: {path}") for line in error.args)) from None

    def predictions(self) -> pd.DataFrame:
        table = self.table(PREDICTIONS, definitions.PREDICTIONS)
        if table.empty:
            raise InputError(f"{self.name}: {PREDICTIONS} has no test clips; nothing can be compared")
        return table

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries that the model was made with; none where no record of it is there."""
        if not self.has(MODEL_RECORD):
            return {}
        record = _json_object(self.read(MODEL_RECORD, MOST_PARAMS_BYTES), f"{self.name}: {MODEL_RECORD}")
        versions = record.get("versions")
        return {name: str(version) for name, version in versions.items()} if isinstance(versions, dict) else {}

    def params(self) -> dict:
        source = f"{self.name}: {PARAMS}"
        if self._files is None:
            return strict_yaml.read(self.root / PARAMS, source).values
        return strict_yaml.parse(self.read(PARAMS, MOST_PARAMS_BYTES).encode(), source).values

    def value(self, params: dict, block: str, model: type[Block], key: str) -> Any:
        """Return one value of the parameters, of a block or, without its name, of the top."""
        within = params.get(block) if block else params
        where = f"{self.name}: {PARAMS}: {block}." if block else f"{self.name}: {PARAMS}: "
        if not isinstance(within, dict) or key not in within:
            raise InputError(f"{where}{key}: missing; expected {fields.words(fields.rule_of(model, key))}")
        try:
            return options.checked(model, key, within[key])
        except ValueError as error:
            raise InputError(f"{where}{key}: {error}") from None


def detections_of(a: Revision, b: Revision, params: dict, seed: int, n_draws: int) -> dict | None:
    """Return the comparison of what both detect in whole test recordings, None where a revision has no such tables."""
    if not all(of.has(path) for of in (a, b) for path in (DETECTED, SEGMENTS)):
        return None
    annotated = b.value(params, "data", Data, "annotated")
    in_a, in_b = (
        detection_comparison.Tables(
            of.table(DETECTED, definitions.DETECTION_RECORDINGS), of.table(SEGMENTS, definitions.DETECTION_SEGMENTS)
        )
        for of in (a, b)
    )
    events = None
    if all(of.has(EVENTS) for of in (a, b)):
        events = a.table(EVENTS, definitions.DETECTION_EVENTS), b.table(EVENTS, definitions.DETECTION_EVENTS)
    draws = rng(seed, "comparison of detections")
    return detection_comparison.compare(in_a, in_b, annotated, n_draws, draws, events)


def heard(b: Revision, params: dict, changed: list[dict]) -> dict[int, dict]:
    """Return picture and sound of the clips that changed, by position, as many as the block ``report`` allows.

    The recordings are those of the working folder. One that is not there, or is not what it was in the run, leaves its
    clips without.
    """
    from dawnchorus.report import changed_clips

    if not changed or not b.has(RECORDINGS):
        return {}
    block = {key: b.value(params, "report", Report, key) for key in HEARD}
    audio_dir = b.root / b.value(params, "data", Data, "audio_dir")
    recordings = b.table(RECORDINGS, definitions.RECORDINGS)
    return changed_clips.cards(changed, b.table(ROWS, definitions.ROWS), recordings, audio_dir, block)


def _json_object(text: str, source: str) -> dict:
    """Return a JSON object; anything else raises :class:`InputError`."""
    try:
        found = archives.strict_json(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: no JSON: {one_line(error, 300)}") from None
    if not isinstance(found, dict):
        raise InputError(f"{source}: expected a JSON object")
    return found


def project_root() -> Path:
    """Return the folder of the DVC project that the working directory is in."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        return Path(Repo.find_root())
    except DvcException as error:
        raise InputError(f"not in a DVC project: {one_line(error, 300)}") from None


def groups_of(revision: Revision, predictions: pd.DataFrame) -> dict[tuple, str]:
    """Return the group of each test clip, by its key."""
    rows = revision.table(ROWS, definitions.ROWS)
    by_annotation = dict(zip(rows["annotation_id"], rows["group"], strict=True))
    unknown = [number for number in predictions["annotation_id"] if number not in by_annotation]
    if unknown:
        raise InputError(f"{revision.name}: annotation {unknown[0]} of {PREDICTIONS} is not in {ROWS}")
    of_clip = (by_annotation[number] for number in predictions["annotation_id"])
    return dict(zip(comparison.keys(predictions), of_clip, strict=True))


def main(args: argparse.Namespace) -> None:
    root = project_root()
    a, b = Revision(root, args.a), Revision(root, args.b)
    params = {"a": a.params(), "b": b.params()}
    n_draws = args.draws or b.value(params["b"], "evaluation", Evaluation, "bootstrap_draws")
    top_k = b.value(params["b"], "evaluation", Evaluation, "top_k")
    seed = b.value(params["b"], "", Recipe, "seed")
    in_a, in_b = a.predictions(), b.predictions()
    draws = rng(seed, "comparison")
    result = comparison.compare(in_a, in_b, groups_of(b, in_b), args.common, top_k, n_draws, draws)
    result |= {
        "detection": detections_of(a, b, params["b"], seed, n_draws),
        "a": {"name": a.name, "commit": a.commit},
        "b": {"name": b.name, "commit": b.commit},
        "params": comparison.params_diff(params["a"], params["b"]),
        "versions": comparison.params_diff(a.versions(), b.versions()),
    }
    if args.json:
        print(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False))
    elif args.html:
        with write_whole(args.html) as file:
            file.write(comparison_page.html(result, heard(b, params["b"], result["changed"])))
        print(f"compare: {args.html}")
    else:
        print(comparison_page.text(result))
