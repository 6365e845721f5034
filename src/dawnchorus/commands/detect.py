"""Detect species in recordings with a trained model.

Writes into the output folder: a page to look and listen (detections.html), events (events.csv), how often each
species calls by hour and site, where names of files say them (activity.csv), the scores of all frames or windows
(scores.csv, scores.parquet), tables for Raven and labels for Audacity, and what could not be read (problems.csv).
What has been scored with the same model and windows is not scored again when the command is repeated on one output
folder.
"""

import argparse
import os
from pathlib import Path

from dawnchorus.commands import options
from dawnchorus.foundation.display_names import escaped
from dawnchorus.foundation.errors import InputError
from dawnchorus.parameters.base import meaning_of, said_of
from dawnchorus.parameters.detections import Detections

EXAMPLES = """examples:
  dawnchorus detect --model models night.flac
  dawnchorus detect --model models --output found --keep-going /data/site-3
"""
# What finds calls, each a model and its calibration: the first that the folder has, and that was asked for.
FRAMES, WINDOWS = ("presence.keras", "presence_calibration.json"), ("model.keras", "calibration.json")
# What frames say, or windows where those find calls; and what windows say that count beside frames.
SCORES, BESIDE = "window-scores.parquet", "clip-scores.parquet"

MOST_THREADS = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "audio", nargs="+", type=options.path_as_given, metavar="AUDIO", help="sound files, or folders of them"
    )
    parser.add_argument(
        "--model",
        type=options.path,
        required=True,
        metavar="DIR",
        help=f"folder with {' and '.join((*FRAMES, WINDOWS[0]))} (or {' and '.join(WINDOWS)}), as `models`",
    )
    parser.add_argument(
        "--windows", action="store_true", help=f"find calls by windows, with {WINDOWS[0]}, although there is presence"
    )
    parser.add_argument(
        "--output",
        type=options.path,
        default=Path("detections"),
        metavar="DIR",
        help="for the results (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="leave recordings out that cannot be read, and say which (default: stop at the first)",
    )
    sound = parser.add_argument_group("sound")
    windows = parser.add_argument_group("windows, where those find calls: what a network that names clips scores")
    events = parser.add_argument_group("events of windows, neighbouring ones above a species' threshold")
    page = parser.add_argument_group("results")
    machine = parser.add_argument_group("machine")
    for group, key, option, metavar in (
        (windows, "window_s", "--window-s", "S"),
        (windows, "step_s", "--step-s", "S"),
        (sound, "channel", "--channel", "C"),
        (events, "smoothing_windows", "--smoothing-windows", "N"),
        (events, "merge_gap_s", "--merge-gap-s", "S"),
        (page, "page_events", "--events", "N"),
        (page, "pictures", "--pictures", "N"),
        (page, "sample_submission", "--sample-submission", "CSV"),
        (machine, "batch_size", "--batch-size", "N"),
    ):
        add_option(group, key, option, metavar)
    machine.add_argument(
        "--threads",
        type=options.whole_number(MOST_THREADS),
        default=os.cpu_count() or 1,
        metavar="N",
        help="default: all, here %(default)s",
    )


def add_option(group: argparse._ArgumentGroup, key: str, option: str, metavar: str) -> None:
    """Add the option of a key of the block `detections`: its meaning, range and default are those of the key."""
    field = Detections.model_fields[key]
    default = said_of(field)["default"]
    text = meaning_of(field).replace("null: ", "default: ")
    if default is not None:
        text += f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"

    typed = options.typed(Detections, key)
    group.add_argument(option, type=typed, default=default, metavar=metavar, help=text)


def recordings(given: list[str]) -> list:
    """Return the recordings of all arguments, sorted by name; named as in a list."""
    from dawnchorus.detection import sounds

    try:
        paths = []
        for path in given:
            paths += [sound.path for sound in sounds.find(path)] if os.path.isdir(path) else [path]
        return sorted(sounds.named(paths), key=lambda sound: sound.name)
    except InputError as error:
        # One problem, and so one line, whatever a name holds.
        raise InputError(escaped(str(error))) from None


def detector_of(folder: Path, windows: bool) -> tuple[Path, Path]:
    """Return the model that finds calls, and its calibration: of presence if the folder has one, else of windows."""
    from dawnchorus.learning import model_file, presence

    model, calibration = (folder / name for name in FRAMES)
    if not windows and os.path.lexists(model) and presence.wanted(model_file.read_card(model).get("presence") or {}):
        return model, calibration
    return folder / WINDOWS[0], folder / WINDOWS[1]


def main(args: argparse.Namespace) -> None:
    # The matrices of a window are small: a second thread of BLAS only waits.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from dawnchorus.detection import detections, fused_detector, results_folder, review_thresholds
    from dawnchorus.detection.detector import Detector, in_results
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
    model, calibration = detector_of(args.model, args.windows)
    # Everything that can be known is looked at before the hours of scoring.
    decision = detections.Decision.of_model(model, calibration, params)
    if os.path.lexists(reviewed := args.model / review_thresholds.NAME):
        decision = review_thresholds.applied(decision, reviewed, model, calibration)
    wanted, scores, of_windows = recordings(args.audio), args.output / SCORES, args.output / BESIDE
    called = [in_results(sound) for sound in wanted]
    results_folder.check_names(args.output, (sound.name for sound in called))
    if args.sample_submission is not None:
        ids = [sound.recording_id for sound in called]
        detections.check_sample(args.sample_submission, ids, decision.species_ids)
    fusion = decision.fusion
    page = args.output / "detections.html"
    with results_folder.claimed(args.output, page, [SCORES, BESIDE]) as staged:
        with Progress("detect", (1 + bool(fusion.weight)) * len(wanted)) as progress:
            detector = Detector(model, model_file.read_card(model), params, args.threads, progress)
            windows = fused_detector.beside(args.model / WINDOWS[0], model, fusion, params, args.threads, progress)
            fused_detector.update(
                detector, scores, windows, of_windows, wanted, lambda sound: progress.step(sound.path)
            )
        stores = decision.stores([scores], [of_windows])
        print(f"detect: {make(stores, decision, str(model), staged, args.output, page)}")
