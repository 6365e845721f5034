"""Make reports/label_audit/: the annotations whose label is most likely wrong, by scores out of fold.

label_audit.csv ranks all of them; label_audit.html shows the first ones, to look at and listen to.
"""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.evaluation import label_audit
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_whole
from dawnchorus.partitioning import groups
from dawnchorus.report import label_audit_page
from dawnchorus.sound.unchanged import unchanged
from dawnchorus.tables import made
from dawnchorus.tables.definitions import LABEL_AUDIT, OUT_OF_FOLD, RECORDINGS, ROWS


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of a fold")
    parser.add_argument("--predictions", type=Path, required=True, help="scores out of fold")
    parser.add_argument("--recordings", type=Path, required=True, help="recordings.csv")
    parser.add_argument("--audio-dir", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="the report block, as JSON")
    parser.add_argument("--table", type=Path, required=True, help="where to write the ranked annotations")
    parser.add_argument("--page", type=Path, required=True, help="where to write the page")
    args = parser.parse_args(argv)

    predictions = made.frame(args.predictions, OUT_OF_FOLD)
    table = label_audit.ranked(groups.own_frame(made.frame(args.rows, ROWS)), predictions)
    recordings = made.frame(args.recordings, RECORDINGS)
    listed = recordings[recordings["recording_id"].isin(table["recording_id"])]
    with unchanged(listed[["path", "sha256"]].to_dict("records"), args.audio_dir):
        cards = label_audit_page.cards(table, recordings, args.audio_dir, args.params["report"])
    trained = {"n_folds": predictions["fold"].nunique(), "n_seeds": predictions["seed"].nunique()}
    unlearned = label_audit.unlearned(predictions)
    page = label_audit_page.html(table, cards, trained, unlearned)
    made.write(args.table, LABEL_AUDIT, table)
    with write_whole(args.page) as file:
        file.write(page)
    left_out = f"; not judged: {len(unlearned)} species whose labels are all in one fold" if unlearned else ""
    print(f"label_audit: {label_audit.in_words(table)}{left_out}; look and listen: {args.page}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
