"""The block `detections`: the model at work on new recordings, by the rule or by `dawnchorus detect`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from dawnchorus.parameters.base import Block, value
from dawnchorus.parameters.data import Path


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("even")
    return number


Odd = Annotated[int, AfterValidator(_odd), Field(json_schema_extra={"not": {"multipleOf": 2}})]
Channel = Annotated[int, Field(ge=0, le=1023)]
# Held-out recordings are scored and decided as new ones are, so their metrics depend on these values too.
SCORING = ("window_scores", "recording_scores", "svm_scores", "report")
# Beside frames of presence, windows are heard as they were when that was learned.
WINDOWS = (*SCORING, "presence_calibration")
DECIDING = ("detections", "detection_metrics", "report")
NEW_RECORDINGS, SHOWING = ("window_scores",), ("detections",)


class Detections(Block):
    """Which windows are scored, and what becomes an event.

    The rules of new recordings are run on demand; held-out recordings are scored and decided in the same way.
    """

    meaning = (
        "the model at work on recordings: on new ones on demand, and on the held-out ones for the metrics of detection"
    )
    follows = "report"

    recordings: Path | None = value(
        None,
        "folder of the recordings to search (with the folders below it), or a text file that names one a line; null: "
        "data.audio_dir",
        read_by=NEW_RECORDINGS,
    )
    window_s: float | None = value(
        None, "length of a window; null: as the model was trained", gt=0, le=600, read_by=WINDOWS
    )
    step_s: float | None = value(
        None,
        "from one window to the next, at most the window; null: half a window",
        gt=0,
        le=600,
        read_by=WINDOWS,
    )
    channel: Literal["mix"] | Channel = value(
        "mix",
        "mix for the mean of all channels, as in training, or the number of one, from 0",
        read_by=(*SCORING, "detections"),
    )
    batch_size: int = value(
        32, "windows scored at a time; costs memory, changes no score", ge=1, le=4096, read_by=SCORING
    )
    smoothing_windows: Odd = value(
        1,
        "odd; scores are averaged over so many windows before they meet the threshold; 1 does not smooth",
        ge=1,
        le=999,
        read_by=DECIDING,
    )
    merge_gap_s: float = value(
        0.0,
        "two events of a species this close or closer are one; 0 merges those that touch",
        ge=0,
        le=3600,
        read_by=DECIDING,
    )
    on_bad_recording: Literal["stop", "quarantine"] = value(
        "quarantine",
        "stop ends at the first file that cannot be decoded; quarantine leaves it out and says so",
        read_by=NEW_RECORDINGS,
    )
    sample_submission: str | None = value(
        None,
        "path of the sample_submission.csv of Kaggle's RFCX, to make one like it; null: none",
        read_by=SHOWING,
    )
    page_events: int = value(5, "events of each species on the page, the strongest", ge=0, le=100, read_by=SHOWING)
    pictures: int = value(
        3,
        "recordings drawn whole (or 2 minutes of them), those with the strongest events",
        ge=0,
        le=100,
        read_by=SHOWING,
    )
