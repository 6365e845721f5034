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
from dawnchorus.foundation.hashes import identity
from dawnchorus.sound import unchanged
from dawnchorus.sound.spans import Span
from dawnchorus.tables.definitions import ALONE, FROM_REVIEWS, RECORDINGS

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Task:
    """A recording that has to be in the shard: its file, the hash it must have, its clips of each role in seconds."""

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


def of_shard(
    annotations: Iterable[dict],
    recordings: Iterable[dict],
    audio_dir: Path,
    shard: int,
    n_shards: int,
    params: dict,
    plain: bool,
) -> list[Task]:
    """Return a task for each recording of a shard that has annotations, sorted by id.

    ``annotations``, ``recordings``: rows of annotations.csv (or false_positives.csv) and of recordings.csv; an
    annotated recording that has none, or two, raises :class:`InputError`. ``plain``: without margins, and without
    clips that hold no annotation, which other tables than that of the annotations say nothing of; nor do reviews of a
    recording that has no other.
    """
    spans: dict[str, list[Span]] = {}
    reviewed = set()
    for row in annotations:
        if row.get(FROM_REVIEWS) == ALONE:
            reviewed.add(row["recording_id"])
        if shards.shard_of(row["recording_id"], n_shards) == shard:
            spans.setdefault(row["recording_id"], []).append((row["t_min_s"], row["t_max_s"]))
    code, files, tasks = shards.code_version(params["kind"]), kinds.input_hashes(params), {}
    for row in recordings:
        recording_id = row["recording_id"]
        if recording_id in tasks:
            raise InputError(f"{RECORDINGS.name}: column recording_id: {recording_id!r}: expected each id once")
        if recording_id in spans:
            rate_hz = row["sample_rate_hz"]
            clips_s = clips_of(spans[recording_id], row["duration_s"], rate_hz, params, plain)
            if recording_id in reviewed:
                clips_s["context"] = []
            signature = shards.signature_of(row["sha256"], clips_s, params, files, code)
            path = inside(audio_dir, row["path"])
            tasks[recording_id] = Task(recording_id, path, row["sha256"], rate_hz, clips_s, signature)
    for recording_id in sorted(spans.keys() - tasks.keys()):
        raise InputError(f"{RECORDINGS.name}: column recording_id: lacks {recording_id!r}, which has annotations")
    return [tasks[recording_id] for recording_id in sorted(tasks)]


def whole(recordings: Iterable[dict]) -> list[dict]:
    """Return a row for each recording, as of an annotation that is as long as the recording."""
    return [{"recording_id": row["recording_id"], "t_min_s": 0.0, "t_max_s": row["duration_s"]} for row in recordings]


def clips_of(
    annotations: Sequence[Span], duration_s: float, sample_rate_hz: int, params: dict, plain: bool
) -> dict[str, list[Span]]:
    """Return the clips of each role of one recording; see :func:`of_shard`."""
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


def check_signature(task: Task, params: dict) -> None:
    """Raise :class:`InputError` where a task's signature no longer says what code and which files its features need."""
    code, files = shards.code_version(params["kind"]), kinds.input_hashes(params)
    if shards.signature_of(task.sha256, task.clips_s, params, files, code) != task.signature:
        raise InputError("code or a file of the features changed since the job began; expected no change, run again")


def computed(task: Task, params: dict) -> list[np.ndarray]:
    """Return the features of each clip of a recording, in the order of the roles and their clips.

    Numerical libraries are loaded here and not before: that takes longer than computing a recording.
    """
    from dawnchorus.features import extraction

    clips_s = [span for role in shards.ROLES for span in task.clips_s[role]]
    try:
        seen = identity(task.path)
        is_audited = sha256_of(task.path) == task.sha256
        with unchanged.opened_as(task.path, seen):
            made = dict(extraction.of_recording(task.path, clips_s, task.sample_rate_hz, params)) if is_audited else {}
        is_same = identity(task.path) == seen
    except OSError as error:
        raise InputError(f"{task.path}: cannot be read: {error.strerror}") from None
    if not (is_audited and is_same):
        raise InputError(f"{task.path}: {unchanged.CHANGED}")
    return [made[index] for index in range(len(clips_s))]
