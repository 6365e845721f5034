# model: train on a GPU resource
#
# needs  the data set, the blocks `model` and `train`, the root seed
# makes  models/model.keras (with all that it was trained with inside), history.csv, classes.csv


rule model:
    """Train the network that model.name names; on a GPU if TensorFlow finds one, else on the CPU."""
    input:
        dataset=rules.dataset.output,
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
        "python -m dawnchorus.stages.model --dataset {input.dataset:q} --params {params.model:q} --threads {threads}"
        " --model {output.model:q} --history {output.history:q} --classes {output.classes:q} 2>&1 | tee {log}"
