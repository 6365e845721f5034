"""From labelled recordings to an evaluated classifier: the DAG, in the order of the flow."""

import functools
import json
import os
import shlex
import sys
import time
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

# Where this file lies, also where another Snakefile takes it in as a module.
HERE = Path(str(workflow.current_basedir))
IS_MODULE = not workflow.modifier.is_main_snakefile()
if not (HERE / "src/dawnchorus").is_dir():
    sys.exit(f"error: {HERE}: no src/dawnchorus; expected the Snakefile of a clone on this machine, code beside it")
sys.path.insert(0, str(HERE / "src"))

from dawnchorus import networks
from dawnchorus.annotations import audit
from dawnchorus.detection import sounds
from dawnchorus.features import kinds
from dawnchorus.foundation import errors, hashes, source_code
from dawnchorus.learning import device, study_steps
from dawnchorus.parameters.data import TABLES
from dawnchorus.workflow import bucket, failures, last_plan, named_files, outcome, params_file, provenance, screen
from dawnchorus.workflow import shard_sets, staleness, supervision

# In place of `configfile:`, which would run what `__use_yte__` in the file asks for, and knows no types.
try:
    params_file.refuse_overrides(config, "params.yaml")
    params_file.refuse_prefix(workflow.modifier.path_modifier)
    BUCKET = bucket.of(workflow)
    config.update(params_file.load("params.yaml", with_files=workflow.is_main_process and not BUCKET))
except errors.InputError as error:
    errors.stop(error)


# What `snakemake --report` begins with; captions of the results lie beside it.
report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/recordings.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/presence.smk"
include: "workflow/rules/recording_scores.smk"
include: "workflow/rules/svm_scores.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/presence_calibration.smk"
include: "workflow/rules/detection_metrics.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/detections.smk"
include: "workflow/rules/cross_validation.smk"
include: "workflow/rules/label_audit.smk"
include: "workflow/rules/learning_curve.smk"
include: "workflow/rules/overfitting_study.smk"


if workflow.is_main_process:
    SOURCE_CODE.save()


# Every product is a target, so that one that was deleted comes back.
rule all:
    """Everything that `snakemake --cores 8` makes."""
    default_target: True
    input:
        rules.recordings.output,
        rules.all_features.input,
        rules.split.output,
        rules.dataset.output,
        rules.model.output,
        rules.presence.output,
        rules.recording_scores.output,
        rules.svm_scores.output,
        rules.evaluation.output,
        rules.presence_calibration.output,
        rules.detection_metrics.output,
        rules.figures.output,
        rules.report.output,
        rules.simulate.output if config["data"]["source"] == "simulated" else [],


onsuccess:
    changed = params_file.changed_since("params.yaml", config)
    if changed:
        said = f"params.yaml: {', '.join(changed)}: changed during the run; expected no change, run again"
        errors.stop(errors.InputError(said))
    leave_only_present_shards()
    if SCREEN:
        SCREEN.close(result())
    elif left_out():
        print(f"left out: {left_out()}", file=sys.stderr)


onerror:
    words = FAILED_JOBS.last_words(STARTED_S, [os.path.relpath(path) for path in log])
    if SCREEN:
        SCREEN.close(["", *words])
    else:
        print(*words, sep="\n", file=sys.stderr)
