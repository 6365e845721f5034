# split: which annotation is train, validation, test
#
# needs  annotations.csv with the column that split.group names, the block `split`, the root seed
# makes  data/split/split.csv; what comes of reviews trains, or is `unused` where its group is held out


rule split:
    """Set recordings aside for validation and for the test, group by group; the others are for training."""
    input:
        annotations="data/recordings/annotations.csv",
        code=code("split"),
    output:
        split="data/split/split.csv",
        provenance="data/split/split.provenance.json",
    log:
        "logs/split.log",
    benchmark:
        "benchmarks/split.tsv"
    conda:
        "../../environment.yml"
    params:
        split=values("split"),
    shell:
        command(
            "split",
            "--annotations {input.annotations:q} --params {params.split:q}" " --output {output.split:q}",
        )
