"""What DVC cannot see change is refused before DVC locks what was made from it."""

import pytest
from project import Project


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
