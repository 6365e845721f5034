# svm_scores: a baseline on the windows of the held-out recordings
#
# needs  the data set, which recordings are held out, the audio (by its hashes in recordings.csv), and of the block
#        `detections` what window scores depend on; evaluation.default_threshold
# makes  data/recording_scores/svm.parquet (window by window) and svm_calibration.json


rule svm_scores:
    """Train a simpler classifier to compare with, an SVM, and let it listen to the same recordings."""
    input:
        dataset=products(rules.dataset),
        held_out="data/recording_scores/recordings.csv",
        recordings="data/recordings/recordings.csv",
        kind_files=KIND_FILES,
        audio=AUDIO,
        code=code("svm_scores"),
    output:
        scores="data/recording_scores/svm.parquet",
        calibration="data/recording_scores/svm_calibration.json",
        provenance="data/recording_scores/svm_scores.provenance.json",
    log:
        "logs/svm_scores.log",
    benchmark:
        "benchmarks/svm_scores.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    params:
        svm_scores=values("svm_scores"),
        audio_dir=config["data"]["audio_dir"],
    shell:
        command(
            "svm_scores",
            "--dataset {input.dataset:q} --held-out {input.held_out:q} --recordings {input.recordings:q}"
            " --audio-dir {params.audio_dir:q}"
            " --params {params.svm_scores:q} --threads {threads} --scores {output.scores:q}"
            " --calibration {output.calibration:q}",
        )
