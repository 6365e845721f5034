"""Folds: whole groups, each tested once, each class spread; or those of the user's column."""

import csv
import json

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from dawnchorus.foundation.errors import InputError
from dawnchorus.partitioning import folds
from dawnchorus.stages import folds as stage
from dawnchorus.tables.definitions import ANNOTATIONS


def test_drawn_folds_keep_groups_whole_and_spread_classes():
    rng = np.random.default_rng(0)
    groups = np.repeat([f"g{n}" for n in range(40)], 6)
    classes = rng.integers(4, size=len(groups))
    fold = folds.drawn(classes, groups, 5, np.random.default_rng(1))
    assert set(fold) == set(range(5))
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
    for label in range(4):
        counts = np.bincount(fold[classes == label], minlength=5)
        assert counts.min() > 0.5 * counts.mean()

    def unevenness(fold):
        shares = [np.bincount(classes[fold == n], minlength=4) / np.bincount(classes) for n in range(5)]
        return np.sum((np.array(shares) - 0.2) ** 2)

    library = np.zeros(len(classes), dtype=int)
    for number, (_, tested) in enumerate(StratifiedGroupKFold(5).split(classes, classes, groups)):
        library[tested] = number
    assert unevenness(fold) <= unevenness(library)
    np.testing.assert_array_equal(fold, folds.drawn(classes, groups, 5, np.random.default_rng(1)))
    assert (fold != folds.drawn(classes, groups, 5, np.random.default_rng(2))).any()
    with pytest.raises(InputError, match=r"cross_validation\.folds: 41: expected at most the number of groups, 40"):
        folds.drawn(classes, groups, 41, rng)


def test_folds_of_a_column_are_its_values_in_order():
    groups = np.array(["a", "a", "b", "c", "d"])
    fold, names = folds.of_column(["10", "10", "2", "2", "site"], groups, 3, "place")
    assert (fold.tolist(), names) == ([1, 1, 0, 0, 2], ["2", "10", "site"])
    with pytest.raises(InputError, match=r"folds: 5: expected 3, the number of values of column place \(2, 10, site\)"):
        folds.of_column(["10", "10", "2", "2", "site"], groups, 5, "place")
    with pytest.raises(InputError, match="group 'a' lies in '1' and in '2'; expected each group"):
        folds.of_column(["1", "2", "2", "1", "1"], groups, 2, "place")


def written(folder, params, n_folds=3):
    """Run the stage on 8 recordings of 3 calls and return the partitions of each fold."""
    rows = [f"{3 * r + s},r{r},{s},{s},,0.5,1.5,,,{r % 4}" for r in range(8) for s in range(3)]
    header = ",".join([*ANNOTATIONS.names, "place"])
    (folder / "annotations.csv").write_text("\n".join([header, *rows]) + "\n")
    paths = [folder / f"fold-{n}/split.csv" for n in range(n_folds)]
    block = {"split": {"method": "grouped", "group": "recording_id"}, "seed": 5, **params}
    block.setdefault("train", {"early_stopping_patience": None})
    block["cross_validation"] = {"column": None, "validation_fraction": 0.0, **params.get("cross_validation", {})}
    words = ["--annotations", str(folder / "annotations.csv"), "--params", json.dumps(block)]
    stage.main([*words, "--output", *map(str, paths)])
    return [list(csv.DictReader(path.open(newline=""))) for path in paths]


def test_stage_tests_each_annotation_in_one_fold(tmp_path, capsys):
    tables = written(tmp_path, {})
    partitions = np.array([[row["partition"] for row in table] for table in tables])
    assert ((partitions == "test").sum(axis=0) == 1).all()
    assert set(partitions.ravel()) == {"train", "test"}
    for table in tables:
        assert [row["annotation_id"] for row in table] == [str(n) for n in range(24)]
        assert all(row["group"] == row["recording_id"] for row in table)
        tested = {row["recording_id"] for row in table if row["partition"] == "test"}
        assert not tested & {row["recording_id"] for row in table if row["partition"] == "train"}
    assert capsys.readouterr().out.count("0 validation") == 3


def test_stage_keeps_whole_groups_for_validation(tmp_path):
    tables = written(tmp_path, {"cross_validation": {"column": "place", "validation_fraction": 0.25}}, 4)
    for number, table in enumerate(tables):
        of = {part: {row["recording_id"] for row in table if row["partition"] == part} for part in ("train", "test")}
        assert of["test"] == {f"r{number}", f"r{number + 4}"}
        validated = {row["recording_id"] for row in table if row["partition"] == "validation"}
        assert len(validated) == 2
        assert not validated & (of["train"] | of["test"])


def test_where_one_group_has_most_rows_less_validates_and_that_is_said(tmp_path, capsys):
    names = ["most"] * 90 + [f"r{n}" for n in range(10)]
    rows = [f"{n},{name},{n % 2},{n % 2},,{n % 30},{n % 30}.5,," for n, name in enumerate(names)]
    (tmp_path / "annotations.csv").write_text("\n".join([",".join(ANNOTATIONS.names), *rows]) + "\n")
    params = {"seed": 1, "split": {"method": "grouped", "group": "recording_id"}}
    params |= {"train": {"early_stopping_patience": None}}
    params |= {"cross_validation": {"column": None, "validation_fraction": 0.2}}
    paths = [tmp_path / f"fold-{n}/split.csv" for n in range(3)]
    words = ["--annotations", str(tmp_path / "annotations.csv"), "--params", json.dumps(params)]
    stage.main([*words, "--output", *map(str, paths)])
    said = capsys.readouterr().out
    assert said.count("in place of 0.2") == 1
    assert "validation_fraction: 0.05 in place of 0.2" in said
    for path in paths:
        with path.open() as file:
            parts = [row["partition"] for row in csv.DictReader(file)]
        assert {"train", "validation", "test"} == set(parts)


def test_early_stopping_needs_validation_rows_in_every_fold(tmp_path):
    patient = {"train": {"early_stopping_patience": 3}}
    with pytest.raises(InputError, match=r"cross_validation.validation_fraction: 0: expected more than 0, because"):
        written(tmp_path, patient)
    assert not list(tmp_path.glob("fold-*"))
    tables = written(tmp_path, {**patient, "cross_validation": {"validation_fraction": 0.25}})
    assert all("validation" in {row["partition"] for row in table} for table in tables)


def test_the_articles_split_takes_single_annotations(tmp_path):
    tables = written(tmp_path, {"split": {"method": "article", "group": "recording_id"}})
    assert all(row["group"] == row["annotation_id"] for table in tables for row in table)


def test_an_unknown_column_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"cross_validation\.column: 'site': expected a column of the annotations"):
        written(tmp_path, {"cross_validation": {"column": "site"}})
    with pytest.raises(InputError, match=r"split\.group: 'site': expected a column of the annotations"):
        written(tmp_path, {"split": {"method": "grouped", "group": "site"}})
