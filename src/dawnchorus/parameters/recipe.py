"""All of params.yaml: the seed, the number of shards, and the block that each module of this package declares."""

import importlib
from pathlib import Path
from typing import Any

from pydantic import create_model

from dawnchorus.parameters.base import Block, value


class Recipe(Block):
    """What is no block: the root seed, and how many jobs recordings are dealt to."""

    seed: int = value(
        123,
        "the root of every random draw",
        ge=0,
        le=2**32 - 1,
        read_by=(
            *("simulate", "split", "folds", "model", "presence", "evaluation", "detection_metrics", "cross_validation"),
            *("learning_curve_draw", "learning_curve", "study_model", "report"),
        ),
    )
    # A stage opens all files of a set at once, and a process may have 1024 open.
    shards: int = value(
        8,
        "number of jobs that the recordings are dealt to, for features and for detections; changes no result",
        ge=1,
        le=256,
        read_by=("features", "window_scores"),
    )


def blocks() -> dict[str, type[Block]]:
    """Return the model of every block by its name, each after the one that it follows in params.yaml.

    The block of ``<name>.py`` is the class of that name, in capitals: ``CrossValidation`` of ``cross_validation.py``.
    """
    names = [
        path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem not in ("base", "fields", "recipe")
    ]
    found = {}
    for name in sorted(names):
        module = importlib.import_module(f"dawnchorus.parameters.{name}")
        found[name] = getattr(module, name.title().replace("_", ""))
    ordered: dict[str, type[Block]] = {}
    while len(ordered) < len(found):
        ready = [name for name, block in found.items() if name not in ordered and block.follows in ("", *ordered)]
        if not ready:
            lost = ", ".join(sorted(set(found) - set(ordered)))
            raise ValueError(f"parameters: {lost}: `follows` names no other block")
        ordered[ready[0]] = found[ready[0]]
    return ordered


_FIELDS: dict[str, Any] = {name: (block, value(..., block.meaning)) for name, block in blocks().items()}
RECIPE = create_model("Recipe", __base__=Recipe, **_FIELDS)
