# recording_scores: the model at work on whole recordings that it did not learn from
#
# needs  the model, rows.csv (which partition an annotation is in), recordings.csv, the audio, and of the block
#        `detections` what window scores depend on
# makes  data/recording_scores/: recordings.csv (the partition of each recording; `mixed` where its annotations lie in
#        several), presence.parquet (of validation and test, frame by frame), scores.parquet (window by window, a baseline where there
#        is presence), both scored as new recordings are, and energy.parquet (a baseline)


rule recording_scores:
    """Let both networks listen to the whole recordings of validation and test."""
    input:
        model="models/model.keras",
        presence="models/presence.keras",
        rows="data/dataset/rows.csv",
        recordings="data/recordings/recordings.csv",
        kind_files=KIND_FILES,
        audio=AUDIO,
        code=code("recording_scores"),
    output:
        held_out="data/recording_scores/recordings.csv",
        scores="data/recording_scores/scores.parquet",
        presence="data/recording_scores/presence.parquet",
        energy="data/recording_scores/energy.parquet",
        provenance="data/recording_scores/recording_scores.provenance.json",
    log:
        "logs/recording_scores.log",
    benchmark:
        "benchmarks/recording_scores.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    params:
        recording_scores=values("recording_scores"),
        audio_dir=config["data"]["audio_dir"],
    shell:
        command(
            "recording_scores",
            "--model {input.model:q} --rows {input.rows:q}"
            " --recordings {input.recordings:q} --audio-dir {params.audio_dir:q} --params {params.recording_scores:q}"
            " --threads {threads} --held-out {output.held_out:q} --scores {output.scores:q}"
            " --presence {input.presence:q} --presence-scores {output.presence:q} --energy {output.energy:q}",
        )
