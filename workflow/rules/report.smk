# report: one page in which the run can be read, seen and heard
#
# needs  what evaluation and detection_metrics measured, the training history, the model's card, the tables of the data, figures, some audio,
#        every value of the run (the page shows them), but not the blocks of what is made on demand; the summary of a
#        review, if data.review_summary names one
# makes  reports/report.html, which holds everything it shows and works without any network;
#        reports/headline.json: of all metrics the few that `dvc metrics diff` and `dvc exp show` compare
#
# The page names the commit at which it was made. That is said, not an input: a commit makes no report stale.


# Without a review the key names the annotations.
REVIEW_SUMMARY = [path for path in [config["data"]["review_summary"]] if path != config["data"]["annotations"]]


rule report:
    """Put the numbers, figures and sounds of the run on one page."""
    input:
        metrics="reports/metrics.json",
        baselines="reports/baselines.csv",
        predictions="reports/predictions.csv",
        per_class="reports/per_class.csv",
        reliability="reports/reliability.csv",
        detection_metrics="reports/detection_metrics.json",
        detection_baselines="reports/detection_baselines.csv",
        detection_per_class="reports/detection_per_class.csv",
        detection_events="reports/detection_events.csv",
        presence_calibration="models/presence_calibration.json",
        history="models/history.csv",
        model="models/model.keras",
        rows="data/dataset/rows.csv",
        recordings="data/recordings/recordings.csv",
        audit="data/recordings/audit.csv",
        figures=expand(
            "reports/figures/{figure}.svg",
            figure=[
                "training",
                "baselines",
                "durations",
                "classes",
                "reliability",
                "precision_recall",
                "detection",
                "detection_precision_recall",
            ],
        ),
        review=REVIEW_SUMMARY,
        kind_files=KIND_FILES,
        audio=AUDIO,
        code=code("report"),
    output:
        page=report(
            "reports/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
        headline=report(
            "reports/headline.json",
            caption="../report/headline.rst",
            category="Report",
        ),
        provenance="reports/report.provenance.json",
    log:
        "logs/report.log",
    benchmark:
        "benchmarks/report.tsv"
    conda:
        "../../environment.yml"
    params:
        report=values("report"),
        audio_dir=config["data"]["audio_dir"],
    shell:
        command(
            "report",
            "--metrics {input.metrics:q} --baselines {input.baselines:q}"
            " --predictions {input.predictions:q} --per-class {input.per_class:q}"
            " --detection-metrics {input.detection_metrics:q} --detection-baselines {input.detection_baselines:q}"
            " --detection-per-class {input.detection_per_class:q} --detection-events {input.detection_events:q}"
            " --reliability {input.reliability:q} --history {input.history:q} --model {input.model:q}"
            " --presence-calibration {input.presence_calibration:q}"
            " --rows {input.rows:q} --recordings {input.recordings:q} --audit {input.audit:q}"
            " --figures {input.figures:q} --audio-dir {params.audio_dir:q} --params {params.report:q}"
            " --output {output.page:q} --headline {output.headline:q}"
            + " --review {input.review:q}" * bool(REVIEW_SUMMARY),
        )
