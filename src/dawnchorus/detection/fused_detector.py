"""Recordings scored by frames of presence and, where those count, by windows of the network that names clips.

One recording after another goes through both, so that an embedding that both need is made once.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from dawnchorus.detection.detector import Detector, in_results
from dawnchorus.detection.fusion import Fusion
from dawnchorus.detection.sounds import Sound
from dawnchorus.features import runtimes
from dawnchorus.foundation import incremental
from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.progress import Progress
from dawnchorus.learning import model_file


def beside(
    model: Path, presence: Path, fusion: Fusion, params: dict, threads: int, progress: Progress
) -> Detector | None:
    """Return what scores windows of ``model`` beside the frames of ``presence``, None where they do not count.

    ``params``: the block ``detections``, but windows lie as they did where their weight was learned. Raises
    :class:`InputError` where there is no such model, or one of other classes.
    """
    if not fusion.weight:
        return None
    if not model.exists():
        reason = f"frames of {presence.name} count times its windows (fusion.weight {fusion.weight:g})"
        raise InputError(f"{model}: no such file; expected the network that names clips: {reason}")
    card = model_file.read_card(model)
    detector = Detector(model, card, {**params, **fusion.windows()}, threads, progress)
    of_frames = [row["species_id"] for row in model_file.read_card(presence)["classes"]]
    if list(detector.recipe.species_ids) != of_frames:
        raise InputError(f"{model}: of other classes than {presence}; expected two models of one run")
    return detector


def update(
    frames: Detector,
    scores: Path,
    windows: Detector | None,
    window_scores: Path,
    sounds: Sequence[Sound],
    step: Callable[[Sound], None] = lambda sound: None,
    elsewhere: Callable[[Path], incremental.Elsewhere] = lambda path: incremental.nowhere,
    by_windows: Sequence[Sound] | None = None,
) -> list[incremental.Done]:
    """Make both files of scores hold these recordings; what could not be decoded once is in the first alone.

    Without ``windows`` the second file is left as it is. ``elsewhere``: see :meth:`Detector.updating`. ``by_windows``:
    those of the recordings that are wanted in the second file; None: all.
    """
    wanted = {sound.name for sound in (sounds if by_windows is None else by_windows)}

    def by_both(sound: Sound) -> bool:
        return sound.name in wanted and in_results(sound).name not in frames.bad

    with closing(frames.updating(scores, sounds, step, elsewhere)) as of_frames:
        if windows is None:
            return [incremental.ended(of_frames)]
        with closing(windows.updating(window_scores, filter(by_both, sounds), step, elsewhere)) as of_windows:
            for sound in sounds:
                with runtimes.HEARD.meanwhile():
                    next(of_frames)
                    if by_both(sound):
                        next(of_windows)
            return [incremental.ended(of_frames), incremental.ended(of_windows)]
