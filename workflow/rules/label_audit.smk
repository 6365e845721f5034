# label_audit: the annotations whose label is most likely wrong, by scores out of fold; made on demand
#
# needs  what cross_validation makes, the recordings, what the block `report` says of pictures and sounds
# makes  reports/label_audit/: label_audit.csv, every annotation, the most likely wrong one first; label_audit.html, the
#        first of them to look at and listen to


rule label_audit:
    """Rank annotations by how likely their label is wrong, and show the first of them."""
    input:
        # Every fold has every row.
        rows=rules.cross_validation.input.rows,
        predictions=rules.cross_validation.output.predictions,
        recordings="data/recordings/recordings.csv",
        audio=AUDIO,
        code=code("label_audit"),
    output:
        table=report(
            "reports/label_audit/label_audit.csv",
            caption="../report/label_audit.rst",
            category="Label audit",
        ),
        page=report(
            "reports/label_audit/label_audit.html",
            caption="../report/label_audit.rst",
            category="Label audit",
        ),
        provenance="reports/label_audit/label_audit.provenance.json",
    log:
        "logs/label_audit.log",
    benchmark:
        "benchmarks/label_audit.tsv"
    conda:
        "../../environment.yml"
    params:
        label_audit=values("label_audit"),
        audio_dir=config["data"]["audio_dir"],
    shell:
        command(
            "label_audit",
            "--rows {input.rows:q} --predictions {input.predictions:q} --recordings {input.recordings:q}"
            " --audio-dir {params.audio_dir:q} --params {params.label_audit:q}"
            " --table {output.table:q} --page {output.page:q}",
        )
