"""Changes to a batch of clips that leave their species what it is: numpy arrays and a Generator in, arrays out.

A batch has shape (clips, frames, bands), float32, normalized so that 0 is the mean; padding is 0 and on the right, and
``n_frames`` (clips,) says how many frames of each clip hold sound. The batch is changed in place and returned.
"""

import numpy as np

# At most this share of a clip's own frames is masked by one run, so that a short call is never blotted out.
MASKED_SHARE = 0.2
# Decibels a factor of e in power.
DB = np.float32(10 / np.log(10))


def sounding_frames(batch: np.ndarray) -> np.ndarray:
    """Return how many frames of each clip hold sound: up to the last that is not all zero, at least 1."""
    sounding = np.any(batch != 0, axis=2)
    last = batch.shape[1] - np.argmax(sounding[:, ::-1], axis=1)
    return np.where(sounding.any(axis=1), last, 1)


def mixup(
    batch: np.ndarray, targets: np.ndarray, rng: np.random.Generator, alpha: float, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each clip, with probability ``share``, with another of its batch, and their targets by the same weight.

    The weight of its own part is Beta(alpha, alpha) distributed and at least 1/2. ``targets``: (clips, classes).
    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018, equations 1 and 2.
    """
    weight = rng.beta(alpha, alpha, len(batch)).astype(np.float32)
    weight = np.maximum(weight, 1 - weight)
    weight[rng.random(len(batch)) >= share] = 1
    other = rng.permutation(len(batch))
    own = weight[:, None, None]
    return own * batch + (1 - own) * batch[other], weight[:, None] * targets + (1 - weight[:, None]) * targets[other]


def mask_bands(batch: np.ndarray, rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """Set ``count`` runs of 0 to ``width`` bands of each clip to 0 (SpecAugment, Park et al., Interspeech 2019)."""
    for clip in batch:
        for _ in range(count):
            run = int(rng.integers(0, min(width, batch.shape[2]) + 1))
            start = int(rng.integers(0, batch.shape[2] - run + 1))
            clip[:, start : start + run] = 0
    return batch


def mask_frames(
    batch: np.ndarray, n_frames: np.ndarray, rng: np.random.Generator, count: int, width: int
) -> np.ndarray:
    """Set ``count`` runs of 0 to ``width`` frames of each clip to 0, each at most a fifth of the clip's own."""
    for clip, n in zip(batch, n_frames, strict=True):
        for _ in range(count):
            run = int(rng.integers(0, min(width, int(n * MASKED_SHARE)) + 1))
            start = int(rng.integers(0, n - run + 1))
            clip[start : start + run] = 0
    return batch


def shift_bands(batch: np.ndarray, rng: np.random.Generator, bands: float) -> np.ndarray:
    """Move each clip up or down in frequency by up to ``bands`` bands, linear between two; edge bands repeat."""
    last = batch.shape[2] - 1
    for clip in batch:
        position = np.clip(np.arange(last + 1) - rng.uniform(-bands, bands), 0, last)
        low = np.floor(position).astype(int)
        part = (position - low).astype(batch.dtype)
        clip[:] = clip[:, low] * (1 - part) + clip[:, np.minimum(low + 1, last)] * part
    return batch


def shift_frames(batch: np.ndarray, n_frames: np.ndarray, rng: np.random.Generator, frames: int) -> np.ndarray:
    """Turn each clip round in time by up to ``frames`` of its own frames; the padding stays where it is."""
    for clip, n in zip(batch, n_frames, strict=True):
        limit = min(frames, int(n) - 1)
        clip[:n] = np.roll(clip[:n], int(rng.integers(-limit, limit + 1)), axis=0)
    return batch


def stretch_frames(batch: np.ndarray, n_frames: np.ndarray, rng: np.random.Generator, factor: float) -> np.ndarray:
    """Read each clip up to ``factor`` times faster or slower (nearest frames); what is slower is cut at the end.

    A clip that is read faster ends earlier and gets more padding; one that is read slower never outgrows the batch.
    """
    for clip, n in zip(batch, n_frames, strict=True):
        speed = factor ** rng.uniform(-1, 1)
        length = min(batch.shape[1], max(1, round(n / speed)))
        index = np.minimum(np.rint(np.arange(length) * speed).astype(int), n - 1)
        read = clip[index]
        clip[:] = 0
        clip[:length] = read
    return batch


def equalize(batch: np.ndarray, n_frames: np.ndarray, rng: np.random.Generator, gain: float, points: int) -> np.ndarray:
    """Add another frequency response to each clip: gains uniform in +-``gain`` at ``points`` places, linear between."""
    places = np.linspace(0, batch.shape[2] - 1, points)
    for clip, n in zip(batch, n_frames, strict=True):
        curve = np.interp(np.arange(batch.shape[2]), places, rng.uniform(-gain, gain, points))
        clip[:n] += curve.astype(batch.dtype)
    return batch


def over_background(clip: np.ndarray, background: np.ndarray, gain_db: float) -> np.ndarray:
    """Return log-mel frames in dB, (frames, bands), with the power of ``background`` (dB) at ``gain_db`` added.

    A background of another length is repeated or cut.
    """
    other = np.resize(background, clip.shape) + np.float32(gain_db)
    # Not logaddexp: decibels of sound are far from where a power overflows, and this is several times as fast.
    return (np.log(np.exp(clip / DB) + np.exp(other / DB)) * DB).astype(clip.dtype)


def augment(
    batch: np.ndarray, targets: np.ndarray, params: dict, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Apply what the block ``train`` asks for, each with its own strength; a strength of 0 (stretch: 1) is off."""
    if params["time_stretch"] > 1:
        stretch_frames(batch, sounding_frames(batch), rng, params["time_stretch"])
    n_frames = sounding_frames(batch)
    if params["time_shift_frames"]:
        shift_frames(batch, n_frames, rng, params["time_shift_frames"])
    if params["band_shift"]:
        shift_bands(batch, rng, params["band_shift"])
    if params["equalizer_gain"]:
        equalize(batch, n_frames, rng, params["equalizer_gain"], params["equalizer_points"])
    if params["mixup_share"]:
        batch, targets = mixup(batch, targets, rng, params["mixup_alpha"], params["mixup_share"])
    mask_bands(batch, rng, params["frequency_masks"], params["frequency_mask_width"])
    mask_frames(batch, n_frames, rng, params["time_masks"], params["time_mask_width"])
    return batch, targets
