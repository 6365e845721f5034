"""The block `data`: where the recordings and their annotations are."""

from typing import Annotated, Literal

from pydantic import Field

from dawnchorus.parameters.base import Block, value

# A path that Snakemake and DVC take for nothing else: without wildcards or braces, and not an option.
PATH = r"^[^{}\n\r\x00*?\[\]-][^{}\n\r\x00*?\[\]]*$"
Path = Annotated[str, Field(pattern=PATH)]
Column = Annotated[str, Field(min_length=1)]


class Columns(Block):
    """What the users' file calls a column, by RFCX's name of it."""

    recording_id: Column = value(..., "the recording; the suffix of a sound file is left out", required=False)
    species_id: Column = value(..., "the species", required=False)
    songtype_id: Column = value(..., "the type of song", required=False)
    t_min: Column = value(..., "start in the recording (s)", required=False)
    f_min: Column = value(..., "lower edge (Hz)", required=False)
    t_max: Column = value(..., "end in the recording (s)", required=False)
    f_max: Column = value(..., "upper edge (Hz)", required=False)


# The files that there need not be, and what each is: the key names the annotations again where there is none.
# The first ones are the tables that the audit reads.
TABLES = {
    "false_positives": "boxes in the format of the annotations",
    "recordings_table": "a CSV of recordings",
    "species_table": "a CSV of species",
    "unknown": "a CSV of spans",
    "annotated_spans": "a CSV of spans",
    "reviews": "a reviews.csv, or a folder of them",
}
OPTIONAL = {**TABLES, "review_summary": "a summary.json of `dawnchorus review summary`"}


class Data(Block):
    """The users' own recordings and annotations, or the simulated ones.

    Other stages open recordings too: their rules hand them ``audio_dir`` as a path.
    """

    meaning = "the recordings and their annotations"
    read_by = ("recordings", "report")

    source: Literal["simulated", "table"] = value(
        "simulated", "simulated makes a small data set first; table takes your own"
    )
    annotations: Path = value(
        "data/simulated/train_tp.csv",
        "path of the annotations, without wildcards or braces; with raven and audacity also a folder of tables",
    )
    format: Literal["rfcx", "raven", "audacity", "csv"] = value(
        "rfcx", "format of the annotations; csv is any table whose columns data.columns names"
    )
    columns: Columns = value(
        ..., "what the file calls a column, by RFCX's name of it: {species_id: Call}; {} for rfcx and audacity"
    )
    audio_dir: Path = value("data/simulated/train", "folder of the recordings, without wildcards or braces")
    false_positives: Path = value(
        "data/simulated/train_tp.csv",
        "path of boxes, in the format of the annotations, that were checked NOT to hold their species; "
        "data.annotations again if there are none",
    )
    recordings_table: Path = value(
        "data/simulated/recordings.csv",
        "path of a CSV with a column recording_id, whose other columns can be groups; recordings that it lists and "
        "that have no annotation hold no call (as far as data.annotated says all); "
        "data.annotations again if there is none",
    )
    species_table: Path = value(
        "data/simulated/species.csv",
        "path of a CSV with the columns species_id and name; data.annotations again if there is none",
    )
    unknown: Path = value(
        "data/simulated/train_tp.csv",
        "path of a CSV recording_id, t_min, t_max (s): sound of which nobody knows what calls there, or with a column "
        "species_id whether that species does; data.annotations again if there is none",
    )
    annotated_spans: Path = value(
        "data/simulated/train_tp.csv",
        "path of a CSV recording_id, t_min, t_max (s): only there was annotated, all other sound is unknown; "
        "data.annotations again if there is none",
    )
    reviews: Path = value(
        "data/simulated/train_tp.csv",
        "path of a reviews.csv of `dawnchorus review`, or of a folder of them: answers that train, and test nothing; "
        "data.annotations again if there is none",
    )
    review_summary: Path = value(
        "data/simulated/train_tp.csv",
        "path of the summary.json of `dawnchorus review summary`, for a section of the report; data.annotations again "
        "if there is none",
        read_by=("report",),
    )
    annotated: Literal["all", "boxes"] = value(
        "all",
        "all: every call of the species is annotated, so sound outside the annotations holds none; boxes: only some "
        "are, so that what the rest holds is unknown, and no detection there can be called false",
        read_by=("presence", "presence_calibration", "detection_metrics", "cross_validation", "report"),
    )
    on_bad_recording: Literal["stop", "quarantine"] = value(
        "stop", "stop lists all problems and ends; quarantine leaves the bad rows out and says so"
    )
    shortest_annotation_s: float = value(0.05, "a shorter annotation is a problem", gt=0, le=60)
