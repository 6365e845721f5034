"""What DVC would never see change, said before the stage that reads it runs: its lock would call old products current.

DVC knows a folder by the files in it, and does not look into folders that links in it lead to. It knows a file that a
kind of features reads where dvc.yaml was written for that kind, since a dependency cannot be one that may be absent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dawnchorus.features import kinds
from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters.data import TABLES

PIPELINE = Path("dvc.yaml")
WRITE_PIPELINE = "PYTHONPATH=src python -m dawnchorus.workflow.dvc_file"


def check(rule: str, params: dict) -> None:
    """Raise :class:`InputError`, a line each, where DVC would not see what a rule reads; ``params``: all values."""
    if faults := [*(_of_links(params["data"]) if rule == "recordings" else _of_kind(params["features"]))]:
        raise InputError(*faults)


def _of_links(data: dict) -> Iterator[str]:
    keys: dict[str, str] = {}
    for key in ("audio_dir", "annotations", *TABLES):
        keys.setdefault(data[key], key)
    for folder, key in keys.items():
        for inside, folders, _ in os.walk(folder):
            for path in (os.path.join(inside, name) for name in sorted(folders)):
                if os.path.islink(path):
                    yield (
                        f"data.{key}: {path}: a link to a folder, into which DVC does not look; expected the folder "
                        "itself or links to its files (snakemake alone follows it)"
                    )


def _of_kind(features: dict) -> Iterator[str]:
    for key in kinds.get(features["kind"]).KIND.inputs:
        if f"${{features.{key}}}" not in PIPELINE.read_text(encoding="utf-8"):
            yield (
                f"{PIPELINE}: features.{key}: no dependency, so DVC would not see another {features[key]}; expected "
                f"one: {WRITE_PIPELINE}"
            )
