"""Cross-validation: measures out of fold against scikit-learn, spreads by hand, and folds that do not add up."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, label_ranking_average_precision_score

from dawnchorus.evaluation import cross_validation
from dawnchorus.foundation.errors import InputError
from dawnchorus.metrics import bootstrap
from dawnchorus.stages import cross_validation as stage

N_ROWS, N_FOLDS = 60, 3


def made(seed=0):
    """Return truth, fold, groups and the scores of two seeds that are mostly right, of another model, and of none."""
    rng = np.random.default_rng(seed)
    truth, fold = rng.integers(3, size=N_ROWS), np.repeat(np.arange(N_FOLDS), N_ROWS // N_FOLDS)
    groups = np.array([f"g{n // 4}" for n in range(N_ROWS)])
    first, second, baseline = (rng.dirichlet(np.ones(3), N_ROWS) + w * np.eye(3)[truth] for w in (0.5, 0.8, 0.1))
    return truth, fold, groups, [scores / scores.sum(axis=1, keepdims=True) for scores in (first, second, baseline)]


def test_measures_are_scikit_learns_on_all_rows_and_spreads_numpys():
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


NAMES = {"predictions": "predictions", "baselines": "baseline_predictions"}


def a_project(folder):
    truth, fold, groups, (first, second, baseline) = made()
    split = pd.DataFrame({"annotation_id": range(N_ROWS), "recording_id": groups, "group": groups})
    words = []
    for of_fold in range(N_FOLDS):
        here = fold == of_fold
        path = folder / f"fold-{of_fold}/split.csv"
        path.parent.mkdir(parents=True)
        split.assign(partition=np.where(here, "test", "train")).to_csv(path, index=False)
        words.append(str(path))
    runs = []
    for of_fold in range(N_FOLDS):
        for number, scores in enumerate((first, second)):
            here, run = np.flatnonzero(fold == of_fold), folder / f"run-{of_fold}-{number}"
            run.mkdir()
            columns = {f"score_s{k}": scores[here, k] for k in range(3)}
            truths = [f"s{k}" for k in truth[here]]
            ids = {"annotation_id": here, "recording_id": groups[here], "true_species_id": truths}
            pd.DataFrame({**ids, **columns}).to_csv(run / "predictions.csv", index=False)
            of_control = {f"score_s{k}": baseline[here[2:], k] for k in range(3)}
            pd.DataFrame({"model": "other", "annotation_id": here[2:], **of_control}).to_csv(
                run / "baseline_predictions.csv", index=False
            )
            runs.append(str(run))
    block = {
        "seed": 7,
        "cross_validation": {"seeds": 2},
        "evaluation": {"bootstrap_draws": 100, "top_k": 2},
    }
    tables = {key: [f"{run}/{name}.csv" for run in runs] for key, name in NAMES.items()}
    arguments = [
        "--predictions",
        *tables["predictions"],
        "--baseline-predictions",
        *tables["baselines"],
        "--splits",
        *words,
    ]
    return [*arguments, "--model", "net", "--params", json.dumps(block)], made()


def test_stage_puts_the_folds_together(tmp_path, capsys):
    arguments, (truth, fold, _, (first, second, _)) = a_project(tmp_path)
    stage.main([*arguments, "--output", str(tmp_path / "out")])
    comparison = pd.read_csv(tmp_path / "out/baselines.csv").set_index("model")
    assert comparison.index.tolist() == ["net", "other"]
    expected = np.mean([accuracy_score(truth, scores.argmax(axis=1)) for scores in (first, second)])
    assert comparison.loc["net", "accuracy"] == pytest.approx(expected)
    # The baseline answers 18 of 20 rows of each fold, and is the same for both seeds.
    assert comparison.loc["other", ["clips", "seeds"]].tolist() == [54, 1]
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["net"]["accuracy"] == pytest.approx(expected)
    predictions = pd.read_csv(tmp_path / "out/predictions.csv")
    assert len(predictions) == 2 * N_ROWS
    assert predictions[predictions["seed"] == 8].sort_values("annotation_id")["fold"].tolist() == (fold + 1).tolist()
    assert len(pd.read_csv(tmp_path / "out/folds.csv")) == 2 * N_FOLDS + N_FOLDS
    said = capsys.readouterr().out
    assert f"net: accuracy {expected:.3f} [" in said
    assert "2 seeds +-" in said


def test_an_annotation_that_no_fold_tests_is_one_line(tmp_path):
    arguments, _ = a_project(tmp_path)
    for number in range(2):
        path = tmp_path / f"run-1-{number}/predictions.csv"
        path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match="annotation 39: tested in no fold; expected each annotation in one"):
        stage.main([*arguments, "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
