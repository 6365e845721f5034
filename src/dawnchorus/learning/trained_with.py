"""A key of what a training depends on."""

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from dawnchorus.foundation.files import sha256_of


def checkpoint_key(params: dict, files: Iterable[Path], code: str) -> str:
    """Return a hash of all that a training depends on: a checkpoint with another key is not resumed.

    ``files``: every input; ``code``: the version of the source code.
    """
    contents = sorted((path.name, sha256_of(path)) for path in files)
    return hashlib.sha256(json.dumps([params, version("keras"), code, contents], sort_keys=True).encode()).hexdigest()
