"""Every random draw comes from one root seed, through a stream of its own per purpose."""

import zlib

import numpy as np


def rng(seed: int, purpose: str) -> np.random.Generator:
    """Return a generator for one purpose: the same root seed and purpose give the same draws, always.

    Two purposes are independent streams, so a draw added to one never moves the draws of another.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def derived_seed(seed: int, purpose: str) -> int:
    """Return an integer seed in [0, 2**31) for a library that takes no generator."""
    return int(rng(seed, purpose).integers(2**31))
