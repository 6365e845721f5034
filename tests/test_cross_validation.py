"""Cross-validation: metrics out of fold against scikit-learn, spreads by hand, and folds that do not add up."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, label_ranking_average_precision_score

from dawnchorus.evaluation import cross_validation
from dawnchorus.foundation.errors import InputError
from dawnchorus.metrics import bootstrap
from dawnchorus.stages import cross_validation as stage
from dawnchorus.tables.definitions import (
    BASELINE_PREDICTIONS,
    DETECTION_RECORDINGS,
    DETECTION_SEGMENTS,
    PREDICTIONS,
    ROWS,
)
from dawnchorus.tables.made import write
from test_detection_comparison import tables as detection_tables

N_ROWS, N_FOLDS = 60, 3


def made(seed=0):
    """Return truth, fold, groups and the scores of two seeds that are mostly right, of another model, and of none."""
    rng = np.random.default_rng(seed)
    truth, fold = rng.integers(3, size=N_ROWS), np.repeat(np.arange(N_FOLDS), N_ROWS // N_FOLDS)
    groups = np.array([f"g{n // 4}" for n in range(N_ROWS)])
    first, second, baseline = (rng.dirichlet(np.ones(3), N_ROWS) + w * np.eye(3)[truth] for w in (0.5, 0.8, 0.1))
    return truth, fold, groups, [scores / scores.sum(axis=1, keepdims=True) for scores in (first, second, baseline)]


def test_metrics_are_scikit_learns_on_all_rows_and_spreads_numpys():
    truth, fold, groups, (first, second, baseline) = made()
    answered = np.arange(10, N_ROWS)
    answers = {"net": (np.arange(N_ROWS), [first, second]), "other": (answered, [baseline[answered]])}
    weights = bootstrap.draws(groups, 200, np.random.default_rng(1))
    net, other = cross_validation.table(truth, answers, fold, groups, weights, 2)
    of_seeds = [accuracy_score(truth, scores.argmax(axis=1)) for scores in (first, second)]
    assert net["accuracy"] == pytest.approx(np.mean(of_seeds))
    assert net["accuracy_seed_sd"] == pytest.approx(np.std(of_seeds, ddof=1))
    of_folds = [
        np.mean([accuracy_score(truth[fold == n], scores[fold == n].argmax(axis=1)) for scores in (first, second)])
        for n in range(N_FOLDS)
    ]
    assert net["accuracy_fold_mean"] == pytest.approx(np.mean(of_folds))
    assert net["accuracy_fold_sd"] == pytest.approx(np.std(of_folds, ddof=1))
    ranked = [label_ranking_average_precision_score(np.eye(3)[truth], scores) for scores in (first, second)]
    assert net["lwlrap"] == pytest.approx(np.mean(ranked))
    assert net["accuracy_low"] < net["accuracy"] < net["accuracy_high"]
    assert (net["seeds"], net["clips"], net["groups"], net["advantage"]) == (2, N_ROWS, 15, None)

    assert (other["seeds"], other["clips"], other["accuracy_seed_sd"]) == (1, 50, None)
    hits = np.mean([scores.argmax(axis=1) == truth for scores in (first, second)], axis=0)
    expected = (hits - (baseline.argmax(axis=1) == truth))[answered].mean()
    assert other["advantage"] == pytest.approx(expected)
    assert other["advantage_low"] < expected < other["advantage_high"]


def test_two_equal_seeds_have_the_interval_of_one():
    truth, fold, groups, (first, _, _) = made()
    weights = bootstrap.draws(groups, 200, np.random.default_rng(1))
    everything = np.arange(N_ROWS)
    (one,) = cross_validation.table(truth, {"net": (everything, [first])}, fold, groups, weights, 2)
    (two,) = cross_validation.table(truth, {"net": (everything, [first, first])}, fold, groups, weights, 2)
    assert two["accuracy_seed_sd"] == 0
    same = [key for key in one if key != "seeds" and not key.endswith("seed_sd")]
    assert {key: one[key] for key in same} == pytest.approx({key: two[key] for key in same})


def test_each_fold_and_seed_has_its_row():
    truth, fold, _, (first, second, baseline) = made()
    everything = np.arange(N_ROWS)
    answers = {"net": (everything, [first, second]), "other": (everything, [baseline])}
    rows = cross_validation.fold_table(truth, answers, fold, ["a", "b", "c"], [7, 8], 2)
    assert [(row["model"], row["fold"], row["seed"]) for row in rows] == [
        *(("net", name, seed) for name in "abc" for seed in (7, 8)),
        *(("other", name, None) for name in "abc"),
    ]
    row = next(row for row in rows if (row["fold"], row["seed"]) == ("b", 8))
    assert row["accuracy"] == accuracy_score(truth[fold == 1], second[fold == 1].argmax(axis=1))
    assert row["clips"] == 20


def tables_of(truth, fold, groups, scores):
    """Return rows.csv, and predictions.csv and baseline_predictions.csv of each fold and seed.

    The baseline does not answer the first two clips of a fold, and is the same for both seeds.
    """
    first, second, baseline = scores
    rows = pd.DataFrame({"annotation_id": np.arange(N_ROWS) + 100, "recording_id": groups, "class_index": truth})
    rows = rows.assign(group=groups)
    predictions, of_baselines = [], []
    for of_fold in range(N_FOLDS):
        here = np.flatnonzero(fold == of_fold)
        for of_seed in (first, second):
            columns = {f"score_s{k}": of_seed[here, k].astype(np.float32) for k in range(3)}
            predictions.append(rows.iloc[here][["annotation_id", "recording_id"]].assign(**columns))
            columns = {f"score_s{k}": baseline[here[2:], k].astype(np.float32) for k in range(3)}
            of_baselines.append(rows.iloc[here[2:]][["annotation_id"]].assign(model="other", **columns))
    return rows, predictions, of_baselines


def test_folds_are_put_together():
    truth, fold, groups, scores = made()
    rows, *runs = tables_of(truth, fold, groups, scores)
    found = cross_validation.gathered(rows, *runs, [7, 8], "net")
    assert (found.truth.tolist(), found.fold.tolist()) == (truth.tolist(), fold.tolist())
    positions, of_seeds = found.answers["net"]
    assert positions.tolist() == list(range(N_ROWS))
    np.testing.assert_allclose(of_seeds, scores[:2], rtol=1e-6)
    positions, of_seeds = found.answers["other"]
    assert len(of_seeds) == 1
    assert positions.tolist() == [row for row in range(N_ROWS) if row % (N_ROWS // N_FOLDS) >= 2]
    np.testing.assert_allclose(of_seeds[0], scores[2][positions], rtol=1e-6)
    table = found.predictions
    assert len(table) == 2 * N_ROWS
    assert table[table["seed"] == 8].sort_values("annotation_id")["fold"].tolist() == (fold + 1).tolist()


def test_an_annotation_that_no_fold_tests_is_one_line():
    rows, predictions, of_baselines = tables_of(*made())
    predictions[2:4] = [table.iloc[:-1] for table in predictions[2:4]]
    with pytest.raises(InputError, match="annotation 139: tested in no fold; expected each annotation in one"):
        cross_validation.gathered(rows, predictions, of_baselines, [7, 8], "net")


def test_stage_reads_the_folds_and_writes_what_they_say(tmp_path, capsys):
    truth, fold, groups, scores = made()
    rows, *runs = tables_of(truth, fold, groups, scores)
    of_rows = {"t_min_s": 0.0, "t_max_s": 1.0, "f_min_hz": None, "f_max_hz": None, "n_frames": 5, "partition": "test"}
    of_rows |= {"species_id": "s", "species_name": "s", "row": 0}
    write(tmp_path / "rows.csv", ROWS, rows.assign(**of_rows))
    common = {"t_min_s": 0.0, "t_max_s": 1.0, "partition": "test"}
    common |= dict.fromkeys(("true_species_id", "true_name", "predicted_species_id", "predicted_name"), "s")
    words = ["--rows", str(tmp_path / "rows.csv"), "--model", "net", "--detector", "net on windows", "--params"]
    block = {"seed": 7, "cross_validation": {"seeds": 2}}
    block["data"] = {"annotated": "all"}
    words.append(json.dumps({**block, "evaluation": {"bootstrap_draws": 100, "top_k": 2}}))
    for option, table, tables in (
        ("--fold-predictions", PREDICTIONS, [run.assign(**common) for run in runs[0]]),
        ("--fold-baseline-predictions", BASELINE_PREDICTIONS, runs[1]),
    ):
        words.append(option)
        for number, run in enumerate(tables):
            words.append(str(tmp_path / f"{number}/{table.name}"))
            write(words[-1], table, run)
    for name in ("metrics.json", "baselines.csv", "folds.csv", "predictions.csv", "detection.csv"):
        words += [f"--{name.split('.')[0]}", str(tmp_path / "out" / name)]
    # Two recordings a fold, of which the first seed finds 4 of 10 calls and the second 8.
    for part, table in enumerate((DETECTION_RECORDINGS, DETECTION_SEGMENTS)):
        words.append(f"--fold-{table.name.removesuffix('.csv').replace('_', '-')}")
        for number in range(2 * N_FOLDS):
            names, hits = range(number // 2 * 2, number // 2 * 2 + 2), (4, 8)[number % 2]
            words.append(str(tmp_path / f"{number}/{table.name}"))
            write(words[-1], table, detection_tables(hits, names=names)[part])
    stage.main(words)
    detected = pd.read_csv(tmp_path / "out/detection.csv").iloc[0]
    assert (detected["recordings"], detected["groups"]) == (2 * N_FOLDS, N_FOLDS)
    assert detected["model"] == "net on windows"
    assert detected["event_f1_iou30"] == pytest.approx(0.6)
    assert detected["event_f1_iou30_low"] == pytest.approx(0.6)
    beside = pd.read_csv(tmp_path / "out/baselines.csv").set_index("model")
    assert beside.index.tolist() == ["net", "other"]
    expected = np.mean([accuracy_score(truth, of_seed.argmax(axis=1)) for of_seed in scores[:2]])
    assert beside.loc["net", "accuracy"] == pytest.approx(expected)
    assert beside.loc["other", ["clips", "seeds", "groups"]].tolist() == [54, 1, 15]
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["net"]["accuracy"] == pytest.approx(expected)
    assert len(pd.read_csv(tmp_path / "out/predictions.csv")) == 2 * N_ROWS
    assert len(pd.read_csv(tmp_path / "out/folds.csv")) == 2 * N_FOLDS + N_FOLDS
    said = capsys.readouterr().out
    assert f"net: accuracy {expected:.3f} [" in said
    assert "2 seeds +-" in said
    assert "(60 clips of 15 recordings)" in said
    sites = ["ridge", "ridge", "valley"]
    write(tmp_path / "rows.csv", ROWS, rows.assign(**{**of_rows, "group": np.repeat(sites, N_ROWS // 3)}))
    stage.main(words)
    assert "(60 clips of 2 groups)" in capsys.readouterr().out
    # Not all folds of all seeds.
    del words[words.index("--fold-predictions") + 1]
    with pytest.raises(
        InputError, match="5 tables of predictions, 6 of the baselines; expected 2 of each fold, one a seed"
    ):
        stage.main(words)
