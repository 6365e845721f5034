# presence: train, on a GPU resource, what finds calls in whole recordings
#
# needs  the frames of whole recordings, rows.csv and classes.csv, recordings.csv (which have no call), unknown.csv,
#        false_positives.csv, the block `presence`, data.annotated, what groups recordings, the root seed
# makes  models/presence.keras (with all that it was trained with inside), presence_history.csv, and presence_rounds.npz:
#        the weights of every training
#
# Rounds of pseudo-labels (presence.pseudo_label_rounds) are trainings one after the other in this one job: their number is
# a value, and the stages of DVC are a list that no value makes longer. A round more takes over the trainings before it from
# presence_rounds.npz, and is one training more; a job that is killed goes on with the round that it was at.


rule presence:
    """Train the detector, which says what calls at each moment of a recording."""
    input:
        shards=expand(f"data/features/recordings-{OF_SET}.zip", shard=SHARDS),
        rows="data/dataset/rows.csv",
        classes="data/dataset/classes.csv",
        recordings="data/recordings/recordings.csv",
        unknown="data/recordings/unknown.csv",
        false_positives="data/recordings/false_positives.csv",
        code=code("presence"),
    output:
        model="models/presence.keras",
        history="models/presence_history.csv",
        rounds="models/presence_rounds.npz",
        provenance="models/presence.provenance.json",
    log:
        "logs/presence.log",
    benchmark:
        "benchmarks/presence.tsv"
    conda:
        "../../environment.yml"
    threads: device.THREADS
    resources:
        gpu=1,
    params:
        presence=values("presence"),
    shell:
        command(
            "presence",
            "--shards {input.shards:q} --rows {input.rows:q} --classes {input.classes:q}"
            " --recordings {input.recordings:q} --unknown {input.unknown:q} --false-positives {input.false_positives:q}"
            f" --params {{params.presence:q}} --threads {device.THREADS}"
            " --model {output.model:q} --history {output.history:q} --rounds {output.rounds:q}",
        )
