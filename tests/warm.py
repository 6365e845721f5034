"""Python, Snakemake and DVC without their start: a process that has the libraries imported forks for each call.

A stage of the workflow works for a tenth of a second, and imports libraries for two. Only libraries are imported
beforehand, never the project: a call runs the code of the folder that it is made in, in a process of its own, with the
environment, the arguments and the files that the caller gave it. Whoever calls waits in the caller's place, and takes
the exit status on. A caller that is killed takes with it what was started for it, whole, as a kill of a group would.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

LIBRARIES = (
    *("numpy", "pandas", "scipy.signal", "scipy.special", "scipy.stats", "soundfile", "soxr", "yaml", "pydantic"),
    *("librosa", "librosa.core.audio", "librosa.core.spectrum", "librosa.feature.spectral", "librosa.filters"),
    *("sklearn.metrics", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm", "skops.io", "jinja2", "PIL.Image"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    *("pandas.core.methods.to_dict", "pyarrow.parquet", "networkx", "hydra", "pygit2", "dulwich.porcelain"),
    *("snakemake.cli", "snakemake.report.html_reporter", "smart_open", "yte", "docutils.parsers.rst.states"),
    *("docutils.parsers.rst.directives.images", "docutils.parsers.rst.languages.en", "docutils.readers.doctree"),
    *("dvc.cli.parser", "dvc.cachemgr", "dvc.data_cloud", "dvc.repo.datasets", "dvc.repo.graph", "dvc.repo.index"),
    *("dvc.repo.experiments.serialize", "dvc.repo.experiments.queue.celery", "dvc.repo.experiments.queue.tempdir"),
    *("dvc.repo.stage", "dvc.utils.strictyaml", "dvc_data.index.checkout", "dvc_render", "scmrepo.git"),
)
COMMANDS = {"snakemake": "snakemake", "dvc": "dvc"}
WHERE = "DAWNCHORUS_TESTS_WARM"

# What stands in the place of the programs. Without the folder of packages Python starts in a hundredth of a second.
CALLER = """#!{python} -IS
import json, os, socket, sys
name = os.path.basename(sys.argv[0])
words = sys.argv[1:]
if name == "python" and words[:1] != ["-m"]:
    os.execv({python!r}, [{python!r}, *words])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = {{"name": name, "words": words, "cwd": os.getcwd(), "env": dict(os.environ)}}
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps(call).encode())
    server.shutdown(socket.SHUT_WR)
    status = server.recv(1)
sys.exit(status[0] if status else "killed: " + " ".join(sys.argv))
"""


def path() -> list[str]:
    """Return the folders of programs that answer at once; none where no test run has started them."""
    return [os.environ[WHERE]] if WHERE in os.environ else []


@contextlib.contextmanager
def started():
    """Answer calls as long as the context lasts; its end waits for the last of them."""
    with tempfile.TemporaryDirectory(prefix="warm-", ignore_cleanup_errors=True) as folder:
        address = os.path.join(folder, "calls")
        for name in ("python", *COMMANDS):
            program = Path(folder, "bin", name)
            program.parent.mkdir(exist_ok=True)
            program.write_text(CALLER.format(python=sys.executable, address=address))
            program.chmod(0o755)
        # Its threads would not live through a fork. It ends with this process, whose end closes its input.
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-I", __file__, address]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, env=env, **pipes, start_new_session=True) as server:
            server.stdout.readline()
            os.environ[WHERE] = str(Path(folder, "bin"))
            try:
                yield
            finally:
                del os.environ[WHERE]


def run(call: dict) -> int:
    """Run a program in this process as Python would in a new one, and return its exit status."""
    os.chdir(call["cwd"])
    os.environ.clear()
    # A job that looks after its Snakemake would take whoever forks for its shell; this one ends with its caller.
    os.environ.update({name: text for name, text in call["env"].items() if name != "DAWNCHORUS_SNAKEMAKE"})
    module, words = COMMANDS.get(call["name"]), call["words"]
    sys.path[:0] = [os.path.abspath(folder) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    if module is None:
        sys.path.insert(0, os.getcwd())
        _, module, *words = words
    sys.argv = [call["name"], *words]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def answer(connection: socket.socket) -> None:
    """Run what is asked for over a connection, and say how it ended; this process does nothing else."""
    os.setsid()
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    with connection.makefile("rb") as said:
        call = json.loads(said.read())
    status = run(call)
    threading._shutdown()
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    connection.sendall(bytes([status & 255]))
    os._exit(0)


class Answer:
    """A process that answers a call. Its end ends the connection, and so does the end of the connection end it."""

    def __init__(self, pid: int, connection: socket.socket, events: select.poll):
        self._pid, self.connection, self._events = pid, connection, events
        self.over = os.pidfd_open(pid)
        events.register(self.over, select.POLLIN)
        # What is said over it the process hears; here only its end is of interest.
        events.register(connection, 0)
        self.files = {self.over, connection.fileno()}

    def end(self) -> None:
        """Kill the process and all that it started: its caller is gone."""
        self._events.unregister(self.connection)
        try:
            os.killpg(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        os.waitpid(self._pid, 0)
        for file in self.files:
            with contextlib.suppress(KeyError):
                self._events.unregister(file)
        self.connection.close()
        os.close(self.over)


def serve(address: str) -> None:
    """Answer calls until the input ends. The libraries are imported at the first one: most test runs ask nothing."""
    ready = False
    answers: list[Answer] = []
    events = select.poll()
    events.register(sys.stdin, select.POLLIN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        events.register(listener, select.POLLIN)
        print("listens", flush=True)
        while sys.stdin.fileno() not in (happened := {file for file, _ in events.poll()}):
            for answered in [answered for answered in answers if answered.files & happened]:
                if answered.over in happened:
                    answered.close()
                    answers.remove(answered)
                else:
                    answered.end()
            if listener.fileno() not in happened:
                continue
            connection, _ = listener.accept()
            if not ready:
                for name in LIBRARIES:
                    importlib.import_module(name)
                ready = not gc.freeze()
            if (pid := os.fork()) == 0:
                for other in answers:
                    other.connection.close()
                listener.close()
                answer(connection)
            answers.append(Answer(pid, connection, events))
    # Waited for, so that its time counts as that of the test run.
    with contextlib.suppress(ChildProcessError):
        while os.wait():
            pass
    # A test run that was killed did not get to it.
    shutil.rmtree(Path(address).parent, ignore_errors=True)


if __name__ == "__main__":
    serve(sys.argv[1])
