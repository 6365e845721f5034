"""A run whose files lie in a bucket: what they are called there, and copies that planning holds against the records.

Snakemake gives each job copies of what it reads, and stores what it made. A record names files as they are called in
the bucket, which is how a folder of a run without one calls them. What the bucket says of a file is no SHA-256, so
planning reads every file once, and again when its ETag is another.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from dawnchorus.foundation.errors import InputError, one_line, shown
from dawnchorus.foundation.files import path_for_whole, write_json
from dawnchorus.workflow import provenance

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

COPIES, ETAGS = provenance.STATE / "bucket", provenance.STATE / "etags.json"
PROVIDER = "s3"


@dataclass(frozen=True)
class Bucket:
    """Where the files of a run are.

    ``name``: the bucket; ``prefix``: what the keys of the run begin with, empty or with a slash at the end.
    ``folder``: where Snakemake keeps the copies for its jobs; ``copies``: where those for planning are.
    """

    name: str
    prefix: str
    folder: str
    copies: str

    def called(self, path: object) -> str:
        """Return what a file of a rule is called in the bucket; source code, which is not there, keeps its name."""
        return str(path).removeprefix(f"{self.folder}/")


def of(workflow: Workflow) -> Bucket | None:
    """Return where a run's files are; None without ``--default-storage-provider``.

    Another provider than S3, or a prefix without a bucket, raises :class:`InputError`.
    """
    settings = workflow.storage_settings
    if settings is None or settings.default_storage_provider is None:
        return None
    if settings.default_storage_provider != PROVIDER:
        raise InputError(f"--default-storage-provider {settings.default_storage_provider}: expected {PROVIDER}")
    found = _object(workflow, "x")
    if not found.is_valid_query() or not found.bucket:
        given = shown(settings.default_storage_prefix or "")
        raise InputError(f"--default-storage-prefix {given}: expected s3://BUCKET or s3://BUCKET/FOLDER")
    folder = str(found.local_path().parent)
    suffix = PurePosixPath(found.local_suffix()).parent
    return Bucket(found.bucket, found.key.removesuffix("x"), folder, str(COPIES / suffix))


def _object(workflow: Workflow, name: str) -> Any:
    prefix = workflow.storage_settings.default_storage_prefix or ""
    query = f"{prefix}{'/' * (not prefix.endswith('/'))}{name}"
    return workflow.storage_registry.default_storage_provider.object(query)


def fetch(workflow: Workflow, bucket: Bucket, names: Iterable[str]) -> None:
    """Make the copies of files and folders what the bucket holds; ``names``: what the jobs read and make.

    A bucket that cannot be read, or holds what no folder can, raises :class:`InputError`.
    """
    try:
        _fetch(workflow, bucket, set(names))
    except InputError:
        raise
    except Exception as error:
        # The plugin of the storage brings botocore; without one there is no bucket.
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] != "botocore":
            raise
        said = f"expected a bucket that can be read, and room for copies of it here: {one_line(error)}"
        raise InputError(f"s3://{bucket.name}/{bucket.prefix}: {said}") from None


def _fetch(workflow: Workflow, bucket: Bucket, names: set[str]) -> None:
    store = _object(workflow, "x")
    there = {}
    if store.bucket_exists():
        for item in store.s3bucket().objects.filter(Prefix=bucket.prefix):
            there[item.key.removeprefix(bucket.prefix)] = item.e_tag
    wanted = {
        key: tag
        for key, tag in there.items()
        if not key.endswith("/") and not names.isdisjoint({key, *map(str, PurePosixPath(key).parents)})
    }
    copies = Path(bucket.copies)
    known = _known()
    is_kept = {key: known.get(str(copies / key)) == tag and (copies / key).is_file() for key, tag in wanted.items()}
    # A run that ends here knows nothing of the copies that it was to make anew, whichever of them it has made.
    for key in wanted:
        if not is_kept[key]:
            known.pop(str(copies / key), None)
    write_json(ETAGS, known)
    for path in (path for path in copies.rglob("*") if path.is_file()):
        if path.relative_to(copies).as_posix() not in there:
            path.unlink()
    for key, tag in wanted.items():
        if {"..", ""} & set(key.split("/")):
            raise InputError(f"s3://{bucket.name}/{bucket.prefix}{key}: expected a key without .. and empty parts")
        path = copies / key
        if is_kept[key]:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        body = store.s3bucket().Object(f"{bucket.prefix}{key}").get(IfMatch=tag)["Body"]
        with path_for_whole(path) as temporary, open(temporary, "wb") as file:
            shutil.copyfileobj(body, file)
        known[str(path)] = tag
    write_json(ETAGS, known)


def _known() -> dict[str, str]:
    try:
        found = json.loads(ETAGS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
