# simulate: a small data set in the layout of RFCX, so that a fresh clone runs
#
# needs  the block `simulate` of params.yaml and the root seed; only when data.source is simulated
# makes  data/simulated/train/<recording_id>.flac, train_tp.csv, species.csv
#        and recordings.csv, which names the content of every recording


rule simulate:
    """Make recordings of invented species over rain, wind and insects."""
    input:
        code=code("simulate"),
    output:
        annotations="data/simulated/train_tp.csv",
        recordings="data/simulated/recordings.csv",
        species="data/simulated/species.csv",
        audio=directory("data/simulated/train"),
        provenance="data/simulated/simulate.provenance.json",
    log:
        "logs/simulate.log",
    benchmark:
        "benchmarks/simulate.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    params:
        simulate=values("simulate"),
    shell:
        command(
            "simulate",
            "--params {params.simulate:q} --threads {threads}"
            " --audio {output.audio:q} --annotations {output.annotations:q} --recordings {output.recordings:q}"
            " --species {output.species:q}",
        )
