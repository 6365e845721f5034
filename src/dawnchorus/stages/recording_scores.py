"""Make data/recording_scores/: what the model says of whole recordings that it did not learn from.

recordings.csv says of every recording which partition all its annotations are in. Those that are wholly in validation
or in test are scored, by the code that scores new recordings: scores.parquet. energy.parquet is of a baseline. Where
none validates, training recordings are scored too, for the parts that presence did not learn from.
"""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

from dawnchorus.annotations.bands import bands_hz
from dawnchorus.detection import fused_detector, score_store
from dawnchorus.detection.detector import Detector
from dawnchorus.detection.energy import EnergyDetector
from dawnchorus.detection.sounds import Sound
from dawnchorus.foundation import incremental
from dawnchorus.foundation.errors import run
from dawnchorus.foundation.progress import Progress
from dawnchorus.learning import model_file, presence
from dawnchorus.partitioning import groups, held_back
from dawnchorus.sound.unchanged import unchanged
from dawnchorus.tables import made
from dawnchorus.tables.definitions import HELD_OUT, RECORDINGS, ROWS


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="the model file, model.keras")
    parser.add_argument("--presence", type=Path, required=True, help="presence.keras")
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of the data set")
    parser.add_argument("--recordings", type=Path, required=True, help="clean recordings, of rule recordings")
    parser.add_argument("--audio-dir", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--params", type=json.loads, required=True, help="the blocks split and detections, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="how many threads may be used")
    parser.add_argument("--held-out", type=Path, required=True, help="where to write recordings.csv")
    parser.add_argument("--scores", type=Path, required=True, help="where to write scores.parquet")
    parser.add_argument("--presence-scores", type=Path, required=True, help="where to write presence.parquet")
    parser.add_argument("--energy", type=Path, required=True, help="where to write energy.parquet")
    args = parser.parse_args(argv)
    # The audit has decoded every recording: one that cannot be scored is no bad recording, but an error.
    params = {**args.params["detections"], "on_bad_recording": "stop"}

    recordings, rows = made.read(args.recordings, RECORDINGS), made.frame(args.rows, ROWS)
    belongs = groups.of_recordings(recordings, rows.to_dict("records"), args.params["split"])
    held_out = [
        {"recording_id": row["recording_id"], "path": row["path"], "group": group, "partition": partition}
        for row, (group, partition) in zip(recordings, belongs, strict=True)
    ]
    made.write(args.held_out, HELD_OUT, held_out)
    card = model_file.read_card(args.model)
    species_ids = [row["species_id"] for row in card["classes"]]
    of_presence = model_file.read_card(args.presence)
    by_frames = presence.wanted(of_presence["presence"])
    parted = held_back.parted(recordings, [row["partition"] for row in held_out]) if by_frames else ()
    sounds = {
        row["recording_id"]: Sound.audited(args.audio_dir, row)
        for row, of in zip(recordings, held_out, strict=True)
        if of["partition"] in ("validation", "test") or row["recording_id"] in parted
    }
    wanted = list(sounds.values())
    # The network of clips has learned from the parts too: nobody asks what it says of them.
    unlearned = [sound for recording_id, sound in sounds.items() if recording_id not in parted]
    # Each recording once by the network of clips, by that of presence where there is one, and by energy.
    n_steps = len(unlearned) + (1 + by_frames) * len(wanted)
    listed = [row for row in recordings if row["recording_id"] in sounds]
    with Progress("recording scores", n_steps) as progress, unchanged(listed, args.audio_dir):

        def step(sound: Sound) -> None:
            progress.step(sound.path)

        windows = Detector(args.model, card, params, args.threads, progress)
        if by_frames:
            frames = Detector(args.presence, of_presence, params, args.threads, progress)
            to_both = args.presence_scores, windows, args.scores
            _, done = fused_detector.update(frames, *to_both, wanted, step, by_windows=unlearned)
        else:
            done = incremental.ended(windows.updating(args.scores, unlearned, step))
            score_store.write_empty(args.presence_scores, species_ids)
        energy = EnergyDetector(species_ids, bands_hz(rows, species_ids), params["channel"], progress.warn)
        energy.update(args.energy, wanted, step)
    counts = Counter(row["partition"] for row in held_out)
    mixed = f"; {counts[groups.MIXED]} left out, of several partitions" if counts[groups.MIXED] else ""
    part = f", {len(parted)} of training for their last parts" if parted else ""
    said = f"{counts['validation']} recordings of validation, {counts['test']} of test{part}: {done}{mixed}"
    print(f"recording_scores: {said}")


if __name__ == "__main__":
    # The matrices of a window are small: a second thread of BLAS only waits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(run(main))
