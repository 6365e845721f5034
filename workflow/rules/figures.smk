# figures: plot
#
# needs  the history, what evaluation and detection_metrics measured, the rows and classes of the data set, some audio, the blocks
#        `figures` and `features`, train.early_stopping_patience
# makes  reports/figures/, each figure as .png and as .svg; the report embeds some of the latter

# The figures, and where each stands in Snakemake's own report.
FIGURES = {
    "training": "Training",
    "confusion": "Naming clips",
    "baselines": "Naming clips",
    "reliability": "Naming clips",
    "precision_recall": "Naming clips",
    "durations": "Data",
    "classes": "Data",
    "examples": "Data",
    "detection": "Finding calls",
    "detection_precision_recall": "Finding calls",
}


rule figures:
    """Draw the course of training, what is taken for what, precision and recall, and example calls."""
    input:
        history="models/history.csv",
        confusion="reports/confusion.csv",
        baselines="reports/baselines.csv",
        reliability="reports/reliability.csv",
        predictions="reports/predictions.csv",
        per_class="reports/per_class.csv",
        detection_per_class="reports/detection_per_class.csv",
        detection_curves="reports/detection_curves.csv",
        detection_reliability="reports/detection_reliability.csv",
        rows="data/dataset/rows.csv",
        classes="data/dataset/classes.csv",
        recordings="data/recordings/recordings.csv",
        kind_files=KIND_FILES,
        audio=AUDIO,
        code=code("figures"),
    output:
        figures=[
            path
            for figure, category in FIGURES.items()
            for path in (
                f"reports/figures/{figure}.png",
                report(
                    f"reports/figures/{figure}.svg",
                    caption=f"../report/{figure}.rst",
                    category=category,
                ),
            )
        ],
        provenance="reports/figures/figures.provenance.json",
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
        command(
            "figures",
            "--history {input.history:q} --confusion {input.confusion:q}"
            " --baselines {input.baselines:q} --reliability {input.reliability:q}"
            " --detection-curves {input.detection_curves:q} --detection-reliability {input.detection_reliability:q}"
            " --predictions {input.predictions:q} --per-class {input.per_class:q}"
            " --detection-per-class {input.detection_per_class:q} --rows {input.rows:q}"
            " --classes {input.classes:q} --recordings {input.recordings:q} --audio-dir {params.audio_dir:q}"
            " --params {params.figures:q} --output {output.figures:q}",
        )
