"""The block `evaluation`: how the scores are measured."""

from dawnchorus.parameters.base import Block, value

# The out-of-fold scores are measured as those of the test partition are.
MEASURED = ("evaluation", "cross_validation", "report")


class Evaluation(Block):
    """Metrics, their intervals and the calibration."""

    meaning = "metrics, their intervals and the calibration"
    follows = "train"
    read_by = ("evaluation", "report")

    batch_size: int = value(
        128,
        "clips scored at a time; changes speed and memory, not scores",
        ge=1,
        le=65_536,
        read_by=("evaluation", "learning_curve_draw", "learning_curve", "report"),
    )
    top_k: int = value(
        3,
        "top-k accuracy counts a clip whose class is among the k highest scores",
        ge=1,
        le=1000,
        read_by=MEASURED,
    )
    bootstrap_draws: int = value(
        1000,
        "bootstrap resamples of the groups of the test clips, for the 95 % intervals",
        ge=100,
        le=100_000,
        read_by=(*MEASURED, "detection_metrics", "learning_curve"),
    )
    calibration_bins: int = value(
        15,
        "equal bins of the score, for the reliability curves and the calibration error",
        ge=2,
        le=100,
        read_by=("evaluation", "detection_metrics", "report"),
    )
    default_threshold: float = value(
        0.5,
        "detection threshold of a class without validation clips",
        gt=0,
        lt=1,
        read_by=("evaluation", "svm_scores", "report"),
    )
