"""Make data/simulated/: an RFCX-layout set of simulated recordings, whole or not at all."""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.foundation.errors import run
from dawnchorus.simulation import simulated_set


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=json.loads, required=True, help="seed and the simulate block, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--audio", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--annotations", type=Path, required=True, help="where to write train_tp.csv")
    parser.add_argument("--recordings", type=Path, required=True, help="where to write recordings.csv")
    parser.add_argument("--species", type=Path, required=True, help="where to write species.csv")
    args = parser.parse_args(argv)

    outputs = {key: getattr(args, key) for key in ("audio", *simulated_set.TABLES)}
    said = simulated_set.write(args.params["simulate"]["set"], args.params["seed"], outputs, args.threads)
    print(f"simulate: {said}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
