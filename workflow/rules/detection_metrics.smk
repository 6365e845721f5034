# detection_metrics: what detections are worth, in whole test recordings
#
# needs  the scores of held-out recordings, the annotations, spans of unknown content, the model's card and its
#        calibration; of the block `detections` what makes events of scores, the block `detection_metrics`, data.annotated, the root seed
# makes  reports/detection_metrics.json, detection_events.csv (what became of every call and every detected event),
#        detection_per_class.csv, detection_curves.csv, detection_reliability.csv, detection_baselines.csv, and of each
#        recording and segment what comparisons are drawn from: detection_recordings.csv, detection_segments.csv

# What the first detector is called in tables: what users run.
DETECTOR = "presence network" if config["presence"]["network"] != "none" else f"{config['model']['name']} on windows"


rule detection_metrics:
    """Measure how well calls are found in whole test recordings, beside simpler methods."""
    input:
        scores="data/recording_scores/scores.parquet",
        presence_scores="data/recording_scores/presence.parquet",
        energy="data/recording_scores/energy.parquet",
        svm_scores="data/recording_scores/svm.parquet",
        svm_calibration="data/recording_scores/svm_calibration.json",
        held_out="data/recording_scores/recordings.csv",
        rows="data/dataset/rows.csv",
        unknown="data/recordings/unknown.csv",
        model="models/model.keras",
        calibration="models/calibration.json",
        presence="models/presence.keras",
        presence_calibration="models/presence_calibration.json",
        code=code("detection_metrics"),
    output:
        metrics="reports/detection_metrics.json",
        per_class=report(
            "reports/detection_per_class.csv",
            caption="../report/detection_per_class.rst",
            category="Finding calls",
        ),
        events=report(
            "reports/detection_events.csv",
            caption="../report/detection_events.rst",
            category="Finding calls",
        ),
        recordings="reports/detection_recordings.csv",
        segments="reports/detection_segments.csv",
        curves="reports/detection_curves.csv",
        reliability="reports/detection_reliability.csv",
        baselines=report(
            "reports/detection_baselines.csv",
            caption="../report/detection_baselines.rst",
            category="Finding calls",
        ),
        provenance="reports/detection_metrics.provenance.json",
    log:
        "logs/detection_metrics.log",
    benchmark:
        "benchmarks/detection_metrics.tsv"
    conda:
        "../../environment.yml"
    params:
        detection_metrics=values("detection_metrics"),
    shell:
        command(
            "detection_metrics",
            "--scores {input.scores:q} --presence-scores {input.presence_scores:q} --presence {input.presence:q}"
            " --presence-calibration {input.presence_calibration:q} --energy {input.energy:q}"
            " --svm-scores {input.svm_scores:q} --svm-calibration {input.svm_calibration:q}"
            " --held-out {input.held_out:q} --rows {input.rows:q} --unknown {input.unknown:q} --model {input.model:q}"
            " --calibration {input.calibration:q} --params {params.detection_metrics:q} --metrics {output.metrics:q}"
            " --detection-per-class {output.per_class:q} --detection-events {output.events:q}"
            " --detection-recordings {output.recordings:q} --detection-segments {output.segments:q}"
            " --detection-curves {output.curves:q} --detection-reliability {output.reliability:q}"
            " --detection-baselines {output.baselines:q}",
        )
