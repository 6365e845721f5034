"""Ridge regression of a column for each class on the mean frame of a clip, for embeddings and few labels.

What a clip is turned into has length 1, so one strength suits embeddings of any scale. Where none is given it is the
one by which training rows that are left out are named best, in closed form: no validation rows are needed for it.
Sound without a call says what is common to all recordings, which counts most where each class has a row or two.
"""

from dawnchorus.features import vectors as of_embeddings
from dawnchorus.networks import _ridge

vectors = of_embeddings.of_clips
takes_background = True
fit, logits = _ridge.fit, _ridge.logits


class Params(_ridge.Strength):
    """How much the coefficients are held back."""
