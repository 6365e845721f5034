"""What people answered: read from their files, held against the sample, merged to one answer a clip.

``yes`` is a call of the species in the window; ``no`` and ``other``, another species, are none; ``unsure`` says
nothing. Of several people the majority of yes and no counts; where they are even, the clip is left open.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from dawnchorus.annotations.reviews import ANSWERS
from dawnchorus.foundation.errors import InputError
from dawnchorus.tables import cells
from dawnchorus.tables.definitions import REVIEWS
from dawnchorus.tables.users import Row, number, read_rows, refusal

# All but the path, which sample.csv has too.
NEEDED = [name for name in REVIEWS.names if name != "path"]
# As a page writes seconds, to six decimals.
SAME_S = 1e-5


class Answer(NamedTuple):
    """What one person said of one clip; ``other``: the species it was instead; ``time``: when, ISO 8601."""

    clip: str
    reviewer: str
    answer: str
    other: str
    time: str = ""


class Agreement(NamedTuple):
    """Two people, the clips that both answered, how many of these alike, and Cohen's kappa; NaN where there is none."""

    a: str
    b: str
    clips: int
    alike: int
    kappa: float


def read(paths: Sequence[Path], sample: Mapping[str, Mapping[str, Any]]) -> list[Answer]:
    """Return all answers of files of :data:`dawnchorus.tables.definitions.REVIEWS`.

    ``sample``: the rows of sample.csv by clip. A clip that is not in it or was another one there, an answer that is
    none, and a second answer of one person to one clip raise :class:`InputError`.
    """
    found: dict[tuple[str, str], str] = {}
    answers = []
    for path in paths:
        _, rows, problems = read_rows(path, NEEDED, cell=cells.original)
        if problems:
            raise refusal(problems)
        for row in rows:
            answer = _answer(row, sample)
            key, where = (answer.clip, answer.reviewer), f"{row.file}:{row.line}"
            if key in found:
                wanted = f"one answer of {answer.reviewer!r} to each clip; another is at {found[key]}"
                raise InputError(str(row.problem("clip", wanted)))
            found[key] = where
            answers.append(answer)
    return answers


def _answer(row: Row, sample: Mapping[str, Mapping[str, Any]]) -> Answer:
    """Return the answer of a row; what is wrong with it raises :class:`InputError`."""
    clip, text = row.cells["clip"], row.cells["answer"]
    if clip not in sample:
        raise InputError(str(row.problem("clip", "a clip of sample.csv; these are answers to another sample")))
    known = sample[clip]
    for name in ("recording_id", "species_id"):
        if row.cells[name] != known[name]:
            raise InputError(str(row.problem(name, f"{known[name]!r}, as sample.csv says of clip {clip}")))
    for name in ("start_s", "end_s"):
        try:
            is_same = abs(number(row.cells[name]) - known[name]) < SAME_S
        except ValueError:
            is_same = False
        if not is_same:
            raise InputError(str(row.problem(name, f"{known[name]:g}, as sample.csv says of clip {clip}")))
    if text not in ANSWERS:
        raise InputError(str(row.problem("answer", f"one of {', '.join(ANSWERS)}")))
    if not row.cells["reviewer"].strip():
        raise InputError(str(row.problem("reviewer", "the name of who answered")))
    return Answer(clip, row.cells["reviewer"].strip(), text, row.cells["other_species"], row.cells["time"])


def merged(answers: Iterable[Answer]) -> dict[str, bool | None]:
    """Return whether each clip that was answered has a call, by its name; None where it is open."""
    votes: dict[str, int] = {}
    for answer in answers:
        vote = {"yes": 1, "unsure": 0}.get(answer.answer, -1)
        votes[answer.clip] = votes.get(answer.clip, 0) + vote
    return {clip: None if vote == 0 else vote > 0 for clip, vote in votes.items()}


def _of_two(answer: Answer) -> str:
    """Return what people agree on or not: which other species it was does not matter."""
    return "no" if answer.answer == "other" else answer.answer


def disagreements(answers: Iterable[Answer]) -> list[str]:
    """Return the clips that somebody says yes to and somebody no, in order of their names."""
    said: dict[str, set[str]] = {}
    for answer in answers:
        said.setdefault(answer.clip, set()).add(_of_two(answer))
    return sorted(clip for clip, of in said.items() if {"yes", "no"} <= of)


def agreements(answers: Iterable[Answer]) -> list[Agreement]:
    """Return how any two people agree who answered the same clips."""
    of: dict[str, dict[str, str]] = {}
    for answer in answers:
        of.setdefault(answer.reviewer, {})[answer.clip] = _of_two(answer)
    found = []
    for a, b in combinations(sorted(of), 2):
        pairs = [(of[a][clip], of[b][clip]) for clip in of[a] if clip in of[b]]
        if pairs:
            found.append(Agreement(a, b, len(pairs), sum(x == y for x, y in pairs), kappa(pairs)))
    return found


def kappa(pairs: Sequence[tuple[str, str]]) -> float:
    """Return Cohen's kappa of pairs of answers; NaN where both gave one and the same answer throughout.

    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20, 1960.
    """
    n = len(pairs)
    of_a, of_b = (Counter(pair[k] for pair in pairs) for k in (0, 1))
    by_chance = sum(of_a[key] * of_b[key] for key in of_a) / n**2
    alike = sum(a == b for a, b in pairs) / n
    return math.nan if by_chance == 1 else (alike - by_chance) / (1 - by_chance)
