"""params.yaml as Snakemake and DVC meet it: hostile, broken, with names of files that are not there; one line each."""

import os
import re
from pathlib import Path

import dag
import pytest
import yaml
from project import ROOT, Project

from dawnchorus.parameters.data import OPTIONAL

PROFILE = "Using workflow specific profile"
TABLES = ("annotations", *OPTIONAL)
COMMANDS = {
    "run": ("snakemake", "--cores", "2"),
    "dry run": ("snakemake", "--dry-run", "--cores", "1"),
    "dvc": ("dvc", "repro"),
}
pytestmark = pytest.mark.table

PARAMS = "params.yaml"


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Project:
    """A project that never runs, because no test of it lets it."""
    return Project.create(tmp_path_factory.mktemp("params") / "project")


@pytest.fixture
def bare(shared):
    before = (shared.path / PARAMS).read_text()
    yield shared
    (shared.path / PARAMS).unlink()
    (shared.path / PARAMS).write_text(before)
    assert not (shared.path / "data/recordings/annotations.csv").exists()


def refused(project: Project, command: str) -> list[str]:
    """Run a command that has to fail, and return its output without the lines that either tool always prints."""
    done = project.run(*COMMANDS[command], check=False, timeout=120)
    assert done.returncode != 0, done.stdout
    lines = done.stdout.splitlines()
    if command == "dvc" and lines[-1].startswith("ERROR: failed to reproduce"):
        start = next(number for number, line in enumerate(lines) if line.startswith("> python workflow/rule.py"))
        lines = lines[start + 1 : -1]
    return [line for line in lines if line and not line.startswith(PROFILE)]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_parameter_runs_as_code(bare, command):
    marker = bare.path / "ran"
    text = (bare.path / PARAMS).read_text()
    code = f"?(lambda: open({str(marker)!r}, 'w'))()"
    (bare.path / PARAMS).write_text(f"{text}__use_yte__: true\n__definitions__:\n  - open({str(marker)!r}, 'w')\n")
    last = len(text.splitlines())
    assert refused(bare, command) == [
        f"error: params.yaml:{last + 1}: __use_yte__: unknown key; known keys: {known_keys(bare)}",
        f"error: params.yaml:{last + 2}: __definitions__: unknown key; known keys: {known_keys(bare)}",
    ]
    (bare.path / PARAMS).write_text(text.replace("method: grouped", f'method: "{code}"'))
    (line,) = refused(bare, command)
    assert line.startswith("error: params.yaml:")
    assert 'split.method: "?(lambda' in line
    assert not marker.exists()


def known_keys(project: Project) -> str:
    return ", ".join(yaml.safe_load((ROOT / "params.yaml").read_text()))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_value_is_one_line_and_nothing_around_it(bare, command):
    bare.set("train.epochs", 0)
    (line,) = refused(bare, command)
    assert line.startswith(
        f"error: params.yaml:{line_of(bare, 'epochs')}: train.epochs: 0: expected integer from 1 to 100000"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "params.yaml: empty; expected blocks of keys and values"),
        (b"seed: 1\n\ttrain: 2\n", "params.yaml:2: a tab; expected spaces, which YAML indents by"),
        (b"seed: caf\xe9\n", "params.yaml:1: byte 0xE9 is not UTF-8; expected a file saved as UTF-8"),
        (b"a: &a [b, b]\nc: &c [*a, *a]\n", "params.yaml:1: a: &a, an anchor; expected the value alone"),
    ],
)
def test_a_file_that_is_no_file_of_values_is_one_line(bare, content, expected):
    (bare.path / PARAMS).write_bytes(content)
    assert refused(bare, "dry run") == [f"error: {expected}"]


def test_what_is_no_file_is_one_line_and_nobody_waits(bare):
    path = bare.path / PARAMS
    path.unlink()
    assert refused(bare, "dry run") == [
        "error: params.yaml: no such file; expected a YAML file of keys and values",
    ]
    os.mkfifo(path)
    assert refused(bare, "dry run") == ["error: params.yaml: a named pipe; expected a YAML file of keys and values"]
    path.unlink()
    path.symlink_to("/dev/zero")
    assert refused(bare, "dry run") == ["error: params.yaml: a device; expected a YAML file of keys and values"]


@pytest.mark.parametrize("option", [("--config", "seed=5"), ("--configfile", "params.yaml")])
def test_values_from_elsewhere_are_one_line(bare, option):
    done = bare.run("snakemake", "--dry-run", *option, check=False)
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if line and not line.startswith(PROFILE)]
    assert re.match(
        r"error: .*seed.*: given by --config or --configfile, or by a module's config; expected all values in params",
        line,
    )


def said_by_snakemake(project: Project) -> str:
    """Plan in this process, which is quicker, and return why there is no plan."""
    with pytest.raises(SystemExit) as caught:
        dag.planned(project.path)
    return str(caught.value)


def products(project: Project) -> dict[Path, bytes]:
    folders = (project.path / "data", project.path / "reports")
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*.csv")}


def line_of(project: Project, key: str) -> int:
    """Return the line in which a key stands, indented once."""
    lines = (project.path / PARAMS).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(f"  {key}:"))


def test_a_table_that_is_not_there_is_named_by_both_tools_and_nothing_runs(project):
    """Snakemake alone would leave out the rule that reads it, and go on with the data of the old one."""
    before, made = (project.path / PARAMS).read_text(), products(project)
    for key in (*TABLES, "audio_dir"):
        project.set(f"data.{key}", f"raw/typo-{key}")
        what = "folder" if key == "audio_dir" else "file"
        expected = (
            f'error: params.yaml:{line_of(project, key)}: data.{key}: "raw/typo-{key}": no such {what}; expected '
        )
        assert said_by_snakemake(project).startswith(expected)
        if key in ("annotations", "species_table"):
            for command in ("run", "dry run"):
                (line,) = refused(project, command)
                assert line.startswith(expected)
            done = project.run("dvc", "repro", check=False)
            assert done.returncode != 0
            assert f"typo-{key}" in done.stdout
            assert "Traceback" not in done.stdout
        (project.path / PARAMS).write_text(before)
    assert products(project) == made
    assert project.planned() == {}


def test_a_table_that_was_taken_away_or_is_none_is_named(project):
    table = project.path / "raw/annotations.csv"
    content = table.read_bytes()
    table.unlink()
    expected = f"error: params.yaml:{line_of(project, 'annotations')}: "
    expected += 'data.annotations: "raw/annotations.csv": {}; expected the table of annotations'
    assert said_by_snakemake(project) == expected.format("no such file")
    done = project.run("dvc", "repro", check=False)
    assert done.returncode != 0
    assert "raw/annotations.csv" in done.stdout
    table.mkdir()
    assert said_by_snakemake(project) == expected.format("a folder")
    table.rmdir()
    os.mkfifo(table)
    assert said_by_snakemake(project) == expected.format("a named pipe")
    table.unlink()
    table.symlink_to("/dev/zero")
    assert said_by_snakemake(project) == expected.format("a device")
    table.unlink()
    table.write_bytes(content)
    assert project.planned() == {}


def test_several_tables_that_are_not_there_are_a_line_each(project):
    project.set("data.recordings_table", "raw/a.csv")
    project.set("data.species_table", "raw/b.csv")
    assert [line.split(": ")[2] for line in said_by_snakemake(project).splitlines()] == [
        "data.recordings_table",
        "data.species_table",
    ]


def test_equal_numbers_are_one_value_for_both_tools(project):
    text = (project.path / PARAMS).read_text()
    changed = text
    for old, new in (("f_min_hz: 0.0", "f_min_hz: 0"), ("epochs: 5", "epochs: 5.0"), ("l2: 0.001", "l2: 1e-3")):
        assert old in changed
        changed = changed.replace(old, new)
    (project.path / PARAMS).write_text(changed)
    assert project.planned() == {}
    assert project.dvc_is_clean()


def test_a_small_number_of_an_experiment(project):
    """DVC writes it as 1e-05, which is text to readers of YAML 1.1."""
    output = project.run("dvc", "exp", "run", "-S", "train.learning_rate=0.00001").stdout
    assert "learning_rate: 1e-05" in (project.path / PARAMS).read_text()
    assert "rule model:" in output
    assert project.trained_with()["train"]["learning_rate"] == 1e-5
    assert project.planned() == {}
    assert project.dvc_is_clean()


def test_a_group_with_braces_is_a_column_like_any_other(project):
    rows = (project.path / "raw/annotations.csv").read_text().splitlines()
    recordings = {row.split(",")[0] for row in rows[1:]}
    group = {name: f"{'ab'[n % 2]}{n % 4}{{c}}" for n, name in enumerate(sorted(recordings))}
    with_column = [f"{row},{group.get(row.split(',')[0], '{fold}')}" for row in rows]
    (project.path / "raw/annotations.csv").write_text("\n".join(with_column) + "\n")
    project.set("split.group", "{fold}")
    project.set("split.test_groups", ["b1{c}"])
    project.snakemake("--", "data/split/split.csv")
    split = (project.path / "data/split/split.csv").read_text()
    assert ",b1{c},test" in split
    assert ",a0{c},test" not in split
    project.set("split.group", "{shard}")
    done = project.run("snakemake", "--cores", "2", "--", "data/split/split.csv", check=False)
    assert "error: params.yaml: split.group: '{shard}': expected a column of the annotations" in done.stdout
    project.set("split.group", "${seed}")
    assert "Traceback" not in project.run("dvc", "status").stdout
