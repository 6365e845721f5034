"""The container of window scores: one Parquet file a shard, read one recording at a time.

The metadata of the file says of each recording what made its scores (a signature), how long it is and which rows are
its own, or why it could not be scored. Short recordings share a row group, since each of these costs some kilobytes in
the file and in the memory of whoever opens it. Scores are those of the network, before calibration.

Its end makes such a file readable, and a run may take days to come there. So what was scored lies beside it in parts,
stores of their own, until then: a run that is killed loses minutes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import InputError, one_line
from dawnchorus.foundation.files import SEEN, open_regular, part_of, parts_of, path_for_whole
from dawnchorus.tables import row_groups

if TYPE_CHECKING:
    import pyarrow

FORMAT = "dawnchorus window scores 2"
_KEY = "dawnchorus"
# A part has the work of so many seconds, or of this share of the run: even of weeks there are few hundred.
PART_S, PART_SHARE = 300.0, 0.02


@dataclass(frozen=True)
class Entry:
    """One recording: ``starts_s`` (windows,) float64 and ``scores`` (windows, classes) float32, or a problem.

    ``path`` is the file as the user named it, ``name`` what it is called in results, ``recording_id`` the
    name without its suffix.
    """

    path: str
    name: str
    recording_id: str
    signature: str
    duration_s: float = 0.0
    sample_rate_hz: int = 0
    window_s: float = 0.0
    problem: str | None = None
    starts_s: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    scores: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32), repr=False)

    @property
    def shown_path(self) -> str:
        """The path as results say it: in one line, whatever characters are in it."""
        return escaped(self.path)

    def facts(self) -> dict:
        """Return what fits into JSON."""
        return {key: value for key, value in vars(self).items() if key not in ("starts_s", "scores")}


class Writer:
    """A store being written, from :func:`write_store`; ``parts``: what keeps what is added until it is whole."""

    def __init__(self, path: Path, species_ids: Sequence[str], parts: Parts | None = None):
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = [("start_s", pa.float64()), *((f"score_{key}", pa.float32()) for key in species_ids)]
        self._schema = pa.schema(columns)
        # Scores hardly repeat: dictionaries of them would cost memory, time and room.
        self._file = pq.ParquetWriter(path, self._schema, write_page_checksum=True, use_dictionary=False)
        self._species_ids = list(species_ids)
        self._entries: list[dict] = []
        self._groups = row_groups.RowGroups(self._file)
        self._parts = parts

    def add(self, entry: Entry) -> None:
        """Add a recording; one with a problem has no rows."""
        scored = entry.problem is None
        self._add(entry.facts(), _table(entry.starts_s, entry.scores, self._schema) if scored else None)
        if scored and self._parts:
            self._parts.add(entry)

    def copy(self, name: str, old: Store) -> None:
        """Add a recording as it is in another store; a damaged one raises :class:`InputError`, and nothing is added."""
        self._add(*old.as_stored(name))

    def _add(self, facts: dict, table: pyarrow.Table | None) -> None:
        rows = None if table is None else (*self._groups.add(table), len(table))
        self._entries.append({**facts, "rows": rows})

    def close(self) -> None:
        """Write the metadata and end the file."""
        self._groups.end()
        said = {"format": FORMAT, "species_ids": self._species_ids, "recordings": self._entries}
        self._file.add_key_value_metadata({_KEY: json.dumps(said, sort_keys=True)})
        self._file.close()


def _table(starts_s: np.ndarray, scores: np.ndarray, schema: pyarrow.Schema) -> pyarrow.Table:
    import pyarrow as pa

    arrays = [pa.array(starts_s), *(pa.array(column) for column in scores.T)]
    return pa.Table.from_arrays(arrays, schema=schema)


class Parts:
    """The parts of a store that is being written, from :func:`write_store`; earlier ones of the same store stay."""

    def __init__(self, path: str | os.PathLike, species_ids: Sequence[str]):
        self._path, self._species_ids = path, species_ids
        self._n_before = len(parts_of(path))
        self._writer: Writer | None = None
        self._began_s = self._part_began_s = time.monotonic()

    def add(self, entry: Entry) -> None:
        """Add a recording, and end the part where it is long enough."""
        if self._writer is None:
            self._writer = Writer(part_of(self._path, self._n_before + 1), self._species_ids)
        self._writer.add(entry)
        now_s = time.monotonic()
        if now_s - self._part_began_s >= max(PART_S, PART_SHARE * (now_s - self._began_s)):
            self._end()
            self._part_began_s = now_s

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer, self._n_before = None, self._n_before + 1

    def give_up(self) -> None:
        """End the last part, where the run was long enough for one; called where the store was not finished."""
        with suppress(OSError):
            if time.monotonic() - self._began_s >= PART_S:
                self._end()
            elif self._writer is not None:
                self._writer.close()
                part_of(self._path, self._n_before + 1).unlink()


@contextmanager
def write_store(path: str | os.PathLike, species_ids: Sequence[str], in_parts: bool = False) -> Iterator[Writer]:
    """Open a store for writing; it takes the name ``path`` only when the block ends without an error.

    ``in_parts``: what is added lies beside it in parts until then, see :func:`dawnchorus.foundation.files.parts_of`.
    Each is a :class:`Store`, but for one that a kill left unfinished.
    """
    parts = Parts(path, species_ids) if in_parts else None
    try:
        with path_for_whole(path, SEEN) as temporary:
            writer = Writer(temporary, species_ids, parts)
            yield writer
            writer.close()
    except BaseException:
        if parts:
            parts.give_up()
        raise
    for part in reversed(parts_of(path)):
        part.unlink()


def write_empty(path: str | os.PathLike, species_ids: Sequence[str]) -> None:
    """Write a store of no recording: where nothing is scored, a product all the same."""
    with write_store(path, species_ids):
        pass


class Store:
    """A store open for reading, a context manager.

    A file that is missing, damaged, no store, or of other classes than ``species_ids`` raises :class:`InputError`.
    """

    def __init__(self, path: str | os.PathLike, species_ids: Sequence[str]):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        try:
            # Arrow would wait for whoever writes into a pipe.
            open_regular(path).close()
            # Without what Arrow reads ahead, which it keeps as long as the file is open.
            self._file = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
            said = json.loads(self._file.metadata.metadata[_KEY.encode()])
            if said["format"] != FORMAT:
                raise ValueError(f"format {said['format']!r}, expected {FORMAT!r}")
            found = tuple(said["species_ids"])
            self._facts = {facts["name"]: facts for facts in said["recordings"]}
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; expected window scores") from None
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not a usable file of window scores: {one_line(error)}") from None
        # As a rule recordings are read in the order in which they were added: the next is in the group of the last.
        self._last: tuple[int, pyarrow.Table] | None = None
        if found != tuple(species_ids):
            self._file.close()
            raise InputError(f"{path}: scores of other classes than the model has")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the recordings in the store, in the order in which they were added."""
        return iter(self._facts)

    def path_of(self, name: str) -> str:
        """Return the file of a recording as the user named it."""
        return self._facts[name]["path"]

    def signature(self, name: str) -> str | None:
        """Return what made the scores of a recording, None when the store has none of it."""
        facts = self._facts.get(name)
        return facts["signature"] if facts and facts["problem"] is None else None

    def as_stored(self, name: str) -> tuple[dict, pyarrow.Table | None]:
        """Return what is said of a recording, and its rows; None of one with a problem."""
        facts = dict(self._facts[name])
        rows = facts.pop("rows")
        if rows is None:
            return facts, None
        group, first, n_rows = rows
        if not n_rows:
            return facts, self._file.schema_arrow.empty_table()
        if self._last and self._last[0] == group:
            return facts, self._last[1].slice(first, n_rows)
        try:
            table = self._file.read_row_group(group)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: not a usable file of window scores: {one_line(error)}") from None
        # Of a long recording, a group of its own, nothing stays in memory.
        self._last = (group, table) if n_rows < len(table) else None
        return facts, table.slice(first, n_rows)

    def entry(self, name: str) -> Entry:
        """Read one recording."""
        facts, table = self.as_stored(name)
        if table is None:
            return Entry(**facts)
        columns = [column.to_numpy() for column in table.columns]
        return Entry(**facts, starts_s=columns[0], scores=np.stack(columns[1:], axis=1))


class Stores:
    """The window scores of many files, one recording in memory at a time.

    After all recordings have been looked at once, ``n_recordings`` and ``duration_s`` say how many were scored and how
    long they are together, and ``problems`` has ``path`` and ``problem`` of each of the others.
    """

    def __init__(self, paths: Sequence[Path], species_ids: Sequence[str]):
        self._paths = paths
        self._where: dict[str, Store] = {}
        for path in paths:
            store = Store(path, species_ids)
            self._where |= dict.fromkeys(store, store)
        self._name_of: dict[str, str] = {}
        self.n_recordings, self.duration_s = 0, 0.0
        self.problems: list[dict[str, str]] = []

    def __iter__(self) -> Iterator[Entry]:
        """Yield the recordings in order of their names, and count them."""
        self.n_recordings, self.duration_s, self.problems = 0, 0.0, []
        for name in sorted(self._where):
            entry = self.entry(name)
            self._name_of[entry.shown_path] = name
            if entry.problem:
                self.problems.append({"path": entry.shown_path, "problem": entry.problem})
            else:
                self.n_recordings += 1
                self.duration_s += entry.duration_s
            yield entry

    @property
    def folder(self) -> str:
        """The innermost folder that all recordings lie in."""
        places = {os.path.dirname(os.path.abspath(store.path_of(name))) for name, store in self._where.items()}
        return os.path.commonpath(places) if places else os.curdir

    def of_path(self, path: str) -> Entry:
        """Return the recording of a path as results say it, after all have been looked at once."""
        return self.entry(self._name_of[path])

    def entry(self, name: str) -> Entry:
        """Return the recording of a name; one that no file has raises :class:`InputError`."""
        if name not in self._where:
            raise InputError(f"{name}: no scores of it in {', '.join(map(str, self._paths))}; make them again")
        return self._where[name].entry(name)
