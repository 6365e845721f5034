"""After `dawnchorus init` on a folder with tables of another program, the workflow runs, detections included."""

import json

import pytest
from project import Project

pytestmark = pytest.mark.table


def test_what_init_writes_runs_as_it_is(tmp_path):
    project = Project.create(tmp_path / "project", dvc=False)
    tables = project.path / "raw/tables"
    tables.mkdir()
    by_recording: dict[str, list[str]] = {}
    for recording_id, species, _, t_min, f_min, t_max, f_max in project.annotations():
        line = f"1\tSpectrogram 1\t1\t{t_min}\t{t_max}\t{f_min}\t{f_max}\tspecies {species}\n"
        by_recording.setdefault(recording_id, []).append(line)
    header = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\n"
    for recording_id, lines in by_recording.items():
        (tables / f"{recording_id}.Table.1.selections.txt").write_text(header + "".join(lines))
    (project.path / "raw/annotations.csv").unlink()

    init = ("env", "PYTHONPATH=src", "python", "-m", "dawnchorus.commands.cli", "init", "raw", "--force")
    assert "written: params.yaml" in project.run(*init).stdout
    params = project.params()
    assert params["data"]["columns"] == {"species_id": "Annotation"}
    # Trained for a moment: only that it runs is asked.
    for key, value in (("train.epochs", 1), ("presence.epochs", 1), ("presence.steps", 2)):
        project.set(key, value)
    ran = project.snakemake()
    assert (ran["recordings"], ran["presence"], ran["report"]) == (1, 1, 1)
    metrics = json.loads((project.path / "reports/detection_metrics.json").read_text())
    # A quarter of nine recordings with three calls each.
    assert metrics["test"]["annotated_events"] in (6, 9)
    project.snakemake("--", "detections")
    # No place to search was named: that is where the annotated recordings are.
    searched = (project.path / "reports/detections/raven").rglob("*.selections.txt")
    assert sorted(path.name for path in searched) == sorted(f"{name}.wav.selections.txt" for name in by_recording)
