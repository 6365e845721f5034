"""Detect species in recordings with a trained model.

Writes into the output folder: a page to look and listen (detections.html), events (events.csv), the scores of
all windows (scores.csv, scores.parquet), tables for Raven and labels for Audacity, and what could not be read
(problems.csv). What has been scored with the same model and windows is not scored again when the command is
repeated on one output folder.
"""

import argparse
import os
from pathlib import Path

from dawnchorus.foundation.errors import InputError

EXAMPLES = """examples:
  dawnchorus detect --model models night.flac
  dawnchorus detect --model models --output found --keep-going /data/site-3
"""
MODEL, CALIBRATION, SCORES = "model.keras", "calibration.json", "window-scores.parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", nargs="+", metavar="AUDIO", help="sound files, or folders of them")
    parser.add_argument(
        "--model", type=Path, required=True, metavar="DIR", help=f"folder with {MODEL} and {CALIBRATION}, as `models`"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("detections"), metavar="DIR", help="for the results (default: %(default)s)"
    )
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="leave recordings out that cannot be read, and say which (default: stop at the first)",
    )
    windows = parser.add_argument_group("windows, the stretches of sound that are scored")
    windows.add_argument("--window-s", type=float, metavar="S", help="length (default: that of the training)")
    windows.add_argument("--step-s", type=float, metavar="S", help="from one to the next (default: half a window)")
    windows.add_argument(
        "--channel", type=channel, default="mix", metavar="C", help="a number from 0, or mix: the mean (default)"
    )
    events = parser.add_argument_group("events, neighbouring windows above a species' threshold")
    events.add_argument(
        "--smoothing-windows", type=odd, default=1, metavar="N", help="average over N windows, odd (default: 1)"
    )
    events.add_argument(
        "--merge-gap-s", type=float, default=0.0, metavar="S", help="join events so close (default: 0, if they touch)"
    )
    page = parser.add_argument_group("results")
    page.add_argument("--events", type=int, default=5, metavar="N", help="of each species on the page (default: 5)")
    page.add_argument("--pictures", type=int, default=3, metavar="N", help="of recordings on the page (default: 3)")
    page.add_argument(
        "--sample-submission", metavar="CSV", help="write a submission to Kaggle's RFCX too, its rows as in this one"
    )
    machine = parser.add_argument_group("machine")
    machine.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows at a time (default: 32)")
    machine.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, metavar="N", help="default: all, here %(default)s"
    )


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
    from dawnchorus.detection import sounds

    paths = []
    for path in given:
        paths += [sound.path for sound in sounds.find(path)] if Path(path).is_dir() else [path]
    return sorted(sounds.named(paths), key=lambda sound: sound.name)


def main(args: argparse.Namespace) -> None:
    # The matrices of a window are small: a second thread of BLAS only waits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from dawnchorus.detection import detections
    from dawnchorus.detection.detector import Detector
    from dawnchorus.foundation.progress import Progress
    from dawnchorus.learning import model_file
    from dawnchorus.stages.detections import make

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
    decision = detections.Decision.of_model(model, args.model / CALIBRATION, params)
    wanted, scores = recordings(args.audio), args.output / SCORES
    with Progress("detect", len(wanted)) as progress:
        detector = Detector(model, model_file.read_card(model), params, args.threads, progress.warn)
        done = detector.update(scores, wanted, lambda sound: progress.step(sound.path))
    detections.remove(args.output, done.dropped)
    print(f"detect: {make([scores], decision, str(model), args.output, args.output / 'detections.html')}")
