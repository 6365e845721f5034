# detections: the model at work on new recordings
#
# needs  models/presence.keras and models/presence_calibration.json (without presence model.keras and
#        calibration.json), the block `detections`, which names the recordings (or data.audio_dir does)
# makes  data/detections/shard-N.parquet: the window scores of the recordings whose name hashes to N;
#        reports/detections/ (scores, events, Raven, Audacity, submission, pictures), reports/detections.html
#
# Not part of `rule all`: ask for it by `snakemake --cores 8 detections`. A job keeps what it scored before of
# every recording whose content, model, windows and code are the same.


# Frames of presence find calls, or windows of the network that names clips where there is no presence.
DETECTS = "presence" if config["presence"]["network"] != "none" else "model"


rule window_scores:
    """Score the windows of each recording of a shard."""
    input:
        model=f"models/{DETECTS}.keras",
        kind_files=KIND_FILES,
        code=code("window_scores"),
    output:
        scores="data/detections/shard-{shard}.parquet",
        provenance="data/detections/shard-{shard}.provenance.json",
    log:
        "logs/window_scores-{shard}.log",
    benchmark:
        "benchmarks/window_scores-{shard}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    params:
        detections=values("window_scores", searched=SEARCHED),
        audio=fingerprint_of_detected,
    shell:
        command(
            "window_scores",
            "--model {input.model:q} --shard {wildcards.shard}"
            f" --shards {len(SHARDS)}"
            " --params {params.detections:q} --threads {threads} --output {output.scores:q}",
        )


rule detections:
    """Turn window scores into detections, for people and for other programs."""
    input:
        scores=expand("data/detections/shard-{shard}.parquet", shard=SHARDS),
        model=f"models/{DETECTS}.keras",
        calibration=(
            rules.presence_calibration.output.calibration
            if DETECTS == "presence"
            else rules.evaluation.output.calibration
        ),
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
        detections=values("detections"),
    shell:
        command(
            "detections",
            "--scores {input.scores:q} --model {input.model:q}"
            " --calibration {input.calibration:q} --params {params.detections:q} --output {output.folder:q}"
            " --page {output.page:q}",
        )
