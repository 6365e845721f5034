"""A disk that fills up: one line, nothing half-written, and once there is room again the right products."""

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project import Project
from test_kills import hidden
from test_sequences import TARGETS, Oracle, products_of

pytestmark = pytest.mark.long

PAGE_BYTES = 4096
PRODUCTS = ("data", "models", "reports")


@contextmanager
def small_disk(folder: Path, free_bytes: int) -> Iterator[None]:
    """Put a folder with all it holds on a disk of its own with so much room, as long as the context lasts."""
    before = folder.with_name(f"{folder.name}-before")
    folder.rename(before)
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        shutil.copytree(before, folder, symlinks=True, dirs_exist_ok=True)
        of_disk = os.statvfs(folder)
        used_bytes = (of_disk.f_blocks - of_disk.f_bfree) * of_disk.f_frsize
        resized(folder, used_bytes + free_bytes)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def resized(disk: Path, size_bytes: int) -> None:
    pages = -(-size_bytes // PAGE_BYTES)
    subprocess.run(["mount", "-o", f"remount,size={pages * PAGE_BYTES}", disk], check=True)


def files_of(project: Project) -> dict[Path, bytes]:
    paths = [path for folder in PRODUCTS for path in (project.path / folder).rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in paths}


def errors_of(output: str) -> list[str]:
    assert "Traceback" not in output
    return [line for line in output.splitlines() if line.lower().startswith("error: ")]


def assert_right_once_there_is_room(project: Project, oracle: Oracle) -> None:
    project.snakemake("--", *TARGETS)
    assert project.dvc_repro("evaluation") == Counter()
    assert products_of(project) == oracle.products(project)
    assert project.planned(*TARGETS) == Counter()
    assert project.run("dvc", "status", "--json", "--with-deps", "evaluation").stdout.strip() == "{}"


@pytest.fixture
def oracle(tmp_path, pytestconfig) -> Oracle:
    return Oracle(tmp_path / "oracle", pytestconfig.cache)


@pytest.mark.parametrize(
    ("folder", "key", "value", "product"),
    [
        pytest.param(
            *("data/features", "features.n_mels", 128, r"data/features/shard-\d-of-8\.zip"), marks=pytest.mark.again
        ),
        ("models", "train.epochs", 1500, r"models/history\.csv"),
    ],
)
def test_no_room_for_a_product(project, oracle, folder, key, value, product):
    project.set(key, value)
    with small_disk(project.path / folder, 2 * PAGE_BYTES):
        before = files_of(project)
        run = project.run("snakemake", "--cores", "1", "--", *TARGETS, check=False, screen="")
        assert run.returncode == 1
        (error,) = errors_of(run.stdout)
        assert re.fullmatch(f"error: {product}: No space left on device; nothing was left half-written", error)
        assert run.stdout.splitlines()[-1].startswith("log: logs/")
        after = files_of(project)
        # Other jobs made theirs anew, where they are small also on this disk; the job without room left its own.
        of_job = re.search(r"-\d-of-", error)
        own = {path for path in before if path.is_relative_to(project.path / folder)}
        own = {path for path in own if of_job is None or of_job[0] in path.name}
        assert own
        assert {path: after.get(path) for path in own} == {path: before[path] for path in own}
        assert hidden(project) == []
        resized(project.path / folder, 2**26)
        assert_right_once_there_is_room(project, oracle)


def test_no_room_in_the_cache_of_dvc(project, oracle):
    project.set("features.n_mels", 32)
    project.snakemake("--", *TARGETS)
    made = products_of(project)
    with small_disk(project.path / ".dvc/cache", 2 * PAGE_BYTES):
        for command in (["dvc", "commit", "--force"], ["dvc", "repro", "evaluation"]):
            run = project.run(*command, check=False, screen="")
            assert run.returncode != 0
            assert all("No space left on device" in line for line in errors_of(run.stdout)), run.stdout
        assert products_of(project) == made
        assert project.planned(*TARGETS) == Counter()
        resized(project.path / ".dvc/cache", 2**26)
        assert_right_once_there_is_room(project, oracle)


def test_no_room_for_anything(project, oracle):
    project.set("features.n_mels", 32)
    with small_disk(project.path, 0):
        before = files_of(project)
        run = project.run("snakemake", "--cores", "1", "--", *TARGETS, check=False, screen="")
        assert run.returncode == 1
        (line,) = errors_of(run.stdout)
        assert line == "error: .snakemake: No space left on device; expected room for 1 MiB at least"
        assert files_of(project) == before
        resized(project.path, 2**27)
        assert_right_once_there_is_room(project, oracle)
