"""Make data/recordings/: recordings.csv, annotations.csv and audit.csv, from the user's table and audio folder."""

import argparse
import csv
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dawnchorus import audio, imports, recordings
from dawnchorus.errors import InputError, run
from dawnchorus.files import sha256_of
from dawnchorus.hashes import HashCache, digest_of
from dawnchorus.tables import Problem, read_rows, write_rows

AUDIT_COLUMNS = ("file", "line", "column", "value", "expected")


def audio_paths(audio_dir: str) -> list[str]:
    """Return every file below the audio folder, as posix paths relative to it."""
    if not Path(audio_dir).is_dir():
        raise InputError(f"data.audio_dir: {audio_dir}: no such folder; expected the folder of the recordings")
    return [
        Path(folder, name).relative_to(audio_dir).as_posix()
        for folder, _, names in os.walk(audio_dir, followlinks=True)
        for name in names
    ]


def read_source(data: dict) -> imports.Read:
    """Return columns, rows and problems of the annotations, in RFCX's names; ``data`` is the block of that name."""
    return imports.read(Path(data["annotations"]), data["format"], data["columns"])


def fingerprint(data: dict, cache: HashCache) -> str:
    """Return one hash of the content of all recordings that the annotations name; any change to one changes it.

    With annotations in a folder of tables it is also of the content of these. What cannot be read gives a text
    saying so: the stage itself then reports it in full.
    """
    source, audio_dir = Path(data["annotations"]), data["audio_dir"]
    try:
        _, rows, _ = read_source(data)
        files = recordings.files_by_id(audio_paths(audio_dir))
        tables = [path.as_posix() for path in imports.tables_of(source)] if source.is_dir() else []
    except InputError as error:
        return str(error)
    wanted = sorted({path for row in rows for path in files.get(row.cells["recording_id"], ())})
    hashes = cache.sha256_of_all([*(Path(audio_dir, path) for path in wanted), *tables])
    cache.save()
    return digest_of(zip([*wanted, *tables], hashes, strict=True))


def inspect_all(
    paths: dict[str, str], audio_dir: str, cache: HashCache, known: dict[str, dict], threads: int
) -> tuple[dict[str, dict], dict[str, Problem]]:
    """Decode every recording that is not ``known`` by its content, and return its facts or its problem."""
    version = sha256_of(audio.__file__)[:16]

    def inspect(recording_id: str) -> tuple[dict | None, str | None]:
        path = Path(audio_dir, paths[recording_id])
        sha256 = cache.sha256(path)
        old = known.get(recording_id, {})
        facts = {"recording_id": recording_id, "path": paths[recording_id], "sha256": sha256, "inspected_with": version}
        if all(old.get(key) == value for key, value in facts.items()):
            return {**old, "duration_s": float(old["duration_s"])}, None
        info, problem = audio.inspect(path)
        return {**info, **facts}, problem

    facts, problems = {}, {}
    with ThreadPoolExecutor(threads) as pool:
        for recording_id, (info, problem) in zip(paths, pool.map(inspect, paths), strict=True):
            if problem:
                file = str(Path(audio_dir, paths[recording_id]))
                problems[recording_id] = Problem(file, 0, "", problem, "whole, readable sound")
            else:
                facts[recording_id] = info
            if (done := len(facts) + len(problems)) % 100 == 0:
                print(f"recordings: {done} of {len(paths)} inspected", flush=True)
    cache.save()
    return facts, problems


def joined(
    annotations: list[recordings.Read], path: str, key: str, source: str, columns: tuple[str, ...]
) -> tuple[dict[str, dict], list[Problem]]:
    """Read a side table by its key column; an annotation whose key it lacks, or has twice, is a problem.

    The path of the annotations themselves means that there is no such table. (A null would be simpler, but DVC
    cannot have a dependency that may be null.)
    """
    if path == source:
        return {}, []
    _, rows, problems = read_rows(path, columns)
    table = {}
    for row in rows:
        if row.cells[key] in table:
            problems.append(row.problem(key, "each id once"))
        table.setdefault(row.cells[key], row.cells)
    for row, annotation in annotations:
        if annotation[key] not in table:
            problems.append(row.problem(key, f"an id that {path} has too"))
    return table, problems


def read_old(path: Path) -> dict[str, dict]:
    """Return the rows of an earlier recordings.csv by id; none when there is no usable one."""
    try:
        _, rows, _ = read_rows(path, recordings.RECORDING_COLUMNS)
    except InputError:
        return {}
    return {row.cells["recording_id"]: row.cells for row in rows}


def audit(data: dict, old: dict[str, dict], cache: HashCache, threads: int) -> tuple:
    """Return the good annotations, the facts of their recordings, the side tables by id, every problem, and the
    number of rows that there were."""
    source, audio_dir = data["annotations"], data["audio_dir"]
    _, rows, problems = read_source(data)
    n_rows = len(rows) + len(problems)
    annotations, found = recordings.read_annotations(rows, data["shortest_annotation_s"])
    problems += found
    files = recordings.files_by_id(audio_paths(audio_dir))
    paths, found = recordings.match_files(annotations, files, audio_dir)
    problems += found
    annotations = recordings.without(annotations, found)
    facts, unusable = inspect_all(paths, audio_dir, cache, old, threads)
    problems += unusable.values()
    annotations = [item for item in annotations if item[1]["recording_id"] in facts]
    durations_s = {recording_id: info["duration_s"] for recording_id, info in facts.items()}
    found = recordings.end_problems(annotations, durations_s)
    annotations = recordings.without(annotations, found)
    sites, not_listed = joined(annotations, data["recordings_table"], "recording_id", source, ("recording_id",))
    names, not_named = joined(annotations, data["species_table"], "species_id", source, ("species_id", "name"))
    problems += [*found, *not_listed, *not_named]
    annotations = recordings.without(annotations, [*not_listed, *not_named])
    found = recordings.rare_class_problems(annotations)
    problems += found
    annotations = recordings.without(annotations, found)
    return annotations, facts, sites, names, problems, n_rows


def write_all(output: Path, annotations: list, facts: dict, sites: dict, names: dict, problems: list) -> None:
    """Write the three tables, each whole."""
    extra = sorted({key for _, row in annotations for key in row if recordings.is_extra_column(key)})
    side = sorted({key for cells in sites.values() for key in cells if recordings.is_extra_column(key)} - set(extra))
    clean = []
    for number, (_, row) in enumerate(annotations):
        species_id, site = row["species_id"], sites.get(row["recording_id"], {})
        name = names[species_id]["name"] if names else species_id
        clean.append({**{key: site[key] for key in side}, **row, "annotation_id": number, "species_name": name})
    used = {row["recording_id"] for row in clean}
    listed = [{**sites.get(key, {}), **facts[key]} for key in sorted(used)]
    write_rows(output / "annotations.csv", (*recordings.ANNOTATION_COLUMNS, *extra, *side), clean)
    write_rows(output / "recordings.csv", (*recordings.RECORDING_COLUMNS, *side), listed)
    write_rows(output / "audit.csv", AUDIT_COLUMNS, (vars(problem) for problem in problems))


def left_out(data: dict, kept: str, audit: str) -> str | None:
    """Return a line that says how many annotations the audit left out, None when there are none."""
    if not Path(audit).exists():
        return None
    _, rows, cut = read_source(data)
    n_source, n_kept = len(rows) + len(cut), len(read_rows(kept, ("recording_id",))[1])
    n_problems = len(read_rows(audit, AUDIT_COLUMNS)[1])
    if n_problems == 0:
        return None
    return f"quarantine: {n_source - n_kept} of {n_source} annotations left out; {n_problems} problems in {audit}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=json.loads, required=True, help="the data block, as JSON")
    parser.add_argument("--hash-cache", type=Path, required=True, help="where hashes of files are remembered")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--output", type=Path, required=True, help="folder of the tables")
    args = parser.parse_args(argv)
    data = args.params["data"]
    csv.field_size_limit(10_000_000)

    old = read_old(args.output / "recordings.csv")
    annotations, facts, sites, names, problems, n_rows = audit(data, old, HashCache(args.hash_cache), args.threads)
    left_out = n_rows - len(annotations)
    if problems and data["on_bad_recording"] == "stop":
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)} in {data['annotations']} and its recordings"
        hint = "data.on_bad_recording: quarantine goes on without these rows"
        raise InputError("\n".join([*map(str, problems), f"{count}; {hint}"]))
    classes = recordings.class_order(row["species_id"] for _, row in annotations)
    if len(classes) < 2:
        found = f"only class {classes[0]!r}" if classes else "no usable row"
        lines = [*map(str, problems), f"{data['annotations']}: {found}; expected rows of two classes or more"]
        raise InputError("\n".join(lines))
    write_all(args.output, annotations, facts, sites, names, problems)
    n_recordings = len({row["recording_id"] for _, row in annotations})
    print(
        f"recordings: {len(annotations)} annotations of {len(classes)} classes in {n_recordings} recordings; "
        f"{left_out} of {n_rows} rows left out, {len(problems)} problems"
    )


if __name__ == "__main__":
    sys.exit(run(main))
