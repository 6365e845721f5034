"""Which jobs have to run: those whose products are not what their provenance record says. Nothing else decides.

Snakemake builds the DAG of jobs; here each job of it is held against its record, by content, and those that do not
fit, with all that depends on them, are forced. In the Snakefile every input is ``ancient`` (its time says nothing) and
every output ``update`` (a job keeps what it made before, until it has made it anew).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from dawnchorus.foundation.hashes import HashCache
from dawnchorus.workflow import provenance

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import Job as SnakemakeJob
    from snakemake.workflow import Workflow

# How many stale jobs are explained, and how many differences of each.
_EXPLAINED, _DIFFERENCES = 8, 2


def decide_in(workflow: Workflow, before_jobs_run: Callable[[], None]) -> None:
    """Let records decide what runs in this workflow, whatever Snakemake does with its DAG.

    ``before_jobs_run``: called once the DAG is to be executed, not only looked at.
    """
    build = workflow._build_dag

    def build_and_decide() -> None:
        executes = _executes(workflow)
        if executes:
            before_jobs_run()
        build()
        _force_stale_jobs(workflow, executes)

    workflow._build_dag = build_and_decide


def _executes(workflow: Workflow) -> bool:
    return workflow._executor_plugin is not None and not workflow.dryrun and not workflow.touch


def job_of(job: SnakemakeJob) -> provenance.Job:
    """Return a job of Snakemake's as its record knows it."""
    inputs, params, outputs = (tuple(map(str, part)) for part in (job.input, job.params, job.output))
    return provenance.Job(inputs, params, outputs)


def _force_stale_jobs(workflow: Workflow, executes: bool) -> None:
    dag: DAG = workflow.dag
    cache = HashCache(provenance.HASHES)
    stale: set[SnakemakeJob] = set()
    said: list[str] = []
    for level in dag.toposorted():
        for job in level:
            if not job.output:
                continue
            if executes and (job.rule in dag.forcerules or not dag.forcefiles.isdisjoint(job.output)):
                # A person wants it made anew, whatever its record says.
                job_of(job).record.unlink(missing_ok=True)
            differences = job_of(job).differences(cache)
            remade = [maker for maker in dag.dependencies[job] if maker in stale]
            if differences or remade:
                stale.add(job)
            for maker in remade:
                # What is about to be made anew makes Snakemake run the job that reads it.
                for path in (*dag.dependencies[job][maker], *dag.depending[maker][job]):
                    path.flags.pop("ancient", None)
            # Of what was never made there is nothing to explain.
            if differences and job_of(job).record.exists():
                said.append(f"{job_of(job).name}: {'; '.join(differences[:_DIFFERENCES])}")
    cache.save()
    dag.forcefiles.update(path for job in stale for path in job.output)
    workflow.async_run(dag.update_needrun())
    more = [f"and {len(said) - _EXPLAINED} more"] if len(said) > _EXPLAINED else []
    for line in [*said[:_EXPLAINED], *more]:
        print(f"to be made: {line}", file=sys.stderr)
