"""Metrics of detection against sed_eval and sed_scores_eval, which `make test-sed` puts into a venv of their own."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dawnchorus.detection import events as decisions
from dawnchorus.metrics import classification, events, psds, segments

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-sed/bin/python"
CLASSES = ["frog", "wren", "owl"]
GIVEN = {"classes": CLASSES, "collar_s": 0.2, "share": 0.5, "segment_s": 1.0, "threshold": 0.5, "dtc": 0.7, "gtc": 0.7}
GIVEN |= {"most_per_hour": 100.0}
STEP_S = 0.1

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="no .venv-sed with sed_eval and sed_scores_eval: `make test-sed` makes it"
)


def recording(rng, duration_s, decimals):
    """Return a recording with calls, and scores every 0.1 s that know something of them."""
    n = round(duration_s / STEP_S)
    edges_s = (np.arange(n + 1) * STEP_S).round(6)
    scores, true = rng.random((n, len(CLASSES))) ** 3, []
    for index in range(len(CLASSES)):
        onset_s = 0.0
        while (onset_s := onset_s + rng.uniform(0.5, 6)) < duration_s - 2.5:
            offset_s = onset_s + rng.uniform(0.2, 2.5)
            true.append((round(onset_s, 5), round(offset_s, 5), CLASSES[index]))
            lag = rng.normal(0, 0.15)
            inside = (edges_s[:-1] >= onset_s + lag) & (edges_s[1:] <= offset_s + lag)
            scores[inside, index] = np.maximum(scores[inside, index], rng.uniform(0.3, 1, inside.sum()))
            onset_s = offset_s
    scores = scores.round(decimals)
    found = [
        (event["start_s"], event["end_s"], CLASSES[event["class_index"]])
        for event in decisions.events(scores, edges_s[:-1], STEP_S, duration_s, np.full(len(CLASSES), 0.5), 0.0)
    ]
    found = [(round(onset_s, 6), round(offset_s, 6), name) for onset_s, offset_s, name in found]
    return {"duration_s": duration_s, "edges_s": edges_s.tolist(), "scores": scores.tolist(), "true": true} | {
        "found": found
    }


@pytest.fixture(scope="module", params=[(1, 12), (2, 12), (3, 2)], ids=["a", "b", "equal scores"])
def drawn(request):
    """Return the seed of the recordings, and to how many decimals their scores are rounded."""
    return request.param


@pytest.fixture(scope="module")
def recordings(drawn):
    seed, decimals = drawn
    rng = np.random.default_rng(seed)
    durations_s = enumerate((20.0, 31.5, 12.3, 60.0))
    return {f"r{number}": recording(rng, duration_s, decimals) for number, duration_s in durations_s}


@pytest.fixture(scope="module")
def reference(recordings):
    given = json.dumps({**GIVEN, "recordings": recordings})
    script = ROOT / "tests/sed/reference.py"
    done = subprocess.run([PYTHON, "-W", "ignore", script], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def of_class(rows, name):
    return np.array([row[:2] for row in rows if row[2] == name], float).reshape(-1, 2)


def counted(recordings, hits_of):
    """Return hits, detected and annotated of each class: (classes, 3)."""
    counts = np.zeros((len(CLASSES), 3))
    for of in recordings.values():
        for index, name in enumerate(CLASSES):
            true_s, found_s = of_class(of["true"], name), of_class(of["found"], name)
            counts[index] += hits_of(true_s, found_s, of["duration_s"])
    return counts


def agree(counts, wanted):
    of_class, of_all = (events.rates(*totals.T) for totals in (counts, counts.sum(axis=0)))
    keys = ("precision", "recall", "f_measure")
    for index, name in enumerate(CLASSES):
        assert [values[index] for values in of_class] == pytest.approx(
            [wanted["class_wise"][name][key] for key in keys], abs=1e-6
        )
    assert [float(value) for value in of_all] == pytest.approx([wanted["overall"][key] for key in keys], abs=1e-6)


@pytest.mark.parametrize(("criterion", "share"), [("collars", GIVEN["share"]), ("onsets", None)])
def test_events_within_collars_are_those_of_sed_eval(recordings, reference, criterion, share):
    def hits(true_s, found_s, duration_s):
        near = events.within_collars(true_s, found_s, GIVEN["collar_s"], share)
        return len(events.optimal(near, events.iou(true_s, found_s))[0]), len(found_s), len(true_s)

    agree(counted(recordings, hits), reference[criterion])


def test_segments_with_a_class_are_those_of_sed_eval(recordings, reference):
    def hits(true_s, found_s, duration_s):
        edges_s = segments.edges(duration_s, GIVEN["segment_s"])
        true, found = (segments.present(of, np.zeros(len(of), int), 1, edges_s)[:, 0] for of in (true_s, found_s))
        return (true & found).sum(), found.sum(), true.sum()

    agree(counted(recordings, hits), reference["segments"])


def test_average_precision_and_roc_auc_of_segments_are_those_of_sed_scores_eval(recordings, reference, drawn):
    positive, score = [], []
    for of in recordings.values():
        edges_s, scores = segments.edges(of["duration_s"], GIVEN["segment_s"]), np.array(of["scores"])
        times_s, index = [row[:2] for row in of["true"]], [CLASSES.index(row[2]) for row in of["true"]]
        positive.append(segments.present(np.array(times_s), np.array(index), len(CLASSES), edges_s))
        score.append(segments.highest(scores, np.array(of["edges_s"][:-1]), STEP_S, edges_s, 0.5))
    positive, score = np.concatenate(positive), np.concatenate(score)
    once = np.ones((1, len(positive)))
    for index, name in enumerate(CLASSES):
        precision, roc_auc = classification.average_precision_and_roc_auc(positive[:, index], score[:, index], once)
        assert precision[0] == pytest.approx(reference["average_precision"][name], abs=1e-6)
        # Of equal scores it takes the negatives to be first; half of them is the area's probability.
        tolerance = 1e-6 if drawn[1] > 3 else 0.02
        assert roc_auc[0] == pytest.approx(reference["roc_auc"][name], abs=tolerance)
        threshold, precision, recall = segments.precision_recall_curve(positive[:, index], score[:, index])
        last = np.flatnonzero(threshold > GIVEN["threshold"])[-1]
        f1 = 2 / (1 / precision[last] + 1 / recall[last])
        assert [f1, precision[last], recall[last]] == pytest.approx(reference["segment_f1"][name], abs=1e-6)


def test_the_area_of_events_over_false_alarms_is_that_of_sed_scores_eval(recordings, reference):
    durations_s, once = np.array([of["duration_s"] for of in recordings.values()]), np.ones((1, len(recordings)))
    areas = []
    for index, name in enumerate(CLASSES):
        made, n_true = [], []
        for of in recordings.values():
            starts_s, true_s = np.array(of["edges_s"][:-1]), of_class(of["true"], name)
            steps = psds.highest_at(np.array(of["scores"]), starts_s, STEP_S, of["duration_s"])
            made.append(psds.changes(steps, index, true_s, GIVEN["dtc"], GIVEN["gtc"]))
            n_true.append(len(true_s))
        areas.append(psds.area(made, np.array(n_true), durations_s, once, GIVEN["most_per_hour"])[0])
        assert areas[-1] == pytest.approx(reference["psds"][name], abs=1e-6)
    assert np.mean(areas) == pytest.approx(reference["psds"]["mean"], abs=1e-6)
