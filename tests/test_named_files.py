"""What params.yaml names, held against the files that are there."""

import os
from pathlib import Path

import pytest

from dawnchorus.parameters.data import OPTIONAL
from dawnchorus.workflow import named_files, params_file


@pytest.mark.parametrize("key", OPTIONAL)
@pytest.mark.parametrize("spelling", ["./mine/table.csv", "mine//table.csv", "absolute", "mine/link.csv"])
def test_the_annotations_by_another_name_are_no_other_table(tmp_path, monkeypatch, key, spelling):
    monkeypatch.chdir(tmp_path)
    os.makedirs("mine/audio")
    Path("mine/table.csv").write_text("recording_id,species_id,t_min,t_max\n")
    Path("mine/link.csv").symlink_to("table.csv")
    Path("mine/other.csv").write_text("recording_id,species_id,t_min,t_max\n")
    params = params_file.defaults()
    data = params["data"] = params["data"] | {"source": "table", "audio_dir": "mine/audio"}
    data |= dict.fromkeys(("annotations", *OPTIONAL), "mine/table.csv")
    assert list(named_files.faults(params)) == []
    data[key] = "mine/other.csv"
    assert list(named_files.faults(params)) == []
    data[key] = str(tmp_path / "mine/table.csv") if spelling == "absolute" else spelling
    [line] = named_files.faults(params)
    assert line.startswith(f"data.{key}: ")
    assert line.endswith(
        f': data.annotations by another name; expected {OPTIONAL[key]}, or "mine/table.csv" where there is none'
    )
