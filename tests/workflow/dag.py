"""The workflow as Snakemake sees it, read in this process: rules, and what would run."""

from collections import Counter
from pathlib import Path

from snakemake.settings.types import DAGSettings, RerunTrigger

from dawnchorus.workflow import dvc_file

# What workflow/profiles/default sets.
TRIGGERS = frozenset({RerunTrigger.MTIME})


def opened(path: Path):
    """Open the workflow of a project folder; the working directory is that folder meanwhile."""
    return dvc_file.opened(path)


def rules(path: Path) -> dict:
    """Return the rules of the workflow by name."""
    with opened(path) as workflow_api:
        return {rule.name: rule for rule in workflow_api._workflow.rules}


def planned(path: Path, *targets: str) -> Counter:
    """Return how often each rule would run, as `snakemake -n TARGETS` plans it; of rule all without targets."""
    with opened(path) as workflow_api:
        dag_api = workflow_api.dag(DAGSettings(targets=frozenset(targets), rerun_triggers=TRIGGERS))
        dag_api.execute_workflow(executor="dryrun")
        names = [job.rule.name for job in workflow_api._workflow.dag.needrun_jobs(exclude_finished=False)]
    return Counter(name for name in names if name != "all")
