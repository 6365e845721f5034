# detections: the model at work on new recordings
#
# needs  models/model.keras and models/calibration.json, the block `detections`, which names the recordings
# makes  data/detections/shard-N.parquet: the window scores of the recordings whose name hashes to N;
#        reports/detections/ (scores, events, Raven, Audacity, submission, pictures), reports/detections.html
#
# Not part of `rule all`: ask for it by `snakemake --cores 8 detections`. A job keeps what it scored before of
# every recording whose content, model, windows and code are the same: `update` hands it its own old shard.


rule window_scores:
    """Score the windows of each recording of a shard."""
    input:
        model="models/model.keras",
        code=[
            "src/dawnchorus/stages/window_scores.py",
            "src/dawnchorus/audio.py",
            "src/dawnchorus/blocks.py",
            "src/dawnchorus/dataset.py",
            "src/dawnchorus/decoding.py",
            "src/dawnchorus/device.py",
            "src/dawnchorus/errors.py",
            "src/dawnchorus/features.py",
            "src/dawnchorus/files.py",
            "src/dawnchorus/hashes.py",
            "src/dawnchorus/listening.py",
            "src/dawnchorus/model_file.py",
            "src/dawnchorus/networks/__init__.py",
            f"src/dawnchorus/networks/{config['model']['name']}.py",
            "src/dawnchorus/pooled.py",
            "src/dawnchorus/measures.py",
            "src/dawnchorus/recordings.py",
            "src/dawnchorus/score_store.py",
            "src/dawnchorus/scoring.py",
            "src/dawnchorus/shards.py",
            "src/dawnchorus/sounds.py",
            "src/dawnchorus/tables.py",
            "src/dawnchorus/windows.py",
        ],
    output:
        update("data/detections/shard-{shard}.parquet"),
    log:
        "logs/window_scores-{shard}.log",
    benchmark:
        "benchmarks/window_scores-{shard}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    params:
        detections=block("detections"),
        audio=recordings_to_hear,
    shell:
        "python -m dawnchorus.stages.window_scores --model {input.model:q} --shard {wildcards.shard} --shards 8"
        " --params {params.detections:q} --threads {threads} --output {output:q} 2>&1 | tee {log}"


rule detections:
    """Decide what was heard, and write it for people and for other programs."""
    input:
        scores=expand("data/detections/shard-{shard}.parquet", shard=SHARDS),
        model="models/model.keras",
        calibration="models/calibration.json",
        code=[
            "src/dawnchorus/stages/detections.py",
            "src/dawnchorus/audio.py",
            "src/dawnchorus/blocks.py",
            "src/dawnchorus/calibration.py",
            "src/dawnchorus/measures.py",
            "src/dawnchorus/dataset.py",
            "src/dawnchorus/decoding.py",
            "src/dawnchorus/detection_page.py",
            "src/dawnchorus/detection_picture.py",
            "src/dawnchorus/detections.py",
            "src/dawnchorus/device.py",
            "src/dawnchorus/errors.py",
            "src/dawnchorus/events.py",
            "src/dawnchorus/exports.py",
            "src/dawnchorus/features.py",
            "src/dawnchorus/figure_style.py",
            "src/dawnchorus/files.py",
            "src/dawnchorus/labels.py",
            "src/dawnchorus/model_file.py",
            "src/dawnchorus/networks/__init__.py",
            f"src/dawnchorus/networks/{config['model']['name']}.py",
            "src/dawnchorus/pooled.py",
            "src/dawnchorus/report_media.py",
            "src/dawnchorus/score_store.py",
            "src/dawnchorus/scoring.py",
            "src/dawnchorus/tables.py",
            "src/dawnchorus/windows.py",
        ],
    output:
        folder=directory("reports/detections"),
        page="reports/detections.html",
    log:
        "logs/detections.log",
    benchmark:
        "benchmarks/detections.tsv"
    conda:
        "../../environment.yml"
    params:
        detections=block("detections"),
    shell:
        "python -m dawnchorus.stages.detections --scores {input.scores:q} --model {input.model:q}"
        " --calibration {input.calibration:q} --params {params.detections:q} --output {output.folder:q}"
        " --page {output.page:q} 2>&1 | tee {log}"
