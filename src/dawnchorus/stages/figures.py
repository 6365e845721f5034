"""Draw the figures of a run, in reports/figures/; a file's stem names the figure, its suffix the format."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.features import kinds
from dawnchorus.foundation.display_names import display_names
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.learning.history import kept_epoch
from dawnchorus.report import (
    class_figures,
    detection_figure,
    example_figure,
    figure_style,
    figures,
    findings,
    precision_recall_figure,
)
from dawnchorus.sound.unchanged import unchanged
from dawnchorus.tables import definitions, made

LABEL_CHARACTERS, PANEL_CHARACTERS = 28, 20


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, required=True, help="history.csv of the training")
    parser.add_argument("--confusion", type=Path, required=True, help="confusion.csv of the evaluation")
    parser.add_argument("--baselines", type=Path, required=True, help="baselines.csv of the evaluation")
    parser.add_argument("--reliability", type=Path, required=True, help="reliability.csv of the evaluation")
    parser.add_argument("--detection-curves", type=Path, required=True, help="detection_curves.csv")
    parser.add_argument("--detection-reliability", type=Path, required=True, help="detection_reliability.csv")
    parser.add_argument("--predictions", type=Path, required=True, help="predictions.csv of the evaluation")
    parser.add_argument("--per-class", type=Path, required=True, help="per_class.csv of the evaluation")
    parser.add_argument("--detection-per-class", type=Path, required=True, help="detection_per_class.csv")
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of the dataset")
    parser.add_argument("--classes", type=Path, required=True, help="classes.csv of the dataset")
    parser.add_argument("--recordings", type=Path, required=True, help="clean recordings, of rule recordings")
    parser.add_argument("--audio-dir", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="features, figures and train, as JSON")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="the pictures to draw")
    args = parser.parse_args(argv)

    classes = made.frame(args.classes, definitions.CLASSES)
    if classes.empty:
        raise InputError(f"{args.classes}: no rows; expected at least one class")
    ids = classes["species_id"].to_list()
    labels = display_names(ids, classes["species_name"].to_list(), LABEL_CHARACTERS)
    rows = made.frame(args.rows, definitions.ROWS)
    recordings = made.frame(args.recordings, definitions.RECORDINGS)
    confusion = made.frame(args.confusion, definitions.CONFUSION)
    baselines = made.frame(args.baselines, definitions.BASELINES)
    block, n_examples = args.params["features"], args.params["figures"]["example_species"]
    listed = recordings[recordings["recording_id"].isin(rows["recording_id"])]
    with unchanged(listed[["path", "sha256"]].to_dict("records"), args.audio_dir):
        by_id = recordings.set_index("recording_id").to_dict("index")
        examples = example_figure.examples_of(rows, by_id, labels, args.audio_dir, block, n_examples)

    history, curves = (
        made.frame(args.history, definitions.HISTORY),
        made.frame(args.detection_curves, definitions.DETECTION_CURVES),
    )
    predictions = made.frame(args.predictions, definitions.PREDICTIONS)
    kept = kept_epoch(history, args.params["train"]["early_stopping_patience"] is not None)
    short = display_names(ids, classes["species_name"].to_list(), PANEL_CHARACTERS)
    of_clips = precision_recall_figure.of_clips(predictions, made.frame(args.per_class, definitions.PER_CLASS), short)
    of_segments = precision_recall_figure.of_segments(
        curves, made.frame(args.detection_per_class, definitions.DETECTION_PER_CLASS), short
    )
    drawn = {
        "training": figures.training(history, kept),
        "precision_recall": precision_recall_figure.draw(of_clips, f"{len(predictions)} test clips"),
        "detection_precision_recall": precision_recall_figure.draw(of_segments, "Segments of the test recordings"),
        "baselines": figures.baselines(baselines, findings.baseline_labels(baselines)),
        "reliability": figures.reliability(made.frame(args.reliability, definitions.RELIABILITY)),
        "detection": detection_figure.detection(
            curves,
            made.frame(args.detection_reliability, definitions.DETECTION_RELIABILITY),
        ),
        "durations": figures.durations((rows["t_max_s"] - rows["t_min_s"]).to_list()),
        "confusion": class_figures.confusion(
            class_figures.confusion_counts(confusion, ids, str(args.confusion)), labels
        ),
        "classes": class_figures.classes(class_figures.class_counts(rows, len(ids)), labels),
        "examples": example_figure.examples(examples, kinds.get(block["kind"]).KIND),
    }
    for path in args.output:
        figure_style.write(drawn[path.stem], path)
    print(f"figures: {len(drawn)} figures, each as PNG and SVG: {args.output[0].parent}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
