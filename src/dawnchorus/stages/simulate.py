"""Make data/simulated/: an RFCX-layout set of simulated recordings, whole or not at all."""

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile

from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import sha256_of
from dawnchorus.simulation import simulate
from dawnchorus.tables.users import write_rows

ANNOTATION_COLUMNS = ("recording_id", "species_id", "songtype_id", "t_min", "f_min", "t_max", "f_max")
RECORDING_COLUMNS = ("recording_id", "sha256", "site", "background")
SPECIES_COLUMNS = ("species_id", "name")


def build(params: dict, seed: int, folder: Path, threads: int) -> None:
    """Write the whole set into an empty folder, one recording a thread at a time."""
    (folder / "train").mkdir()

    def make(index: int, cast: list[int]) -> tuple[dict, list[dict]]:
        made = simulate.recording(params, seed, index, cast)
        path = folder / "train" / f"{made.recording_id}.flac"
        soundfile.write(path, made.samples, params["sample_rate_hz"], format="FLAC", subtype="PCM_16")
        row = {"recording_id": made.recording_id, "site": made.site, "background": made.background}
        return row | {"sha256": sha256_of(path)}, made.annotations

    casts = simulate.casting(params, seed)
    with ThreadPoolExecutor(threads) as pool:
        made = list(pool.map(make, range(len(casts)), casts))
    write_rows(folder / "species.csv", SPECIES_COLUMNS, simulate.species_table(params))
    write_rows(folder / "recordings.csv", RECORDING_COLUMNS, [row for row, _ in made])
    write_rows(folder / "train_tp.csv", ANNOTATION_COLUMNS, [row for _, rows in made for row in rows])


def publish(built: Path, output: Path) -> None:
    """Move a built set to its place; the annotations go first and come last: they never name a half set."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "train_tp.csv").unlink(missing_ok=True)
    if (output / "train").exists():
        (output / "train").rename(built / "former")
    for name in ("train", "recordings.csv", "species.csv", "train_tp.csv"):
        (built / name).replace(output / name)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=json.loads, required=True, help="seed and the simulate block, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--output", type=Path, required=True, help="folder of the set")
    args = parser.parse_args(argv)
    params, seed = args.params["simulate"]["set"], args.params["seed"]

    simulate.check(params)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.output.parent, prefix=f".{args.output.name}.") as temporary:
        build(params, seed, Path(temporary), args.threads)
        publish(Path(temporary), args.output)


if __name__ == "__main__":
    sys.exit(run(main))
