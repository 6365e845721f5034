"""A whole simulated set on disk: recordings and tables, all of them or none."""

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile

from dawnchorus.foundation.files import sha256_of
from dawnchorus.foundation.progress import Progress
from dawnchorus.simulation import simulate
from dawnchorus.tables import made
from dawnchorus.tables.definitions import RFCX, SIMULATED_RECORDINGS, SPECIES

TABLES = {"recordings": SIMULATED_RECORDINGS, "species": SPECIES, "annotations": RFCX}


def write(params: dict, seed: int, outputs: Mapping[str, Path], threads: int) -> str:
    """Make the set and put it in its place.

    ``params``: the block ``simulate.set``. ``outputs``: where the folder ``audio`` and the tables ``annotations``,
    ``recordings`` and ``species`` belong. The set is built beside them; the annotations go first and come last, so
    that they never name half a set. Return what was made, in words.
    """
    simulate.check(params)
    audio = outputs["audio"]
    audio.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=audio.parent, prefix=f".{audio.name}.") as name:
        built = {key: Path(name, key) for key in outputs}
        said = _build(params, seed, built, threads)
        outputs["annotations"].unlink(missing_ok=True)
        if audio.exists():
            audio.rename(Path(name, "former"))
        for key in ("audio", *TABLES):
            outputs[key].parent.mkdir(parents=True, exist_ok=True)
            built[key].replace(outputs[key])
    return said


def _build(params: dict, seed: int, paths: Mapping[str, Path], threads: int) -> str:
    """Write the whole set, one recording a thread at a time."""
    paths["audio"].mkdir()

    def make(index: int, cast: list[int]) -> tuple[dict, list[dict]]:
        recording = simulate.recording(params, seed, index, cast)
        path = paths["audio"] / f"{recording.recording_id}.flac"
        soundfile.write(path, recording.samples, params["sample_rate_hz"], format="FLAC", subtype="PCM_16")
        row = {"recording_id": recording.recording_id, "site": recording.site, "background": recording.background}
        annotations = [{name: row[name] for name in RFCX.names} for row in recording.annotations]
        return row | {"sha256": sha256_of(path)}, annotations

    casts = simulate.casting(params, seed)
    recordings = []
    with ThreadPoolExecutor(threads) as pool, Progress("simulate", len(casts)) as progress:
        for row, annotations in pool.map(make, range(len(casts)), casts):
            recordings.append((row, annotations))
            progress.step(row["recording_id"])
    rows = {
        "recordings": [row for row, _ in recordings],
        "species": simulate.species_table(params),
        "annotations": [row for _, annotations in recordings for row in annotations],
    }
    for key, table in TABLES.items():
        made.write(paths[key], table, rows[key])
    n_calls, n_species = len(rows["annotations"]), len(rows["species"])
    return f"{len(recordings)} recordings with {n_calls} annotated calls of {n_species} species"
