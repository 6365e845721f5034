"""Snakemake's records, held against the files they speak of before a DAG is built.

Snakemake keeps one JSON record per product: with which parameters, code and input checksums it was made. DVC moves
products and records about (`dvc checkout`, `dvc pull`, experiments), and people move single files. Snakemake asks
for a checksum only of an input that is newer than the product, and never of the product itself; so a product that
was restored alone would pass for current. Here every record is compared by content, and Snakemake is told of what
does not fit by the one sign that it always heeds: a product older than its inputs.
"""

import base64
import fcntl
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from dawnchorus.foundation.files import path_for_whole, write_whole
from dawnchorus.foundation.hashes import HashCache, digest_of

STATE = Path(".snakemake")
METADATA = STATE / "metadata"
LOCKS = STATE / "locks"
HASHES = STATE / "sha256.json"
IMPORTS = STATE / "imports.json"
OUTPUT_CHECKSUM = "output_checksum"

# Snakemake's own marker of the time of a directory product.
_TIMESTAMP = ".snakemake_timestamp"
_NAME_MAX = 254


def record_path(product: str) -> Path:
    """Return where Snakemake keeps the record of a product: base64 of its path, cut into names of 254 characters."""
    name = base64.urlsafe_b64encode(product.encode()).decode()
    parts = [name[start : start + _NAME_MAX] for start in range(0, len(name), _NAME_MAX)]
    return METADATA.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])


def _records() -> Iterator[tuple[str, Path]]:
    for folder, _, names in os.walk(METADATA):
        parents = [part.removeprefix("@") for part in Path(folder).relative_to(METADATA).parts]
        for name in names:
            try:
                product = base64.urlsafe_b64decode("".join([*parents, name])).decode()
            except ValueError:
                continue
            yield product, Path(folder, name)


def checksum(path: Path, cache: HashCache) -> str:
    """Return the hash of a product's content; of a folder, the hash over its files' names and hashes."""
    if not path.is_dir():
        return cache.sha256(path)
    files = [file for file in path.rglob("*") if file.is_file() and file.name != _TIMESTAMP]
    hashes = cache.sha256_of_all(files)
    return digest_of(zip((file.relative_to(path).as_posix() for file in files), hashes, strict=True))


def reconcile() -> None:
    """Compare every record with the files there are, and mark the products that do not fit as out of date.

    A product whose inputs are not those of its record gets an old modification time: Snakemake then compares
    checksums. A product whose content is not the output checksum of its record loses the record too: Snakemake then
    makes it again. A record without an output checksum, of a job that has just ended, gets one.
    """
    cache = HashCache(HASHES)
    for product, path in _records():
        output = Path(product)
        if not output.exists() or (STATE / "incomplete" / path.relative_to(METADATA)).exists():
            continue
        _make_private(path)
        _make_private(output)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            record = None
        found = checksum(output, cache)
        if not isinstance(record, dict) or record.get(OUTPUT_CHECKSUM, found) != found:
            path.unlink()
            _set_back(output)
            continue
        if OUTPUT_CHECKSUM not in record:
            with write_whole(path) as file:
                json.dump({**record, OUTPUT_CHECKSUM: found}, file)
        recorded = record.get("input_checksums") or {}
        if any(not _same(name, digest, cache) for name, digest in recorded.items()):
            _set_back(output)
    cache.save()


def _same(name: str, digest: str, cache: HashCache) -> bool:
    """Say whether an input is as recorded. One that is missing counts as the same: it is made before it is compared."""
    return not os.path.isfile(name) or cache.sha256(name) == digest.removeprefix("sha256:")


def _set_back(output: Path) -> None:
    for path in (output, output / _TIMESTAMP) if output.is_dir() else (output,):
        if path.exists():
            os.utime(path, (1, 1))


def _make_private(path: Path) -> None:
    """Replace a link into DVC's cache by a copy of our own: Snakemake writes records in place, through links."""
    files = [path] if not path.is_dir() or path.is_symlink() else []
    for file in files:
        if file.is_symlink() or file.stat().st_nlink > 1:
            with path_for_whole(file) as temporary:
                shutil.copyfile(file, temporary)


def lock() -> bool:
    """Take this folder for this process, until it ends, however it ends; return False while another run has it.

    It is a lock of the operating system, so a killed run leaves none behind, and what such a run left of
    Snakemake's own locks is removed. While another run is at work those locks are its own, and Snakemake itself
    refuses to start beside it. A process that only looks (a dry run) has the folder for a moment: it is waited for.
    """
    STATE.mkdir(exist_ok=True)
    file = open(STATE / "owner", "a+", encoding="utf-8")  # noqa: SIM115 - held open: it holds the lock
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if any(LOCKS.glob("*")):
            file.close()
            return False
        print("waiting for another snakemake in this folder", file=sys.stderr)
        fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    host = socket.gethostname()
    # On a shared file system the lock may not reach other hosts: only this host's leftovers are known to be stale.
    if file.read().strip() in ("", host):
        for lock in LOCKS.glob("*"):
            lock.unlink(missing_ok=True)
    file.truncate(0)
    file.write(f"{host}\n")
    file.flush()
    _locks.append(file)
    return True


def unlock() -> None:
    """Give the folder back before the process ends."""
    while _locks:
        _locks.pop().close()


_locks: list = []
