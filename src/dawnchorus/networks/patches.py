"""Ridge regression on which small patches of sound a clip is made of, for few labels and no pretrained model.

The kinds of patches are learned from the sound of the training recordings, without its labels: pieces of the features,
some frames long and some bands high, brought to one contrast, whitened, and sorted by spherical k-means (Coates and Ng,
"Learning feature representations with k-means", 2012; for birds Stowell and Plumbley, "Automatic large-scale
classification of bird sounds is strongly improved by unsupervised feature learning", PeerJ 2:e488, 2014). What is
counted of a clip is how much of each kind there is in each of some regions of frequency.
"""

from dawnchorus.networks import _ridge
from dawnchorus.parameters.base import value

LEARNED = ("mean", "filters")
takes_background = True
# Patches that the kinds are learned from, and rounds of k-means: more of either change little.
SAMPLE, ROUNDS = 30_000, 12
# Added to the deviation of a patch, in normalized units, so that silence is not made as loud as a call.
LEAST_DEVIATION = 0.1
# Added to the variance in each direction, as a share of the largest: the weakest directions are mostly noise.
LEAST_VARIANCE = 0.1
# Neighbouring patches say nearly the same, so every second frame and band begins one.
STEP = 2
REGIONS = 8
LONGEST = 1024


class Params(_ridge.Strength):
    """How large patches are and how many kinds there are, and how much the coefficients are held back."""

    patch_frames: int = value(16, "frames of a patch", ge=1, le=LONGEST)
    patch_bands: int = value(8, "features of a patch, such as mel bands; no more than there are", ge=1, le=LONGEST)
    kinds: int = value(64, "kinds of patches", ge=2, le=4096)


def learn(clips, params, rng):
    """Return the kinds: ``mean``, a patch (frames, bands), and ``filters``, a patch of each (frames, bands, kinds).

    ``clips``: a list of (frames, n_features), with annotations or without. A patch less the mean, by a filter, is what
    it has of that kind.
    """
    import numpy as np

    shape = params["patch_frames"], min(params["patch_bands"], clips[0].shape[1])
    each = -(-SAMPLE // len(clips))
    drawn = []
    for clip in clips:
        found = _patches(clip, shape, 1).reshape(-1, shape[0] * shape[1])
        drawn.append(found[rng.integers(len(found), size=min(each, len(found)))])
    patches = _of_one_contrast(np.concatenate(drawn))
    mean = patches.mean(axis=0)
    covariances = np.cov(patches - mean, rowvar=False, ddof=min(1, len(patches) - 1))
    variances, directions = np.linalg.eigh(np.atleast_2d(covariances))
    least = max(LEAST_VARIANCE * variances[-1], np.finfo(np.float32).eps)
    whitening = (directions / np.sqrt(variances.clip(0) + least)).astype(np.float32)
    filters = whitening @ spherical_kmeans((patches - mean) @ whitening, params["kinds"], rng).T
    return {"mean": mean.reshape(shape), "filters": filters.reshape(*shape, -1)}


def spherical_kmeans(rows, n, rng):
    """Return ``n`` directions (n, columns) of length 1, each that of the sum of the ``rows`` nearest to it in angle.

    In the sum a row counts by its part along the direction, as in Coates and Ng, so short ones say little. A direction
    to which no row is nearest becomes that of a row drawn at random.
    """
    import numpy as np

    found = _of_length_one(rng.normal(size=(n, rows.shape[1])).astype(np.float32))
    for _ in range(ROUNDS):
        along = rows @ found.T
        nearest = along.argmax(axis=1)
        sums = np.stack([along[own, kind] @ rows[own] for kind in range(n) for own in [nearest == kind]])
        lost = ~sums.any(axis=1)
        sums[lost] = rows[rng.integers(len(rows), size=lost.sum())]
        found = _of_length_one(sums)
    return found


def vectors(x, learned):
    """Return mean, deviation over time and maximum of each kind in each region: (rows, 3 x regions x kinds) float32.

    ``x``: (rows, frames, n_features). What a patch lacks of a kind counts as none.
    """
    import numpy as np

    mean, filters = learned["mean"], learned["filters"]
    if mean.shape != filters.shape[:-1] or mean.ndim != 2 or len(mean) > LONGEST:
        raise ValueError(f"mean {mean.shape}, filters {filters.shape}; expected (frames, bands), and one more of kinds")
    made = []
    for clip in x:
        patches = _of_one_contrast(_patches(clip, mean.shape, STEP)) - mean.ravel()
        has = np.maximum(patches @ filters.reshape(mean.size, -1), 0)
        regions = np.array_split(has, min(REGIONS, has.shape[1]), axis=1)
        pooled = [[part.mean(axis=(0, 1)), part.std(axis=0).mean(axis=0), part.max(axis=(0, 1))] for part in regions]
        made.append(np.ravel(pooled))
    return np.array(made, dtype=np.float32)


def fit(vectors, y, n_classes, params, train, rng):
    """Yield the fitted arrays once: a ridge on columns of mean 0 and deviation 1, in rows of length 1."""
    offset, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    scaling = {"offset": offset, "scale": deviation + (deviation == 0)}
    for fitted in _ridge.fit(_scaled(vectors, scaling), y, n_classes, params, train, rng):
        yield {**fitted, **scaling}


def logits(arrays, vectors, n_classes):
    """Return the logits (rows, n_classes) of the vectors of clips."""
    return _ridge.logits(arrays, _scaled(vectors, arrays), n_classes)


def _scaled(vectors, scaling):
    return _of_length_one((vectors - scaling["offset"]) / scaling["scale"])


def _of_length_one(rows):
    import numpy as np

    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def _patches(clip, shape, step):
    """Return the patches of a clip (frames, n_features), one every ``step``: (times, places, frames x bands).

    Frames that are all zero are padding and are left out. A clip that is shorter than a patch goes on as it ends.
    """
    import numpy as np

    sounding = clip[np.any(clip != 0, axis=1)]
    sounding = sounding if len(sounding) else clip[:1]
    whole = np.pad(sounding, ((0, max(0, shape[0] - len(sounding))), (0, 0)), mode="edge")
    found = np.lib.stride_tricks.sliding_window_view(whole, shape)[::step, ::step]
    return found.reshape(*found.shape[:2], -1)


def _of_one_contrast(patches):
    """Return patches (..., values) with mean 0, divided by their deviation."""
    less = patches - patches.mean(axis=-1, keepdims=True)
    return less / (less.std(axis=-1, keepdims=True) + LEAST_DEVIATION)
