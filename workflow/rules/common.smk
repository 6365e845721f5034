# common: what all rules share
#
# lets the provenance records of earlier runs decide what runs


def values(stage, **others):
    """Return the values that a stage reads, by block, as one JSON text: all of them that its stage gets."""
    return params_file.handed_to(stage, config, **others)


def code(stage, network=None):
    """Return the source files that a stage runs, found by following its imports, and those of the rules that run it."""
    chosen = {"networks": network or config["model"]["name"], "features.kinds": config["features"]["kind"]}
    asks = Path(workflow.included_stack[-1].get_path_or_uri(secret_free=True)).name
    of_rules = {HERE / "workflow/rules" / asks, HERE / f"workflow/rules/{stage}.smk"}
    files = [*sorted(filter(Path.exists, of_rules)), *SOURCE_CODE.needed_by(f"stages.{stage}", chosen=chosen)]
    found = [os.path.relpath(path) for path in files]
    return list(map(local, found)) if BUCKET else found


def fingerprint_of_detected(wildcards):
    """Name the content of a shard's recordings; called only when detections are asked for."""
    return fingerprints_of_detected()[int(wildcards.shard)]


@functools.cache
def fingerprints_of_detected():
    """Name the content of the recordings of each shard, having listed and looked at all of them once."""
    if BUCKET:
        errors.stop(
            errors.InputError("detections: expected a run without --default-storage-provider, models beside it")
        )
    return sounds.fingerprints(SEARCHED, len(SHARDS), hashes.HashCache(hashes.OF_SOUND))


def values_of_detections(wildcards):
    """Return the values of the detections; called only when these are asked for, and stops where a file lacks."""
    or_stop(lambda: named_files.check_sample(config))
    return values("detections")


def products(rule):
    """Return what a rule makes, but for the record of how it was made."""
    return [path for path in rule.output if not provenance.is_record(path)]


def patterns(files):
    """Return files of a rule as its text names them, for `expand`, which takes no file that is known to be in a bucket."""
    return [BUCKET.called(path) if BUCKET else str(path) for path in files]


def command(stage, arguments):
    """Return the shell command of a rule: its stage, run as a job that leaves a record of what it read and made."""
    said = "> {log} 2>&1" if SCREEN else "2>&1 | tee {log}"
    return (
        f"{OWN_CODE} python -m dawnchorus.stages --inputs {{input:q}} --params {{params:q}} --outputs {{output:q}}"
        f"{FOLDER} -- {stage} {arguments} {said}"
    )


def or_stop(need):
    """Call what a run needs, or stop with its one line."""
    try:
        need()
    except errors.InputError as error:
        errors.stop(error)


def values_of_step(wildcards):
    """Return the values of a training of the study of overfitting; called only when that is asked for."""
    or_stop(lambda: study_steps.check(config["split"]))
    block = config["overfitting_study"]
    network = study_steps.steps(block)[int(wildcards.step) - 1]["model"]
    return values("model", model=network, train=study_steps.training(block))


def left_out():
    """Return the line that says what the audit left out; None where that is nothing."""
    return audit.left_out(config["data"], *audited())


def audited():
    """Return the tables of annotations, of false positives and of problems that the audit makes."""
    made = rules.recordings.output
    return made.annotations, made.false_positives, made.audit


def result():
    """Return what a run that went well ends with: what it found, where the report or a study was asked for."""
    asked = {job.rule.name for job in workflow.dag.jobs}
    studies = ("detections", "cross_validation", "label_audit", "learning_curve", "overfitting_study")
    found = [line for rule in studies for line in SCREEN.found_by(rule)]
    return [*found, *(outcome.of_run(left_out(), config["split"]["method"]) if "report" in asked else [])]


def begin():
    """Take the folder for this run; called when the DAG is about to be executed."""
    or_stop(supervision.take_folder)
    supervision.end_when_unwanted()
    supervision.use_no_more_cores_than_there_are(workflow)


def planned():
    """Keep the plan of this run, for `dvc repro`; called when it is about to be executed."""
    if BUCKET:
        return
    of_values = config["data"], config["split"]["method"]
    last_plan.keep(workflow, HERE.resolve(), *of_values, audited(), AUDIO_FINGERPRINT)
    # Snakemake ends a run with nothing to do without `onsuccess`.
    leave_only_present_shards()


def leave_only_present_shards():
    """Remove files of other numbers of shards, where all of the present one are there."""
    if supervision.has_folder() and not BUCKET:
        shard_sets.leave_only(staleness.job_of(job) for job in workflow.dag.jobs if job.output)


def explain(reasons):
    """Say why jobs have to run: a dry run of each rule, a run of the first things that it makes anew."""
    if SCREEN and workflow.output_settings.dryrun:
        SCREEN.foreseen = lambda: staleness.foreseen(workflow, reasons)
    else:
        print(*(f"{line}\n" for line in staleness.to_be_made(reasons)), sep="", end="", file=sys.stderr)


# The jobs of a cluster read this file too; only the process that plans them decides what runs.
if workflow.is_main_process:
    if not workflow.output_settings.dryrun:
        or_stop(supervision.ask_for_room)
    supervision.clear_leftovers()
    staleness.decide_in(workflow, begin, planned, explain)


# The records beside the products decide what is current; times say nothing, and a job keeps what it made before.
inputflags:
    ancient,


# Snakemake fetches no former product from a bucket.
if not BUCKET:

    outputflags:
        update,


# The code that runs is the code of this folder, not an installed copy: `dvc exp run --temp` works in a copy.
SOURCES = shlex.quote(os.path.relpath(HERE / "src")).replace("{", "{{").replace("}", "}}")
OWN_CODE = f"export PYTHONPATH={SOURCES} {supervision.SNAKEMAKE}=$PPID;"

# Where a stage finds copies of what lies in a bucket.
FOLDER = f" --folder {shlex.quote(BUCKET.folder)}".replace("{", "{{").replace("}", "}}") if BUCKET else ""

STARTED_S = time.time()
# In a workflow of somebody else's Snakemake says what happens, and calls none of the handlers of this one.
SCREEN = None if IS_MODULE else screen.installed(workflow)
FAILED_JOBS = SCREEN or (None if IS_MODULE else failures.kept_from_the_screen())
if SCREEN:
    SCREEN.result = result
SOURCE_CODE = source_code.SourceCode(HERE / "src/dawnchorus", provenance.IMPORTS)

# What the kind of features reads besides sound; most kinds nothing.
KIND_FILES = kinds.input_files(config["features"])

# Where detections look for calls.
SEARCHED = config["detections"]["recordings"] or config["data"]["audio_dir"]

# The jobs that the recordings are dealt to. Their files say of how many they are, so that no two sets ever mix.
SHARDS = shard_sets.numbers(config["shards"])
OF_SET = f"{{shard}}-of-{config['shards']}"

# A simulated set is named by content in its recordings.csv, an input; the user's own audio by this hash, and with it
# the annotations where they are a folder of tables.
AUDIO_FINGERPRINT = (
    ""
    if config["data"]["source"] == "simulated" or BUCKET
    else audit.fingerprint(config["data"], hashes.HashCache(hashes.OF_SOUND))
)
# Sound in a bucket is an input as any other; a folder that is read where it lies counts by the values above.
AUDIO = [config["data"]["audio_dir"]] if BUCKET else []
SOURCE_TABLES = sorted(
    path for path in {config["data"][table] for table in ("annotations", *TABLES)} if not Path(path).is_dir()
)
