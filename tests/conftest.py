import contextlib
import os
from pathlib import Path

import pytest

import warm

ROOT = Path(__file__).parents[1]
ENDS = contextlib.ExitStack()


def pytest_configure():
    """Have programs answer at once, for all workers of this test run; see :mod:`warm`."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        ENDS.enter_context(warm.started())


def pytest_unconfigure():
    ENDS.close()


def pytest_terminal_summary(terminalreporter):
    """After failures say which files that are written from the code are out of date: many tests read them."""
    if not terminalreporter.stats.get("failed") and not terminalreporter.stats.get("error"):
        return
    try:
        from dawnchorus.workflow import params_texts

        stale = [str(path) for path, text in params_texts.texts(ROOT).items() if (ROOT / path).read_text() != text]
    except Exception as error:
        stale = [f"they cannot be written: {error}"]
    if stale:
        terminalreporter.section("out of date: make generated")
        terminalreporter.line(f"{', '.join(stale)}: run `make generated` first; tests that read these fail without")


@pytest.fixture
def eager():
    """Have TensorFlow compute what it is told when it is told: to trace a graph takes a second, an epoch here less."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session", autouse=True)
def threads_as_they_are():
    """Leave TensorFlow its number of threads, which it takes once in the life of a process: tests share theirs."""
    from dawnchorus.learning import device

    def repeatable(threads):
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "_tensorflow_gpus", repeatable)
        yield
