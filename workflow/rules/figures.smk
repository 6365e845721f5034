# figures: plot
#
# needs  the history, the confusion matrix, the rows and classes of the data set, some audio, the blocks
#        `figures` and `features`
# makes  reports/figures/{training,confusion,examples,classes}.{png,svg}


rule figures:
    """Draw training curves, confusion matrix, examples of a few species, and clips per class and partition."""
    input:
        history="models/history.csv",
        confusion="reports/confusion.csv",
        rows="data/dataset/rows.csv",
        classes="data/dataset/classes.csv",
        annotations="data/recordings/annotations.csv",
        recordings="data/recordings/recordings.csv",
        kind_files=KIND_FILES,
        code=code("figures"),
    output:
        expand(
            "reports/figures/{figure}.{format}",
            figure=["training", "confusion", "examples", "classes"],
            format=["png", "svg"],
        ),
    log:
        "logs/figures.log",
    benchmark:
        "benchmarks/figures.tsv"
    conda:
        "../../environment.yml"
    params:
        figures=values("figures"),
        audio_dir=config["data"]["audio_dir"],
    shell:
        "python -m dawnchorus.stages.figures --history {input.history:q} --confusion {input.confusion:q}"
        " --rows {input.rows:q} --classes {input.classes:q} --annotations {input.annotations:q}"
        " --recordings {input.recordings:q} --audio-dir {params.audio_dir:q} --params {params.figures:q}"
        " --output reports/figures 2>&1 | tee {log}"
