"""The block `presence_calibration`: what the thresholds of presence aim at."""

from typing import Literal

from dawnchorus.parameters.base import Block, value


class PresenceCalibration(Block):
    """The aim of the threshold of each species, on validation recordings."""

    meaning = "what the threshold of each species aims at, on the validation recordings"
    follows = "presence"
    read_by = ("presence_calibration", "report")

    aim: Literal["f1", "precision", "false_alarms_per_hour"] = value(
        "false_alarms_per_hour", "f1: hits and false alarms in balance; else the value of the key of that name"
    )
    precision: float = value(0.9, "share of events that are hits, at least", gt=0, lt=1)
    false_alarms_per_hour: float = value(
        3.0, "events of a species that overlap none of its calls, an hour of sound without it, at most", gt=0, le=3600
    )
