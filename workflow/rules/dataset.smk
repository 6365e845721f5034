# dataset: aggregate and normalize
#
# needs  the shards, annotations.csv, false_positives.csv, split.csv, the blocks `dataset` and `split`
# makes  data/dataset/x.npy (rows, frames, features), rows.csv, classes.csv, statistics.json,
#        training.npy and training_rows.csv: the training clips as extracted, with their margins for jitter
#        context.npy and context_rows.csv: clips away from every annotation, as extracted
#        negatives.npy and negative_rows.csv: clips that were checked not to hold the class they are listed with


rule dataset:
    """Bring all clips to one length and one scale, that of the training clips."""
    input:
        shards=expand(f"data/features/shard-{OF_SET}.zip", shard=SHARDS),
        negatives=expand(f"data/features/negatives-{OF_SET}.zip", shard=SHARDS),
        annotations="data/recordings/annotations.csv",
        false_positives="data/recordings/false_positives.csv",
        split="data/split/split.csv",
        code=code("dataset"),
    output:
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
        provenance="data/dataset/dataset.provenance.json",
    log:
        "logs/dataset.log",
    benchmark:
        "benchmarks/dataset.tsv"
    conda:
        "../../environment.yml"
    params:
        dataset=values("dataset"),
    shell:
        command(
            "dataset",
            "--shards {input.shards:q} --annotations {input.annotations:q}"
            " --negatives {input.negatives:q} --false-positives {input.false_positives:q}"
            " --split {input.split:q} --params {params.dataset:q}"
            " --output {output.x:q} {output.rows:q} {output.classes:q} {output.statistics:q} {output.training:q}"
            " {output.training_rows:q} {output.context:q} {output.context_rows:q} {output.negatives:q}"
            " {output.negative_rows:q}",
        )
