# evaluation: what the model is worth
#
# needs  the model and the data set (its groups are resampled), presence in the held-out recordings, the block `evaluation`, the root seed
# makes  reports/metrics.json, predictions.csv (the test clips), predictions_seen.csv (train and validation),
#        per_class.csv, confusion.csv, reliability.csv, baselines.csv (the model beside its baselines, whose
#        scores are in baseline_predictions.csv),
#        models/calibration.json (temperature and thresholds, fitted on validation, for detection)


rule evaluation:
    """Measure how well calls are named, beside simpler methods."""
    input:
        model="models/model.keras",
        dataset=products(rules.dataset),
        presence_scores="data/recording_scores/presence.parquet",
        code=code("evaluation"),
    output:
        metrics="reports/metrics.json",
        predictions="reports/predictions.csv",
        predictions_seen="reports/predictions_seen.csv",
        per_class=report(
            "reports/per_class.csv",
            caption="../report/per_class.rst",
            category="Naming clips",
        ),
        confusion="reports/confusion.csv",
        reliability="reports/reliability.csv",
        baselines=report(
            "reports/baselines.csv",
            caption="../report/baselines_table.rst",
            category="Naming clips",
        ),
        baseline_predictions="reports/baseline_predictions.csv",
        calibration="models/calibration.json",
        provenance="reports/evaluation.provenance.json",
    log:
        "logs/evaluation.log",
    benchmark:
        "benchmarks/evaluation.tsv"
    conda:
        "../../environment.yml"
    threads: device.THREADS
    params:
        evaluation=values("evaluation"),
    shell:
        command(
            "evaluation",
            "--dataset {input.dataset:q} --model {input.model:q}"
            " --presence-scores {input.presence_scores:q}"
            f" --params {{params.evaluation:q}} --threads {device.THREADS}"
            " --metrics {output.metrics:q}"
            " --predictions {output.predictions:q} --predictions-seen {output.predictions_seen:q}"
            " --per-class {output.per_class:q} --confusion {output.confusion:q} --reliability {output.reliability:q}"
            " --baselines {output.baselines:q} --baseline-predictions {output.baseline_predictions:q}"
            " --calibration {output.calibration:q}",
        )
