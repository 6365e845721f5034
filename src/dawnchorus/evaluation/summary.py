"""The lines that stages evaluation and cross_validation print: the result in words."""

from dawnchorus.partitioning.groups import FEWEST_TO_DIFFER, GROUPS

# What the baselines are called in baselines.csv, by their names in metrics.json.
BASELINES = {
    "majority_class": "majority class",
    "svm": "SVM on pooled statistics",
    "context_only": "context only",
    "presence": "presence network",
}


def of_metrics(result: dict[str, dict], majority_name: str | None) -> list[str]:
    """Return the few lines that a person wants at the end of a run.

    ``result``: the content of metrics.json; ``majority_name``: of the commonest species of the training clips.
    """
    train, test, gap = result["train"], result["test"], result["gap"]
    if not test["support"]:
        return ["no test clips, so nothing is known about new sound"]
    named = {"balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "lwlrap": "LWLRAP"}
    others = ", ".join(f"{label} {with_ends(test, name)}" for name, label in named.items())
    over = f"{test['groups']} {test.get('units', GROUPS)}"
    lines = [
        f"accuracy {with_ends(test, 'accuracy')} on {test['support']} test clips of {over} (95 % interval over these)",
        f"test {others}, loss {test['loss']:.3f}",
    ]
    if gap["accuracy"] is not None:
        share = result["majority_class"]["accuracy"]
        verdict = "; this model does no better" if test["accuracy"] <= share else ""
        lines += [
            f"train/test gap: accuracy {train['accuracy']:.3f} on train, {test['accuracy']:.3f} on test, gap "
            f"{gap['accuracy']:.3f}; loss {train['loss']:.3f} and {test['loss']:.3f}, gap {gap['loss']:.3f}",
            f"always answering the commonest class ({majority_name}) scores {share:.3f}{verdict}",
        ]
    svm, context, calibration = (result.get(name, {}) for name in ("svm", "context_only", "calibration"))
    if svm.get("accuracy") is not None:
        enough = test["groups"] >= FEWEST_TO_DIFFER
        shown = enough and svm["advantage_low"] is not None and svm["advantage_low"] > 0
        verdict = "" if shown else "; that is not shown to be better"
        lines.append(
            f"an SVM on pooled statistics scores {with_ends(svm, 'accuracy')}; this model's advantage over it is "
            f"{with_ends(svm, 'advantage', '+')}{verdict}"
        )
    if context.get("accuracy") is not None:
        leak = context["accuracy_low"] is not None and context["accuracy_low"] > (
            result["majority_class"]["accuracy"] or 0
        )
        verdict = "; the background gives classes away" if leak else ""
        lines.append(
            "on sound of the same recordings without a call the model scores "
            f"{with_ends(context, 'accuracy')} ({context['clips']} clips){verdict}"
        )
    if absent := result.get("checked_absent"):
        lines.append(
            f"{absent['absent_clips']} test clips were checked and lack a species: it is detected in "
            f"{absent['detected_share_where_absent']:.3f} of them, the mean over species; of all clips, in "
            f"{absent['expected_at_chance']:.3f}"
        )
    if calibration.get("ece_before") is not None:
        lines.append(
            f"calibration error {calibration['ece_before']:.3f}, {calibration['ece_after']:.3f} after "
            f"temperature {calibration['temperature']:.2f}"
        )
    return lines


def with_ends(values: dict, name: str, sign: str = "") -> str:
    """Return a number with its interval, as text."""
    low, high = values[f"{name}_low"], values[f"{name}_high"]
    return f"{values[name]:{sign}.3f}" + ("" if low is None else f" [{low:{sign}.3f}, {high:{sign}.3f}]")


def of_detection(row: dict) -> str:
    """Return what a person wants to know of detection out of fold, as one line; a row of detection_baselines.csv."""
    if row["event_f1_iou30"] is None:
        recall = "-" if row["event_recall_iou30"] is None else with_ends(row, "event_recall_iou30")
        return f"detection in {row['recordings']} whole recordings: recall {recall}; precision is not known"
    text = (
        f"detection in {row['recordings']} whole recordings: event F1 {with_ends(row, 'event_f1_iou30')} at IoU >= 0.3"
    )
    text += f", {with_ends(row, 'event_f1_iou50')} at 0.5"
    if row["segment_average_precision"] is not None:
        text += f", cmAP {with_ends(row, 'segment_average_precision')}"
    return text


def of_folds(row: dict, n_folds: int, units: str) -> str:
    """Return what a person wants to know of one model of a cross-validation, as one line.

    ``row``: of :func:`dawnchorus.evaluation.cross_validation.table`; ``units``: what its groups are, of
    :func:`dawnchorus.partitioning.groups.units_of`.
    """

    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    accuracy = with_ends(row, "accuracy")
    text = f"{row['model']}: accuracy {accuracy} out of fold ({row['clips']} clips of {row['groups']} {units})"
    text += f"; {n_folds} folds {shown(row['accuracy_fold_mean'])} +- {shown(row['accuracy_fold_sd'])}"
    if row["accuracy_seed_sd"] is not None:
        text += f"; {row['seeds']} seeds +- {shown(row['accuracy_seed_sd'])}"
    text += f"; LWLRAP {with_ends(row, 'lwlrap')}"
    if row["advantage"] is not None:
        text += f"; the recipe's advantage {with_ends(row, 'advantage', '+')}"
    return text
