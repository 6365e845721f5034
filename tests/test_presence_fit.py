"""What is learned of validation recordings: sound made by the test, aims met on other recordings, and who is pooled."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import beta, poisson

from dawnchorus.detection import presence, presence_fit
from dawnchorus.detection.measured import Truth
from dawnchorus.detection.score_store import Entry
from dawnchorus.metrics import calibration, events, segments

STEP_S, DURATION_S = 0.08, 60.0


def entry(scores, step_s=STEP_S, duration_s=DURATION_S):
    starts_s = step_s * np.arange(len(scores))
    return Entry("", "", "", "", duration_s, 24000, step_s, None, starts_s, np.asarray(scores, np.float32))


def scenes(seed, n_recordings, per_minute, shifts=0.0, step_s=STEP_S, length_s=0.8):
    """Return recordings with calls as smooth bumps in noise, some faint, and bumps that are no calls.

    ``per_minute``: calls of each class; ``shifts``: what the network adds to the logits of each class.
    """
    rng = np.random.default_rng(seed)
    n = round(DURATION_S / step_s)
    middles_s = step_s * (np.arange(n) + 0.5)
    truths, entries = [], []
    for number in range(n_recordings):
        logits = rng.normal(-5, 1, (n, len(per_minute))) + np.array(shifts)
        times_s, classes = [], []
        for index, often in enumerate(per_minute):
            places = np.sort(rng.uniform(0, DURATION_S - 2 * length_s, rng.poisson(often + 2)))
            for place in places[np.diff(places, prepend=-9) > 2 * length_s]:
                real = rng.random() < often / (often + 2)
                lasts_s = length_s * np.exp(rng.normal(0, 0.2))
                edge = expit((middles_s - place) / step_s) * expit((place + lasts_s - middles_s) / step_s)
                logits[:, index] += edge * (rng.uniform(3, 9) if real else rng.uniform(0, 6))
                if real:
                    times_s.append((place, place + lasts_s))
                    classes.append(index)
        truths.append(
            Truth(f"r{number}", f"r{number}", DURATION_S, np.array(times_s).reshape(-1, 2), np.array(classes, int))
        )
        entries.append(entry(expit(logits), step_s))
    return truths, entries


def counted(truths, entries, decisions):
    """Return of each event its score, and whether it is real, by the plain optimal matching; and false alarms."""
    score, real, alarms, n_true = [], [], 0, 0
    for truth, of in zip(truths, entries, strict=True):
        found = presence.events(of.scores, of.starts_s, of.window_s, of.duration_s, decisions)
        n_true += len(truth.times_s)
        for index in range(len(decisions)):
            mine = [event for event in found if event["class_index"] == index]
            times_s = np.array([(e["start_s"], e["end_s"]) for e in mine]).reshape(-1, 2)
            hit = np.zeros(len(mine), bool)
            hit[events.matched(truth.of_class(index), times_s, 0.3).found] = True
            score += [event["peak_score"] for event in mine]
            real += hit.tolist()
            alarms += int(events.in_call_free(truth.of_class(index), times_s).sum())
    return np.array(score), np.array(real, bool), alarms, n_true


def f1(truths, entries, decisions):
    _, real, _, n_true = counted(truths, entries, decisions)
    return 2 * real.sum() / (len(real) + n_true)


PER_MINUTE = (4.0, 3.0, 0.2)
SHIFTS = (0.0, 2.0, -1.0)


@pytest.fixture(scope="module")
def validation():
    return scenes(0, 16, PER_MINUTE, SHIFTS)


@pytest.fixture(scope="module")
def others():
    return scenes(1, 40, PER_MINUTE, SHIFTS)


@pytest.fixture(scope="module")
def fitted(validation):
    return presence_fit.fit(*validation, "f1", ["a", "b", "rare"])


def of(fitted):
    return list(fitted["decisions"].values())


def test_what_is_learned_is_better_on_other_recordings_than_any_plain_threshold(fitted, others):
    plain = [
        f1(*others, [{**presence.PLAIN, "on": on, "off": min(on, 0.5)}] * 3) for on in (0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
    ]
    assert f1(*others, of(fitted)) > max(plain) + 0.02


def test_the_score_of_an_event_is_the_share_of_such_events_that_are_real(fitted, others):
    score, real, *_ = counted(*others, [{**one, "on": one["off"]} for one in of(fitted)])
    edges = np.array([0, 0.25, 0.5, 0.75, 0.9, 1.0])
    for low, high in pairwise(edges):
        rows = (score > low) & (score <= high)
        # Fitted on 110 calls: off by no more than a tenth and what so many events may be off by chance.
        assert abs(real[rows].mean() - score[rows].mean()) < 0.1 + 2 * np.sqrt(0.25 / rows.sum())


def test_segments_are_calibrated_too(fitted, others):
    errors = []
    for decisions in (of(fitted), [presence.PLAIN] * 3):
        expected, there = [], []
        for truth, one in zip(*others, strict=True):
            edges_s = segments.edges(truth.duration_s, 5.0)
            score = presence.presence(one.scores, one.starts_s, one.window_s, decisions)
            expected.append(segments.highest(score, one.starts_s, one.window_s, edges_s, 0.5))
            there.append(segments.present(truth.times_s, truth.class_index, 3, edges_s))
        table = calibration.reliability_of_presence(np.concatenate(there), np.concatenate(expected), 10)
        errors.append(calibration.expected_error(table))
    assert errors[0] < 0.05 < errors[1]


def test_a_rare_species_is_pooled_and_says_so(fitted):
    rare = fitted["decisions"]["rare"]
    assert "rare" in fitted["pooled"]
    assert (rare["shape_of"], rare["threshold_of"], rare["precision_of"]) == ("all", "all", "all")
    assert rare["annotated_events"] < presence_fit.LEAST_EVENTS


def test_the_pooled_threshold_is_one_probability(validation, monkeypatch):
    monkeypatch.setattr(presence_fit, "LEAST_EVENTS", 10**6)
    found = presence_fit.fit(*validation, "f1", ["a", "b", "rare"])
    assert found["pooled"] == ["a", "b", "rare"]
    probabilities = [one["probability"] for one in of(found) if one["on"] > one["off"]]
    assert probabilities == pytest.approx([probabilities[0]] * len(probabilities))


def test_counts_and_intervals_are_those_of_the_events_at_the_threshold(fitted, validation):
    hours = 16 / 60
    for index, one in enumerate(of(fitted)):
        truths, entries = validation
        alone = [
            Truth(t.recording_id, t.group, 60.0, t.of_class(index), np.zeros(len(t.of_class(index)), int))
            for t in truths
        ]
        mine = [entry(e.scores[:, [index]]) for e in entries]
        _, real, alarms, _ = counted(alone, mine, [one])
        assert (one["detected"], one["hits"]) == (len(real), real.sum())
        called = sum((t.times_s[:, 1] - t.times_s[:, 0]).sum() for t in alone) / 3600
        assert one["false_alarms_per_hour"] == pytest.approx(alarms / (hours - called))
        # Garwood's ends: as many or more, or as few or fewer, come by chance in 2.5 % of cases.
        high = one["false_alarms_per_hour_high"] * (hours - called)
        assert poisson.cdf(alarms, high) == pytest.approx(0.025)
    a = fitted["decisions"]["a"]
    assert a["precision_of"] == "class"
    p, n, z = a["expected_precision"], a["detected"], 1.959964
    middle, reach = (p + z * z / 2 / n) / (1 + z * z / n), z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    assert a["expected_precision_low"] == pytest.approx(middle - reach / (1 + z * z / n), abs=1e-6)
    assert a["expected_precision_high"] == pytest.approx(middle + reach / (1 + z * z / n), abs=1e-6)
    total = [sum(one[key] for one in of(fitted)) for key in ("hits", "detected")]
    assert fitted["decisions"]["rare"]["expected_precision"] == pytest.approx(total[0] / total[1])


@pytest.mark.parametrize("precision", [0.8, 0.95])
def test_a_precision_that_is_asked_for_is_had_on_other_recordings(validation, others, precision):
    found = presence_fit.fit(*validation, {"precision": precision}, ["a", "b", "rare"])
    _, real, *_ = counted(*others, of(found))
    # As precise, but for chance, and with no more thrown away than a clearly higher one would.
    assert real.mean() > beta.ppf(0.01, precision * 100, (1 - precision) * 100)
    stricter = presence_fit.fit(*validation, {"precision": 0.99}, ["a", "b", "rare"])
    assert len(counted(*others, of(stricter))[0]) < len(real)


def test_false_alarms_are_as_rare_as_asked_for(validation, others):
    counts = []
    for wanted in (5, 60):
        found = presence_fit.fit(*validation, {"false_alarms_per_hour": wanted}, ["a", "b", "rare"])
        alarms = counted(*others, of(found))[2]
        # Forty minutes of three classes, learned on a quarter of an hour.
        assert alarms <= poisson.ppf(0.999, 2 * wanted) * 1.5
        counts.append(alarms)
    assert counts[0] < counts[1]


def test_a_class_unlike_the_others_has_its_own_shape_and_threshold():
    # The others are flat with sharp ends; this one trembles around 0.5, so that off at a half tears it to pieces.
    rng = np.random.default_rng(3)
    truths, entries = [], []
    for number in range(12):
        scores, times_s, classes = np.full((750, 2), 0.01), [], []
        for index in (0, 1):
            for first in range(20, 700, 100):
                inside = slice(first, first + 20)
                scores[inside, index] = rng.uniform(0.12, 0.5, 20) if index else 0.99
                times_s.append((first * STEP_S, (first + 20) * STEP_S))
                classes.append(index)
                # Next to each call of the first a slope that belongs to none.
                if not index:
                    scores[first - 20 : first, 0] = scores[first + 20 : first + 40, 0] = 0.45
        truths.append(Truth(f"r{number}", f"r{number}", DURATION_S, np.array(times_s), np.array(classes)))
        entries.append(entry(scores))
    found = presence_fit.fit(truths, entries, "f1", ["flat", "trembling"])
    assert found["decisions"]["flat"]["off"] >= 0.5 > 0.12 >= found["decisions"]["trembling"]["off"]
    assert "class" in [one["shape_of"] for one in of(found)]
    assert f1(truths, entries, of(found)) == 1


def test_in_unknown_spans_nothing_counts():
    truths, entries = scenes(5, 6, (5.0, 5.0))
    # The second half of each recording becomes as bad as can be, and unknown.
    worse = []
    for one in entries:
        scores = one.scores.copy()
        late = one.starts_s >= 30.0
        scores[late] = np.random.default_rng(6).random((late.sum(), 2)) ** 0.2
        worse.append(entry(scores))
    halves = [
        Truth(t.recording_id, t.group, 30.0, t.times_s[kept], t.class_index[kept])
        for t in truths
        for kept in [t.times_s[:, 1] <= 30.0]
    ]
    cut = [entry(one.scores[one.starts_s < 30.0], duration_s=30.0) for one in entries]
    with_unknown = presence_fit.fit(
        [Truth(t.recording_id, t.group, 60.0, t.times_s, t.class_index) for t in halves],
        worse,
        "f1",
        ["a", "b"],
        unknown=[[(45.0, 60.0), (30.0, 50.0)]] * 6,
    )
    alone = presence_fit.fit(halves, cut, "f1", ["a", "b"])
    for key in ("a", "b"):
        mine, theirs = with_unknown["decisions"][key], alone["decisions"][key]
        # A stretch that crosses the border may differ.
        assert mine["detected"] == pytest.approx(theirs["detected"], abs=2)
        assert mine["hits"] == pytest.approx(theirs["hits"], abs=1)
        assert mine["on"] == pytest.approx(theirs["on"], abs=0.15)
        assert mine["false_alarms_per_hour"] == pytest.approx(theirs["false_alarms_per_hour"], abs=45)
    assert f1(truths, entries, of(with_unknown)) > 0.7


def test_annotated_events_in_unknown_spans_do_not_count_either():
    truths, entries = scenes(7, 4, (5.0,))
    spans = [[(0.0, 20.0)]] * 4
    found = presence_fit.fit(truths, entries, "f1", ["a"], unknown=spans)
    inside = [np.clip(20.0 - t.times_s[:, 0], 0, t.times_s[:, 1] - t.times_s[:, 0]) for t in truths]
    lengths = [t.times_s[:, 1] - t.times_s[:, 0] for t in truths]
    wanted = sum(int((a < b / 2).sum()) for a, b in zip(inside, lengths, strict=True))
    assert found["annotated_events"] == wanted == found["decisions"]["a"]["annotated_events"]


def test_the_result_is_ready_for_json_and_the_same_again(validation, fitted):
    assert json.loads(json.dumps(fitted)) == fitted
    assert presence_fit.fit(*validation, "f1", ["a", "b", "rare"]) == fitted
    assert set(presence.KEYS) <= set(fitted["decisions"]["a"])


def test_without_an_annotated_event_the_scores_are_taken_as_they_are():
    truth = Truth("r", "r", DURATION_S, np.empty((0, 2)), np.empty(0, int))
    found = presence_fit.fit([truth], [entry(np.full((750, 2), 0.1))], {"precision": 0.9}, ["a", "b"])
    assert found["pooled"] == ["a", "b"]
    assert {key: found["decisions"]["a"][key] for key in presence.KEYS} == presence.PLAIN
    assert found["decisions"]["a"]["expected_precision"] is None
    assert not found["decisions"]["a"]["aim_reached"]
    assert presence_fit.fit([], [], "f1", ["a"])["decisions"]["a"]["false_alarms_per_hour"] is None


def test_one_recording_is_enough_for_pooled_values():
    truths, entries = scenes(8, 1, (20.0, 20.0))
    found = presence_fit.fit(truths, entries, "f1", ["a", "b"])
    assert found["pooled"] == ["a", "b"]
    assert f1(truths, entries, of(found)) > 0.7


@pytest.mark.parametrize(
    "aim", ["f2", {}, {"precision": 1.0}, {"precision": 0}, {"false_alarms_per_hour": 0}, {"x": 1}]
)
def test_an_aim_that_is_none_is_refused(aim):
    with pytest.raises(ValueError, match="expected f1, "):
        presence_fit.fit([], [], aim, [])
