"""The block `detection_metrics`: how detections in whole held-out recordings are measured."""

from dawnchorus.parameters.base import Block, value


class DetectionMetrics(Block):
    """Metrics of detection; intervals and bins are those of the block `evaluation`."""

    meaning = "how detections in whole held-out recordings are measured"
    follows = "evaluation"
    read_by = ("detection_metrics", "report")

    segment_s: float = value(
        5.0,
        "recordings are cut into segments this long: is a species in it, how high does it score?",
        gt=0,
        le=3600,
        read_by=("presence_calibration", "detection_metrics", "report"),
    )
