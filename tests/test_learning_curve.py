"""The learning curve: what is measured, against plain scikit-learn and by hand; its figure, its page and its stages."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

import data_sets
from dawnchorus.evaluation import learning_curve
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import models, saved_model
from dawnchorus.report import learning_curve_figure, learning_curve_page
from dawnchorus.stages import learning_curve as stage
from dawnchorus.stages import learning_curve_draw as draw_stage
from dawnchorus.tables import definitions, made
from dawnchorus.workflow import params_file

CLASSES = pd.DataFrame(
    {"class_index": [0, 1, 2], "species_id": ["a", "<b>", "c"], "species_name": ["Ant", "<b>Bee</b>", "Cat"]}
)
RECIPE = {
    "seed": 3,
    "model": {"name": "logistic_regression", "l2": 0.01},
    "train": {**params_file.defaults()["train"], "epochs": 10, "learning_rate": 0.05, "early_stopping_patience": None},
    "evaluation": {"batch_size": 16, "bootstrap_draws": 100},
}
SIZES, DRAWS = [1, 2, 4, 9], 3


def clips(n=120, loudness=0.8):
    """Return a data set in which a class raises one feature; two clips of each recording, a third of them tested."""
    rng = np.random.default_rng(6)
    class_index = np.arange(n) // 2 % 3
    x = rng.normal(size=(n, 8, 4)).astype(np.float32)
    x[np.arange(n), :, class_index] += loudness * rng.uniform(0.2, 1, size=(n, 1))
    partition = np.where(np.arange(n) // 6 % 3 == 2, "test", "train")
    train = np.flatnonzero(partition == "train")
    training_rows = pd.DataFrame({"row": range(len(train)), "annotation_id": train, "n_frames": 8, "first_start": 0})
    return data_sets.data_set(
        x, class_index, partition, CLASSES, training=x[train], training_rows=training_rows.assign(last_start=0)
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with the data set, the model, the trainings on few labels, and what the stage made of them."""
    folder = tmp_path_factory.mktemp("curve")
    files = data_sets.write(clips(), folder / "dataset")
    model, _, card = models.train(clips(), {key: RECIPE[key] for key in ("seed", "model", "train")}, 1, print)
    saved_model.save(model, card, folder / "model.keras")
    tables = []
    for labels in SIZES:
        for draw in range(DRAWS):
            tables.append(folder / f"labels-{labels}-seed-{3 + draw}.csv")
            params = json.dumps({**RECIPE, "seed": 3 + draw})
            arguments = ["--dataset", *files, "--labels", str(labels), "--params", params, "--threads", "1"]
            draw_stage.main([*arguments, "--output", str(tables[-1])])
    run(folder, files, tables)
    return folder, files, tables


def run(folder, files, tables, sizes=SIZES):
    block = {"seed": 3, "evaluation": RECIPE["evaluation"], "learning_curve": {"labels": sizes, "draws": DRAWS}}
    out = folder / "out"
    arguments = ["--dataset", *files, "--draws", *map(str, tables), "--model", str(folder / "model.keras")]
    arguments += ["--threads", "1", "--params", json.dumps(block)]
    names = {"curve": "curve.csv", "drawn": "draws.csv", "fit": "fit.json", "page": "page.html"}
    arguments += [part for name, file in names.items() for part in (f"--{name}", str(out / file))]
    stage.main([*arguments, "--figures", str(out / "curve.png"), str(out / "curve.svg")])


def test_metrics_of_each_training_are_those_of_scikit_learn(study):
    folder, _, tables = study
    draws = made.frame(folder / "out/draws.csv", definitions.CURVE_DRAWS)
    assert draws["labels"].tolist() == [str(n) for n in SIZES for _ in range(DRAWS)] + ["all"]
    assert draws["seed"].tolist() == [3, 4, 5] * len(SIZES) + [3]
    for path, (_, row) in zip(tables, draws.iterrows(), strict=False):
        table = made.frame(path, definitions.PREDICTIONS)
        assert len(table) == 36
        scores = table[[f"score_{name}" for name in CLASSES["species_id"]]].to_numpy()
        truth = np.array([CLASSES["species_id"].tolist().index(name) for name in table["true_species_id"]])
        assert row["accuracy"] == pytest.approx(np.mean(scores.argmax(axis=1) == truth))
        expected = np.mean([average_precision_score(truth == of, scores[:, of]) for of in range(3)])
        assert row["average_precision"] == pytest.approx(expected)


def test_a_row_of_the_curve_is_the_mean_of_its_draws(study):
    curve = made.frame(study[0] / "out/curve.csv", definitions.LEARNING_CURVE)
    draws = made.frame(study[0] / "out/draws.csv", definitions.CURVE_DRAWS)
    assert curve["labels"].tolist() == ["1", "2", "4", "9", "all"]
    # Of each of three classes 28 clips train.
    assert curve["clips"].tolist() == [3, 6, 12, 27, 84]
    assert curve["labels_per_class"].tolist() == pytest.approx([1, 2, 4, 9, 28])
    assert curve["trainings"].tolist() == [3, 3, 3, 3, 1]
    for _, row in curve.iterrows():
        of = draws[draws["labels"] == row["labels"]]
        for metric in ("accuracy", "average_precision"):
            assert row[metric] == pytest.approx(of[metric].mean())
            assert row[f"{metric}_low"] <= row[metric] <= row[f"{metric}_high"]
            spread = row[f"{metric}_draw_sd"]
            assert np.isnan(spread) if len(of) == 1 else spread == pytest.approx(of[metric].std())
    assert curve["accuracy"].iloc[-1] > curve["accuracy"].iloc[0] + 0.1


def test_the_fit_holds_curve_forecast_and_hindsight(study):
    fit = json.loads((study[0] / "out/fit.json").read_text())
    assert (fit["model"], fit["clips"], fit["units"]) == ("logistic_regression", 36, "recordings")
    for metric, chance in (("accuracy", 1 / 3), ("average_precision", None)):
        of = fit[metric]
        assert chance is None or of["chance"] == pytest.approx(chance)
        assert of["twice"]["labels"] == pytest.approx(56)
        assert of["twice"]["low"] <= of["twice"]["value"] <= of["twice"]["high"]
        assert of["hindsight"]["from_labels"] == "9"
        assert of["hindsight"]["low"] <= of["hindsight"]["value"] <= of["hindsight"]["high"]
        labels, value = np.array(of["curve"]["labels"]), np.array(of["curve"]["value"])
        assert (labels[0], labels[-1]) == pytest.approx((1, 56))
        assert (np.diff(value) > 0).all()


def test_the_study_says_what_it_found_and_runs_the_same_again(study, capsys):
    folder, files, tables = study
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    run(folder, files, tables)
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == before
    said = capsys.readouterr().out
    assert "learning_curve: 1 label of a class: accuracy 0." in said
    assert "learning_curve: all labels, 28 of a class: accuracy 0." in said
    assert "With twice the labels, 56 of a class, accuracy would be" in said
    assert "A test of such forecasts: from up to 9 labels alone" in said


def test_a_training_on_few_labels_is_that_of_the_recipe_on_them(study):
    """The same scores as from a data set that holds no other training clip."""
    _, _, tables = study
    from dawnchorus.foundation.seeds import rng
    from dawnchorus.learning import few_labels

    data = clips()
    few = few_labels.drawn(data, 4, rng(4, "labels"))
    kept = np.sort(np.concatenate([few.rows_of("train"), few.rows_of("test")]))
    alone = data_sets.data_set(data.x[kept], data.class_index[kept], data.rows["partition"].to_numpy()[kept], CLASSES)
    model, _, _ = models.train(alone, {**RECIPE, "seed": 4}, 1, print)
    scores = model.predict_on_batch(alone.x[alone.rows_of("test")])
    table = made.frame(next(path for path in tables if path.name == "labels-4-seed-4.csv"), definitions.PREDICTIONS)
    np.testing.assert_allclose(table[[f"score_{name}" for name in CLASSES["species_id"]]], scores, rtol=1e-6)


@pytest.mark.long
def test_a_network_trains_on_windows_of_the_drawn_labels(tmp_path):
    """The clips that are drawn anew in each epoch are those of the labels, else a row too many would be an error."""
    files = data_sets.write(replace(clips(), statistics=windows(clips().statistics)), tmp_path / "dataset")
    block = params_file.defaults(model="simplest_lstm")["model"]
    train = {**RECIPE["train"], "epochs": 2, "background_share": 0.0}
    params = json.dumps({**RECIPE, "model": block, "train": train})
    written = []
    for name in ("first.csv", "second.csv"):
        arguments = ["--dataset", *files, "--labels", "2", "--params", params, "--threads", "1"]
        draw_stage.main([*arguments, "--output", str(tmp_path / "out" / name)])
        written.append((tmp_path / "out" / name).read_bytes())
    assert written[0] == written[1]
    assert len(made.frame(tmp_path / "out/first.csv", definitions.PREDICTIONS)) == 36
    # What a killed training goes on from is gone when one has ended.
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"first.csv", "second.csv"}


def windows(statistics):
    return {**statistics, "features": {**statistics["features"], "clip": "window", "jitter_s": 0.5}}


def test_sizes_that_hold_all_labels_are_measured_and_not_fitted(study):
    folder, files, tables = study
    rows = clips().rows
    assert learning_curve.labels_of(rows, 1000) == learning_curve.labels_of(rows, None) == (28, 84)
    few = [*tables[:DRAWS], *([tables[-1]] * DRAWS)]
    copied = folder / "two"
    copied.mkdir()
    (copied / "model.keras").write_bytes((folder / "model.keras").read_bytes())
    run(copied, files, few, sizes=[1, 1000])
    fit = json.loads((copied / "out/fit.json").read_text())
    assert fit["accuracy"]["twice"] is fit["accuracy"]["curve"] is fit["accuracy"]["hindsight"] is None
    page = (copied / "out/page.html").read_text()
    assert "No forecast: the classes have 28 labels in the mean" in page


def test_what_cannot_be_measured_is_one_line(study):
    folder, files, tables = study
    with pytest.raises(InputError, match=r"^11 tables of predictions; expected 3 of each of 4 sizes$"):
        run(folder, files, tables[1:])
    data = clips()
    table = made.frame(tables[0], definitions.PREDICTIONS)
    untested = data.rows.assign(partition="train")
    with pytest.raises(InputError, match=r"no row of partition test; expected test clips"):
        learning_curve.tested(untested, {1: [(3, table)]}, (3, table))
    with pytest.raises(InputError, match=r"one class alone; expected two or more"):
        learning_curve.tested(data.rows.assign(class_index=0), {1: [(3, table)]}, (3, table))
    with pytest.raises(InputError, match=r"expected the test clips of rows\.csv, in the same order"):
        learning_curve.tested(data.rows, {1: [(3, table[::-1])]}, (3, table))


def test_scores_without_meaning_have_the_average_precision_of_chance():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [3, 10, 27])
    found = [
        np.mean([average_precision_score(truth == of, rng.random(len(truth))) for of in range(3)]) for _ in range(400)
    ]
    assert learning_curve.chance_average_precision(truth) == pytest.approx(np.mean(found), abs=0.015)
    # One clip of two classes each: it comes first or second.
    assert learning_curve.chance_average_precision(np.array([0, 1])) == pytest.approx(0.75)


def test_intervals_are_over_draws_of_labels_too():
    """Of trainings that answer alike the interval is that of the groups alone; of others it is wider."""
    rng = np.random.default_rng(1)
    n = 60
    test = pd.DataFrame(
        {"class_index": np.arange(n) % 2, "group": np.arange(n) // 2, "recording_id": np.arange(n) // 2}
    )
    test = test.astype({"group": str, "recording_id": str})
    right = np.eye(2)[test["class_index"]]

    def answers(share, seed):
        wrong = np.random.default_rng(seed).random(n) < share
        return np.where(wrong[:, None], 1 - right, right) + rng.uniform(0, 1e-3, (n, 2))

    same, others = [answers(0.3, 0)] * 4, [answers(share, 0) for share in (0.1, 0.2, 0.4, 0.5)]
    found = [learning_curve.Tested("5", 5, 10, [1, 2, 3, 4], scores) for scores in (same, others)]
    last = learning_curve.Tested("all", 9, 18, [1], [answers(0.1, 3)])
    widths = []
    for of in found:
        (row, _) = learning_curve.of_trainings(test, [of, last], 500, 1, "x").sizes
        widths.append(row["accuracy_high"] - row["accuracy_low"])
    assert widths[1] > 1.3 * widths[0] > 0


def test_the_figure_shows_each_training_the_mean_and_the_forecast(study):
    curve = made.read(study[0] / "out/curve.csv", definitions.LEARNING_CURVE)
    draws = made.read(study[0] / "out/draws.csv", definitions.CURVE_DRAWS)
    fit = json.loads((study[0] / "out/fit.json").read_text())
    one = learning_curve_figure.Drawn("one", curve, draws, fit)
    for curves, n_lines in (([one], 6), ([one, one], 9)):
        figure = learning_curve_figure.draw(curves)
        for ax, metric in zip(figure.axes, ("accuracy", "average_precision"), strict=True):
            lines = [line for line in ax.lines if len(line.get_xdata()) == len(curve)]
            assert len(lines) == len(curves)
            np.testing.assert_allclose(lines[0].get_ydata(), [row[metric] for row in curve])
            assert len(ax.lines) == n_lines
            assert ax.get_xscale() == "log"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["one", "one"]


def test_the_page_holds_the_figure_and_escapes_what_is_not_its_own(study):
    page = (study[0] / "out/page.html").read_text()
    assert page.count("<svg") >= 2
    assert "Accuracy with twice the labels" in page
    assert "<b>" not in page
    # Nothing is asked for from anywhere.
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.85, 0.80, 0.90), "More labels are worth their work."),
        ((0.71, 0.70, 0.715), "would change little"),
        ((0.75, 0.65, 0.80), "More labels may help"),
    ],
)
def test_what_is_advised_follows_from_the_interval(ends, expected):
    twice = dict(zip(("value", "low", "high"), ends, strict=True))
    assert expected in learning_curve_page._advice(twice, 0.70)
