"""Say which species are heard in recordings: scores, events, tables for Raven and Audacity, and a page to
listen.

What has been scored with the same model is not scored again when the command is repeated on one output
folder.
"""

import argparse
import os
from pathlib import Path

from dawnchorus.errors import InputError

SUMMARY = "find species in new recordings with a trained model"
MODEL, CALIBRATION, SCORES = "model.keras", "calibration.json", "window-scores.parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", nargs="+", metavar="AUDIO", help="sound files, or folders of them")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help=f"folder of {MODEL} and {CALIBRATION}")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--window-s", type=float, metavar="S", help="length of a window; else as trained")
    parser.add_argument("--step-s", type=float, metavar="S", help="from window to window; else half a window")
    parser.add_argument(
        "--channel", type=channel, default="mix", help="mix (the mean of all, the default) or a number from 0"
    )
    parser.add_argument(
        "--smoothing-windows", type=odd, default=1, metavar="N", help="odd; average scores over N windows"
    )
    parser.add_argument(
        "--merge-gap-s", type=float, default=0.0, metavar="S", help="events so close are one; 0: if they touch"
    )
    parser.add_argument(
        "--keep-going", action="store_true", help="leave recordings out that cannot be read, and say which"
    )
    parser.add_argument(
        "--sample-submission", metavar="CSV", help="write a submission to Kaggle's RFCX in this one's order"
    )
    parser.add_argument("--events", type=int, default=5, metavar="N", help="on the page, of each species")
    parser.add_argument("--pictures", type=int, default=3, metavar="N", help="of recordings, on the page")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows at a time")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, metavar="N")


def channel(text: str) -> str | int:
    """Return ``mix`` or a channel's number."""
    if text == "mix":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: expected mix or a number from 0")
    return int(text)


def odd(text: str) -> int:
    """Return an odd number from 1."""
    if not text.isdecimal() or int(text) % 2 == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1, 3, 5, ...")
    return int(text)


def recordings(given: list[str]) -> list:
    """Return the recordings of all arguments, sorted by name; named as in a list."""
    from dawnchorus import sounds

    paths = []
    for path in given:
        paths += [sound.path for sound in sounds.find(path)] if Path(path).is_dir() else [path]
    return sorted(sounds.named(paths), key=lambda sound: sound.name)


def main(args: argparse.Namespace) -> None:
    # The matrices of a window are small: a second thread of BLAS only waits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from dawnchorus import model_file, score_store, scoring
    from dawnchorus.files import sha256_of
    from dawnchorus.listening import Listener
    from dawnchorus.stages import detections, window_scores

    params = {
        "window_s": args.window_s,
        "step_s": args.step_s,
        "channel": args.channel,
        "batch_size": args.batch_size,
        "smoothing_windows": args.smoothing_windows,
        "merge_gap_s": args.merge_gap_s,
        "on_bad_recording": "quarantine" if args.keep_going else "stop",
        "sample_submission": args.sample_submission,
        "page_events": args.events,
        "pictures": args.pictures,
    }
    for name in ("batch_size", "threads"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(args, name)}: expected 1 or more")
    model = args.model / MODEL
    decision = detections.decision_of(model, args.model / CALIBRATION, params)
    recipe = scoring.Recipe.of_card(model_file.read_card(model), model)
    listener = Listener(
        lambda: (model_file.load(model, args.threads)[0], recipe), sha256_of(model), params, args.threads
    )
    scores = args.output / SCORES
    old = window_scores.open_old(scores, recipe.species_ids)
    wanted = recordings(args.audio)
    with score_store.write_store(scores, recipe.species_ids) as writer:
        for number, entry in enumerate(listener.entries(wanted, old), 1):
            writer.add(entry)
            if entry.problem is None:
                print(f"detect: {number} of {len(wanted)}: {entry.path}", flush=True)
    print(f"detect: {detections.make([scores], decision, str(model), args.output, args.output / 'detections.html')}")
