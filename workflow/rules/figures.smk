# figures: plot
#
# needs  the history, what evaluation and detection_metrics measured, the rows and classes of the data set, some audio, the blocks
#        `figures` and `features`
# makes  reports/figures/, each figure as .png and as .svg; the report embeds some of the latter

# The figures, and where each stands in Snakemake's own report.
FIGURES = {
    "training": "Training",
    "confusion": "Naming clips",
    "baselines": "Naming clips",
    "reliability": "Naming clips",
    "durations": "Data",
    "classes": "Data",
    "examples": "Data",
    "detection": "Finding calls",
}


rule figures:
    """Draw training curves, confusion matrix, baselines, reliability, durations, clips of each species, examples."""
    input:
        history="models/history.csv",
        confusion="reports/confusion.csv",
        baselines="reports/baselines.csv",
        reliability="reports/reliability.csv",
        detection_curves="reports/detection_curves.csv",
        detection_reliability="reports/detection_reliability.csv",
        rows="data/dataset/rows.csv",
        classes="data/dataset/classes.csv",
        recordings="data/recordings/recordings.csv",
        kind_files=KIND_FILES,
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
            " --rows {input.rows:q}"
            " --classes {input.classes:q} --recordings {input.recordings:q} --audio-dir {params.audio_dir:q}"
            " --params {params.figures:q} --output {output.figures:q}",
        )
