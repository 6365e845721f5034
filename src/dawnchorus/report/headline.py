"""The handful of numbers that a run is compared by: reports/headline.json, which `dvc metrics diff` shows."""

from collections.abc import Mapping

# Where each number stands in metrics.json, by its name here.
OF_CLIPS = {
    "accuracy": ("test", "accuracy"),
    "macro_f1": ("test", "macro_f1"),
    "loss": ("test", "loss"),
    "svm_accuracy": ("svm", "accuracy"),
    "context_only_accuracy": ("context_only", "accuracy"),
}
# What each number is called among those of the test recordings in detection_metrics.json.
OF_DETECTION = {
    "event_f1": "event_f1_iou30",
    "event_precision": "event_precision_iou30",
    "event_recall": "event_recall_iou30",
    "segment_average_precision": "segment_average_precision",
    "false_alarms_per_hour": "false_alarms_per_hour",
}


def of_run(metrics: Mapping[str, dict], detection: Mapping[str, dict]) -> dict[str, dict[str, float]]:
    """Return the numbers of the test clips and of the test recordings; what is not known is left out.

    ``metrics``, ``detection``: what metrics.json and detection_metrics.json hold.
    """
    clips = {name: metrics.get(owner, {}).get(key) for name, (owner, key) in OF_CLIPS.items()}
    found = {"clips": clips, "detection": {name: detection["test"][key] for name, key in OF_DETECTION.items()}}
    return {part: {name: x for name, x in of.items() if x is not None} for part, of in found.items()}
