# model: train on a GPU resource
#
# needs  the data set, the blocks `model` and `train`, the root seed
# makes  models/model.keras (with all that it was trained with inside), history.csv, classes.csv


rule model:
    """Train the network that model.name names; on a GPU if TensorFlow finds one, else on the CPU."""
    input:
        x="data/dataset/x.npy",
        rows="data/dataset/rows.csv",
        classes="data/dataset/classes.csv",
        statistics="data/dataset/statistics.json",
        training="data/dataset/training.npy",
        training_rows="data/dataset/training_rows.csv",
        context="data/dataset/context.npy",
        context_rows="data/dataset/context_rows.csv",
        negatives="data/dataset/negatives.npy",
        negative_rows="data/dataset/negative_rows.csv",
        code=code("model"),
    output:
        model="models/model.keras",
        history="models/history.csv",
        classes="models/classes.csv",
    log:
        "logs/model.log",
    benchmark:
        "benchmarks/model.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        gpu=1,
    params:
        model=values("model"),
    shell:
        'python -m dawnchorus.stages.model --dataset "$(dirname {input.x:q})" --params {params.model:q}'
        ' --threads {threads} --output "$(dirname {output.model:q})" 2>&1 | tee {log}'
