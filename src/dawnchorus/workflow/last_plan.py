"""What Snakemake planned last: the jobs behind each rule, kept so that DVC need not start Snakemake to hear of nothing.

`dvc repro` runs every stage that its lock does not know, also where `snakemake` has just made all there is to make.
Starting Snakemake takes seconds, holding the jobs of a rule against their records a fraction of one. A plan is
believed only while all that it was made from is the same by content: params.yaml, the Snakefile, rules and profiles,
and the source code. It lies in Snakemake's folder of state, and whoever deletes it loses time and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from dawnchorus.foundation.errors import InputError
from dawnchorus.foundation.files import write_json
from dawnchorus.foundation.hashes import OF_SOUND, HashCache, digest_of, identity
from dawnchorus.workflow import provenance, supervision
from dawnchorus.workflow.staleness import job_of

if TYPE_CHECKING:
    from snakemake.rules import Rule
    from snakemake.workflow import Workflow

PLAN = provenance.STATE / "plan.json"
PARAMS = "params.yaml"
# A file that was written when the process that planned began may have been read before or after. Clocks of file systems
# lag by some milliseconds, or count whole seconds.
_LAG_NS, _STEP_NS = 50 * 10**6, 2 * 10**9


def read_by_planning(root: Path) -> dict[str, Path]:
    """Return the files that decide what is planned: parameters, rules, profiles and code of the workflow in ``root``.

    By name; the parameters are those of the folder of the run.
    """
    folders = (root / "workflow", root / "profiles", root / "src")
    files = (path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts)
    named = {path.relative_to(root).as_posix(): path for path in files if path.is_file()}
    return {**named, "Snakefile": root / "Snakefile", PARAMS: Path(PARAMS)}


def key_of(files: dict[str, Path], cache: HashCache) -> str:
    """Return one hash of the names and contents of files."""
    return digest_of(zip(files, cache.sha256_of_all(files.values()), strict=True))


def keep(
    workflow: Workflow, root: Path, data: dict, split_method: str, audited: Sequence[str], fingerprint: str
) -> None:
    """Keep what was planned: the jobs, and for each rule the files that it stands for.

    ``data``, ``split_method``: of the parameters; ``audited``: the tables of annotations, of false positives and of
    problems that the audit makes; ``fingerprint``: that of the audit, which rule recordings has among its values.

    Jobs of an earlier plan stay where that was made from the same. A rule that works out by a function what it reads
    is left out, and nothing is kept where a file that decides what is planned was written since this process began: it
    may have read another.
    """
    files = read_by_planning(root)
    began_ns = int(psutil.Process().create_time() * 1e9)
    if any(_last_change_ns(path) > began_ns for path in files.values()):
        return
    cache = HashCache(provenance.HASHES)
    key = digest_of([("files", key_of(files, cache)), ("fingerprint", fingerprint)])
    cache.save()
    before = _read()
    kept = before["jobs"] if before and before["key"] == key else {}
    jobs = [job_of(job) for job in workflow.dag.jobs if job.output and not _works_out(job.rule)]
    targets = {
        rule.name: [*map(str, rule.output or rule.input)]
        for rule in workflow.rules
        if not rule.has_wildcards() and not _works_out(rule)
    }
    planned = {str(job.record): [job.inputs, job.params, job.outputs] for job in jobs if job.has_record}
    world = {"data": data, "split_method": split_method, "audited": list(audited), "fingerprint": fingerprint}
    plan = {"key": key, "targets": targets, "jobs": {**kept, **planned}, **world}
    # In a folder that cannot be written the next stage starts Snakemake.
    with suppress(OSError):
        write_json(PLAN, plan)


def holds(target: str, root: Path) -> bool:
    """Say whether all that a rule stands for is as the last plan has it, and is what its records say.

    False also where that cannot be known without Snakemake: no plan, one made from something else, or another run at
    work in the folder.
    """
    plan, files = _read(), read_by_planning(root)
    if plan is None or target not in plan["targets"] or not all(path.is_file() for path in files.values()):
        return False
    try:
        supervision.take_folder()
    except InputError:
        return False
    cache = HashCache(provenance.HASHES)
    jobs = _jobs(plan)
    of_path = {path: job for job in jobs for path in job.outputs}
    wanted = plan["targets"][target]
    if not all(path in of_path for path in wanted):
        return False
    asked = {of_path[path] for path in wanted}
    fingerprint = plan["fingerprint"]
    if any(fingerprint in job.params for job in asked if fingerprint):
        # Only here: what reads tables of annotations takes a while to load.
        from dawnchorus.annotations import audit

        try:
            fingerprint = audit.fingerprint(plan["data"], HashCache(OF_SOUND))
        except KeyError:
            # The plan of a version that knew fewer keys; its code was another, too.
            return False
    key = digest_of([("files", key_of(files, cache)), ("fingerprint", fingerprint)])
    current = key == plan["key"] and not any(job.differences(cache) for job in asked)
    cache.save()
    return current


def jobs_of(target: str) -> list[provenance.Job]:
    """Return the jobs behind a rule by the last plan; to be called where :func:`holds` says that it does."""
    plan = _read() or {"targets": {target: []}, "jobs": {}}
    wanted = set(plan["targets"][target])
    return [job for job in _jobs(plan) if wanted.intersection(job.outputs)]


def _jobs(plan: dict) -> list[provenance.Job]:
    return [
        provenance.Job(tuple(inputs), tuple(params), tuple(outputs))
        for inputs, params, outputs in plan["jobs"].values()
    ]


def result() -> list[str]:
    """Return what a run that made the report ends with; to be called where :func:`holds` says that the report does."""
    # Only here: what reads tables takes a while to load.
    from dawnchorus.annotations import audit
    from dawnchorus.workflow import outcome

    plan = _read()
    return outcome.of_run(audit.left_out(plan["data"], *plan["audited"]), plan["split_method"]) if plan else []


def _works_out(rule: Rule) -> bool:
    return any(map(callable, (*rule.input, *rule.params)))


def _last_change_ns(path: Path) -> int:
    """Return the latest moment at which a file may have been written, as far as its file system can tell."""
    changed_ns = identity(path)[2]
    return changed_ns + (_LAG_NS if changed_ns % 10**9 else _STEP_NS)


def _read() -> dict | None:
    try:
        plan = json.loads(PLAN.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    of_parts = {"targets": dict, "jobs": dict, "data": dict, "audited": list}
    kinds = {"key": str, **of_parts, "split_method": str, "fingerprint": str}
    is_one = isinstance(plan, dict) and all(isinstance(plan.get(key), kind) for key, kind in kinds.items())
    return plan if is_one else None
