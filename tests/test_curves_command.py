"""`dawnchorus curves`: learning curves of several projects in one figure, and what is refused."""

import json
import shutil

import pytest

from dawnchorus.commands import cli
from dawnchorus.tables import definitions, made

AHEAD = {"labels": 20.0, "value": 0.8, "low": 0.7, "high": 0.9}
POINTS = {"labels": [1.0, 5.0, 20.0], "value": [0.3, 0.6, 0.8], "low": [0.2, 0.5, 0.7], "high": [0.4, 0.7, 0.9]}


def project(path, clips=30, shift=0.0, metric=None):
    """Write the learning curve of a project, as the study does."""
    study = path / "reports/learning_curve"
    study.mkdir(parents=True)
    rows = []
    for labels, number, value in (("1", 1.0, 0.3), ("5", 5.0, 0.6), ("all", 10.0, 0.7)):
        row = {"labels": labels, "labels_per_class": number, "clips": 3, "trainings": 2}
        for name in ("accuracy", "average_precision"):
            row |= {name: value + shift, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1 + shift}
            row[f"{name}_draw_sd"] = None
        rows.append(row)
    made.write(study / "curve.csv", definitions.LEARNING_CURVE, rows)
    metric = metric or {"chance": 0.1, "measured": 0.7, "curve": POINTS, "twice": AHEAD, "hindsight": None}
    fit = {"model": "cnn", "clips": clips, "groups": 5, "units": "groups", "labels_per_class": 10.0}
    (study / "fit.json").write_text(json.dumps({**fit, "accuracy": metric, "average_precision": metric}))
    return path


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_curves_stand_in_one_figure_by_their_names(tmp_path, capsys, suffix):
    scratch, other = project(tmp_path / "frogs"), project(tmp_path / "birds", shift=0.1)
    output = tmp_path / f"curves.{suffix}"
    assert cli.main(["curves", str(scratch), f"em<b>={other}", "--output", str(output)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "curves: frogs: accuracy 0.700 with all labels, 30 test clips",
        "curves: em<b>: accuracy 0.800 with all labels, 30 test clips",
    ]
    assert said[2:] == [f"curves: {output}"]
    if suffix == "svg":
        text = output.read_text()
        assert "frogs" in text
        assert "em&lt;b&gt;" in text
        assert "<b>" not in text
    else:
        assert output.read_bytes()[:4] == b"\x89PNG"


def test_one_alone_and_one_without_a_fit_are_drawn_and_other_clips_are_said(tmp_path, capsys):
    nothing = {"chance": 0.1, "measured": 0.7, "curve": None, "twice": None, "hindsight": None}
    bare = project(tmp_path / "bare", clips=31, metric=nothing)
    assert cli.main(["curves", str(bare), "--output", str(tmp_path / "one.svg")]) == 0
    full = project(tmp_path / "full")
    assert cli.main(["curves", str(bare), str(full), "--output", str(tmp_path / "two.svg")]) == 0
    assert "they are tested on other clips each" in capsys.readouterr().out


def test_what_is_no_learning_curve_is_one_line_and_nothing_is_written(tmp_path, capsys):
    good, output = project(tmp_path / "good"), tmp_path / "out.svg"
    bad = {name: tmp_path / name for name in ("empty", "json", "type", "nan", "lengths", "table")}
    bad["empty"].mkdir()
    for name in list(bad)[1:]:
        shutil.copytree(good, bad[name])
    fits = {name: bad[name] / "reports/learning_curve/fit.json" for name in list(bad)[1:]}
    fit = json.loads(fits["json"].read_text())
    fits["json"].write_text("{")
    fits["type"].write_text(json.dumps({**fit, "accuracy": {**fit["accuracy"], "chance": "0.1"}}))
    fits["nan"].write_text(json.dumps({**fit, "labels_per_class": float("nan")}))
    short = {**POINTS, "low": [0.1]}
    fits["lengths"].write_text(json.dumps({**fit, "accuracy": {**fit["accuracy"], "curve": short}}))
    (bad["table"] / "reports/learning_curve/curve.csv").write_text("labels\n1\n")
    expected = {
        "empty": "not there; expected a learning curve",
        "json": "fit.json: expected what `snakemake learning_curve` writes",
        "type": "accuracy.chance: Input should be a valid number",
        "nan": "NaN; expected finite numbers",
        "lengths": "accuracy.curve: expected as many values as labels",
        "table": "curve.csv",
    }
    for name, words in expected.items():
        assert cli.main(["curves", str(good), str(bad[name]), "--output", str(output)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert words in line
        assert not output.exists()
    assert cli.main(["curves", "=x", "--output", str(output)]) == 1
    assert "'=x': expected FOLDER or NAME=FOLDER" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["curves", str(good), "--output", "curves.pdf"])
    assert "expected a file that ends with .png or .svg" in capsys.readouterr().err


def test_a_folder_is_no_figure_and_nothing_is_drawn(tmp_path, capsys):
    (tmp_path / "d.png").mkdir()
    assert cli.main(["curves", str(project(tmp_path / "one")), "--output", str(tmp_path / "d.png")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'd.png'}: a folder; expected a file, or no such name\n"
