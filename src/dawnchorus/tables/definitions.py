"""Every table that the workflow makes: its columns with type, unit and meaning. Readers and writers know no others.

Ids are text, so that ``007`` stays what it is; times are seconds from the start of the recording.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

PARTITIONS = ("train", "validation", "test")
# What comes of data.reviews has this column: `alone` in a recording that no other table names, else `beside`. Where the
# recording, or its group, is held out, its partition is `unused`.
FROM_REVIEWS, ALONE, BESIDE, UNUSED = "from_reviews", "alone", "beside", "unused"


@dataclass(frozen=True)
class Column:
    """A column: ``type`` of its cells, ``unit`` of a number, and whether a cell may be ``empty`` (NaN or None)."""

    name: str
    type: Literal["text", "integer", "number"]
    meaning: str
    unit: str = ""
    empty: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its columns in order, and what columns it may have beyond them.

    ``more``: ``""`` none, ``"*"`` the user's own, as text, ``"+"`` numbers that may be empty, such as metrics with
    their intervals, or a prefix such as ``score_``: numbers whose name begins so.
    """

    name: str
    columns: tuple[Column, ...]
    more: str = ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that every such table has."""
        return tuple(column.name for column in self.columns)


def _text(name: str, meaning: str) -> Column:
    return Column(name, "text", meaning, empty=True)


def _integer(name: str, meaning: str, unit: str = "", empty: bool = False) -> Column:
    return Column(name, "integer", meaning, unit, empty)


def _number(name: str, meaning: str, unit: str = "", empty: bool = False) -> Column:
    return Column(name, "number", meaning, unit, empty)


ROW = _integer("row", "position in the array beside the table")
ANNOTATION_ID = _integer("annotation_id", "position in annotations.csv")
RECORDING_ID = _text("recording_id", "the recording")
SPECIES_ID = _text("species_id", "the species, as the user's table names it")
SPECIES_NAME = _text("species_name", "what people call it")
CLASS_INDEX = _integer("class_index", "position among the model's outputs")
GROUP = _text("group", "what is never divided between partitions: rows of one group stay together")
PARTITION = _text("partition", "train, validation or test")
N_FRAMES = _integer("n_frames", "frames that hold sound; the rest of the row is padding")
TIMES = (_number("t_min_s", "start", "s"), _number("t_max_s", "end", "s"))
TRUE_AND_PREDICTED = (
    _text("true_species_id", "the species of the annotation"),
    _text("true_name", "its name"),
    _text("predicted_species_id", "the class with the highest score"),
    _text("predicted_name", "its name"),
)
BAND = (_number("f_min_hz", "lower edge", "Hz", empty=True), _number("f_max_hz", "upper edge", "Hz", empty=True))

# What a user's table of annotations has, by the names of Kaggle's RFCX set; other formats are read as this.
RFCX = Table(
    "train_tp.csv",
    (
        RECORDING_ID,
        SPECIES_ID,
        _text("songtype_id", "the type of song"),
        _number("t_min", "start", "s"),
        _number("f_min", "lower edge", "Hz", empty=True),
        _number("t_max", "end", "s"),
        _number("f_max", "upper edge", "Hz", empty=True),
    ),
    more="*",
)
SIMULATED_RECORDINGS = Table(
    "recordings.csv",
    (
        RECORDING_ID,
        _text("sha256", "hash of its file"),
        _text("site", "where it was made"),
        _text("background", "the kinds of noise in it"),
    ),
)
SPECIES = Table("species.csv", (SPECIES_ID, _text("name", "what people call it")))
RECORDINGS = Table(
    "recordings.csv",
    (
        RECORDING_ID,
        _text("path", "the file, relative to data.audio_dir"),
        _text("sha256", "hash of its content"),
        _number("duration_s", "length", "s"),
        _integer("sample_rate_hz", "of the file", "Hz"),
        _integer("channels", "of the file"),
        _integer("n_samples", "of one channel"),
        _text("inspected_with", "version of the code that decoded it"),
    ),
    more="*",
)
ANNOTATIONS = Table(
    "annotations.csv",
    (ANNOTATION_ID, RECORDING_ID, SPECIES_ID, SPECIES_NAME, _text("songtype_id", "the type of song"), *TIMES, *BAND),
    more="*",
)
FALSE_POSITIVES = Table("false_positives.csv", ANNOTATIONS.columns, more="*")
UNKNOWN = Table(
    "unknown.csv",
    (
        RECORDING_ID,
        *TIMES,
        _text("species_id", "the species of which nobody knows whether it is there; empty: of every one"),
    ),
)
AUDIT = Table(
    "audit.csv",
    (
        _text("file", "where the problem is"),
        _integer("line", "as an editor counts it; 0 is the file as a whole"),
        _text("column", "of the table"),
        _text("value", "what stands there"),
        _text("expected", "what should"),
    ),
)
SPLIT = Table("split.csv", (ANNOTATION_ID, RECORDING_ID, GROUP, PARTITION))
CLASSES = Table("classes.csv", (CLASS_INDEX, SPECIES_ID, SPECIES_NAME))
ROWS = Table(
    "rows.csv",
    (
        *(ROW, ANNOTATION_ID, RECORDING_ID, SPECIES_ID, SPECIES_NAME, CLASS_INDEX, GROUP, PARTITION),
        *(*TIMES, *BAND, N_FRAMES),
    ),
    more=FROM_REVIEWS,
)
TRAINING_ROWS = Table(
    "training_rows.csv",
    (
        *(ROW, ANNOTATION_ID, N_FRAMES),
        _integer("first_start", "the first frame at which a window may start", "frames"),
        _integer("last_start", "the last frame at which a window may start", "frames"),
    ),
)
CONTEXT_ROWS = Table("context_rows.csv", (ROW, RECORDING_ID, PARTITION, N_FRAMES))
NEGATIVE_ROWS = Table("negative_rows.csv", (ROW, ANNOTATION_ID, RECORDING_ID, CLASS_INDEX, PARTITION, N_FRAMES))
HISTORY = Table(
    "history.csv",
    (
        _integer("epoch", "from 1"),
        _number("loss", "on the training rows"),
        _number("accuracy", "on the training rows"),
        _number("val_loss", "on the validation rows; empty without any", empty=True),
        _number("val_accuracy", "on the validation rows; empty without any", empty=True),
        _number("learning_rate", "at the end of the epoch; empty without one", empty=True),
    ),
)
PRESENCE_HISTORY = Table(
    "presence_history.csv",
    (
        _integer("epoch", "from 1"),
        _number("loss", "on the stretches of the training recordings"),
        _number("val_loss", "on stretches of the validation recordings; empty without any", empty=True),
        _number("learning_rate", "at the end of the epoch"),
    ),
)
SCORES = "score_"
PREDICTIONS = Table(
    "predictions.csv",
    (ANNOTATION_ID, RECORDING_ID, *TIMES, PARTITION, *TRUE_AND_PREDICTED),
    more=SCORES,
)
BASELINE_PREDICTIONS = Table(
    "baseline_predictions.csv", (_text("model", "the name of the baseline"), ANNOTATION_ID), more=SCORES
)
PER_CLASS = Table(
    "per_class.csv",
    (
        SPECIES_ID,
        SPECIES_NAME,
        _integer("support", "test clips"),
        _number("precision", "share of the clips called so that are of the species; 0 if there are none", empty=True),
        _number("recall", "share of its clips that are called so; empty without any", empty=True),
        _number("f1", "harmonic mean of the two", empty=True),
        _number("average_precision", "area under its precision-recall curve", empty=True),
        _number(
            "average_precision_low", "lower end of its 95 % interval; empty of clips of one group alone", empty=True
        ),
        _number("average_precision_high", "upper end", empty=True),
        _number("threshold", "score from which the species counts as detected"),
        _integer("absent_clips", "test boxes that were checked not to hold the species", empty=True),
        _number("detected_share_where_absent", "share of these in which it is detected", empty=True),
    ),
)
CONFUSION = Table(
    "confusion.csv",
    (*TRUE_AND_PREDICTED, _integer("count", "test clips")),
)
RELIABILITY = Table(
    "reliability.csv",
    (
        _text("temperature", "before or after scaling"),
        _integer("bin", "of the top score, from 0"),
        _number("lower", "edge of the bin"),
        _number("upper", "edge of the bin"),
        _integer("n", "clips in the bin"),
        _number("mean_score", "of these", empty=True),
        _number("accuracy", "of these", empty=True),
    ),
)
BASELINES = Table(
    "baselines.csv",
    (
        _text("model", "the model, or the name of a baseline"),
        _integer("clips", "test clips that it answered"),
        _integer("groups", "that intervals are drawn from"),
    ),
    more="+",
)
FOLDS = Table(
    "folds.csv",
    (
        _text("model", "the model, or the name of a baseline"),
        _text("fold", "its name"),
        _integer("seed", "of the training; empty for what does not depend on it", empty=True),
        _integer("clips", "tested in this fold"),
    ),
    more="+",
)
OUT_OF_FOLD = Table(
    "predictions.csv",
    (_integer("fold", "from 1"), _integer("seed", "of the training"), *PREDICTIONS.columns),
    more=SCORES,
)
LABEL_AUDIT = Table(
    "label_audit.csv",
    (
        _integer("rank", "from 1: the label that is most likely wrong"),
        *(ANNOTATION_ID, RECORDING_ID, *TIMES, *BAND),
        *(_text("given_species_id", "the species of the annotation"), _text("given_name", "its name")),
        _text("likely_species_id", "the class with the highest score out of fold, which may be the given one"),
        _text("likely_name", "its name"),
        _number("given_score", "of the given species, out of fold; the mean over seeds"),
        _number("likely_score", "of the most likely one"),
        _number("given_threshold", "mean score of the given species on the clips labelled so"),
        _number("likely_threshold", "the same of the most likely one"),
        _number(
            "margin", "log of given_score over its threshold, less the highest of another; below 0 that one fits better"
        ),
        _integer("likely_wrong", "1: the most likely species is another one, and its score reaches its threshold"),
    ),
)
LEARNING_CURVE = Table(
    "curve.csv",
    (
        _text("labels", "of each class, at most; all: as many as the training clips have"),
        _number("labels_per_class", "how many that are, in the mean of the classes"),
        _integer("clips", "trained on"),
        _integer("trainings", "each on labels drawn anew, whose mean each metric is"),
        *(
            _number(f"{name}{end}", f"{what}{said}", empty=True)
            for name, what in (("accuracy", "accuracy"), ("average_precision", "mean average precision of the classes"))
            for end, said in (
                ("", " on the test clips"),
                ("_low", ": lower end of its 95 % interval, over draws and test groups"),
                ("_high", ": upper end"),
                ("_draw_sd", ": standard deviation from draw to draw; empty of one training"),
            )
        ),
    ),
)
CURVE_DRAWS = Table(
    "draws.csv",
    (
        _text("labels", "of each class, at most; all: as many as the training clips have"),
        _integer("seed", "of the draw of labels and of the training"),
        _number("accuracy", "on the test clips"),
        _number("average_precision", "mean of the classes", empty=True),
    ),
)
EVENTS = Table(
    "events.csv",
    (
        *(_text("path", "the sound file"), RECORDING_ID, SPECIES_ID, SPECIES_NAME),
        _number("start_s", "onset", "s"),
        _number("end_s", "offset", "s"),
        _number("peak_score", "highest score of its windows, calibrated"),
        _number("peak_s", "middle of that window", "s"),
        _text("site", "as the name of the file says; empty where it says none"),
        _text(
            "recorded_at", "date and time of the onset by the recorder's clock, ISO 8601; empty where no name says it"
        ),
    ),
)
ACTIVITY = Table(
    "activity.csv",
    (
        *(SPECIES_ID, SPECIES_NAME),
        _text("site", "as names of files say; empty where they say none"),
        _integer("hour", "of the day by the recorder's clock, from 0; empty where no name says it", "h", empty=True),
        _integer("events", "that begin in this hour at this site"),
        _integer("recordings", "with sound of this hour"),
        _number("sound_h", "sound that was searched, of this hour", "h"),
        _number("events_per_hour", "events over sound_h", "1/h", empty=True),
    ),
)
HELD_OUT = Table(
    "recordings.csv",
    (
        *(RECORDING_ID, _text("path", "the file, relative to data.audio_dir"), GROUP),
        _text("partition", "of all its annotations: train, validation or test; mixed where they lie in several"),
    ),
)
DETECTION_EVENTS = Table(
    "detection_events.csv",
    (
        *(RECORDING_ID, SPECIES_ID, SPECIES_NAME),
        _text("outcome", "hit, miss or false_alarm; unknown: detected where nobody knows what calls"),
        _number("start_s", "onset as detected; empty of a miss", "s", empty=True),
        _number("end_s", "offset as detected", "s", empty=True),
        _number("t_min_s", "onset as annotated; empty of a false alarm", "s", empty=True),
        _number("t_max_s", "offset as annotated", "s", empty=True),
        _number("iou", "of a hit: shared time over time of either", empty=True),
        _number("score", "highest of the event, calibrated; of a miss the highest of its species in it"),
        _integer("call_free", "1: detected where no species is annotated, and nothing unknown", empty=True),
    ),
)
DETECTION_RECORDINGS = Table(
    "detection_recordings.csv",
    (
        *(RECORDING_ID, GROUP),
        *(_number("duration_s", "length", "s"), _number("call_free_s", "of it known to hold no call", "s")),
        *(_integer("annotated", "events"), _integer("detected", "events that count: hits and false alarms")),
        _integer("hits_overlap", "detected events that are an annotated one: they overlap"),
        _integer("hits_iou30", "the same, with an IoU of 0.3 or more"),
        _integer("hits_iou50", "the same, with an IoU of 0.5 or more"),
        _integer("call_free_alarms", "detected events in its call-free sound"),
    ),
)
DETECTION_SEGMENTS = Table(
    "detection_segments.csv",
    (
        RECORDING_ID,
        *(_number("start_s", "start", "s"), _number("end_s", "end", "s")),
        _text("present", "the species that are annotated in it, a JSON list of ids"),
        _text("unknown", "the species for which it does not count, a JSON list of ids"),
    ),
    more=SCORES,
)
DETECTION_PER_CLASS = Table(
    "detection_per_class.csv",
    (
        *(SPECIES_ID, SPECIES_NAME),
        *(_integer("annotated", "events in the test recordings"), _integer("detected", "events")),
        _number("precision", "share of the detected events that are a call, IoU 0.3 or more", empty=True),
        _number("recall", "share of the calls that are detected, IoU 0.3 or more", empty=True),
        _number("f1", "harmonic mean of the two", empty=True),
        _number("f1_iou50", "the same, with an IoU of 0.5 or more", empty=True),
        _number("f1_overlap", "the same, where any overlap counts", empty=True),
        _number("segment_average_precision", "of the segments: area under its precision-recall curve", empty=True),
        _number(
            "segment_average_precision_low",
            "lower end of its 95 % interval; empty of a species that calls in one group alone",
            empty=True,
        ),
        _number("segment_average_precision_high", "upper end", empty=True),
        _number("segment_roc_auc", "of the segments", empty=True),
        _number("psds", "area under detected events over false alarms an hour", empty=True),
        _number("threshold", "score from which the species counts as detected"),
        _number(
            "expected_precision", "of presence: what validation recordings say of events from there on", empty=True
        ),
        _number("expected_precision_low", "lower end of its 95 % interval", empty=True),
        _number("expected_precision_high", "upper end", empty=True),
    ),
)
DETECTION_CURVES = Table(
    "detection_curves.csv",
    (
        *(SPECIES_ID, SPECIES_NAME, _number("threshold", "score from which a segment counts")),
        _number("precision", "share of these segments that hold the species"),
        _number("recall", "share of the segments with the species that are among these"),
    ),
)
DETECTION_RELIABILITY = Table(
    "detection_reliability.csv",
    (
        _integer("bin", "of the score, from 0"),
        *(_number("lower", "edge of the bin"), _number("upper", "edge of the bin")),
        _integer("n", "scores in the bin: one a segment and species"),
        _number("mean_score", "of these", empty=True),
        _number("present", "share of these whose species is in the segment", empty=True),
    ),
)
DETECTION_BASELINES = Table(
    "detection_baselines.csv",
    (
        _text("model", "the model, or the name of a baseline"),
        _integer("recordings", "test recordings, whole"),
        _integer("groups", "that intervals are drawn from"),
    ),
    more="+",
)
PROBLEMS = Table("problems.csv", (_text("path", "the sound file"), _text("problem", "why it was left out")))
SAMPLE = Table(
    "sample.csv",
    (
        *(_text("clip", "its name"), _text("path", "the sound file"), RECORDING_ID),
        *(_number("start_s", "start of the window", "s"), _number("end_s", "its end", "s")),
        *(SPECIES_ID, SPECIES_NAME, _text("group", "of the recording, such as its site; empty without")),
        _text("stratum", "what it was drawn from"),
        _number("score", "highest of the species in the window, calibrated"),
        _integer("detected", "1: the run detected the species in it"),
        *(_integer("windows", "in the stratum"), _integer("drawn", "of these")),
        _number("inclusion_probability", "drawn over windows; empty of a clip that was chosen", empty=True),
    ),
)
POPULATION = Table(
    "population.csv",
    (
        *(SPECIES_ID, _text("group", "as in sample.csv"), _integer("detected", "as in sample.csv")),
        _number("lowest_score", "of these windows"),
        _number("score", "in their middle, the mean in logits"),
        _integer("windows", "that score so"),
    ),
)
REVIEWS = Table(
    "reviews.csv",
    (
        *(_text("clip", "as in sample.csv"), RECORDING_ID),
        *(_number("start_s", "start of the window", "s"), _number("end_s", "its end", "s")),
        *(SPECIES_ID, _text("answer", "yes, no, unsure, or other: another species")),
        _text("other_species", "which other one, where somebody said it"),
        *(_text("reviewer", "who answered"), _text("time", "when, ISO 8601")),
        _text("path", "the sound file; tables of earlier versions lack it"),
    ),
)


def _estimate(name: str, meaning: str) -> tuple[Column, Column, Column]:
    """Return the columns of a number that answers tell of, and of its 95 % interval."""
    return (
        _number(name, meaning, empty=True),
        _number(f"{name}_low", "lower end of its 95 % interval", empty=True),
        _number(f"{name}_high", "upper end", empty=True),
    )


WITH_CALLS = (
    _integer("windows", "in all"),
    _integer("windows_detected", "in which the run detected the species"),
    _integer("answered", "clips with a yes or a no that counts"),
    *_estimate("windows_with_calls", "windows in which the species calls, corrected for what was missed and mistaken"),
)
REVIEW_SUMMARY = Table(
    "summary.csv",
    (
        *(SPECIES_ID, SPECIES_NAME, *WITH_CALLS),
        *(_integer("yes", "of the answered clips"), _integer("no", "another species included")),
        _integer("open", "clips that nobody was sure of, or of which as many say yes as no"),
        _integer("disagreements", "clips that somebody says yes to and somebody no"),
        *_estimate("precision", "share of the windows in which the species was detected that hold a call of it"),
        *_estimate("recall", "share of the windows with calls in which it was detected"),
        _number("threshold", "score from which on windows hold calls with the wanted precision", empty=True),
        _integer("more_answers", "of windows in which it was detected, until precision is known well enough"),
    ),
)
REVIEW_GROUPS = Table("groups.csv", (SPECIES_ID, _text("group", "as in sample.csv"), *WITH_CALLS))
