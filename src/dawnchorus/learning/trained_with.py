"""What a training depends on: the versions of libraries, and a key of all the rest."""

import hashlib
import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from dawnchorus.foundation import libraries
from dawnchorus.foundation.files import sha256_of


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version(), **libraries.versions()}


def checkpoint_key(params: dict, files: Iterable[Path], code: str) -> str:
    """Return a hash of all that a training depends on: a checkpoint with another key is not resumed.

    ``files``: every input; ``code``: the version of the source code.
    """
    contents = sorted((path.name, sha256_of(path)) for path in files)
    return hashlib.sha256(json.dumps([params, version("keras"), code, contents], sort_keys=True).encode()).hexdigest()
