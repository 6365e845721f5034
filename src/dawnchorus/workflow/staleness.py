"""Which jobs have to run: those whose products are not what their provenance record says. Nothing else decides.

Snakemake builds the DAG of jobs; here each job of it is held against its record, by content, and those that do not
fit, with all that depends on them, are forced. In the Snakefile every input is ``ancient`` (its time says nothing) and
every output ``update`` (a job keeps what it made before, until it has made it anew).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawnchorus.foundation.hashes import HashCache
from dawnchorus.workflow import provenance

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import Job as SnakemakeJob
    from snakemake.workflow import Workflow

# How many reasons are said, and how many differences of each.
_EXPLAINED, _DIFFERENCES = 8, 2


def decide_in(workflow: Workflow, before_jobs_run: Callable[[], None], planned: Callable[[], None]) -> None:
    """Let records decide what runs in this workflow, whatever Snakemake does with its DAG.

    ``before_jobs_run``: called once the DAG is to be executed, not only looked at; ``planned``: once it is then built.
    """
    prepare, build = workflow._prepare_dag, workflow._build_dag

    def take_and_prepare(**options: Any) -> None:
        if _executes(workflow):
            before_jobs_run()
        with _state_elsewhere() if not _may_write(provenance.STATE) else nullcontext():
            prepare(**options)

    def build_and_decide() -> None:
        _remove_links_to_nothing(workflow)
        build()
        _force_stale_jobs(workflow, _executes(workflow))
        if _executes(workflow):
            planned()

    workflow._prepare_dag, workflow._build_dag = take_and_prepare, build_and_decide


def _may_write(folder: Path) -> bool:
    return os.access(folder if folder.exists() else Path.cwd(), os.W_OK)


@contextmanager
def _state_elsewhere() -> Iterator[None]:
    """Have Snakemake keep its state in a folder that goes away: to look at a folder, one need not write to it."""
    import snakemake.workflow as module

    persistence = module.FilePersistence
    folder = tempfile.TemporaryDirectory(prefix="dawnchorus-")
    _kept.append(folder)
    module.FilePersistence = lambda **options: persistence(**{**options, "path": Path(folder.name)})
    try:
        yield
    finally:
        module.FilePersistence = persistence


# Temporary folders that live as long as this process.
_kept: list[tempfile.TemporaryDirectory] = []


def _executes(workflow: Workflow) -> bool:
    return workflow._executor_plugin is not None and not workflow.dryrun and not workflow.touch


def _remove_links_to_nothing(workflow: Workflow) -> None:
    """Remove what is left of products that are links into a cache which lost them: Snakemake cannot read their time."""
    if not _may_write(Path.cwd()):
        return
    folders = {os.path.dirname(str(path).partition("{")[0]) for rule in workflow.rules for path in rule.output}
    for folder in filter(os.path.isdir, folders):
        for entry in os.scandir(folder):
            if entry.is_symlink() and not os.path.exists(entry.path):
                os.unlink(entry.path)


def job_of(job: SnakemakeJob) -> provenance.Job:
    """Return a job of Snakemake's as its record knows it."""
    inputs, params, outputs = (tuple(map(str, part)) for part in (job.input, job.params, job.output))
    return provenance.Job(inputs, params, outputs)


def _force_stale_jobs(workflow: Workflow, executes: bool) -> None:
    dag: DAG = workflow.dag
    cache = HashCache(provenance.HASHES)
    stale: set[SnakemakeJob] = set()
    # Why, and of which products: eight shards share what made them stale.
    reasons: dict[str, list[str]] = {}
    for level in dag.toposorted():
        for job in level:
            if not job.output:
                continue
            known = job_of(job)
            if executes:
                known.remove_half_written()
            if executes and (job.rule in dag.forcerules or not dag.forcefiles.isdisjoint(job.output)):
                # A person wants it made anew, whatever its record says.
                known.revoke()
            differences = known.differences(cache)
            remade = [maker for maker in dag.dependencies[job] if maker in stale]
            if differences or remade:
                stale.add(job)
            for maker in remade:
                # What is about to be made anew makes Snakemake run the job that reads it.
                for path in (*dag.dependencies[job][maker], *dag.depending[maker][job]):
                    path.flags.pop("ancient", None)
            # Of what was never made there is nothing to explain.
            if differences and known.record.exists():
                reasons.setdefault("; ".join(differences[:_DIFFERENCES]), []).append(known.name)
    cache.save()
    dag.forcefiles.update(path for job in stale for path in job.output)
    workflow.async_run(dag.update_needrun())
    said = [f"{first}{f' and {len(rest)} more' if rest else ''}: {why}" for why, (first, *rest) in reasons.items()]
    more = [f"and {len(said) - _EXPLAINED} more"] if len(said) > _EXPLAINED else []
    for line in [*said[:_EXPLAINED], *more]:
        print(f"to be made: {line}", file=sys.stderr)
