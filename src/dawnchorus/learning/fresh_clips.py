"""Training clips, drawn again in each epoch from the extracted frames: shifted in time, over other backgrounds."""

import numpy as np

from dawnchorus.learning import augmentation, dataset


class FreshClips:
    """Draws each training clip as a window within its margin, over the background of a training recording.

    Args:
        training: frames as they were extracted, shape (training rows, frames, n_features), float32.
        table: (training rows, 3) integers: ``n_frames``, ``first_start`` and ``last_start`` of training_rows.csv.
        backgrounds: frames without a call, shape (clips, frames, n_features).
        usable: (n, 2) integers: which backgrounds may be mixed in, and how many frames of each hold sound.
            Without any, clips keep their own background.
        statistics: of the data set, for :func:`dawnchorus.learning.dataset.normalized`.
        params: the block ``train``.
    """

    def __init__(
        self,
        training: np.ndarray,
        table: np.ndarray,
        backgrounds: np.ndarray,
        usable: np.ndarray,
        statistics: dict,
        params: dict,
    ):
        self.training, self.table, self.statistics, self.params = training, table, statistics, params
        self.backgrounds, self.usable = backgrounds, usable

    def draw(self, number: int, rng: np.random.Generator) -> np.ndarray:
        """Return training clip ``number``, normalized and padded: float32, (frames, n_features)."""
        n_frames, first_start, last_start = self.table[number]
        start = int(rng.integers(first_start, last_start + 1))
        clip = np.asarray(self.training[number, start : start + n_frames])
        if len(self.usable) and rng.random() < self.params["background_share"]:
            position, n_sounding = self.usable[rng.integers(len(self.usable))]
            background = self.backgrounds[position, :n_sounding]
            turned = np.roll(background, int(rng.integers(len(background))), axis=0)
            gain_db = rng.uniform(self.params["background_min_db"], self.params["background_max_db"])
            clip = augmentation.over_background(clip, turned, gain_db)
        return dataset.normalized(clip, self.statistics)[0]


def wanted(statistics: dict, params: dict) -> bool:
    """Say whether the blocks ``features`` (in ``statistics``) and ``train`` ask for new clips in each epoch."""
    features = statistics["features"]
    return (features["clip"] == "window" and features["jitter_s"] > 0) or params["background_share"] > 0
