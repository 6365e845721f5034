"""The folder of results: looked at before any work, held by one run at a time, and never a mix of two runs.

What a run makes is staged within the folder, and takes its place when all of it is there: first the page and all else
of the last run go, then the new files come, the page last. So whenever a run is killed, what lies in the folder is of
one run, and a page stands beside its own tables alone. What a killed run left is removed by the next. Files that no run
wrote are the user's, and stay.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path, PurePosixPath

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import hold, open_regular, temporaries_of, write_json

STAGED = "dawnchorus-unfinished"
LIST = "results.json"  # the files that the last run wrote
TABLES = (
    *("scores.parquet", "scores.csv", "events.csv", "activity.csv", "problems.csv"),
    *("raven.selections.txt", "submission.csv"),
)
# The folders with a file of each recording, and how that file is called after it.
OF_RECORDING = {"raven": ".selections.txt", "audacity": ".txt", "pictures": ".png"}
LONGEST_NAME_BYTES, LONGEST_PATH_BYTES = 255, 4000


@contextmanager
def claimed(output: Path, page: Path, kept: Iterable[str] = ()) -> Iterator[Path]:
    """Hold a folder for the results of this run, and yield the folder in it to stage them in, see :func:`publish`.

    ``page``: where the page is to be; ``kept``: names of files in the folder that are renewed while the run is at work;
    what is left of such a work is removed. Raises :class:`InputError` for what is no folder that can be written into,
    for what lies in the way of results and is none, and where another run is at work.
    """
    made = not os.path.exists(output)
    try:
        str(output).encode()
    except UnicodeEncodeError:
        raise InputError(f"{output}: expected a folder whose name is UTF-8") from None
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = hold(output)
    except BlockingIOError:
        raise InputError(f"{output}: another run is writing into it; expected one at a time") from None
    except OSError as error:
        raise InputError(f"{output}: expected a folder to write into, but {error.strerror}") from None
    try:
        staged = output / STAGED
        _check_ours(output, page, kept)
        try:
            _remove_leftovers(output, kept)
            staged.mkdir()
        except OSError as error:
            raise InputError(f"{output}: expected a folder to write into, but {error.strerror}") from None
        try:
            yield staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)
            if made and not any(output.iterdir()):
                output.rmdir()
    finally:
        os.close(lock)


def _remove_leftovers(output: Path, kept: Iterable[str]) -> None:
    staged = output / STAGED
    if staged.is_dir() and not staged.is_symlink():
        shutil.rmtree(staged)
    else:
        staged.unlink(missing_ok=True)
    for path in chain.from_iterable(temporaries_of(output / name) for name in kept):
        path.unlink()


def _check_ours(output: Path, page: Path, kept: Iterable[str]) -> None:
    """Raise :class:`InputError` for what is called as a result and is none, or cannot be replaced by one."""
    listed = _listed(output)
    for name in (LIST, *TABLES):
        if os.path.lexists(output / name) and (listed is None or name not in (LIST, *listed)):
            raise _not_ours(output / name)
    for path in (page, *(output / name for name in kept)):
        if os.path.lexists(path) and not os.path.isfile(path):
            raise InputError(f"{path}: no file; expected no such name, or a file of an earlier run")
    if page.parent == output and listed is None and os.path.lexists(page):
        raise _not_ours(page)
    _check_writable(output / folder for folder in OF_RECORDING)


def _not_ours(path: Path) -> InputError:
    return InputError(
        f"{path}: not of an earlier run ({LIST} does not name it), and this run would write it anew; "
        "expected no file of this name: move it, or write into another folder"
    )


def _check_writable(folders: Iterable[Path]) -> None:
    for wanted in folders:
        folder = next((path for path in (wanted, *wanted.parents) if os.path.lexists(path)), wanted)
        if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(f"{folder}: may not be written; expected a folder that you may write to")


def names_of(name: str) -> list[str]:
    """Return the files that are of one recording alone, within the folder: Raven table, Audacity labels, picture."""
    return [f"{folder}/{name}{ending}" for folder, ending in OF_RECORDING.items()]


def check_names(output: Path, names: Iterable[str]) -> None:
    """Raise :class:`InputError` for a recording whose results cannot have a name here: too long, or in the way.

    Or of a file that is there and that no run wrote.
    """
    longest = os.pathconf(output, "PC_NAME_MAX") if os.path.isdir(output) else LONGEST_NAME_BYTES
    listed = frozenset(_listed(output) or ())
    may_be_there = any(os.path.isdir(output / folder) for folder in OF_RECORDING)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{name}: two recordings would be called so in the results; expected names that differ")
        seen.add(name)
        for written in names_of(name):
            for part in PurePosixPath(written).parts:
                if len(os.fsencode(part)) > longest:
                    limit = longest - max(map(len, OF_RECORDING.values()))
                    raise InputError(
                        f"{name}: its results would be called {part[:20]}..., {len(os.fsencode(part))} bytes; "
                        f"expected names of at most {limit} bytes"
                    )
            if len(os.fsencode(output.absolute() / STAGED / written)) > LONGEST_PATH_BYTES:
                raise InputError(
                    f"{name}: its results would have a path of more than {LONGEST_PATH_BYTES} bytes in {output}"
                )
            _check_free(output, written)
            if may_be_there and written not in listed and os.path.lexists(output / written):
                raise _not_ours(output / written)


def _check_free(output: Path, written: str) -> None:
    """Raise :class:`InputError` where a folder is to become a file, or a file a folder."""
    target = output / written
    if os.path.isdir(target):
        raise InputError(f"{target}: a folder; expected no such name, or a file")
    for folder in target.parents[: len(PurePosixPath(written).parts) - 1]:
        if os.path.lexists(folder) and not os.path.isdir(folder):
            raise InputError(f"{folder}: not a folder; expected no such name, or a folder")


def publish(staged: Path, output: Path, page: Path) -> None:
    """Let the staged files be the results: those of the last run go, and the page, staged by its name, comes last."""
    # Names, not paths: there may be two for each of a million recordings.
    new = sorted(
        os.path.relpath(os.path.join(folder, name), staged) for folder, _, names in os.walk(staged) for name in names
    )
    new.remove(page.name)
    for name in (*TABLES, LIST, *new):
        _check_free(output, name)
    if page.is_dir():
        raise InputError(f"{page}: a folder; expected no such name, or a file")
    # Nothing of the last run goes where something of this one could not come.
    _check_writable({(output / name).parent for name in (*_written(output), *new)} | {page.parent})
    write_json(staged / LIST, {"files": new})
    with _undisturbed():
        page.unlink(missing_ok=True)
        old = _written(output)
        for name in (*old, LIST):
            (output / name).unlink(missing_ok=True)
        _remove_empty(output, old)
        for name in (LIST, *new):
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).replace(output / name)
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(staged / page.name, page)


def _listed(output: Path) -> list[str] | None:
    """Return what the list of the last run names, None where there is no such list."""
    try:
        with open_regular(output / LIST) as file:
            found = json.loads(file.read().decode())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else None


def _written(output: Path) -> list[str]:
    """Return the files that the last run wrote, as its list says; never one of somebody else's."""
    return [name for name in _listed(output) or [] if _is_ours(output, name)]


def _is_ours(output: Path, name: str) -> bool:
    if name in TABLES:
        return True
    parts = PurePosixPath(name).parts
    ours = len(parts) > 1 and ".." not in parts and name.endswith(OF_RECORDING.get(parts[0], "\0"))
    return ours and (output / name).parent.resolve().is_relative_to(output.resolve() / parts[0])


def _remove_empty(output: Path, names: Iterable[str]) -> None:
    """Remove the folders that hold nothing any more, of those that the files lay in."""
    folders = {folder for name in names for folder in PurePosixPath(name).parents if folder.name}
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        path = output / folder
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let nobody who asks the run to end do so for as long as it takes to rename its files."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {number: signal.signal(number, lambda found, _: asked.append(found)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler or signal.SIG_DFL)
        for found in asked[:1]:
            signal.raise_signal(found)
