"""Make reports/figures/: training curves, confusion matrix, example clips, class counts, as PNG and SVG."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from dawnchorus.features import clips, extraction, kinds
from dawnchorus.foundation.display_names import display_names
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.files import write_whole
from dawnchorus.report import figure_style, figures
from dawnchorus.sound import audio
from dawnchorus.tables.users import read_table

FORMATS = ("png", "svg")
LABEL_CHARACTERS = 28
FACTS = ("path", "sample_rate_hz", "duration_s")
CLASS_COLUMNS = ("class_index", "species_id", "species_name")
ROW_COLUMNS = ("annotation_id", "class_index", "partition")
CONFUSION_COLUMNS = ("true_species_id", "predicted_species_id", "count")
HISTORY_COLUMNS = ("epoch", "loss", "accuracy")
ANNOTATION_COLUMNS = ("annotation_id", "recording_id", "t_min_s", "t_max_s")


def read_history(path: Path) -> pd.DataFrame:
    """Return the training history as numbers; an empty cell, for what was not measured, is NaN."""
    return read_table(path, HISTORY_COLUMNS).replace("", "nan").astype(float)


def read_confusion(path: Path, ids: list[str]) -> np.ndarray:
    """Return the counts (classes, classes) of a long confusion table, in the order of ``ids``."""
    table = read_table(path, CONFUSION_COLUMNS)
    if len(table) != len(ids) ** 2 or not set(table["true_species_id"]) == set(ids):
        raise InputError(f"{path}: {len(table)} pairs; expected all {len(ids) ** 2} of the {len(ids)} classes")
    wide = table.assign(count=table["count"].astype(int)).pivot(
        index="true_species_id", columns="predicted_species_id", values="count"
    )
    return wide.loc[ids, ids].to_numpy()


def read_examples(
    rows: pd.DataFrame, recordings: pd.DataFrame, labels: list[str], audio_dir: Path, params: dict
) -> list[figures.Example]:
    """Return one clip of each of the commonest species, with its sound and its features.

    Deltas are left out: they show nothing that the features do not.
    """
    facts = recordings.set_index("recording_id")
    block = {**params["features"], "deltas": 0}
    examples = []
    for row in figures.example_clips(rows, params["figures"]["example_species"]).itertuples():
        path, file_rate_hz, duration_s = facts.loc[row.recording_id, list(FACTS)]
        rate_hz = block["sample_rate_hz"] or int(file_rate_hz)
        annotation = (row.t_min_s, row.t_max_s)
        [clip] = clips.spans([annotation], float(duration_s), block)
        y = audio.read_cut(audio_dir / path, clip, rate_hz)
        within = tuple(time_s - clip[0] for time_s in annotation)
        [recording] = display_names(["?"], [row.recording_id], LABEL_CHARACTERS)
        examples.append(
            figures.Example(
                label=labels[row.class_index],
                caption=f"{recording}, {clip[0]:.2f} to {clip[1]:.2f} s",
                y=y,
                sample_rate_hz=rate_hz,
                features=extraction.extract(y, rate_hz, block),
                hop_s=block["hop_length"] / rate_hz,
                annotation_s=None if clip == annotation else within,
            )
        )
    return examples


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, required=True, help="history.csv of the training")
    parser.add_argument("--confusion", type=Path, required=True, help="confusion.csv of the evaluation")
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of the dataset")
    parser.add_argument("--classes", type=Path, required=True, help="classes.csv of the dataset")
    parser.add_argument("--annotations", type=Path, required=True, help="clean annotations, of rule recordings")
    parser.add_argument("--recordings", type=Path, required=True, help="clean recordings, of rule recordings")
    parser.add_argument("--audio-dir", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="features and figures, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the pictures")
    args = parser.parse_args(argv)

    classes = read_table(args.classes, CLASS_COLUMNS)
    if classes.empty:
        raise InputError(f"{args.classes}: no rows; expected at least one class")
    ids = classes["species_id"].to_list()
    labels = display_names(ids, classes["species_name"].to_list(), LABEL_CHARACTERS)
    history = read_history(args.history)
    rows = read_table(args.rows, ROW_COLUMNS)[list(ROW_COLUMNS)].merge(
        read_table(args.annotations, ANNOTATION_COLUMNS)[list(ANNOTATION_COLUMNS)],
        on="annotation_id",
        validate="one_to_one",
    )
    numbers = ["annotation_id", "class_index", "t_min_s", "t_max_s"]
    rows[numbers] = rows[numbers].apply(pd.to_numeric)
    recordings = read_table(args.recordings, ("recording_id", *FACTS))

    drawn = {
        "training": figures.training(history),
        "confusion": figures.confusion(read_confusion(args.confusion, ids), labels),
        "examples": figures.examples(
            read_examples(rows, recordings, labels, args.audio_dir, args.params),
            kinds.get(args.params["features"]["kind"]).KIND,
        ),
        "classes": figures.classes(figures.class_counts(rows, len(ids)), labels),
    }
    for name, figure in drawn.items():
        for format in FORMATS:
            with write_whole(args.output / f"{name}.{format}", "wb") as file:
                figure_style.save(figure, file, format)
    print(f"figures: {', '.join(drawn)} in {args.output}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
