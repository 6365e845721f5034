"""What DVC cannot see change is refused before DVC locks what was made from it."""

import pytest
from project import Project
from test_feature_kind import PROJECTION, project_with

from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters.data import TABLES
from dawnchorus.workflow import seen_by_dvc


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project.create(tmp_path_factory.mktemp("seen") / "project", n_recordings=3)


@pytest.mark.parametrize("name", ["logs", "benchmarks", ".venv"])
def test_a_folder_of_recordings_is_data_whatever_it_is_called(project, name):
    ours, theirs = f"{name}/a.wav", f"raw/audio/{name}/a.wav"
    for path in (ours, theirs):
        (project.path / path).parent.mkdir(exist_ok=True)
        (project.path / path).touch()
    assert project.run("dvc", "check-ignore", ours, theirs).stdout.splitlines() == [ours]


def test_dvc_makes_nothing_from_folders_that_links_lead_to(project):
    (project.path / "elsewhere/deep").mkdir(parents=True)
    links = [project.path / "raw/audio/site", project.path / "raw/audio/site-2", project.path / "raw/answers/more"]
    for link in links:
        link.parent.mkdir(exist_ok=True)
        link.symlink_to("../../elsewhere")
    data = project.params()["data"]
    said = project.run("python", "workflow/rule.py", "recordings", check=False)
    assert said.returncode
    assert said.stdout.splitlines() == [
        f"error: data.audio_dir: raw/audio/{name}: a link to a folder, into which DVC does not look; expected the "
        "folder itself or links to its files (snakemake alone follows it)"
        for name in ("site", "site-2")
    ]
    links[0].unlink()
    links[1].unlink()
    project.set("data.reviews", "raw/answers")
    assert (
        "error: data.reviews: raw/answers/more: a link"
        in project.run("python", "workflow/rule.py", "recordings", check=False).stdout
    )
    # What each path itself leads to, and what a link to a file does, DVC sees.
    links[2].unlink()
    links[2].symlink_to("../annotations.csv")
    links[0].symlink_to("../../elsewhere")
    seen_by_dvc.check("recordings", {"data": data | {"audio_dir": str(links[0])}})


def test_a_folder_that_several_keys_name_is_said_by_the_first(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/more").symlink_to(tmp_path)
    # Tables that there are none of have the path of the annotations.
    data = {"audio_dir": str(tmp_path / "audio"), **dict.fromkeys(("annotations", *TABLES), str(tmp_path / "tables"))}
    with pytest.raises(InputError, match=rf"^data\.annotations: {tmp_path}/tables/more: a link to a folder, [^\n]*$"):
        seen_by_dvc.check("recordings", {"data": data})


@pytest.mark.table
def test_dvc_makes_nothing_from_a_file_of_the_kind_of_features_that_it_does_not_know(tmp_path):
    project = project_with(tmp_path / "project", "projection", PROJECTION, matrix="raw/matrix.npy", n_rows=3)
    (project.path / "raw/matrix.npy").touch()
    said = project.run("python", "workflow/rule.py", "all_features", check=False)
    assert said.returncode
    [line] = said.stdout.splitlines()
    expected = (
        "error: dvc.yaml: features.matrix: no dependency, so DVC would not see another raw/matrix.npy; expected one"
    )
    told, command = line.split(": PYTHONPATH=src ")
    assert told == expected
    project.run("env", "PYTHONPATH=src", *command.split())
    assert "features.matrix" not in project.run("python", "workflow/rule.py", "all_features", check=False).stdout
