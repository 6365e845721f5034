"""The recordings that were found: which folder turns ids of a table into names of files, and what headers say."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dawnchorus.annotations.recordings import AUDIO_SUFFIXES
from dawnchorus.foundation.progress import Progress
from dawnchorus.foundation.spelling import composed
from dawnchorus.sound import decoding

# What sound may have been before somebody turned it into what is read here. `night.1` is no such kind.
_KINDS = AUDIO_SUFFIXES | {".3gp", ".aac", ".amr", ".m4a", ".mp4", ".raw", ".wac", ".webm", ".wma", ".wv"}
_DRIVE = re.compile(r"[A-Za-z]:")


class _Cell(NamedTuple):
    """What a cell says of a file: its folders, the root that they begin at, if any, and its name without a kind."""

    root: str
    folders: tuple[str, ...]
    name: str


def _cell(text: str) -> _Cell:
    """Take a cell apart: an id, a name with a suffix, or a path of any system."""
    *above, last = text.replace("\\", "/").split("/")
    n_of_root = next((n for n, part in enumerate(above) if not _is_of_root(part)), len(above))
    root = "/".join([*(part for part in above[:n_of_root] if part != "."), ""])
    if above and above[0] == "":
        root = "/"
    folders = tuple(part for part in above[n_of_root:] if part not in ("", "."))
    is_kind = PurePosixPath(last).suffix.lower() in _KINDS
    return _Cell(root.upper(), folders, PurePosixPath(last).stem if is_kind else last)


def _is_of_root(part: str) -> bool:
    return part in ("", ".", "..", "~") or bool(_DRIVE.fullmatch(part))


def _agreeing(some: Collection[str], others: Collection[str]) -> int:
    """Return how many names of folders agree, from the last one up. Windows does not tell capitals from others."""
    n = 0
    for one, other in zip(reversed([*some]), reversed([*others]), strict=False):
        if composed(one).casefold() != composed(other).casefold():
            break
        n += 1
    return n


class _Match(NamedTuple):
    """A file that a cell may name, and how many names of folders agree."""

    cell: _Cell
    path: str
    n_agreeing: int

    @property
    def is_whole(self) -> bool:
        """Say whether all folders of the cell are those of the file."""
        return self.n_agreeing == len(self.cell.folders)

    @property
    def pair(self) -> tuple[str, tuple[str, ...]]:
        """The folder on this disk, and that of the cell."""
        return str(PurePosixPath(self.path).parent), self.cell.folders


class Names:
    """Sound files by what a table may call them. ``paths``: of all that were found; ``places``: the folders given."""

    def __init__(self, paths: Iterable[str], places: Iterable[str] = ()):
        self.paths = sorted(set(paths))
        self._places = {os.path.abspath(place) for place in places}
        self._by_stem: dict[str, list[str]] = {}
        for path in self.paths:
            self._by_stem.setdefault(composed(PurePosixPath(path).stem), []).append(path)

    def named(self, text: str) -> list[str]:
        """Return the files that a cell may name by the last part of it, whatever their folders are."""
        last = text.replace("\\", "/").rpartition("/")[2]
        return self._by_stem.get(last) or self._by_stem.get(_cell(text).name, [])

    def matched(self, ids: Iterable[str]) -> tuple[dict[str, str], list[str]]:
        """Return the one file of each cell that leads to one, and a line for each folder that is called otherwise.

        Names of folders have to agree from the last one up: of a path that begins where the table does, as far as a
        cell and the file below the given place have any; of one from the root of some other system the last one, or
        none where no cell of the table has a folder of that name. What several cells lead to belongs to the one that
        agrees most, and to none where they agree alike.
        """
        cells = {text: _cell(text) for text in ids}
        every = {text: self._nearest(text, cell) for text, cell in cells.items()}
        agree = any(match.n_agreeing for matches in every.values() for match in matches)
        n_common = _n_common({cell.folders for cell in cells.values() if cell.folders and not cell.root})
        found = {
            text: matches[0]
            for text, matches in every.items()
            if len(matches) == 1 and self._fits(matches[0], n_common, agree)
        }
        most: Counter[str] = Counter()
        for match in found.values():
            folder = match.pair[0]
            most[folder] = max(most[folder], match.n_agreeing)
        found = {
            text: match for text, match in found.items() if match.is_whole or match.n_agreeing == most[match.pair[0]]
        }
        found = _of_one_cell_each(found)
        elsewhere = {match.pair: match for match in found.values() if match.cell.folders and not match.n_agreeing}
        lines = [
            f"data.audio_dir: the table has recordings in {match.cell.root}{'/'.join(match.cell.folders)}, and sound "
            f"of their names is in {match.pair[0]}: taken for the same"
            for _, match in sorted(elsewhere.items())
        ]
        return {text: match.path for text, match in found.items()}, lines

    def _nearest(self, text: str, cell: _Cell) -> list[_Match]:
        """Return the files of the name of a cell whose folders agree most with its own."""
        every = [
            _Match(cell, path, _agreeing(cell.folders, Path(os.path.abspath(path)).parts[1:-1]))
            for path in self.named(text)
        ]
        most = max((match.n_agreeing for match in every), default=0)
        return [match for match in every if match.n_agreeing == most]

    def _fits(self, match: _Match, n_common: int, agree: bool) -> bool:
        cell = match.cell
        if not cell.folders:
            return True
        if cell.root:
            return match.n_agreeing > 0 or not agree
        return match.n_agreeing >= min(max(1, len(cell.folders) - n_common), self._n_below(match.path))

    def _n_below(self, path: str) -> int:
        """Return how many folders a file is below the nearest place that was given."""
        parents = [*map(str, Path(os.path.abspath(path)).parents)]
        return next((n for n, parent in enumerate(parents) if parent in self._places), len(parents) - 1)

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


def _n_common(folders: Collection[tuple[str, ...]]) -> int:
    """Return how many names of folders all begin with, where there are several: these tell none from another."""
    alike = [len(set(names)) == 1 for names in zip(*folders, strict=False)]
    return [*alike, False].index(False) if len(folders) > 1 else 0


def _of_one_cell_each(found: Mapping[str, _Match]) -> dict[str, _Match]:
    """Leave out cells that lead to the file of another one, and with them their folders, as far as these differ."""
    of_path: dict[str, dict[_Cell, _Match]] = {}
    for match in found.values():
        of_path.setdefault(match.path, {})[match.cell] = match
    lost = []
    for claims in of_path.values():
        *others, first = sorted(claims.values(), key=lambda match: match.n_agreeing)
        lost += others
        if others and others[-1].n_agreeing == first.n_agreeing:
            lost.append(first)
    cells, pairs = {match.cell for match in lost}, {match.pair for match in lost if not match.is_whole}
    return {text: match for text, match in found.items() if match.cell not in cells and match.pair not in pairs}


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
