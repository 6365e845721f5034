# presence_calibration: what presence is worth, and from where on it is an event
#
# needs  presence in the validation recordings and what windows of the network that names clips say there, their
#        annotations and spans of unknown content, the block `presence_calibration`, data.annotated, and of `detections`
#        how windows lie
# makes  models/presence_calibration.json, which detection needs


rule presence_calibration:
    """Choose from which score on a call counts as found, for each species, on validation recordings."""
    input:
        scores="data/recording_scores/presence.parquet",
        window_scores="data/recording_scores/scores.parquet",
        held_out="data/recording_scores/recordings.csv",
        rows="data/dataset/rows.csv",
        classes="data/dataset/classes.csv",
        unknown="data/recordings/unknown.csv",
        code=code("presence_calibration"),
    output:
        calibration="models/presence_calibration.json",
        provenance="models/presence_calibration.provenance.json",
    log:
        "logs/presence_calibration.log",
    benchmark:
        "benchmarks/presence_calibration.tsv"
    conda:
        "../../environment.yml"
    params:
        presence_calibration=values("presence_calibration"),
    shell:
        command(
            "presence_calibration",
            "--scores {input.scores:q} --window-scores {input.window_scores:q} --held-out {input.held_out:q} --rows {input.rows:q} --classes {input.classes:q}"
            " --unknown {input.unknown:q} --params {params.presence_calibration:q} --output {output.calibration:q}",
        )
