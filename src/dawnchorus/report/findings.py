"""What the numbers of a run say, in sentences, and where it overfits; from metrics and tables, without files or HTML.

Everywhere: ``metrics`` is what metrics.json holds.
"""

import pandas as pd

from dawnchorus.learning.history import best_epoch, kept_epoch
from dawnchorus.partitioning.groups import FEWEST_TO_DIFFER
from dawnchorus.report import interval_words

METRICS = {
    "accuracy": ("Accuracy", "clips whose highest score is the right species"),
    "balanced_accuracy": ("Balanced accuracy", "mean recall: every species counts the same"),
    "macro_f1": ("Macro F1", "F1, averaged over species"),
    "lwlrap": ("LWLRAP", "mean reciprocal rank of the right species"),
    "macro_average_precision": ("Average precision", "each species against all others, averaged"),
    "macro_roc_auc": ("ROC AUC", "each species against all others, averaged"),
    "loss": ("Loss", "cross-entropy of the scores; lower is better"),
}
# What `compare` calls the metrics of detection.
DETECTION_METRICS = {
    **{
        f"event_{rate}_{end}": f"{name}, {said}"
        for end, said in (("iou30", "IoU 0.3"), ("iou50", "IoU 0.5"))
        for rate, name in (("f1", "Event F1"), ("precision", "Precision"), ("recall", "Recall"))
    },
    "event_f1_overlap": "Event F1, any overlap",
    "segment_average_precision": "Segments: cmAP",
    "segment_roc_auc": "Segments: ROC AUC",
    "recording_lwlrap": "Recordings: LWLRAP",
    "false_alarms_per_hour": "False alarms an hour",
}
# What `compare` calls those of a species among the clips.
SPECIES_METRICS = {"recall": "Recall", "average_precision": "Average precision"}
# What a run is known by, the first of these that is known.
LEADS = {
    "event_f1_iou30": (
        "Event F1",
        "How well calls are found: what is found counts if it shares at least 0.3 of the joint time with a call (IoU)",
    ),
    "event_recall_iou30": (
        "Recall of calls",
        "Share of the annotated calls that are found, with at least 0.3 of the joint time shared (IoU)",
    ),
}
BASELINE_NOTES = {
    "majority class": "always predicts the commonest species",
    "SVM on pooled statistics": "the simple method that a network has to beat",
    "context only": "this model on sound of the same recordings without a call",
    "presence network": "the network that finds calls in whole recordings, pooled over the annotated frames",
}
# A gap between train and test that is smaller than this is nothing to act on.
SMALL_GAP = 0.05
LARGE_GAP = 0.2


def metric_name(key: str) -> str:
    """Return what a page calls a metric."""
    named = {**DETECTION_METRICS, **SPECIES_METRICS}
    if key in named:
        return named[key]
    return METRICS[key][0] if key in METRICS else key.replace("_", " ").capitalize()


def headline(metrics: dict) -> list[dict]:
    """Return the metrics of the test clips with their intervals: key, name, meaning, value, low, high."""
    test = metrics["test"]
    return [
        {
            "key": key,
            "name": name,
            "meaning": meaning,
            "value": test[key],
            "low": test[f"{key}_low"],
            "high": test[f"{key}_high"],
        }
        for key, (name, meaning) in METRICS.items()
        if test[key] is not None
    ]


def lead(metrics: dict, detection: dict, baselines: pd.DataFrame) -> dict | None:
    """Return the one number that a run is known by: how well it finds calls, or else how well it names clips.

    ``detection``: what detection_metrics.json holds; ``baselines``: detection_baselines.csv. Returns ``name``,
    ``value``, ``low``, ``high`` (None without an interval), and ``text``, what it means and what stands beside it;
    None where nothing is known.
    """
    test, of_detection = metrics["test"], detection["test"]
    known = next((key for key in LEADS if of_detection[key] is not None), None)
    if known is not None:
        name, meaning = LEADS[known]
        others = baselines.iloc[1:]
        others = others[others[known].notna()]
        text = f"{meaning}, in {of_detection['recordings']} whole test recordings."
        if len(others):
            best = others.loc[others[known].idxmax()]
            text += f" The best of the simpler methods beside it, {best['model']}, reaches {best[known]:.3f}."
        if test["support"]:
            text += f" Of {test['support']} annotated test clips it names {test['accuracy']:.1%} right."
        ends = {end: of_detection[f"{known}_{end}"] for end in ("low", "high")}
        return {"key": known, "name": name, "value": of_detection[known], **ends, "text": text}
    if not test["support"]:
        return None
    text = f"Share of {test['support']} annotated test clips whose highest score is the right species."
    ends = {end: test[f"accuracy_{end}"] for end in ("low", "high")}
    return {"key": "accuracy", "name": "Accuracy", "value": test["accuracy"], **ends, "text": text}


def headline_note(test: dict, split: interval_words.Split) -> str:
    """Say what was tested, and what the intervals mean or why there are none."""
    return f"On {test['support']} test clips. {interval_words.note(test, split)}"


def baseline_labels(table: pd.DataFrame) -> list[str]:
    """Return how a figure names the rows of baselines.csv, the model first."""
    names = [name[:1].upper() + name[1:] for name in table["model"]]
    return [f"This model ({table['model'][0]})", *names[1:]]


def baseline_notes(table: pd.DataFrame) -> list[str]:
    """Say what each baseline is."""
    names = [name for name in table["model"][1:] if name in BASELINE_NOTES]
    return [f"{name[:1].upper()}{name[1:]}: {BASELINE_NOTES[name]}." for name in names]


def baseline_verdicts(metrics: dict) -> list[str]:
    """Say what the baselines mean: whether the model beats the SVM, and whether the background gives species away."""
    sentences = []
    svm, context = metrics["svm"], metrics["context_only"]
    if svm["accuracy"] is not None:
        low, high = svm["advantage_low"], svm["advantage_high"]
        if low is None:
            interval, verdict = "", "without an interval this may be chance"
        else:
            interval = f" ({interval_words.PERCENT} interval {100 * low:+.1f} to {100 * high:+.1f})"
            unclear = "this does not show that either is better"
            if metrics["test"]["groups"] < FEWEST_TO_DIFFER:
                low, high, unclear = 0, 0, f"so few {metrics['test']['units']} do not show that either is better"
            verdict = "the network is worth its effort" if low > 0 else "the SVM is better" if high < 0 else unclear
        more = "more" if svm["advantage"] >= 0 else "less"
        sentences.append(
            f"On the same clips the model is {100 * abs(svm['advantage']):.1f} percentage points {more} accurate than "
            f"an SVM on pooled statistics{interval}: {verdict}."
        )
    if context["accuracy"] is None:
        sentences.append("There was no sound without a call on which to try the model.")
    else:
        share = metrics["majority_class"]["accuracy"] or 0.0
        leak = context["accuracy_low"] is not None and context["accuracy_low"] > share
        verdict = (
            "more often than always predicting the commonest species would: the background gives species away"
            if leak
            else "which is not shown to be more often than always predicting the commonest species would"
        )
        sentences.append(
            f"Given sound of the same recordings that holds no call, the model still predicts the species of the call "
            f"in {context['accuracy']:.1%} of {context['clips']} cases, {verdict}."
        )
    return sentences


def gap(metrics: dict) -> dict:
    """Say in one sentence whether the model overfits, by the numbers.

    Returns ``verdict`` (a word for the page's colour: good, fair, poor) and ``text``. A gap of accuracy between
    train and test counts when it is larger than 0.05 and than half the interval of the test accuracy. Of a model
    that is right on hardly more training clips than one that always predicts the commonest species, by less than a
    twentieth of what is left, that is said instead.
    """
    train, validation, test = metrics["train"], metrics["validation"], metrics["test"]
    if not train["support"] or not test["support"]:
        return {"verdict": "fair", "text": "Without training and test clips there is no gap to measure."}
    difference = train["accuracy"] - test["accuracy"]
    known = test["accuracy_low"] is not None
    noise = (test["accuracy_high"] - test["accuracy_low"]) / 2 if known else 0.0
    drawn = f" (the choice of test {test['units']} alone can make {100 * noise:.1f} of it)" if known else ""
    counts, commonest = max(SMALL_GAP, noise), metrics["majority_class"]["train_accuracy"] or 0.0
    if train["accuracy"] <= commonest + SMALL_GAP * (1 - commonest):
        alone = f"{commonest:.1%} of the training clips are of the commonest species"
        verdict, word = "poor", f"it learned next to nothing ({alone})"
    elif difference > max(counts, LARGE_GAP):
        verdict, word = "poor", "it overfits strongly"
    elif difference > counts:
        verdict, word = "fair", "it overfits somewhat"
    elif difference < -counts:
        verdict, word = "fair", "the test clips are easier than the training clips, so check the split"
    else:
        verdict, word = "good", "no sign of overfitting"
    middle = f", {validation['accuracy']:.1%} of the validation clips" if validation["support"] else ""
    text = (
        f"The model is right on {train['accuracy']:.1%} of the training clips{middle} and "
        f"{test['accuracy']:.1%} of the test clips, a gap of {100 * difference:.1f} percentage points between train "
        f"and test{drawn}: {word}."
    )
    return {"verdict": verdict, "text": text}


def training_text(history: pd.DataFrame, early_stopping: bool, card: dict) -> str:
    """Say which epoch was kept and why, how long the training took, and on what."""
    n, kept = len(history), kept_epoch(history, early_stopping)
    if early_stopping and best_epoch(history) is not None:
        chosen = f"Of {n} epochs, epoch {kept} was kept, that of the lowest validation loss."
    else:
        chosen = f"The last of {n} epochs was kept."
    return (
        f"{chosen} Training took {card['training_time_s']:.0f} s. Device: {card['device']}. The training curves are "
        "measured on augmented clips (mixed, masked or shifted at random, where that is switched on); the accuracies "
        "at the top of this page are measured on clips without augmentation."
    )


def reliability_text(bins: pd.DataFrame, metrics: dict) -> str | None:
    """Say whether scores are too high or too low, and what the temperature does to that; None without test clips.

    ``bins``: reliability.csv; ``metrics``: metrics.json.
    """
    before = bins[(bins["temperature"] == "before") & (bins["n"] > 0)]
    if before.empty:
        return None
    over = float((before["n"] * (before["mean_score"] - before["accuracy"])).sum() / before["n"].sum())
    side = "too high" if over > 0 else "too low"
    calibration = metrics["calibration"]
    said = (
        "Of the clips whose highest score is 0.8, eight in ten should be right. On average this model's scores are "
        f"{abs(over):.3f} {side}; the expected calibration error is {calibration['ece_before']:.3f}"
    )
    if not metrics["validation"]["support"]:
        return f"{said}. Without validation clips no temperature is fitted: detection uses the scores as they are."
    return (
        f"{said}, and {calibration['ece_after']:.3f} after scaling with the temperature of "
        f"{calibration['temperature']:.2f}, which was fitted on the validation clips and which detection uses."
    )
