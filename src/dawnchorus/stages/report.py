"""Make reports/report.html: one page, without any network, in which a run can be read, seen and heard."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.foundation.display_names import display_names
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_whole
from dawnchorus.learning import model_file
from dawnchorus.report import curves, excerpts, pages, provenance, report, summary_tables
from dawnchorus.report.charts import histogram
from dawnchorus.tables.users import read_table

LABEL_CHARACTERS, NAME_CHARACTERS = 26, 200
HIGHLIGHTS = 24
PAIRS = 20
LISTED_CLIPS = 20_000
# Size of a cell and of its text, in rem, by the largest number of classes that it suits.
CELLS = ((6, 4.0, 1.0), (14, 2.7, 0.9), (30, 2.0, 0.8), (60, 1.4, 0.7), (10_000, 1.15, 0.62))
CLASS_COLUMNS = ("class_index", "species_id", "species_name")
ROW_COLUMNS = ("annotation_id", "recording_id", "class_index", "partition")
ANNOTATION_COLUMNS = ("annotation_id", "recording_id", "t_min_s", "t_max_s", "f_min_hz", "f_max_hz")
RECORDING_COLUMNS = ("recording_id", "path", "duration_s", "sample_rate_hz", "channels")
PREDICTION_COLUMNS = ("annotation_id", "recording_id", "t_min_s", "t_max_s", "true_species_id")
BASELINE_COLUMNS = ("model", "accuracy", "accuracy_low", "accuracy_high")
RELIABILITY_COLUMNS = ("temperature", "n", "mean_score", "accuracy")
INPUTS = {
    "metrics": "metrics.json",
    "baselines": "the model beside its baselines",
    "predictions": "scores of the test clips",
    "per-class": "measures of each class",
    "reliability": "bins of the reliability curve",
    "history": "history.csv of the training",
    "model": "model.keras; only what is written beside its weights is read",
    "rows": "rows.csv of the dataset",
    "split": "split.csv",
    "annotations": "clean annotations",
    "recordings": "clean recordings",
    "audit": "what the audit found",
    "audio-dir": "folder of the recordings",
}
COMMANDS = """snakemake --cores 8        # makes what is missing or stale
dvc repro                  # the same, and records contents in dvc.lock"""


def inputs_of(args: argparse.Namespace) -> list[Path]:
    """Return the files that the command was given, in the order of its arguments."""
    given = (value for name, value in vars(args).items() if name not in ("audio_dir", "output"))
    return [value for value in given if isinstance(value, Path)]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, meaning in INPUTS.items():
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="PATH", help=meaning)
    parser.add_argument("--params", type=json.loads, required=True, help="all of params.yaml, as JSON")
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="where to write the page")
    args = parser.parse_args(argv)
    params = args.params

    card = model_file.read_card(args.model)
    ids = [of["species_id"] for of in card["classes"]]
    names = [of["species_name"] for of in card["classes"]]
    labels, full = (display_names(ids, names, most) for most in (LABEL_CHARACTERS, NAME_CHARACTERS))
    n_classes = len(ids)

    metrics = json.loads(args.metrics.read_text(encoding="utf-8"))
    columns = [f"score_{species_id}" for species_id in ids]
    predictions = read_table(args.predictions, (*PREDICTION_COLUMNS, *columns))
    annotations = read_table(args.annotations, ANNOTATION_COLUMNS)[list(ANNOTATION_COLUMNS)]
    annotations[list(ANNOTATION_COLUMNS[2:])] = annotations[list(ANNOTATION_COLUMNS[2:])].astype(float)
    annotations["duration_s"] = annotations["t_max_s"] - annotations["t_min_s"]
    rows = read_table(args.rows, ROW_COLUMNS)[["annotation_id", "class_index", "partition"]]
    rows = rows.merge(annotations, on="annotation_id", validate="one_to_one")
    audit = read_table(args.audit, ("file", "line", "column", "value", "expected"))
    split = read_table(args.split, ("annotation_id", "group"))
    recording_table = read_table(args.recordings, RECORDING_COLUMNS)
    # Those with an annotation; others only have boxes that were checked to hold none.
    recording_table = recording_table[recording_table["recording_id"].isin(annotations["recording_id"])]
    recordings = {
        row["recording_id"]: {
            "path": row["path"],
            "duration_s": float(row["duration_s"]),
            "sample_rate_hz": int(row["sample_rate_hz"]),
        }
        for row in recording_table.to_dict("records")
    }

    clips = report.test_clips(predictions, ids)
    by_cell = report.cells(clips)
    order = report.embedding_order(clips, by_cell, HIGHLIGHTS)
    boxes = annotations.set_index("annotation_id").to_dict("index")
    media = excerpts.embedded(
        order, [boxes[clip["annotation"]] for clip in clips], recordings, args.audio_dir, params["report"]
    )
    listed = set(order[:LISTED_CLIPS])
    history = curves.training(
        read_table(args.history, ("epoch", "loss")).replace("", "nan").astype(float),
        params["train"]["early_stopping_patience"] is not None,
    )
    counts = report.partitions(rows, n_classes)
    support = [of["test"] for of in counts]
    cell_rem, cell_font_rem = next((cell, font) for most, cell, font in CELLS if n_classes <= most)
    page_data = {
        "classes": [{"name": name, "label": label} for name, label in zip(full, labels, strict=True)],
        "clips": {position: clips[position] for position in listed},
        "media": media,
        "cells": {
            f"{true}-{guess}": {"listed": [i for i in of if i in listed], "count": len(of)}
            for (true, guess), of in by_cell.items()
        },
        "lists": {
            "wrong": report.confidently_wrong(clips)[:HIGHLIGHTS],
            "uncertain": report.least_certain(clips)[:HIGHLIGHTS],
        },
    }
    context = {
        "title": f"{n_classes} species, network {params['model']['name']}",
        "subtitle": f"Report of a run of dawnchorus on {params['data']['annotations']}",
        "classes": page_data["classes"],
        "n_test": len(clips),
        "headline": report.headline(metrics),
        "gap": report.gap(metrics),
        "headline_note": report.headline_note(metrics["test"]),
        "baselines": report.baselines(summary_tables.numbers(read_table(args.baselines, BASELINE_COLUMNS))),
        "baseline_verdicts": report.baseline_verdicts(metrics) if clips else [],
        "audit": summary_tables.audit_of(audit, params["data"], len(annotations)),
        "facts": summary_tables.facts_of(rows, recording_table, split["group"]),
        "durations": histogram(rows["duration_s"].to_list(), 30),
        "partitions": counts,
        "most_clips": max(of["all"] for of in counts),
        "examples": excerpts.species_examples(rows, n_classes, recordings, args.audio_dir, params),
        "training": {**history, "text": curves.training_text(history, card)},
        "lists": page_data["lists"],
        "matrix": report.matrix(by_cell, n_classes),
        "cell_rem": cell_rem,
        "cell_font_rem": cell_font_rem,
        "pairs": report.confused_pairs(by_cell, PAIRS),
        "embedded_text": f"Picture and sound of {len(media)} of {len(clips)} test clips are in this page.",
        "per_class": summary_tables.per_class_table(read_table(args.per_class, ("species_id", "support")), full),
        "reliability": curves.reliability(
            [row for row in summary_tables.numbers(read_table(args.reliability, RELIABILITY_COLUMNS)) if row["n"]],
            metrics["calibration"],
        ),
        "made": [
            ("Made at commit", provenance.git_state(Path.cwd())),
            ("Root seed", params["seed"]),
            ("Network", params["model"]["name"]),
            ("Device", card["device"]),
            ("Fitted with", f"{card['epochs_trained']} epochs in {card['training_time_s']} s"),
        ],
        "commands": COMMANDS,
        "hashes": [(str(path), provenance.md5_of(path)) for path in inputs_of(args)],
        "parameters": report.flat(params),
        "versions": sorted(card["versions"].items()),
        "card": provenance.model_card(
            params,
            list(zip(labels, support, strict=True)),
            provenance.licences(list(recording_table.columns), recording_table.to_dict("records")),
        ),
        "page_data": page_data,
    }
    with write_whole(args.output) as file:
        file.write(pages.render("report.html.j2", context))
    size_mb = args.output.stat().st_size / 1e6
    print(
        f"report: {len(media)} of {len(clips)} test clips to hear, {size_mb:.1f} MB: {args.output}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(run(main))
