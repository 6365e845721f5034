"""What has to be in a shard of features, recording by recording, and how it is made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dawnchorus.features import clips, kinds, shards
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import sha256_of
from dawnchorus.sound.spans import Span
from dawnchorus.tables.users import Row, number

if TYPE_CHECKING:
    import numpy as np

ANNOTATION_COLUMNS = ("recording_id", "t_min_s", "t_max_s")
RECORDING_COLUMNS = ("recording_id", "path", "sha256", "duration_s", "sample_rate_hz")


@dataclass(frozen=True)
class Task:
    """A recording that has to be in the shard: its file, the hash it must have, its clips of each kind in seconds."""

    recording_id: str
    path: Path
    sha256: str
    sample_rate_hz: int
    clips_s: dict[str, list[Span]]
    signature: str


def inside(audio_dir: str | os.PathLike, path: str) -> Path:
    """Return ``audio_dir / path``; a path that could lead out of the folder raises :class:`InputError`.

    ``path`` has ``/`` between its parts. Links inside the folder are the user's own and are followed.
    """
    if "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise InputError(f"{path!r}: expected a relative path inside the audio folder, without '..'")
    return Path(audio_dir, path)


def number_in(row: Row, column: str) -> float:
    """Return the number in a cell; anything else raises :class:`InputError`."""
    try:
        return number(row.cells[column])
    except ValueError:
        raise InputError(str(row.problem(column, "a finite number"))) from None


def spans_of(annotations: Iterable[Row], shard: int, n_shards: int) -> dict[str, list[Span]]:
    """Return the annotations (start, end; s) of each recording of a shard, in the order of the table."""
    spans: dict[str, list[Span]] = {}
    for row in annotations:
        recording_id = row.cells["recording_id"]
        if shards.shard_of(recording_id, n_shards) == shard:
            spans.setdefault(recording_id, []).append((number_in(row, "t_min_s"), number_in(row, "t_max_s")))
    return spans


def of_shard(
    annotations: Sequence[Row],
    recordings: Iterable[Row],
    audio_dir: Path,
    shard: int,
    n_shards: int,
    params: dict,
    plain: bool,
) -> list[Task]:
    """Return a task for each recording of a shard that has annotations, sorted by id.

    ``annotations``, ``recordings``: rows with :data:`ANNOTATION_COLUMNS` and :data:`RECORDING_COLUMNS`; what they hold
    amiss raises :class:`InputError`. ``plain``: without margins, and without clips that hold no annotation, which
    other tables than that of the annotations say nothing of.
    """
    spans = spans_of(annotations, shard, n_shards)
    code, files, tasks = shards.code_version(params["kind"]), kinds.input_hashes(params), {}
    for row in recordings:
        recording_id, sha256 = row.cells["recording_id"], row.cells["sha256"]
        if recording_id in tasks:
            raise InputError(str(row.problem("recording_id", "each id once")))
        if recording_id in spans:
            clips_s = clips_of(
                spans[recording_id],
                number_in(row, "duration_s"),
                int(number_in(row, "sample_rate_hz")),
                params,
                plain,
            )
            tasks[recording_id] = Task(
                recording_id,
                inside(audio_dir, row.cells["path"]),
                sha256,
                int(number_in(row, "sample_rate_hz")),
                clips_s,
                shards.signature_of(sha256, clips_s, params, files, code),
            )
    for row in annotations:
        if row.cells["recording_id"] in spans.keys() - tasks.keys():
            raise InputError(str(row.problem("recording_id", "an id that the table of the recordings has too")))
    return [tasks[recording_id] for recording_id in sorted(tasks)]


def clips_of(
    annotations: Sequence[Span], duration_s: float, sample_rate_hz: int, params: dict, plain: bool
) -> dict[str, list[Span]]:
    """Return the clips of each kind of one recording; see :func:`of_shard`."""
    # Two samples more than an FFT frame, for the rounding of both ends.
    shortest_s = (params["n_fft"] + 2) / (params["sample_rate_hz"] or sample_rate_hz)
    return {
        "annotation": clips.spans(annotations, duration_s, params),
        "margin": [] if plain else clips.margins(annotations, duration_s, params),
        "context": [] if plain else clips.context(annotations, duration_s, shortest_s, params),
    }


def remark(task: Task, params: dict) -> str | None:
    """Return what the kind of features has to say of recordings like this one, once for all of them."""
    from dawnchorus.features import extraction

    return extraction.remark(params, task.sample_rate_hz)


def computed(task: Task, params: dict) -> list[np.ndarray]:
    """Return the features of each clip of a recording, in the order of the kinds of clips and their clips.

    Numerical libraries are loaded here and not before: that takes longer than computing a recording.
    """
    from dawnchorus.features import extraction

    try:
        found = sha256_of(task.path)
    except OSError as error:
        raise InputError(f"{task.path}: cannot be read: {error.strerror}") from None
    if found != task.sha256:
        raise InputError(f"{task.path}: changed since the audit of the recordings; run the workflow again")
    clips_s = [span for kind in shards.KINDS for span in task.clips_s[kind]]
    made = dict(extraction.of_recording(task.path, clips_s, task.sample_rate_hz, params))
    return [made[index] for index in range(len(clips_s))]
