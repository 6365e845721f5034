"""A Keras file of a stranger's, looked at before Keras opens it: no part of it may hold code, or be absurd."""

from __future__ import annotations

import zipfile
from typing import Any

from dawnchorus.foundation import archives

CONFIG, CONFIG_BYTES = "config.json", 2**26
# Parts of a Keras network that hold code, or load a program from elsewhere.
RUNS_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
LARGEST = 2**24  # of a number in the configuration of a network, which has none such


def checked_config(archive: zipfile.ZipFile) -> dict:
    """Return the configuration of a network.

    A part that is not Keras's own, could run code of the file, or is absurd raises ValueError. What is no network at
    all raises one of :data:`archives.DAMAGE`, AttributeError or TypeError.
    """
    config = archives.strict_json(archives.member(archive, CONFIG, CONFIG_BYTES))
    _refuse(config)
    return config


def _refuse(node: Any, key: str = "") -> None:
    if isinstance(node, dict):
        kind, module = node.get("class_name"), node.get("module")
        if kind in RUNS_CODE or (module is not None and str(module).split(".")[0] != "keras"):
            raise ValueError(f"{CONFIG} has a part {module}.{kind}, which could run code; expected Keras's own")
        for name, inner in node.items():
            _refuse(inner, name)
    elif isinstance(node, list):
        for inner in node:
            _refuse(inner, key)
    elif isinstance(node, int) and abs(node) > LARGEST and not key.endswith(("_id", "seed")):
        raise ValueError(f"{CONFIG}: {key}: {node}: expected at most {LARGEST}")
