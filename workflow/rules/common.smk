# common: what all rules share
#
# checks params.yaml, takes the folder for this run, and holds the records of earlier runs against the files there are


def values(stage, **others):
    """Return the values that a stage reads, by block, as one JSON text: what a rule records, and all its stage gets."""
    return json.dumps({**params_file.read_by(stage, config), **others}, sort_keys=True)


def code(stage, network=None):
    """Return the source files that a stage runs, found by following its imports."""
    chosen = {"networks": network or config["model"]["name"], "features.kinds": config["features"]["kind"]}
    return [os.path.relpath(path, workflow.basedir) for path in SOURCE_CODE.needed_by(f"stages.{stage}", chosen=chosen)]


def fingerprint_of_detected(wildcards):
    """Name the content of a shard's recordings; called only when detections are asked for."""
    cache = hashes.HashCache(records.HASHES)
    return sounds.fingerprint(config["detections"]["recordings"], int(wildcards.shard), len(SHARDS), cache)


try:
    params_file.check_config(config, "params.yaml")
    # The jobs of a cluster read this file too; only the process that plans them may touch records.
    if workflow.is_main_process and records.lock():
        records.reconcile()
except errors.InputError as error:
    raise WorkflowError(str(error)) from None

# The code that runs is the code of this folder, not an installed copy: `dvc exp run --temp` works in a copy.
shell.prefix('set -euo pipefail; export PYTHONPATH="$PWD/src"; ')

STARTED_S = time.time()
SOURCE_CODE = source_code.SourceCode(Path(workflow.basedir) / "src/dawnchorus", records.IMPORTS)

# What the kind of features reads besides sound; most kinds nothing.
KIND_FILES = kinds.input_files(config["features"])

# How many jobs the recordings are dealt to.
SHARDS = range(8)

# A simulated set is named by content in its recordings.csv, an input; the user's own audio by this hash, and with it
# the annotations where they are a folder of tables.
AUDIO_FINGERPRINT = (
    ""
    if config["data"]["source"] == "simulated"
    else audit.fingerprint(config["data"], hashes.HashCache(records.HASHES))
)
SOURCE_TABLES = sorted(
    path
    for path in {
        config["data"][table] for table in ["annotations", "false_positives", "recordings_table", "species_table"]
    }
    if not Path(path).is_dir()
)
