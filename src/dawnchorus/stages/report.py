"""Make reports/report.html, one page to read, see and hear a run in, without any network, and headline.json."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_json, write_whole
from dawnchorus.learning import model_file
from dawnchorus.report import headline, pages, provenance, report, review_section
from dawnchorus.sound.unchanged import unchanged
from dawnchorus.tables import definitions, made

TABLES = {
    "baselines": definitions.BASELINES,
    "predictions": definitions.PREDICTIONS,
    "per_class": definitions.PER_CLASS,
    "reliability": definitions.RELIABILITY,
    "history": definitions.HISTORY,
    "rows": definitions.ROWS,
    "recordings": definitions.RECORDINGS,
    "audit": definitions.AUDIT,
    "detection_baselines": definitions.DETECTION_BASELINES,
    "detection_per_class": definitions.DETECTION_PER_CLASS,
    "detection_events": definitions.DETECTION_EVENTS,
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, table in TABLES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, metavar="CSV", help=table.name)
    parser.add_argument("--metrics", type=Path, required=True, metavar="JSON", help="metrics.json")
    parser.add_argument("--detection-metrics", type=Path, required=True, metavar="JSON", help="those of detection")
    parser.add_argument("--presence-calibration", type=Path, required=True, metavar="JSON", help="that of presence")
    parser.add_argument("--model", type=Path, required=True, metavar="PATH", help="model.keras; only its card is read")
    parser.add_argument("--figures", type=Path, nargs="+", required=True, metavar="SVG", help="what the page embeds")
    parser.add_argument("--audio-dir", type=Path, required=True, metavar="DIR", help="folder of the recordings")
    parser.add_argument("--review", type=Path, metavar="JSON", help="what listening brought; none: no such section")
    parser.add_argument("--params", type=json.loads, required=True, help="the blocks of the run, as JSON")
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="where to write the page")
    parser.add_argument("--headline", type=Path, required=True, metavar="PATH", help="where to write the few metrics")
    args = parser.parse_args(argv)

    files = [*(getattr(args, name) for name in TABLES), args.metrics, args.detection_metrics]
    files += [args.presence_calibration, args.model, *([args.review] if args.review else [])]
    finished = report.Run(
        **{name: made.frame(getattr(args, name), table) for name, table in TABLES.items()},
        metrics=json.loads(args.metrics.read_text(encoding="utf-8")),
        detection_metrics=json.loads(args.detection_metrics.read_text(encoding="utf-8")),
        presence_calibration=json.loads(args.presence_calibration.read_text(encoding="utf-8")),
        card=model_file.read_card(args.model, ("device", "epochs_trained", "training_time_s", "versions")),
        params=args.params,
        figures={path.stem: path.read_text(encoding="utf-8") for path in args.figures},
        hashes=[(str(path), provenance.md5_of(path)) for path in files],
        review=review_section.read(args.review) if args.review else None,
        commit=provenance.git_state(Path.cwd()),
    )
    # Those that something may be cut from.
    ids = {*finished.rows["recording_id"], *finished.detection_events["recording_id"]}
    listed = finished.recordings[finished.recordings["recording_id"].isin(ids)]
    with unchanged(listed[["path", "sha256"]].to_dict("records"), args.audio_dir):
        context = report.context(finished, args.audio_dir)
    with write_whole(args.output) as file:
        file.write(pages.render("report.html.j2", context))
    write_json(args.headline, headline.of_run(finished.metrics, finished.detection_metrics))
    size_mb = args.output.stat().st_size / 1e6
    n_embedded, n_test = context["n_embedded"], context["n_test"]
    print(f"report: {n_embedded} of {n_test} test clips to listen to, {size_mb:.1f} MB: {args.output}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
