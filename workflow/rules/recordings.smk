# recordings: the audit; what can be used of the table and the audio, and what is wrong with the rest
#
# needs  data.annotations (data.format: RFCX's columns, Raven, Audacity or any CSV), data.audio_dir, and of
#        data.false_positives (the same format), the two side tables, the two of spans and data.reviews those that are
#        given
# makes  recordings.csv (a row a file: path, sha256, duration, rate, channels),
#        annotations.csv and false_positives.csv (clean and canonical), unknown.csv (spans of sound of which nobody knows
#        what calls there), audit.csv (a row a problem); with reviews, annotations and false positives have their rows at
#        the end, marked by a column `from_reviews`


rule recordings:
    """Check every row of the tables, and read every recording to its end."""
    input:
        tables=SOURCE_TABLES,
        audio=AUDIO,
        code=code("recordings"),
    output:
        recordings="data/recordings/recordings.csv",
        annotations="data/recordings/annotations.csv",
        false_positives="data/recordings/false_positives.csv",
        unknown="data/recordings/unknown.csv",
        audit=report(
            "data/recordings/audit.csv",
            caption="../report/audit.rst",
            category="Data",
        ),
        provenance="data/recordings/recordings.provenance.json",
    log:
        "logs/recordings.log",
    benchmark:
        "benchmarks/recordings.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    params:
        data=values("recordings"),
        audio=AUDIO_FINGERPRINT,
    shell:
        command(
            "recordings",
            "--params {params.data:q} --audio={params.audio:q} --threads {threads}"
            f" --hash-cache {hashes.OF_SOUND}"
            " --recordings {output.recordings:q} --annotations {output.annotations:q}"
            " --false-positives {output.false_positives:q} --unknown {output.unknown:q}"
            " --audit {output.audit:q} --stopped logs/audit.csv",
        )
