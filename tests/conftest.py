import contextlib
import os

import warm

ENDS = contextlib.ExitStack()


def pytest_configure():
    """Have programs answer at once, for all workers of this test run; see :mod:`warm`."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        ENDS.enter_context(warm.started())


def pytest_unconfigure():
    ENDS.close()
