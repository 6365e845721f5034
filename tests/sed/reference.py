"""What sed_eval and sed_scores_eval say of the events and scores on the standard input, as JSON; run in their own venv.

Recordings by name: ``duration_s``, ``edges_s`` and ``scores`` (steps, classes), ``true`` and ``found``: lists of onset,
offset and class.
"""

import json
import sys

import dcase_util
import numpy as np
import sed_eval
from sed_scores_eval import intersection_based, segment_based
from sed_scores_eval.base_modules.scores import create_score_dataframe


def events(rows):
    keys = ("event_onset", "event_offset", "event_label")
    return dcase_util.containers.MetaDataContainer([dict(zip(keys, row, strict=True)) for row in rows])


def counted(metrics, given):
    for recording in given["recordings"].values():
        arguments = [events(recording["true"]), events(recording["found"])]
        if isinstance(metrics, sed_eval.sound_event.SegmentBasedMetrics):
            metrics.evaluate(*arguments, evaluated_length_seconds=recording["duration_s"])
        else:
            metrics.evaluate(*arguments)
    return {
        "overall": metrics.results_overall_metrics()["f_measure"],
        "class_wise": {name: of["f_measure"] for name, of in metrics.results_class_wise_metrics().items()},
    }


def main():
    given = json.load(sys.stdin)
    classes, recordings = given["classes"], given["recordings"]
    collars = {"t_collar": given["collar_s"], "percentage_of_length": given["share"]}
    scores = {
        name: create_score_dataframe(np.array(of["scores"]), np.array(of["edges_s"]), classes)
        for name, of in recordings.items()
    }
    truth = {name: [tuple(row) for row in of["true"]] for name, of in recordings.items()}
    durations = {name: of["duration_s"] for name, of in recordings.items()}
    in_segments = {"scores": scores, "ground_truth": truth, "audio_durations": durations}
    in_segments["segment_length"] = given["segment_s"]
    shares = {"dtc_threshold": given["dtc"], "gtc_threshold": given["gtc"]}
    area, of_class, *_ = intersection_based.psds(
        scores=scores, ground_truth=truth, audio_durations=durations, max_efpr=given["most_per_hour"], **shares
    )
    segment_f1, precision, recall, _ = segment_based.fscore(threshold=given["threshold"], **in_segments)
    result = {
        "collars": counted(sed_eval.sound_event.EventBasedMetrics(classes, **collars), given),
        "onsets": counted(sed_eval.sound_event.EventBasedMetrics(classes, evaluate_offset=False, **collars), given),
        "segments": counted(
            sed_eval.sound_event.SegmentBasedMetrics(classes, time_resolution=given["segment_s"]), given
        ),
        "psds": {"mean": area, **of_class},
        "average_precision": segment_based.average_precision(**in_segments)[0],
        "roc_auc": segment_based.auroc(**in_segments)[0],
        "segment_f1": {name: [segment_f1[name], precision[name], recall[name]] for name in classes},
    }
    json.dump(result, sys.stdout, default=float)


if __name__ == "__main__":
    main()
