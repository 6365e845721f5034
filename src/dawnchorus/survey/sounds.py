"""The recordings that were found: which folder turns ids of a table into names of files, and what headers say."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dawnchorus.foundation.progress import Progress
from dawnchorus.foundation.spelling import composed
from dawnchorus.sound import decoding


class Names:
    """Sound files by what a table may call them. ``paths``: of all that were found."""

    def __init__(self, paths: Iterable[str]):
        self.paths = sorted(set(paths))
        self._by_stem: dict[str, list[str]] = {}
        for path in self.paths:
            self._by_stem.setdefault(composed(PurePosixPath(path).stem), []).append(path)

    def named(self, text: str) -> list[str]:
        """Return the files that a cell may name: an id, a name with a suffix, or a path of any system."""
        last = text.replace("\\", "/").rpartition("/")[2]
        return self._by_stem.get(last) or self._by_stem.get(PurePosixPath(last).stem, [])

    def said(self) -> str:
        """Say which sound files there are."""
        shown = ", ".join(PurePosixPath(path).name for path in self.paths[:3])
        return f"found {len(self.paths)} ({shown}{', ...' if len(self.paths) > 3 else ''})"

    def folders(self, ids: Iterable[str]) -> list[tuple[str, int]]:
        """Return the folders from which ids lead to files, with how many do, those of most first.

        A folder is that of the recordings if ``<folder>/<id>.<suffix>`` is a file; ids may have subfolders.
        """
        found: Counter[str] = Counter()
        for recording_id in ids:
            tail = f"/{recording_id}"
            whole = {composed(str(PurePosixPath(path).with_suffix(""))) for path in self.named(recording_id)}
            found.update({path.removesuffix(tail) or "/" for path in whole if path.endswith(tail)})
        return sorted(found.items(), key=lambda item: (-item[1], item[0]))


@dataclass(frozen=True)
class Measured:
    """What the headers say: rate (Hz) and duration (s) of each recording by id; a line for each that cannot be read."""

    rates_hz: Mapping[str, int]
    durations_s: Mapping[str, float]
    faults: list[str]


def measured(paths: Mapping[str, str], threads: int) -> Measured:
    """Look at the headers of recordings, by id (an MP3 is decoded). What is wrong inside the audit will say."""

    def one(path: str) -> tuple[int, int] | str:
        try:
            return decoding.measure(path)
        except decoding.RecordingError as error:
            return str(error)
        except OSError as error:
            return f"{path}: {error.strerror}"

    found = {}
    with ThreadPoolExecutor(threads) as pool, Progress("recordings", len(paths), sys.stderr) as progress:
        for (recording_id, path), header in zip(paths.items(), pool.map(one, paths.values()), strict=True):
            found[recording_id] = header
            progress.step(path)
    good = {key: value for key, value in found.items() if not isinstance(value, str)}
    return Measured(
        {key: rate_hz for key, (rate_hz, _) in good.items()},
        {key: n_samples / rate_hz for key, (rate_hz, n_samples) in good.items()},
        [value for value in found.values() if isinstance(value, str)],
    )


def common_folder(paths: Iterable[Path]) -> Path:
    """Return the deepest folder that holds all files."""
    return Path(os.path.commonpath([path.parent for path in paths]))
