# evaluation: what the model is worth
#
# needs  the model and the data set, split.csv (the groups are resampled), the block `evaluation`, the root seed
# makes  reports/metrics.json, predictions.csv (the test clips), predictions_seen.csv (train and validation),
#        per_class.csv, confusion.csv, reliability.csv, baselines.csv (the model beside its baselines, whose
#        scores are in baseline_predictions.csv),
#        models/calibration.json (temperature and thresholds, fitted on validation, for detection)


rule evaluation:
    """Score every clip, measure every partition, and set the model beside its baselines."""
    input:
        model="models/model.keras",
        x="data/dataset/x.npy",
        rows="data/dataset/rows.csv",
        context="data/dataset/context.npy",
        context_rows="data/dataset/context_rows.csv",
        negatives="data/dataset/negatives.npy",
        negative_rows="data/dataset/negative_rows.csv",
        classes="data/dataset/classes.csv",
        statistics="data/dataset/statistics.json",
        annotations="data/recordings/annotations.csv",
        split="data/split/split.csv",
        code=code("evaluation"),
    output:
        metrics="reports/metrics.json",
        predictions="reports/predictions.csv",
        predictions_seen="reports/predictions_seen.csv",
        per_class="reports/per_class.csv",
        confusion="reports/confusion.csv",
        reliability="reports/reliability.csv",
        baselines="reports/baselines.csv",
        baseline_predictions="reports/baseline_predictions.csv",
        calibration="models/calibration.json",
    log:
        "logs/evaluation.log",
    benchmark:
        "benchmarks/evaluation.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    params:
        evaluation=values("evaluation"),
    shell:
        'python -m dawnchorus.stages.evaluation --dataset "$(dirname {input.x:q})" --annotations {input.annotations:q}'
        " --split {input.split:q} --model {input.model:q} --params {params.evaluation:q} --threads {threads}"
        ' --output "$(dirname {output.metrics:q})" --calibration {output.calibration:q} 2>&1 | tee {log}'
