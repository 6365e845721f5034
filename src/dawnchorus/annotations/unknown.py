"""Sound of which nobody knows whether a species is there: spans named as such, and what lies outside annotated spans.

A span is a row of a user's table (recording_id, t_min, t_max in seconds; other columns are let be) and the dict that it
is here: ``recording_id``, ``t_min_s``, ``t_max_s``, ``species_id`` (empty: of every species).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from dawnchorus.annotations.recordings import Box, id_problem
from dawnchorus.tables.users import Problem, Row, number

REQUIRED_COLUMNS = ("recording_id", "t_min", "t_max")
# Of the tables that may be given beside the annotations, those of spans.
TABLES = ("unknown", "annotated_spans")
# Spans that are nearer to each other than this meet, but for rounding.
SHORTEST_S = 1e-6

Times = list[tuple[float, float]]


def read(rows: Iterable[Row]) -> tuple[list[Box], list[Problem]]:
    """Return the spans of rows, each with its row, and a problem for each faulty cell of the others."""
    good: list[Box] = []
    problems: list[Problem] = []
    for row in rows:
        recording_id, found, values = row.cells["recording_id"], [], {}
        if expected := id_problem(recording_id):
            found.append(row.problem("recording_id", expected))
        for column in ("t_min", "t_max"):
            try:
                values[column] = number(row.cells[column])
            except ValueError:
                found.append(row.problem(column, "a finite number of seconds"))
                continue
            if values[column] < 0:
                found.append(row.problem(column, "a number >= 0"))
        if not found and values["t_max"] <= values["t_min"]:
            found.append(row.problem("t_max", f"more than t_min {values['t_min']:g} s"))
        problems += found
        if not found:
            species_id = row.cells.get("species_id", "")
            times = {"t_min_s": values["t_min"], "t_max_s": values["t_max"]}
            good.append((row, {"recording_id": recording_id, **times, "species_id": species_id}))
    return good, problems


def start_problems(spans: Iterable[Box], durations_s: Mapping[str, float]) -> list[Problem]:
    """Return a problem for each span that begins when its recording is over; one may end later than that."""
    return [
        row.problem("t_min", f"less than the recording's {durations_s[span['recording_id']]:.4f} s")
        for row, span in spans
        if span["t_min_s"] >= durations_s[span["recording_id"]]
    ]


def merged(times_s: Iterable[tuple[float, float]]) -> Times:
    """Return spans in order of time, one for those that overlap or touch."""
    found: Times = []
    for start_s, end_s in sorted(times_s):
        if found and start_s <= found[-1][1] + SHORTEST_S:
            found[-1] = found[-1][0], max(found[-1][1], end_s)
        else:
            found.append((start_s, end_s))
    return found


def complement(times_s: Iterable[tuple[float, float]], duration_s: float) -> Times:
    """Return what lies outside of all spans between 0 and ``duration_s``, in order of time."""
    known = merged((start_s, min(end_s, duration_s)) for start_s, end_s in times_s if start_s < duration_s)
    edges = zip([0.0, *(end_s for _, end_s in known)], [*(start_s for start_s, _ in known), duration_s], strict=True)
    return [(start_s, end_s) for start_s, end_s in edges if end_s - start_s > SHORTEST_S]


def table(
    durations_s: Mapping[str, float],
    unknown: Sequence[Box],
    annotated: Sequence[Box] | None,
    whole: Collection[str] = (),
) -> list[dict]:
    """Return the rows of unknown.csv, sorted by recording, start and species.

    ``durations_s``: of every recording by its id. ``unknown``: the spans named as unknown; ``annotated``: those outside
    of which nothing was annotated, so that a recording that has none is unknown whole; None: all of it was. ``whole``:
    recordings that are unknown whole in any case.
    """
    found: dict[tuple[str, str], Times] = {(name, ""): [(0.0, durations_s[name])] for name in whole}
    for _, span in unknown:
        times_s = span["t_min_s"], min(span["t_max_s"], durations_s[span["recording_id"]])
        found.setdefault((span["recording_id"], span["species_id"]), []).append(times_s)
    if annotated is not None:
        known: dict[str, Times] = {}
        for _, span in annotated:
            known.setdefault(span["recording_id"], []).append((span["t_min_s"], span["t_max_s"]))
        for recording_id, duration_s in durations_s.items():
            found.setdefault((recording_id, ""), []).extend(complement(known.get(recording_id, ()), duration_s))
    rows = [
        {"recording_id": recording_id, "t_min_s": start_s, "t_max_s": end_s, "species_id": species_id}
        for (recording_id, species_id), times_s in found.items()
        for start_s, end_s in merged(times_s)
    ]
    return sorted(rows, key=lambda row: (row["recording_id"], row["t_min_s"], row["species_id"], row["t_max_s"]))
