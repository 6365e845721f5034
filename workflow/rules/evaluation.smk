# evaluation: what the model is worth
#
# needs  the model and the data set, the block `evaluation`
# makes  reports/metrics.json, predictions.csv (the test clips), predictions_seen.csv (train and validation),
#        per_class.csv, confusion.csv


rule evaluation:
    """Score every clip, and measure train, validation and test."""
    input:
        model="models/model.keras",
        x="data/dataset/x.npy",
        rows="data/dataset/rows.csv",
        annotations="data/recordings/annotations.csv",
        code=[
            "src/dawnchorus/stages/evaluation.py",
            "src/dawnchorus/evaluation.py",
            "src/dawnchorus/model_file.py",
            "src/dawnchorus/pooled.py",
            "src/dawnchorus/device.py",
            "src/dawnchorus/networks/__init__.py",
            f"src/dawnchorus/networks/{config['model']['name']}.py",
            "src/dawnchorus/errors.py",
            "src/dawnchorus/files.py",
            "src/dawnchorus/tables.py",
        ],
    output:
        metrics="reports/metrics.json",
        predictions="reports/predictions.csv",
        predictions_seen="reports/predictions_seen.csv",
        per_class="reports/per_class.csv",
        confusion="reports/confusion.csv",
    params:
        evaluation=block("evaluation"),
    log:
        "logs/evaluation.log",
    benchmark:
        "benchmarks/evaluation.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    shell:
        "python -m dawnchorus.stages.evaluation --dataset data/dataset --annotations {input.annotations:q}"
        " --model {input.model:q} --params {params.evaluation:q} --threads {threads} --output reports"
        " 2>&1 | tee {log}"
