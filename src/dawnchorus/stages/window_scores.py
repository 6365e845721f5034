"""Make data/detections/shard-K-of-N.parquet and windows-K-of-N.parquet: the scores of the recordings of one shard.

The second holds the windows of the network that names clips where they count beside frames of presence, else nothing.
Every recording of the old shard whose signature still holds is kept, and so is one in a shard of another N; the others
are scored, and a model is loaded only when one has to be.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from dawnchorus.detection import fused_detector, fusion, score_store, sounds
from dawnchorus.detection.detector import MEANWHILE, Detector
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.progress import Progress
from dawnchorus.learning import model_file
from dawnchorus.workflow import shard_sets


def counted(calibration: Path) -> fusion.Fusion:
    # What reads it brings scipy along, for which windows alone need not wait.
    from dawnchorus.detection import presence_calibration

    return presence_calibration.read_fusion(calibration)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="the model file that finds calls")
    parser.add_argument("--beside", type=Path, help="model.keras, whose windows may count beside frames of presence")
    parser.add_argument("--calibration", type=Path, help="presence_calibration.json, which says how much they count")
    parser.add_argument("--shard", type=int, required=True, help="the number of this shard, from 0")
    parser.add_argument("--shards", type=int, required=True, help="the number of shards")
    parser.add_argument(
        "--params",
        type=json.loads,
        required=True,
        help="the detections block and `searched`, where recordings are, as JSON",
    )
    parser.add_argument("--audio", help="what the recordings of the shard were when planned; none: whatever they are")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--output", type=Path, required=True, help="where to write the shard")
    parser.add_argument("--windows", type=Path, required=True, help="where to write that of windows beside frames")
    args = parser.parse_args(argv)
    params = args.params["detections"]

    wanted = sounds.of_shard(args.params["searched"], args.shard, args.shards)
    name = f"window scores shard {args.shard}"
    counts = counted(args.calibration) if args.calibration else fusion.ALONE
    with Progress(name, (1 + bool(counts.weight)) * len(wanted)) as progress:
        detector = Detector(args.model, model_file.read_card(args.model), params, args.threads, progress)
        windows = fused_detector.beside(args.beside, args.model, counts, params, args.threads, progress)
        heard = [one for one in (detector, windows) if one is not None]
        for one in heard:
            one.contents = {}

        def check() -> None:
            """Raise :class:`InputError` unless what was heard is what was planned."""
            for one in heard:
                found = sounds.fingerprint({**(detector.contents or {}), **(one.contents or {})}.items())
                if args.audio is not None and found != args.audio:
                    raise InputError(f"{args.params['searched']}: recordings: {MEANWHILE}")

        def step(sound: sounds.Sound) -> None:
            progress.step(sound.path)
            # Before the files are whole: of a run that ends here the parts stay, and the next one takes them over.
            if sound.path == wanted[-1].path:
                check()

        to_both = detector, args.output, windows, args.windows, wanted
        done, *of_windows = fused_detector.update(*to_both, step, shard_sets.elsewhere)
        check()
        if windows is None:
            score_store.write_empty(args.windows, detector.recipe.species_ids)
    left_out = f"; {len(detector.bad)} left out" if detector.bad else ""
    print(f"{name}: {len(wanted)} recordings: {done}{left_out}")
    for of in of_windows:
        print(f"{name}, windows beside frames: {of}")


if __name__ == "__main__":
    # The matrices of a window are small: a second thread of BLAS only waits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(main))
