"""Make models/presence.keras: a network that says of every frame which species are there, and its history.

With presence.network `none` the file holds nothing but what was asked for.
"""

import argparse
import json
import sys
from pathlib import Path

from dawnchorus.annotations import bands
from dawnchorus.features.shards import Shard, Shards, content_of, content_of_set
from dawnchorus.foundation.errors import InputError, run
from dawnchorus.foundation.source_code import SourceCode
from dawnchorus.learning import presence, pseudo_labels, saved_model, trained_with
from dawnchorus.partitioning import groups, held_back
from dawnchorus.tables import made
from dawnchorus.tables.definitions import (
    ALONE,
    CLASSES,
    FALSE_POSITIVES,
    FROM_REVIEWS,
    PRESENCE_HISTORY,
    RECORDINGS,
    ROWS,
    UNKNOWN,
)


def say(text: str) -> None:
    print(f"presence: {text}", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the frames of whole recordings")
    parser.add_argument("--rows", type=Path, required=True, help="rows.csv of the data set")
    parser.add_argument("--classes", type=Path, required=True, help="classes.csv of the data set")
    parser.add_argument("--recordings", type=Path, required=True, help="clean recordings, of rule recordings")
    parser.add_argument("--unknown", type=Path, required=True, help="spans of unknown content, of rule recordings")
    parser.add_argument("--false-positives", type=Path, required=True, help="boxes that lack their species")
    parser.add_argument("--params", type=json.loads, required=True, help="the values that it reads, as JSON")
    parser.add_argument("--threads", type=int, required=True, help="threads of the CPU")
    parser.add_argument("--model", type=Path, required=True, help="where to write the model")
    parser.add_argument("--history", type=Path, required=True, help="where to write the history, a row an epoch")
    parser.add_argument("--rounds", type=Path, required=True, help="where to keep all trainings, round by round")
    args = parser.parse_args(argv)

    # What the frames are is known by their shards: so must be whatever the network is given later.
    with Shard(args.shards[0]) as shard:
        params = {**args.params, "features": shard.params, "feature_files": shard.files}
    classes = made.read(args.classes, CLASSES)
    block = {key: params[key] for key in ("seed", "presence", "features", "feature_files")}
    if not presence.wanted(params["presence"]):
        if len(classes) < 2:
            only = classes[0]["species_id"]
            raise InputError(
                f"{args.classes}: only class {only!r}; expected two or more, because presence.network is none: windows "
                "of the network of `model` tell classes apart, and no call from silence"
            )
        say("no detector is trained (presence.network: none); the classifier finds calls, window by window")
        made.write(args.history, PRESENCE_HISTORY, [])
        pseudo_labels.save(args.rounds, "", [])
        saved_model.save_card({**block, "classes": classes}, args.model)
        return
    rows = made.frame(args.rows, ROWS)
    recordings = made.read(args.recordings, RECORDINGS)
    belongs = groups.of_recordings(recordings, rows.to_dict("records"), params["split"])
    known = [
        {"recording_id": row["recording_id"], "partition": partition, "reviewed": row.get(FROM_REVIEWS) == ALONE}
        for row, (_, partition) in zip(recordings, belongs, strict=True)
    ]
    trains = {row["recording_id"] for row in known if row["partition"] == "train"}
    unknown, absent = made.read(args.unknown, UNKNOWN), made.read(args.false_positives, FALSE_POSITIVES)
    absent = [row for row in absent if row["recording_id"] in trains or not row.get(FROM_REVIEWS)]
    parted = held_back.parted(recordings, [partition for _, partition in belongs])
    validating = [row for row in known if row["recording_id"] in parted] if parted else known
    if parted:
        say(f"no recording validates: the last {held_back.SHARE:.0%} of each training recording does instead")
    with Shards(args.shards) as shards:
        of_training, of_validation = (
            presence.soundings(
                shards.features,
                of,
                rows,
                [name],
                unknown,
                absent,
                [row["species_id"] for row in classes],
                params,
                part,
                parted,
            )
            for of, name, part in (
                (known, "train", held_back.TRAINS),
                (validating, "train" if parted else "validation", held_back.VALIDATES),
            )
        )
    code = SourceCode().version_of("stages.presence", chosen={})
    files = (args.rows, args.classes, args.recordings, args.unknown, args.false_positives)
    # However many jobs made the features, what is in them is the same.
    features = content_of_set(map(content_of, args.shards))
    # A training is the same whether others come after it.
    alone = {name: value for name, value in params["presence"].items() if name != "pseudo_label_rounds"}
    key = trained_with.checkpoint_key({**params, "presence": alone, "features of recordings": features}, files, code)
    checkpoint = args.model.with_name("presence_checkpoint.npz"), key
    block["bands_hz"] = bands.bands_hz(rows, [row["species_id"] for row in classes])
    model, history, card = presence.train(
        of_training, of_validation, classes, block, args.threads, say, checkpoint, args.rounds
    )
    made.write(args.history, PRESENCE_HISTORY, history)
    saved_model.save(model, card, args.model)


if __name__ == "__main__":
    sys.exit(run(main))
