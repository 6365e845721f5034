# cross_validation: what the recipe is worth on all recordings, a training a fold and a seed; made on demand
#
# needs  the shards, annotations.csv, the blocks of the rules that it repeats, and `cross_validation`
# makes  reports/cross_validation/: baselines.csv and metrics.json (out of fold, beside the baselines),
#        folds.csv, predictions.csv, detection.csv (in whole recordings); what each fold needs lies below data/, models/ and reports/cross_validation/
#
# Each fold is the workflow's own rules again, with another split: jobs of their own, as parallel as cores and GPUs allow.

FOLDS = range(1, config["cross_validation"]["folds"] + 1)
SEEDS = range(config["seed"], config["seed"] + config["cross_validation"]["seeds"])
FOLD_DATA = "data/cross_validation/fold-{fold}"
FOLD_MODEL = "models/cross_validation/fold-{fold}-seed-{seed}"
FOLD_SCORES = "data/cross_validation/scores-{fold}-{seed}"
FOLD_REPORT = "reports/cross_validation/fold-{fold}-seed-{seed}"


rule folds:
    """Deal the recordings to folds, group by group; each fold is the test of one training."""
    input:
        annotations="data/recordings/annotations.csv",
        code=code("folds"),
    output:
        splits=expand(f"{FOLD_DATA}/split.csv", fold=FOLDS),
        provenance="data/cross_validation/folds.provenance.json",
    log:
        "logs/folds.log",
    benchmark:
        "benchmarks/folds.tsv"
    conda:
        "../../environment.yml"
    params:
        folds=values("folds"),
    shell:
        command(
            "folds",
            "--annotations {input.annotations:q} --params {params.folds:q}" " --output {output.splits:q}",
        )


use rule dataset as fold_dataset with:
    input:
        split=f"{FOLD_DATA}/split.csv",
        shards=rules.dataset.input.shards,
        negatives=rules.dataset.input.negatives,
        annotations=rules.dataset.input.annotations,
        false_positives=rules.dataset.input.false_positives,
        code=rules.dataset.input.code,
    output:
        **{name: f"{FOLD_DATA}/{Path(path).name}" for name, path in rules.dataset.output.items()},
    log:
        "logs/fold_dataset-{fold}.log",
    benchmark:
        "benchmarks/fold_dataset-{fold}.tsv"
    params:
        dataset=values("dataset"),


use rule model as fold_model with:
    input:
        dataset=products(rules.fold_dataset),
        code=rules.model.input.code,
    output:
        **{name: f"{FOLD_MODEL}/{Path(path).name}" for name, path in rules.model.output.items()},
    log:
        "logs/fold_model-{fold}-{seed}.log",
    benchmark:
        "benchmarks/fold_model-{fold}-{seed}.tsv"
    params:
        model=lambda wildcards: values("model", seed=int(wildcards.seed)),


use rule presence as fold_presence with:
    input:
        shards=rules.presence.input.shards,
        rows=f"{FOLD_DATA}/rows.csv",
        classes=f"{FOLD_DATA}/classes.csv",
        recordings=rules.presence.input.recordings,
        unknown=rules.presence.input.unknown,
        false_positives=rules.presence.input.false_positives,
        code=rules.presence.input.code,
    output:
        **{name: f"{FOLD_MODEL}/{Path(path).name}" for name, path in rules.presence.output.items()},
    log:
        "logs/fold_presence-{fold}-{seed}.log",
    benchmark:
        "benchmarks/fold_presence-{fold}-{seed}.tsv"
    params:
        presence=lambda wildcards: values("presence", seed=int(wildcards.seed)),


use rule evaluation as fold_evaluation with:
    input:
        model=f"{FOLD_MODEL}/model.keras",
        dataset=products(rules.fold_dataset),
        presence_scores=f"{FOLD_SCORES}/presence.parquet",
        code=rules.evaluation.input.code,
    output:
        **{
            name: f"{FOLD_REPORT}/{Path(path).name}"
            for name, path in rules.evaluation.output.items()
            if name != "calibration"
        },
        calibration=f"{FOLD_MODEL}/calibration.json",
    log:
        "logs/fold_evaluation-{fold}-{seed}.log",
    benchmark:
        "benchmarks/fold_evaluation-{fold}-{seed}.tsv"
    params:
        evaluation=values("evaluation"),


use rule recording_scores as fold_recording_scores with:
    input:
        model=f"{FOLD_MODEL}/model.keras",
        presence=f"{FOLD_MODEL}/presence.keras",
        rows=f"{FOLD_DATA}/rows.csv",
        recordings=rules.recording_scores.input.recordings,
        kind_files=KIND_FILES,
        audio=AUDIO,
        code=rules.recording_scores.input.code,
    output:
        **{name: f"{FOLD_SCORES}/{Path(path).name}" for name, path in rules.recording_scores.output.items()},
    log:
        "logs/fold_recording_scores-{fold}-{seed}.log",
    benchmark:
        "benchmarks/fold_recording_scores-{fold}-{seed}.tsv"


use rule svm_scores as fold_svm_scores with:
    input:
        dataset=products(rules.fold_dataset),
        held_out=f"{FOLD_SCORES}/recordings.csv",
        recordings=rules.svm_scores.input.recordings,
        kind_files=KIND_FILES,
        audio=AUDIO,
        code=rules.svm_scores.input.code,
    output:
        **{name: f"{FOLD_SCORES}/{Path(path).name}" for name, path in rules.svm_scores.output.items()},
    log:
        "logs/fold_svm_scores-{fold}-{seed}.log",
    benchmark:
        "benchmarks/fold_svm_scores-{fold}-{seed}.tsv"


use rule presence_calibration as fold_presence_calibration with:
    input:
        scores=f"{FOLD_SCORES}/presence.parquet",
        window_scores=f"{FOLD_SCORES}/scores.parquet",
        held_out=f"{FOLD_SCORES}/recordings.csv",
        rows=f"{FOLD_DATA}/rows.csv",
        classes=f"{FOLD_DATA}/classes.csv",
        unknown=rules.presence_calibration.input.unknown,
        code=rules.presence_calibration.input.code,
    output:
        **{name: f"{FOLD_MODEL}/{Path(path).name}" for name, path in rules.presence_calibration.output.items()},
    log:
        "logs/fold_presence_calibration-{fold}-{seed}.log",
    benchmark:
        "benchmarks/fold_presence_calibration-{fold}-{seed}.tsv"


use rule detection_metrics as fold_detection_metrics with:
    input:
        scores=f"{FOLD_SCORES}/scores.parquet",
        presence_scores=f"{FOLD_SCORES}/presence.parquet",
        energy=f"{FOLD_SCORES}/energy.parquet",
        svm_scores=f"{FOLD_SCORES}/svm.parquet",
        svm_calibration=f"{FOLD_SCORES}/svm_calibration.json",
        held_out=f"{FOLD_SCORES}/recordings.csv",
        rows=f"{FOLD_DATA}/rows.csv",
        unknown=rules.detection_metrics.input.unknown,
        model=f"{FOLD_MODEL}/model.keras",
        calibration=f"{FOLD_MODEL}/calibration.json",
        presence=f"{FOLD_MODEL}/presence.keras",
        presence_calibration=f"{FOLD_MODEL}/presence_calibration.json",
        code=rules.detection_metrics.input.code,
    output:
        **{name: f"{FOLD_REPORT}/{Path(path).name}" for name, path in rules.detection_metrics.output.items()},
    log:
        "logs/fold_detection_metrics-{fold}-{seed}.log",
    benchmark:
        "benchmarks/fold_detection_metrics-{fold}-{seed}.tsv"


rule cross_validation:
    """Put the folds together: how well networks do on recordings that they never heard, beside simpler methods."""
    input:
        # Every fold has every row; they differ in the partitions.
        rows=expand(f"{FOLD_DATA}/rows.csv", fold=FOLDS[0]),
        predictions=expand(f"{FOLD_REPORT}/predictions.csv", fold=FOLDS, seed=SEEDS),
        baseline_predictions=expand(f"{FOLD_REPORT}/baseline_predictions.csv", fold=FOLDS, seed=SEEDS),
        detection_recordings=expand(f"{FOLD_REPORT}/detection_recordings.csv", fold=FOLDS, seed=SEEDS),
        detection_segments=expand(f"{FOLD_REPORT}/detection_segments.csv", fold=FOLDS, seed=SEEDS),
        code=code("cross_validation"),
    output:
        baselines=report(
            "reports/cross_validation/baselines.csv",
            caption="../report/cross_validation.rst",
            category="Cross-validation",
        ),
        metrics="reports/cross_validation/metrics.json",
        folds="reports/cross_validation/folds.csv",
        predictions="reports/cross_validation/predictions.csv",
        detection=report(
            "reports/cross_validation/detection.csv",
            caption="../report/cross_validation_detection.rst",
            category="Cross-validation",
        ),
        provenance="reports/cross_validation/cross_validation.provenance.json",
    log:
        "logs/cross_validation.log",
    benchmark:
        "benchmarks/cross_validation.tsv"
    conda:
        "../../environment.yml"
    params:
        cross_validation=values("cross_validation"),
        model=config["model"]["name"],
        detector=DETECTOR,
    shell:
        command(
            "cross_validation",
            "--rows {input.rows:q} --fold-predictions {input.predictions:q}"
            " --fold-baseline-predictions {input.baseline_predictions:q}"
            " --fold-detection-recordings {input.detection_recordings:q}"
            " --fold-detection-segments {input.detection_segments:q} --detection {output.detection:q}"
            " --model {params.model:q} --detector {params.detector:q} --params {params.cross_validation:q} --metrics {output.metrics:q}"
            " --baselines {output.baselines:q} --folds {output.folds:q} --predictions {output.predictions:q}",
        )
