"""Make data/recording_scores/svm.parquet and svm_calibration.json: a baseline on the windows of held-out recordings.

Without two classes to tell apart there is no machine, and the table holds no recording.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from dawnchorus.detection import score_store, svm_detector
from dawnchorus.detection.sounds import Sound
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.files import write_json
from dawnchorus.foundation.progress import Progress
from dawnchorus.learning import dataset
from dawnchorus.sound.unchanged import unchanged
from dawnchorus.tables import made
from dawnchorus.tables.definitions import HELD_OUT, RECORDINGS


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", type=Path, nargs="+", required=True, help="the files of the data set")
    parser.add_argument("--held-out", type=Path, required=True, help="recordings.csv, of rule recording_scores")
    parser.add_argument("--recordings", type=Path, required=True, help="clean recordings, of rule recordings")
    parser.add_argument("--audio-dir", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="the values that it reads, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--scores", type=Path, required=True, help="where to write svm.parquet")
    parser.add_argument("--calibration", type=Path, required=True, help="where to write svm_calibration.json")
    args = parser.parse_args(argv)

    data = dataset.open_dataset(args.dataset)
    held_out = made.read(args.held_out, HELD_OUT)
    ids = {row["recording_id"] for row in held_out if row["partition"] in ("validation", "test")}
    listed = [row for row in made.read(args.recordings, RECORDINGS) if row["recording_id"] in ids]
    wanted = [Sound.audited(args.audio_dir, row) for row in listed]
    machine, calibration = svm_detector.fit(data, args.params["evaluation"]["default_threshold"])
    recipe = svm_detector.recipe_of(data)
    if machine is None:
        score_store.write_empty(args.scores, recipe.species_ids)
        done = "fewer than two classes to learn: there is none"
    else:
        with Progress("SVM on windows", len(wanted)) as progress, unchanged(listed, args.audio_dir):
            block = args.params["detections"]
            detector = svm_detector.SvmDetector(machine, recipe, block, args.threads, progress.warn)
            counts = detector.update(args.scores, wanted, lambda sound: progress.step(sound.path))
            done = f"{len(wanted)} recordings: {counts}"
    write_json(args.calibration, calibration)
    print(f"svm_scores: {done}", flush=True)


if __name__ == "__main__":
    # The matrices of a window are small: a second thread of BLAS only waits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(main))
