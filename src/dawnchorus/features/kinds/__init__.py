"""The registry of feature kinds: `features.kind` in params.yaml is the name of a file in this folder.

To add a kind, write one file here with

    KIND = Kind("spectral contrast", "dB", "band")     # what figures and other stages ask it; see Kind

    class Params(Block): ...                           # its own keys of the block `features`, by parameters.base.value

    def n_features(params): ...                        # -> values in a frame, without deltas
    def frames(y, sample_rate_hz, params): ...         # -> (n_features, frames), as librosa gives it

`params` is the whole block `features` as a dict, the kind's own keys among the common ones. `y` is mono, float32, and
at least `n_fft` samples long; frame t is centred at sample t * `hop_length`, so there are 1 + len(y) // hop_length of
them (of an odd `n_fft` 1 + (len(y) - 1) // hop_length), as librosa.stft has them.
Deltas are appended to every kind alike. numpy and librosa are imported inside `frames`, so that the parameters can be
checked without waiting for them. Where it has something to say, a kind also has

    def band_hz(params, sample_rate_hz): ...           # -> lowest and highest frequency it sees (default: all)
    def remark(params, sample_rate_hz): ...            # -> a line for the log of a run, or None
    def contradictions(params): ...                    # -> a line for each value that others of the block rule out
    def file_faults(params): ...                       # -> a line for each value that the user's files rule out
    def origin(params, hashes): ...                    # -> a sentence of a run's model card; `hashes`: of its inputs

A kind that reads a file of the user's names the key of its path in ``Kind.inputs``: the file is then an input of the
rules that make features, a dependency of their DVC stages (after `make generated`), and a part of what each recording's
features are known by.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from dawnchorus.foundation.errors import InputError, shown
from dawnchorus.foundation.files import sha256_of

if TYPE_CHECKING:
    import numpy as np

WANTED = ("KIND", "Params", "n_features", "frames")


@dataclass(frozen=True)
class Kind:
    """What is said of a kind of features.

    Attributes:
        name: as figures and the report call it.
        unit: of its values; empty where they have none.
        axis: what one of the features of a frame is, for the axis of a picture.
        signed: whether values lie around 0, so that colours are symmetric around it.
        level_features: how many features from the first on say only how loud the sound is. Pictures take their colours
            from the others, which these would drown.
        powers_in_db: whether values are powers in decibels, so that the power of a background can be added.
        vectors: whether a frame is what a model makes of a window of sound by itself, moved into the sound where it
            would stick out. Such a kind has ``windows`` and ``vector`` too, see ``embedding``.
        inputs: keys of its ``Params`` whose value is the path of a file that it reads.
    """

    name: str
    unit: str = ""
    axis: str = "feature"
    signed: bool = False
    level_features: int = 0
    powers_in_db: bool = False
    vectors: bool = False
    inputs: tuple[str, ...] = ()

    @property
    def quantity(self) -> str:
        """What the values are, with their unit, for the scale of a picture's colours."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def without_level(self, features: np.ndarray) -> np.ndarray:
        """Return (frames, n_features) without the features that say only how loud the sound is, unless that is all."""
        return features[:, self.level_features :] if features.shape[1] > self.level_features else features


def names() -> list[str]:
    """Return the names of all kinds."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def get(name: str) -> ModuleType:
    """Return the module of a kind; an unknown name, or a file that is no kind, raises :class:`InputError`."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name)) or name not in names():
        raise InputError(f"features.kind: {name!r}: expected one of {', '.join(names())}")
    kind = importlib.import_module(f"dawnchorus.features.kinds.{name}")
    lacking = [wanted for wanted in WANTED if not hasattr(kind, wanted)]
    if lacking:
        raise InputError(f"features.kind: {name}: its file lacks {', '.join(lacking)}; expected {', '.join(WANTED)}")
    return kind


def input_files(params: Mapping) -> list[str]:
    """Return the files that the kind of a block ``features`` reads."""
    return [params[key] for key in get(params["kind"]).KIND.inputs]


def input_hashes(params: Mapping) -> list[str]:
    """Return the SHA-256 of each of :func:`input_files`; one that cannot be read raises :class:`InputError`."""
    kind = get(params["kind"]).KIND
    hashes = []
    for key in kind.inputs:
        try:
            hashes.append(sha256_of(params[key]))
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"features.{key}: {params[key]!r}: expected a file to read, but {reason}") from None
    return hashes


def check_files(params: Mapping, hashes: Sequence[str], trained: Sequence[str] | None, path: str | os.PathLike) -> None:
    """Raise :class:`InputError` where a file that the kind of a block ``features`` reads is not that of the training.

    ``hashes``: of :func:`input_hashes`; ``trained``: the same, as the card of the model ``path`` says, None where it
    does not.
    """
    keys = get(params["kind"]).KIND.inputs
    for key, found, expected in zip(keys, hashes, trained or hashes, strict=False):
        if found != expected:
            raise InputError(
                f"features.{key}: {shown(params[key])}: SHA-256 {found}; expected {expected}, of the file that {path} "
                "was trained with"
            )


def origins(params: Mapping) -> list[str]:
    """Return what the model card of a run says of the files that the kind of a block ``features`` reads."""
    kind = get(params["kind"])
    return [kind.origin(params, input_hashes(params))] if hasattr(kind, "origin") else []
