# model: train on a GPU resource
#
# needs  the data set, the blocks `model` and `train`, the root seed
# makes  models/model.keras (with all that it was trained with inside), history.csv, classes.csv


rule model:
    """Train the classifier, which names the species of a call."""
    input:
        dataset=products(rules.dataset),
        code=code("model"),
    output:
        model="models/model.keras",
        history="models/history.csv",
        classes="models/classes.csv",
        provenance="models/model.provenance.json",
    log:
        "logs/model.log",
    benchmark:
        "benchmarks/model.tsv"
    conda:
        "../../environment.yml"
    threads: device.THREADS
    resources:
        gpu=1,
    params:
        model=values("model"),
    shell:
        command(
            "model",
            "--dataset {input.dataset:q} --params {params.model:q}"
            f" --threads {device.THREADS}"
            " --model {output.model:q} --history {output.history:q} --classes {output.classes:q}",
        )
