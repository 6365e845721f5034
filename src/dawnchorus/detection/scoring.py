"""A long recording through a model: decoded in blocks, cut into windows, scored; memory stays flat.

What the model is given is made by the functions that made its training clips, with the values that its own card
holds, so the two cannot differ. One thread decodes and resamples ahead, others make features, while the
network scores the batch before; what comes out depends on none of this.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dawnchorus.features import extraction as feature_frames
from dawnchorus.features import kinds
from dawnchorus.foundation.errors import InputError
from dawnchorus.learning import dataset, model_card
from dawnchorus.sound import audio, decoding, windows

if TYPE_CHECKING:
    import numpy as np

    from dawnchorus.learning.model_file import Model

NORMALIZING = ("features", "clip_normalization", "normalization", "offset", "scale", "frames", "padding")
DECODED_AHEAD = 8  # windows; with a batch of windows in the making they bound the memory
# What no windows of sound that somebody wants scored come near: the bytes of those that are held at a time, the numbers
# in the spectrum of one, and how many of them lie over each other.
MOST_BYTES, MOST_NUMBERS, MOST_OVERLAP, MOST_WINDOWS = 2**32, 2**28, 1000, 2_000_000
# The modules that scores depend on, with all that they import, and the parameters.
CODE = ("detection.scoring", "learning.model_file")
SCORED_BY = ("window_s", "step_s", "channel")
Part = Callable[[float], None]


@dataclass(frozen=True)
class Recipe:
    """What a model's card says of its input and output: how features are made, normalized, and what classes mean."""

    features: dict
    statistics: dict
    frames: int
    species_ids: tuple[str, ...]
    species_names: tuple[str, ...]

    @classmethod
    def of_card(cls, card: dict, path: str | os.PathLike) -> Recipe:
        """Read a card; what is wrong with it raises :class:`InputError` naming the model's ``path`` and the field."""
        model_card.check_dataset(card, path)
        made = card["dataset"]
        return cls(
            made["features"],
            {key: made[key] for key in NORMALIZING},
            made["frames"],
            tuple(row["species_id"] for row in card["classes"]),
            tuple(row["species_name"] for row in card["classes"]),
        )

    def prepared(self, y: np.ndarray, rate_hz: int) -> np.ndarray:
        """Return what the network takes of one window's samples: normalized, (frames, n_features), float32."""
        made = feature_frames.extract(y, rate_hz, self.features)
        return dataset.normalized(made, self.statistics)[0]


@dataclass(frozen=True)
class Scored:
    """The window scores of one recording: ``scores`` (windows, classes) float32, one start a window.

    The first window can start before 0 and the last end after ``duration_s``; see :mod:`dawnchorus.sound.windows`.
    """

    duration_s: float
    sample_rate_hz: int
    starts_s: np.ndarray
    window_s: float
    scores: np.ndarray


def planned(recipe: Recipe, params: dict, rate_hz: int) -> windows.Plan:
    """Return how windows are laid in sound of a rate; those that nobody could want raise :class:`InputError`.

    Where each frame is made by itself, the first window begins where a frame of the recording does, and so do the
    others if their step is a multiple of the hop: what presence has made of the same sound is not made again.
    """
    unit = recipe.features["hop_length"] if kinds.get(recipe.features["kind"]).KIND.vectors else 1
    plan = windows.plan(recipe.features, recipe.frames, rate_hz, params["window_s"], params["step_s"], unit)
    length_s, step_s = plan.length_samples / rate_hz, plan.step_samples / rate_hz
    overlap = plan.length_samples / plan.step_samples
    if overlap > MOST_OVERLAP:
        raise InputError(
            f"detections.step_s: {step_s:g}: {overlap:.0f} windows of {length_s:g} s over each other; "
            f"expected at most {MOST_OVERLAP}"
        )
    held = 4 * plan.length_samples * (params["batch_size"] + DECODED_AHEAD)
    if held > MOST_BYTES:
        raise InputError(
            f"detections.window_s: {length_s:g}: with detections.batch_size {params['batch_size']} the windows alone "
            f"take {held / 2**30:.1f} GiB; expected at most {MOST_BYTES / 2**30:g}"
        )
    n_frames = 1 + plan.length_samples // recipe.features["hop_length"]
    numbers = n_frames * max(1 + recipe.features["n_fft"] // 2, feature_frames.n_features(recipe.features))
    if numbers > MOST_NUMBERS:
        raise InputError(
            f"detections.window_s: {length_s:g}: {n_frames} frames of the model's features.n_fft "
            f"{recipe.features['n_fft']} are {numbers} numbers; expected at most {MOST_NUMBERS}"
        )
    return plan


def check(recipe: Recipe, params: dict) -> None:
    """Raise :class:`InputError` for windows that nobody could want, as far as the rate is known."""
    if rate_hz := recipe.features["sample_rate_hz"]:
        planned(recipe, params, rate_hz)


def try_out(model: Model, recipe: Recipe) -> np.ndarray:
    """Return the scores (classes,) of a window of silence, of a model that hears all sound at one rate."""
    import numpy as np

    rate_hz = recipe.features["sample_rate_hz"]
    plan = windows.plan(recipe.features, recipe.frames, rate_hz, None, None)
    silence = recipe.prepared(np.zeros(plan.length_samples, np.float32), rate_hz)
    return np.asarray(model.predict_on_batch(silence[None]))[0]


def score(
    path: str | os.PathLike, model: Model, recipe: Recipe, params: dict, threads: int, part: Part = lambda share: None
) -> Scored:
    """Score the windows of one recording.

    ``model`` has ``predict_on_batch``. ``params``: the block ``detections``, of which ``window_s``,
    ``step_s``, ``channel`` and ``batch_size`` are used. ``part``: hears what share of it is scored, again and again.
    Raises :class:`InputError` for a file that cannot be decoded whole.
    """
    import numpy as np

    native_hz, n_native = decoding.measure(path)
    rate_hz = recipe.features["sample_rate_hz"] or native_hz
    plan = planned(recipe, params, rate_hz)
    n_samples = audio.resampled_length(n_native, native_hz, rate_hz)
    if len(plan.starts(n_samples)) > MOST_WINDOWS:
        expected = f"at most {MOST_WINDOWS}: a longer detections.step_s than {plan.step_samples / rate_hz:g} s"
        raise InputError(f"{path}: {len(plan.starts(n_samples))} windows; expected {expected}")
    scores = score_ranges(path, model, recipe, params, threads, plan.ranges(n_samples), rate_hz, n_samples, part)
    starts_s = np.array(plan.starts(n_samples)) / rate_hz
    return Scored(n_native / native_hz, native_hz, starts_s, plan.length_samples / rate_hz, scores)


def score_ranges(
    path: str | os.PathLike,
    model: Model,
    recipe: Recipe,
    params: dict,
    threads: int,
    ranges: Sequence[windows.SampleRange],
    rate_hz: int,
    n_samples: int,
    part: Part = lambda share: None,
) -> np.ndarray:
    """Return the scores (ranges, classes) float32 of stretches of a file, in samples at ``rate_hz``, sorted."""
    import numpy as np

    blocks = decoding.decoded(path, params["channel"], rate_hz)
    scores, done = [], 0
    with (
        closing(ahead(windows.cut(blocks, ranges, n_samples), DECODED_AHEAD)) as cuts,
        ThreadPoolExecutor(threads) as pool,
    ):
        prepared = in_order(pool, lambda y: recipe.prepared(y, rate_hz), cuts, params["batch_size"])
        for batch in batches(prepared, params["batch_size"]):
            scores.append(np.asarray(model.predict_on_batch(np.stack(batch)), dtype=np.float32))
            done += len(batch)
            part(done / len(ranges))
    made = np.concatenate(scores)
    if made.shape != (len(ranges), len(recipe.species_ids)) or not np.isfinite(made).all():
        raise InputError(
            f"{path}: the model gave {made.shape[1]} scores a window, {int((~np.isfinite(made)).sum())} not finite; "
            f"expected one finite score for each of its {len(recipe.species_ids)} classes"
        )
    return made


def ahead(items: Iterable, depth: int) -> Generator:
    """Yield the items of an iterable that a thread takes ahead, at most ``depth`` of them; its errors come through."""
    taken: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()
    stopped, room = threading.Event(), threading.Semaphore(depth)

    def take() -> None:
        try:
            for item in items:
                room.acquire()
                if stopped.is_set():
                    return
                taken.put((item, None))
            taken.put((None, StopIteration()))
        except BaseException as error:  # whatever it is, it belongs to who waits for the items
            taken.put((None, error))

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        while True:
            item, error = taken.get()
            if isinstance(error, StopIteration):
                return
            if error:
                raise error
            room.release()
            yield item
    finally:
        stopped.set()
        room.release()
        thread.join()


def in_order(pool: ThreadPoolExecutor, function: Callable, items: Iterable, pending: int) -> Iterator:
    """Yield ``function(item)`` of each item in order, made in a pool, ``pending`` at a time."""
    waiting: deque = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= pending:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def batches(items: Iterable, size: int) -> Iterator[list]:
    """Yield lists of ``size`` items, the last as long as what is left."""
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
