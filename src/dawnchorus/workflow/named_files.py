"""The files that params.yaml names: whether each of them is there, before a DAG is planned without them.

Snakemake drops a rule whose input is missing, in silence, where its products are there: the run would go on with the
data of another table.
"""

import os
from collections.abc import Iterator

from dawnchorus.features import kinds
from dawnchorus.foundation.errors import InputError, shown
from dawnchorus.foundation.given_files import fault_of_file, fault_of_folder
from dawnchorus.parameters.data import OPTIONAL

# Formats whose tables may be a folder of them.
OF_FOLDERS = ("raven", "audacity")


def faults(params: dict) -> Iterator[str]:
    """Yield a line for each path that the user names and that is no file, or folder, that can be read.

    What is simulated is made by the workflow itself. The recordings to detect in are looked for when they are wanted.
    """
    data = params["data"]
    if data["source"] == "table":
        folders = data["format"] in OF_FOLDERS
        may_be_folders = {"reviews", *(("annotations", "false_positives") if folders else ())}
        expected = {
            "annotations": "the table of annotations" + ", or a folder of tables" * folders,
            **{key: f"{what}, or data.annotations again" for key, what in OPTIONAL.items()},
        }
        for key in expected:
            if key != "annotations" and data[key] == data["annotations"]:
                continue
            if fault := fault_of_file(data[key], or_folder=key in may_be_folders):
                yield f"data.{key}: {shown(data[key])}: {fault}; expected {expected[key]}"
            elif key != "annotations" and _are_one(data[key], data["annotations"]):
                # Whoever means that there is none would have every annotation read as a false positive, or as unknown.
                yield (
                    f"data.{key}: {shown(data[key])}: data.annotations by another name; expected {OPTIONAL[key]}, or "
                    f"{shown(data['annotations'])} where there is none"
                )
        if fault := fault_of_folder(data["audio_dir"]):
            yield f"data.audio_dir: {shown(data['audio_dir'])}: {fault}; expected the folder of the recordings"
    kind = kinds.get(params["features"]["kind"])
    for key in kind.KIND.inputs:
        path = params["features"][key]
        if fault := fault_of_file(path):
            yield f"features.{key}: {shown(path)}: {fault}; expected a file to read"
    yield from kind.file_faults(params["features"]) if hasattr(kind, "file_faults") else ()


def check_sample(params: dict) -> None:
    """Raise :class:`InputError` where ``detections.sample_submission`` names what is no file."""
    path = params["detections"]["sample_submission"]
    if path is not None and (fault := fault_of_file(path)):
        expected = "expected a submission to make one like, or null"
        raise InputError(f"params.yaml: detections.sample_submission: {shown(path)}: {fault}; {expected}")


def _are_one(path: str, other: str) -> bool:
    return os.path.exists(other) and os.path.samefile(path, other)
