"""Make data/detections/shard-N.parquet: the window scores of the recordings of one shard.

Every recording of the old shard whose signature still holds is kept, the others are scored; the model is
loaded only when one has to be.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from dawnchorus.detection import sounds
from dawnchorus.detection.detector import Detector
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.progress import Progress
from dawnchorus.learning import model_file


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="the model file, model.keras")
    parser.add_argument("--shard", type=int, required=True, help="the number of this shard, from 0")
    parser.add_argument("--shards", type=int, required=True, help="the number of shards")
    parser.add_argument(
        "--params",
        type=json.loads,
        required=True,
        help="the detections block and `searched`, where recordings are, as JSON",
    )
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--output", type=Path, required=True, help="where to write the shard")
    args = parser.parse_args(argv)
    params = args.params["detections"]

    wanted = sounds.of_shard(args.params["searched"], args.shard, args.shards)
    name = f"window scores shard {args.shard}"
    with Progress(name, len(wanted)) as progress:
        detector = Detector(args.model, model_file.read_card(args.model), params, args.threads, progress.warn)
        done = detector.update(args.output, wanted, lambda sound: progress.step(sound.path))
    left_out = f"; {detector.n_bad} left out" if detector.n_bad else ""
    print(f"{name}: {len(wanted)} recordings: {done}{left_out}")


if __name__ == "__main__":
    # The matrices of a window are small: a second thread of BLAS only waits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(main))
