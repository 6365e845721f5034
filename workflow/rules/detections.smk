# detections: the model at work on new recordings
#
# needs  models/presence.keras, models/presence_calibration.json and models/model.keras (without presence model.keras
#        and calibration.json), the block `detections`, which names the recordings (or
#        data.audio_dir does); models/review_thresholds.json where there is one
# makes  data/detections/shard-K-of-N.parquet: the scores of the recordings whose name hashes to K of N (`shards`);
#        windows-K-of-N.parquet: those of windows where they count beside frames of presence, else none;
#        reports/detections/ (scores, events, activity, Raven, Audacity, submission, pictures), reports/detections.html
#
# Not part of `rule all`: ask for it by `snakemake --cores 8 detections`. A job keeps what it scored before of
# every recording whose content, model, windows and code are the same, also in files of another N.


# Frames of presence find calls, or windows of the network that names clips where there is no presence.
DETECTS = "presence" if config["presence"]["network"] != "none" else "model"
# What says whether windows count beside frames, and what scores them.
BESIDE = (
    {"beside": "models/model.keras", "calibration": rules.presence_calibration.output.calibration}
    if DETECTS == "presence"
    else {}
)


# What a review wrote beside the model, if one did: it is no product, and stands above the calibration.
REVIEWED = [path for path in ["models/review_thresholds.json"] if Path(path).exists()]

# A table to make a submission like; one that is not there is said where it is wanted. Braces would be wildcards.
SAMPLE = [
    path.replace("{", "{{").replace("}", "}}")
    for path in [config["detections"]["sample_submission"]]
    if path is not None and Path(path).is_file()
]


rule window_scores:
    """Let the networks listen to the recordings in which calls are to be found."""
    input:
        **BESIDE,
        model=f"models/{DETECTS}.keras",
        kind_files=KIND_FILES,
        code=code("window_scores"),
    output:
        scores=f"data/detections/shard-{OF_SET}.parquet",
        windows=f"data/detections/windows-{OF_SET}.parquet",
        provenance=f"data/detections/shard-{OF_SET}.provenance.json",
    log:
        "logs/window_scores-{shard}.log",
    benchmark:
        "benchmarks/window_scores-{shard}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        detections=values("window_scores", searched=SEARCHED),
        audio=fingerprint_of_detected,
    shell:
        command(
            "window_scores",
            "--model {input.model:q} --shard {wildcards.shard}"
            f" --shards {len(SHARDS)}"
            " --params {params.detections:q} --audio={params.audio:q} --threads {threads} --output {output.scores:q}"
            " --windows {output.windows:q}" + "".join(f" --{name} {{input.{name}:q}}" for name in BESIDE),
        )


rule detections:
    """Turn scores into detections: tables, labels for Raven and Audacity, and a page to look and listen."""
    input:
        scores=expand(f"data/detections/shard-{OF_SET}.parquet", shard=SHARDS),
        windows=expand(f"data/detections/windows-{OF_SET}.parquet", shard=SHARDS),
        model=f"models/{DETECTS}.keras",
        calibration=(
            rules.presence_calibration.output.calibration
            if DETECTS == "presence"
            else rules.evaluation.output.calibration
        ),
        thresholds=REVIEWED,
        sample=SAMPLE,
        code=code("detections"),
    output:
        folder=directory("reports/detections"),
        page=report(
            "reports/detections.html",
            caption="../report/detections.rst",
            category="Detections in new recordings",
        ),
        provenance="reports/detections.provenance.json",
    log:
        "logs/detections.log",
    benchmark:
        "benchmarks/detections.tsv"
    conda:
        "../../environment.yml"
    params:
        detections=values_of_detections,
    shell:
        command(
            "detections",
            "--scores {input.scores:q} --windows {input.windows:q} --model {input.model:q}"
            " --calibration {input.calibration:q} --params {params.detections:q} --output {output.folder:q}"
            " --page {output.page:q}" + " --thresholds {input.thresholds:q}" * bool(REVIEWED),
        )
