"""Answers as they are given: the last one of each person to each clip, in a file a person.

An answer is in its file before anybody hears that it is kept. A file is written beside its place and renamed, so that
it holds all answers up to some moment whenever a process or a machine ends.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import hold, write_whole
from dawnchorus.review import answers
from dawnchorus.review.answers import Answer
from dawnchorus.tables.cells import Writer
from dawnchorus.tables.definitions import REVIEWS

FOLDER = "reviews"
TIME = "%Y-%m-%dT%H:%M:%SZ"


class Refused(Exception):
    """Answers that are not kept; the message says to who gave them why."""


def of_folder(folder: Path) -> list[Path]:
    """Return the files of answers in the folder of a sample, in order of their names; none is an InputError."""
    found = _files(folder / FOLDER)
    if not found:
        raise InputError(f"{folder / FOLDER}: no answers; expected those that `dawnchorus review serve` keeps there")
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))


def file_name(reviewer: str) -> str:
    """Return what the file of somebody's answers is called: letters, digits and spaces, and so within the folder.

    Of a name with other characters it ends with a part of its SHA-256: no two names have one file.
    """
    safe = "".join(c if unicodedata.category(c)[0] in "LNM" or c in " _-" else "_" for c in reviewer)
    if safe.startswith("-"):
        safe = f"_{safe[1:]}"
    if safe != reviewer:
        safe = f"{safe}-{hashlib.sha256(reviewer.encode()).hexdigest()[:8]}"
    return f"{safe}.csv"


class Kept:
    """The answers in the folder of a sample, held by one process; several threads may call its methods.

    ``sample``: the rows of sample.csv by clip, in their order.
    """

    def __init__(self, folder: Path, sample: Mapping[str, Mapping[str, Any]]):
        """Read the answers that are there; files that are no such answers raise :class:`InputError`, and so does a
        folder that another process holds.
        """
        self.folder, self._sample, self._lock = folder / FOLDER, sample, threading.Lock()
        # By person and clip: an answer, and its line in the file, since a file is written whole for each.
        self._answers: dict[str, dict[str, Answer]] = {}
        self._lines: dict[str, dict[str, str]] = {}
        # Of each person the clips in the order in which their answers came: who knows the first n of them is behind.
        self._changes: dict[str, list[str]] = {}
        self._is_open = True
        try:
            self.folder.mkdir(exist_ok=True)
            self._held = hold(self.folder)
        except BlockingIOError:
            raise InputError(f"{self.folder}: another server writes into it; expected one at a time") from None
        except OSError as error:
            raise InputError(f"{self.folder}: expected a folder to write into, but {error.strerror}") from None
        try:
            # As foundation.files calls a file that was being written when its process was killed.
            for path in self.folder.glob(".*.????????.csv"):
                path.unlink()
            for path in _files(self.folder):
                self._read(path)
        except BaseException:
            self.close()
            raise

    def _read(self, path: Path) -> None:
        for answer in answers.read([path], self._sample):
            if file_name(answer.reviewer) != path.name:
                said = f"answers of {answer.reviewer!r}; expected those of one person, in a file of that name"
                raise InputError(f"{path}: {said} ({file_name(answer.reviewer)})")
            self._answers.setdefault(answer.reviewer, {})[answer.clip] = answer
            self._lines.setdefault(answer.reviewer, {})[answer.clip] = self._line_of(answer)
        self._changes |= {reviewer: list(of) for reviewer, of in self._answers.items()}

    def close(self) -> None:
        """Let the folder go, when what is being written is there."""
        with self._lock:
            os.close(self._held)
            self._is_open = False

    def counts(self) -> dict[str, int]:
        """Return how many answers there are of each person."""
        with self._lock:
            return {reviewer: len(of) for reviewer, of in self._answers.items()}

    def since(self, reviewer: str, revision: int) -> tuple[int, list[Answer]]:
        """Return somebody's revision, and the answers that came since an earlier one; 0 is that of no answers."""
        with self._lock:
            changes, of = self._changes.get(reviewer, []), self._answers.get(reviewer, {})
            return len(changes), [of[clip] for clip in dict.fromkeys(changes[revision:])]

    def take(self, reviewer: str, given: Sequence[Answer]) -> None:
        """Keep answers of one person, all or none; they are on the disk when this returns.

        An answer that was given before the one that is there, and sent after it, changes nothing. A clip that is not in
        the sample, and a person whose file would be that of another one, raise :class:`Refused`.
        """
        unknown = next((answer.clip for answer in given if answer.clip not in self._sample), None)
        if unknown is not None:
            raise Refused(f"{unknown[:40]!r}: expected a clip of this sample")
        with self._lock:
            if not self._is_open:
                raise Refused("The server has ended.")
            self._check_name(reviewer)
            of, lines = dict(self._answers.get(reviewer, {})), dict(self._lines.get(reviewer, {}))
            changed = []
            for answer in given:
                there = of.get(answer.clip)
                # What is of a time to come was written by a clock that was wrong, and must not stand for ever.
                if there and (there == answer or answer.time < there.time <= datetime.now(UTC).strftime(TIME)):
                    continue
                of[answer.clip], lines[answer.clip] = answer, self._line_of(answer)
                changed.append(answer.clip)
            if changed:
                self._write(reviewer, lines)
                self._answers[reviewer], self._lines[reviewer] = of, lines
                self._changes.setdefault(reviewer, []).extend(changed)

    def _check_name(self, reviewer: str) -> None:
        """Refuse a name that differs from another one by upper and lower case alone: most likely it is the same person,
        and some file systems have one file of both.
        """
        name = file_name(reviewer).casefold()
        for other in self._answers:
            if other != reviewer and file_name(other).casefold() == name:
                raise Refused(f"There are answers of {other!r}: write the name in the same way, or another one.")

    def _write(self, reviewer: str, lines: Mapping[str, str]) -> None:
        with write_whole(self.folder / file_name(reviewer)) as file:
            file.write(_line(REVIEWS.names))
            file.writelines(lines[clip] for clip in self._sample if clip in lines)
        os.fsync(self._held)  # the name of a new file too

    def _line_of(self, answer: Answer) -> str:
        of_clip = self._sample[answer.clip]
        said = {
            "answer": answer.answer,
            "other_species": answer.other,
            "reviewer": answer.reviewer,
            "time": answer.time,
        }
        return _line([said[name] if name in said else of_clip[name] for name in REVIEWS.names])


def _line(cells: Sequence[Any]) -> str:
    file = io.StringIO()
    Writer(file).writerow(cells)
    return file.getvalue()
