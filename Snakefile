"""From labelled recordings to an evaluated classifier: the DAG, in the order of the flow."""

import json
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

STARTED_S = time.time()

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from dawnchorus import errors, hashes, params, records
from dawnchorus.stages import recordings


configfile: "params.yaml"


try:
    params.check_config(
        config, "params.yaml", Path(workflow.basedir) / "workflow/schemas/params.schema.yaml"
    )
    if workflow.is_main_process and records.claim(workflow.executor_plugin is not None and not workflow.dryrun):
        records.settle()
except errors.InputError as error:
    raise WorkflowError(str(error)) from None

# The code that runs is the code of this folder, not an installed copy: `dvc exp run --temp` works in a copy.
shell.prefix('set -euo pipefail; export PYTHONPATH="$PWD/src"; ')

SHARDS = range(8)

# A simulated set is named by content in its recordings.csv, an input; the user's own audio by this hash.
AUDIO_FINGERPRINT = (
    ""
    if config["data"]["source"] == "simulated"
    else recordings.fingerprint(
        config["data"]["annotations"],
        config["data"]["audio_dir"],
        hashes.HashCache(records.HASHES),
    )
)


def block(*names):
    """Return blocks of params.yaml as one JSON text: what a rule records, and all that its stage gets."""
    return json.dumps({name: config[name] for name in names}, sort_keys=True)


include: "workflow/rules/simulate.smk"
include: "workflow/rules/recordings.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/figures.smk"


# Every product is a target, so that one that was deleted comes back.
rule all:
    """Everything that `snakemake --cores 8` makes."""
    default_target: True
    input:
        rules.recordings.output,
        expand(rules.features.output, shard=SHARDS),
        rules.split.output,
        rules.dataset.output,
        rules.model.output,
        rules.evaluation.output,
        rules.figures.output,
        rules.simulate.output if config["data"]["source"] == "simulated" else [],


onsuccess:
    records.settle()
    left_out = recordings.left_out(config["data"]["annotations"], *rules.recordings.output[1:])
    if left_out:
        print(left_out, file=sys.stderr)


onerror:
    records.settle()
    print(*errors.reported_since(Path("logs"), STARTED_S), sep="\n", file=sys.stderr)
