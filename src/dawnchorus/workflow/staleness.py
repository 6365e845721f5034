"""Which jobs have to run: those whose products are not what their provenance record says. Nothing else decides.

Snakemake builds the DAG of jobs; here each job of it is held against its record, by content, and those that do not
fit, with all that depends on them, are forced. In the Snakefile every input is ``ancient`` (its time says nothing) and
every output ``update`` (a job keeps what it made before, until it has made it anew).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dawnchorus.foundation.errors import InputError, listed, stop
from dawnchorus.foundation.hashes import HashCache
from dawnchorus.workflow import bucket, provenance

if TYPE_CHECKING:
    from snakemake.dag import DAG
    from snakemake.jobs import Job as SnakemakeJob
    from snakemake.workflow import Workflow

# How many reasons are said, how many differences of each, and how many rules of those that make anew what a job reads.
_EXPLAINED, _DIFFERENCES, _MAKERS = 8, 2, 3
_DECIDED = "decided_by_dawnchorus"
# What people call values that are no block of params.yaml, by what the rules call them.
_NAMES = {"audio_dir": "data.audio_dir", "audio": "the sound of the recordings", "model": "model.name"}

# In what each job that has to run differs from its record; nothing where only what it reads is made anew.
Reasons: TypeAlias = "dict[SnakemakeJob, list[str]]"


def decide_in(
    workflow: Workflow,
    before_jobs_run: Callable[[], None],
    planned: Callable[[], None],
    explain: Callable[[Reasons], None],
) -> None:
    """Let records decide what runs in this workflow, whatever Snakemake does with its DAG.

    ``before_jobs_run``: called once the DAG is to be executed, not only looked at; ``planned``: once it is then built;
    ``explain``: takes why jobs have to run.
    """
    # A module is read once for each `use rule`.
    if getattr(workflow, _DECIDED, False):
        return
    setattr(workflow, _DECIDED, True)
    prepare, build = workflow._prepare_dag, workflow._build_dag

    def take_and_prepare(**options: Any) -> None:
        if _executes(workflow):
            before_jobs_run()
        with _state_elsewhere() if not _may_write(provenance.STATE) else nullcontext():
            prepare(**options)

    def build_and_decide() -> None:
        _remove_links_to_nothing(workflow)
        build()
        explain(_force_stale_jobs(workflow, _executes(workflow)))
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
    where = bucket.of(job.rule.workflow)
    inputs, outputs = (tuple(map(where.called if where else str, part)) for part in (job.input, job.output))
    params = tuple(map(str, job.params))
    names = {index: name for name, (index, _) in job.params._get_names()}
    called = (names.get(index, "") for index in range(len(params)))
    known_as = tuple(_NAMES.get(name, name) for name in called)
    return provenance.Job(inputs, params, outputs, known_as, where.copies if where else "")


def foreseen(workflow: Workflow, reasons: Reasons) -> list[tuple[str, int, str]]:
    """Return each rule of which jobs would run, in the order of the flow: its name, how many jobs, and why."""
    dag: DAG = workflow.dag
    jobs: dict[str, list[SnakemakeJob]] = {}
    for job in dag.needrun_jobs():
        if job.output:
            jobs.setdefault(job.rule.name, []).append(job)
    return [
        (rule.name, len(jobs[rule.name]), _why(dag, jobs[rule.name], reasons))
        for rule in workflow.rules
        if rule.name in jobs
    ]


def _why(dag: DAG, jobs: list[SnakemakeJob], reasons: Reasons) -> str:
    """Return why jobs of one rule would run, in words that follow `because`."""
    own = list(dict.fromkeys(_shortened(reasons[job]) for job in jobs if reasons.get(job) and _was_made(job)))
    if own:
        return own[0] + f" (and {len(own) - 1} reasons more)" * (len(own) > 1)
    if not all(map(_was_made, jobs)):
        return "there is none yet"
    makers = {maker.rule.name for job in jobs for maker in dag.dependencies[job] if dag.needrun(maker)}
    if not makers:
        return "it was asked for"
    names = [rule.name for rule in dag.workflow.rules if rule.name in makers]
    return f"what it reads would be made anew: {listed(names, _MAKERS)}"


def to_be_made(reasons: Reasons) -> list[str]:
    """Return in a few lines which products are to be made anew, and why."""
    # Shards share what made them stale. Of what was never made there is nothing to explain.
    products: dict[str, list[str]] = {}
    for job, differences in reasons.items():
        if differences and _was_made(job):
            products.setdefault(_shortened(differences), []).append(job_of(job).name)
    said = [f"{first}{f' and {len(rest)} more' if rest else ''}: {why}" for why, (first, *rest) in products.items()]
    more = [f"and {len(said) - _EXPLAINED} more"] if len(said) > _EXPLAINED else []
    return [f"to be made: {line}" for line in [*said[:_EXPLAINED], *more]]


def _is_made_by_others(dag: DAG, job: SnakemakeJob) -> bool:
    """Say whether a job of somebody else's rule, which leaves no record, runs as Snakemake itself has decided."""
    return bool(dag.needrun(job)) and not job_of(job).has_record


def _was_made(job: SnakemakeJob) -> bool:
    known = job_of(job)
    return known.record.exists() if known.has_record else all(os.path.exists(known.at(path)) for path in known.outputs)


def _shortened(differences: list[str]) -> str:
    more = len(differences) - _DIFFERENCES
    return "; ".join([*differences[:_DIFFERENCES], *([f"and {more} more"] if more > 0 else [])])


def _force_stale_jobs(workflow: Workflow, executes: bool) -> Reasons:
    dag: DAG = workflow.dag
    if where := bucket.of(workflow):
        names = (where.called(path) for job in dag.jobs for path in (*job.input, *job.output))
        try:
            bucket.fetch(workflow, where, names)
        except InputError as error:
            stop(error)
    cache = HashCache(provenance.HASHES)
    stale: Reasons = {}
    for level in dag.toposorted():
        for job in level:
            if not job.output:
                continue
            known = job_of(job)
            # Of a job of the Snakefile that takes this workflow in as a module Snakemake itself knows what it knows.
            differences = known.differences(cache) if known.has_record else []
            remade = [maker for maker in dag.dependencies[job] if maker in stale or _is_made_by_others(dag, maker)]
            # A person wants it made anew, whatever its record says.
            wanted = job.rule in dag.forcerules or not dag.forcefiles.isdisjoint(job.output)
            # From a bucket Snakemake removes what a job is to make anew, the record too.
            if executes and wanted and known.has_record and not where:
                known.revoke()
            if differences or remade or wanted:
                stale[job] = differences
            if executes:
                # A job that has to run takes over what is finished of it, unless a person wants it from nothing.
                known.remove_half_written(with_notes=wanted or job not in stale)
            for maker in remade:
                # What is about to be made anew makes Snakemake run the job that reads it.
                for path in (*dag.dependencies[job][maker], *dag.depending[maker][job]):
                    path.flags.pop("ancient", None)
    cache.save()
    dag.forcefiles.update(path for job in stale for path in job.output)
    workflow.async_run(dag.update_needrun())
    return stale
