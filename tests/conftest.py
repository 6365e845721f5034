import contextlib
import os

import pytest

import warm

ENDS = contextlib.ExitStack()


def pytest_configure():
    """Have programs answer at once, for all workers of this test run; see :mod:`warm`."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        ENDS.enter_context(warm.started())


def pytest_unconfigure():
    ENDS.close()


@pytest.fixture
def eager():
    """Have TensorFlow compute what it is told when it is told: to trace a graph takes a second, an epoch here less."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
