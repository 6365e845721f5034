"""The workflow as Snakemake sees it, read in this process: rules, and what would run."""

import os
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
    StorageSettings,
    WorkflowSettings,
)

from dawnchorus import records

# What workflow/profiles/default sets.
CHECKSUM_SIZE = 10**12


@contextmanager
def opened(path: Path):
    """Open the workflow of a project folder; the working directory is that folder meanwhile."""
    before = Path.cwd()
    os.chdir(path)
    try:
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            yield api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(),
                storage_settings=StorageSettings(),
                workflow_settings=WorkflowSettings(),
                snakefile=path / "Snakefile",
                workdir=path,
            )
    finally:
        # The Snakefile has taken the folder for this process, which goes on.
        records.release()
        os.chdir(before)


def rules(path: Path) -> dict:
    """Return the rules of the workflow by name."""
    with opened(path) as workflow_api:
        return {rule.name: rule for rule in workflow_api._workflow.rules}


def planned(path: Path) -> Counter:
    """Return how often each rule would run, as `snakemake -n` plans it."""
    with opened(path) as workflow_api:
        dag_api = workflow_api.dag(DAGSettings(max_checksum_file_size=CHECKSUM_SIZE))
        dag_api.execute_workflow(executor="dryrun")
        names = [job.rule.name for job in workflow_api._workflow.dag.needrun_jobs(exclude_finished=False)]
    return Counter(name for name in names if name != "all")
