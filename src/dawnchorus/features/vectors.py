"""Embeddings as classifiers take them: roots of their values, of length 1."""


def roots(x):
    """Return the square root of each value, with its sign, scaled so that each vector (..., n) has length 1.

    So no single value outweighs the rest, and embeddings of any scale are alike. A vector of zeros stays one.
    """
    import numpy as np

    made = np.sign(x) * np.sqrt(np.abs(x))
    length = np.linalg.norm(made, axis=-1, keepdims=True)
    return made / np.where(length > 0, length, 1)


def of_clips(x):
    """Return :func:`roots` of the mean frame of each clip: (rows, n_features) float32.

    ``x``: (rows, frames, n_features). Frames that are all zero are padding and are left out. One that equals the frame
    before it is of the same window of sound (at the edges of a clip windows cannot move on), and counts once.
    """
    import numpy as np

    made = np.zeros((len(x), x.shape[2]), dtype=np.float32)
    for row, clip in enumerate(x):
        counts = np.any(clip != 0, axis=1)
        counts[1:] &= np.any(clip[1:] != clip[:-1], axis=1)
        if counts.any():
            made[row] = roots(clip[counts].mean(axis=0, dtype=np.float64))
    return made
