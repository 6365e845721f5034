"""Make data/detections/shard-N.parquet: the window scores of the recordings of one shard.

Every recording of the old shard whose signature still holds is kept, the others are scored; the model is
loaded only when one has to be.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from dawnchorus.detection import score_store, sounds
from dawnchorus.detection.detector import Detector
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.learning import model_file


def open_old(path: Path, species_ids: tuple[str, ...]) -> score_store.Store | None:
    """Open what an earlier run made; an unusable file only costs the work of making it again."""
    if not path.exists():
        return None
    try:
        store = score_store.Store(path)
    except InputError as error:
        print(f"{error}; starting anew", flush=True)
        return None
    return store if store.species_ids == species_ids else None


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="the model file, model.keras")
    parser.add_argument("--shard", type=int, required=True, help="the number of this shard, from 0")
    parser.add_argument("--shards", type=int, required=True, help="the number of shards")
    parser.add_argument("--params", type=json.loads, required=True, help="the detections block, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--output", type=Path, required=True, help="where to write the shard")
    args = parser.parse_args(argv)
    params = args.params["detections"]

    wanted = sounds.of_shard(params["recordings"], args.shard, args.shards)
    detector = Detector(args.model, model_file.read_card(args.model), params, args.threads)
    species_ids = detector.recipe.species_ids
    old, n_bad = open_old(args.output, species_ids), 0
    with score_store.write_store(args.output, species_ids) as writer:
        for entry in detector.entries(wanted, old):
            writer.add(entry)
            n_bad += entry.problem is not None
    print(
        f"window scores shard {args.shard}: {len(wanted)} recordings: {detector.n_scored} scored, "
        f"{detector.n_kept} kept, {n_bad} left out"
    )


if __name__ == "__main__":
    # The matrices of a window are small: a second thread of BLAS only waits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(main))
