"""The block `report`: what the page of a run holds."""

from dawnchorus.parameters.base import Block, value


class Report(Block):
    """Pictures and sounds in the page."""

    meaning = "the page of the run"
    follows = "figures"
    # The page of the label audit shows clips as the report does.
    read_by = ("report", "label_audit")

    clips: int = value(400, "test clips whose picture and sound are in the page; all are listed", ge=0, le=100_000)
    context_s: float = value(0.5, "sound kept before and after an annotation", ge=0, le=10)
    longest_clip_s: float = value(10.0, "a longer annotation is cut off in the page", gt=0, le=60)
    sound_rate_hz: int = value(24_000, "highest sample rate of the sound in the page", ge=8000, le=48_000)
    detection_examples: int = value(
        12,
        "false alarms with the highest scores, and misses with the lowest, to see and hear",
        ge=0,
        le=200,
        read_by=("report",),
    )
    media_mb: float = value(18.0, "room for pictures and sounds of test clips; the page stays below 25 MB", gt=0, le=20)
